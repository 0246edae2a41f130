import Foundation
import TabularBenchmark

/// Many runs under one horizon and policy: several methods, each with every seed, on one space of one table.
public struct Experiment: Hashable, Sendable, Codable {
  /// A name for files and captions.
  public var name: String
  /// The path of a table file, or `embedded` for the package's own.
  public var table: String
  /// The name of the search space.
  public var space: String
  /// The budget of each run, in the policy's currency.
  public var horizon: Double
  public var policy: BudgetPolicy
  /// Of every method that has none of its own.
  public var seeds: [UInt64]
  public var methods: [MethodEntry]

  public init(
    name: String, table: String = "embedded", space: String, horizon: Double, policy: BudgetPolicy = .fair,
    seeds: [UInt64], methods: [MethodEntry]
  ) {
    self.name = name
    self.table = table
    self.space = space
    self.horizon = horizon
    self.policy = policy
    self.seeds = seeds
    self.methods = methods
  }

  /// The seeds of a method's runs.
  public func seeds(of entry: MethodEntry) -> [UInt64] { entry.seeds ?? seeds }

  /// The number of runs of all methods.
  public var runCount: Int { methods.reduce(0) { $0 + seeds(of: $1).count } }

  /// The identity of the runs of a method on a table with a given checksum.
  public func identity(of entry: MethodEntry, tableChecksum: String) -> RunIdentity {
    RunIdentity(
      method: entry.method, settings: entry.settings, space: space, tableChecksum: tableChecksum,
      horizon: horizon, policy: policy)
  }

  /// A table by its path, or the embedded one.
  public static func openTable(_ path: String) throws(TableError) -> Table {
    path == "embedded" ? try Table.embedded() : try Table(contentsOf: URL(filePath: path))
  }
}

/// A method's runs that are done.
public struct MethodResults: Sendable {
  public let entry: MethodEntry
  /// The method's title and family, for captions.
  public let title: String
  public let family: Method.Family
  /// By ascending seed.
  public let runs: [(seed: UInt64, result: RunResult)]

  public init(
    entry: MethodEntry, title: String, family: Method.Family, runs: [(seed: UInt64, result: RunResult)]
  ) {
    self.entry = entry
    self.title = title
    self.family = family
    self.runs = runs
  }
}

/// An experiment with the runs that are done: what reports are made of.
public struct ExperimentResults: Sendable {
  public let experiment: Experiment
  public let tableChecksum: String
  /// In the experiment's order. Runs that are not done yet are absent.
  public let methods: [MethodResults]

  public init(experiment: Experiment, tableChecksum: String, methods: [MethodResults]) {
    self.experiment = experiment
    self.tableChecksum = tableChecksum
    self.methods = methods
  }

  /// The number of runs that are not done yet.
  public var missingRuns: Int {
    methods.reduce(0) { $0 + experiment.seeds(of: $1.entry).count - $1.runs.count }
  }
}
