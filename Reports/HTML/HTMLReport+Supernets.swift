import Anytime
import Experiments
import Foundation
import SearchSpaces
import Statistics

/// Measurements of one-shot methods' supernets over their epochs.
extension HTMLReport {
  private var traced: [MethodResults] {
    results.methods.filter { $0.endedRuns.contains { !$0.result.trace.isEmpty } }
  }

  func supernets() throws(ReportError) -> HTML? {
    let methods = traced
    guard !methods.isEmpty else { return nil }
    guard let values = TraceValues(methods) else { return "\(recommendations)\(surpassing)" }
    let figure = HTMLFigure(
      plot: try VegaPlot(
        values.names.map { ([$0], values.chart(of: $0, title: experiment.name, caption: curves.runs.caption)) },
        choosing: [("value", "Show")]),
      label: "What was measured over supernet epochs, a line per method",
      caption: """
        The mean over runs after every supernet epoch at which it was measured, with a band of a standard error. \
        Spearman's and Kendall's are rank correlations of the one-shot validation error (by loss: of the one-shot \
        loss) of a fixed sample of cells with their mean error in the table: 1 would be a supernet that ranks cells as \
        their own trainings do, 0 one that says nothing. With the probe before: of the one-shot errors of two \
        successive probes, 1 if the ranking has settled. No method sees them.
        """,
      lines: methods.map { ($0.entry.label, swatch($0.entry.label)) },
      units: ("epochs", ""),
      tables: values.names.map { valueTable(values, $0) })
    return """
      \(recommendations)\(surpassing)\(try figure.html(isLive: vega != nil))\(rankings(values))\
      \(methods.compactMap(weights))
      """
  }

  /// How supernets ranked cells at the end.
  private func rankings(_ values: TraceValues) -> HTML? {
    let measures = RankingMeasure.allCases.filter { measure in
      values.methods.contains { $0.last[measure.rawValue] != nil }
    }
    let rows = values.methods.compactMap { method -> (name: HTML, cells: [HTML])? in
      let cells = measures.map { measure in
        method.last[measure.rawValue].flatMap(Curves.Summary.init).map { "\(Self.text($0))" as HTML } ?? "–"
      }
      return cells.allSatisfy { $0 == "–" } ? nil : (name(method.label), cells)
    }
    guard !rows.isEmpty else { return nil }
    return """
      <p>The one-shot top and bottom are a twentieth of the probed cells each, at least one, with the least and the \
      greatest one-shot error. Precision is the part of them that is also among as many cells with the least \
      (greatest) mean error in the table. Best and worst rank are those of the one-shot top in the table, over the \
      number of probed cells: from nearly 0, for the best cell, to 1. Spearman with parameters tells the bias by size: \
      positive where small cells have less one-shot error, negative where large ones have (Ning et al., NeurIPS \
      2021).</p>
      \(HTMLTable(
        caption: "Ranking of the probed cells at each run's last probe: mean ± standard error over runs",
        columns: ["Method"] + measures.map { Self.capitalized($0.rawValue) }, rows: rows
      ).html)
      """
  }

  /// The probability that what one-shot methods return surpasses a random cell, beside that of random search.
  private var surpassing: HTML? {
    guard let surpassing = benchmark.flatMap({ Surpassing($0) }) else { return nil }
    let rows = results.methods.compactMap { method -> (name: HTML, cells: [HTML])? in
      guard method.family == .oneShot else { return nil }
      let runs = method.endedRuns.compactMap { run -> (ours: Double, trainings: Int)? in
        run.result.trajectory.last.flatMap { surpassing.probability(of: $0.architecture) }.map {
          ($0, Int(min(1e9, run.result.spent.seconds / surpassing.secondsPerTraining)))
        }
      }
      guard let ours = runs.map(\.ours).mean, let trainings = runs.map({ Double($0.trainings) }).mean
      else { return nil }
      var random = RandomGenerator(seed: 0, stream: "surpassing \(method.entry.label)")
      let interval = Bootstrap.interval(runs.map(\.ours), using: &random)
      let theirs = runs.compactMap { surpassing.probability(ofBestOf: $0.trainings) }
      let cells = [
        Numbers.decimals(ours, 3),
        interval.map { "\(Numbers.decimals($0.lowerBound, 3)) to \(Numbers.decimals($0.upperBound, 3))" } ?? "–",
        theirs.count == runs.count ? theirs.mean.map { Numbers.decimals($0, 3) } ?? "–" : "–",
        Numbers.decimals(trainings, 1), "\(runs.count)",
      ]
      return (name(method.entry.label), cells.map { "\($0)" })
    }
    guard !rows.isEmpty else { return nil }
    return """
      <p>A cell that is drawn uniformly from the space has a probability of 0.5. Random search at equal cost draws as \
      many configurations as the run's spending would have bought trainings at the highest epoch count, of average \
      length over all configurations, trains each once, and returns the one with the greatest validation accuracy; its \
      value is exact, by the distribution of the table's trainings.</p>
      \(HTMLTable(
        caption: "Probability that the cell that a run returns has a greater mean \(surpassing.metric.rawValue) "
          + "accuracy than one drawn uniformly from the space, ties half: mean over runs, 95 % bootstrap interval",
        columns: [
          "Method", "Probability", "95 % interval", "Random search at equal cost", "Trainings it makes", "Runs",
        ], rows: rows
      ).html)
      """
  }

  private static func text(_ summary: Curves.Summary) -> String {
    Numbers.decimals(summary.mean, 3) + (summary.standardError.map { " ± " + Numbers.decimals($0, 3) } ?? "")
  }

  private static func capitalized(_ name: String) -> String { "\(name.prefix(1).uppercased())\(name.dropFirst())" }

  /// Final regret beside that of the last epochs' recommendations.
  private var recommendations: HTML? {
    let rows = leaderboard.rows.compactMap { row -> (name: HTML, cells: [HTML])? in
      guard let last = row.lastEpochs else { return nil }
      let cells = [
        row.meanText ?? row.reason, last.meanText, last.intervalText ?? "–", Numbers.decimals(last.architectures, 1),
        LastEpochs.text(last.epochs), "\(last.n)",
      ]
      return (name(row.label), cells.map { "\($0)" })
    }
    guard !rows.isEmpty else { return nil }
    return """
      <p>After every epoch a one-shot method recommends a cell. Where that jumps, the final regret is of a single \
      draw; the mean over the last \(LastEpochs.count) epochs that a run did, without a selection after them, is what \
      it may be expected to return when it is stopped about there.</p>
      \(HTMLTable(
        caption: "\(metric.rawValue.capitalized) regret in percent points, mean ± standard error over runs: at the "
          + "end, and averaged over each run's last epochs with a 95 % interval by Student's t distribution",
        columns: [
          "Method", "At the end", "Last epochs", "95 % interval", "Different cells in them", "Epochs", "Runs",
        ], rows: rows
      ).html)
      """
  }

  /// About a dozen epochs, the last one among them.
  private func valueTable(_ values: TraceValues, _ value: String) -> HTMLTable {
    let epochs = values.epochs(of: value)
    let step = max(1, (epochs.count + 11) / 12)
    let shown = stride(from: epochs.count - 1, through: 0, by: -step).reversed().map { epochs[$0] }
    return HTMLTable(
      caption: "\(Self.capitalized(value)): mean ± standard error over runs",
      columns: ["Epoch"] + values.methods.map(\.label),
      rows: shown.map { epoch in
        let cells = values.methods.map { method -> HTML in
          method.summary(of: value, epoch: epoch).map { "\(Self.text($0))" } ?? "–"
        }
        return ("\(epoch)", cells)
      })
  }

  /// The architecture's weights at the end of a method's first run that has any.
  private func weights(_ method: MethodResults) -> HTML? {
    guard let space = SearchSpace(named: experiment.space), let parameters = space.architectureParameters,
      let run = method.endedRuns.first(where: { $0.result.trace.last?.weights.count == parameters.rows.count }),
      let last = run.result.trace.last, !last.weights.isEmpty
    else { return nil }
    let rows = zip(parameters.rows, last.weights).map { row, weights -> (name: HTML, cells: [HTML]) in
      let chosen = Set(weights.indices.sorted { (-weights[$0], $0) < (-weights[$1], $1) }.prefix(row.selected))
      let isOperation = if case .operation = row.kind { true } else { false }
      let parts = weights.indices.map { index -> HTML in
        let title =
          isOperation && index < Cell.Operation.allCases.count
          ? CellDrawing.label(Cell.Operation.allCases[index]) : index == 0 ? "input" : "vertex \(index)"
        let text = "\(title) \(Numbers.decimals(weights[index], 3))"
        let element = chosen.contains(index) ? "strong" : "span"
        return "<\(element) class=\"pair\">\(text)</\(element)>"
      }
      return ("\(row.name)", [HTML(markup: parts.map(\.text).joined(separator: " "))])
    }
    return """
      <details><summary>Architecture weights of \(method.entry.label), seed \(String(run.seed)), epoch \
      \(last.epoch)</summary>
      \(HTMLTable(
        caption: "Weights of every choice; what would be selected is bold", columns: ["Choice", "Weights"], rows: rows,
        isWords: true
      ).html)</details>

      """
  }
}

/// Measurements of several methods' supernets by epoch.
struct TraceValues {
  struct Method {
    let label: String
    let method: String
    let family: Anytime.Method.Family
    /// A value per run, by name and epoch.
    let values: [String: [Int: [Double]]]
    /// What every run measured last, by name.
    let last: [String: [Double]]

    func summary(of name: String, epoch: Int) -> Curves.Summary? {
      values[name]?[epoch].flatMap(Curves.Summary.init)
    }
  }

  let methods: [Method]
  /// The names of the measurements that are shown over epochs, correlations first.
  let names: [String]

  /// The measures of rankings that are shown over epochs; others are shown at the end only.
  private static let curves: [RankingMeasure] = [.spearman, .kendall, .spearmanByLoss, .stability]

  /// - Returns: `nil` if nothing was measured.
  init?(_ results: [MethodResults]) {
    methods = results.map { method in
      var values: [String: [Int: [Double]]] = [:]
      var last: [String: [Double]] = [:]
      for run in method.endedRuns {
        var latest: [String: Double] = [:]
        for point in run.result.trace {
          for (name, value) in point.values where value.isFinite {
            values[name, default: [:]][point.epoch, default: []].append(value)
            latest[name] = value
          }
        }
        for (name, value) in latest { last[name, default: []].append(value) }
      }
      return Method(
        label: method.entry.label, method: method.entry.method, family: method.family, values: values, last: last)
    }
    let first = Self.curves.map(\.rawValue)
    let all = Set(methods.flatMap(\.values.keys))
    names = first.filter(all.contains) + all.subtracting(RankingMeasure.allCases.map(\.rawValue)).sorted()
    if names.isEmpty { return nil }
  }

  /// The epochs at which any method was measured, ascending.
  func epochs(of name: String) -> [Int] {
    Set(methods.flatMap { $0.values[name].map { Array($0.keys) } ?? [] }).sorted()
  }
  /// The means over runs, with a band of a standard error.
  func chart(of name: String, title: String, caption: String) -> Chart {
    let series = methods.map { method in
      let points = (method.values[name] ?? [:]).keys.sorted().compactMap { epoch -> Chart.Point? in
        guard let summary = method.summary(of: name, epoch: epoch) else { return nil }
        let error = summary.standardError ?? 0
        return Chart.Point(Double(epoch), summary.mean, summary.mean - error, summary.mean + error)
      }
      return Chart.Series(label: method.label, points: points, hasBand: points.contains { $0.low < $0.high })
    }
    let points = series.flatMap(\.points)
    let (low, high) = (points.map(\.low).min() ?? 0, points.map(\.high).max() ?? 1)
    let margin = high > low ? 0.05 * (high - low) : 0.5
    return Chart(
      title: title, caption: caption, description: "Measurements of supernets, by epoch",
      x: Chart.Axis(title: "supernet epoch", 0...max(1, points.map(\.x).max() ?? 1)),
      y: Chart.Axis(title: name, low - margin...high + margin),
      methods: methods.map { Chart.Line(label: $0.label, method: $0.method, family: $0.family) },
      series: series, showsBands: methods.count <= Chart.bandedLines, isStepped: false)
  }
}
