import Anytime
import Experiments
import Foundation
import Statistics

/// The methods of an experiment by what they reached at the horizon, and which differences are significant.
public struct Leaderboard: Sendable {
  /// A method's line.
  public struct Row: Sendable {
    public let label: String
    /// 1 for the least mean final regret; ties share their mean rank.
    public let rank: Double
    /// Final regret over the runs that have an incumbent, by ``metric``.
    public let final: Curves.Summary?
    /// The 95 % BCa bootstrap interval of the mean final regret, of 2,000 resamples; `nil` where it is undefined.
    public let interval: ClosedRange<Double>?
    /// The median regret over all runs at every budget of ``SignificanceTable/budgets``; `nil` where half of the
    /// runs have no incumbent yet.
    public let medians: [Double?]
    /// The numbers of methods than which this one is significantly better, and worse, at every budget.
    public let wins, losses: [Int]
    /// The mean over runs of the mean regret over ``Leaderboard/range``: the area under the curve by its length,
    /// over the budget and over its logarithm.
    public let area, logArea: Double?
    public let runs: Int
    /// Runs that ended without any incumbent.
    public let emptyRuns: Int
    /// Mean number of trainings.
    public let evaluations: Double
    /// A blackbox optimizer's own time per training, in microseconds, measured. `nil` for methods that train
    /// themselves.
    public let microsecondsPerEvaluation: Double?
  }

  public let metric: RegretMetric
  /// By rank.
  public let rows: [Row]
  public let significance: SignificanceTable
  /// From the last first incumbent of any run that has one to the end: where all curves are defined.
  public let range: ClosedRange<Double>?
  private let caption: String

  public init(_ results: ExperimentResults) { self.init(RegretRuns(results)) }

  /// - Parameter metric: By default test, where the table has it.
  public init(
    _ regrets: RegretRuns, metric: RegretMetric? = nil, test: SignificanceTable.Test? = nil
  ) {
    let metric = metric ?? regrets.defaultMetric
    let significance = SignificanceTable(regrets, metric: metric, test: test)
    let firsts = regrets.methods.flatMap { $0.runs.compactMap { $0.validation.places.first } }
    let range = firsts.max().flatMap { $0 < regrets.end ? $0...regrets.end : nil }
    self.metric = metric
    self.significance = significance
    self.range = range
    caption = regrets.caption
    let finals = regrets.methods.map { $0.runs.map { $0.curve(metric)?.value(at: regrets.end) } }
    let means = finals.map { $0.compactMap { $0 }.mean ?? .infinity }
    rows = regrets.methods.indices.map { place in
      let method = regrets.methods[place]
      let better = means.count { $0 < means[place] }
      let equal = means.count { $0 == means[place] }
      let done = regrets.results.methods[place].runs.map(\.result)
      let evaluations = done.map(\.spent.evaluations)
      let total = evaluations.reduce(0, +)
      let reached = finals[place].compactMap { $0 }
      var random = RandomGenerator(seed: 0, stream: "leaderboard \(method.label)")
      func area(_ scale: StepCurve.Scale) -> Double? {
        range.flatMap { range in
          method.runs.compactMap { $0.curve(metric)?.meanHeight(over: range, scale: scale) }.mean
        }
      }
      return Row(
        label: method.label, rank: Double(better) + Double(equal + 1) / 2, final: Curves.Summary(reached),
        interval: Bootstrap.interval(reached, using: &random),
        medians: SignificanceTable.budgets.map { fraction in
          // Finite, as interpolation makes no number of infinity.
          method.runs.map { $0.curve(metric)?.value(at: fraction * regrets.end) ?? .greatestFiniteMagnitude }
            .median.flatMap { $0 < 1 ? $0 : nil }
        }, wins: significance.rows.map { $0.wins(place).count },
        losses: significance.rows.map { $0.losses(place).count }, area: area(.linear), logArea: area(.log),
        runs: method.runs.count, emptyRuns: finals[place].count { $0 == nil },
        evaluations: evaluations.mean ?? 0,
        microsecondsPerEvaluation: total > 0 && regrets.results.methods[place].family == .blackbox
          ? done.map(\.overheadSeconds).reduce(0, +) / total * 1e6 : nil)
    }.sorted { ($0.rank, $0.label) < ($1.rank, $1.label) }
  }

  /// Aligned columns, the significant differences and a caption, for a terminal. Regret is in percent points.
  public var text: String {
    func percent(_ value: Double) -> String { String(format: "%.3f", 100 * value) }
    let budgets = SignificanceTable.budgets.dropLast()
    var lines = [
      ["rank", "method", "mean \(metric.rawValue) regret", "median"]
        + budgets.map { "at \(SignificanceTable.percent($0))" } + ["runs", "trainings", "µs each"]
    ]
    for row in rows {
      let mean = row.final.map { summary in
        percent(summary.mean) + (summary.standardError.map { " ± " + percent($0) } ?? "") + " %"
      }
      let own = row.microsecondsPerEvaluation.map { String(format: "%.2f", $0) } ?? "-"
      lines.append(
        [
          row.rank.formatted(.number.precision(.fractionLength(0...1))), row.label, mean ?? "no incumbent",
          row.final.map { percent($0.median) + " %" } ?? "-",
        ] + budgets.indices.map { row.medians[$0].map { percent($0) + " %" } ?? "-" } + [
          String(row.runs), String(format: "%.1f", row.evaluations), own,
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
    if !significance.rows.isEmpty { text += "\n\n" + significance.text }
    return text
      + "\n\n(\(caption); ± standard error of the mean; at 1 % and 10 % of the budget: median; µs each: the "
      + "time that a blackbox method itself takes per training)"
  }
}

extension SignificanceTable {
  /// What is significant at every budget, and how it was tested, for a terminal.
  public var text: String {
    let separator = labels.contains { $0.contains(",") } ? "; " : ", "
    let lines = rows.indices.flatMap { budget in
      let row = rows[budget]
      let order = CriticalDifferences(self, budget: budget)?.order ?? []
      let parts = order.compactMap { method -> String? in
        let beaten = row.wins(method)
        guard let most = row.pairs.filter({ $0.better == method }).map(\.pValue).max() else { return nil }
        let names = order.filter(beaten.contains).map { labels[$0] }
        return "  \(labels[method]) is better than \(names.joined(separator: separator)) "
          + "(p \(most < 0.0001 ? "" : names.count > 1 ? "≤ " : "")\(Self.text(most)))"
      }
      let head = "At \(Self.percent(row.fraction)) of the budget: "
      return parts.isEmpty ? [head + "no significant difference"] : [head] + parts
    }
    return lines.map { $0.replacing(/\ +$/, with: "") }.joined(separator: "\n") + "\n(\(caption))"
  }

  /// How pairs were compared, in a line.
  public var caption: String {
    "\(test.text), level \(Self.level), \(metric.rawValue) regret over "
      + (test.isPaired ? "\(seeds) common seeds" : "all runs")
  }

  /// A part of the budget as a percentage.
  public static func percent(_ fraction: Double) -> String {
    "\((100 * fraction).formatted(.number.precision(.fractionLength(0...2)).grouping(.never))) %"
  }

  /// A p-value with two digits.
  static func text(_ pValue: Double) -> String {
    pValue < 0.0001 ? "< 0.0001" : String(format: pValue < 0.01 ? "%.1g" : "%.2g", pValue)
  }
}
