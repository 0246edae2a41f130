import CGSL

/// Confidence intervals by resampling (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993).
public enum Bootstrap {
  /// The way in which an interval follows from the resampled statistics.
  public enum Kind: String, CaseIterable, Sendable {
    /// The interval between two quantiles.
    case percentile
    /// Bias-corrected and accelerated: the interval between quantiles that are corrected for bias and skewness
    /// (Efron 1987).
    case bca
  }

  /// A confidence interval for a statistic of one sample.
  ///
  /// - Parameters:
  ///   - sample: At least two values.
  ///   - level: The confidence, in 0..<1.
  ///   - resamples: The number of samples drawn with replacement.
  ///   - statistic: Called with samples of the same size and, for ``Kind/bca``, with every sample of one value less,
  ///     which takes time with the square of the size. Without it, the statistic is the mean, whose values with one
  ///     left out follow from the whole sample's.
  /// - Returns: `nil` if the sample is too small, or if bias or acceleration are undefined, as for equal values.
  public static func interval(
    _ sample: [Double], kind: Kind = .bca, level: Double = 0.95, resamples: Int = 2_000,
    using random: inout RandomGenerator, statistic: (([Double]) -> Double?)? = nil
  ) -> ClosedRange<Double>? {
    guard sample.count > 1, resamples > 0 else { return nil }
    var drawn = sample
    let statistics = (0..<resamples).compactMap { _ -> Double? in
      for index in drawn.indices { drawn[index] = sample[random.below(sample.count)] }
      return statistic.map { $0(drawn) } ?? drawn.mean
    }
    guard kind == .bca else { return percentile(statistics, level: level) }
    guard let observed = statistic.map({ $0(sample) }) ?? sample.mean else { return nil }
    let leftOut =
      statistic.map { statistic in
        sample.indices.compactMap { index -> Double? in
          var rest = sample
          rest.remove(at: index)
          return statistic(rest)
        }
      } ?? sample.map { observed - ($0 - observed) / Double(sample.count - 1) }
    return bca(statistics, observed: observed, leftOut: leftOut, level: level)
  }

  /// The percentile interval of resampled statistics.
  public static func percentile(_ statistics: [Double], level: Double) -> ClosedRange<Double>? {
    statistics.quantiles([(1 - level) / 2, (1 + level) / 2]).map { $0[0]...$0[1] }
  }

  /// The BCa interval of resampled statistics.
  ///
  /// - Parameters:
  ///   - observed: The statistic of the sample.
  ///   - leftOut: The statistics of the sample with one value left out, for each value.
  public static func bca(
    _ statistics: [Double], observed: Double, leftOut: [Double], level: Double
  ) -> ClosedRange<Double>? {
    guard let mean = leftOut.mean, !statistics.isEmpty else { return nil }
    let below = statistics.count { $0 < observed }
    let upTo = statistics.count { $0 <= observed }
    let bias = Normal.quantile(Double(below + upTo) / Double(2 * statistics.count))
    let squares = leftOut.reduce(0) { $0 + (mean - $1) * (mean - $1) }
    let cubes = leftOut.reduce(0) { $0 + (mean - $1) * (mean - $1) * (mean - $1) }
    let acceleration = cubes / (6 * squares * squares.squareRoot())
    func moved(_ probability: Double) -> Double {
      let z = bias + Normal.quantile(probability)
      return Normal.cumulative(bias + z / (1 - acceleration * z))
    }
    let (low, high) = (moved((1 - level) / 2), moved((1 + level) / 2))
    guard low.isFinite, high.isFinite, low <= high else { return nil }
    return statistics.quantiles([low, high]).map { $0[0]...$0[1] }
  }
}
