import CGSL

/// The two-sided Mann-Whitney U test of two independent samples (Mann and Whitney 1947): whether values of one
/// tend to be greater than values of the other.
///
/// Infinite values are allowed and rank as they compare.
public struct MannWhitney: Hashable, Sendable {
  /// The number of pairs in which the first sample's value is greater; an equal pair counts half.
  public let u: Double
  /// The two-sided p-value.
  public let pValue: Double
  /// Whether the p-value counts all ways to deal the values, ties included; otherwise it is the normal approximation
  /// with corrections for ties and continuity.
  public let isExact: Bool

  /// The greatest product of the smaller sample's size and the size of both together for which the test is exact by
  /// default: 35 against 35, or 3 against 800. The approximation is poor where one sample is small.
  public static let exactLimit = 2_500

  /// - Parameter exact: Whether the p-value is exact; by default up to ``exactLimit``.
  /// - Returns: `nil` for an empty sample, or one with a NaN.
  public init?(_ first: [Double], _ second: [Double], exact: Bool? = nil) {
    guard !first.isEmpty, !second.isEmpty, !(first + second).contains(where: \.isNaN) else { return nil }
    let (m, n) = (first.count, second.count)
    let few = min(m, n)
    let all = first + second
    let ranks = all.ranks
    let sum = ranks.prefix(m).reduce(0, +)
    u = sum - Double(m * (m + 1)) / 2
    isExact = exact ?? (few * (m + n) <= Self.exactLimit)
    if isExact {
      let own = m == few ? sum : ranks.suffix(n).reduce(0, +)
      pValue = Self.exactTail(doubledRanks: ranks.map { Int(2 * $0) }, size: few, sum: Int(2 * own))
    } else {
      let total = Double(m + n)
      let product = Double(m) * Double(n)
      let variance = product / 12 * (total + 1 - all.tieTerm / (total * (total - 1)))
      let distance = max(0, abs(u - product / 2) - 0.5)
      pValue = variance > 0 ? min(1, 2 * gsl_cdf_ugaussian_Q(distance / variance.squareRoot())) : 1
    }
  }

  /// Twice the smaller tail of the sums of `size` of the ranks.
  private static func exactTail(doubledRanks ranks: [Int], size: Int, sum: Int) -> Double {
    let most = ranks.sorted().suffix(size).reduce(0, +)
    // Row k, column s: how many choices of k ranks sum to s. Doubles hold them with 53 bits.
    let width = most + 1
    var ways = [Double](repeating: 0, count: (size + 1) * width)
    ways[0] = 1
    ways.withUnsafeMutableBufferPointer { ways in
      for (used, rank) in ranks.enumerated() {
        for k in stride(from: min(used + 1, size), to: 0, by: -1) {
          let (row, before) = (k * width, (k - 1) * width - rank)
          for s in rank..<width { ways[row &+ s] += ways[before &+ s] }
        }
      }
    }
    let counts = ways[(size * width)...]
    let all = counts.reduce(0, +)
    let low = counts.prefix(sum + 1).reduce(0, +)
    let high = counts.dropFirst(sum).reduce(0, +)
    return min(1, 2 * min(low, high) / all)
  }
}

/// The two-sided Wilcoxon signed-rank test of paired samples (Wilcoxon 1945): whether differences are symmetric
/// about zero.
///
/// Infinite values are allowed: a pair of equal infinities differs by zero.
public struct Wilcoxon: Hashable, Sendable {
  /// The treatment of pairs without a difference.
  public enum Zeros: String, Sendable {
    /// They are left out (Wilcoxon's own rule).
    case dropped
    /// They are ranked with the others, and then their ranks are left out (Pratt 1959).
    case pratt
  }

  /// The sums of the ranks of positive and negative differences.
  public let positive, negative: Double
  /// The number of pairs that differ.
  public let count: Int
  /// The two-sided p-value.
  public let pValue: Double
  /// Whether the p-value counts all ways to sign the ranks, ties included; otherwise it is the normal approximation
  /// with a correction for ties.
  public let isExact: Bool

  /// The greatest number of differences other than zero for which the test is exact by default.
  public static let exactLimit = 50

  /// - Returns: `nil` for samples of different sizes, without values, or with an undefined difference. Samples
  ///   without any difference have p-value 1.
  public init?(_ first: [Double], _ second: [Double], zeros: Zeros = .dropped, exact: Bool? = nil) {
    guard first.count == second.count, !first.isEmpty else { return nil }
    var differences = zip(first, second).map { $0 == $1 ? 0 : $0 - $1 }
    guard !differences.contains(where: \.isNaN) else { return nil }
    if zeros == .dropped { differences.removeAll { $0 == 0 } }
    let ranks = differences.map(abs).ranks
    let signed = zip(differences, ranks).filter { $0.0 != 0 }
    positive = signed.reduce(0) { $0 + ($1.0 > 0 ? $1.1 : 0) }
    negative = signed.reduce(0) { $0 + ($1.0 < 0 ? $1.1 : 0) }
    count = signed.count
    isExact = exact ?? (signed.count <= Self.exactLimit)
    let least = min(positive, negative)
    if signed.isEmpty {
      pValue = 1
    } else if isExact {
      pValue = Self.exactTail(doubledRanks: signed.map { Int(2 * $0.1) }, sum: Int(2 * least))
    } else {
      // The sum of signed ranks has mean zero and the sum of squares as its variance, ties or not.
      let variance = signed.reduce(0) { $0 + $1.1 * $1.1 }
      pValue = min(1, 2 * gsl_cdf_ugaussian_P(-abs(positive - negative) / variance.squareRoot()))
    }
  }

  /// Twice the lower tail of the sums of any of the ranks.
  private static func exactTail(doubledRanks ranks: [Int], sum: Int) -> Double {
    // probabilities[s]: that the ranks of positive differences sum to s.
    var probabilities = [Double](repeating: 0, count: sum + 1)
    probabilities[0] = 1
    for rank in ranks {
      for s in stride(from: sum, through: 0, by: -1) {
        probabilities[s] = (probabilities[s] + (s >= rank ? probabilities[s - rank] : 0)) / 2
      }
    }
    return min(1, 2 * probabilities.reduce(0, +))
  }
}
