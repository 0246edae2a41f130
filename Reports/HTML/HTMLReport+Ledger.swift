import Anytime
import Experiments
import Foundation

/// The uses of the budget.
extension HTMLReport {
  /// A use of the budget: its title, its class in the style sheet.
  private struct Use {
    let title: String
    let name: String
  }

  private static let titles = ["lost": "lost at the horizon"]

  var ledger: HTML? {
    let kinds = Ledger.Kind.allCases.filter { kind in
      results.methods.contains { $0.endedRuns.contains { $0.result.ledger.contains { $0.kind == kind } } }
    }
    let uses =
      kinds.map { Use(title: Self.titles[$0.rawValue] ?? $0.rawValue, name: $0.rawValue) }
      + [Use(title: "not spent", name: "unspent")]
    let rows = results.methods.filter { !$0.endedRuns.isEmpty }.map { method -> (name: HTML, cells: [HTML]) in
      var amounts = kinds.map { kind in mean(method) { $0.ledger.first { $0.kind == kind }?.amount ?? 0 } }
      // Less is rounding.
      let rest = experiment.horizon - amounts.reduce(0, +)
      amounts.append(rest > 1e-9 * experiment.horizon ? rest : 0)
      let cells = amounts.map { amount -> HTML in
        amount == 0
          ? "–"
          : """
          \(Numbers.amount(amount))<br />\(Numbers.share(amount / experiment.horizon))
          """
      }
      let bar = bar(amounts, uses, method.entry.label)
      let own = mean(method) { $0.overheadSeconds }
      return (name(method.entry.label), [bar] + cells + ["\(Numbers.seconds(own))"])
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
      \(table.html)\(results.methods.compactMap(children))
      """
  }

  /// The cost of the methods that a method ran in child sessions.
  private func children(_ method: MethodResults) -> HTML? {
    let children = ChildSpending.all(method)
    guard !children.isEmpty else { return nil }
    let kinds = Ledger.Kind.allCases.filter { kind in children.contains { $0.kinds[kind] != nil } }
    func money(_ amount: Double?) -> HTML { amount.map { "\(Numbers.amount($0))" } ?? "–" }
    let table = HTMLTable(
      caption: "Child runs of \(method.entry.label): mean per run of it, in \(unit)",
      columns: ["Child", "Method", "Runs", "Of the budget", "Amount"]
        + kinds.map { Self.titles[$0.rawValue] ?? $0.rawValue },
      rows: children.map { child in
        let words = [child.method, child.endsText, Numbers.share(child.amount / experiment.horizon)]
        return ("\(child.name)", words.map { "\($0)" } + [money(child.amount)] + kinds.map { money(child.kinds[$0]) })
      }
    )
    return "\(table.html)\(innerRuns(method))"
  }

  /// The number of a run's inner runs that are listed.
  private static let shownInnerRuns = 200

  /// The inner runs of a method's first run, one by one.
  private func innerRuns(_ method: MethodResults) -> HTML? {
    guard let first = method.endedRuns.first, !first.result.children.isEmpty else { return nil }
    let runs = InnerRun.all(first.result.children)
    let shown = runs.prefix(Self.shownInnerRuns)
    let title = "Inner runs of \(method.entry.label), seed \(String(first.seed))"
    let rows = shown.enumerated().map { index, inner -> (name: HTML, cells: [HTML]) in
      let run = inner.run
      let failure = run.failure.map { ": \($0)" } ?? ""
      // Fidelities of another objective are no epochs.
      let trained = run.incumbent.map { $0.point != nil ? "–" : $0.epochs > 0 ? "\($0.epochs)" : "recommended only" }
      let cells = [
        run.method, settings(inner), ChildSpending.text(run.ending) + failure, Numbers.amount(run.amount),
        run.incumbent?.validationAccuracy.map { Numbers.percent($0) } ?? "–", trained ?? "nothing",
      ]
      return ("\(index + 1) \(inner.name)", cells.map { "\($0)" })
    }
    return """
      <details><summary>\(title)</summary>
      \(HTMLTable(
        caption: title
          + (runs.count > shown.count ? ": the first \(shown.count) of \(runs.count)" : "")
          + ", with the settings that differ among runs of one method beside each other, and what each returned",
        columns: [
          "Run", "Method", "Settings", "End", "Spent, \(unit)", "Validation accuracy, %", "Trained for epochs",
        ], rows: rows, isWords: true
      ).html)</details>

      """
  }

  /// The settings in which an inner run differs from others.
  private func settings(_ inner: InnerRun) -> String {
    let method = registry.methods.first { $0.method.name == inner.run.method }?.method
    let texts = inner.differing.map { name in
      let given = inner.run.settings?[name] ?? method?.settings.first { $0.name == name }?.defaultValue
      return "\(name) \(given.map(InnerRun.short) ?? "default")"
    }
    return texts.isEmpty ? "–" : texts.joined(separator: ", ")
  }

  private func mean(_ method: MethodResults, _ value: (RunResult) -> Double) -> Double {
    let runs = method.endedRuns
    return runs.map { value($0.result) }.reduce(0, +) / Double(max(1, runs.count))
  }

  private func bar(_ amounts: [Double], _ uses: [Use], _ label: String) -> HTML {
    var start = 0.0
    let parts = zip(amounts, uses).filter { $0.0 > 0 }.map { amount, use -> HTML in
      let width = 100 * amount / experiment.horizon
      defer { start += width }
      return """
        <rect class="use-\(use.name)" x="\(Numbers.decimals(start, 2))%" width="\(Numbers.decimals(width, 2))%" \
        height="14"/>
        """
    }
    return "<svg class=\"bar\" height=\"14\" role=\"img\" aria-label=\"budget of \(label)\">\(parts)</svg>"
  }
}
