import Anytime
import Foundation

/// What the methods reached, in words and numbers.
extension HTMLReport {
  /// A sentence per method, by rank.
  var summary: HTML? {
    let sentences = leaderboard.rows.map { row -> HTML in "<li>\(sentence(row))</li>\n" }
    return """
      <p>Regret is the best mean accuracy in the search space minus that of the cell that a run would return, in \
      percent points of \(metric.rawValue) accuracy; less is better.</p>
      <ol class="summary">
      \(sentences)</ol>

      """
  }

  private func sentence(_ row: Leaderboard.Row) -> HTML {
    let runs = Figures.count(row.runs, "run", "runs")
    guard let final = row.final else {
      return "\(name(row.label)) has no result in \(runs)."
    }
    let error = final.standardError.map { " ± \(Figures.percent($0))" } ?? ""
    let spread: HTML =
      final.n > 1
      ? """
      , median \(Figures.percent(final.median)) (quartiles \(Figures.percent(final.lowerQuartile)) to \
      \(Figures.percent(final.upperQuartile)))
      """ : ""
    let perfect = finals(row.label).count { $0 <= 0 }
    let end: HTML =
      final.n == 1
      ? "" : "; \(perfect == 0 ? "no run ends" : perfect == 1 ? "1 run ends" : "\(perfect) runs end") at zero"
    let empty: HTML =
      row.emptyRuns > 0 ? " \(Figures.count(row.emptyRuns, "run", "runs")) ended before a first result." : ""
    let trainings = String(format: "%.1f", row.evaluations)
    let isOneShot = results.methods.contains { $0.entry.label == row.label && $0.family == .oneShot }
    let work: HTML = isOneShot ? "for what \(trainings) trainings cost" : "after \(trainings) trainings"
    return """
      \(name(row.label)) reaches \(Figures.percent(final.mean))\(error) percent points\(spread) \(work) in \
      \(runs)\(end).\(empty)\(victories(row.label))
      """
  }

  /// Final regret of every run of a method that has an incumbent.
  func finals(_ label: String) -> [Double] {
    curves.runs.methods.first { $0.label == label }?.runs.compactMap { $0.curve(metric)?.values.last } ?? []
  }

  /// A method's label with its line's colour and dash.
  func name(_ label: String) -> HTML { "<span class=\"method\">\(swatch(label))\(label)</span>" }

  func swatch(_ label: String) -> HTML {
    let styles = MethodStyle.styles(of: experiment.methods.map(\.method))
    guard let place = experiment.methods.firstIndex(where: { $0.label == label }) else { return "" }
    let style = styles[place]
    let lengths = style.pattern.map { String(format: "%g", $0) }.joined(separator: " ")
    let dashes: HTML = lengths.isEmpty ? "" : " stroke-dasharray=\"\(lengths)\""
    return """
      <svg class="swatch" width="26" height="8" aria-hidden="true"><line x1="0" y1="4" x2="26" y2="4" \
      stroke="var(--series-\(style.colour), #\(style.colour))"\(dashes)/></svg>
      """
  }

  var leaderboardTable: HTML? {
    let rows = leaderboard.rows.map { row -> (name: HTML, cells: [HTML]) in
      let final = row.final
      let mean = final.map { summary in
        Figures.percent(summary.mean) + (summary.standardError.map { " ± \(Figures.percent($0))" } ?? "")
      }
      let quartiles = final.map {
        "\(Figures.percent($0.lowerQuartile)) to \(Figures.percent($0.upperQuartile))"
      }
      let cells = [
        row.rank.formatted(.number.precision(.fractionLength(0...1)).grouping(.never)), mean ?? "no result",
        final.map { Figures.percent($0.median) } ?? "", quartiles ?? "",
        "\(final?.n ?? 0) of \(row.runs)", String(format: "%.1f", row.evaluations),
        row.microsecondsPerEvaluation.map { String(format: "%.2f", $0) } ?? "–",
      ]
      return (name(row.label), cells.map { "\($0)" })
    }
    return HTMLTable(
      caption: "Final \(metric.rawValue) regret in percent points, by mean",
      columns: [
        "Method", "Rank", "Mean ± standard error", "Median", "Quartiles", "Runs with a result", "Trainings",
        "Own time each, µs",
      ], rows: rows
    ).html
  }
}
