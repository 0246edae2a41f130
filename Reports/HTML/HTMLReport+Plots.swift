import Anytime
import Experiments
import Foundation
import Statistics

/// Regret, ranks and targets over budget.
extension HTMLReport {
  /// Parts of the budget in tables.
  private static let parts = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]

  private var hasResults: Bool { curves.curves.contains { $0.points.contains { $0?.mean.isFinite == true } } }

  private var lines: [(label: String, swatch: HTML)] { experiment.methods.map { ($0.label, swatch($0.label)) } }

  func regretPlot() throws(ReportError) -> HTML? {
    guard hasResults else { return "<p>No run has a result yet.</p>\n" }
    let metrics = RegretMetric.allCases.filter { metric in curves.curves.contains { $0.metric == metric } }
    let shown = Chart.singleRuns(ofMethods: curves.runs.methods.count)
    let isMany = curves.runs.methods.contains { $0.runs.count > shown }
    let envelopes = curves.runs.envelopes
    let envelope: HTML =
      envelopes.isEmpty
      ? ""
      : """
       An envelope is what a method reaches if it is planned for each budget: the final results of the entry planned \
      for the most epochs that has ended by then, as COCO shows algorithms that depend on their budget (Tušar, Hansen \
      and Brockhoff 2017).
      """
    let charged: HTML =
      variants.count > 1
      ? " With final training charged, an incumbent counts when its own training has ended too." : ""
    return try HTMLFigure(
      plot: try VegaPlot(regretOf: variants), label: "Regret over budget, a line per method",
      caption: """
        Regret of the incumbent, chosen by validation accuracy, as right-continuous steps. The median comes with a \
        band between the quartiles (of \(Chart.rangedRuns) runs or fewer, from the least to the greatest), the mean \
        with one of a standard error\
        \(isMany ? "; single runs are those of the first \(shown) seeds" : ""). A line begins where \
        every run of the method has a result; there is none if a run never has one. On a logarithmic axis, the lower \
        edge stands for zero.\(charged)\(envelope)
        """,
      lines: lines + envelopes.map { ($0.label, swatch($0.label)) }, units: (unit, " %"),
      tables: variants.flatMap { variant in metrics.reversed().map { regretTable(variant, $0) } }
    ).html(isLive: vega != nil)
  }

  private func regretTable(_ variant: Curves, _ metric: RegretMetric) -> HTMLTable {
    let accounting = variants.count > 1 ? ", \(variant.runs.accounting.text)" : ""
    return HTMLTable(
      caption: "\(metric.rawValue.capitalized) regret in percent points\(accounting), of the n runs with a result: "
        + "mean ± standard error, median [quartiles]",
      columns: ["Budget"] + variant.runs.methods.map(\.label) + variant.runs.envelopes.map(\.label),
      rows: Self.parts.map { part in
        let amount = part * variant.runs.end
        let values = variant.runs.methods.map { $0.runs.compactMap { $0.curve(metric)?.value(at: amount) } }
        let cells = (values + variant.runs.envelopes.map { $0.stage(at: amount)?.values(metric) ?? [] }).map {
          values -> HTML in
          guard let summary = Curves.Summary(values) else { return "–" }
          return """
            \(Numbers.percent(summary.mean, error: summary.standardError))<br />\
            \(Numbers.percent(summary.median)) [\(Numbers.percent(summary.lowerQuartile)), \
            \(Numbers.percent(summary.upperQuartile))]<br />n = \(summary.n)
            """
        }
        return (budgetName(part, amount), cells)
      })
  }

  /// A part of the budget, and how much that is.
  func budgetName(_ part: Double, _ amount: Double) -> HTML {
    "\(Numbers.part(part)) (\(Numbers.amount(amount)))"
  }

  func rankPlot() throws(ReportError) -> HTML? {
    guard hasResults, experiment.methods.count > 1 else { return nil }
    let ranks = RankCurves(curves.runs, gridSize: 100)
    guard ranks.curves.count > 1 else { return nil }
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
      plot: try VegaPlot(try Chart.ranks(ranks)), label: "Average rank over budget, a line per method",
      caption: """
        At every budget, \(basis) Ties share their mean rank; runs without a result share the last ones. Bands are \
        standard errors.
        """,
      lines: lines, units: (unit, ""),
      tables: [
        HTMLTable(
          caption: "Average rank", columns: ["Budget"] + table.curves.map(\.label),
          rows: Self.parts.indices.map { index in
            (
              budgetName(Self.parts[index], table.grid[index]),
              table.curves.map { "\(Numbers.decimals($0.points[index].mean, 2))" }
            )
          })
      ]
    ).html(isLive: vega != nil)
  }

  func targetPlot() throws(ReportError) -> HTML? {
    guard hasResults else { return nil }
    let targets = TargetDistribution(curves.runs)
    let shown = targets.targets.indices.filter { $0 % 5 == 0 }
    return try HTMLFigure(
      plot: try VegaPlot(try Chart.targets(targets, size: 100)), label: "Part of targets reached, a line per method",
      caption: """
        The part of all pairs of a run and a target that were reached, as in COCO. The targets are \
        \(targets.targets.count) values of \(targets.metric.rawValue) regret, evenly spaced in the logarithm, from \
        \(Numbers.digits(100 * (targets.targets.first ?? 0))) to \
        \(Numbers.digits(100 * (targets.targets.last ?? 0))) percent points.
        """,
      lines: lines, units: (unit, " %"),
      tables: [
        HTMLTable(
          caption: "Expected running time in \(unit) to a target of regret in percent points, and the part of runs "
            + "that reached it",
          columns: ["Target"] + targets.methods.map(\.label),
          rows: shown.map { index in
            let cells = targets.methods.map { method -> HTML in
              let time = method.times[index]
              return """
                \(time.expected.map(Numbers.amount) ?? "–")<br />\(Numbers.share(time.successRate ?? 0))
                """
            }
            return ("\(Numbers.digits(100 * targets.targets[index], 3))", cells)
          })
      ]
    ).html(isLive: vega != nil)
  }
}
