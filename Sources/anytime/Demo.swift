import Anytime
import ArgumentParser
import Foundation
import Reports

struct Demo: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Random search against regularized evolution on the embedded table.",
    discussion: "Leaves a picture, CSV and JSON files and the run store in a folder.")

  @Option(name: .shortAndLong, help: "The folder.")
  var output = "anytime-demo"

  @Option(help: "How many seeds.")
  var seeds = 200

  func validate() throws {
    if seeds < 1 { throw ValidationError("--seeds must be at least 1") }
  }

  func run() async throws {
    let registry = AnytimeCommand.registry
    let text = """
      name: demo
      table: embedded
      space: mini
      policy: fair
      horizon: 200
      seeds: \(seeds)
      methods:
        - random-search
        - regularized-evolution: {population: 20, sample: 5}
      """
    let experiment = try Experiment(yaml: text, file: "demo.yaml", registry: registry)
    do { try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true) } catch {
      throw Failure("the folder \(output) cannot be made: check its path and permissions")
    }
    print("Experiment:\n\(text)\n\nPolicy \(experiment.policy):\n\(experiment.policy.details)\n")
    let results = try await perform(
      experiment, storePath: output + "/demo.sqlite", threads: ProcessInfo.processInfo.activeProcessorCount,
      quiet: false)
    print(Leaderboard(results).text)
    let curves = Curves(results)
    var files = try writeCurves(curves, folder: output)
    for kind in ["svg", "png"] {
      let url = URL(filePath: output).appending(path: "regret.\(kind)")
      try RegretPlot(metric: curves.defaultMetric).write(curves, to: url)
      files.append(url)
    }
    print("\nWritten:")
    for file in files + [URL(filePath: output).appending(path: "demo.sqlite")] {
      print("  \(file.relativePath)")
    }
  }
}
