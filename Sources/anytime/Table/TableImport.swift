import ArgumentParser
import CellSpace
import Foundation
import TabularBenchmark

struct TableImport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Convert NAS-Bench-101's files, CSV or JSON lines into a table.",
    discussion: """
      Columns of CSV and keys of JSON lines: adjacency, operations, epochs (needed); hash, training_seconds, \
      train_accuracy, validation_accuracy, test_accuracy, each also with halfway_ before it, \
      trainable_parameters, multiply_accumulates. What is missing or empty is absent in the table. All may be \
      gzipped.

      EXAMPLES
        anytime table import nasbench_full.tfrecord
        anytime table import mine.csv -o mine.table --column validation_accuracy=val_acc
      """)

  @Argument(help: "A .tfrecord, .csv or .jsonl file, or one of these with .gz.")
  var source: String

  @Option(name: .shortAndLong, help: "The table to make. Default: the source's name with .table.")
  var output: String?

  @Option(
    name: .customLong("column"),
    help: ArgumentHelp("Which of the file's columns is meant. Repeatable.", valueName: "name=theirs"))
  var columns: [String] = []

  @Flag(name: .shortAndLong, help: "No progress.")
  var quiet = false

  func run() throws {
    var stem = URL(filePath: source)
    if stem.pathExtension == "gz" { stem.deletePathExtension() }
    let kind = stem.pathExtension.lowercased()
    let destination =
      output.map { URL(filePath: $0) } ?? stem.deletingPathExtension().appendingPathExtension("table")
    let mapping = try columns.map { text -> (String, String) in
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { throw UsageError("--column is written as name=theirs, not '\(text)'") }
      guard TableText.columns.contains(parts[0]) else {
        throw UsageError("'\(parts[0])' is no column; use \(TableText.columns.joined(separator: ", "))")
      }
      return (parts[0], parts[1])
    }
    let line = ProgressLine("importing", quiet: quiet)
    let megabytes = { (done: Int, total: Int) in
      line.show(done: done >> 20, of: max(total >> 20, 1), unit: "MB")
    }
    let start = ContinuousClock.now
    let summary: ImportSummary
    switch kind {
    case "csv", "jsonl":
      summary = try PlainImporter.importTable(
        from: URL(filePath: source), to: destination, as: kind == "csv" ? .csv : .jsonl,
        columns: Dictionary(mapping) { $1 }, progress: megabytes)
    case "tfrecord":
      summary = try NASBench101Importer.importTable(
        from: URL(filePath: source), to: destination, progress: megabytes)
    default:
      throw UsageError("\(source) must end in .tfrecord, .csv or .jsonl, or in one of these and .gz")
    }
    line.finish()
    let elapsed = ContinuousClock.now - start
    let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
    let size = (try? FileManager.default.attributesOfItem(atPath: source)[.size] as? Int) ?? 0
    print(
      "\(destination.path): \(grouped(summary.cells)) cells, \(grouped(summary.records)) trainings, "
        + "epochs \(summary.epochs.map(String.init).joined(separator: ", "))")
    print("\(decimals(seconds, 1)) s, \(Int(Double(size) / 1e6 / max(seconds, 1e-3))) MB/s")
  }
}

struct TableSynthesize: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "synthesize",
    abstract: "Write a file of NAS-Bench-101's exact shape with made-up numbers, for tests and measurements.",
    discussion: "EXAMPLE\n  anytime table synthesize synthetic.tfrecord --space nas-bench-101")

  @Argument(help: "The .tfrecord file to make.")
  var output: String

  @Option(help: "Whose cells.")
  var space = "1"

  @Flag(name: .customLong("only-108"), help: "Trainings of 108 epochs alone, as in the smaller file.")
  var only108 = false

  func run() throws {
    let space = try searchSpace(named: space)
    let cells = space.uniqueCells()
    let line = ProgressLine("writing")
    try SyntheticNASBench101.write(
      to: URL(filePath: output), cells: cells, epochs: only108 ? [108] : NASBench101Importer.epochCounts
    ) { line.show(done: $0, of: cells.count, unit: "cells") }
    line.finish()
    print(
      "\(output): synthetic numbers for \(grouped(cells.count)) cells; they say nothing about real networks.")
  }
}
