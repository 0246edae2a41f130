import ArgumentParser
import Experiments
import Foundation
import Reports

struct ExportIOH: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ioh",
    abstract: "Write a folder in IOHprofiler's format, for IOHanalyzer and iohinspector.",
    discussion: """
      Writes the folder NAME-ioh with one folder per method, named by its label. If a label has letters that file \
      systems refuse, they are replaced and a digest is added. Zip the folder for the web page of IOHanalyzer. \
      Running time is the spent budget, in whole units. IOHanalyzer shows the best regret so far, so a test curve \
      that rises looks better there than here.

      EXAMPLES
        anytime export ioh first.sqlite -o results/
        anytime export ioh first.sqlite -o results/ --currency evaluations --metric validation
      """)

  @OptionGroup var source: StoredExperiment
  @OptionGroup var counting: CountingOptions

  @Option(name: .shortAndLong, help: "The folder to write into.")
  var output = "."

  func run() throws {
    let runs = try counting.runs(try source.results())
    let folder = FileNames.name(runs.results.experiment.name) + "-ioh"
    let files = try IOHExport(runs, metric: counting.metric).files().map { ("\(folder)/\($0.path)", $0.data) }
    let inputs = inputs(source.source) + [runs.results.experiment.table]
    for path in try writeFiles(files, folder: output, inputs: inputs) { print(path) }
  }
}
