import Anytime
import SearchSpaces
import Statistics

/// Tree-structured Parzen estimator: models the good and the other configurations apart, parameter by
/// parameter, and tries what is likely among the good and unlikely among the others.
///
/// Bergstra, Bardenet, Bengio and Kégl, "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011, section
/// 4, with the defaults of hyperopt 0.2.7's `tpe.suggest`: 20 random starts, the best
/// ceil(0.25 sqrt(n)) trainings (25 at most) count as good, 24 candidates per parameter, linear forgetting
/// after 25 trainings, prior weight 1.
///
/// Differences: candidates are judged by the ratio of densities instead of the difference of their logarithms,
/// which orders them alike; equal losses keep their order of arrival, where NumPy's `argsort` may not.
public struct TPE: Optimizer {
  public static let method = Method(
    name: "tpe", title: "TPE",
    summary: "Tries what is likely among the good trainings and unlikely among the others.",
    citation: "Bergstra, Bardenet, Bengio and Kégl, NeurIPS 2011",
    settings: [
      Setting("startup", \TPE.startup, 1...100_000, log: true, "random configurations before the first model"),
      Setting("gamma", \TPE.gamma, 0.01...10, log: true, "the best gamma sqrt(n) trainings are good ones"),
      Setting("candidates", \TPE.candidates, 1...1_000, log: true, "candidates per parameter"),
      Setting("forgetting", \TPE.forgetting, 1...100_000, log: true, "latest trainings of whole weight"),
      Setting("prior-weight", \TPE.priorWeight, 0.001...1_000, log: true, "weight of the prior, in trainings"),
    ])

  /// The number of random configurations before the first model.
  public var startup = 20
  /// The factor of the square root: the best ceil(gamma sqrt(n)) of n trainings are good ones.
  public var gamma = 0.25
  /// The number of candidates per parameter, drawn from the good density.
  public var candidates = 24
  /// The number of latest trainings that have their whole weight, and the greatest number of good ones.
  public var forgetting = 25
  /// The weight of the prior, in trainings.
  public var priorWeight = 1.0

  public init() {}

  public func search(_ session: Session) throws {
    var model = TPEModel(session.space.parameters, self)
    while true {
      let configuration =
        model.count < startup
        ? session.space.sample(using: &session.random)
        : session.space.firstValid(using: &session.random) { model.suggest(using: &$0) }
      let loss = 1 - (try session.evaluate(configuration).validationAccuracy)
      model.add(configuration, loss: loss)
    }
  }
}

/// The model of ``TPE``, for any parameters and any loss.
public struct TPEModel: Sendable {
  private let space: ParameterSpace
  private let settings: TPE
  private let scales: [ClosedRange<Double>]
  /// By categorical parameter, where its counts begin; `nil` for numbers.
  private let starts: [Int?]
  private let countsNeeded: Int

  private var losses: [Double] = []
  /// All values, training by training.
  private var values: [Double] = []
  /// Trainings from the best to the worst.
  private var order: [Int] = []

  /// A model without trainings.
  public init(_ space: ParameterSpace, _ settings: TPE = TPE()) {
    self.space = space
    self.settings = settings
    scales = space.parameters.map(\.scale)
    var next = 0
    starts = space.parameters.map { parameter in
      guard let categories = parameter.categories else { return nil }
      defer { next += categories }
      return next
    }
    countsNeeded = next
  }

  /// The number of trainings so far.
  public var count: Int { losses.count }

  /// Adds a training.
  ///
  /// - Parameter loss: The validation error; less is better.
  public mutating func add(_ configuration: Configuration, loss: Double) {
    // After all that are no worse.
    var (low, high) = (0, order.count)
    while low < high {
      let middle = (low + high) / 2
      if losses[order[middle]] <= loss { low = middle + 1 } else { high = middle }
    }
    order.insert(losses.count, at: low)
    losses.append(loss)
    values += configuration.values
  }

  /// The next configuration to train.
  public func suggest(using random: inout RandomGenerator) -> Configuration {
    let forgetting = settings.forgetting
    let goodCount = min(Int((settings.gamma * Double(count).squareRoot()).rounded(.up)), forgetting)
    var isGood = [Bool](repeating: false, count: count)
    for training in order.prefix(goodCount) { isGood[training] = true }
    let weights = (
      good: ParzenEstimator.forgettingWeights(min(goodCount, count), forgetting),
      other: ParzenEstimator.forgettingWeights(max(0, count - goodCount), forgetting)
    )
    var good = [Double](repeating: settings.priorWeight, count: countsNeeded)
    var other = good
    tally(isGood, weights.good, weights.other, &good, &other)

    var configuration = Configuration(values: [Double](repeating: 0, count: starts.count))
    for (index, parameter) in space.parameters.enumerated() {
      if let start = starts[index], let categories = parameter.categories {
        configuration.values[index] = Double(
          choice(good[start..<start + categories], other[start..<start + categories], &random))
      } else {
        configuration.values[index] = number(index, parameter, isGood, &random)
      }
    }
    return configuration
  }

  /// Adds up the weights of each choice of each categorical parameter.
  private func tally(
    _ isGood: [Bool], _ goodWeights: [Double], _ otherWeights: [Double], _ good: inout [Double],
    _ other: inout [Double]
  ) {
    let width = starts.count
    var (goods, others) = (0, 0)
    values.withUnsafeBufferPointer { values in
      for training in 0..<count {
        let weight: Double
        if isGood[training] {
          weight = goodWeights[goods]
          goods += 1
        } else {
          weight = otherWeights[others]
          others += 1
        }
        for index in 0..<width {
          guard let start = starts[index] else { continue }
          let choice = start + Int(values[training * width + index])
          if isGood[training] { good[choice] += weight } else { other[choice] += weight }
        }
      }
    }
  }

  /// The best of the candidates drawn from the good distribution of a categorical parameter.
  private func choice(
    _ good: ArraySlice<Double>, _ other: ArraySlice<Double>, _ random: inout RandomGenerator
  ) -> Int {
    let goodTotal = good.reduce(0, +)
    var best = 0
    var bestRatio = -Double.infinity
    for _ in 0..<settings.candidates {
      var rest = random.uniform() * goodTotal
      var index = good.startIndex
      while index < good.endIndex - 1 {
        rest -= good[index]
        if rest < 0 { break }
        index += 1
      }
      // The totals are the same for all candidates.
      let ratio = good[index] / other[index]
      if ratio > bestRatio { (best, bestRatio) = (index - good.startIndex, ratio) }
    }
    return best
  }

  /// The best of the candidates of a parameter whose values have an order.
  private func number(
    _ index: Int, _ parameter: Parameter, _ isGood: [Bool], _ random: inout RandomGenerator
  ) -> Double {
    func estimator(_ wanted: Bool) -> ParzenEstimator {
      ParzenEstimator(
        (0..<count).filter { isGood[$0] == wanted }
          .map { parameter.scaled(values[$0 * starts.count + index]) },
        range: scales[index], priorWeight: settings.priorWeight, forgetting: settings.forgetting)
    }
    let (good, other) = (estimator(true), estimator(false))
    var best = 0.0
    var bestRatio = -Double.infinity
    for _ in 0..<settings.candidates {
      let value = parameter.value(scaled: good.sample(using: &random))
      let ratio =
        parameter.scaledInterval(of: value).map { good.probability(of: $0) / other.probability(of: $0) }
        ?? good.density(at: parameter.scaled(value)) / other.density(at: parameter.scaled(value))
      if ratio > bestRatio { (best, bestRatio) = (value, ratio) }
    }
    return best
  }
}
