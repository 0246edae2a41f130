import Foundation

/// A mixture of normal distributions on an interval, one around every observation and one for the prior: the
/// adaptive Parzen estimator of Bergstra, Bardenet, Bengio and Kégl (NeurIPS 2011, section 4.2), with the
/// details of hyperopt's `adaptive_parzen_normal`.
///
/// A component is as wide as the larger distance to its neighbours, within bounds that follow from the
/// interval and the number of observations; the prior is centred and as wide as the interval. The latest
/// `forgetting` observations have their whole weight; that of older ones falls linearly with their age.
public struct ParzenEstimator: Sendable {
  /// The interval outside of which the density is zero.
  public let range: ClosedRange<Double>
  /// The components by ascending mean. Their weights sum to one.
  public private(set) var components: [(weight: Double, mean: Double, deviation: Double)]
  /// The probability that the mixture gives to the interval.
  private let accepted: Double

  /// - Parameters:
  ///   - observations: The observations, the oldest first.
  ///   - forgetting: The number of observations that keep their whole weight.
  public init(
    _ observations: [Double], range: ClosedRange<Double>, priorWeight: Double = 1, forgetting: Int = 25
  ) {
    self.range = range
    let width = range.upperBound - range.lowerBound
    let middle = (range.lowerBound + range.upperBound) / 2
    let weights = Self.forgettingWeights(observations.count, forgetting)
    var sorted = observations.indices.sorted { observations[$0] < observations[$1] }.map {
      (weight: weights[$0], mean: observations[$0], deviation: 0.0)
    }
    let prior = sorted.firstIndex { $0.mean >= middle } ?? sorted.count
    sorted.insert((priorWeight, middle, width), at: prior)
    let count = sorted.count
    if count == 2 {
      sorted[1 - prior].deviation = width / 2
    } else {
      for index in 0..<count where count > 2 {
        let left = index > 0 ? sorted[index].mean - sorted[index - 1].mean : 0
        let right = index < count - 1 ? sorted[index + 1].mean - sorted[index].mean : 0
        sorted[index].deviation = max(left, right)
      }
    }
    let least = width / min(100, Double(1 + count))
    let total = sorted.reduce(0) { $0 + $1.weight }
    for index in 0..<count {
      sorted[index].deviation = index == prior ? width : min(max(sorted[index].deviation, least), width)
      sorted[index].weight /= total
    }
    components = sorted
    accepted = sorted.reduce(0) { $0 + $1.weight * Self.mass($1.mean, $1.deviation, range) }
  }

  /// The weights of observations, the oldest first: 1 for the last `full`, and for those before them a ramp from
  /// 1 / count to 1, as in hyperopt's `linear_forgetting_weights`.
  public static func forgettingWeights(_ count: Int, _ full: Int) -> [Double] {
    guard count > full else { return [Double](repeating: 1, count: count) }
    let ramp = count - full
    let start = 1 / Double(count)
    return (0..<count).map { index in
      index >= ramp ? 1 : ramp == 1 ? start : start + (1 - start) * Double(index) / Double(ramp - 1)
    }
  }

  /// Draws a value of the interval, by rejection as in hyperopt.
  public func sample(using random: inout RandomGenerator) -> Double {
    while true {
      let component = components[random.index(weights: components.lazy.map(\.weight))]
      let value = component.mean + component.deviation * random.gaussian()
      if range.contains(value) { return value }
    }
  }

  /// The density at a value of the interval.
  public func density(at value: Double) -> Double {
    components.reduce(0) {
      $0 + $1.weight * Normal.density((value - $1.mean) / $1.deviation) / $1.deviation
    } / accepted
  }

  /// The probability of a part of the interval; for whole numbers it stands for the density.
  public func probability(of part: ClosedRange<Double>) -> Double {
    let part = part.clamped(to: range)
    return components.reduce(0) { $0 + $1.weight * Self.mass($1.mean, $1.deviation, part) } / accepted
  }

  private static func mass(_ mean: Double, _ deviation: Double, _ range: ClosedRange<Double>) -> Double {
    Normal.cumulative((range.upperBound - mean) / deviation)
      - Normal.cumulative((range.lowerBound - mean) / deviation)
  }
}
