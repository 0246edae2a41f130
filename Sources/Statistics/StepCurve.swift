import Foundation

/// A right-continuous step function: each value holds from its position up to the next one.
public struct StepCurve: Hashable, Sendable {
  /// The positions of the steps, ascending. Of several steps at one position, the last counts.
  public let positions: [Double]
  /// The values from each position on.
  public let values: [Double]

  /// - Parameter positions: The positions of the steps, ascending, one per value.
  public init(positions: [Double], values: [Double]) {
    precondition(positions.count == values.count, "a step curve needs a value per position")
    self.positions = positions
    self.values = values
  }

  /// The value at a position; `nil` before the first step.
  public func value(at position: Double) -> Double? {
    var (low, high) = (0, positions.count)
    while low < high {
      let middle = (low + high) / 2
      if positions[middle] <= position { low = middle + 1 } else { high = middle }
    }
    return low > 0 ? values[low - 1] : nil
  }

  /// The values at ascending positions, found in one sweep; `nil` before the first step.
  public func values(at grid: [Double]) -> [Double?] {
    var next = 0
    return grid.map { position in
      while next < positions.count, positions[next] <= position { next += 1 }
      return next > 0 ? values[next - 1] : nil
    }
  }

  /// The first position at which the value is at most a target; `nil` if there is none.
  public func firstPosition(atMost target: Double) -> Double? {
    values.firstIndex { $0 <= target }.map { positions[$0] }
  }

  /// The scale of positions over which an area is measured.
  public enum Scale: String, CaseIterable, Sendable {
    /// Positions as they are.
    case linear
    /// The natural logarithm, so that every doubling counts alike.
    case log
  }

  /// The mean height over a range: the area under the curve divided by the length of the range.
  ///
  /// - Returns: `nil` if the curve is not defined on the whole range, if the range is empty, or if it does not lie
  ///   above zero for ``Scale/log``.
  public func meanHeight(over range: ClosedRange<Double>, scale: Scale) -> Double? {
    guard range.lowerBound < range.upperBound, scale == .linear || range.lowerBound > 0,
      var value = value(at: range.lowerBound)
    else { return nil }
    func scaled(_ position: Double) -> Double { scale == .linear ? position : Foundation.log(position) }
    let (start, end) = (scaled(range.lowerBound), scaled(range.upperBound))
    var area = 0.0
    var last = start
    for (position, next) in zip(positions, values) where position > range.lowerBound && position < range.upperBound {
      area += value * (scaled(position) - last)
      last = scaled(position)
      value = next
    }
    return (area + value * (end - last)) / (end - start)
  }
}

/// The running time until success of runs that may fail, as COCO measures it (Hansen et al., "COCO: performance
/// assessment", 2016).
public struct RunningTime: Hashable, Sendable {
  /// The number of all runs, and that of successful ones.
  public let runs, successes: Int
  /// The expected running time of restarting until success: everything that was spent (until success in successful
  /// runs, until the end in others), divided by the number of successes. `nil` without a success.
  public let expected: Double?

  /// - Parameters:
  ///   - times: The time at which each run succeeded, `nil` if it did not.
  ///   - ends: The time at which each run ended.
  public init(times: [Double?], ends: [Double]) {
    runs = times.count
    successes = times.count { $0 != nil }
    let spent = zip(times, ends).reduce(0) { $0 + ($1.0 ?? $1.1) }
    expected = successes > 0 ? spent / Double(successes) : nil
  }

  /// The fraction of runs that succeeded; `nil` without runs.
  public var successRate: Double? { runs > 0 ? Double(successes) / Double(runs) : nil }
}

/// The empirical distribution of a sample. Missing values count as greater than any number.
public struct EmpiricalDistribution: Hashable, Sendable {
  /// The values that are not missing, ascending.
  public let values: [Double]
  /// The number of values, missing ones included.
  public let count: Int

  /// The distribution of a sample; `nil` is a missing value, which counts as greater than any number.
  public init(_ sample: [Double?]) {
    values = sample.compactMap { $0 }.sorted()
    count = sample.count
  }

  /// The fraction of the sample that is at most `x`; 0 for an empty sample.
  public func cumulative(_ x: Double) -> Double {
    var (low, high) = (0, values.count)
    while low < high {
      let middle = (low + high) / 2
      if values[middle] <= x { low = middle + 1 } else { high = middle }
    }
    return count > 0 ? Double(low) / Double(count) : 0
  }

  /// The least value that at least a fraction `p`, in 0...1, of the sample does not exceed; `nil` if it is missing.
  public func quantile(_ p: Double) -> Double? {
    let index = max(1, Int((p * Double(count)).rounded(.up))) - 1
    return values.indices.contains(index) ? values[index] : nil
  }
}
