import Anytime
import Foundation
import SearchSpaces
import Statistics

/// REINFORCE: one categorical distribution per parameter, moved towards configurations that are better than a
/// moving average.
///
/// Williams, "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning", 1992,
/// as Ying et al. (2019) use it on NAS-Bench-101 and NAS-Bench-1Shot1's `run_reinforce.py` does: logits
/// begin at zero, plain gradient ascent with learning rate 0.1, baseline an exponential moving average of the
/// reward with momentum 0.9, corrected for its start and updated before the advantage is taken.
///
/// Differences: the reward is the validation accuracy. A parameter with more than `bins` values, or a real one,
/// is cut into that many equal parts of its scale, from which values are drawn uniformly.
public struct Reinforce: Optimizer {
  public static let method = Method(
    name: "reinforce", title: "REINFORCE",
    summary: "Moves one distribution per parameter towards what is better than average.",
    citation: "Williams, Machine Learning 1992; Ying et al., ICML 2019",
    settings: [
      Setting("learning-rate", \Reinforce.learningRate, 1e-6...100, log: true, "step along the gradient"),
      Setting("momentum", \Reinforce.momentum, 0...0.999_999, "of the baseline's moving average"),
      Setting("bins", \Reinforce.bins, 2...1_000, log: true, "parts that a numeric parameter is cut into"),
    ])

  /// The length of a step along the gradient.
  public var learningRate = 0.1
  /// The momentum of the baseline's moving average, in 0..<1.
  public var momentum = 0.9
  /// The number of parts that a parameter with more values, or a real one, is cut into.
  public var bins = 10

  public init() {}

  public func search(_ session: Session) throws {
    var policy = CategoricalPolicy(session.space.parameters, bins: bins)
    var (numerator, denominator) = (0.0, 0.0)
    while true {
      var choices: [Int] = []
      let configuration = session.space.firstValid(using: &session.random) {
        choices = policy.sample(using: &$0)
        return policy.configuration(choices, using: &$0)
      }
      let reward = try session.evaluate(configuration).validationAccuracy
      numerator = momentum * numerator + (1 - momentum) * reward
      denominator = momentum * denominator + (1 - momentum)
      policy.ascend(choices, by: learningRate * (reward - numerator / denominator))
    }
  }
}

/// One categorical distribution per parameter, by logits.
public struct CategoricalPolicy: Sendable {
  private let space: ParameterSpace
  /// Per parameter its number of values where each has a logit of its own.
  private let isWhole: [Bool]
  /// `[parameter][choice]`
  public private(set) var logits: [[Double]]
  /// `[parameter][choice]`: the softmax of ``logits``.
  public private(set) var probabilities: [[Double]]

  /// Uniform distributions.
  ///
  /// - Parameter bins: The number of parts that a parameter with more values is cut into.
  public init(_ space: ParameterSpace, bins: Int) {
    self.space = space
    isWhole = space.parameters.map { $0.categories != nil || ($0.count ?? .max) <= bins }
    logits = zip(space.parameters, isWhole).map { parameter, isWhole in
      [Double](repeating: 0, count: isWhole ? parameter.count ?? bins : bins)
    }
    probabilities = logits.map(Self.softmax)
  }

  private static func softmax(_ logits: [Double]) -> [Double] {
    let greatest = logits.max() ?? 0
    let powers = logits.map { exp($0 - greatest) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  /// Draws a choice per parameter.
  public func sample(using random: inout RandomGenerator) -> [Int] {
    probabilities.map { random.index(weights: $0) }
  }

  /// The configuration of a choice per parameter.
  public func configuration(_ choices: [Int], using random: inout RandomGenerator) -> Configuration {
    Configuration(
      values: choices.enumerated().map { index, choice in
        let parameter = space.parameters[index]
        if isWhole[index] {
          if case .integer(let range, _) = parameter.domain { return Double(range.lowerBound + choice) }
          return Double(choice)
        }
        return parameter.value(unit: (Double(choice) + random.uniform()) / Double(logits[index].count))
      })
  }

  /// A step along the gradient of the choices' log-probability.
  public mutating func ascend(_ choices: [Int], by step: Double) {
    for (index, choice) in choices.enumerated() {
      for other in logits[index].indices {
        logits[index][other] += step * ((other == choice ? 1 : 0) - probabilities[index][other])
      }
      probabilities[index] = Self.softmax(logits[index])
    }
  }
}
