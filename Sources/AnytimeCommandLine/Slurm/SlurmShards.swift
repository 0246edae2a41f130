import Anytime
import Experiments
import Foundation
import Supernet
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
  private let identities: [String: RunIdentity]
  private let registry: Registry

  /// - Throws: An error of the experiment, or of what its methods need to be identified.
  init(_ path: String, registry: Registry) throws {
    let url = URL(filePath: path)
    let experiment = try Experiment(contentsOf: url, registry: registry)
    let registry = registry.at(url.deletingLastPathComponent())
    let benchmark = try experiment.openBenchmark()
    try experiment.validate()
    try experiment.checkHorizon(benchmark)
    let methods = try experiment.methods.map { try registry.optimizer(named: $0.method, $0.settings) }
    var numerics: Numerics?
    if methods.contains(where: \.usesImages) {
      let (images, library) = try SearchTask(of: benchmark.table).numerics()
      numerics = Numerics(images: images, library: library)
    }
    identities = try experiment.identities(
      tableChecksum: benchmark.table.checksum, registry: registry, numerics: numerics)
    let secondsByLabel = try experiment.estimatedSeconds(on: benchmark, registry: registry)
    seconds = experiment.methods.reduce(0) { sum, entry in
      sum + Double(experiment.seeds(of: entry).count) * (secondsByLabel[entry.label] ?? 0)
    }
    self.secondsByLabel = secondsByLabel
    self.experiment = experiment
    self.registry = registry
  }

  /// The runs that some stores hold.
  ///
  /// - Parameters:
  ///   - paths: Stores; those that are not there hold nothing.
  ///   - failed: Whether runs that failed count.
  func stored(_ paths: [String], failed: Bool) throws -> Seeds {
    var stored: Seeds = [:]
    for path in paths where FileManager.default.fileExists(atPath: path) {
      let store = try RunStore(reading: path, registry: registry)
      for (label, identity) in identities {
        stored[label, default: []].formUnion(try store.seeds(of: identity, failed: failed))
      }
    }
    return stored
  }

  /// The numbers of each task's runs, and of those that are stored.
  func counts(_ tasks: Int, stored: Seeds) -> [(runs: Int, stored: Int)] {
    (1...tasks).map { index in
      let runs = experiment.runs(of: Shard(index: index, count: tasks), seconds: secondsByLabel)
      return (runs.count, runs.count { stored[$0.label]?.contains($0.seed) ?? false })
    }
  }

  /// The tasks that have runs to make.
  func missing(_ tasks: Int, stored: Seeds) -> Set<Int> {
    Set(counts(tasks, stored: stored).enumerated().filter { $0.element.stored < $0.element.runs }.map { $0.offset + 1 })
  }
}
