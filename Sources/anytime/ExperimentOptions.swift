import Anytime
import ArgumentParser
import CellSpace
import Foundation
import TabularBenchmark

#if Torch
  import Supernet
#endif

/// An experiment by file or by flags, shared by `run` and `compare`.
struct ExperimentOptions: ParsableArguments {
  @Argument(help: "An experiment file in YAML. Without it, give --horizon, --seeds and --method.")
  var experiment: String?

  @Option(
    name: .customLong("method"),
    help: ArgumentHelp(
      "A method, with settings: tpe, or regularized-evolution:population=20,sample=5. Repeatable.",
      valueName: "name[:setting=value,…]"))
  var methods: [String] = []

  @Option(help: "A search space: mini, 1, 2, 3 or nas-bench-101. Default: 1.")
  var space: String?

  @Option(
    help: "The budget of each run: benchmark seconds, or with s, min, h, d; or a number of evaluations…")
  var horizon: String?

  @Option(help: "How many seeds, or a range such as 10-19.")
  var seeds: String?

  @Option(
    help: ArgumentHelp(
      "fair, nas-bench-101 or 1shot1-as-published, with changes: fair,resume=true.",
      valueName: "name[,key=value…]"))
  var policy: String?

  @Option(help: "A table file, or 'embedded'.")
  var table: String?

  @Option(help: "The experiment's name.")
  var name: String?

  @Option(help: "The run store. Default: the experiment's name with .sqlite, beside the experiment file.")
  var store: String?

  @Option(help: "How many runs at a time. The results do not depend on it.")
  var threads = ProcessInfo.processInfo.activeProcessorCount

  @Flag(name: .shortAndLong, help: "No progress.")
  var quiet = false

  @Flag(help: "Progress and results as JSON on standard output, an object a line.")
  var json = false

  func validate() throws {
    if quiet, json { throw ValidationError("give --quiet or --json, not both") }
    if threads < 1 { throw ValidationError("--threads must be at least 1") }
    let flags = [space, horizon, seeds, policy, table, name].contains { $0 != nil } || !methods.isEmpty
    if experiment != nil, flags {
      throw ValidationError(
        "give an experiment file or --space, --horizon, --seeds, --policy, --table, --name and --method, "
          + "not both")
    }
    if experiment == nil, seeds == nil || methods.isEmpty {
      throw ValidationError("give an experiment file, or --horizon, --seeds and --method")
    }
  }

  /// The experiment that the file or the flags describe.
  func read() throws -> Experiment {
    let registry = AnytimeCommand.registry
    if let experiment {
      return try Experiment(contentsOf: URL(filePath: experiment), registry: registry)
    }
    do {
      let policy = try readPolicy()
      let space = space ?? "1"
      guard SearchSpace(named: space) != nil else {
        throw UnknownWord(space, kind: "search space", known: SearchSpace.all.map(\.name))
      }
      guard
        let budget = try horizon.map({ try Experiment.horizon($0, in: policy.currency) })
          ?? policy.defaultHorizon
      else { throw UsageError("--horizon is missing: policy \(policy.name) fixes no budget") }
      let entries = Experiment.labelled(try methods.map { try readMethod($0, registry) })
      for (place, entry) in entries.enumerated()
      where entries[..<place].contains(where: { $0.label == entry.label }) {
        throw UsageError("the method '\(entry.label)' is given twice with the same settings; leave one out")
      }
      return Experiment(
        name: name ?? "experiment", table: table ?? "embedded", space: space, horizon: budget, policy: policy,
        seeds: try Experiment.seeds(seeds ?? ""),
        methods: entries)
    } catch { throw UsageError("\(error)") }
  }

  private func readPolicy() throws -> BudgetPolicy {
    let parts = (policy ?? "fair").split(separator: ",").map(String.init)
    var result = try BudgetPolicy.named(parts.first ?? "")
    for part in parts.dropFirst() {
      let (key, value) = try pair(part)
      try result.set(key, to: value)
    }
    return result
  }

  private func readMethod(
    _ text: String, _ registry: Registry
  ) throws -> Experiment.Entry {
    let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
    let type = try registry.method(named: parts.first ?? "")
    var values: [String: String] = [:]
    for part in parts.dropFirst().flatMap({ $0.split(separator: ",") }) {
      let (key, value) = try pair(String(part))
      values[key] = value
    }
    let seeds = try values.removeValue(forKey: "seeds").map { try Experiment.seeds($0) }
    return Experiment.Entry(method: type.method, settings: try Settings(type.method, values), seeds: seeds)
  }

  private func pair(_ text: String) throws -> (String, String) {
    let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
    guard parts.count == 2 else { throw SettingError("'\(text)' should be written as name=value") }
    return (parts[0], parts[1])
  }

  /// The path of the run store.
  func storePath(_ name: String) -> String {
    if let store { return store }
    if let experiment { return URL(filePath: experiment).deletingPathExtension().path + ".sqlite" }
    return name + ".sqlite"
  }

  /// Does what is missing of the experiment and returns all of it.
  func run() async throws -> ExperimentResults {
    let experiment = try read()
    return try await perform(
      experiment, storePath: storePath(experiment.name), threads: threads, style: quiet ? .quiet : json ? .json : .text)
  }
}

/// Does what is missing of an experiment and returns all of it.
func perform(
  _ experiment: Experiment, storePath: String, threads: Int, style: ProgressStyle
) async throws -> ExperimentResults {
  let registry = AnytimeCommand.registry
  let table = try Experiment.openTable(experiment.table)
  guard let space = SearchSpace(named: experiment.space) else {
    throw UnknownWord(experiment.space, kind: "search space", known: SearchSpace.all.map(\.name))
  }
  let benchmark = try Benchmark(table: table, space: space)
  #if Torch
    // Better before the first run than in it.
    let methods = try experiment.methods.map { try registry.method(named: $0.method).method }
    if methods.contains(where: \.trainsSupernet) { _ = try SearchTask(of: table) }
  #endif
  let store = try RunStore(path: storePath)
  let display = style.display(
    of: experiment, done: try store.results(of: experiment, tableChecksum: table.checksum, registry: registry),
    metric: table.has(.testAccuracy) ? .test : .validation)
  let runner = Runner(experiment: experiment, benchmark: benchmark, registry: registry, store: store)
  try await runner.run(threads: threads) { display.show($0) }
  display.finish()
  return try store.results(of: experiment, tableChecksum: table.checksum, registry: registry)
}

/// As ``perform(_:storePath:threads:style:)``, with progress as text or not at all.
func perform(
  _ experiment: Experiment, storePath: String, threads: Int, quiet: Bool
) async throws -> ExperimentResults {
  try await perform(experiment, storePath: storePath, threads: threads, style: quiet ? .quiet : .text)
}

/// The results of a stored experiment, for `export` and `plot`.
struct StoredExperiment: ParsableArguments {
  @Argument(help: "A run store (.sqlite), or the experiment file that it was made from.")
  var source: String

  @Option(name: .customLong("experiment"), help: "Which experiment, where the store holds several.")
  var experimentName: String?

  func results() throws -> ExperimentResults { try Self.results(source, named: experimentName) }

  /// The results of an experiment of a store, or of its only one.
  static func results(_ source: String, named name: String?) throws -> ExperimentResults {
    let path =
      source.hasSuffix(".sqlite") ? source : URL(filePath: source).deletingPathExtension().path + ".sqlite"
    let store = try RunStore(path: path, mustExist: true)
    let experiments = try store.experiments()
    let known = experiments.map(\.experiment.name)
    let chosen: (experiment: Experiment, tableChecksum: String)
    if let name {
      guard let found = experiments.first(where: { $0.experiment.name == name }) else {
        throw UnknownWord(name, kind: "experiment of \(path)", known: known)
      }
      chosen = found
    } else {
      guard let only = experiments.first, experiments.count == 1 else {
        if experiments.isEmpty { throw Failure("\(path) holds no experiment; make one with 'anytime run'") }
        throw UsageError(
          "\(path) holds several experiments; choose one with --experiment: \(known.joined(separator: ", "))")
      }
      chosen = only
    }
    let results = try store.results(
      of: chosen.experiment, tableChecksum: chosen.tableChecksum, registry: AnytimeCommand.registry)
    if let missing = results.missingText { Console.say("note: \(missing); 'anytime run' goes on with them") }
    return results
  }
}
