import Anytime
import CellSpace
import Experiments
import Foundation

/// What one-shot methods' supernets were like over their epochs.
extension HTMLReport {
  private var traced: [MethodResults] {
    results.methods.filter { $0.runs.contains { !$0.result.trace.isEmpty } }
  }

  func supernets() throws(ReportError) -> HTML? {
    let methods = traced
    guard !methods.isEmpty, let values = TraceValues(methods) else { return nil }
    let figure = HTMLFigure(
      plot: try VegaPlot(traceOf: values, title: experiment.name, caption: curves.runs.caption),
      label: "What was measured over supernet epochs, a line per method",
      caption: """
        The mean over runs after every supernet epoch at which it was measured, with a band of a standard error. \
        Spearman's and Kendall's are rank correlations of the one-shot validation error of a fixed sample of cells \
        with their mean error in the table: 1 would be a supernet that ranks cells as their own trainings do, 0 one \
        that says nothing. No method sees them.
        """,
      lines: methods.map { ($0.entry.label, swatch($0.entry.label)) },
      choices: [.init(signal: "value", title: "Show", options: values.names, chosen: values.names[0])],
      bands: methods.count <= VegaPlot.bandedLines, units: ("epochs", ""),
      tables: values.names.map { valueTable(values, $0) })
    return "\(try figure.html(isLive: vega != nil))\(methods.compactMap(weights))"
  }

  /// About a dozen epochs, the last one among them.
  private func valueTable(_ values: TraceValues, _ value: String) -> HTMLTable {
    let epochs = values.epochs(of: value)
    let step = max(1, (epochs.count + 11) / 12)
    let shown = stride(from: epochs.count - 1, through: 0, by: -step).reversed().map { epochs[$0] }
    return HTMLTable(
      caption: "\(value.prefix(1).uppercased())\(value.dropFirst()): mean ± standard error over runs",
      columns: ["Epoch"] + values.methods.map(\.label),
      rows: shown.map { epoch in
        let cells = values.methods.map { method -> HTML in
          guard let summary = method.summary(of: value, epoch: epoch) else { return "–" }
          let error = summary.standardError.map { String(format: " ± %.3f", $0) } ?? ""
          return "\(String(format: "%.3f", summary.mean))\(error)"
        }
        return ("\(epoch)", cells)
      })
  }

  /// The architecture's weights at the end of a method's first run that has any.
  private func weights(_ method: MethodResults) -> HTML? {
    guard let space = SearchSpace(named: experiment.space), let parameters = space.architectureParameters,
      let run = method.runs.first(where: { $0.result.trace.last?.weights.count == parameters.rows.count }),
      let last = run.result.trace.last, !last.weights.isEmpty
    else { return nil }
    let rows = zip(parameters.rows, last.weights).map { row, weights -> (name: HTML, cells: [HTML]) in
      let chosen = Set(weights.indices.sorted { (-weights[$0], $0) < (-weights[$1], $1) }.prefix(row.selected))
      let isOperation = row.selected == 1 && row.name.hasPrefix("op")
      let parts = weights.indices.map { place -> HTML in
        let title =
          isOperation && place < Cell.Operation.allCases.count
          ? CellDrawing.label(Cell.Operation.allCases[place]) : place == 0 ? "input" : "vertex \(place)"
        let text = "\(title) \(String(format: "%.3f", weights[place]))"
        let element = chosen.contains(place) ? "strong" : "span"
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

/// What was measured at which epochs, of several methods.
struct TraceValues {
  struct Method {
    let label: String
    let method: String
    /// By name and epoch, a value per run.
    let values: [String: [Int: [Double]]]

    func summary(of name: String, epoch: Int) -> Curves.Summary? {
      values[name]?[epoch].flatMap(Curves.Summary.init)
    }
  }

  let methods: [Method]
  /// Names of what was measured, correlations first.
  let names: [String]

  /// - Returns: `nil` if nothing was measured.
  init?(_ results: [MethodResults]) {
    methods = results.map { method in
      var values: [String: [Int: [Double]]] = [:]
      for run in method.runs {
        for point in run.result.trace {
          for (name, value) in point.values where value.isFinite {
            values[name, default: [:]][point.epoch, default: []].append(value)
          }
        }
      }
      return Method(label: method.entry.label, method: method.entry.method, values: values)
    }
    let first = ["spearman", "kendall"]
    let all = Set(methods.flatMap(\.values.keys))
    names = first.filter(all.contains) + all.subtracting(first).sorted()
    if names.isEmpty { return nil }
  }

  /// The epochs at which any method was measured, ascending.
  func epochs(of name: String) -> [Int] {
    Set(methods.flatMap { $0.values[name].map { Array($0.keys) } ?? [] }).sorted()
  }
}

extension VegaPlot {
  /// What was measured over supernet epochs.
  init(traceOf values: TraceValues, title: String, caption: String) throws(ReportError) {
    var rows: [JSONValue] = []
    var last = 1
    for method in values.methods {
      for name in values.names {
        for (epoch, numbers) in (method.values[name] ?? [:]).sorted(by: { $0.key < $1.key }) {
          guard let summary = Curves.Summary(numbers) else { continue }
          last = max(last, epoch)
          rows.append([
            "method": .text(method.label), "value": .text(name), "epoch": .number(Double(epoch)),
            "n": .number(Double(summary.n)), "mean": .rounded(summary.mean),
            "standardError": .rounded(summary.standardError),
          ])
        }
      }
    }
    try self.init(
      title: title, caption: caption, description: "What was measured of supernets, by epoch",
      Content(
        methods: values.methods.map { ($0.label, $0.method) },
        choices: [Self.choice("value", values.names[0], among: values.names)], rows: rows,
        lines: [
          Self.filter("datum.value == value"), Self.formula("x", "datum.epoch"), Self.formula("y", "datum.mean"),
          Self.formula("low", "datum.mean - datum.standardError"),
          Self.formula("high", "datum.mean + datum.standardError"),
        ], showsBands: values.methods.count <= Self.bandedLines, isStepped: false),
      x: Axis(title: "supernet epoch"), y: Axis(title: "value"), xDomain: 0...Double(last))
  }
}
