import Anytime
import Foundation

/// Regret, ranks and targets over budget.
extension HTMLReport {
  /// Parts of the budget in tables.
  private static let parts = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]

  private var hasResults: Bool { curves.curves.contains { $0.points.contains { $0 != nil } } }

  private var lines: [(label: String, swatch: HTML)] { experiment.methods.map { ($0.label, swatch($0.label)) } }

  func regretPlot() throws(ReportError) -> HTML? {
    guard hasResults else { return "<p>No run has a result yet.</p>\n" }
    let metrics = RegretMetric.allCases.filter { metric in curves.curves.contains { $0.metric == metric } }
    let isMany = results.methods.contains { $0.runs.count > VegaPlot.singleRuns }
    let accountings = variants.map(\.runs.accounting.text)
    let charged: HTML =
      variants.count > 1
      ? " With final training charged, an incumbent counts when its own training has ended too." : ""
    return try HTMLFigure(
      plot: try VegaPlot(regretOf: variants), label: "Regret over budget, a line per method",
      caption: """
        Regret of the incumbent, chosen by validation accuracy, as right-continuous steps. The median comes with a \
        band between the quartiles, the mean with one of a standard error\
        \(isMany ? "; single runs are those of the first \(VegaPlot.singleRuns) seeds" : ""). A line begins where \
        every run of the method has a result. On a logarithmic axis, the lower edge stands for zero.\(charged)
        """,
      lines: lines,
      choices: [
        .init(
          signal: "metric", title: "Accuracy", options: metrics.map(\.rawValue),
          chosen: curves.defaultMetric.rawValue),
        .init(signal: "statistic", title: "Show", options: ["median", "mean", "single runs"], chosen: "median"),
        .init(signal: "accounting", title: "Accounting", options: accountings, chosen: accountings[0]),
      ], bands: experiment.methods.count <= VegaPlot.bandedLines,
      logarithmic: [("x", "budget"), ("y", "regret")], units: (unit, " %"),
      tables: variants.flatMap { variant in metrics.reversed().map { regretTable(variant, $0) } }
    ).html(isLive: vega != nil)
  }

  private func regretTable(_ variant: Curves, _ metric: RegretMetric) -> HTMLTable {
    let accounting = variants.count > 1 ? ", \(variant.runs.accounting.text)" : ""
    return HTMLTable(
      caption: "\(metric.rawValue.capitalized) regret in percent points\(accounting): mean ± standard error, "
        + "median [quartiles], runs with a result",
      columns: ["Budget"] + variant.runs.methods.map(\.label),
      rows: Self.parts.map { part in
        let amount = part * variant.runs.end
        let cells = variant.runs.methods.map { method -> HTML in
          let values = method.runs.compactMap { $0.curve(metric)?.value(at: amount) }
          guard let summary = Curves.Summary(values) else { return "–" }
          let error = summary.standardError.map { " ± \(Figures.percent($0))" } ?? ""
          return """
            <span class="pair">\(Figures.percent(summary.mean))\(error)</span> <span class="pair">\
            \(Figures.percent(summary.median)) [\(Figures.percent(summary.lowerQuartile)), \
            \(Figures.percent(summary.upperQuartile))]</span> <span class="pair">n = \(summary.n)</span>
            """
        }
        return (budgetName(part, amount), cells)
      })
  }

  /// A part of the budget, and how much that is.
  func budgetName(_ part: Double, _ amount: Double) -> HTML {
    "\(String(format: "%g", 100 * part)) % (\(Figures.amount(amount)))"
  }

  func rankPlot() throws(ReportError) -> HTML? {
    guard hasResults, experiment.methods.count > 1 else { return nil }
    let ranks = RankCurves(curves.runs, gridSize: 100)
    guard !ranks.curves.isEmpty else { return nil }
    let basis =
      ranks.isPaired
      ? """
      the runs of each of the \(ranks.seeds) common seeds are ranked by \(ranks.metric.rawValue) regret, 1 for the \
      least.
      """
      : """
      each run is ranked by \(ranks.metric.rawValue) regret, 1 for the least, among one run of each other method, \
      drawn at random.
      """
    let table = RankCurves(curves.runs, grid: Self.parts.map { $0 * curves.runs.end })
    return try HTMLFigure(
      plot: try VegaPlot(ranksOf: ranks), label: "Average rank over budget, a line per method",
      caption: """
        At every budget, \(basis) Ties share their mean rank; runs without a result share the last ones. Bands are \
        standard errors.
        """,
      lines: lines, bands: experiment.methods.count <= VegaPlot.bandedLines,
      logarithmic: [("x", "budget")], units: (unit, ""),
      tables: [
        HTMLTable(
          caption: "Average rank", columns: ["Budget"] + table.curves.map(\.label),
          rows: Self.parts.indices.map { place in
            (
              budgetName(Self.parts[place], table.grid[place]),
              table.curves.map { "\(String(format: "%.2f", $0.points[place].mean))" }
            )
          })
      ]
    ).html(isLive: vega != nil)
  }

  func targetPlot() throws(ReportError) -> HTML? {
    guard hasResults else { return nil }
    let targets = TargetDistribution(curves.runs)
    let grid = curves.runs.grid(100, scale: .log)
    let shown = targets.targets.indices.filter { $0 % 5 == 0 }
    return try HTMLFigure(
      plot: try VegaPlot(targetsOf: targets, grid: grid), label: "Part of targets reached, a line per method",
      caption: """
        The part of all pairs of a run and a target that were reached, as in COCO. The targets are \
        \(targets.targets.count) values of \(targets.metric.rawValue) regret, evenly spaced in the logarithm, from \
        \(String(format: "%g", 100 * (targets.targets.first ?? 0))) to \
        \(String(format: "%g", 100 * (targets.targets.last ?? 0))) percent points.
        """,
      lines: lines, logarithmic: [("x", "budget")], units: (unit, " %"),
      tables: [
        HTMLTable(
          caption: "Expected running time in \(unit) to a target of regret in percent points, and the part of runs "
            + "that reached it",
          columns: ["Target"] + targets.methods.map(\.label),
          rows: shown.map { place in
            let cells = targets.methods.map { method -> HTML in
              let time = method.times[place]
              return """
                <span class="pair">\(time.expected.map(Figures.amount) ?? "–")</span> \
                <span class="pair">\(Figures.share(time.successRate ?? 0))</span>
                """
            }
            return ("\(String(format: "%.3g", 100 * targets.targets[place]))", cells)
          })
      ]
    ).html(isLive: vega != nil)
  }
}
