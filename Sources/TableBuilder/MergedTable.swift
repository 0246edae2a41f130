import CellNetworks
import CellSpace
import Foundation
import TabularBenchmark

/// Puts build logs together into a table.
public enum MergedTable {
  /// What a table was made of.
  public struct Summary: Hashable, Sendable {
    public var cells = 0
    public var trainings = 0
    /// Trainings whose loss became infinite or no number.
    public var diverged = 0
    /// Cells that lack a training at some epoch count. They are in the table with what they have.
    public var incompleteCells = 0
  }

  /// - Parameters:
  ///   - folders: Build folders with the same settings; a training may be in one of them only.
  ///   - command: What to state as the command that built the table.
  /// - Throws: ``BuildError``, `TableError`.
  public static func write(
    _ folders: [BuildFolder], to destination: URL, command: String, machine: String
  ) throws -> Summary {
    var header: BuildHeader?
    var records: [TrainingRecord] = []
    for folder in folders {
      guard let (own, part) = try folder.read() else {
        throw BuildError.unreadable(folder.path, reason: "it holds no build logs")
      }
      guard header == nil || header == own else { throw BuildError.otherSettings(folder.path) }
      header = own
      records += part
    }
    guard let header else { throw BuildError.unreadable(".", reason: "no build folder is given") }
    records.sort { ($0.cell, $0.epochs, $0.number) < ($1.cell, $1.epochs, $1.number) }

    var summary = Summary()
    var counts: [String: Int] = [:]
    let writer = try TableWriter(destination: destination)
    for record in records {
      let cell = try Cell(text: record.cell)
      let row = writer.add(
        cell: cell, parameters: Int64(record.parameters),
        multiplyAccumulates: Int64(record.multiplyAccumulates))
      try writer.append(
        TabularBenchmark.Measurement(halfway: point(record.halfway), final: point(record.final)), row: row,
        epochs: record.epochs)
      counts[record.cell, default: 0] += 1
      if record.diverged { summary.diverged += 1 }
    }
    let settings = header.settings
    let needed = settings.epochs.count * settings.repeats
    summary.cells = counts.count
    summary.trainings = records.count
    summary.incompleteCells = counts.values.count { $0 < needed }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try writer.finish(provenance: [
      "source": "trained by AnytimeNAS",
      "command": command,
      "dataset":
        "\(settings.dataset.name.rawValue), CRC-32 of the files \(String(header.dataChecksum, radix: 16))",
      "settings": String(decoding: try encoder.encode(settings), as: UTF8.self),
      "libtorch": header.torch,
      "machine": machine,
      "diverged trainings": "\(summary.diverged) of \(summary.trainings)",
      "seconds": "CPU seconds of the training steps, one thread",
    ])
    return summary
  }

  /// Times to the millisecond; accuracies are multiples of one image anyway.
  private static func point(_ point: TrainingPoint) -> TabularBenchmark.Measurement.Point {
    .init(
      seconds: Float((point.seconds * 1_000).rounded() / 1_000), trainAccuracy: Float(point.train),
      validationAccuracy: Float(point.validation), testAccuracy: Float(point.test))
  }
}
