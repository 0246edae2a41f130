/// Effect sizes that need no scale: how often values of one sample are greater than values of another.
public struct EffectSize: Hashable, Sendable {
  /// The fractions of all pairs in which the first sample's value is greater, and less.
  public let greater, less: Double

  /// Compares two samples in `n log n` steps. Infinite values are allowed.
  ///
  /// - Returns: `nil` for an empty sample, or one with a NaN.
  public init?(_ first: [Double], _ second: [Double]) {
    guard !first.isEmpty, !second.isEmpty, !(first + second).contains(where: \.isNaN) else { return nil }
    let (a, b) = (first.sorted(), second.sorted())
    var (below, upTo) = (0, 0)
    var (greater, less) = (0, 0)
    for value in a {
      while below < b.count, b[below] < value { below += 1 }
      while upTo < b.count, b[upTo] <= value { upTo += 1 }
      greater += below
      less += b.count - upTo
    }
    let pairs = Double(a.count) * Double(b.count)
    self.greater = Double(greater) / pairs
    self.less = Double(less) / pairs
  }

  /// Vargha and Delaney's A12 (2000): the probability that a value of the first sample is greater, where an
  /// equal pair counts half. 0.5 means no effect.
  public var a12: Double { greater + (1 - greater - less) / 2 }

  /// Cliff's delta (1993), in -1...1: 2 A12 - 1.
  public var cliffsDelta: Double { greater - less }

  /// Vargha and Delaney's word for the size of the effect, in either direction: small from an A12 of 0.56, medium from
  /// 0.64, large from 0.71.
  public var magnitude: String {
    switch max(a12, 1 - a12) {
    case ..<0.56: "negligible"
    case ..<0.64: "small"
    case ..<0.71: "medium"
    default: "large"
    }
  }
}

extension [[Double]] {
  /// Eta squared of several samples, of any sizes: the part of the variance of all values that lies between the
  /// samples, in 0...1 (Pearson 1905). Chance alone gives k samples of n values in all (k - 1) / (n - 1) on average.
  ///
  /// - Returns: `nil` without values, or if all are equal.
  public var etaSquared: Double? {
    let values = flatMap { $0 }
    guard let mean = values.mean, let first = values.first, values.contains(where: { $0 != first }) else { return nil }
    func square(_ value: Double) -> Double { (value - mean) * (value - mean) }
    let between = reduce(0) { $0 + Double($1.count) * ($1.mean.map(square) ?? 0) }
    return Swift.min(1, between / values.reduce(0) { $0 + square($1) })
  }
}
