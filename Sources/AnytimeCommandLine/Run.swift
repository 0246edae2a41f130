import Anytime
import ArgumentParser
import Experiments
import Foundation
import Reports

struct Run: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make the missing runs of an experiment.",
    discussion: """
      A run is stored when it ends. Stop the program at any time and start it again: it makes the runs that are \
      missing, and the results are the same to the bit.

      EXAMPLES
        anytime run Examples/first.yaml
        anytime run --space 1 --horizon 500 --seeds 50 --method random-search \\
          --method regularized-evolution:population=20,sample=5
      """)

  @OptionGroup var options: ExperimentOptions

  func run() async throws {
    let results = try await options.run()
    if options.json { return }
    let runs = results.methods.reduce(0) { $0 + $1.runs.count }
    print("\(runs) runs are in \(options.storePath(results.experiment.name)).")
  }
}
