import CellNetworks
import CellSpace
import Tensor

/// Everything that determines the numbers of a table, except the machine.
public struct BuildSettings: Hashable, Sendable, Codable {
  public var dataset: DatasetSettings
  public var network: NetworkSettings
  public var training: TrainingSettings
  /// Epoch counts, each a training of its own, ascending.
  public var epochs: [Int]
  /// Trainings per cell and epoch count.
  public var repeats: Int
  /// Determines all weights and orders of images, with cell, epoch count and repeat.
  public var seed: UInt64

  public init(
    dataset: DatasetSettings, network: NetworkSettings, training: TrainingSettings, epochs: [Int],
    repeats: Int, seed: UInt64
  ) {
    self.dataset = dataset
    self.network = network
    self.training = training
    self.epochs = epochs
    self.repeats = repeats
    self.seed = seed
  }
}

extension BuildSettings {
  /// Of a training.
  func steps(epochs: Int) -> Int { training.stepsPerEpoch(images: dataset.trainingImages) * epochs }

  /// All trainings that a table of some cells needs, cell by cell.
  public func assignments(_ cells: [Cell]) -> [Assignment] {
    cells.flatMap { cell in
      epochs.flatMap { epochs in
        (0..<repeats).map { Assignment(cell: cell, epochs: epochs, number: $0) }
      }
    }
  }
}

/// One training that a table needs.
public struct Assignment: Hashable, Sendable {
  public let cell: Cell
  public let epochs: Int
  /// 0..<repeats.
  public let number: Int

  /// The seed of this training: different for every cell, epoch count and repeat.
  func seed(_ settings: BuildSettings) -> UInt64 {
    var seed = settings.seed
    for part in [cell.code, UInt64(epochs), UInt64(number)] {
      seed = (seed ^ part) &* 0x9e37_79b9_7f4a_7c15
      seed ^= seed >> 29
    }
    return seed
  }
}

/// One training that is done: a line of a build log.
public struct TrainingRecord: Hashable, Sendable, Codable {
  /// The cell as text.
  public var cell: String
  public var epochs: Int
  /// 0..<repeats.
  public var number: Int
  public var halfway, final: TrainingPoint
  public var diverged: Bool
  public var parameters, multiplyAccumulates: Int
}

/// Where a build log comes from: its first line. Logs of one table must agree in all of it.
public struct BuildHeader: Hashable, Sendable, Codable {
  public var settings: BuildSettings
  /// CRC-32 of the data files.
  public var dataChecksum: UInt32
  /// libtorch's version.
  public var torch: String

  public init(settings: BuildSettings, dataChecksum: UInt32, torch: String = Torch.version) {
    self.settings = settings
    self.dataChecksum = dataChecksum
    self.torch = torch
  }
}
