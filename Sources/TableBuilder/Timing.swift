import CellNetworks
import CellSpace
import Foundation
import Statistics

/// Measures the training steps of all cells of a build in one sitting.
///
/// A long build stretches over days, machines and loads, and its seconds with it: by a factor of two on shared
/// machines, which would make one cell look cheaper than another. Here every cell is visited in several rounds, each in
/// a random order of its own. What disturbs a measurement lasts seconds and only ever makes it longer, so a repeat's
/// time is the least of three rounds far from each other.
public struct Timing {
  public let folder: BuildFolder
  /// Of each measurement; it is their median.
  public var steps = 10
  /// Measurements of each repeat.
  static let visits = 3

  public init(folder: BuildFolder) { self.folder = folder }

  /// Goes on until every cell of the folder is timed in every round.
  ///
  /// - Parameters:
  ///   - data: The folder of the data files, if it is not where Debian puts it.
  ///   - progress: Called with the number of measurements that are done, and of all.
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

/// CPU seconds of a training step: a line of the timing log.
struct TimingRecord: Hashable, Sendable, Codable {
  /// The cell as text.
  var cell: String
  /// From 0; it belongs to the repeat that is its remainder by their number.
  var round: Int
  var seconds: Double
}
