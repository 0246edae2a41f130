import Anytime
import Statistics

/// What lines and bands of regret show.
public enum CurveCenter: String, CaseIterable, Sendable {
  /// The median, with a band between the quartiles.
  case median
  /// The mean, with a band of one standard error.
  case mean
  /// The mean, with its 95 % bootstrap interval.
  case bootstrap
  /// Every run, without a band.
  case runs

  /// On an axis.
  var name: String {
    switch self {
    case .median: "median"
    case .mean, .bootstrap: "mean"
    case .runs: "single runs:"
    }
  }

  /// In a caption; `nil` without a band.
  var band: String? {
    switch self {
    case .median: "quartiles"
    case .mean: "standard error"
    case .bootstrap: "95 % bootstrap interval of the mean"
    case .runs: nil
    }
  }
}

/// One line of a regret plot, in percent points.
struct RegretSeries {
  let label: String
  let method: String
  /// The number of runs with an incumbent at the end.
  let runs: Int
  var points: [(x: Double, y: Double, low: Double, high: Double)]

  /// The lines of a metric, in the order of methods.
  ///
  /// A line of means or medians begins where every run has an incumbent: else it would show the survivors only.
  static func all(_ curves: Curves, metric: RegretMetric, center: CurveCenter) -> [RegretSeries] {
    guard center != .runs else {
      return curves.runs.methods.flatMap { method in
        method.runs.compactMap { run -> RegretSeries? in
          guard let curve = run.curve(metric), let last = curve.values.last else { return nil }
          let end = (x: curves.runs.end, y: 100 * last, low: 100 * last, high: 100 * last)
          return RegretSeries(
            label: method.label, method: method.method, runs: 1,
            points: zip(curve.places, curve.values).map { ($0, 100 * $1, 100 * $1, 100 * $1) } + [end])
        }
      }
    }
    return curves.curves.filter { $0.metric == metric }.map { curve in
      let runs = curve.points.compactMap { $0?.n }.max() ?? 0
      return RegretSeries(
        label: curve.label, method: curve.method, runs: runs,
        points: zip(curves.grid, curve.points).compactMap { x, point in
          guard let point, point.n == runs else { return nil }
          switch center {
          case .median:
            return (x, 100 * point.median, 100 * point.lowerQuartile, 100 * point.upperQuartile)
          case .mean, .runs:
            let error = point.standardError ?? 0
            return (x, 100 * point.mean, 100 * (point.mean - error), 100 * (point.mean + error))
          case .bootstrap:
            let interval = point.interval ?? point.mean...point.mean
            return (x, 100 * point.mean, 100 * interval.lowerBound, 100 * interval.upperBound)
          }
        })
    }
  }
}

/// The axes of regret lines, in percent points.
struct RegretAxes {
  let left: Double
  let bottom, top: Double
  /// Whether a line or band reaches the lower edge of a logarithmic axis because it is zero or nearly so.
  let clips: Bool

  /// `nil` if there is nothing to draw.
  init?(_ series: [RegretSeries], reference: Double?, logY: Bool) {
    let points = series.flatMap(\.points)
    guard let highest = (points.map(\.high) + [reference.map { 100 * $0 }].compactMap { $0 }).max(),
      let left = points.map(\.x).min()
    else { return nil }
    let positive = points.flatMap { [$0.y, $0.low] }.filter { $0 > 0 }
    let lowest = max(positive.min() ?? 0.01, highest * 1e-4)
    let bottom = logY ? lowest / 1.3 : 0
    self.left = left
    self.bottom = bottom
    top = highest > 0 ? highest * (logY ? 1.15 : 1.05) : 1
    clips = logY && points.contains { $0.y < bottom }
  }
}
