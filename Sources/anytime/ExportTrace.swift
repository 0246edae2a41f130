import Anytime
import ArgumentParser
import Foundation
import Reports

struct ExportTrace: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace",
    abstract: "Write what the supernets of one-shot methods were like after each epoch.",
    discussion: """
      Makes NAME-trace.json (everything: losses, accuracies, correlations, architecture weights, one-shot errors of \
      the probed cells) and NAME-trace.csv (a row per method, seed, epoch and number).

      EXAMPLE
        anytime export trace first.sqlite -o results/
      """)

  @OptionGroup var source: StoredExperiment

  @Option(name: .shortAndLong, help: "A folder.")
  var output = "."

  func run() throws {
    let results = try source.results()
    guard results.methods.contains(where: { $0.runs.contains { !$0.result.trace.isEmpty } }) else {
      throw Failure("no run has a trace; only one-shot methods leave one")
    }
    do { try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true) } catch {
      throw Failure("the folder \(output) cannot be made: check its path and permissions")
    }
    for export in TraceExport.all {
      let name = results.experiment.name.replacing("/", with: "-")
      let url = URL(filePath: output).appending(path: "\(name)-\(export.fileName)")
      try writeWhole(export.render(results), to: url)
      print(url.relativePath)
    }
  }
}
