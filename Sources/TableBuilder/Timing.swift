import CellNetworks
import Foundation
import SearchSpaces
import Statistics

/// A measurement of the training steps of all cells of a build in one sitting.
///
/// A long build runs over days, on different machines and under different loads. Its seconds vary by a factor of two on
/// shared machines, which would make one cell look cheaper than another. Here every cell is measured in several rounds,
/// each in a random order of its own. A disturbance lasts seconds and only ever lengthens a measurement, so a repeat's
/// time is the least of three rounds far from each other.
public struct Timing {
  /// The folder of the build.
  public let folder: BuildFolder
  /// The number of training steps in a measurement, which is their median.
  public var steps = 10
  /// The number of measurements per repeat.
  static let visits = 3

  public init(folder: BuildFolder) { self.folder = folder }

  /// Measures whatever is missing until every cell of the folder is timed in every round.
  ///
  /// - Parameters:
  ///   - data: The folder of the data files, if it is not where Debian puts it.
  ///   - progress: Called with the number of finished measurements and that of all.
  /// - Throws: ``BuildError``, `DataError` or `TorchError`.
  public func run(data: String? = nil, progress: (Int, Int) -> Void = { _, _ in }) throws {
    guard let (header, records) = try folder.read() else {
      throw BuildError.unreadable(folder.path, reason: "it holds no build logs")
    }
    let settings = header.settings
    let dataset = try Dataset(settings.dataset, folder: data)
    guard BuildHeader(settings: settings, dataChecksum: dataset.checksum) == header else {
      throw BuildError.otherSettings(folder.path)
    }
    let done = try folder.timings()
    guard done.map({ $0.header == header }) ?? true else { throw BuildError.otherSettings(folder.timingPath) }
    let rounds = settings.repeats * Self.visits
    let cells = Set(records.map(\.cell)).sorted()
    let log = try BuildLog(path: folder.timingPath, header: header)
    let trainer = try Trainer(dataset: dataset, network: settings.network, training: settings.training)
    var count = done?.seconds.values.reduce(0) { $0 + $1.count } ?? 0
    for round in 0..<rounds {
      var random = RandomGenerator(seed: UInt64(round), stream: "order of timing")
      var order = cells
      random.shuffle(&order)
      for text in order where done?.seconds[text]?.count ?? 0 <= round {
        let seconds = try trainer.secondsPerStep(try Cell(text: text), steps: steps)
        try log.append(TimingRecord(cell: text, round: round, seconds: seconds))
        count += 1
        progress(count, cells.count * rounds)
      }
    }
  }
}

/// The CPU seconds of a training step, as a line of the timing log.
struct TimingRecord: Hashable, Sendable, Codable {
  /// The cell as text.
  var cell: String
  /// The round, from 0. It belongs to the repeat whose number is the remainder of `round` by the number of repeats.
  var round: Int
  var seconds: Double
}
