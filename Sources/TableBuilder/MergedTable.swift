import CellNetworks
import Foundation
import SearchSpaces
import TabularBenchmark

/// A merger of build logs into a table.
public enum MergedTable {
  /// The contents of a merged table.
  public struct Summary: Hashable, Sendable {
    /// The number of cells.
    public var cells = 0
    /// The number of trainings.
    public var trainings = 0
    /// The number of new trainings whose loss became infinite or not a number.
    public var diverged = 0
    /// The number of new cells that lack trainings. The table holds those that they have.
    public var incompleteCells = 0
  }

  /// Writes the table of some build folders.
  ///
  /// - Parameters:
  ///   - folders: Build folders with the same settings; a training may be in one of them only. If one was timed by
  ///     ``Timing``, all must be, and the table's seconds are those.
  ///   - base: A table with the same settings whose trainings are copied; the folders' trainings of its cells are left
  ///     out.
  ///   - command: The command that built the table, for its provenance.
  ///   - machine: The machine that built the table, for its provenance.
  /// - Throws: ``BuildError``, `TableError`.
  public static func write(
    _ folders: [BuildFolder], extending base: Table? = nil, to destination: URL, command: String, machine: String
  ) throws -> Summary {
    var header: BuildHeader?
    var records: [TrainingRecord] = []
    var timings: [String: [Double]] = [:]
    var untimed: (path: String, cell: String)?
    for folder in folders {
      guard let (own, part) = try folder.read() else {
        throw BuildError.unreadable(folder.path, reason: "it holds no build logs")
      }
      guard header == nil || header == own else { throw BuildError.otherSettings(folder.path) }
      header = own
      records += part
      if let (other, seconds) = try folder.stepSeconds() {
        guard other == own else { throw BuildError.otherSettings(folder.timingPath) }
        for record in part where seconds[record.cell]?.count ?? 0 <= record.number {
          throw BuildError.notTimed(folder.path, cell: record.cell)
        }
        timings.merge(seconds) { first, _ in first }
      } else if let first = part.first {
        untimed = (folder.path, first.cell)
      }
    }
    let isTimed = !timings.isEmpty
    if isTimed, let untimed { throw BuildError.notTimed(untimed.path, cell: untimed.cell) }
    guard let header else { throw BuildError.unreadable(".", reason: "no build folder is given") }
    records.sort { ($0.cell, $0.epochs, $0.number) < ($1.cell, $1.epochs, $1.number) }

    var summary = Summary()
    var counts: [String: Int] = [:]
    let writer = try TableWriter(destination: destination)
    if let base {
      guard base.provenance["dataset"] == header.dataset, base.provenance["libtorch"] == header.torch,
        try base.buildSettings() == header.settings
      else { throw BuildError.otherSettings(base.path) }
      summary.trainings = try copy(base, to: writer)
      summary.cells = base.rowCount
    }
    for record in records {
      let architecture = try Architecture(text: record.cell)
      guard base?.row(of: architecture) == nil else { continue }
      let row = writer.add(
        architecture, parameters: Int64(record.parameters),
        multiplyAccumulates: Int64(record.multiplyAccumulates))
      var (halfway, final) = (record.halfway, record.final)
      if let seconds = timings[record.cell]?[record.number] {
        let steps = header.settings.steps(epochs: record.epochs)
        halfway.seconds = seconds * Double((steps + 1) / 2)
        final.seconds = seconds * Double(steps)
      }
      try writer.append(
        TabularBenchmark.Measurement(halfway: point(halfway), final: point(final)), row: row, epochs: record.epochs)
      counts[record.cell, default: 0] += 1
      summary.trainings += 1
      if record.diverged { summary.diverged += 1 }
    }
    let settings = header.settings
    let needed = settings.epochs.count * settings.repeats
    summary.cells += counts.count
    summary.incompleteCells = counts.values.count { $0 < needed }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var provenance: Provenance = [
      "source": "trained by AnytimeNAS",
      "command": command,
      "dataset": header.dataset,
      "settings": String(decoding: try encoder.encode(settings), as: UTF8.self),
      "libtorch": header.torch,
      "machine": machine,
      "diverged trainings": "\(summary.diverged) of \(counts.values.reduce(0, +))",
      "seconds": isTimed
        ? "CPU seconds of a training step, one thread, the least of three measurements in one sitting after the build, "
          + "times the number of steps"
        : "CPU seconds of the training steps, one thread",
    ]
    if let base {
      provenance["extends"] = "a table of \(base.rowCount) cells, checksum \(base.checksum)"
      for (key, value) in base.provenance { provenance["extended \(key)"] = provenance[key] == value ? nil : value }
    }
    try writer.finish(provenance: provenance)
    return summary
  }

  /// Copies all trainings of a table.
  ///
  /// - Returns: The number of trainings.
  private static func copy(_ table: Table, to writer: TableWriter) throws(TableError) -> Int {
    var trainings = 0
    for row in 0..<table.rowCount {
      let own = writer.add(
        table.architecture(row), id: table.id(row), parameters: table.parameterCount(row).map(Int64.init),
        multiplyAccumulates: table.multiplyAccumulates(row).map(Int64.init))
      for (fidelity, epochs) in table.epochs.enumerated() {
        for number in 0..<table.repeatCount(row: row, epochs: fidelity) {
          func point(_ moment: Moment) -> TabularBenchmark.Measurement.Point {
            func value(_ metric: Metric) -> Float {
              table.value(metric, moment, row: row, epochs: fidelity, repeat: number).map { Float($0) } ?? .nan
            }
            return .init(
              seconds: value(.seconds), trainAccuracy: value(.trainAccuracy),
              validationAccuracy: value(.validationAccuracy), testAccuracy: value(.testAccuracy))
          }
          try writer.append(
            TabularBenchmark.Measurement(halfway: point(.halfway), final: point(.final)), row: own, epochs: epochs)
          trainings += 1
        }
      }
    }
    return trainings
  }

  /// A training's point in the table's form. Times are rounded to the millisecond.
  private static func point(_ point: TrainingPoint) -> TabularBenchmark.Measurement.Point {
    .init(
      seconds: Float((point.seconds * 1_000).rounded() / 1_000), trainAccuracy: Float(point.train),
      validationAccuracy: Float(point.validation), testAccuracy: Float(point.test))
  }
}

extension BuildHeader {
  /// The data set as a table's provenance states it.
  fileprivate var dataset: String {
    "\(settings.dataset.name.rawValue), CRC-32 of the files \(String(dataChecksum, radix: 16))"
  }
}

extension Table {
  /// Reads the settings that the table's trainings were made with.
  ///
  /// - Throws: ``BuildError/notBuilt(_:)`` if `anytime table build` did not make the table.
  public func buildSettings() throws(BuildError) -> BuildSettings {
    guard let text = provenance["settings"],
      let settings = try? JSONDecoder().decode(BuildSettings.self, from: Data(text.utf8))
    else { throw .notBuilt(path) }
    return settings
  }
}
