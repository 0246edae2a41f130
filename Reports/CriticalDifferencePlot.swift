import Anytime
import Experiments
import Foundation

/// Demšar's picture of average ranks, drawn by gnuplot: methods joined by a bar cannot be told apart.
public struct CriticalDifferencePlot: Sendable {
  public init() {}

  /// The diagrams of several experiments or budgets side by side.
  public func figure(_ diagrams: [CriticalDifferences]) throws(ReportError) -> Figure {
    guard !diagrams.isEmpty else {
      throw ReportError(
        "critical differences need at least two methods with so many runs that a difference can be significant")
    }
    let styles = MethodStyle.byLabel(diagrams.flatMap(\.table.runs.names))
    // How far below the axis the lowest label is, in lines.
    let depth = diagrams.map {
      0.9 + Self.spacing * Double($0.groups.count) + Double(($0.order.count + 1) / 2) + Double($0.notes.count) * 0.7
    }
    let deepest = depth.max() ?? 0
    return Figure(
      diagrams.map { panel($0, styles: styles, depth: deepest, width: diagrams.count > 1 ? 620 : 780) })
  }

  /// The distance of bars, in lines.
  private static let spacing = 0.45

  private func panel(
    _ diagram: CriticalDifferences, styles: [String: MethodStyle], depth: Double, width: Double
  ) -> Figure.Panel {
    let table = diagram.table
    let count = diagram.order.count
    // The better half is labelled on the left, the others on the right.
    let labels = diagram.order.map { table.labels[$0].shownInFigures }
    let half = (count + 1) / 2
    let first = (diagram.ranks.first ?? 1).rounded(.down)
    let last = max((diagram.ranks.last ?? 2).rounded(.up), first + 1)

    // A letter of the usual size has about 9.3 points; smaller ones where the labels leave less than a quarter.
    let letters = [labels.prefix(half), labels.dropFirst(half)].map { labels in
      Double((labels.map(\.count).max() ?? 0) + 9)
    }
    let parts = letters.map { $0 * 9.3 / width }
    let scale = min(1, 0.75 / (parts[0] + parts[1]))
    let unit = (last - first) / (1 - scale * (parts[0] + parts[1]))
    var text = """
      unset border
      unset tics
      unset key
      set lmargin 1
      set rmargin 1
      set xrange [\(first - scale * parts[0] * unit):\(last + scale * parts[1] * unit)]
      set yrange [\(-depth - 0.4):2]

      """
    func line(_ x0: Double, _ y0: Double, _ x1: Double, _ y1: Double, _ style: String) {
      text += "set arrow from \(x0),\(y0) to \(x1),\(y1) \(style)\n"
    }
    let axis = "nohead linewidth 1.5 linecolor rgb '#333333'"
    line(first, 0, last, 0, axis)
    for rank in stride(from: first, through: last, by: last - first > 2 ? 1 : 0.5) {
      line(rank, 0, rank, 0.25, axis)
      text += "set label '\(Numbers.digits(rank))' at \(rank),0.65 center\n"
    }
    if let width = diagram.criticalDifference, width <= last - first {
      line(
        first, 1.35, first + width, 1.35, "heads size screen 0.004,90 linewidth 1.5 linecolor rgb '#333333'")
      text +=
        "set label '{/*0.8 critical difference \(Numbers.decimals(width, 2))}' at "
        + "\(first + width),1.35 left offset 1,0\n"
    }
    for (number, group) in diagram.groups.enumerated() {
      let y = -Self.spacing * Double(number + 1)
      let overhang = 0.004 * unit
      line(
        diagram.ranks[group.lowerBound] - overhang, y, diagram.ranks[group.upperBound] + overhang, y,
        "nohead linewidth 5 linecolor rgb '#333333' front")
    }
    for (index, label) in labels.enumerated() {
      let isLeft = index < half
      let y = -0.9 - Self.spacing * Double(diagram.groups.count) - Double(isLeft ? index : count - 1 - index)
      let rank = diagram.ranks[index]
      let edge = isLeft ? first - 0.01 * unit : last + 0.01 * unit
      let style = styles[table.labels[diagram.order[index]]].map { style in
        "nohead linewidth 1.6 \(Figure.dashes(style)) linecolor rgb '#\(style.colour)'"
      } ?? axis
      line(rank, 0, rank, y, style)
      line(rank, y, edge, y, style)
      let number = Numbers.decimals(rank, 2)
      let title = isLeft ? "\(label)  \(number)" : "\(number)  \(label)"
      text +=
        "set label \(Figure.quoted("{/*\(scale) \(Figure.escaped(title))}")) at \(edge),\(y) "
        + "\(isLeft ? "right" : "left") offset \(isLeft ? "-0.5" : "0.5"),0\n"
    }
    for (index, note) in diagram.notes.enumerated() {
      let y = -1.1 - Self.spacing * Double(diagram.groups.count) - Double(half) - 0.7 * Double(index)
      text += "set label \(Figure.quoted("{/*0.75 \(Figure.escaped(note))}")) at graph 0.02, first \(y) left\n"
    }
    // Something must be plotted: nothing visible.
    text += "plot NaN notitle\n"
    return Figure.Panel(
      title: "\(table.runs.results.experiment.name), "
        + "\(Numbers.part(diagram.row.fraction)) of the budget",
      caption: table.runs.caption + ", \(table.caption), bars join methods without a significant difference",
      commands: text, height: 150 + Int(32 * (depth + 2)))
  }
}

extension CriticalDifferences {
  /// The methods that are left out, in lines below the diagram.
  fileprivate var notes: [String] {
    guard !tooFew.isEmpty else { return [] }
    let names = tooFew.map { method in
      SignificanceTable.TooFew(label: method.label.shownInFigures, runs: method.runs, needed: method.needed).text
    }
    return Figure.wrapped("Too few runs for any significant difference: " + names.joined(separator: ", "), 90)
  }
}
