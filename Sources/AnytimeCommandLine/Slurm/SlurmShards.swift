import Anytime
import Experiments
import Foundation
import TabularBenchmark

/// The paths of an experiment's jobs and of their results.
struct SlurmJobs {
  /// The experiment file, the store of all runs, and the folder of the jobs.
  let file, results, folder: String

  init(of experiment: String, store: String?) {
    file = absolute(experiment)
    let base = URL(filePath: file).deletingPathExtension().path(percentEncoded: false)
    results = store.map(absolute) ?? base + ".sqlite"
    folder = base + ".slurm"
  }

  /// The stores that are there: that of all runs, and those of tasks.
  var stores: [String] {
    let tasks = ((try? FileManager.default.contentsOfDirectory(atPath: folder + "/tasks")) ?? []).sorted()
    return [results] + tasks.map { "\(folder)/tasks/\($0)/runs.sqlite" }
  }
}

/// An experiment with the shares of its runs that tasks make.
struct SlurmShards {
  /// Runs by the labels of their methods.
  typealias Seeds = [String: Set<UInt64>]

  let experiment: Experiment
  /// The processor seconds of all runs, roughly.
  let seconds: Double
  private let secondsByLabel: [String: Double]
  private let tableChecksum: String
  private let registry: Registry

  /// - Throws: An error of the experiment.
  init(_ path: String, registry: Registry) throws {
    let url = URL(filePath: path)
    let experiment = try Experiment(contentsOf: url, registry: registry)
    let registry = registry.at(url.deletingLastPathComponent())
    let benchmark = try experiment.openBenchmark()
    try experiment.check(on: benchmark, registry: registry)
    let secondsByLabel = try experiment.estimatedSeconds(on: benchmark, registry: registry)
    seconds = experiment.methods.reduce(0) { sum, entry in
      sum + Double(experiment.seeds(of: entry).count) * (secondsByLabel[entry.label] ?? 0)
    }
    tableChecksum = benchmark.table.checksum
    self.secondsByLabel = secondsByLabel
    self.experiment = experiment
    self.registry = registry
  }

  /// The runs that some stores hold. Their methods are of this program's revisions; what has trained networks was said
  /// by the nodes, as this machine may have neither images nor libtorch.
  ///
  /// - Parameters:
  ///   - paths: Stores; those that are not there hold nothing.
  ///   - failed: Whether runs that failed count.
  /// - Throws: ``RunStoreError``, also for a store with another experiment of the same name.
  func stored(_ paths: [String], failed: Bool) throws -> Seeds {
    var seeds: Seeds = [:]
    var known: [Numerics?: [String: RunIdentity]] = [:]
    for path in paths where FileManager.default.fileExists(atPath: path) {
      let store = try RunStore(reading: path, registry: registry)
      guard let stored = try store.experiments().first(where: { $0.name == experiment.name }) else { continue }
      guard try experiment.isSame(as: stored.experiment()), stored.tableChecksum == tableChecksum else {
        throw RunStoreError.otherExperiment(path, name: experiment.name)
      }
      for (label, identity) in try stored.identities() {
        let own =
          try known[identity.numerics]
          ?? experiment.identities(tableChecksum: tableChecksum, registry: registry, numerics: identity.numerics)
        known[identity.numerics] = own
        guard let identity = own[label] else { continue }
        seeds[label, default: []].formUnion(try store.seeds(of: identity, failed: failed))
      }
    }
    return seeds
  }

  /// The numbers of each task's runs, and of those that are stored.
  func counts(_ tasks: Int, stored: Seeds) -> [(runs: Int, stored: Int)] {
    var counts = [(runs: Int, stored: Int)](repeating: (0, 0), count: tasks)
    experiment.distribute(among: tasks, seconds: secondsByLabel) { task, label, seed in
      counts[task - 1].runs += 1
      if stored[label]?.contains(seed) ?? false { counts[task - 1].stored += 1 }
    }
    return counts
  }

  /// The tasks that have runs to make.
  func missing(_ tasks: Int, stored: Seeds) -> Set<Int> {
    Set(counts(tasks, stored: stored).enumerated().filter { $0.element.stored < $0.element.runs }.map { $0.offset + 1 })
  }
}
