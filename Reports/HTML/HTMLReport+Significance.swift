import Anytime
import Foundation

/// Which differences are significant.
extension HTMLReport {
  private var level: String { String(format: "%g", SignificanceTable.level) }

  var significanceTables: HTML? {
    guard !significance.rows.isEmpty else { return nil }
    let drawings = significance.rows.indices.reversed().compactMap { place -> HTML? in
      guard let differences = CriticalDifferences(significance, budget: place) else { return nil }
      let row = differences.row
      let drawing = CriticalDifferenceDrawing(
        differences, styles: MethodStyle.styles(of: experiment.methods.map(\.method)))
      return """
        <h3>At \(budgetName(row.fraction, row.amount)) of the budget</h3>
        <div class="wide" role="region" aria-label="Diagram" tabindex="0">\(drawing.svg)</div>

        """
    }
    return """
      <p>Methods by average rank over \(rankBasis), the best to the left. A bar joins methods \
      of which no two differ significantly in \(metric.rawValue) regret: \(significance.test.text), p &lt; \(level).</p>
      \(drawings)\(winTable.html)<details class="values">
      <summary>All pairs</summary>
      \(significance.rows.reversed().map { pairTable($0).html })</details>

      """
  }

  private var rankBasis: String {
    significance.test.isPaired
      ? "the \(significance.seeds) common seeds" : "all ways to draw a run of each, as few seeds are common"
  }

  private var winTable: HTMLTable {
    HTMLTable(
      caption: "Average rank, and than how many other methods it is significantly better and worse",
      columns: ["Method"]
        + significance.rows.map { row in "\(budgetName(row.fraction, row.amount).text) of the budget" },
      rows: significance.labels.indices.map { method in
        let cells = significance.rows.map { row -> HTML in
          """
          <span class="pair">\(String(format: "%.2f", row.averageRanks[method]))</span> \
          <span class="pair">\(row.wins(method).count) better, \(row.losses(method).count) worse</span>
          """
        }
        return (name(significance.labels[method]), cells)
      })
  }

  private func pairTable(_ row: SignificanceTable.Row) -> HTMLTable {
    HTMLTable(
      caption: "Pairs at \(budgetName(row.fraction, row.amount).text) of the budget"
        + (row.friedman.map { "; Friedman's test: p = " + Self.probability($0.pValue) } ?? ""),
      columns: [
        "Pair", "Median difference, percent points", "A12", "Cliff's delta",
        significance.test.isPaired ? "p, Wilcoxon" : "p, Mann-Whitney", "p, Holm", "p, Nemenyi", "Better",
      ],
      rows: row.pairs.map { pair in
        let numbers = [
          pair.medianDifference.map(Figures.percent) ?? "–", String(format: "%.3f", pair.a12),
          String(format: "%.3f", pair.cliffsDelta), Self.probability(pair.alone), Self.probability(pair.holm),
          pair.nemenyi.map(Self.probability) ?? "–",
        ]
        let better = pair.better.map { significance.labels[$0] } ?? "–"
        return (
          "\(significance.labels[pair.first]) – \(significance.labels[pair.second])",
          (numbers + [better]).map { "\($0)" }
        )
      })
  }

  private static func probability(_ value: Double) -> String {
    value < 0.001 ? String(format: "%.0e", value) : String(format: "%.3f", value)
  }

  /// Than which methods one is significantly better at the horizon, in a sentence.
  func victories(_ label: String) -> HTML? {
    guard let row = significance.rows.last, let method = significance.labels.firstIndex(of: label) else { return nil }
    let wins = row.wins(method)
    let others = significance.labels.count - 1
    switch wins.count {
    case 0: return nil
    case others where others > 1: return " It is significantly better than all others."
    default:
      let names = wins.map { significance.labels[$0] }.joined(separator: ", ")
      return " It is significantly better than \(names)."
    }
  }
}

/// Demšar's diagram: methods on an axis of average ranks, bars over those that cannot be told apart.
struct CriticalDifferenceDrawing {
  private let differences: CriticalDifferences
  private let styles: [MethodStyle]

  private static let margin = 250.0
  private static let span = 420.0
  private static let axis = 26.0

  init(_ differences: CriticalDifferences, styles: [MethodStyle]) {
    self.differences = differences
    self.styles = styles
  }

  private func x(_ rank: Double) -> Double {
    Self.margin + Self.span * (rank - 1) / Double(max(1, differences.order.count - 1))
  }

  private func text(_ value: Double) -> String { String(format: "%.1f", value) }

  var svg: HTML {
    let count = differences.order.count
    let left = (count + 1) / 2
    let firstLabel = Self.axis + 30 + 9 * Double(differences.groups.count)
    let height = firstLabel + 20 * Double(left)
    let width = 2 * Self.margin + Self.span
    let ticks = (1...count).map { rank -> HTML in
      """
      <line x1="\(text(x(Double(rank))))" y1="\(text(Self.axis - 6))" x2="\(text(x(Double(rank))))" \
      y2="\(text(Self.axis))"/><text x="\(text(x(Double(rank))))" y="\(text(Self.axis - 10))" \
      text-anchor="middle">\(rank)</text>
      """
    }
    let bars = differences.groups.enumerated().map { place, group -> HTML in
      let y = Self.axis + 12 + 9 * Double(place)
      return """
        <line class="group" x1="\(text(x(differences.ranks[group.lowerBound]) - 4))" y1="\(text(y))" \
        x2="\(text(x(differences.ranks[group.upperBound]) + 4))" y2="\(text(y))"/>
        """
    }
    let methods = differences.order.indices.map { place -> HTML in
      let isLeft = place < left
      let y = firstLabel + 20 * Double(isLeft ? place : count - 1 - place)
      return method(place, y: y, end: isLeft ? Self.margin - 14 : Self.margin + Self.span + 14, isLeft: isLeft)
    }
    let description =
      differences.order.indices.map { place in
        "\(differences.table.labels[differences.order[place]]) \(String(format: "%.2f", differences.ranks[place]))"
      }.joined(separator: ", ")
    return """
      <svg class="differences" role="img" aria-label="Average ranks: \(description)" width="\(text(width))" \
      height="\(text(height))" viewBox="0 0 \(text(width)) \(text(height))"><line x1="\(text(x(1)))" \
      y1="\(text(Self.axis))" x2="\(text(x(Double(count))))" y2="\(text(Self.axis))"/>\(ticks)\(methods)\(bars)</svg>
      """
  }

  private func method(_ place: Int, y: Double, end: Double, isLeft: Bool) -> HTML {
    let method = differences.order[place]
    let label = differences.table.labels[method]
    let short = label.count > 27 ? label.prefix(26) + "…" : label[...]
    let rank = x(differences.ranks[place])
    let style = styles[method]
    let pattern = style.pattern.map { String(format: "%g", $0) }.joined(separator: " ")
    let dashes = pattern.isEmpty ? "none" : pattern
    return """
      <path d="M\(text(rank)) \(text(Self.axis))V\(text(y))H\(text(end))" \
      style="stroke:var(--series-\(style.colour),#\(style.colour));stroke-dasharray:\(dashes)"/>\
      <text x="\(text(end + (isLeft ? -6 : 6)))" y="\(text(y + 4))" text-anchor="\(isLeft ? "end" : "start")">\
      \(String(short)) \(String(format: "%.2f", differences.ranks[place]))</text>
      """
  }
}
