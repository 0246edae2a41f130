import Anytime
import ArgumentParser
import Experiments
import Foundation
import Reports
import TabularBenchmark

struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write an experiment's results as one HTML page.",
    discussion: """
      The page needs no network and no other file. It shows a summary, the leaderboard, interactive curves, the cells \
      that were found, the use of the budget, settings, provenance, and the commands to do it again. Plots are drawn \
      by Vega, whose script is put into the page; without Vega, the page has only tables.

      EXAMPLES
        anytime report Examples/first.yaml
        anytime report first.sqlite -o report.html
      """)

  @OptionGroup var source: StoredExperiment

  @Option(name: .shortAndLong, help: "The page to write. Default: the experiment's name with -report.html.")
  var output: String?

  @Option(help: "Vega's script: the folder of Debian's libjs-vega, or a bundle such as vega.min.js.")
  var vega = VegaLibrary.standardPath

  func run() throws {
    let inputs = inputs(source.source) + [vega]
    if let output { try refuse(output: output, among: inputs) }
    let results = try source.results()
    let path = output ?? FileNames.name(results.experiment.name) + "-report.html"
    try refuse(output: path, among: inputs + [results.experiment.table])
    try writeReport(results, vega: vega, to: path)
    printWritten(path)
  }
}

/// Writes an experiment's page. Notes on standard error say which parts the page lacks, and why.
func writeReport(_ results: ExperimentResults, vega path: String = VegaLibrary.standardPath, to output: String)
  throws
{
  var vega: VegaLibrary?
  do { vega = try VegaLibrary(path: path) } catch { Console.say("note: tables only: \(error)") }
  var table: Table?
  let lacking = "note: the page has no cells and no provenance"
  do {
    table = try Experiment.openTable(results.experiment.table)
    if table?.checksum != results.tableChecksum {
      Console.say("\(lacking): the table \(results.experiment.table) is another one than that of the runs")
    }
  } catch { Console.say("\(lacking): \(error)") }
  let report = HTMLReport(
    results, registry: AnytimeCommand.registry, table: table, vega: vega)
  try writeWhole(try report.render(), toPath: output)
}
