import CGSL

/// Descriptive statistics of a sample of real numbers, by GSL.
///
/// A statistic that is undefined (for an empty sample, or one value where two are needed) is `nil`.
extension [Double] {
  /// The arithmetic mean.
  public var mean: Double? {
    isEmpty ? nil : gsl_stats_mean(self, 1, count)
  }

  /// The standard deviation with `n - 1` in the denominator.
  public var standardDeviation: Double? {
    count < 2 ? nil : gsl_stats_sd(self, 1, count)
  }

  /// The standard error of the mean: standard deviation / sqrt(n).
  public var standardError: Double? {
    standardDeviation.map { $0 / Double(count).squareRoot() }
  }

  /// The median; the mean of the two middle values of a sample of even size.
  public var median: Double? { quantile(0.5) }

  /// The `p`-quantile, `p` in 0...1, linearly interpolated between order statistics (Hyndman and Fan's
  /// type 7, the default of NumPy and R).
  public func quantile(_ p: Double) -> Double? {
    quantiles([p])?.first
  }

  /// Several quantiles of one sample, which is sorted only once.
  public func quantiles(_ ps: [Double]) -> [Double]? {
    guard !isEmpty else { return nil }
    let sorted = sorted()
    return ps.map { gsl_stats_quantile_from_sorted_data(sorted, 1, count, $0) }
  }

  /// The autocorrelation at a lag: the correlation of the sequence with itself shifted by the lag.
  public func autocorrelation(lag: Int) -> Double? {
    guard lag > 0, count > lag + 1 else { return nil }
    return withUnsafeBufferPointer { values in
      guard let base = values.baseAddress else { return nil }
      let r = gsl_stats_correlation(base, 1, base + lag, 1, count - lag)
      return r.isNaN ? nil : r
    }
  }

  /// Spearman's rank correlation with another sample of the same size. Ties share their mean rank.
  public func spearman(_ other: [Double]) -> Double? {
    guard count == other.count, count > 1 else { return nil }
    var work = [Double](repeating: 0, count: 2 * count)
    let rho = gsl_stats_spearman(self, 1, other, 1, count, &work)
    return rho.isNaN ? nil : Swift.min(Swift.max(rho, -1), 1)
  }

  /// Kendall's rank correlation tau-b with another sample of the same size (Kendall 1945): pairs in the same
  /// order minus pairs in opposite order, over the geometric mean of the numbers of pairs that are untied in
  /// either sample. Takes `n log n` steps (Knight, JASA 1966).
  public func kendall(_ other: [Double]) -> Double? {
    guard let pairs = kendallPairs(other), pairs.untied.0 > 0, pairs.untied.1 > 0 else { return nil }
    let scale = Double(pairs.untied.0).squareRoot() * Double(pairs.untied.1).squareRoot()
    return Swift.min(Swift.max(Double(pairs.difference) / scale, -1), 1)
  }

  /// The pairs that ``kendall(_:)`` counts: those in the same order minus those in opposite order, and those untied
  /// here and in the other sample.
  func kendallPairs(_ other: [Double]) -> (difference: Int, untied: (Int, Int))? {
    guard count == other.count, count > 1, !(self + other).contains(where: \.isNaN) else { return nil }
    func pairs(_ count: Int) -> Int { count * (count - 1) / 2 }
    /// The number of pairs of equal elements in a sorted sequence.
    func ties(_ count: Int, _ isEqual: (Int, Int) -> Bool) -> Int {
      var sum = 0
      var start = 0
      for end in 1...count where end == count || !isEqual(start, end) {
        sum += pairs(end - start)
        start = end
      }
      return sum
    }
    let order = indices.sorted { (self[$0], other[$0]) < (self[$1], other[$1]) }
    let tiedHere = ties(count) { self[order[$0]] == self[order[$1]] }
    let tiedInBoth = ties(count) {
      self[order[$0]] == self[order[$1]] && other[order[$0]] == other[order[$1]]
    }
    var values = order.map { other[$0] }
    let opposite = values.sortCountingInversions()
    let tiedThere = ties(count) { values[$0] == values[$1] }
    let untied = (pairs(count) - tiedHere, pairs(count) - tiedThere)
    return (untied.0 - tiedThere + tiedInBoth - 2 * opposite, untied)
  }

  /// Sorts by merging and returns the number of pairs that were in descending order.
  private mutating func sortCountingInversions() -> Int {
    var inversions = 0
    var source = self
    var target = self
    var width = 1
    while width < count {
      for start in stride(from: 0, to: count, by: 2 * width) {
        let middle = Swift.min(start + width, count)
        let end = Swift.min(start + 2 * width, count)
        var (left, right) = (start, middle)
        for index in start..<end {
          if right == end || (left < middle && source[left] <= source[right]) {
            target[index] = source[left]
            left += 1
          } else {
            target[index] = source[right]
            right += 1
            inversions += middle - left
          }
        }
      }
      swap(&source, &target)
      width *= 2
    }
    self = source
    return inversions
  }
}

/// A straight line `y = intercept + slope x`, fitted by least squares (GSL's `gsl_fit_linear`).
public struct LinearFit: Hashable, Sendable {
  /// The line's height at `x = 0`.
  public let intercept: Double
  /// The line's rise per unit of `x`.
  public let slope: Double
  /// The coefficient of determination: the fraction of the variance of `y` that the line explains.
  public let rSquared: Double

  /// Fits a line; `nil` for fewer than two distinct values of `x`.
  public init?(x: [Double], y: [Double]) {
    guard x.count == y.count, x.count > 1, let first = x.first, x.contains(where: { $0 != first }) else {
      return nil
    }
    var c0 = 0.0
    var c1 = 0.0
    var cov00 = 0.0
    var cov01 = 0.0
    var cov11 = 0.0
    var residual = 0.0
    gsl_fit_linear(x, 1, y, 1, x.count, &c0, &c1, &cov00, &cov01, &cov11, &residual)
    intercept = c0
    slope = c1
    let total = gsl_stats_tss(y, 1, y.count)
    rSquared = total > 0 ? 1 - residual / total : 1
  }
}
