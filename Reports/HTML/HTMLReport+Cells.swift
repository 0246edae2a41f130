import Anytime
import Experiments
import Foundation
import SearchSpaces
import TabularBenchmark

/// The best architectures that runs ended with, drawn.
extension HTMLReport {
  private static let shownCells = 6

  /// An architecture with which runs ended.
  private struct Found {
    let row: Int
    let id: Architecture.ID
    let validation: Double
    /// The number of runs by method, in the experiment's order.
    var runs: [Int]
  }

  var cells: HTML? {
    guard let benchmark else {
      return """
        <p>The table \(experiment.table) with checksum \(results.tableChecksum) is not at hand, so cells cannot be \
        drawn.</p>

        """
    }
    let table = benchmark.table
    let found = foundCells(table)
    guard !found.isEmpty else { return "<p>No run has a result yet.</p>\n" }
    let cards = found.prefix(Self.shownCells).enumerated().map { index, cell -> HTML in
      card(cell, number: index + 1, isBest: cell.validation >= benchmark.bestValidation.mean, table)
    }
    return """
      <p>The best of the \(Numbers.count(found.count, "cell", "cells")) that runs ended with, by mean validation \
      accuracy at \(table.epochs.last ?? 0) epochs.</p>
      <ul class="cells">
      \(cards)</ul>
      \(endings(found).html)
      """
  }

  /// The number of each method's runs that ended at each cell.
  private func endings(_ found: [Found]) -> HTMLTable {
    let shown = found.prefix(Self.shownCells)
    let others = found.dropFirst(Self.shownCells)
    let rows = results.methods.indices.map { index -> (name: HTML, cells: [HTML]) in
      var counts = shown.map { $0.runs[index] }
      if !others.isEmpty { counts.append(others.reduce(0) { $0 + $1.runs[index] }) }
      return (
        name(results.methods[index].entry.label), counts.map { $0 == 0 ? "–" : "\($0)" } as [HTML]
      )
    }
    return HTMLTable(
      caption: "Runs that ended at each cell",
      columns: ["Method"] + shown.indices.map { "Cell \($0 + 1)" } + (others.isEmpty ? [] : ["Others"]), rows: rows)
  }

  /// Final incumbents, the best first.
  private func foundCells(_ table: Table) -> [Found] {
    let top = table.epochs.count - 1
    var found: [Architecture.ID: Found] = [:]
    for (index, method) in results.methods.enumerated() {
      for run in method.endedRuns {
        guard let id = run.result.trajectory.last?.architecture else { continue }
        if found[id] == nil {
          guard let row = table.row(of: id),
            let accuracy = table.mean(.validationAccuracy, row: row, epochs: top)
          else { continue }
          found[id] = Found(
            row: row, id: id, validation: accuracy,
            runs: [Int](repeating: 0, count: results.methods.count))
        }
        found[id]?.runs[index] += 1
      }
    }
    return found.values.sorted { ($1.validation, $0.id) < ($0.validation, $1.id) }
  }

  private func card(_ found: Found, number: Int, isBest: Bool, _ table: Table) -> HTML {
    let top = table.epochs.count - 1
    let architecture = table.architecture(found.row)
    var facts: [(String, String)] = [("validation", Numbers.percent(found.validation) + " %")]
    if let test = table.mean(.testAccuracy, row: found.row, epochs: top) {
      facts.append(("test", Numbers.percent(test) + " %"))
    }
    if let seconds = table.mean(.seconds, row: found.row, epochs: top) {
      facts.append(("training", Numbers.amount(seconds) + " s"))
    }
    if let count = table.parameterCount(found.row) { facts.append(("parameters", Numbers.grouped(count))) }
    if let count = table.multiplyAccumulates(found.row) {
      facts.append(("multiply-accumulates", Numbers.grouped(count)))
    }
    let terms = facts.map { fact -> HTML in "<div><dt>\(fact.0)</dt><dd>\(fact.1)</dd></div>" }
    let description = "Cell \(number): \(architecture.edgeText)"
    return """
      <li class="card">
      <h3>Cell \(number)\(isBest ? " · the best of the space" : "")</h3>
      \(CellDrawing(architecture).svg(description: description))
      <dl>\(terms)</dl>
      <details><summary>As text</summary><p><code>\(architecture.description)</code></p>\
      <p><code>\(found.id.description)</code></p>\
      </details>
      </li>

      """
  }
}

extension Architecture {
  /// Every edge in words.
  fileprivate var edgeText: String {
    switch self {
    case .cell(let cell): cell.edgeText
    }
  }
}

extension Cell {
  fileprivate var edgeText: String {
    let operations = (1..<vertexCount - 1).map { "\(CellDrawing.label(operation(of: $0))) (\($0))" }
    let labels = ["input"] + operations + ["output"]
    return (0..<vertexCount).flatMap { from in
      (from..<vertexCount).filter { hasEdge(from, $0) }.map { "\(labels[from]) to \(labels[$0])" }
    }.joined(separator: ", ")
  }
}
