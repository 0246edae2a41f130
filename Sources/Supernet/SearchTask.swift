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
  public init(of table: Table) {
    struct Stated: Decodable {
      var dataset: DatasetSettings
      var network: NetworkSettings
    }
    let stated = table.provenance["settings"].flatMap {
      try? JSONDecoder().decode(Stated.self, from: Data($0.utf8))
    }
    dataset =
      stated?.dataset
      ?? DatasetSettings(
        name: .cifar10, trainingImages: 40_000, validationImages: 10_000, testImages: 10_000, downscale: 1)
    network = stated?.network ?? .nasBench101
  }

  /// Channels, height and width of an image.
  public var imageShape: (channels: Int, height: Int, width: Int) {
    switch dataset.name {
    case .fashionMNIST: (1, 28 / dataset.downscale, 28 / dataset.downscale)
    case .cifar10: (3, 32 / dataset.downscale, 32 / dataset.downscale)
    }
  }
}
