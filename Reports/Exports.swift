import Anytime
import Experiments
import Foundation
import SearchSpaces
import Statistics

/// A format for curves: what its files are called, and how they are made. The same results give the same
/// bytes.
public struct CurveExport: Sendable {
  /// The end of a file's name, such as `curves.csv`.
  public let fileName: String
  /// Throws if a file of the package is missing, or if the format cannot hold the curves.
  public let render: @Sendable (Curves) throws -> Data

  /// A format, for files of which ``fileName`` is the end of the name.
  public init(fileName: String, render: @escaping @Sendable (Curves) throws -> Data) {
    self.fileName = fileName
    self.render = render
  }

  /// All that `anytime export curves` writes.
  public static let all = [
    csv, json, events, eventsJSON, ranks, distribution, targets, leaderboard, significance, experiment,
    vega,
  ]

  /// A row per method, metric and point of the grid. All runs of an envelope have a result.
  public static let csv = CurveExport(fileName: "curves.csv") { curves in
    var table = CSV([
      "experiment", "space", "method", "metric", "accounting", "spent", "currency", "runs", "n", "mean",
      "standard_error", "interval_low", "interval_high", "median", "lower_quartile", "upper_quartile",
    ])
    for curve in curves.curves {
      for (spent, point) in zip(curves.grid, curve.points) {
        guard let point else { continue }
        table.add([
          .text(curves.results.experiment.name), .text(curves.results.experiment.space), .text(curve.label),
          .text(curve.metric.rawValue), .text(curves.runs.accounting.rawValue), .number(spent),
          .text(curves.runs.currency.rawValue), .count(curve.isEnvelope ? point.n : curve.runs), .count(point.n),
          .number(point.mean),
          .number(point.standardError), .number(point.interval?.lowerBound),
          .number(point.interval?.upperBound), .number(point.median), .number(point.lowerQuartile),
          .number(point.upperQuartile),
        ])
      }
    }
    return table.data
  }

  /// A row per method, seed of a run that ended well and change of the incumbent: the raw data behind every curve.
  public static let events = CurveExport(fileName: "events.csv") { curves in
    var table = CSV([
      "experiment", "space", "method", "seed", "amount", "spent_seconds", "spent_epochs", "evaluations",
      "cell",
      "epochs", "validation_regret", "test_regret", "final_training_seconds",
    ])
    for method in curves.results.methods {
      for run in method.endedRuns {
        for point in run.result.trajectory {
          table.add([
            .text(curves.results.experiment.name), .text(curves.results.experiment.space),
            .text(method.entry.label), .text(String(run.seed)), .number(point.amount),
            .number(point.spent.seconds), .number(point.spent.epochs), .number(point.spent.evaluations),
            .text(point.architecture.description), .count(point.epochs), .number(point.validationRegret),
            .number(point.testRegret), .number(point.finalTrainingSeconds),
          ])
        }
      }
    }
    return table.data
  }

  /// A row per method and point of the grid: average ranks over common seeds, whose number is given, or where few are
  /// common over all runs.
  public static let ranks = CurveExport(fileName: "ranks.csv") { curves in
    let ranks = RankCurves(curves.runs, metric: curves.defaultMetric, grid: curves.grid)
    var table = CSV([
      "experiment", "space", "method", "metric", "accounting", "spent", "currency", "seeds", "mean_rank",
      "standard_error",
    ])
    for curve in ranks.curves {
      for (spent, point) in zip(ranks.grid, curve.points) {
        table.add([
          .text(curves.results.experiment.name), .text(curves.results.experiment.space), .text(curve.label),
          .text(ranks.metric.rawValue), .text(curves.runs.accounting.rawValue), .number(spent),
          .text(curves.runs.currency.rawValue), .count(ranks.isPaired ? ranks.seeds : nil), .number(point.mean),
          .number(point.standardError),
        ])
      }
    }
    return table.data
  }

  /// A row per method and point of the grid: the part of pairs of a run and a target that were reached.
  public static let distribution = CurveExport(fileName: "ecdf.csv") { curves in
    let distribution = TargetDistribution(curves.runs, metric: curves.defaultMetric)
    var table = CSV([
      "experiment", "space", "method", "metric", "accounting", "spent", "currency", "pairs", "reached",
    ])
    for (index, method) in distribution.methods.enumerated() {
      for (spent, reached) in zip(curves.grid, distribution.curve(index, on: curves.grid)) {
        table.add([
          .text(curves.results.experiment.name), .text(curves.results.experiment.space), .text(method.label),
          .text(distribution.metric.rawValue), .text(curves.runs.accounting.rawValue), .number(spent),
          .text(curves.runs.currency.rawValue), .count(method.distribution.count), .number(reached),
        ])
      }
    }
    return table.data
  }

  /// A row per method and fixed target: how many runs reach it, and the expected running time.
  public static let targets = CurveExport(fileName: "targets.csv") { curves in
    let distribution = TargetDistribution(curves.runs, metric: curves.defaultMetric)
    var table = CSV([
      "experiment", "space", "method", "metric", "accounting", "target", "currency", "runs", "successes",
      "success_rate", "expected_running_time",
    ])
    for method in distribution.methods {
      for (target, time) in zip(distribution.targets, method.times) {
        table.add([
          .text(curves.results.experiment.name), .text(curves.results.experiment.space), .text(method.label),
          .text(distribution.metric.rawValue), .text(curves.runs.accounting.rawValue), .number(target),
          .text(curves.runs.currency.rawValue), .count(time.runs), .count(time.successes),
          .number(time.successRate), .number(time.expected),
        ])
      }
    }
    return table.data
  }

  /// A row per method, by rank. Mean, standard error and interval are of the `n` runs with a result, median and
  /// quartiles of all `runs`.
  public static let leaderboard = CurveExport(fileName: "leaderboard.csv") { curves in
    let board = Leaderboard(curves.runs, metric: curves.defaultMetric)
    let percents = SignificanceTable.budgets.map { Numbers.digits(100 * $0) }
    var table = CSV(
      [
        "experiment", "space", "rank", "method", "metric", "accounting", "runs", "failed", "n",
        "mean", "standard_error", "interval_low", "interval_high", "median", "lower_quartile", "upper_quartile",
        "area", "log_area",
      ] + percents.map { "median_at_\($0)" } + percents.map { "better_than_at_\($0)" }
        + percents.map { "worse_than_at_\($0)" }
        + [
          "evaluations", "last_epochs", "last_n", "last_mean", "last_standard_error", "last_interval_low",
          "last_interval_high",
        ])
    for row in board.rows {
      let none = [Int?](repeating: nil, count: percents.count)
      table.add(
        [
          .text(curves.results.experiment.name), .text(curves.results.experiment.space), .number(row.rank),
          .text(row.label), .text(board.metric.rawValue), .text(curves.runs.accounting.rawValue),
          .count(row.runs), .count(row.failed), .count(row.final?.n ?? 0), .number(row.final?.mean),
          .number(row.final?.standardError), .number(row.interval?.lowerBound),
          .number(row.interval?.upperBound), .number(row.median), .number(row.lowerQuartile),
          .number(row.upperQuartile), .number(row.area), .number(row.logArea),
        ] + row.medians.map { .number($0) } + (row.wins.isEmpty ? none : row.wins).map { .count($0) }
          + (row.losses.isEmpty ? none : row.losses).map { .count($0) } 
          + [
            .number(row.evaluations), .count(row.lastEpochs?.epochs.upperBound), .count(row.lastEpochs?.n),
            .number(row.lastEpochs?.mean), .number(row.lastEpochs?.standardError),
            .number(row.lastEpochs?.interval?.lowerBound), .number(row.lastEpochs?.interval?.upperBound),
          ])
    }
    return table.data
  }

  /// A row per budget and pair of methods: p-values and effect sizes.
  public static let significance = CurveExport(fileName: "significance.csv") { curves in
    let significance = SignificanceTable(curves.runs, metric: curves.defaultMetric)
    var table = CSV([
      "experiment", "space", "metric", "accounting", "budget", "amount", "currency", "test", "common_seeds",
      "first", "second", "median_difference", "pair_p", "holm_p", "nemenyi_p", "friedman_p", "a12",
      "cliffs_delta", "better", "runs_needed",
    ])
    for row in significance.rows {
      for pair in row.pairs {
        table.add([
          .text(curves.results.experiment.name), .text(curves.results.experiment.space),
          .text(significance.metric.rawValue), .text(curves.runs.accounting.rawValue), .number(row.fraction),
          .number(row.amount), .text(curves.runs.currency.rawValue),
          .text(significance.test.rawValue), .count(significance.seeds),
          .text(significance.labels[pair.first]), .text(significance.labels[pair.second]),
          .number(pair.medianDifference), .number(pair.alone), .number(pair.holm), .number(pair.nemenyi),
          .number(row.friedman?.pValue), .number(pair.a12), .number(pair.cliffsDelta),
          .text(pair.better.map { significance.labels[$0] } ?? ""), .count(pair.runsNeeded),
        ])
      }
    }
    return table.data
  }
}
