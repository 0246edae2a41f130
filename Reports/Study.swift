import Anytime
import Experiments
import Statistics

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
    trajectory.last.flatMap { metric == .test ? $0.testRegret : $0.validationRegret }
  }

  /// The validation accuracy of the supernet after its last epoch, if it was measured.
  var supernetAccuracy: Double? {
    trace.last?.values["validation accuracy"].flatMap { $0.isFinite ? $0 : nil }
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
    /// By level, the values of the runs that ended well and have any.
    let groups: [[Double]]
    /// Of levels in order, if the factor has any.
    let trend: JonckheereTerpstra?
    let differences: KruskalWallis?

    /// - Returns: `nil` if no run has a value.
    init?(_ factor: Study.Factor, _ measure: Measure, _ groups: [[Double]]) {
      (self.factor, self.measure, self.groups) = (factor, measure, groups)
      let tested = groups.filter { !$0.isEmpty }
      guard !tested.isEmpty else { return nil }
      trend = factor.isOrdered ? JonckheereTerpstra(tested) : nil
      differences = KruskalWallis(tested)
    }

    /// Without runs that have no incumbent.
    func finite(_ level: Int) -> [Double] { groups[level].filter(\.isFinite) }
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
    Effect(
      factor, measure,
      factor.levels.map { level in
        study.entries.flatMap { index -> [Double] in
          let method = results.methods[index]
          guard method.entry.variation?.levels[factor.name] == level else { return [] }
          return method.endedRuns.compactMap { measure.value($0.result) }
        }
      })
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

  /// A functional analysis of variance: which part of the variance of a measure over all combinations of levels each
  /// factor and each pair of factors explains.
  ///
  /// - Returns: The effects, and the number of runs on which the forest grew. `nil` for fewer than two factors of two
  ///   levels, or where nothing varies.
  func analysis(of measure: Measure) -> (anova: FunctionalANOVA, factors: [Study.Factor], runs: Int)? {
    let entries = study.entries.map { results.methods[$0] }
    let factors = study.factors.map { factor in
      Study.Factor(factor.name, levels: entries.map { value(factor, $0.entry) })
    }.filter { $0.levels.count > 1 }
    guard factors.count > 1 else { return nil }
    var (values, targets): ([Double], [Double]) = ([], [])
    for method in entries {
      let sample = factors.map { factor in
        Double(factor.levels.firstIndex(of: value(factor, method.entry)) ?? 0)
      }
      for run in method.endedRuns {
        guard let target = measure.value(run.result), target.isFinite else { continue }
        values += sample
        targets.append(target)
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
    return FunctionalANOVA(forest, domains: domains).map { ($0, factors, targets.count) }
  }
}
