import Anytime
import Foundation

/// Demšar's picture of average ranks, drawn by gnuplot: methods joined by a bar cannot be told apart.
public struct CriticalDifferencePlot: Sendable {
  public init() {}

  /// The diagrams of several experiments or budgets side by side.
  public func figure(_ diagrams: [CriticalDifferences]) throws(ReportError) -> Figure {
    guard let most = diagrams.map(\.order.count).max() else {
      throw ReportError(
        "critical differences need at least two methods with the runs of two common seeds")
    }
    let styles = MethodStyle.byLabel(diagrams.map(\.table.runs))
    let groups = diagrams.map(\.groups.count).max() ?? 0
    let depth = Self.depth(methods: most, groups: groups)
    return Figure(
      diagrams.map { panel($0, styles: styles, depth: depth, panels: diagrams.count) },
      height: min(3, 0.3 + 0.075 * depth))
  }

  /// How far below the axis the lowest label is, in lines.
  private static func depth(methods: Int, groups: Int) -> Double {
    0.6 + 0.45 * Double(groups) + Double((methods + 1) / 2)
  }

  private func panel(
    _ diagram: CriticalDifferences, styles: [String: MethodStyle], depth: Double, panels: Int
  ) -> Figure.Panel {
    let count = diagram.order.count
    let (first, last) = (1.0, Double(count))
    // Room for the longest label: a letter has about 7.5 of 800 points.
    let longest = diagram.order.map { diagram.table.labels[$0].count }.max() ?? 0
    let part = min(0.4, Double(longest + 9) * 7.5 / (panels > 1 ? 620 : 780))
    let margin = (last - first) * part / (1 - 2 * part)
    var text = """
      unset border
      unset tics
      unset key
      set lmargin 1
      set rmargin 1
      set xrange [\(first - margin):\(last + margin)]
      set yrange [\(-depth - 0.4):2]
      set arrow from \(first),0 to \(last),0 nohead linewidth 1.5 linecolor rgb '#333333'

      """
    for rank in 1...count {
      text += "set arrow from \(rank),0 to \(rank),0.25 nohead linewidth 1.5 linecolor rgb '#333333'\n"
      text += "set label '\(rank)' at \(rank),0.65 center\n"
    }
    if let width = diagram.criticalDifference, width <= last - first {
      text +=
        "set arrow from \(first),1.35 to \(first + width),1.35 heads size 0.02,90 linewidth 1.5 "
        + "linecolor rgb '#333333'\n"
      text +=
        "set label 'critical difference \(String(format: "%.2f", width))' at \(first + width),1.35 "
        + "left offset 1,0 font ',10'\n"
    }
    // Bars first, then labels below them: the better half on the left, the others on the right.
    let bars = 0.45 * Double(diagram.groups.count)
    for (number, group) in diagram.groups.enumerated() {
      let y = -0.45 * Double(number) - 0.45
      text +=
        "set arrow from \(diagram.ranks[group.lowerBound] - 0.03),\(y) to "
        + "\(diagram.ranks[group.upperBound] + 0.03),\(y) nohead linewidth 5 linecolor rgb '#333333' front\n"
    }
    let left = (count + 1) / 2
    for (place, method) in diagram.order.enumerated() {
      let isLeft = place < left
      let line = isLeft ? place : count - 1 - place
      let y = -0.6 - bars - Double(line) - 0.3
      let rank = diagram.ranks[place]
      let edge = isLeft ? first - 0.02 * (last - first) : last + 0.02 * (last - first)
      let label = diagram.table.labels[method]
      let colour = styles[label]?.colour ?? "333333"
      text += "set arrow from \(rank),0 to \(rank),\(y) nohead linewidth 1.6 linecolor rgb '#\(colour)'\n"
      text += "set arrow from \(rank),\(y) to \(edge),\(y) nohead linewidth 1.6 linecolor rgb '#\(colour)'\n"
      let number = String(format: "%.2f", rank)
      let title = isLeft ? "\(label)  \(number)" : "\(number)  \(label)"
      text +=
        "set label '\(Figure.quoted(title))' at \(edge),\(y) \(isLeft ? "right" : "left") noenhanced "
        + "offset \(isLeft ? "-0.5" : "0.5"),0\n"
    }
    // Something must be plotted: nothing visible.
    text += "plot NaN notitle\n"
    let table = diagram.table
    return Figure.Panel(
      title: "\(table.runs.results.experiment.name), "
        + "\(SignificanceTable.percent(diagram.row.fraction)) of the budget",
      caption: table.runs.caption + ", \(table.caption), bars join methods without a significant difference",
      commands: text)
  }
}
