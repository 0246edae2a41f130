import Anytime
import Foundation
import SearchSpaces
import TabularBenchmark

/// Runs of several methods, each with several seeds, under one horizon and policy, on one search space of one table.
public struct Experiment: Hashable, Sendable, Codable {
  /// The name in files and captions.
  public var name: String
  /// The path of a table file, or `embedded` for the package's own.
  public var table: String
  /// The name of the search space.
  public var space: String
  /// The budget of each run, in the policy's currency.
  public var horizon: Double
  /// How the budget is spent and results are counted.
  public var policy: BudgetPolicy
  /// The seeds of all methods without seeds of their own.
  public var seeds: [UInt64]
  /// The methods, in the order of leaderboards and captions.
  public var methods: [MethodEntry]
  /// The treatment of trainings that lack a number; `refuse` if `nil`.
  public var holes: Benchmark.Holes?

  /// An experiment; ``validate()`` says whether it can be run.
  public init(
    name: String, table: String = "embedded", space: String, horizon: Double, policy: BudgetPolicy = .fair,
    seeds: [UInt64], methods: [MethodEntry], holes: Benchmark.Holes? = nil
  ) {
    self.holes = holes
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

  /// Whether another experiment is the same but for its seeds.
  public func isSame(as other: Experiment) -> Bool {
    func seedless(_ experiment: Experiment) -> Experiment {
      var experiment = experiment
      experiment.seeds = []
      for index in experiment.methods.indices { experiment.methods[index].seeds = nil }
      return experiment
    }
    return seedless(self) == seedless(other)
  }

  /// The identity of each method's runs on a table, by the method's label.
  ///
  /// - Parameter numerics: The numerics of methods that train on images.
  /// - Throws: `UnknownWord` or `SettingError` for a method or setting that the registry does not have.
  public func identities(
    tableChecksum: String, registry: Registry, numerics: Numerics? = nil
  ) throws -> [String: RunIdentity] {
    var identities: [String: RunIdentity] = [:]
    for entry in methods {
      let optimizer = try registry.optimizer(named: entry.method, entry.settings)
      identities[entry.label] = RunIdentity(
        method: entry.method, revision: type(of: optimizer).method.revision,
        innerRevisions: optimizer.innerRevisions, settings: entry.settings, space: space,
        tableChecksum: tableChecksum, horizon: horizon, policy: policy,
        numerics: optimizer.usesImages ? numerics : nil)
    }
    return identities
  }

  /// Checks everything that can be checked before the first run.
  ///
  /// - Throws: `SettingError`, ``ExperimentFileError``.
  package func check(on benchmark: Benchmark, registry: Registry) throws {
    try validate()
    try checkHorizon(benchmark)
    try checkMethods(on: benchmark, registry: registry)
  }

  /// Checks all methods, and those that they run, against the horizon and the table, before the first run.
  ///
  /// - Throws: ``ExperimentFileError``, with the place and the label of the method's entry.
  package func checkMethods(on benchmark: Benchmark, registry: Registry) throws {
    for entry in methods {
      let optimizer = try registry.optimizer(named: entry.method, entry.settings)
      do { try optimizer.check(under: Conditions(benchmark: benchmark, horizon: horizon)) } catch {
        throw ExperimentFileError(entry.place.text, line: nil, "\(entry.label): \(error)")
      }
    }
  }

  /// Opens a table by its path, or the embedded one, and checks its whole content.
  public static func openTable(_ path: String) throws(TableError) -> Table {
    let table = path == "embedded" ? try Table.embedded() : try Table(contentsOf: URL(filePath: path))
    try table.verify()
    return table
  }

  /// Opens the experiment's table with its search space.
  ///
  /// - Throws: `TableError`, `UnknownWord`.
  public func openBenchmark() throws -> Benchmark {
    guard let space = SearchSpace(named: space) else {
      throw UnknownWord(self.space, kind: "search space", known: SearchSpace.all.map(\.name))
    }
    return try Benchmark(table: Self.openTable(table), space: space, holes: holes ?? .refuse)
  }

  /// Checks that the experiment can be run.
  ///
  /// - Throws: `SettingError`.
  public func validate() throws(SettingError) {
    try Self.check(name, "the experiment's name")
    for entry in methods { try Self.check(entry.label, "a method's label") }
    guard horizon > 0, horizon.isFinite else { throw SettingError("the horizon \(horizon) is no positive number") }
    guard !methods.isEmpty else { throw SettingError("there is no method") }
    for seeds in [seeds] + methods.compactMap(\.seeds) {
      guard !seeds.isEmpty, Set(seeds).count == seeds.count else {
        throw SettingError("seeds must be at least one, and no seed twice")
      }
    }
    for (index, entry) in methods.enumerated() where methods[..<index].contains(where: { $0.label == entry.label }) {
      throw SettingError("two methods are called '\(entry.label)'; give one a 'label'")
    }
  }

  /// Checks that a name is not empty and has no line breaks.
  ///
  /// - Throws: `SettingError`.
  static func check(_ name: String, _ what: String) throws(SettingError) {
    guard !name.trimmingCharacters(in: .whitespaces).isEmpty else { throw SettingError("\(what) is empty") }
    guard name.unicodeScalars.allSatisfy({ !breaks.contains($0) }) else {
      throw SettingError("\(what) has a line break or a control character; write it in one line")
    }
  }

  /// The characters that would break a line in a picture, a table or a terminal.
  private static let breaks = CharacterSet.controlCharacters.union(.newlines).union(.illegalCharacters)

  /// The greatest number of trainings that a horizon may buy.
  private static let maximumTrainings = 1e9

  /// Checks that the horizon does not buy more than a billion of a table's shortest trainings.
  ///
  /// - Throws: `SettingError`.
  package func checkHorizon(_ benchmark: Benchmark) throws(SettingError) {
    let least = benchmark.leastSeconds
    let cost =
      switch policy.currency {
      case .seconds: least.seconds
      case .epochs: Double(benchmark.table.epochs[0])
      case .evaluations: 1.0
      }
    guard horizon / cost <= Self.maximumTrainings else {
      let shortest =
        policy.currency == .seconds
        ? " (the shortest, of architecture \(benchmark.table.id(least.row)) for "
          + "\(benchmark.table.epochs[least.fidelity]) "
          + "epochs, takes \(least.seconds) seconds)" : ""
      throw SettingError(
        "the horizon of \(horizon) \(policy.currency.rawValue) would buy more than a billion trainings\(shortest); "
          + "set a smaller horizon")
    }
  }
}

/// The finished runs of a method, failed ones included.
public struct MethodResults: Sendable {
  /// The method with its settings.
  public let entry: MethodEntry
  /// The method's title and family, for captions.
  public let title: String
  /// The method's family, for captions and styles.
  public let family: Method.Family
  /// The runs by ascending seed.
  public let runs: [(seed: UInt64, result: RunResult)]
  /// The digest of the runs' identity, which is their key in the run store.
  public let digest: String
  /// The number of stored runs of the same method and settings that were made by another revision of the method, with
  /// other images or another library. They are not among ``runs``.
  public let otherRuns: Int
  /// What trained the runs' networks, where other machines may give other bits: see ``RunIdentity/unpinnedNumerics``.
  public let unpinnedNumerics: String?

  /// The finished runs of a method.
  public init(
    entry: MethodEntry, title: String, family: Method.Family, runs: [(seed: UInt64, result: RunResult)],
    digest: String = "", otherRuns: Int = 0, unpinnedNumerics: String? = nil
  ) {
    self.unpinnedNumerics = unpinnedNumerics
    self.digest = digest
    self.otherRuns = otherRuns
    self.entry = entry
    self.title = title
    self.family = family
    self.runs = runs
  }
}

/// An experiment with its finished runs, the input of reports.
public struct ExperimentResults: Sendable {
  /// The experiment.
  public let experiment: Experiment
  /// The checksum of the table that the runs used.
  public let tableChecksum: String
  /// The methods in the experiment's order. Runs that are not finished yet are absent.
  public let methods: [MethodResults]

  /// An experiment with its finished runs.
  public init(experiment: Experiment, tableChecksum: String, methods: [MethodResults]) {
    self.experiment = experiment
    self.tableChecksum = tableChecksum
    self.methods = methods
  }

  /// The number of runs that are not finished yet.
  public var missingRuns: Int {
    methods.reduce(0) { $0 + experiment.seeds(of: $1.entry).count - $1.runs.count }
  }
}

extension Optimizer {
  /// The revisions of the methods that this one runs, and of those that they run; `nil` if there are none.
  fileprivate var innerRevisions: [String: Int]? {
    var revisions: [String: Int] = [:]
    for method in inner {
      revisions[type(of: method).method.name] = type(of: method).method.revision
      revisions.merge(method.innerRevisions ?? [:]) { $1 }
    }
    return revisions.isEmpty ? nil : revisions
  }
}
