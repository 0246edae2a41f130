import Anytime
import Experiments
import Statistics
import TabularBenchmark

/// The entries of an experiment that were given as one and differ in the levels of some settings.
public struct Study: Sendable {
  /// The label that they have in common.
  public let name: String
  /// The way in which levels are combined.
  public let design: Variation.Design
  /// Their method's name.
  public let method: String
  /// Indices of the experiment's methods, in order.
  public let entries: [Int]
  /// The settings that vary, by name.
  public let factors: [Factor]

  /// A setting with its levels.
  public struct Factor: Sendable {
    /// The setting's name.
    public let name: String
    /// The levels in canonical text: numbers ascending, others in the experiment's order.
    public let levels: [String]
    /// Whether all levels are numbers.
    public let isOrdered: Bool

    init(_ name: String, levels all: [String]) {
      self.name = name
      var seen: Set<String> = []
      let levels = all.filter { seen.insert($0).inserted }
      let numbers = levels.compactMap { level in Double(level).flatMap { $0.isFinite ? $0 : nil } }
      isOrdered = numbers.count == levels.count
      self.levels =
        isOrdered ? zip(numbers, levels).sorted { $0.0 < $1.0 }.map(\.1) : levels
    }
  }
}

extension ExperimentResults {
  /// The studies in the order of their first entries.
  public var studies: [Study] {
    struct Key: Hashable {
      let name: String
      let design: Variation.Design
      let method: String
    }
    var keys: [Key] = []
    var entries: [Key: [Int]] = [:]
    for (index, method) in methods.enumerated() {
      guard let variation = method.entry.variation else { continue }
      let key = Key(name: variation.study, design: variation.design, method: method.entry.method)
      if entries[key] == nil { keys.append(key) }
      entries[key, default: []].append(index)
    }
    return keys.map { key in
      let entries = entries[key] ?? []
      let levels = entries.compactMap { methods[$0].entry.variation?.levels }
      return Study(
        name: key.name, design: key.design, method: key.method, entries: entries,
        factors: Set(levels.flatMap(\.keys)).sorted().map { name in
          Study.Factor(name, levels: levels.compactMap { $0[name] })
        })
    }
  }
}

extension RunResult {
  /// The last regret of the run; `nil` if it has no incumbent, or no test accuracy.
  func finalRegret(_ metric: RegretMetric) -> Double? {
    trajectory.last?.regret(metric)
  }

  /// The validation accuracy of the supernet after the last epoch at which it was measured, which a selection of the
  /// cell is not.
  var supernetAccuracy: Double? {
    trace.reversed().compactMap { $0.values["validation accuracy"] }.first.flatMap { $0.isFinite ? $0 : nil }
  }
}

/// How the results of a study's runs depend on its factors.
struct StudyEffects {
  /// A number of a run that may depend on its settings.
  enum Measure: Hashable {
    case regret(RegretMetric)
    case supernetAccuracy

    /// The number of a run that ended well. A run without an incumbent is worse than any with one.
    func value(_ result: RunResult) -> Double? {
      switch self {
      case .regret(let metric):
        result.trajectory.isEmpty ? .infinity : result.finalRegret(metric).flatMap { $0.isNaN ? nil : $0 }
      case .supernetAccuracy: result.supernetAccuracy
      }
    }
  }

  /// A measure by the levels of a factor. The runs of all entries with a level are its runs, whatever the levels of the
  /// other factors.
  struct Effect {
    let factor: Study.Factor
    let measure: Measure
    /// The factor's levels for people.
    let levels: [String]
    /// By level, the values of the runs that ended well and have any.
    let groups: [[Double]]
    /// By level, the number of failed runs.
    let failed: [Int]
    /// Of levels in order, if the factor has any.
    let trend: JonckheereTerpstra?
    let differences: KruskalWallis?
    /// Over seeds, of each level's mean over the runs of a seed; `nil` where levels have not the same seeds.
    let bySeed: Friedman?
    /// By level and seed.
    private let seeds: [[UInt64: [Double]]]

    /// - Parameter runs: By level, the values of runs with their seeds.
    /// - Returns: `nil` if no run has a value.
    init?(
      _ factor: Study.Factor, _ levels: [String], _ measure: Measure, _ runs: [[(seed: UInt64, value: Double)]],
      failed: [Int]
    ) {
      (self.factor, self.levels, self.measure, self.failed) = (factor, levels, measure, failed)
      groups = runs.map { $0.map(\.value) }
      seeds = runs.map { Dictionary(grouping: $0, by: \.seed).mapValues { $0.map(\.value) } }
      let tested = groups.filter { !$0.isEmpty }
      guard !tested.isEmpty else { return nil }
      trend = factor.isOrdered ? JonckheereTerpstra(tested) : nil
      differences = KruskalWallis(tested)
      let (common, all) = (Set(seeds[0].keys), seeds)
      bySeed =
        all.allSatisfy { Set($0.keys) == common }
        ? Friedman(
          common.sorted().map { seed in
            // Not GSL's mean, which makes no number of runs without an incumbent. Equal sums are ties.
            all.map { level in (level[seed] ?? []).reduce(0, +).roundedAccuracy / Double(level[seed]?.count ?? 1) }
          }) : nil
    }

    /// Without runs that have no incumbent.
    func finite(_ level: Int) -> [Double] { groups[level].filter(\.isFinite) }

    /// The same, each seed's mean: runs of other factors' levels with one seed are repeats, not new evidence.
    func seedMeans(_ level: Int) -> [Double] {
      seeds[level].sorted { $0.key < $1.key }.compactMap { $0.value.filter(\.isFinite).mean }
    }
  }

  let study: Study
  private let results: ExperimentResults
  private let registry: Registry

  /// - Parameter registry: Knows the settings' defaults.
  init(_ study: Study, _ results: ExperimentResults, registry: Registry) {
    (self.study, self.results, self.registry) = (study, results, registry)
  }

  /// The effect of one factor.
  func effect(of factor: Study.Factor, on measure: Measure) -> Effect? {
    let levels = factor.levels.map { level in
      study.entries.map { results.methods[$0] }.filter { $0.entry.variation?.levels[factor.name] == level }
    }
    let method = study.entries.first.map { results.methods[$0].entry.method }
    let setting = registry.methods.first { $0.method.name == method }?.method.settings.first { $0.name == factor.name }
    return Effect(
      factor, factor.levels.map { level in setting.map { registry.shown(level, of: $0) } ?? level }, measure,
      levels.map { methods in
        methods.flatMap { $0.endedRuns.compactMap { run in measure.value(run.result).map { (run.seed, $0) } } }
      }, failed: levels.map { $0.reduce(0) { $0 + $1.failedRuns.count } })
  }

  /// The value of a factor in an entry that may not show it: with ``Experiments/Variation/Design/each``, that of the
  /// entry's settings.
  func value(_ factor: Study.Factor, _ entry: MethodEntry) -> String {
    if let level = entry.variation?.levels[factor.name] ?? entry.settings.values[factor.name] { return level }
    let method = registry.methods.first { $0.method.name == entry.method }?.method
    return method?.settings.first { $0.name == factor.name }?.defaultValue ?? ""
  }

  /// The trees of the forest that is analysed.
  static let trees = 64

  /// A functional analysis of variance.
  struct Analysis {
    /// Which part of the variance of a forest's predictions over all combinations of levels each factor and each pair
    /// of factors explains.
    let anova: FunctionalANOVA
    let factors: [Study.Factor]
    /// The runs on which the forest grew, by combination of levels.
    let groups: [[Double]]
  }

  /// - Returns: `nil` for fewer than two factors of two levels, or where nothing varies.
  func analysis(of measure: Measure) -> Analysis? {
    let entries = study.entries.map { results.methods[$0] }
    let factors = study.factors.map { factor in
      Study.Factor(factor.name, levels: entries.map { value(factor, $0.entry) })
    }.filter { $0.levels.count > 1 }
    guard factors.count > 1 else { return nil }
    var (values, targets): ([Double], [Double]) = ([], [])
    var groups: [[Double]: [Double]] = [:]
    for method in entries {
      let sample = factors.map { factor in
        Double(factor.levels.firstIndex(of: value(factor, method.entry)) ?? 0)
      }
      for run in method.endedRuns {
        guard let target = measure.value(run.result), target.isFinite else { continue }
        values += sample
        targets.append(target)
        groups[sample, default: []].append(target)
      }
    }
    guard !targets.isEmpty else { return nil }
    var settings = RandomForest.Settings()
    settings.trees = Self.trees
    settings.featureFraction = 1
    settings.leastToSplit = 2
    settings.leastInLeaf = 1
    settings.maximumDepth = 64
    var random = RandomGenerator(seed: 0, stream: "analysis of \(study.name)")
    let forest = RandomForest(
      values: values, targets: targets,
      features: factors.map { $0.isOrdered || $0.levels.count > 64 ? .number : .categories }, settings: settings,
      using: &random)
    let domains = factors.map { FunctionalANOVA.Domain.levels($0.levels.indices.map { Double($0) }) }
    return FunctionalANOVA(forest, domains: domains).map {
      Analysis(
        anova: $0, factors: factors,
        groups: groups.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.value))
    }
  }
}
