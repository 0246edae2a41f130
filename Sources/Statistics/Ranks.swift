extension [Double] {
  /// Ranks from 1 for the least value; ties share their mean rank.
  public var ranks: [Double] {
    guard !isEmpty else { return [] }
    var ranks = [Double](repeating: 0, count: count)
    let order = indices.sorted { self[$0] < self[$1] }
    var start = 0
    for place in 1...count where place == count || self[order[start]] != self[order[place]] {
      let mean = Double(start + place + 1) / 2
      for tied in order[start..<place] { ranks[tied] = mean }
      start = place
    }
    return ranks
  }

  /// The sum of `t^3 - t` over groups of `t` equal values: what ties take from the variance of rank
  /// statistics.
  var tieTerm: Double {
    guard !isEmpty else { return 0 }
    var sum = 0.0
    let sorted = sorted()
    var start = 0
    for place in 1...count where place == count || sorted[start] != sorted[place] {
      let size = Double(place - start)
      sum += size * size * size - size
      start = place
    }
    return sum
  }

  /// P-values adjusted for testing several hypotheses by Holm's step-down procedure (Scandinavian Journal of
  /// Statistics 1979), in the same order: a hypothesis may be rejected at a level if its adjusted value is at
  /// most that level, with a family-wise error of at most that level under any dependence.
  public var holmAdjusted: [Double] {
    var adjusted = self
    var least = 0.0
    for (rank, place) in indices.sorted(by: { self[$0] < self[$1] }).enumerated() {
      least = Swift.min(1, Swift.max(least, Double(count - rank) * self[place]))
      adjusted[place] = least
    }
    return adjusted
  }
}
