extension [Double] {
  /// Ranks from 1 for the least value; ties share their mean rank.
  public var ranks: [Double] {
    guard !isEmpty else { return [] }
    var ranks = [Double](repeating: 0, count: count)
    let order = indices.sorted { self[$0] < self[$1] }
    var start = 0
    for end in 1...count where end == count || self[order[start]] != self[order[end]] {
      let mean = Double(start + end + 1) / 2
      for tied in order[start..<end] { ranks[tied] = mean }
      start = end
    }
    return ranks
  }

  /// The sum of `t^3 - t` over groups of `t` equal values, by which ties reduce the variance of rank statistics.
  var tieTerm: Double {
    tieSizes.reduce(0) { $0 + $1 * $1 * $1 - $1 }
  }

  /// The sizes of the groups of equal values, in the order of the values.
  var tieSizes: [Double] {
    guard !isEmpty else { return [] }
    var sizes: [Double] = []
    let sorted = sorted()
    var start = 0
    for end in 1...count where end == count || sorted[start] != sorted[end] {
      sizes.append(Double(end - start))
      start = end
    }
    return sizes
  }

  /// P-values adjusted for testing several hypotheses by Holm's step-down procedure (Scandinavian Journal of
  /// Statistics 1979), in the same order: a hypothesis may be rejected at a level if its adjusted value is at
  /// most that level, with a family-wise error of at most that level under any dependence.
  public var holmAdjusted: [Double] {
    var adjusted = self
    var least = 0.0
    for (rank, index) in indices.sorted(by: { self[$0] < self[$1] }).enumerated() {
      least = Swift.min(1, Swift.max(least, Double(count - rank) * self[index]))
      adjusted[index] = least
    }
    return adjusted
  }
}
