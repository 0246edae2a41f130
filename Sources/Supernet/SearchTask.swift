import Anytime
import CellNetworks
import TabularBenchmark

/// The task that a table's cells were trained for: a supernet is trained for the same.
public struct SearchTask: Hashable, Sendable {
  /// The images. Those to train on and those to validate on are a supernet's too; test images are not read.
  public var dataset: DatasetSettings
  /// The networks around the cells.
  public var network: NetworkSettings

  /// The task that a table's provenance states.
  ///
  /// - Throws: `TaskError` where it states none: nothing is taken for granted.
  public init(of table: Table) throws(TaskError) {
    let stated = try StatedTask(of: table)
    // The names are checked by `StatedTask`.
    dataset = DatasetSettings(
      name: DatasetSettings.Name(rawValue: stated.dataset.name) ?? .fashionMNIST,
      trainingImages: stated.dataset.trainingImages, validationImages: stated.dataset.validationImages,
      testImages: stated.dataset.testImages, downscale: stated.dataset.downscale, seed: stated.dataset.seed)
    network = NetworkSettings(channels: stated.network.channels, cellsPerStack: stated.network.cellsPerStack)
    network.stacks = stated.network.stacks
    network.batchNormMomentum = stated.network.batchNormMomentum
    network.batchNormEpsilon = stated.network.batchNormEpsilon
  }

  /// Channels, height and width of an image.
  public var imageShape: (channels: Int, height: Int, width: Int) {
    let (channels, side) = dataset.original
    return (channels, side / dataset.downscale, side / dataset.downscale)
  }
}
