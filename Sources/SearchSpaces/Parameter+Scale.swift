import Foundation

extension Parameter {
  /// The number of choices of a categorical parameter, `nil` for all others.
  public var categories: Int? {
    if case .categorical(let choices) = domain { choices.count } else { nil }
  }

  /// The interval on which values are spread evenly: of logarithms for logarithmic parameters, and with half a
  /// unit on both sides of whole numbers.
  public var scale: ClosedRange<Double> {
    switch domain {
    case .categorical(let choices), .ordinal(let choices): -0.5...Double(choices.count) - 0.5
    case .integer(let range, log: false): Double(range.lowerBound) - 0.5...Double(range.upperBound) + 0.5
    case .integer(let range, log: true):
      log(Double(range.lowerBound) - 0.5)...log(Double(range.upperBound) + 0.5)
    case .real(let range, log: false): range
    case .real(let range, log: true): log(range.lowerBound)...log(range.upperBound)
    }
  }

  /// The position of a value on ``scale``.
  public func scaled(_ value: Double) -> Double { isLogarithmic ? log(value) : value }

  /// The value nearest to a position on ``scale``.
  public func value(scaled position: Double) -> Double {
    let value = isLogarithmic ? exp(position) : position
    switch domain {
    case .categorical(let choices), .ordinal(let choices):
      return min(max(value.rounded(), 0), Double(choices.count - 1))
    case .integer(let range, _):
      return min(max(value.rounded(), Double(range.lowerBound)), Double(range.upperBound))
    case .real(let range, _): return min(max(value, range.lowerBound), range.upperBound)
    }
  }

  /// The part of ``scale`` that belongs to a whole number or choice; `nil` for real parameters.
  public func scaledInterval(of value: Double) -> ClosedRange<Double>? {
    if case .real = domain { return nil }
    return isLogarithmic ? log(value - 0.5)...log(value + 0.5) : value - 0.5...value + 0.5
  }

  /// The position of a value on ``scale`` as a fraction of its length, in 0...1.
  public func unit(_ value: Double) -> Double {
    let scale = scale
    guard scale.upperBound > scale.lowerBound else { return 0.5 }
    return (scaled(value) - scale.lowerBound) / (scale.upperBound - scale.lowerBound)
  }

  /// The value nearest to a position on ``scale`` that is a fraction of its length, in 0...1.
  public func value(unit position: Double) -> Double {
    let scale = scale
    return value(scaled: scale.lowerBound + (scale.upperBound - scale.lowerBound) * position)
  }

  private var isLogarithmic: Bool {
    switch domain {
    case .integer(_, let log), .real(_, let log): log
    default: false
    }
  }
}
