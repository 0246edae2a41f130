import Anytime
import Foundation
import Statistics

/// The methods of an experiment by what they reached at the horizon.
public struct Leaderboard: Sendable {
  /// A method's line.
  public struct Row: Sendable {
    public let label: String
    /// 1 for the least mean final regret; ties share their mean rank.
    public let rank: Double
    /// Final regret over the runs that have an incumbent, by ``metric``.
    public let final: Curves.Summary?
    public let runs: Int
    /// Runs that ended without any incumbent.
    public let emptyRuns: Int
    /// Mean number of trainings.
    public let evaluations: Double
    /// The optimizer's own time per training, in microseconds, measured.
    public let microsecondsPerEvaluation: Double
  }

  public let metric: RegretMetric
  /// By rank.
  public let rows: [Row]
  private let caption: String

  public init(_ results: ExperimentResults) {
    let points = results.methods.flatMap { $0.runs.flatMap { $0.result.trajectory } }
    let metric: RegretMetric = points.contains { $0.testRegret != nil } ? .test : .validation
    self.metric = metric
    caption = Curves.caption(results)
    let summaries = results.methods.map { method in
      Curves.Summary(
        method.runs.compactMap {
          $0.result.trajectory.last.flatMap { metric == .test ? $0.testRegret : $0.validationRegret }
        })
    }
    let means = summaries.map { $0?.mean ?? .infinity }
    rows = zip(results.methods, summaries).map { method, summary in
      let mean = summary?.mean ?? .infinity
      let better = means.count { $0 < mean }
      let equal = means.count { $0 == mean }
      let runs = method.runs.map(\.result)
      let evaluations = runs.map(\.spent.evaluations)
      let total = evaluations.reduce(0, +)
      return Row(
        label: method.entry.label, rank: Double(better) + Double(equal + 1) / 2, final: summary,
        runs: runs.count, emptyRuns: runs.count { $0.trajectory.isEmpty },
        evaluations: evaluations.mean ?? 0,
        microsecondsPerEvaluation: total > 0 ? runs.map(\.overheadSeconds).reduce(0, +) / total * 1e6 : 0)
    }.sorted { ($0.rank, $0.label) < ($1.rank, $1.label) }
  }

  /// Aligned columns and a caption, for a terminal. Regret is in percent points.
  public var text: String {
    func percent(_ value: Double) -> String { String(format: "%.3f", 100 * value) }
    var lines = [
      ["rank", "method", "mean \(metric.rawValue) regret", "median", "runs", "trainings", "µs each"]
    ]
    for row in rows {
      let mean = row.final.map { summary in
        percent(summary.mean) + (summary.standardError.map { " ± " + percent($0) } ?? "") + " %"
      }
      lines.append([
        row.rank.formatted(.number.precision(.fractionLength(0...1))), row.label, mean ?? "no incumbent",
        row.final.map { percent($0.median) + " %" } ?? "-", String(row.runs),
        String(format: "%.1f", row.evaluations), String(format: "%.2f", row.microsecondsPerEvaluation),
      ])
    }
    let widths = lines[0].indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    var text = lines.map { line in
      line.indices.map { column in
        let padding = String(repeating: " ", count: widths[column] - line[column].count)
        return column == 1 ? line[column] + padding : padding + line[column]
      }.joined(separator: "  ")
    }.joined(separator: "\n")
    let empty = rows.reduce(0) { $0 + $1.emptyRuns }
    if empty > 0 { text += "\n\(empty) runs ended before their first result and are left out of the regret." }
    return text
      + "\n\n(\(caption); ± standard error of the mean; µs each: the method's own time per training)"
  }
}
