import Anytime
import Experiments
import Statistics

/// The statistic that lines of regret show, and that of their bands.
public enum CurveCenter: String, CaseIterable, Sendable {
  /// The median, with a band between the quartiles, or over all of few runs: see `Chart.rangedRuns`.
  case median
  /// The mean, with a band of one standard error.
  case mean
  /// The mean, with its 95 % bootstrap interval.
  case bootstrap
  /// Every run, without a band.
  case runs

  /// The name in an axis title.
  fileprivate var name: String {
    switch self {
    case .median: "median"
    case .mean, .bootstrap: "mean"
    case .runs: "single runs:"
    }
  }

  /// The text in a caption; `nil` without a band.
  fileprivate var band: String? {
    switch self {
    case .median: "quartiles"
    case .mean: "standard error"
    case .bootstrap: "95 % bootstrap interval of the mean"
    case .runs: nil
    }
  }

  /// A point of a line in percent points.
  fileprivate func point(_ x: Double, _ summary: Curves.Summary) -> Chart.Point {
    let (mean, error) = (100 * summary.mean, 100 * (summary.standardError ?? 0))
    switch self {
    case .median:
      let isRange = summary.n <= Chart.rangedRuns
      return Chart.Point(
        x, 100 * summary.median, 100 * (isRange ? summary.least : summary.lowerQuartile),
        100 * (isRange ? summary.greatest : summary.upperQuartile))
    case .mean, .runs: return Chart.Point(x, mean, mean - error, mean + error)
    case .bootstrap:
      return Chart.Point(
        x, mean, summary.interval.map { 100 * $0.lowerBound }, summary.interval.map { 100 * $0.upperBound })
    }
  }
}

extension RegretRuns {
  /// The methods' labels with what determines their styles.
  var names: [Chart.Line] { methods.map { Chart.Line(label: $0.label, method: $0.method, family: $0.family) } }

  /// Those of charts of regret, envelopes last.
  var regretNames: [Chart.Line] {
    names
      + envelopes.map { Chart.Line(label: $0.label, method: $0.method, family: $0.family, isEnvelope: true) }
  }
}

extension Chart {
  /// Regret of the incumbent over spent budget, in percent points.
  ///
  /// - Parameters:
  ///   - metric: By default the curves' own.
  ///   - bands: Whether bands are drawn; by default for few methods.
  ///   - seeds: How many of a method's runs are drawn where single runs are.
  /// - Throws: ``ReportError`` if there is nothing to draw.
  public static func regret(
    _ curves: Curves, metric: RegretMetric? = nil, center: CurveCenter = .median, x: StepCurve.Scale = .log,
    y: StepCurve.Scale = .log, bands: Bool? = nil, seeds: Int = .max
  ) throws(ReportError) -> Chart {
    let runs = curves.runs
    let metric = metric ?? curves.defaultMetric
    let series = center == .runs ? single(runs, metric, seeds) : lines(curves, metric, center)
    let points = series.flatMap(\.points)
    guard let first = points.map(\.x).min() else {
      let isAny = curves.curves.contains { $0.metric == metric && $0.points.contains { $0 != nil } }
      let name = "'\(runs.results.experiment.name)'"
      throw ReportError(
        "there is nothing to draw: "
          + (isAny
            ? "every method of \(name) has runs without a \(metric.rawValue) regret; single runs can be drawn"
            : "no run of \(name) has a \(metric.rawValue) regret"))
    }
    let levels = runs.reference?.randomRegret(metric).map {
      [Level(value: 100 * $0, label: "average random cell")]
    }
    let axis = Axis(
      regret: "\(center.name) \(metric.rawValue) regret [percent points]",
      of: points.flatMap { [$0.low, $0.y, $0.high] } + (levels ?? []).map(\.value), scale: y)
    let names = runs.regretNames
    let showsBands = bands ?? (names.count <= bandedLines)
    var caption = runs.caption
    if showsBands, let band = center.band, series.contains(where: \.hasBand) {
      caption += ", band: \(band)"
      let isRanged = runs.methods.contains { (2...rangedRuns).contains($0.runs.count) }
      if center == .median, isRanged { caption += " (of \(rangedRuns) runs or fewer: least to greatest)" }
    }
    if series.contains(where: { series in runs.envelopes.contains { $0.label == series.label } }) {
      caption += ", envelope: final results of the entry planned for the most epochs that has ended by then"
    }
    if y == .log, points.contains(where: { $0.y < axis.range.lowerBound }) { caption += ", lower edge: zero regret" }
    return Chart(
      title: runs.results.experiment.name, caption: caption,
      description: "Regret of the incumbent over the budget spent, by method",
      x: Axis(budget: runs.currency.unit, from: first, to: runs.end, scale: x), y: axis, methods: names,
      series: series, levels: levels ?? [], showsBands: showsBands, isOfRuns: center == .runs)
  }

  /// A line of means or medians begins where every run has an incumbent: before, it would show the survivors only, and
  /// where a run never has one there is no line. All runs of an envelope have one.
  private static func lines(_ curves: Curves, _ metric: RegretMetric, _ center: CurveCenter) -> [Series] {
    curves.curves.filter { $0.metric == metric }.map { curve in
      Series(
        label: curve.label,
        points: zip(curves.grid, curve.points).compactMap { x, summary in
          guard let summary, curve.isEnvelope || summary.n == curve.runs, summary.mean.isFinite else { return nil }
          return center.point(x, summary)
        }, hasBand: curve.runs > 1)
    }
  }

  /// The incumbents of every run; the last one holds until the end.
  private static func single(_ runs: RegretRuns, _ metric: RegretMetric, _ seeds: Int) -> [Series] {
    runs.methods.flatMap { method in
      method.runs.prefix(seeds).compactMap { run in
        guard let curve = run.curve(metric), let last = curve.values.last else { return nil }
        let points = zip(curve.positions + [runs.end], curve.values + [last]).filter(\.1.isFinite)
        return Series(label: method.label, points: points.map { Point($0, 100 * $1) })
      }
    }
  }

  /// Average ranks over spent budget, the best at the top.
  ///
  /// - Parameter bands: Whether standard errors are drawn; by default for few methods.
  /// - Throws: ``ReportError`` if there are fewer than two methods to rank.
  public static func ranks(
    _ ranks: RankCurves, x: StepCurve.Scale = .log, bands: Bool? = nil
  ) throws(ReportError) -> Chart {
    let runs = ranks.runs
    guard ranks.curves.count > 1 else {
      throw ReportError(
        "ranks of '\(runs.results.experiment.name)' need at least two methods, each with a run that ended well")
    }
    let hasBands = !ranks.isPaired || ranks.seeds > 1
    let showsBands = bands ?? (ranks.curves.count <= bandedLines)
    return Chart(
      title: runs.results.experiment.name,
      caption: runs.caption
        + (ranks.isPaired ? ", ranks over \(ranks.seeds) common seeds" : ", ranks among runs drawn at random")
        + (hasBands && showsBands ? ", band: standard error" : ""),
      description: "Average rank by \(ranks.metric.rawValue) regret over the budget spent, by method",
      x: Axis(budget: runs.currency.unit, from: ranks.grid[0], to: runs.end, scale: x),
      y: Axis(
        title: "average rank by \(ranks.metric.rawValue) regret", 1...Double(ranks.curves.count),
        ticks: (1...ranks.curves.count).map(Double.init), isReversed: true),
      methods: runs.names,
      series: ranks.curves.map { curve in
        Series(
          label: curve.label,
          points: zip(ranks.grid, curve.points).map { x, point in
            Point(x, point.mean, point.mean - point.standardError, point.mean + point.standardError)
          }, hasBand: hasBands)
      }, showsBands: showsBands)
  }

  /// The part of pairs of a run and a target that were reached over spent budget, in percent, as COCO shows it.
  ///
  /// - Parameter size: The number of points of a line.
  /// - Throws: ``ReportError`` if no run has an incumbent.
  public static func targets(
    _ distribution: TargetDistribution, x: StepCurve.Scale = .log, size: Int = 400
  ) throws(ReportError) -> Chart {
    let runs = distribution.runs
    guard runs.start != nil, let first = distribution.targets.first, let last = distribution.targets.last else {
      throw ReportError("there is nothing to draw: no run of '\(runs.results.experiment.name)' has an incumbent")
    }
    let grid = runs.grid(size, scale: x)
    return Chart(
      title: runs.results.experiment.name,
      caption: runs.caption
        + ", \(distribution.targets.count) targets of \(distribution.metric.rawValue) regret from "
        + "\(Numbers.digits(100 * first)) to \(Numbers.digits(100 * last)) percent points, evenly in the logarithm",
      description: "Part of runs and targets of regret reached over the budget spent, by method",
      x: Axis(budget: runs.currency.unit, from: grid[0], to: runs.end, scale: x),
      y: Axis(title: "runs and targets reached [%]", 0...100), methods: runs.names,
      series: distribution.methods.indices.filter { !runs.methods[$0].runs.isEmpty }.map { index in
        Series(
          label: distribution.methods[index].label,
          points: zip(grid, distribution.curve(index, on: grid)).map { Point($0, 100 * $1) })
      })
  }
}
