import Anytime
import Experiments
import Foundation
import Statistics

/// The methods' results in words and numbers.
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
    let runs = Numbers.count(row.runs, "run", "runs")
    let failed: HTML = row.failed > 0 ? " \(Numbers.count(row.failed, "run", "runs")) failed." : ""
    guard let final = row.final else {
      return "\(name(row.label)) has no result in \(runs).\(failed)"
    }
    let spread: HTML =
      final.n > 1
      ? ", median \(row.medianText ?? "–") (quartiles \(row.quartilesText ?? "–"))" : ""
    let perfect = finals(row.label).count { $0 <= 0 }
    let end: HTML =
      final.n == 1
      ? "" : "; \(perfect == 0 ? "no run ends" : perfect == 1 ? "1 run ends" : "\(perfect) runs end") at zero"
    let empty: HTML =
      row.emptyRuns > 0
      ? """
       \(Numbers.count(row.emptyRuns, "run", "runs")) ended before a first result: in no mean, and the worst in the \
      median.
      """ : ""
    let trainings = row.evaluationsText ?? "no"
    let method = results.methods.first { $0.entry.label == row.label }
    let hasSupernet =
      switch method?.family {
      case .oneShot?: true
      case .composed?: method?.endedRuns.contains { $0.result.ledger.contains { $0.kind == .supernet } } ?? false
      case .blackbox?, nil: false
      }
    let work: HTML = hasSupernet ? "for what \(trainings) trainings cost" : "after \(trainings) trainings"
    return """
      \(name(row.label)) reaches \(row.meanText ?? "") percent points\(spread) \(work) in \(runs)\(end).\(empty)\
      \(failed)\(victories(row.label))
      """
  }

  /// Final regret of every run of a method that has an incumbent.
  func finals(_ label: String) -> [Double] {
    curves.runs.methods.first { $0.label == label }?.runs.compactMap { $0.curve(metric)?.values.last } ?? []
  }

  /// A method's label with its line's colour and dash.
  func name(_ label: String) -> HTML { "<span class=\"method\">\(swatch(label))\(label)</span>" }

  var styles: [String: MethodStyle] { MethodStyle.byLabel(curves.runs.regretNames) }

  func swatch(_ label: String) -> HTML {
    guard let style = styles[label] else { return "" }
    let lengths = style.pattern.map { Numbers.digits($0) }.joined(separator: " ")
    let dashes: HTML = lengths.isEmpty ? "" : " stroke-dasharray=\"\(lengths)\""
    return """
      <svg class="swatch" width="30" height="8" aria-hidden="true"><line x1="0" y1="4" x2="30" y2="4" \
      stroke="var(--series-\(style.colour), #\(style.colour))"\(dashes)/></svg>
      """
  }

  var leaderboardTable: HTML? {
    let rows = leaderboard.rows.map { row -> (name: HTML, cells: [HTML]) in
      let cells = [
        row.rankText, row.meanText ?? row.reason, row.medianText ?? "", row.quartilesText ?? "",
        "\(row.final?.n ?? 0) of \(row.runs)", "\(row.failed)", row.evaluationsText ?? "–",
        row.microsecondsText ?? "–",
      ]
      return (name(row.label), cells.map { "\($0)" })
    }
    return HTMLTable(
      caption: "Final \(metric.rawValue) regret in percent points, by mean: mean and its standard error of the runs "
        + "with a result, median and quartiles of all runs that ended well",
      columns: [
        "Method", "Rank", "Mean ± standard error", "Median", "Quartiles", "Runs with a result", "Failed runs",
        "Trainings", "Own time each, µs",
      ], rows: rows
    ).html
  }

  /// The failed runs with their reasons.
  var failures: HTML? {
    let rows = results.methods.flatMap { method in
      method.failedRuns.map { run -> (name: HTML, cells: [HTML]) in
        (name(method.entry.label), ["\(String(run.seed))", "\(run.reason)"])
      }
    }
    guard !rows.isEmpty else { return nil }
    return """
      <p>These runs came to no result and are in no mean, curve, rank or test.</p>
      \(HTMLTable(
        caption: "Failed runs", columns: ["Method", "Seed", "Reason"], rows: rows, isWords: true
      ).html)
      """
  }
}
