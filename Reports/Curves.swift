import Anytime
import Experiments
import Foundation
import Statistics

/// Regret over spent budget of every method of an experiment, on one grid.
///
/// A run's regret at an amount is that of the last incumbent known at or before it. Before its first
/// incumbent a run has no regret: there is no back-fill, and statistics are over the `n` runs that have one.
/// All curves end at the horizon; in a currency without a horizon, each where its longest run ended.
public struct Curves: Sendable {
  /// The curve of every run.
  public let runs: RegretRuns
  /// Amounts of the currency, from the first incumbent of any run to the end, exactly.
  public let grid: [Double]
  /// A curve per method and metric, without test curves where the table has no test accuracy; then those of envelopes.
  public let curves: [Curve]
  /// The metric of outputs that show one: by default test, if any run has it.
  public let defaultMetric: RegretMetric

  /// The experiment with its runs.
  public var results: ExperimentResults { runs.results }

  /// One method's regret, as fractions (0.01 is one percent point).
  public struct Curve: Sendable {
    /// The method's label, or that of an envelope.
    public let label: String
    /// The method's name.
    public let method: String
    /// The accuracy whose regret is shown.
    public let metric: RegretMetric
    /// The number of runs that ended well, with or without an incumbent.
    public let runs: Int
    /// One per point of the grid; `nil` where no run has an incumbent, and after the last run's end.
    public let points: [Summary?]
    /// Whether it is the curve of an ``Envelope``, each point of which may be of other runs.
    public var isEnvelope = false
  }

  /// Statistics over runs.
  public struct Summary: Hashable, Sendable, Codable {
    /// The number of runs that have an incumbent.
    public let n: Int
    /// The mean.
    public let mean: Double
    /// `nil` for a single run.
    public let standardError: Double?
    /// The median and the quartiles.
    public let median, lowerQuartile, upperQuartile: Double
    /// The least and the greatest value.
    public let least, greatest: Double
    /// A bootstrap interval of the mean, where it was asked for.
    public var interval: ClosedRange<Double>?

    /// Statistics of values; `nil` if there are none.
    public init?(_ values: [Double]) {
      guard let mean = values.mean, let quartiles = values.quantiles([0.25, 0.5, 0.75]),
        let least = values.min(), let greatest = values.max()
      else { return nil }
      (self.least, self.greatest) = (least, greatest)
      n = values.count
      self.mean = mean
      standardError = values.standardError
      lowerQuartile = quartiles[0]
      median = quartiles[1]
      upperQuartile = quartiles[2]
    }
  }

  /// Curves in the policy's own currency and accounting.
  ///
  /// - Parameter gridSize: The number of points, at least 2.
  public init(_ results: ExperimentResults, gridSize: Int = 200) {
    self.init(RegretRuns(results), gridSize: gridSize)
  }

  /// - Parameters:
  ///   - gridSize: The number of points, at least 2.
  ///   - scale: Whether they are evenly spaced, or in the logarithm.
  ///   - bootstrap: Whether summaries have a bootstrap interval of the mean, of ``MeanBand/level``.
  ///   - metric: The metric of ranks, targets and tests; by default test, if any run has it.
  public init(
    _ runs: RegretRuns, gridSize: Int = 200, scale: StepCurve.Scale = .log, bootstrap: Bool = false,
    metric: RegretMetric? = nil
  ) {
    self.runs = runs
    defaultMetric = metric ?? runs.defaultMetric
    let grid = runs.grid(gridSize, scale: scale)
    self.grid = grid
    let methods = runs.methods.flatMap { method in
      let last =
        runs.currency == runs.results.experiment.policy.currency
        ? runs.end : method.runs.map(\.end).max() ?? 0
      let length = grid.count { $0 <= last }
      return RegretMetric.allCases.compactMap { metric -> Curve? in
        let rows = method.runs.map { $0.curve(metric)?.values(at: grid) ?? [] }
        guard metric == .validation || rows.contains(where: { !$0.isEmpty }) else { return nil }
        var points = grid.indices.map { index -> Summary? in
          index < length ? Summary(rows.compactMap { $0.isEmpty ? nil : $0[index] }) : nil
        }
        if bootstrap {
          let band = MeanBand(rows.filter { !$0.isEmpty }, stream: "\(method.label) \(metric.rawValue)")
          for index in points.indices { points[index]?.interval = band.intervals[index] }
        }
        return Curve(
          label: method.label, method: method.method, metric: metric, runs: method.runs.count,
          points: points)
      }
    }
    curves = methods + runs.envelopes.flatMap { Self.curves($0, on: grid, bootstrap: bootstrap) }
  }

  private static func curves(_ envelope: Envelope, on grid: [Double], bootstrap: Bool) -> [Curve] {
    RegretMetric.allCases.compactMap { metric in
      let summaries = envelope.stages.map { stage -> Summary? in
        let values = stage.values(metric)
        var summary = Summary(values)
        if bootstrap {
          let stream = "\(envelope.label) \(metric.rawValue) \(stage.epochs)"
          summary?.interval = MeanBand(values.map { [$0] }, stream: stream).intervals.first ?? nil
        }
        return summary
      }
      guard summaries.contains(where: { $0 != nil }) else { return nil }
      return Curve(
        label: envelope.label, method: envelope.method, metric: metric,
        runs: envelope.stages.map { $0.values(metric).count }.max() ?? 0,
        points: grid.map { amount in
          envelope.stages.lastIndex { $0.amount <= amount }.flatMap { summaries[$0] }
        }, isEnvelope: true)
    }
  }
}

/// Bootstrap intervals of the mean of many curves on a common grid: whole runs are resampled, so that all points
/// belong to the same resamples.
public struct MeanBand: Sendable {
  /// The probability with which an interval covers the mean.
  public static let level = 0.95
  /// The number of resamples.
  public static let resamples = 1_000

  /// Percentile intervals, one per point of the grid; `nil` where fewer than two runs have a value.
  public let intervals: [ClosedRange<Double>?]

  /// - Parameters:
  ///   - rows: A row per run, `nil` up to the run's first value.
  ///   - stream: Names the stream of random numbers, which is the same every time.
  public init(_ rows: [[Double?]], stream: String) {
    let size = rows.first?.count ?? 0
    let firsts = rows.map { row in row.firstIndex { $0 != nil } ?? size }
    let values = rows.map { row in row.map { $0 ?? 0 } }
    var random = RandomGenerator(seed: 0, stream: "mean band of " + stream)
    var means = [[Double]](repeating: [], count: size)
    var weights = [Double](repeating: 0, count: rows.count)
    for _ in 0..<(rows.count > 1 ? Self.resamples : 0) {
      for index in weights.indices { weights[index] = 0 }
      for _ in rows { weights[random.below(rows.count)] += 1 }
      var sums = [Double](repeating: 0, count: size)
      var added = [Double](repeating: 0, count: size + 1)
      for (run, weight) in weights.enumerated() where weight > 0 {
        added[firsts[run]] += weight
        values[run].withUnsafeBufferPointer { row in
          for index in 0..<size { sums[index] += weight * row[index] }
        }
      }
      var count = 0.0
      for index in 0..<size {
        count += added[index]
        if count > 0 { means[index].append(sums[index] / count) }
      }
    }
    intervals = means.indices.map { index in
      guard firsts.count(where: { $0 <= index }) > 1 else { return nil }
      return Bootstrap.percentile(means[index], level: Self.level)
    }
  }
}

extension BudgetPolicy.Currency {
  /// The unit, for axes and captions.
  public var unit: String {
    switch self {
    case .seconds: "benchmark seconds"
    case .epochs: "epochs"
    case .evaluations: "evaluations"
    }
  }
}
