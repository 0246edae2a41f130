import ArgumentParser
import Foundation
import TabularBenchmark

struct TableExport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write a table as CSV or JSON lines.",
    discussion: """
      Writes a row per cell, epoch count and repeat, with the columns that 'anytime table import' reads. A number \
      that the table lacks is an empty field. The provenance is written too: as the first line of JSON lines, and \
      for CSV in a file beside it, NAME.csv.provenance.json. 'anytime table import' reads both, and makes the same \
      table again, with the same checksum.

      EXAMPLES
        anytime table export -o table.csv
        anytime table export nasbench.table -o table.jsonl
      """)

  @OptionGroup var source: TableOption

  @Option(name: .shortAndLong, help: "The .csv or .jsonl file to write.")
  var output: String

  func run() throws {
    let url = URL(filePath: output)
    guard let format = TableText.Format(rawValue: url.pathExtension.lowercased()) else {
      throw UsageError("\(output) must end in .csv or .jsonl")
    }
    let table = try source.open()
    let line = ProgressLine("exporting")
    try TableText.write(table, to: url, as: format) { line.show(done: $0, of: table.rowCount, unit: "cells") }
    line.finish()
  }
}
