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
      missing, and the results are the same to the bit. Several programs may work on one store of a local disk at a \
      time: each run is made by one of them.

      With --shard, this machine makes one part of the runs, others the other parts, each into a store of its own; \
      'anytime store merge' puts them together. Shards have all runs among them, and take about equally long.

      EXAMPLES
        anytime run Examples/first.yaml
        anytime run --space 1 --horizon 500 --seeds 50 --method random-search \\
          --method regularized-evolution:population=20,sample=5
        anytime run Examples/first.yaml --shard 3/20
        anytime run Examples/first.yaml --shard 3/20 --store /local/first-3.sqlite
      """)

  @OptionGroup var options: ExperimentOptions

  @Option(
    help: ArgumentHelp(
      "Make the third of twenty parts of the runs: 3/20. The store's default name then ends in .shard-3-of-20.sqlite.",
      valueName: "number/count"))
  var shard: String?

  func validate() throws { _ = try parsedShard() }

  private func parsedShard() throws -> Shard? {
    do { return try shard.map { try Shard($0) } } catch { throw ValidationError("--shard: \(error)") }
  }

  func run() async throws {
    let shard = try parsedShard()
    let results = try await options.run(shard: shard)
    if options.json { return }
    let runs = results.methods.reduce(0) { $0 + $1.runs.count }
    let path = options.storePath(results.experiment.name, shard: shard)
    print("\(runs) runs\(shard.map { " of shard \($0)" } ?? "") are in \(path).")
  }
}
