import ArgumentParser
import Experiments
import Foundation
import Reports

struct ExportFactors: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "factors",
    abstract: "Write the runs of methods whose settings vary, with their levels, as CSV.",
    discussion: """
      Writes a row per run of every entry with 'vary', 'vary-each' or 'horizons': experiment, study, design, method, \
      label, seed, a column 'factor.NAME' for each setting that varies, final test and validation regret (fractions), \
      the supernet's validation accuracy after its last epoch, the amount spent, and why the run failed, if it did. \
      Runs of one seed are alike: compare levels seed by seed, as by Friedman's test. The page of 'anytime report' has \
      figures, tests and a functional analysis of variance of the same runs.

      EXAMPLES
        anytime export factors first.sqlite -o factors.csv
        anytime export factors first.sqlite -o /dev/stdout | head
      """)

  @OptionGroup var source: StoredExperiment

  @Option(name: .shortAndLong, help: "The file to write. Default: the experiment's name with -factors.csv.")
  var output: String?

  func run() throws {
    if let output { try refuse(output: output, among: inputs(source.source)) }
    let results = try source.results()
    let data = try FactorExport.csv(results, registry: AnytimeCommand.registry)
    let path = output ?? FileNames.name(results.experiment.name) + "-factors.csv"
    try refuse(output: path, among: inputs(source.source) + [results.experiment.table])
    try writeWhole(data, toPath: path)
    printWritten(path)
  }
}
