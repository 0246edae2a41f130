import Anytime
import Foundation
import Statistics

/// What regret is of.
public enum RegretMetric: String, CaseIterable, Sendable {
  case validation, test

  func value(_ point: TrajectoryPoint) -> Double? {
    self == .validation ? point.validationRegret : point.testRegret
  }
}

/// Regret over spent budget of every method of an experiment, on one grid.
///
/// A run's regret at an amount is that of the last incumbent known at or before it. Before its first
/// incumbent a run has no regret: there is no back-fill, and statistics are over the `n` runs that have one.
/// All curves end at the horizon.
public struct Curves: Sendable {
  public let results: ExperimentResults
  /// Amounts in the policy's currency: evenly spaced in the logarithm from the first incumbent of any run to
  /// the horizon, exactly.
  public let grid: [Double]
  /// A curve per method and metric, without test curves where the table has no test accuracy.
  public let curves: [Curve]

  /// One method's regret, as fractions (0.01 is one percent point).
  public struct Curve: Sendable {
    public let label: String
    public let method: String
    public let metric: RegretMetric
    /// One per point of the grid; `nil` where no run has an incumbent.
    public let points: [Summary?]
  }

  /// Statistics over runs.
  public struct Summary: Hashable, Sendable {
    /// The number of runs that have an incumbent.
    public let n: Int
    public let mean: Double
    /// `nil` for a single run.
    public let standardError: Double?
    public let median, lowerQuartile, upperQuartile: Double

    public init?(_ values: [Double]) {
      guard let mean = values.mean, let quartiles = values.quantiles([0.25, 0.5, 0.75]) else { return nil }
      n = values.count
      self.mean = mean
      standardError = values.standardError
      lowerQuartile = quartiles[0]
      median = quartiles[1]
      upperQuartile = quartiles[2]
    }
  }

  /// - Parameter gridSize: The number of points, at least 2.
  public init(_ results: ExperimentResults, gridSize: Int = 200) {
    self.results = results
    let horizon = results.experiment.horizon
    let first = results.methods.flatMap { $0.runs.compactMap { $0.result.trajectory.first?.amount } }.min()
    let start = min(max(first ?? horizon, horizon * 1e-9), horizon)
    let count = max(2, gridSize)
    let grid = (0..<count).map { place in
      place == count - 1 ? horizon : start * pow(horizon / start, Double(place) / Double(count - 1))
    }
    self.grid = grid
    curves = results.methods.flatMap { method in
      RegretMetric.allCases.compactMap { metric -> Curve? in
        var columns = [[Double]](repeating: [], count: grid.count)
        for run in method.runs {
          // Both ascend: one sweep.
          var next = 0
          let points = run.result.trajectory
          for (place, amount) in grid.enumerated() {
            while next < points.count, points[next].amount <= amount { next += 1 }
            if next > 0, let value = metric.value(points[next - 1]) { columns[place].append(value) }
          }
        }
        guard metric == .validation || columns.contains(where: { !$0.isEmpty }) else { return nil }
        return Curve(
          label: method.entry.label, method: method.entry.method, metric: metric,
          points: columns.map { Summary($0) })
      }
    }
  }

  /// Test where any curve has it, else validation.
  public var defaultMetric: RegretMetric { curves.contains { $0.metric == .test } ? .test : .validation }

  /// What the curves are of, in a line: space, budget, seeds, policy, table.
  public static func caption(_ results: ExperimentResults) -> String {
    let experiment = results.experiment
    let budget =
      "\(experiment.horizon.formatted(.number.grouping(.never))) \(experiment.policy.currency.unit)"
    let seeds = experiment.seeds.count
    return "space \(experiment.space), \(budget), \(seeds) \(seeds == 1 ? "seed" : "seeds"), "
      + "policy \(experiment.policy), final training "
      + (experiment.policy.chargeFinalTraining ? "charged" : "free") + ", table \(results.tableChecksum)"
  }
}

extension BudgetPolicy.Currency {
  /// The unit, for axes and captions.
  public var unit: String { self == .seconds ? "benchmark seconds" : rawValue }
}
