import Anytime
import Anytime
import ArgumentParser
import Experiments
import Foundation
import OneShot
import Reports
import Tensor

struct Demo: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compare all blackbox methods with \(titles) on the embedded table.",
    discussion: """
      Writes a picture, a page, CSV and JSON files and the run store into a folder. Takes a few minutes, most of them \
      for training the supernets of the one-shot methods. Stopped and started again, it goes on.

      EXAMPLES
        anytime demo
        anytime demo -o results --seeds 50 --epochs 10
        anytime demo --one-shot-seeds 10
      """)

  /// The one-shot methods that are shown: as many as run with ``oneShotSeeds`` seeds in less than four minutes on two
  /// cores, the blackbox methods included.
  private static let oneShotMethods: [any Optimizer.Type] = [GDAS.self, PCDARTS.self]
  private static let titles = oneShotMethods.map { $0.method.title }.joined(separator: ", ")

  @Option(name: .shortAndLong, help: "The folder to write into.")
  var output = "anytime-demo"

  @Option(help: "The number of seeds of each blackbox method, at least 2.")
  var seeds = 200

  @Option(help: "The number of seeds of each one-shot method (\(titles)), at least 2: one run shows no spread.")
  var oneShotSeeds = 3

  @Option(help: "The epochs of the supernets of one-shot methods.")
  var epochs = 30

  func validate() throws {
    if seeds < 2 { throw ValidationError("--seeds must be at least 2") }
    if oneShotSeeds < 2 { throw ValidationError("--one-shot-seeds must be at least 2") }
    if epochs < 1 { throw ValidationError("--epochs must be at least 1") }
  }

  func run() async throws {
    let registry = AnytimeCommand.registry
    var text = """
      name: demo
      table: embedded
      space: 1
      policy: fair
      horizon: 500
      seeds: \(seeds)
      methods:
        - random-search
        - regularized-evolution: {population: 20, sample: 5}
        - local-search
        - reinforce
        - tpe
        - hyperband
        - bohb
        - dehb
        - smac
      """
    do {
      try Torch.load()
      for method in Self.oneShotMethods {
        // A short search has no time for PC-DARTS' warm start.
        let warmStart = method == PCDARTS.self && epochs <= 10 ? ", warm-start-epochs: 0" : ""
        text += "\n  - \(method.method.name): {preset: quick, epochs: \(epochs)\(warmStart), seeds: \(oneShotSeeds)}"
      }
    } catch {
      Console.complain("\(Self.titles) left out: \(error)")
    }
    let experiment = try Experiment(yaml: text, file: "demo.yaml", registry: registry)
    try makeFolder(output)
    print("Experiment:\n\(text)\n\nPolicy \(experiment.policy):\n\(experiment.policy.details)\n")
    let results = try await perform(
      experiment, storePath: output + "/demo.sqlite", threads: ProcessInfo.processInfo.activeProcessorCount,
      quiet: false)
    print(Leaderboard(results).text)
    let curves = Curves(results)
    let store = output + "/demo.sqlite"
    var files = try writeCurves(curves, folder: output, source: store)
    for kind in ["svg", "png"] {
      let path = output + "/regret.\(kind)"
      try await Figure([try Chart.regret(curves)]).write(to: URL(filePath: path))
      files.append(path)
    }
    let page = output + "/report.html"
    try writeReport(results, to: page)
    print("\nWritten:")
    for file in files + [page, store] { print("  \(file)") }
  }
}
