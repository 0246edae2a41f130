import Anytime
import Experiments
import Foundation
import Statistics

/// The methods of an experiment by what they reached at the horizon, and which differences are significant.
public struct Leaderboard: Sendable {
  /// One method.
  public struct Row: Sendable {
    /// The method's label.
    public let label: String
    /// 1 for the least mean final regret; ties share their mean rank, and methods without any regret the last one.
    public let rank: Double
    /// Final regret over the runs that have an incumbent, by ``metric``: its mean is the leaderboard's.
    public let final: Curves.Summary?
    /// The 95 % BCa bootstrap interval of the mean final regret, of 2,000 resamples; `nil` where it is undefined.
    public let interval: ClosedRange<Double>?
    /// The median regret over all runs that ended well at every budget of ``SignificanceTable/budgets``; `nil` where
    /// half of the runs have no incumbent yet.
    public let medians: [Double?]
    /// The quartiles of final regret over all runs that ended well, as ``medians``.
    public let lowerQuartile, upperQuartile: Double?
    /// At every budget, the number of methods that this one significantly outperforms, and that outperform it.
    public let wins, losses: [Int]
    /// The mean over runs of the mean regret over ``Leaderboard/range``: the area under the curve divided by its
    /// length, over the budget and over its logarithm.
    public let area, logArea: Double?
    /// The number of runs that ended well. All statistics are over these.
    public let runs: Int
    /// The number of runs that failed.
    public let failed: Int
    /// The number of runs that ended well, but without any incumbent.
    public let emptyRuns: Int
    /// What a one-shot method recommended over its last epochs; `nil` for other methods.
    public let lastEpochs: LastEpochs?
    /// Mean number of trainings; `nil` without a run that ended well.
    public let evaluations: Double?
    /// A blackbox optimizer's own time per training, in microseconds, measured. `nil` for methods that train
    /// themselves.
    public let microsecondsPerEvaluation: Double?

    /// The median of final regret over all runs that ended well; `nil` where half of them have no incumbent.
    public var median: Double? { medians.last ?? nil }

    /// The text of a row without a mean.
    var reason: String { runs > 0 ? "no incumbent" : failed > 0 ? "all runs failed" : "no run" }
    /// The mean final regret with its standard error, in percent points.
    var meanText: String? { final.map { Numbers.percent($0.mean, error: $0.standardError) } }
    /// The median in percent points, `–` where it has no number; `nil` without a mean.
    var medianText: String? { text([median]) }
    /// The quartiles, likewise.
    var quartilesText: String? { text([lowerQuartile, upperQuartile]) }
    private func text(_ values: [Double?]) -> String? {
      final == nil ? nil : values.map { $0.map { Numbers.percent($0) } ?? "–" }.joined(separator: " to ")
    }
    var rankText: String { Numbers.digits(rank) }
    var evaluationsText: String? { evaluations.map { Numbers.decimals($0, 1) } }
    var microsecondsText: String? { microsecondsPerEvaluation.map { Numbers.decimals($0, 2) } }
  }

  /// The accuracy whose regret is compared.
  public let metric: RegretMetric
  /// The methods by rank.
  public let rows: [Row]
  /// The comparisons of all pairs of methods.
  public let significance: SignificanceTable
  /// The budgets at which all curves are defined: from the latest first incumbent of any run to the end.
  public let range: ClosedRange<Double>?
  /// A line for every method some of whose runs failed.
  public let failureTexts: [String]
  /// Lines on other runs of the store, and on child runs.
  private let notes: [String]
  private let caption: String

  /// The leaderboard of an experiment, by its default metric.
  public init(_ results: ExperimentResults) { self.init(RegretRuns(results)) }

  /// - Parameter metric: By default test, where the table has it.
  public init(
    _ regrets: RegretRuns, metric: RegretMetric? = nil, test: SignificanceTable.Test? = nil
  ) {
    let metric = metric ?? regrets.defaultMetric
    let significance = SignificanceTable(regrets, metric: metric, test: test)
    let firsts = regrets.methods.flatMap { $0.runs.compactMap { $0.validation.positions.first } }
    let range = firsts.max().flatMap { $0 < regrets.end ? $0...regrets.end : nil }
    self.metric = metric
    self.significance = significance
    self.range = range
    caption = regrets.caption
    failureTexts = regrets.results.failureTexts
    notes = regrets.results.otherRunTexts + regrets.results.methods.compactMap { method in
      let children = ChildSpending.all(method)
      guard !children.isEmpty else { return nil }
      let horizon = regrets.results.experiment.horizon
      let parts = children.map { "\($0.name) (\($0.method)) \(Numbers.share($0.amount / horizon))" }
      return "Of the budget of \(method.entry.label), child runs were given: \(parts.joined(separator: ", "))."
    }
    let finals = regrets.methods.map { $0.runs.map { $0.curve(metric)?.value(at: regrets.end) } }
    let means = finals.map { $0.compactMap { $0 }.mean ?? .infinity }
    rows = regrets.methods.indices.map { index in
      let method = regrets.methods[index]
      let better = means.count { $0 < means[index] }
      let equal = means.count { $0 == means[index] }
      let compared = significance.labels.firstIndex(of: method.label)
      func others(_ number: (SignificanceTable.Row, Int) -> Int) -> [Int] {
        compared.map { compared in significance.rows.map { number($0, compared) } } ?? []
      }
      let done = regrets.results.methods[index].endedRuns.map(\.result)
      let evaluations = done.map(\.spent.evaluations)
      let total = evaluations.reduce(0, +)
      let reached = finals[index].compactMap { $0 }
      var random = RandomGenerator(seed: 0, stream: "leaderboard \(method.label)")
      func area(_ scale: StepCurve.Scale) -> Double? {
        range.flatMap { range in
          method.runs.compactMap { $0.curve(metric)?.meanHeight(over: range, scale: scale) }.mean
        }
      }
      /// Of all runs; finite, as interpolation makes no number of infinity.
      func quantile(_ part: Double, at fraction: Double) -> Double? {
        method.runs.map { $0.curve(metric)?.value(at: fraction * regrets.end) ?? .greatestFiniteMagnitude }
          .quantile(part).flatMap { $0 < 1 ? $0 : nil }
      }
      return Row(
        label: method.label, rank: Double(better) + Double(equal + 1) / 2, final: Curves.Summary(reached),
        interval: Bootstrap.interval(reached, using: &random),
        medians: SignificanceTable.budgets.map { quantile(0.5, at: $0) }, lowerQuartile: quantile(0.25, at: 1),
        upperQuartile: quantile(0.75, at: 1), wins: others { $0.wins($1).count },
        losses: others { $0.losses($1).count }, area: area(.linear), logArea: area(.log), runs: method.runs.count,
        failed: method.failed, emptyRuns: finals[index].count { $0 == nil },
        lastEpochs: LastEpochs(
          regrets.results.methods[index], metric: metric, policy: regrets.results.experiment.policy),
        evaluations: evaluations.mean,
        microsecondsPerEvaluation: total > 0 && regrets.results.methods[index].family == .blackbox
          ? done.map(\.overheadSeconds).reduce(0, +) / total * 1e6 : nil)
    }.sorted { ($0.rank, $0.label) < ($1.rank, $1.label) }
  }

  /// Aligned columns, the significant differences and a caption, for a terminal. Regret is in percent points.
  public var text: String {
    func percent(_ value: Double?) -> String { value.map { Numbers.percent($0) + " %" } ?? "-" }
    let budgets = SignificanceTable.budgets.dropLast()
    var lines = [
      ["rank", "method", "mean \(metric.rawValue) regret", "median"]
        + budgets.map { "at \(Numbers.part($0))" } + ["runs", "trainings", "µs each"]
    ]
    for row in rows {
      lines.append(
        [row.rankText, row.label, row.meanText.map { $0 + " %" } ?? row.reason, percent(row.median)]
          + budgets.indices.map { percent(row.medians[$0]) }
          + [String(row.runs), row.evaluationsText ?? "-", row.microsecondsText ?? "-"])
    }
    let widths = lines[0].indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    var text = lines.map { line in
      line.indices.map { column in
        let padding = String(repeating: " ", count: widths[column] - line[column].count)
        return column == 1 ? line[column] + padding : padding + line[column]
      }.joined(separator: "  ")
    }.joined(separator: "\n")
    let empty = rows.reduce(0) { $0 + $1.emptyRuns }
    if empty > 0 {
      text += "\n\(empty) runs ended before their first result: in no mean, and the worst in medians and tests."
    }
    for line in failureTexts + notes { text += "\n" + line }
    let lasts = rows.compactMap { row in
      row.lastEpochs.map { last in
        "\(row.label) \(last.meanText) %" + (last.intervalText.map { " (\($0))" } ?? "")
      }
    }
    if !lasts.isEmpty {
      let counts = rows.compactMap(\.lastEpochs?.epochs)
      let range = (counts.map(\.lowerBound).min() ?? 0)...(counts.map(\.upperBound).max() ?? 0)
      text += "\nRecommendations of the last \(LastEpochs.text(range)) epochs, mean (95 % interval): "
        + lasts.joined(separator: "; ")
    }
    if !significance.rows.isEmpty { text += "\n\n" + significance.text }
    return text
      + "\n\n(\(caption); mean ± its standard error: of runs with a result; medians, in the end and at 1 % and 10 % of "
      + "the budget: of all runs; µs each: the time that a blackbox method itself takes per training)"
  }
}

extension SignificanceTable {
  /// The significant differences at every budget, and the test, for a terminal.
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
          + "(p \(names.count > 1 ? Numbers.bound(most) : Numbers.probability(most)))"
      }
      let head = "At \(Numbers.part(row.fraction)) of the budget: "
      return parts.isEmpty ? [head + "no significant difference"] : [head] + parts
    }
    let few = rows.last?.tooFew ?? []
    let note =
      few.isEmpty
      ? [] : ["Too few runs for any significant difference: \(few.map(\.text).joined(separator: separator))"]
    return (lines + note).map { $0.replacing(/\ +$/, with: "") }.joined(separator: "\n") + "\n(\(caption))"
  }

  /// The test, its level and the runs, in a line.
  public var caption: String {
    "\(test.text), level \(Self.level), \(metric.rawValue) regret over "
      + (test.isPaired ? "\(seeds) common seeds" : "all runs")
  }
}
