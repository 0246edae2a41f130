import CGSL

/// Jonckheere and Terpstra's two-sided test of several independent samples with an order (Jonckheere, Biometrika 1954;
/// Terpstra 1952): whether values tend to rise, or to fall, from one sample to the next.
///
/// It is Kendall's test between the index of a value's sample and the value. Infinite values are allowed and rank as
/// they compare.
public struct JonckheereTerpstra: Hashable, Sendable {
  /// The number of pairs of values of two samples in which the later sample's value is greater; an equal pair counts
  /// half.
  public let statistic: Double
  /// The statistic's distance from its mean without a trend, in standard deviations that are corrected for ties;
  /// positive where values rise.
  public let z: Double
  /// The two-sided p-value.
  public let pValue: Double
  /// Whether the p-value counts all ways to deal the values; otherwise it is the normal approximation by ``z``,
  /// without a correction for continuity.
  public let isExact: Bool
  /// The effect size, in -1...1: Kendall's tau-b between the index of a value's sample and the value.
  public let tau: Double

  /// - Parameters:
  ///   - groups: The samples in their order, of any sizes.
  ///   - exact: Whether the p-value is exact where it can be: without ties, and with at most 2^62 ways to deal the
  ///     values (four samples of 8, or two of 32).
  /// - Returns: `nil` for fewer than two samples, an empty one, a NaN, or values that are all equal.
  public init?(_ groups: [[Double]], exact: Bool = true) {
    guard groups.count > 1, !groups.contains(where: \.isEmpty) else { return nil }
    let values = groups.flatMap { $0 }
    let levels = groups.enumerated().flatMap { level, group in group.map { _ in Double(level) } }
    guard let tau = levels.kendall(values), let pairs = levels.kendallPairs(values) else { return nil }
    self.tau = tau
    statistic = Double(pairs.untied.0 + pairs.difference) / 2

    // The variance of twice the statistic with ties (Kendall 1970, chapter 4; Hollander and Wolfe 1999, section 6.2).
    let n = Double(values.count)
    let sizes = groups.map { Double($0.count) }
    let ties = values.tieSizes
    func sum(_ sizes: [Double], _ term: (Double) -> Double) -> Double { sizes.reduce(0) { $0 + term($1) } }
    func spread(_ t: Double) -> Double { t * (t - 1) * (2 * t + 5) }
    func pairTerm(_ t: Double) -> Double { t * (t - 1) }
    func tripleTerm(_ t: Double) -> Double { t * (t - 1) * (t - 2) }
    var variance = (spread(n) - sum(sizes, spread) - sum(ties, spread)) / 18
    variance += sum(sizes, pairTerm) * sum(ties, pairTerm) / (2 * pairTerm(n))
    if n > 2 { variance += sum(sizes, tripleTerm) * sum(ties, tripleTerm) / (9 * tripleTerm(n)) }
    z = Double(pairs.difference) / variance.squareRoot()

    let ways = ties.count == values.count && exact ? Self.ways(groups.map(\.count)) : nil
    isExact = ways != nil
    if let ways {
      // The distribution is symmetric.
      let extreme = ways.prefix((pairs.untied.0 - abs(pairs.difference)) / 2 + 1).reduce(0, +)
      pValue = min(1, 2 * Double(extreme) / Double(ways.reduce(0, +)))
    } else {
      pValue = min(1, 2 * gsl_cdf_ugaussian_Q(abs(z)))
    }
  }

  /// In how many ways untied values can be dealt to samples of some sizes for each value of the statistic; `nil` if
  /// there are more than 2^62 in all.
  ///
  /// The counts are the coefficients of a Gaussian multinomial: a product of (1 - q^(m + j)) / (1 - q^j) over each
  /// sample's values j = 1, 2, … after the m values of earlier samples.
  private static func ways(_ sizes: [Int]) -> [Int]? {
    var ways = [1]
    var before = 0
    var all = 1.0
    for size in sizes {
      ways += Array(repeating: 0, count: before * size)
      for j in 1...size {
        all *= Double(before + j) / Double(j)
        guard all <= 0x1p62 else { return nil }
        for s in stride(from: ways.count - 1, through: before + j, by: -1) { ways[s] -= ways[s - before - j] }
        for s in stride(from: j, to: ways.count, by: 1) { ways[s] += ways[s - j] }
      }
      before += size
    }
    return ways
  }
}

/// Kruskal and Wallis' test of several independent samples (JASA 1952): whether values of some tend to be greater than
/// values of others.
///
/// Infinite values are allowed and rank as they compare.
public struct KruskalWallis: Hashable, Sendable {
  /// The statistic H, corrected for ties.
  public let statistic: Double
  /// The p-value by the chi-squared distribution, with one degree of freedom less than there are samples. The
  /// approximation is poor for samples of fewer than five values.
  public let pValue: Double
  /// The effect size epsilon squared, in 0...1: H / (n - 1), the fraction of the variance of the ranks that lies
  /// between the samples (Tomczak and Tomczak 2014).
  public let epsilonSquared: Double

  /// - Parameter groups: The samples, of any sizes.
  /// - Returns: `nil` for fewer than two samples, an empty one, a NaN, or values that are all equal.
  public init?(_ groups: [[Double]]) {
    let values = groups.flatMap { $0 }
    guard groups.count > 1, !groups.contains(where: \.isEmpty), !values.contains(where: \.isNaN),
      let first = values.first, values.contains(where: { $0 != first })
    else { return nil }
    let n = Double(values.count)
    var ranks = values.ranks[...]
    var between = 0.0
    for group in groups {
      let size = Double(group.count)
      let distance = ranks.prefix(group.count).reduce(0, +) / size - (n + 1) / 2
      between += size * distance * distance
      ranks = ranks.dropFirst(group.count)
    }
    epsilonSquared = min(1, 12 * between / (n * n * n - n - values.tieTerm))
    statistic = (n - 1) * epsilonSquared
    pValue = gsl_cdf_chisq_Q(statistic, Double(groups.count - 1))
  }
}

/// The two-sided test of Spearman's rank correlation: whether two paired samples rise together, or one as the other
/// falls.
public struct Spearman: Hashable, Sendable {
  /// The correlation of the ranks, in -1...1. Ties share their mean rank.
  public let rho: Double
  /// The p-value by Student's t distribution of rho sqrt((n - 2) / (1 - rho^2)) with n - 2 degrees of freedom. The
  /// approximation is poor for few pairs: next to 0 for a perfect correlation, even of three.
  public let pValue: Double

  /// - Returns: `nil` for samples of different sizes, fewer than three pairs, a NaN, or a sample whose values are all
  ///   equal.
  public init?(_ first: [Double], _ second: [Double]) {
    guard first.count > 2, !(first + second).contains(where: \.isNaN), let rho = first.spearman(second) else {
      return nil
    }
    self.rho = rho
    let freedom = Double(first.count - 2)
    let t = rho * (freedom / ((1 + rho) * (1 - rho))).squareRoot()
    pValue = t.isFinite ? min(1, 2 * gsl_cdf_tdist_Q(abs(t), freedom)) : 0
  }
}
