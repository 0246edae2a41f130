import Anytime
import Foundation
import Statistics

/// The significant differences.
extension HTMLReport {
  private var level: String { Numbers.digits(SignificanceTable.level) }

  var significanceTables: HTML? {
    guard !significance.rows.isEmpty else { return nil }
    let drawings = significance.rows.indices.reversed().map { index -> HTML in
      let row = significance.rows[index]
      let drawing = CriticalDifferences(significance, budget: index).map { differences -> HTML in
        let drawing = CriticalDifferenceDrawing(differences, styles: significance.labels.compactMap { styles[$0] })
        return "<div class=\"wide\" role=\"region\" aria-label=\"Diagram\" tabindex=\"0\">\(drawing.svg)</div>\n"
      }
      return """
        <h3>At \(budgetName(row.fraction, row.amount)) of the budget</h3>
        \(drawing)\(tooFew(row))
        """
    }
    return """
      <p>Methods by average rank over \(rankBasis), the best to the left. A bar joins methods \
      of which no two differ significantly in \(metric.rawValue) regret: \(significance.test.text), p &lt; \(level).</p>
      \(drawings)\(winTable.html)<details class="values">
      <summary>All pairs</summary>
      \(needText)\(significance.rows.reversed().map { pairTable($0).html })</details>

      """
  }

  /// The methods that are left out of a diagram.
  private func tooFew(_ row: SignificanceTable.Row) -> HTML? {
    guard !row.tooFew.isEmpty else { return nil }
    return """
      <p class="caption">Left out, as no difference could be significant even if all its runs were the worst: \
      \(row.tooFew.map(\.text).joined(separator: "; ")).</p>

      """
  }

  private var needText: HTML {
    let pairs = significance.rows.first?.pairs.count ?? 1
    let unit = significance.test.isPaired ? "common seeds" : "runs of each method"
    let method: HTML =
      significance.test == .nemenyi
      ? "by the normal approximation of the difference of average ranks"
      : "by Noether's sample sizes (1987) at level \(level) / \(pairs), as in Holm's first step"
    return """
      <p>Runs needed is how many \(unit) a difference of the size that was seen would need to be significant with a \
      probability of \(Numbers.share(SignificanceTable.power)), \(method).</p>

      """
  }

  private var rankBasis: String {
    significance.test.isPaired
      ? "the \(significance.seeds) common seeds" : "all ways to draw a run of each, as few seeds are common"
  }

  private var winTable: HTMLTable {
    HTMLTable(
      caption: "Average rank, and the numbers of methods that it significantly outperforms and that outperform it",
      columns: ["Method"]
        + significance.rows.map { row in "\(budgetName(row.fraction, row.amount).text) of the budget" },
      rows: significance.labels.indices.map { method in
        let cells = significance.rows.map { row -> HTML in
          """
          \(Numbers.decimals(row.averageRanks[method], 2))<br />\
          \(row.wins(method).count) better, \(row.losses(method).count) worse
          """
        }
        return (name(significance.labels[method]), cells)
      })
  }

  private func pairTable(_ row: SignificanceTable.Row) -> HTMLTable {
    let isPaired = significance.test.isPaired
    return HTMLTable(
      caption: "Pairs at \(budgetName(row.fraction, row.amount).text) of the budget"
        + (row.friedman.map { "; Friedman's test: p = " + Numbers.probability($0.pValue) } ?? ""),
      columns: [
        "Pair", "Median difference, percent points", "A12", "Cliff's delta",
        isPaired ? "p, Wilcoxon" : "p, Mann-Whitney", "p, Holm",
      ] + (isPaired ? ["p, Nemenyi"] : []) + ["Better", "Runs needed"],
      rows: row.pairs.map { pair in
        let numbers = [
          pair.medianDifference.map { Numbers.percent($0) } ?? "–", Numbers.decimals(pair.a12, 3),
          Numbers.decimals(pair.cliffsDelta, 3), Numbers.probability(pair.alone), Numbers.probability(pair.holm),
        ] + (isPaired ? [pair.nemenyi.map(Numbers.probability) ?? "–"] : [])
        let better = pair.better.map { significance.labels[$0] } ?? "–"
        return (
          "\(significance.labels[pair.first]) – \(significance.labels[pair.second])",
          (numbers + [better, pair.runsNeeded.map(Numbers.grouped) ?? "–"]).map { "\($0)" }
        )
      })
  }

  /// A sentence on the methods that one significantly outperforms at the horizon.
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

  private func text(_ value: Double) -> String { Numbers.decimals(value, 1) }

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
    let bars = differences.groups.enumerated().map { index, group -> HTML in
      let y = Self.axis + 12 + 9 * Double(index)
      return """
        <line class="group" x1="\(text(x(differences.ranks[group.lowerBound]) - 4))" y1="\(text(y))" \
        x2="\(text(x(differences.ranks[group.upperBound]) + 4))" y2="\(text(y))"/>
        """
    }
    let methods = differences.order.indices.map { index -> HTML in
      let isLeft = index < left
      let y = firstLabel + 20 * Double(isLeft ? index : count - 1 - index)
      return method(index, y: y, end: isLeft ? Self.margin - 14 : Self.margin + Self.span + 14, isLeft: isLeft)
    }
    let description =
      differences.order.indices.map { index in
        "\(differences.table.labels[differences.order[index]]) \(Numbers.decimals(differences.ranks[index], 2))"
      }.joined(separator: ", ")
    return """
      <svg class="differences" role="img" aria-label="Average ranks: \(description)" width="\(text(width))" \
      height="\(text(height))" viewBox="0 0 \(text(width)) \(text(height))"><line x1="\(text(x(1)))" \
      y1="\(text(Self.axis))" x2="\(text(x(Double(count))))" y2="\(text(Self.axis))"/>\(ticks)\(methods)\(bars)</svg>
      """
  }

  private func method(_ index: Int, y: Double, end: Double, isLeft: Bool) -> HTML {
    let method = differences.order[index]
    let label = differences.table.labels[method]
    let short = label.count > 27 ? label.prefix(26) + "…" : label[...]
    let rank = x(differences.ranks[index])
    let style = styles[method]
    let pattern = style.pattern.map { Numbers.digits($0) }.joined(separator: " ")
    let dashes = pattern.isEmpty ? "none" : pattern
    return """
      <path d="M\(text(rank)) \(text(Self.axis))V\(text(y))H\(text(end))" \
      style="stroke:var(--series-\(style.colour),#\(style.colour));stroke-dasharray:\(dashes)"/>\
      <text x="\(text(end + (isLeft ? -6 : 6)))" y="\(text(y + 4))" text-anchor="\(isLeft ? "end" : "start")">\
      \(String(short)) \(Numbers.decimals(differences.ranks[index], 2))</text>
      """
  }
}
