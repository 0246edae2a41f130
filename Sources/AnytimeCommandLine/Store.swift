import ArgumentParser
import Experiments
import Foundation
import Reports

struct StoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "store",
    abstract: "Put run stores together, and say what is missing in one.",
    subcommands: [StoreMerge.self, StoreCheck.self])
}

struct StoreMerge: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Put run stores together into one.",
    discussion: """
      Stores may have runs in common, which have to be the same; a finished run wins over a failed one. The order of \
      the stores makes no difference to anything that is exported. The stores are only read; the new one appears when \
      it is complete. If it exists already, its runs are kept.

      EXAMPLES
        anytime store merge first.shard-*-of-20.sqlite -o first.sqlite
        anytime store merge mine.sqlite yours.sqlite --several -o both.sqlite
      """)

  @Argument(help: ArgumentHelp("The run stores.", valueName: "store"))
  var inputs: [String]

  @Option(name: .shortAndLong, help: "The store to write.")
  var output: String

  @Flag(help: "Put experiments of several names side by side.")
  var several = false

  @Flag(help: "Leave out stores that do not exist.")
  var missingOk = false

  func run() throws {
    let (there, missing) = inputs.reduce(into: ([String](), [String]())) { parts, path in
      if missingOk, !FileManager.default.fileExists(atPath: path) { parts.1.append(path) } else { parts.0.append(path) }
    }
    try refuse(output: output, among: there.flatMap(storeFiles))
    guard !there.isEmpty else { throw Failure("none of the \(inputs.count) run stores exists") }
    if !missing.isEmpty {
      Console.say("note: \(missing.count) of \(inputs.count) stores do not exist, the first of them \(missing[0])")
    }
    let interruption = Interruption(cleanUp: { [output] in RunStore.removeUnfinishedMerge(into: output) }) { [output] in
      "stopped; nothing was written to \(output)"
    }
    let line = ProgressLine("merge")
    defer { interruption.end() }
    let runs = try RunStore.merge(there, into: output, several: several, registry: AnytimeCommand.registry) {
      line.show(done: $0, of: there.count, unit: "stores")
    }
    line.finish()
    print("\(Numbers.grouped(runs)) runs of \(Numbers.count(there.count, "store", "stores")) are in \(output).")
  }
}

struct StoreCheck: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "List the missing and failed runs of an experiment.",
    discussion: """
      The exit status is 0 if no run is missing, and 1 otherwise. A run that failed is not missing; 'anytime run \
      --retry-failed' makes it again.

      EXAMPLES
        anytime store check first.yaml
        anytime store check first.yaml --store /local/first.sqlite --json
        anytime store check first.sqlite
      """)

  @Argument(help: "An experiment file, or a run store.")
  var source: String

  @Option(help: "The run store. Default: beside the experiment file.")
  var store: String?

  @Option(name: .customLong("experiment"), help: "The experiment's name, if the store holds several.")
  var experimentName: String?

  @Flag(help: "Write JSON: the numbers of runs, and by method the seeds of those that are missing or failed.")
  var json = false

  private struct Account: Encodable {
    struct Line: Encodable {
      let label: String
      let total, stored: Int
      let missing, failed: [UInt64]
    }

    let experiment, store: String
    let total, stored, missing, failed: Int
    let methods: [Line]
  }

  func run() throws {
    let account = try account()
    if json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      Output.say(try encoder.encode(account) + Data("\n".utf8))
    } else {
      print(
        "\(account.experiment): \(account.stored) of \(Numbers.count(account.total, "run", "runs")) "
          + "are in \(account.store)" + (account.failed > 0 ? ", \(account.failed) of them failed" : ""))
      for line in account.methods {
        for (word, seeds) in [("missing", line.missing), ("failed", line.failed)] where !seeds.isEmpty {
          print("\(line.label): \(seeds.count) \(word), \(ExperimentResults.ranges(seeds))")
        }
      }
    }
    if account.missing > 0 {
      throw Failure(
        "\(account.missing) of \(Numbers.count(account.total, "run", "runs")) "
          + "\(account.missing == 1 ? "is" : "are") missing; 'anytime run' makes them")
    }
  }

  private func account() throws -> Account {
    let registry = AnytimeCommand.registry
    let path = store ?? StoredExperiment.storePath(source)
    let asked = path == source ? nil : try Experiment(contentsOf: URL(filePath: source), registry: registry)
    let store = try RunStore(reading: path, registry: registry)
    let stored = try StoredExperiment.choose(experimentName ?? asked?.name, in: store)
    var experiment = try stored.experiment()
    if let asked {
      guard asked.isSame(as: experiment) else { throw RunStoreError.otherExperiment(path, name: asked.name) }
      experiment = asked
    }
    let identities = try stored.identities()
    let lines = try experiment.methods.map { entry in
      let seeds = experiment.seeds(of: entry)
      let (all, finished) = try identities[entry.label].map {
        (try store.seeds(of: $0), try store.seeds(of: $0, failed: false))
      } ?? ([], [])
      return Account.Line(
        label: entry.label, total: seeds.count, stored: seeds.count { all.contains($0) },
        missing: seeds.filter { !all.contains($0) },
        failed: seeds.filter { all.contains($0) && !finished.contains($0) })
    }
    func sum(_ count: (Account.Line) -> Int) -> Int { lines.reduce(0) { $0 + count($1) } }
    return Account(
      experiment: experiment.name, store: path, total: sum(\.total), stored: sum(\.stored),
      missing: sum { $0.missing.count }, failed: sum { $0.failed.count }, methods: lines)
  }
}
