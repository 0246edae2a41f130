import CGSL

/// The standard normal distribution, by GSL.
public enum Normal {
  /// The density at `x`.
  public static func density(_ x: Double) -> Double { gsl_ran_ugaussian_pdf(x) }

  /// The probability of a value up to `x`.
  public static func cumulative(_ x: Double) -> Double { gsl_cdf_ugaussian_P(x) }

  /// The value below which a fraction `p`, in 0...1, of the probability lies.
  public static func quantile(_ p: Double) -> Double { gsl_cdf_ugaussian_Pinv(p) }
}

extension RandomGenerator {
  /// Draws a normal deviate that is truncated to a range, by inverting the cumulative distribution.
  public mutating func gaussian(
    mean: Double, deviation: Double, in range: ClosedRange<Double>
  ) -> Double {
    let low = Normal.cumulative((range.lowerBound - mean) / deviation)
    let high = Normal.cumulative((range.upperBound - mean) / deviation)
    let value = mean + deviation * Normal.quantile(low + (high - low) * uniform())
    return Swift.min(Swift.max(value, range.lowerBound), range.upperBound)
  }

  /// Draws an index with probabilities proportional to weights. No weight may be negative, nor may all be zero.
  @inlinable public mutating func index(weights: some Collection<Double>) -> Int {
    var rest = uniform() * weights.reduce(0, +)
    var index = 0
    for weight in weights {
      rest -= weight
      if rest < 0 { return index }
      index += 1
    }
    return index - 1
  }
}
