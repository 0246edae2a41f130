import Anytime
import ArgumentParser
import Experiments
import Foundation
import Reports
import SearchSpaces
import Supernet
import Synchronization
import TabularBenchmark

/// Options that describe an experiment, by a file or by flags, shared by `run` and `compare`.
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
    help: "The budget of each run, in the policy's currency; a time may have a unit: s, min, h or d.")
  var horizon: String?

  @Option(help: "The number of seeds, or a range such as 10-19.")
  var seeds: String?

  @Option(
    help: ArgumentHelp(
      "The budget policy: fair, nas-bench-101 or 1shot1-as-published; with changes: fair,resume=true.",
      valueName: "name[,key=value…]"))
  var policy: String?

  @Option(help: "A table file, or 'embedded'.")
  var table: String?

  @Option(help: "The experiment's name.")
  var name: String?

  @Option(help: "The run store. Default: the experiment file's name, or else the experiment's, with .sqlite.")
  var store: String?

  @Option(help: "The treatment of trainings that lack a number in the table: refuse or skip. Default: refuse.")
  var holes: String?

  @Flag(help: "Repeat the runs that are stored as failed.")
  var retryFailed = false

  @Option(help: "The number of runs at a time. The results do not depend on it.")
  var threads = ProcessInfo.processInfo.activeProcessorCount

  @Flag(name: .shortAndLong, help: "Show no progress.")
  var quiet = false

  @Flag(help: "Write progress and results as JSON to standard output, one object per line.")
  var json = false

  func validate() throws {
    if quiet, json { throw ValidationError("give --quiet or --json, not both") }
    if threads < 1 { throw ValidationError("--threads must be at least 1") }
    let flags =
      [space, horizon, seeds, policy, table, name, holes].contains { $0 != nil } || !methods.isEmpty
    if let experiment, flags {
      throw ValidationError(
        "give an experiment file (here '\(experiment)') or --space, --horizon, --seeds, --policy, --table, --holes, "
          + "--name and --method, not both")
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
    let given = [
      "name": name, "table": table, "space": space, "policy": policy, "horizon": horizon, "seeds": seeds,
      "holes": holes,
    ]
    do {
      return try Experiment(parts: given.compactMapValues { $0 }, methods: methods, registry: registry)
    } catch { throw UsageError("\(error)") }
  }

  /// The path of the run store, or of a shard's.
  func storePath(_ name: String, shard: Shard? = nil) -> String {
    if let store { return store }
    let base = experiment.map { URL(filePath: $0).deletingPathExtension().path } ?? FileNames.name(name)
    return base + (shard.map { ".shard-\($0.index)-of-\($0.count)" } ?? "") + ".sqlite"
  }

  /// Makes the experiment's missing runs, or a shard's, and returns all their results.
  func run(shard: Shard? = nil) async throws -> ExperimentResults {
    let experiment = try read()
    return try await perform(
      experiment, storePath: storePath(experiment.name, shard: shard), threads: threads, retryFailed: retryFailed,
      style: quiet ? .quiet : json ? .json : .text,
      folder: self.experiment.map { URL(filePath: $0).deletingLastPathComponent() }, shard: shard)
  }
}

/// Makes an experiment's missing runs and returns all its results.
///
/// - Parameters:
///   - folder: Where relative paths in settings of methods start; the current folder if `nil`.
///   - shard: The shard whose runs are made and returned; all runs if `nil`.
func perform(
  _ experiment: Experiment, storePath: String, threads: Int, retryFailed: Bool = false, style: ProgressStyle,
  folder: URL? = nil, shard: Shard? = nil
) async throws -> ExperimentResults {
  let registry = AnytimeCommand.registry.at(folder)
  let benchmark = try experiment.openBenchmark()
  let table = benchmark.table
  let methods = try experiment.methods.map { try registry.optimizer(named: $0.method, $0.settings) }
  let needy = methods.filter(\.usesFidelities).map { type(of: $0).method.name }
  if table.epochs.count == 1, !needy.isEmpty {
    Console.say(
      "note: \(Set(needy).sorted().joined(separator: ", ")): made for several epoch counts, and the table has only one "
        + "(\(table.epochs[0])), so nothing is promoted and no training is cheaper than another")
  }
  // Here already, so that what is refused leaves no store.
  try experiment.check(on: benchmark, registry: registry)
  let store = try RunStore(path: storePath, registry: registry)
  defer {
    // What is not moved from the log into the file now is read from the log later.
    do { try store.finish() } catch { Console.say("note: \(error)") }
  }
  func makeRunner(_ numerics: Numerics?) throws -> Runner {
    try Runner(
      experiment: experiment, benchmark: benchmark, registry: registry, store: store, numerics: numerics, shard: shard)
  }
  var runner = try makeRunner(nil)
  var before = try runner.results()
  if methods.contains(where: \.usesImages) {
    do {
      // If this fails, it should fail before the first run.
      let (images, library) = try SearchTask(of: table).numerics()
      runner = try makeRunner(Numerics(images: images, library: library))
      before = try runner.results()
    } catch {
      // Results from elsewhere can be looked at even if no network can be trained here.
      guard shard == nil, let stored = try store.experiments().first(where: { $0.name == experiment.name }),
        try stored.experiment() == experiment, stored.tableChecksum == table.checksum,
        let results = try? store.results(of: stored, registry: registry), results.missingRuns == 0
      else { throw error }
      Console.say("note: all runs are done, and none could be made here: \(error)")
      return results
    }
  }
  let display = style.display(
    of: runner.part, done: before, metric: table.has(.testAccuracy) ? .test : .validation)
  let total = runner.part.runCount
  let done = Atomic(total - before.missingRuns)
  let interruption = Interruption(cleanUp: {
    store.releaseClaims()
    // Then the store is one file, which can be copied. What is not moved into it now is in its log.
    try? store.finish()
  }) {
    "stopped; \(done.load(ordering: .relaxed)) of \(total) runs\(shard.map { " of shard \($0)" } ?? "") are in "
      + "\(storePath), and the same command goes on with the others"
  }
  var problem: (any Error)?
  do {
    try await runner.run(threads: threads, retryFailed: retryFailed) { progress in
      done.store(progress.done, ordering: .relaxed)
      display.show(progress)
    }
  } catch { problem = error }
  interruption.end()
  display.finish()
  if let problem { throw problem }
  let results = try runner.results()
  for sentence in results.notes { Console.say("note: \(sentence)") }
  return results
}

extension ExperimentResults {
  /// Sentences on the runs that are not counted.
  var notes: [String] {
    failureTexts.map { $0 + " and are in no statistic; '--retry-failed' makes them again" } + otherRunTexts
  }
}

/// Does the same as ``perform(_:storePath:threads:retryFailed:style:folder:shard:)``, with progress as text or none.
func perform(
  _ experiment: Experiment, storePath: String, threads: Int, quiet: Bool
) async throws -> ExperimentResults {
  try await perform(experiment, storePath: storePath, threads: threads, style: quiet ? .quiet : .text)
}

/// Options that name a stored experiment, for `export` and `report`.
struct StoredExperiment: ParsableArguments {
  @Argument(help: "A run store (.sqlite), or the experiment file of its runs.")
  var source: String

  @Option(name: .customLong("experiment"), help: "The experiment's name, if the store holds several.")
  var experimentName: String?

  func results() throws -> ExperimentResults { try Self.results(source, named: experimentName) }

  /// The path of the store: the source itself, or beside it if the source is an experiment file.
  static func storePath(_ source: String) -> String {
    let beside = URL(filePath: source).deletingPathExtension().path + ".sqlite"
    guard let file = fopen(source, "rb") else {
      return ["yaml", "yml"].contains(URL(filePath: source).pathExtension.lowercased()) ? beside : source
    }
    defer { fclose(file) }
    var head = [UInt8](repeating: 0, count: 6)
    let isText = fread(&head, 1, head.count, file) > 0 && !head.elementsEqual("SQLite".utf8)
    return isText && !source.hasSuffix(".sqlite") ? beside : source
  }

  /// The results of a store's experiment of the given name, or of its only one; of several, the experiment file's own.
  static func results(_ source: String, named name: String?) throws -> ExperimentResults {
    let path = storePath(source)
    let store = try RunStore(reading: path, registry: AnytimeCommand.registry)
    var name = name
    if name == nil, path != source, try store.experiments().count > 1,
      FileManager.default.fileExists(atPath: source)
    {
      name = try Experiment(contentsOf: URL(filePath: source), registry: AnytimeCommand.registry).name
    }
    let chosen = try choose(name, in: store)
    let results = try store.results(of: chosen, registry: AnytimeCommand.registry)
    for sentence in results.notes { Console.say("note: \(sentence)") }
    if let missing = results.missingText { Console.say("note: \(missing); 'anytime run' goes on with them") }
    return results
  }

  /// A store's experiment of the given name, or its only one.
  static func choose(_ name: String?, in store: RunStore) throws -> RunStore.Stored {
    let experiments = try store.experiments()
    let known = experiments.map(\.name)
    if let name {
      guard let found = experiments.first(where: { $0.name == name }) else {
        throw UnknownWord(name, kind: "experiment of \(store.path)", known: known)
      }
      return found
    }
    guard let only = experiments.first, experiments.count == 1 else {
      if experiments.isEmpty { throw Failure("\(store.path) holds no experiment; make one with 'anytime run'") }
      throw UsageError(
        "\(store.path) holds several experiments; choose one with --experiment: \(known.joined(separator: ", "))")
    }
    return only
  }
}
