import Anytime
import Foundation
import Statistics

/// A plot of lines as values. gnuplot, Vega and LaTeX draw these values and make no choices of their own.
public struct Chart: Sendable {
  /// A value of a line, and the ends of its band, which are equal to the value where there is none.
  package struct Point: Hashable, Sendable {
    package var x, y, low, high: Double

    init(_ x: Double, _ y: Double, _ low: Double? = nil, _ high: Double? = nil) {
      (self.x, self.y) = (x, y)
      (self.low, self.high) = (low ?? y, high ?? y)
    }
  }

  /// The name of a line, and what gives it its colour and dash.
  package struct Line: Hashable, Sendable {
    package let label: String
    /// The method's name and family.
    package let method: String
    package let family: Method.Family
    /// Whether it is an ``Envelope`` over lines of the method.
    package let isEnvelope: Bool

    package init(label: String, method: String, family: Method.Family, isEnvelope: Bool = false) {
      (self.label, self.method, self.family, self.isEnvelope) = (label, method, family, isEnvelope)
    }
  }

  /// One line. Its label gives it its colour and dash.
  package struct Series: Sendable {
    package let label: String
    /// Ascending, with finite values.
    package let points: [Point]
    package var hasBand = false
  }

  /// A level line over the whole width.
  package struct Level: Sendable {
    package let value: Double
    package let label: String
  }

  /// The experiment's name.
  package let title: String
  /// The experiment, the runs and the bands that are shown.
  package let caption: String
  /// Alternative text.
  let description: String
  package var x, y: Axis
  /// The methods in order, with or without a line. They determine the styles.
  package let methods: [Line]
  package let series: [Series]
  package var levels: [Level] = []
  /// Whether bands are drawn.
  var showsBands = false
  /// Whether a value holds until the next one. Otherwise values are joined by straight lines.
  package var isStepped = true
  /// Whether every line is a single run: thin, many with one label.
  var isOfRuns = false

  /// With more methods than this, bands cover each other and are not drawn unless they are asked for.
  public static let bandedLines = 8
  /// Of so few runs a band of medians reaches from the least value to the greatest: three runs are expected to have
  /// half of all runs between them, as quartiles have. Quartiles interpolated between three runs would have a quarter.
  static let rangedRuns = 3
  /// The number of each method's runs that the page draws one by one: 20, or as many as make a hundred lines in all,
  /// but at least three.
  static func singleRuns(ofMethods count: Int) -> Int { max(3, min(20, 100 / max(1, count))) }

  /// A point within the ranges of logarithmic axes: zero lies at the lower edge.
  package func drawn(_ point: Point) -> Point {
    func raised(_ value: Double, _ axis: Axis) -> Double {
      axis.scale == .log ? max(value, axis.range.lowerBound) : value
    }
    return Point(raised(point.x, x), raised(point.y, y), raised(point.low, y), raised(point.high, y))
  }

  /// The points that a line needs: of steps, the changes and the end; otherwise all.
  func corners(_ points: [Point]) -> [Point] {
    guard isStepped else { return points }
    return points.indices.compactMap { index in
      let point = points[index]
      guard index > 0, index + 1 < points.count else { return point }
      let last = points[index - 1]
      return (point.y, point.low, point.high) == (last.y, last.low, last.high) ? nil : point
    }
  }

  /// Whether the band of a line is drawn.
  package func showsBand(_ series: Series) -> Bool { showsBands && series.hasBand }
}

extension Chart {
  /// An axis on both scales, one of which is chosen.
  package struct Axis: Sendable {
    package var title: String
    package var scale: StepCurve.Scale
    private let linear, log: ClosedRange<Double>
    private let fixedTicks: [Double]?
    /// Whether small values are at the top.
    package var isReversed = false

    /// Percentages, ranks or anything else with a range of its own.
    ///
    /// - Parameter ticks: By default round numbers.
    package init(title: String, _ range: ClosedRange<Double>, ticks: [Double]? = nil, isReversed: Bool = false) {
      self.title = title
      scale = .linear
      (linear, log) = (range, range)
      fixedTicks = ticks
      self.isReversed = isReversed
    }

    /// Spent budget, from the first value that is drawn to the end.
    package init(budget unit: String, from first: Double, to end: Double, scale: StepCurve.Scale) {
      title = "budget spent [\(unit)]"
      self.scale = scale
      let end = end > 0 ? end : 1
      let first = max(min(first, end / 2), 0)
      linear = first...end
      log = max(first, end * 1e-9)...end
      fixedTicks = nil
    }

    /// Measured durations.
    init(seconds title: String, _ range: ClosedRange<Double>) {
      self.init(title: title, range)
      scale = .log
    }

    /// Regret, in percent points. A logarithmic axis spans at most four decades.
    init(regret title: String, of values: [Double], scale: StepCurve.Scale) {
      self.title = title
      self.scale = scale
      let highest = values.max() ?? 0
      let least = max(values.filter { $0 > 0 }.min() ?? 0.01, highest * 1e-4)
      linear = 0...(highest > 0 ? highest * 1.05 : 1)
      log = least / 1.3...(highest > 0 ? highest * 1.15 : 1)
      fixedTicks = nil
    }

    package var range: ClosedRange<Double> { scale == .log ? log : linear }

    /// The values with labels and grid lines; empty if the program that draws is to choose.
    package var ticks: [Double] {
      let ticks = fixedTicks ?? (scale == .log ? Self.logarithmic(log) : Self.linear(linear))
      return ticks.count > 1 ? ticks : []
    }

    /// The same axis on a scale.
    package func on(_ scale: StepCurve.Scale) -> Axis {
      var axis = self
      axis.scale = scale
      return axis
    }

    /// 1, 2 and 5 times the powers of ten, the powers alone over many decades, or more than these over less than one.
    private static func logarithmic(_ range: ClosedRange<Double>) -> [Double] {
      let (low, high) = (range.lowerBound, range.upperBound)
      guard low > 0, high > low, high.isFinite else { return [] }
      let decades = Int(log10(low).rounded(.down))...Int(log10(high).rounded(.up))
      func multiples(_ factors: [Double]) -> [Double] {
        decades.flatMap { decade in factors.map { $0 * pow(10, Double(decade)) } }.filter(range.contains)
      }
      let usual = multiples(decades.count > 4 ? [1] : [1, 2, 5])
      return usual.count > 2 ? usual : multiples([1, 1.5, 2, 3, 4, 5, 7])
    }

    /// Multiples of 1, 2 or 5 times a power of ten, at most nine.
    private static func linear(_ range: ClosedRange<Double>) -> [Double] {
      let span = range.upperBound - range.lowerBound
      guard span > 0, span.isFinite else { return [] }
      let power = pow(10, log10(span / 8).rounded(.down))
      let step = power * ([1, 2, 5].first { span / ($0 * power) < 8 + 1e-9 } ?? 10)
      let first = (range.lowerBound / step - 1e-9).rounded(.up)
      // A zero is added so that none is negative.
      return stride(from: first, through: range.upperBound / step + 1e-9, by: 1).map { $0 * step + 0 }
    }
  }
}
