import Anytime
import SearchSpaces
import Statistics

/// SMAC: a random forest predicts validation errors, and what promises the greatest expected improvement is
/// trained next; random configurations are interleaved.
///
/// Hutter, Hoos and Leyton-Brown, "Sequential Model-Based Optimization for General Algorithm Configuration",
/// LION 2011: 10 trees, mean and variance over the trees, expected improvement maximised by local search from
/// the 10 best configurations, each against the incumbent with repeated trainings on both sides (algorithm
/// 2). The forest has the defaults of SMAC3 2.x (5/6 of the features, 3 samples to split and in a leaf), and so has
/// the list of challengers: configurations not trained before, and a new model after eight of them, random ones
/// counted (`ConfigSelector`). The probability of a random configuration is the 0.33 and the number of trainings per
/// configuration the 4 of NAS-Bench-1Shot1's script.
///
/// Differences: one random configuration before the first model, as in the paper, where SMAC3's facades draw an initial
/// design (`startup`); 100 random configurations compete with the local searches, where the paper has 10,000, of
/// which it keeps few; errors are modelled as they are, without a logarithm; parameters with more than 64
/// choices are split by their index.
public struct SMAC: Optimizer {
  public static let method = Method(
    name: "smac", title: "SMAC",
    summary: "Trains what a random forest expects to improve most, and some random configurations.",
    citation: "Hutter, Hoos and Leyton-Brown, LION 2011", secondsPerTraining: 4e-5,
    settings: [
      Setting("startup", \SMAC.startup, 1...100_000, log: true, "random configurations before the first model"),
      Setting("trees", \SMAC.trees, 1...100, log: true, "trees of the forest"),
      Setting("random-fraction", \SMAC.randomFraction, 0...1, "part of the configurations drawn at random"),
      Setting("max-runs", \SMAC.maxRuns, 1...1_000, log: true, "trainings of one configuration, at most"),
      Setting("local-searches", \SMAC.localSearches, 0...100, "local searches, from the best known"),
      Setting("random-candidates", \SMAC.randomCandidates, 1...10_000, log: true, "random rivals of the searches"),
      Setting("retrain-after", \SMAC.retrainAfter, 1...1_000, log: true, "challengers before the next model"),
    ])

  /// The number of random configurations before the first model.
  public var startup = 1
  /// The number of trees in the forest.
  public var trees = 10
  /// The probability that a challenger is drawn at random, 0...1.
  public var randomFraction = 0.33
  /// The greatest number of trainings of one configuration.
  public var maxRuns = 4
  /// The number of local searches, which start from the best known configurations.
  public var localSearches = 10
  /// The number of random configurations that compete with what the local searches find.
  public var randomCandidates = 100
  /// The number of challengers, random ones counted, before the next model.
  public var retrainAfter = 8

  public init() {}

  public func search(_ session: Session) throws {
    var model = SMACModel(session.space.parameters, self)
    func train(_ configuration: Configuration) throws {
      model.add(configuration, loss: 1 - (try session.evaluate(configuration).validationAccuracy))
    }
    /// What the last model suggests, the best last, and how many challengers there were since it was fitted.
    var suggestions: [Configuration] = []
    var served = retrainAfter
    func nextChallenger() -> Configuration {
      served += 1
      guard model.count >= startup, !session.random.chance(randomFraction) else {
        return session.space.sample(using: &session.random)
      }
      if served > retrainAfter || suggestions.isEmpty {
        served = 1
        suggestions = model.suggest(retrainAfter, using: &session.random) {
          session.space.isValid($0)
        }.reversed()
      }
      return suggestions.popLast() ?? session.space.sample(using: &session.random)
    }

    var incumbent = session.space.sample(using: &session.random)
    try train(incumbent)
    while true {
      let challenger = nextChallenger()
      guard model.runs(of: challenger) < maxRuns else {
        try train(session.space.sample(using: &session.random))  // more of this one would show nothing new
        continue
      }
      guard challenger != incumbent else {
        try train(incumbent)
        continue
      }
      // Algorithm 2: the incumbent gets one more training, the challenger ever more until it loses or has as many.
      if model.runs(of: incumbent) < maxRuns { try train(incumbent) }
      var more = 1
      while model.runs(of: challenger) < maxRuns {
        for _ in 0..<min(more, max(1, model.runs(of: incumbent) - model.runs(of: challenger))) {
          try train(challenger)
        }
        if model.mean(of: challenger) > model.mean(of: incumbent) { break }
        if model.runs(of: challenger) >= model.runs(of: incumbent) {
          incumbent = challenger
          break
        }
        more *= 2
      }
    }
  }
}

/// The model of ``SMAC``, for any parameters and any loss.
public struct SMACModel: Sendable {
  private let space: ParameterSpace
  private let features: [RandomForest.Feature]
  private let categories: [Int?]
  private let hasNumbers: Bool
  private var forestSettings = RandomForest.Settings()
  private let settings: SMAC

  private var indices: [Configuration: Int] = [:]
  private var configurations: [Configuration] = []
  /// All features, configuration by configuration: numbers on their scale.
  private var values: [Double] = []
  private var sums: [Double] = []
  private var runs: [Int] = []

  /// A model without trainings.
  public init(_ space: ParameterSpace, _ settings: SMAC = SMAC()) {
    self.space = space
    self.settings = settings
    categories = space.parameters.map(\.categories)
    hasNumbers = categories.contains(nil)
    features = categories.map { ($0 ?? .max) <= 64 ? .categories : .number }
    forestSettings.trees = settings.trees
  }

  /// The number of configurations so far.
  public var count: Int { configurations.count }

  /// Adds a training.
  ///
  /// - Parameter loss: The validation error; less is better.
  public mutating func add(_ configuration: Configuration, loss: Double) {
    if let index = indices[configuration] {
      sums[index] += loss
      runs[index] += 1
    } else {
      indices[configuration] = configurations.count
      configurations.append(configuration)
      values += encoded(configuration)
      sums.append(loss)
      runs.append(1)
    }
  }

  /// How often a configuration was trained.
  public func runs(of configuration: Configuration) -> Int { indices[configuration].map { runs[$0] } ?? 0 }

  /// The mean loss of a configuration, infinite before its first training.
  public func mean(of configuration: Configuration) -> Double {
    indices[configuration].map { sums[$0] / Double(runs[$0]) } ?? .infinity
  }

  private func encoded(_ configuration: Configuration) -> [Double] {
    guard hasNumbers else { return configuration.values }
    return zip(space.parameters, configuration.values).map { $0.categories == nil ? $0.scaled($1) : $1 }
  }

  /// The configurations of the greatest expected improvement that are found among those that were not trained yet,
  /// the best first; fewer where there are few.
  ///
  /// - Parameters:
  ///   - count: How many, at most.
  ///   - isAllowed: Whether a configuration may be suggested.
  public func suggest(
    _ count: Int, using random: inout RandomGenerator, isAllowed: (Configuration) -> Bool = { _ in true }
  ) -> [Configuration] {
    let losses = zip(sums, runs).map { $0 / Double($1) }
    let forest = RandomForest(
      values: values, targets: losses, features: features, settings: forestSettings, using: &random)
    let least = losses.min() ?? 0
    func improvement(_ configuration: Configuration) -> Double {
      let (mean, variance) = forest.predict(encoded(configuration))
      return expectedImprovement(mean: mean, deviation: variance.squareRoot(), least: least)
    }

    /// The best so far, descending; the earlier of two that are equal comes first.
    var best: [(configuration: Configuration, value: Double)] = []
    func consider(_ configuration: Configuration, _ value: Double) {
      if best.count == count, let last = best.last, value <= last.value { return }
      guard indices[configuration] == nil, isAllowed(configuration),
        !best.contains(where: { $0.configuration == configuration })
      else { return }
      if best.count == count { best.removeLast() }
      best.insert((configuration, value), at: (best.lastIndex { $0.value >= value } ?? -1) + 1)
    }
    for _ in 0..<settings.randomCandidates {
      let candidate = space.sample(using: &random)
      consider(candidate, improvement(candidate))
    }
    var neighbourhood = RandomForest.Neighbourhood(
      forest, categories: zip(categories, features).map { $1 == .categories ? $0 ?? 0 : 0 })
    var moves: [(index: Int, value: Double)] = []
    for start in leastIndices(settings.localSearches, of: losses) {
      var current = configurations[start]
      var height = improvement(current)
      var improves = true
      while improves {
        improves = false
        neighbourhood.move(to: encoded(current))
        fill(&moves, from: current, using: &random)
        for move in moves {
          let before = current.values[move.index]
          var value: Double?
          if features[move.index] == .categories {
            let (mean, variance) = neighbourhood.predict(move.index, category: Int(move.value))
            value = expectedImprovement(mean: mean, deviation: variance.squareRoot(), least: least)
          }
          current.values[move.index] = move.value
          let reached = value ?? improvement(current)
          if reached > height, isAllowed(current) {
            height = reached
            improves = true
            consider(current, height)
            break
          }
          current.values[move.index] = before
        }
      }
    }
    return best.map(\.configuration)
  }

  /// The indices of the least losses, ascending; the earlier of two that are equal comes first.
  private func leastIndices(_ number: Int, of losses: [Double]) -> [Int] {
    guard number > 0 else { return [] }
    var least: [Int] = []
    for index in losses.indices {
      if least.count == number {
        guard let last = least.last, losses[index] < losses[last] else { continue }
        least.removeLast()
      }
      least.insert(index, at: (least.lastIndex { losses[$0] <= losses[index] } ?? -1) + 1)
    }
    return least
  }

  /// Ways to a neighbour: any other choice of one parameter; for a number four values around its own, normally
  /// distributed with deviation 0.2 of its scale (section 4.3); in random order.
  private func fill(
    _ moves: inout [(index: Int, value: Double)], from current: Configuration,
    using random: inout RandomGenerator
  ) {
    moves.removeAll(keepingCapacity: true)
    for index in categories.indices {
      func add(_ value: Double) {
        if value != current.values[index] { moves.append((index, value)) }
      }
      if let categories = categories[index] {
        for choice in 0..<categories { add(Double(choice)) }
      } else {
        let parameter = space.parameters[index]
        let unit = parameter.unit(current.values[index])
        for _ in 0..<4 { add(parameter.value(unit: random.gaussian(mean: unit, deviation: 0.2, in: 0...1))) }
      }
    }
    random.shuffle(&moves)
  }
}

/// The expected amount by which a normally distributed loss falls below the least one so far (Jones, Schonlau
/// and Welch 1998, equation 15).
public func expectedImprovement(mean: Double, deviation: Double, least: Double) -> Double {
  guard deviation > 0 else { return max(0, least - mean) }
  let distance = (least - mean) / deviation
  return (least - mean) * Normal.cumulative(distance) + deviation * Normal.density(distance)
}
