import CellNetworks
import SearchSpaces
import Tensor

/// The settings that determine the numbers of a table, apart from the machine.
public struct BuildSettings: Hashable, Sendable, Codable {
  public var dataset: DatasetSettings
  public var network: NetworkSettings
  public var training: TrainingSettings
  /// The epoch counts, ascending. Each is a training of its own.
  public var epochs: [Int]
  /// The number of trainings per cell and epoch count.
  public var repeats: Int
  /// The seed of all weights and orders of images, together with cell, epoch count and repeat.
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
  /// The number of steps of a training.
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
  /// The repeat, in `0..<repeats`.
  public let number: Int

  public init(cell: Cell, epochs: Int, number: Int) {
    (self.cell, self.epochs, self.number) = (cell, epochs, number)
  }

  /// The seed of this training: different for every cell, epoch count and repeat.
  package func seed(_ settings: BuildSettings) -> UInt64 {
    var seed = settings.seed
    for part in [cell.code, UInt64(epochs), UInt64(number)] {
      seed = (seed ^ part) &* 0x9e37_79b9_7f4a_7c15
      seed ^= seed >> 29
    }
    return seed
  }
}

/// One finished training, as a line of a build log.
public struct TrainingRecord: Hashable, Sendable, Codable {
  /// The cell as text.
  public var cell: String
  public var epochs: Int
  /// The repeat, in `0..<repeats`.
  public var number: Int
  public var halfway, final: TrainingPoint
  public var diverged: Bool
  public var parameters, multiplyAccumulates: Int
}

/// The first line of a build log, which says how its trainings were made. All logs of a table must have the same.
public struct BuildHeader: Hashable, Sendable, Codable {
  public var settings: BuildSettings
  /// The CRC-32 of the data files.
  public var dataChecksum: UInt32
  /// libtorch's version.
  public var torch: String

  public init(settings: BuildSettings, dataChecksum: UInt32, torch: String = Torch.version) {
    self.settings = settings
    self.dataChecksum = dataChecksum
    self.torch = torch
  }
}
