import Anytime
import Experiments
import Foundation

/// Where the budget went.
extension HTMLReport {
  /// A use of the budget: its title, its class in the style sheet.
  private struct Use {
    let title: String
    let name: String
  }

  private static let titles = ["lost": "lost at the horizon"]

  var ledger: HTML? {
    let kinds = Ledger.Kind.allCases.filter { kind in
      results.methods.contains { $0.runs.contains { $0.result.ledger.contains { $0.kind == kind } } }
    }
    let uses =
      kinds.map { Use(title: Self.titles[$0.rawValue] ?? $0.rawValue, name: $0.rawValue) }
      + [Use(title: "not spent", name: "unspent")]
    let rows = results.methods.filter { !$0.runs.isEmpty }.map { method -> (name: HTML, cells: [HTML]) in
      var amounts = kinds.map { kind in mean(method) { $0.ledger.first { $0.kind == kind }?.amount ?? 0 } }
      amounts.append(max(0, experiment.horizon - amounts.reduce(0, +)))
      let cells = amounts.map { amount -> HTML in
        amount == 0
          ? "–"
          : """
          <span class="pair">\(Figures.amount(amount))</span> \
          <span class="pair">\(Figures.share(amount / experiment.horizon))</span>
          """
      }
      let bar = bar(amounts, uses, method.entry.label)
      let own = mean(method) { $0.overheadSeconds }
      return (name(method.entry.label), [bar] + cells + ["\(Figures.seconds(own))"])
    }
    let table = HTMLTable(
      caption: "Mean per run, in \(unit) and as a part of the budget",
      columns: ["Method", "Budget"] + uses.map { "\($0.title.prefix(1).uppercased())\($0.title.dropFirst())" }
        + ["Own time, measured"], rows: rows)
    let keys = uses.map { use -> HTML in
      """
      <li><svg width="14" height="14" aria-hidden="true"><rect class="use-\(use.name)" width="14" height="14"/></svg> \
      \(use.title)</li>
      """
    }
    return """
      <p>Lost is what was left when a training would have ended past the horizon: it was paid and showed nothing. \
      A method's own time is measured, and \(experiment.policy.chargeOverhead ? "charged" : "free").</p>
      <ul class="keys">\(keys)</ul>
      \(table.html)
      """
  }

  private func mean(_ method: MethodResults, _ value: (RunResult) -> Double) -> Double {
    method.runs.map { value($0.result) }.reduce(0, +) / Double(max(1, method.runs.count))
  }

  private func bar(_ amounts: [Double], _ uses: [Use], _ label: String) -> HTML {
    var start = 0.0
    let parts = zip(amounts, uses).filter { $0.0 > 0 }.map { amount, use -> HTML in
      let width = 100 * amount / experiment.horizon
      defer { start += width }
      return """
        <rect class="use-\(use.name)" x="\(String(format: "%.2f", start))%" width="\(String(format: "%.2f", width))%" \
        height="14"/>
        """
    }
    return "<svg class=\"bar\" height=\"14\" role=\"img\" aria-label=\"budget of \(label)\">\(parts)</svg>"
  }
}
