import ArgumentParser
import Foundation
import TabularBenchmark

struct TableExport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write a table as CSV or JSON lines.",
    discussion: """
      A row per cell, epoch count and repeat, with the columns that 'anytime table import' reads. What a \
      table does not have is an empty field. Where the numbers come from goes along: as the first line of \
      JSON lines, and for CSV in a file beside it, NAME.csv.provenance.json. 'anytime table import' reads \
      both, and gives the same table again, with the same checksum.

      EXAMPLES
        anytime table export -o table.csv
        anytime table export nasbench.table -o table.jsonl
      """)

  @OptionGroup var source: TableOption

  @Option(name: .shortAndLong, help: "A .csv or .jsonl file.")
  var output: String

  func run() throws {
    let url = URL(filePath: output)
    guard let format = TableText.Format(rawValue: url.pathExtension.lowercased()) else {
      throw UsageError("\(output) must end in .csv or .jsonl")
    }
    let table = try source.open()
    try table.verify()
    let line = ProgressLine("exporting")
    try TableText.write(table, to: url, as: format) { line.show(done: $0, of: table.rowCount, unit: "cells") }
    line.finish()
  }
}
