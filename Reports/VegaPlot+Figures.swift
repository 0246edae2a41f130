import Anytime
import Foundation

extension VegaPlot {
  /// So many seeds of a method are drawn one by one; more would be a blot.
  static let singleRuns = 20
  /// With more lines than this, bands lie over each other and are shown on demand.
  static let bandedLines = 4

  /// Regret over spent budget, with choices of accuracy, statistic and accounting, and single runs.
  ///
  /// - Parameter variants: Curves of the same experiment in one currency, the one to show first in front; others
  ///   differ in their accounting.
  public init(regretOf variants: Curves...) throws(ReportError) { try self.init(regretOf: variants) }

  init(regretOf variants: [Curves]) throws(ReportError) {
    guard let main = variants.first else { throw ReportError("there are no curves to draw") }
    let experiment = main.results.experiment
    let metrics = RegretMetric.allCases.filter { metric in main.curves.contains { $0.metric == metric } }
    let starts = variants.flatMap { curves in curves.curves.compactMap { curves.start(of: $0) } }
    let end = main.runs.end
    let statistics = ["median", "mean", "single runs"]
    var choices = [
      Self.choice("metric", main.defaultMetric.rawValue, among: metrics.map(\.rawValue)),
      Self.choice("statistic", "median", among: statistics),
    ]
    let accountings = variants.map(\.runs.accounting.text)
    choices.append(Self.choice("accounting", accountings[0], among: accountings))
    try self.init(
      title: experiment.name, caption: main.runs.caption,
      description: "Regret of the incumbent over the budget spent, by method",
      Content(
        methods: main.runs.methods.map { ($0.label, $0.method) }, choices: choices,
        rows: variants.flatMap(Self.rows),
        lines: [
          Self.filter(
            "statistic != 'single runs' && datum.metric == metric && datum.accounting == accounting"),
          Self.formula("x", "datum.spent"),
          Self.formula("y", "100 * (statistic == 'mean' ? datum.mean : datum.median)"),
          Self.formula(
            "low", "100 * (statistic == 'mean' ? datum.mean - datum.standardError : datum.lowerQuartile)"),
          Self.formula(
            "high", "100 * (statistic == 'mean' ? datum.mean + datum.standardError : datum.upperQuartile)"),
        ],
        runs: variants.flatMap(Self.single),
        single: [
          Self.filter(
            "statistic == 'single runs' && isNumber(datum[metric]) && datum.accounting == accounting"),
          Self.formula("x", "datum.spent"), Self.formula("y", "100 * datum[metric]"),
        ],
        reference: metrics.compactMap { metric in
          main.runs.reference?.randomRegret(metric).map { regret in
            ["metric": .text(metric.rawValue), "regret": .rounded(regret), "label": "average random cell"]
          }
        },
        levels: [Self.filter("datum.metric == metric"), Self.formula("y", "100 * datum.regret")],
        showsBands: main.runs.methods.count <= Self.bandedLines),
      x: Axis(title: "budget spent [\(main.runs.currency.unit)]", isLogarithmic: true),
      y: Axis(title: "regret [percent points]", isLogarithmic: true),
      xDomain: min(starts.min() ?? end, end / 2)...end)
  }

  /// A row per method, metric and point of the grid, from where every run has an incumbent.
  private static func rows(_ curves: Curves) -> [JSONValue] {
    curves.curves.flatMap { curve -> [JSONValue] in
      guard let start = curves.start(of: curve) else { return [] }
      return zip(curves.grid, curve.points).compactMap { spent, point in
        guard let point, spent >= start else { return nil }
        return [
          "method": .text(curve.label), "metric": .text(curve.metric.rawValue),
          "accounting": .text(curves.runs.accounting.text), "spent": .number(spent),
          "n": .number(Double(point.n)), "mean": .rounded(point.mean),
          "standardError": .rounded(point.standardError), "median": .rounded(point.median),
          "lowerQuartile": .rounded(point.lowerQuartile), "upperQuartile": .rounded(point.upperQuartile),
        ]
      }
    }
  }

  /// The first seeds' incumbents; the last one holds until the end.
  private static func single(_ curves: Curves) -> [JSONValue] {
    curves.runs.methods.flatMap { method in
      method.runs.prefix(singleRuns).flatMap { run -> [JSONValue] in
        let places = run.validation.places
        guard !places.isEmpty else { return [] }
        return (places + [curves.runs.end]).enumerated().map { place, spent in
          let step = min(place, places.count - 1)
          return [
            "method": .text(method.label), "accounting": .text(curves.runs.accounting.text),
            "seed": .text(String(run.seed)), "spent": .rounded(spent),
            "validation": .rounded(run.validation.values[step]), "test": .rounded(run.test?.values[step]),
          ]
        }
      }
    }
  }

  /// Average ranks over spent budget.
  init(ranksOf ranks: RankCurves) throws(ReportError) {
    let rows = ranks.curves.flatMap { curve in
      zip(ranks.grid, curve.points).map { spent, point -> JSONValue in
        [
          "method": .text(curve.label), "x": .number(spent), "y": .rounded(point.mean),
          "low": .rounded(point.mean - point.standardError), "high": .rounded(point.mean + point.standardError),
        ]
      }
    }
    let end = ranks.runs.end
    try self.init(
      title: ranks.runs.results.experiment.name, caption: ranks.runs.caption,
      description: "Average rank by \(ranks.metric.rawValue) regret over the budget spent",
      Content(
        methods: ranks.curves.map { ($0.label, $0.method) }, rows: rows,
        showsBands: ranks.curves.count <= Self.bandedLines),
      x: Axis(title: "budget spent [\(ranks.runs.currency.unit)]", isLogarithmic: true),
      y: Axis(title: "average rank"), xDomain: min(ranks.grid.first ?? end, end / 2)...end, isReversed: true)
  }

  /// The part of pairs of a run and a target that were reached, over spent budget.
  init(targetsOf targets: TargetDistribution, grid: [Double]) throws(ReportError) {
    let rows = targets.methods.indices.flatMap { place in
      zip(grid, targets.curve(place, on: grid)).map { spent, part -> JSONValue in
        [
          "method": .text(targets.methods[place].label), "x": .number(spent), "y": .rounded(100 * part),
          "low": .rounded(100 * part), "high": .rounded(100 * part),
        ]
      }
    }
    let end = targets.runs.end
    try self.init(
      title: targets.runs.results.experiment.name, caption: targets.runs.caption,
      description: "Part of pairs of a run and a target of regret that were reached over the budget spent",
      Content(methods: targets.methods.map { ($0.label, $0.method) }, rows: rows),
      x: Axis(title: "budget spent [\(targets.runs.currency.unit)]", isLogarithmic: true),
      y: Axis(title: "targets reached [%]"), xDomain: min(grid.first ?? end, end / 2)...end, fromZero: true)
  }
}

extension Curves {
  /// Where a line begins: where every run has an incumbent. Before, it would show the survivors only.
  func start(of curve: Curve) -> Double? {
    let most = curve.points.compactMap { $0?.n }.max()
    return zip(grid, curve.points).first { $0.1.map { $0.n == most } ?? false }?.0
  }
}

extension CurveExport {
  /// Regret over budget as a Vega specification with its data in it.
  public static let vega = CurveExport(fileName: "curves.vg.json") { curves in
    Data(try VegaPlot(regretOf: curves).json.utf8)
  }
}
