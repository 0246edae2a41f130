import CGSL
import Foundation

/// How many values a rank test needs.
///
/// The least p-value of an exact test says from which sizes on any difference can be significant at all. How many
/// values a given difference needs follows from Noether's sample sizes ("Sample size determination for some common
/// nonparametric tests", JASA 1987), by the normal approximation under the null hypothesis.
public enum SampleSize {
  /// The least `n` from a number on at which a condition holds that holds for all greater ones too.
  ///
  /// - Returns: `nil` if it does not hold at ten million.
  public static func least(from first: Int, where isEnough: (Int) -> Bool) -> Int? {
    var (low, step) = (first, 1)
    guard !isEnough(low) else { return low }
    while !isEnough(low + step) {
      low += step
      step *= 2
      if low > 10_000_000 { return nil }
    }
    var high = low + step
    while low + 1 < high {
      let middle = (low + high) / 2
      if isEnough(middle) { high = middle } else { low = middle }
    }
    return high
  }

  /// The sum of the quantiles that a two-sided test at a level has to clear with a given probability.
  static func quantiles(level: Double, power: Double) -> Double {
    Normal.quantile(1 - level / 2) + Normal.quantile(power)
  }

  static func whole(_ size: Double) -> Int? { size <= 1e7 ? Int(size.rounded(.up)) : nil }
}

extension MannWhitney {
  /// The least p-value of the exact test with samples of these sizes: where all values of one are less than all of
  /// the other, which is one of all ways to deal the values, on either side.
  public static func leastPValue(_ first: Int, _ second: Int) -> Double {
    let (few, many) = (min(first, second), max(first, second))
    return min(1, (0..<few).reduce(2) { $0 * Double($1 + 1) / Double(many + $1 + 1) })
  }

  /// The size of each of two samples of equal size with which a difference is significant with a given probability:
  /// half of Noether's `N = (z + z')² / 12 c (1 - c) (p - 1/2)²` for `c = 1/2`, at least as many as the exact test
  /// needs.
  ///
  /// - Parameters:
  ///   - a12: The probability that a value of the first sample is greater, equal ones counting half.
  ///   - level: The level of the two-sided test.
  ///   - power: The probability of a significant result.
  /// - Returns: `nil` if there is no difference, or more than ten million values are needed.
  public static func size(a12: Double, level: Double, power: Double) -> Int? {
    let z = SampleSize.quantiles(level: level, power: power)
    let size = SampleSize.whole(z * z / (6 * (a12 - 0.5) * (a12 - 0.5)))
    return size.flatMap { size in SampleSize.least(from: size) { leastPValue($0, $0) < level } }
  }
}

extension Wilcoxon {
  /// The least p-value of the exact test with a number of differences other than zero: where all have one sign.
  public static func leastPValue(_ count: Int) -> Double { min(1, pow(2, 1 - Double(count))) }

  /// The number of differences other than zero with which these would be significant with a given probability:
  /// Noether's `(z + z')² / 3 (p - 1/2)²`, at least as many as the exact test needs. `p` is the part of the sum of
  /// all ranks that positive differences have.
  ///
  /// - Returns: `nil` if there is no difference, or more than ten million values are needed.
  public func size(level: Double, power: Double) -> Int? {
    let z = SampleSize.quantiles(level: level, power: power)
    let part = positive / (positive + negative) - 0.5
    let size = SampleSize.whole(z * z / (3 * part * part))
    return size.flatMap { size in SampleSize.least(from: size) { Self.leastPValue($0) < level } }
  }
}

extension Friedman {
  /// The least p-value of a pair by Nemenyi's test: where one method is the best and another the worst in every
  /// block.
  public static func leastNemenyi(blocks: Int, methods: Int) -> Double {
    let error = standardError(blocks: blocks, methods: methods)
    return StudentizedRange.upperTail(Double(methods - 1) / error * 2.squareRoot(), groups: methods)
  }

  /// The number of blocks with which the difference of two average ranks would be significant by Nemenyi's test with a
  /// given probability: by the normal approximation, as Noether does it for two samples.
  ///
  /// - Returns: `nil` if there is no difference, or more than ten million blocks are needed.
  public func nemenyiSize(_ first: Int, _ second: Int, level: Double, power: Double) -> Int? {
    let methods = averageRanks.count
    let z = StudentizedRange.upperQuantile(level, groups: methods) / 2.squareRoot() + Normal.quantile(power)
    let distance = averageRanks[first] - averageRanks[second]
    let error = Self.standardError(blocks: 1, methods: methods)
    return SampleSize.whole(z * z * error * error / (distance * distance))
  }

  static func standardError(blocks: Int, methods: Int) -> Double {
    let k = Double(methods)
    return (k * (k + 1) / (6 * Double(blocks))).squareRoot()
  }
}

/// Student's t distribution, by GSL.
public enum Student {
  /// The value below which a fraction `p`, in 0...1, of the probability lies.
  public static func quantile(_ p: Double, freedom: Double) -> Double { gsl_cdf_tdist_Pinv(p, freedom) }
}

extension [Double] {
  /// The interval of the mean by Student's t distribution: exact for normal values, however few.
  ///
  /// - Parameter level: The confidence, in 0..<1.
  /// - Returns: `nil` for fewer than two values.
  public func meanInterval(level: Double = 0.95) -> ClosedRange<Double>? {
    guard let mean, let standardError, mean.isFinite, standardError.isFinite else { return nil }
    let half = Student.quantile((1 + level) / 2, freedom: Double(count - 1)) * standardError
    return mean - half...mean + half
  }
}
