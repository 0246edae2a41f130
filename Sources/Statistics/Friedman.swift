import CGSL

/// Friedman's test of several methods over common blocks (Friedman 1937): whether the methods' ranks within
/// blocks differ. With the pairwise comparisons that Demšar recommends (JMLR 2006).
public struct Friedman: Hashable, Sendable {
  /// The number of blocks.
  public let blocks: Int
  /// Each method's rank within a block, averaged over blocks; 1 for the least value. Ties share their mean rank.
  public let averageRanks: [Double]
  /// Friedman's statistic, corrected for ties.
  public let chiSquared: Double
  /// The p-value by the chi-squared distribution, with one degree of freedom less than there are methods.
  public let pValue: Double
  /// The p-value by the F distribution of Iman and Davenport's statistic, which is less conservative.
  public let imanDavenportPValue: Double

  /// - Parameter values: A row per block with a number per method. Infinite values are allowed.
  /// - Returns: `nil` for fewer than two methods or two blocks, rows of different sizes, or a NaN.
  public init?(_ values: [[Double]]) {
    guard let methods = values.first?.count, methods > 1, values.count > 1,
      values.allSatisfy({ $0.count == methods && !$0.contains(where: \.isNaN) })
    else { return nil }
    let n = Double(values.count)
    let k = Double(methods)
    var sums = [Double](repeating: 0, count: methods)
    var ties = 0.0
    for row in values {
      for (method, rank) in row.ranks.enumerated() { sums[method] += rank }
      ties += row.tieTerm
    }
    blocks = values.count
    averageRanks = sums.map { $0 / n }
    let deviation = sums.reduce(0) { $0 + ($1 / n - (k + 1) / 2) * ($1 / n - (k + 1) / 2) }
    let correction = 1 - ties / (n * k * (k * k - 1))
    chiSquared = correction > 0 ? 12 * n / (k * (k + 1)) * deviation / correction : 0
    pValue = gsl_cdf_chisq_Q(chiSquared, k - 1)
    let rest = n * (k - 1) - chiSquared
    imanDavenportPValue =
      rest > 0 ? gsl_cdf_fdist_Q((n - 1) * chiSquared / rest, k - 1, (k - 1) * (n - 1)) : 0
  }

  /// The standard error of the difference of two average ranks if no methods differ: sqrt(k (k + 1) / 6n).
  public var standardError: Double { Self.standardError(blocks: blocks, methods: averageRanks.count) }

  /// The p-value of a pair of methods by Nemenyi's test, adjusted for all pairs.
  public func nemenyi(_ first: Int, _ second: Int) -> Double {
    let distance = abs(averageRanks[first] - averageRanks[second]) / standardError
    return StudentizedRange.upperTail(distance * 2.squareRoot(), groups: averageRanks.count)
  }

  /// The least difference of average ranks that is significant at a level by Nemenyi's test.
  public func criticalDifference(level: Double = 0.05) -> Double {
    StudentizedRange.upperQuantile(level, groups: averageRanks.count) / 2.squareRoot() * standardError
  }

  /// The p-value of a pair of methods by the normal distribution of the difference of their average ranks. It is
  /// not adjusted for other pairs: see ``Swift/Array/holmAdjusted``.
  public func pairPValue(_ first: Int, _ second: Int) -> Double {
    min(1, 2 * gsl_cdf_ugaussian_Q(abs(averageRanks[first] - averageRanks[second]) / standardError))
  }
}

/// The distribution of the range of several standard normal deviates: Tukey's studentized range with infinite
/// degrees of freedom.
public enum StudentizedRange {
  /// The probability of a range greater than `range`, by adaptive quadrature.
  ///
  /// - Parameter groups: The number of deviates, at least 2.
  public static func upperTail(_ range: Double, groups: Int) -> Double {
    guard range > 0 else { return 1 }
    var parameters = (range, Double(groups - 1))
    return withUnsafeMutablePointer(to: &parameters) { parameters in
      // k φ(z) (Φ(z)^(k-1) - (Φ(z) - Φ(z - range))^(k-1)) over the value z of the greatest deviate.
      var integrand = gsl_function(
        function: { z, parameters in
          guard let (range, power) = parameters?.load(as: (Double, Double).self) else { return 0 }
          let all = gsl_cdf_ugaussian_P(z)
          guard all > 0 else { return 0 }
          let missed = power * log1p(-min(1, gsl_cdf_ugaussian_P(z - range) / all))
          return gsl_ran_ugaussian_pdf(z) * pow(all, power) * -expm1(missed)
        }, params: parameters)
      guard let workspace = gsl_integration_workspace_alloc(200) else { return .nan }
      defer { gsl_integration_workspace_free(workspace) }
      var result = 0.0
      var error = 0.0
      // Beyond 40 the density is zero in double precision.
      gsl_integration_qag(
        &integrand, -40, 40, 0, 1e-12, 200, Int32(GSL_INTEG_GAUSS61), workspace, &result, &error)
      return min(1, Double(groups) * result)
    }
  }

  /// The range that is exceeded with a given probability, by bisection.
  public static func upperQuantile(_ probability: Double, groups: Int) -> Double {
    var (low, high) = (0.0, 60.0)
    for _ in 0..<80 {
      let middle = (low + high) / 2
      if upperTail(middle, groups: groups) > probability { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }
}
