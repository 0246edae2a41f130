import CellNetworks
import Foundation
import TabularBenchmark

/// The task that a table's cells were trained for: a supernet is trained for the same.
public struct SearchTask: Hashable, Sendable {
  /// The images. Those to train on and those to validate on are a supernet's too; test images are not read.
  public var dataset: DatasetSettings
  /// The networks around the cells.
  public var network: NetworkSettings

  /// The task that a table's provenance states, or NAS-Bench-101's: CIFAR-10, 40,000 images to train on and
  /// 10,000 to validate on, networks of 128 channels and three stacks of three cells.
  ///
  /// - Throws: ``SupernetError`` for a provenance that states what no images or networks can be.
  public init(of table: Table) throws {
    struct Stated: Decodable {
      var dataset: DatasetSettings
      var network: NetworkSettings
    }
    let stated: Stated?
    do {
      stated = try table.provenance["settings"].map { try JSONDecoder().decode(Stated.self, from: Data($0.utf8)) }
    } catch { throw SupernetError.task(table.path, problem: "its settings cannot be read") }
    dataset =
      stated?.dataset
      ?? DatasetSettings(
        name: .cifar10, trainingImages: 40_000, validationImages: 10_000, testImages: 10_000, downscale: 1)
    network = stated?.network ?? .nasBench101
    do {
      try dataset.check()
      try network.check()
    } catch { throw SupernetError.task(table.path, problem: "\(error)") }
  }

  /// Channels, height and width of an image.
  public var imageShape: (channels: Int, height: Int, width: Int) {
    let (channels, side) = dataset.original
    return (channels, side / dataset.downscale, side / dataset.downscale)
  }
}
