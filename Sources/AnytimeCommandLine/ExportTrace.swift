import Anytime
import ArgumentParser
import Experiments
import Foundation
import Reports

struct ExportTrace: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace",
    abstract: "Write the state of one-shot methods' supernets after each epoch.",
    discussion: """
      Writes NAME-trace.json (everything: losses, accuracies, correlations, architecture weights, one-shot errors of \
      the probed cells) and NAME-trace.csv (a row per method, seed, epoch and number).

      EXAMPLE
        anytime export trace first.sqlite -o results/
      """)

  @OptionGroup var source: StoredExperiment

  @Option(name: .shortAndLong, help: "The folder to write into.")
  var output = "."

  func run() throws {
    let results = try source.results()
    guard results.methods.contains(where: { $0.runs.contains { !$0.result.trace.isEmpty } }) else {
      throw Failure("no run has a trace; only one-shot methods leave one")
    }
    let name = FileNames.name(results.experiment.name)
    let files = try TraceExport.all.map { ("\(name)-\($0.fileName)", try $0.render(results)) }
    let inputs = inputs(source.source) + [results.experiment.table]
    for path in try writeFiles(files, folder: output, inputs: inputs) { print(path) }
  }
}
