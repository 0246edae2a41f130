import ArgumentParser
import Foundation
import Reports
import SearchSpaces
import TabularBenchmark

struct TableImport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Convert NAS-Bench-101's files, CSV or JSON lines into a table.",
    discussion: """
      FILES
        .tfrecord: NAS-Bench-101's own format. .csv, .tsv, .txt: delimited text with a header; commas, semicolons, \
      tabs and | are recognised. .jsonl, .ndjson: a JSON object on each line. All may be gzipped (.gz).

      COLUMNS of delimited text, keys of JSON lines
        adjacency   needed: 011|001|000, 011001000 or [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
        operations  needed: input,conv3x3-bn-relu,output or ["input", "conv3x3-bn-relu", "output"]
        epochs      needed, unless given by --epochs or columns with @
        hash        checked, if present
        repeat      from 0 or 1. Without it, rows that write a cell in the same way are its repeats in order, and \
      rows that are equal in all values are an error
        training_seconds, train_accuracy, validation_accuracy, test_accuracy: at the end of the training, or in \
      its middle with halfway_ in front; accuracies are fractions
        trainable_parameters, multiply_accumulates

      A number that is missing, empty, nan, NA or null is absent in the table, never zero. If the file uses other \
      names, give them with --column name=theirs. If it has a column per epoch count, give each with \
      --column name@epochs=theirs. All other columns are ignored and listed.

      EXAMPLES
        anytime table import nasbench_full.tfrecord
        anytime table import mine.csv -o mine.table --column validation_accuracy=val_acc --epochs 108
        anytime table import wide.csv --column validation_accuracy@12=val_acc_e12 \
          --column validation_accuracy@108=val_acc_e108 --column training_seconds@108=time_e108
        anytime table import curves.csv --keep-epochs 10,20,50
        anytime table import mine.csv --task nas-bench-101
        anytime table import mine.csv --like embedded --isomorphic mean
      """)

  @Argument(help: "A .tfrecord, .csv, .tsv, .txt, .jsonl or .ndjson file, or one of these with .gz.")
  var source: String

  @Option(name: .shortAndLong, help: "The table to make. Default: the source's name with .table.")
  var output: String?

  @Option(
    name: .customLong("column"),
    help: ArgumentHelp(
      "The file's name for a column; with name@epochs, for the column of one epoch count. Repeatable.",
      valueName: "name=theirs"))
  var columns: [String] = []

  @Option(help: ArgumentHelp("A column of the file to leave out. Repeatable.", valueName: "theirs"))
  var ignore: [String] = []

  @Option(help: "The epochs of all rows, if no column has them.")
  var epochs: Int?

  @Option(help: ArgumentHelp("The epoch counts to keep, as a table holds at most 16.", valueName: "n,n,..."))
  var keepEpochs: String?

  @Option(
    help: """
      The treatment of rows that describe the same cell in different ways: error, mean (of their trainings) or \
      first (keep the first row's). With the last two, rows that are equal in all values count once.
      """)
  var isomorphic: String?

  @OptionGroup var task: TaskOptions

  @Flag(name: .shortAndLong, help: "Show no progress.")
  var quiet = false

  func run() throws {
    var stem = URL(filePath: source)
    if stem.pathExtension.lowercased() == "gz" { stem.deletePathExtension() }
    let kind = stem.pathExtension.lowercased()
    let destination =
      output.map { URL(filePath: $0) } ?? stem.deletingPathExtension().appendingPathExtension("table")
    let line = ProgressLine("importing", quiet: quiet)
    let megabytes = { (done: Int, total: Int) in
      line.show(done: done >> 20, of: max(total >> 20, 1), unit: "MB")
    }
    let options = try options()
    let start = ContinuousClock.now
    let summary: ImportSummary
    switch kind {
    case "csv", "tsv", "txt", "jsonl", "ndjson":
      summary = try PlainImporter.importTable(
        from: URL(filePath: source), to: destination, as: kind == "jsonl" || kind == "ndjson" ? .jsonl : .csv,
        options: options, progress: megabytes)
    case "tfrecord":
      guard columns.isEmpty, ignore.isEmpty, epochs == nil, keepEpochs == nil, isomorphic == nil else {
        throw UsageError(
          "--column, --ignore, --epochs, --keep-epochs and --isomorphic are for text, not for .tfrecord")
      }
      summary = try NASBench101Importer.importTable(
        from: URL(filePath: source), to: destination, task: options.task ?? .nasBench101, progress: megabytes)
    case "json":
      throw UsageError(
        "\(source) should hold JSON lines, an object on each, and be called .jsonl; jq -c '.[]' makes them of a list"
      )
    case "zip", "xz", "bz2", "zst", "7z", "tar", "xlsx", "parquet", "pkl":
      throw UsageError(
        "\(source) is in a format that is not read; unpack or save it as .csv, .jsonl or with gzip")
    default:
      throw UsageError(
        "\(source) must end in .tfrecord, .csv, .tsv, .txt, .jsonl or .ndjson, or in one of these and .gz")
    }
    line.finish()
    let elapsed = ContinuousClock.now - start
    let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
    let size = (try? FileManager.default.attributesOfItem(atPath: source)[.size] as? Int) ?? 0
    print(
      "\(destination.path): \(Numbers.grouped(summary.cells)) cells, \(Numbers.grouped(summary.records)) trainings, "
        + "epochs \(summary.epochs.map(String.init).joined(separator: ", "))")
    if !summary.ignoredColumns.isEmpty {
      let names = summary.ignoredColumns.map { $0.isEmpty ? "(without a name)" : $0 }
      print("ignored columns: \(names.joined(separator: ", "))")
    }
    for note in summary.notes { print("note: \(note)") }
    if try Table(contentsOf: destination).provenance["settings"] == nil {
      print(
        "note: it does not state its images and networks, which one-shot methods need: "
          + "'anytime table describe --help'")
    }
    print("\(Numbers.decimals(seconds, 1)) s, \(Int(Double(size) / 1e6 / max(seconds, 1e-3))) MB/s")
  }

  private func options() throws -> ImportOptions {
    var options = ImportOptions(leftOut: Set(ignore), epochs: epochs, task: try task.stated())
    for text in columns {
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { throw UsageError("--column is written as name=theirs, not '\(text)'") }
      guard options.columns.updateValue(parts[1], forKey: parts[0]) == nil else {
        throw UsageError("--column \(parts[0])=… is there twice")
      }
    }
    if let epochs, !(1...Int(UInt16.max)).contains(epochs) {
      throw UsageError("--epochs is from 1 to 65,535, not \(epochs)")
    }
    if let keepEpochs {
      options.keptEpochs = try keepEpochs.split(separator: ",", omittingEmptySubsequences: false).map {
        word in
        guard let count = Int(word.trimmingCharacters(in: .whitespaces)),
          (1...Int(UInt16.max)).contains(count)
        else {
          throw UsageError(
            "--keep-epochs is a list of numbers from 1 to 65,535, as in 10,20,50; '\(word)' is none")
        }
        return count
      }
      guard Set(options.keptEpochs).count <= 16 else {
        throw UsageError(
          "--keep-epochs names \(Set(options.keptEpochs).count) epoch counts, and a table holds up to 16")
      }
    }
    if let isomorphic {
      guard let choice = IsomorphicRows(rawValue: isomorphic) else {
        throw UsageError("--isomorphic is error, mean or first, not '\(isomorphic)'")
      }
      options.isomorphic = choice
    }
    return options
  }
}

struct TableSynthesize: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "synthesize",
    abstract: "Write a file in NAS-Bench-101's exact format with made-up numbers, for tests and measurements.",
    discussion: "EXAMPLE\n  anytime table synthesize synthetic.tfrecord --space nas-bench-101")

  @Argument(help: "The .tfrecord file to make.")
  var output: String

  @Option(help: "The search space whose cells to write.")
  var space = "1"

  @Flag(name: .customLong("only-108"), help: "Write only trainings of 108 epochs, as in NAS-Bench-101's smaller file.")
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
      "\(output): synthetic numbers for \(Numbers.grouped(cells.count)) cells; they say nothing about real networks.")
  }
}
