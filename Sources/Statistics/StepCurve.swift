import Foundation

/// A right-continuous step function: a value holds from its position up to the next one.
public struct StepCurve: Hashable, Sendable {
  /// Ascending. Of several steps at one position the last counts.
  public let positions: [Double]
  public let values: [Double]

  /// - Parameter positions: Ascending, one per value.
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

  /// The values at ascending positions, in one sweep.
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

  /// What an area is measured over.
  public enum Scale: String, CaseIterable, Sendable {
    case linear
    /// The natural logarithm, so that every doubling counts alike.
    case log
  }

  /// The area under the curve from one position to another, divided by their distance: its mean height.
  ///
  /// - Returns: `nil` if the curve is not defined on the whole range, or the range is empty, or does not lie
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

/// How long something takes that may not succeed, as COCO measures it (Hansen et al., "COCO: performance
/// assessment", 2016).
public struct RunningTime: Hashable, Sendable {
  public let runs, successes: Int
  /// The expected running time of restarting until success, estimated by all that was spent, in successful runs
  /// until success and in the others until their end, per success; `nil` without a success.
  public let expected: Double?

  /// - Parameters:
  ///   - times: When each run succeeded, `nil` if it did not.
  ///   - ends: When each run ended.
  public init(times: [Double?], ends: [Double]) {
    runs = times.count
    successes = times.count { $0 != nil }
    let spent = zip(times, ends).reduce(0) { $0 + ($1.0 ?? $1.1) }
    expected = successes > 0 ? spent / Double(successes) : nil
  }

  /// The part of runs that succeeded; `nil` without runs.
  public var successRate: Double? { runs > 0 ? Double(successes) / Double(runs) : nil }
}

/// The empirical distribution of a sample, whose values may be missing: those count, but are never reached.
public struct EmpiricalDistribution: Hashable, Sendable {
  /// The values that are there, ascending.
  public let values: [Double]
  /// The number of values with those that are missing.
  public let count: Int

  public init(_ sample: [Double?]) {
    values = sample.compactMap { $0 }.sorted()
    count = sample.count
  }

  /// The part of the sample that is at most `x`; 0 for an empty sample.
  public func cumulative(_ x: Double) -> Double {
    var (low, high) = (0, values.count)
    while low < high {
      let middle = (low + high) / 2
      if values[middle] <= x { low = middle + 1 } else { high = middle }
    }
    return count > 0 ? Double(low) / Double(count) : 0
  }

  /// The least value that at least a part `p` in 0...1 of the sample does not exceed; `nil` where it is missing.
  public func quantile(_ p: Double) -> Double? {
    let index = max(1, Int((p * Double(count)).rounded(.up))) - 1
    return values.indices.contains(index) ? values[index] : nil
  }
}
