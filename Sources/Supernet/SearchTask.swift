@_spi(Instruments) import Anytime
import CellNetworks
import TabularBenchmark

/// The images and the networks of a table's trainings, which supernets are trained with too.
public struct SearchTask: Hashable, Sendable {
  /// The data set. A supernet uses its training and validation images; test images are not read.
  public var dataset: DatasetSettings
  /// The networks that the cells are part of.
  public var network: NetworkSettings

  /// Reads the task from a table's provenance.
  ///
  /// - Throws: `TaskError` if the provenance states none; there is no default.
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

  /// Reads the task of the table that runs will be given; `nil` if it states none, which is said where networks are
  /// made.
  package init?(under conditions: Conditions) {
    do { try self.init(of: conditions.benchmark.table) } catch { return nil }
  }

  /// Checks that the images that train weights, a half of all but the test images, are as many as a batch has.
  package func checkBatch(of size: Int) throws(SupernetError) {
    let half = (dataset.trainingImages + dataset.validationImages) / 2
    guard half >= size else { throw .fewImages(half, batch: size) }
  }

  /// The number of channels, and the height and width in pixels, of an image.
  public var imageShape: (channels: Int, height: Int, width: Int) {
    let (channels, side) = dataset.original
    return (channels, side / dataset.downscale, side / dataset.downscale)
  }
}
