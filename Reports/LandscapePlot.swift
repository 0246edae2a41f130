import Anytime
import Foundation
import SearchSpaces
import TabularBenchmark

/// A picture of a table in panels, drawn by gnuplot: accuracies, times, repeat noise, agreement of epoch counts,
/// operations and depth, locality, and the best cells. NAS-Bench-101's paper describes its own data so (Ying et al.
/// 2019, figures 2, 3, 5 and 6).
public struct LandscapePlot: Sendable {
  private let table: Table
  private let landscape: Landscape
  private let walk: [(distance: Int, correlation: Double)]

  /// - Parameter walk: Of ``Landscape/autocorrelation(_:distances:steps:seed:)``; without it, there is no panel of
  ///   locality.
  public init(_ table: Table, walk: [(distance: Int, correlation: Double)] = []) {
    self.table = table
    landscape = Landscape(table)
    self.walk = walk
  }

  /// - Throws: ``ReportError`` if the table has no validation accuracy.
  public func figure() throws(ReportError) -> Figure {
    guard table.has(.validationAccuracy), let top = table.epochs.last else {
      throw ReportError("\(table.path) has no validation accuracy to draw")
    }
    var panels = [accuracies()]
    if let times = times(top) { panels.append(times) }
    if table.repeats > 1 { panels.append(repeats(top)) }
    if table.epochs.count > 1 { panels.append(epochCounts(top)) }
    panels.append(parts(top))
    if !walk.isEmpty { panels.append(locality(top)) }
    // The best cells have a row of their own.
    let blank = panel("", "", "", "", "off", "unset border\nunset tics\nset yrange [0:1]\nplot 2")
    while panels.count % 3 != 0 { panels.append(blank) }
    panels += landscape.best.prefix(3).enumerated().map { best($0, row: $1) }
    return Figure(panels, columns: 3)
  }

  private static let colours = ["0072B2", "D55E00", "009E73", "CC79A7", "56B4E9", "000000"]
  private static let height = 430
  private var points: String { "with points pointtype 7 pointsize \(table.rowCount > 1_000 ? 0.35 : 0.6)" }

  /// Points with a legend in which they are large enough to be seen.
  private func points(_ block: String, colour: Int, _ title: String) -> String {
    let colour = "linecolor rgb '#\(Self.colours[colour % Self.colours.count])'"
    return "$\(block) \(points) \(colour) notitle, "
      + "keyentry with points pointtype 7 pointsize 1 \(colour) title '\(title)'"
  }

  private func name(_ epochs: Int) -> String { epochs == 1 ? "1 epoch" : "\(epochs) epochs" }

  private func accuracy(_ row: Int, _ fidelity: Int) -> Double? {
    table.mean(.validationAccuracy, row: row, epochs: fidelity)
  }

  private func panel(
    _ title: String, _ caption: String, _ x: String, _ y: String, _ key: String, _ commands: String
  ) -> Figure.Panel {
    Figure.Panel(
      title: title, caption: caption,
      commands: """
        set grid linetype 1 linecolor rgb '#dddddd' linewidth 0.8
        set border 3 linecolor rgb '#555555'
        set tics nomirror
        set key noenhanced \(key) Left reverse samplen 2
        set xlabel '\(x)'
        set ylabel '\(y)'
        \(commands)

        """, height: Self.height)
  }

  /// A data block of points.
  private func block(_ name: String, _ points: [(Double, Double)]) -> String {
    "$\(name) << EOD\n" + points.map { "\($0) \($1)\n" }.joined() + "EOD\n"
  }

  private func accuracies() -> Figure.Panel {
    var blocks = ""
    var plots: [String] = []
    for (fidelity, epochs) in table.epochs.enumerated() {
      let values = (0..<table.rowCount).compactMap { accuracy($0, fidelity) }.sorted()
      blocks += Figure.steps(
        "data\(fidelity)",
        values.enumerated().map { ($1, [Double($0 + 1) / Double(values.count)]) })
      plots.append(
        "$data\(fidelity) with lines linewidth 2 linecolor rgb '#\(Self.colours[fidelity % Self.colours.count])' "
          + "title '\(name(epochs))'")
    }
    return panel(
      "Accuracy", "\(table.rowCount) cells, means over repeats, table \(table.checksum), AnytimeNAS \(anytimeVersion)",
      "validation accuracy",
      "part of cells at most as good", "top left",
      blocks + "set yrange [0:1]\nplot " + plots.joined(separator: ", "))
  }

  /// Accuracy and seconds of every cell, by number of 3x3 convolutions; `nil` for a table without seconds.
  private func times(_ top: Int) -> Figure.Panel? {
    let last = table.epochs.count - 1
    var groups: [Int: [(Double, Double)]] = [:]
    for row in 0..<table.rowCount {
      guard let accuracy = accuracy(row, last),
        let seconds = table.mean(.seconds, row: row, epochs: last), seconds > 0
      else { continue }
      let count = table.architecture(row).count(of: .conv3x3)
      groups[count, default: []].append((seconds, accuracy))
    }
    let sorted = groups.sorted { $0.key < $1.key }
    let seconds = sorted.flatMap { $0.value.map(\.0) }
    guard let least = seconds.min(), let most = seconds.max() else { return nil }
    let axis = Chart.Axis(seconds: "seconds of a training", least * 0.9...most * 1.1)
    return panel(
      "Accuracy and time", "at \(name(top)), by number of 3x3 convolutions", axis.title,
      "validation accuracy", "bottom right",
      sorted.map { block("data\($0.key)", $0.value) }.joined()
        + "set logscale x\nset xrange [\(axis.range.lowerBound):\(axis.range.upperBound)]\n"
        + Figure.ticks("x", axis.ticks) + "plot "
        + sorted.map { count, _ in
          points("data\(count)", colour: count, count == 1 ? "1 convolution" : "\(count) convolutions")
        }.joined(separator: ", "))
  }

  private func repeats(_ top: Int) -> Figure.Panel {
    let last = table.epochs.count - 1
    let pairs = (0..<table.rowCount).compactMap { row in
      table.value(.validationAccuracy, row: row, epochs: last, repeat: 0).flatMap { first in
        table.value(.validationAccuracy, row: row, epochs: last, repeat: 1).map { (first, $0) }
      }
    }
    return panel(
      "Two trainings of each cell", "at \(name(top))", "validation accuracy, first repeat", "second repeat",
      "off", block("data", pairs) + "plot $data \(points) linecolor rgb '#0072B2', x linecolor rgb '#555555'")
  }

  private func epochCounts(_ top: Int) -> Figure.Panel {
    let last = table.epochs.count - 1
    let lower = table.epochs.indices.dropLast()
    let correlations = landscape.fidelityCorrelations.filter { $0.high == top }
    let blocks = lower.map { fidelity in
      block(
        "data\(fidelity)",
        (0..<table.rowCount).compactMap { row in
          accuracy(row, fidelity).flatMap { low in accuracy(row, last).map { (low, $0) } }
        })
    }
    let plots = zip(lower, table.epochs).map { fidelity, epochs in
      let rho = correlations.first { $0.low == epochs }.map { ", Spearman " + Numbers.decimals($0.correlation, 2) }
      return points("data\(fidelity)", colour: fidelity, name(epochs) + (rho ?? ""))
    }
    return panel(
      "Fewer epochs", "a point per cell, means over repeats", "validation accuracy at fewer epochs",
      "at \(name(top))", "bottom right", blocks.joined() + "plot " + plots.joined(separator: ", "))
  }

  private func parts(_ top: Int) -> Figure.Panel {
    let lines =
      landscape.operations.map { (name: $0.operation.name, groups: $0.groups) }
      + [(name: "depth", groups: landscape.depths)]
    let most = lines.flatMap { $0.groups.map(\.count) }.max() ?? 1
    return panel(
      "Operations and depth", "mean at \(name(top))", "vertices with the operation, or longest path",
      "validation accuracy", "bottom left",
      lines.enumerated().map { number, line in
        block("data\(number)", line.groups.map { (Double($0.count), $0.accuracy) })
      }.joined() + "set xtics 1\nset xrange [-0.3:\(most).3]\nset offsets 0, 0, graph 0.25, 0\nplot "
        + lines.enumerated().map { number, line in
          "$data\(number) with linespoints pointtype 7 pointsize 0.6 linewidth 2 linecolor rgb "
            + "'#\(Self.colours[number])' title \(Figure.quoted(line.name))"
        }.joined(separator: ", "))
  }

  private func locality(_ top: Int) -> Figure.Panel {
    panel(
      "Locality", "along a random walk, one parameter changes at each step", "steps between two cells",
      "autocorrelation of accuracy, \(name(top))", "off",
      block("data", walk.map { (Double($0.distance), $0.correlation) })
        + "set yrange [0:1]\nset xtics 1\nplot $data with linespoints pointtype 7 pointsize 0.6 linewidth 2 "
        + "linecolor rgb '#0072B2'")
  }

  /// A cell, drawn.
  private func best(_ index: Int, row: Int) -> Figure.Panel {
    let last = table.epochs.count - 1
    let drawing = CellDrawing(table.architecture(row))
    // What a panel has room for at the size of its letters.
    let (width, height) = (max(440, drawing.size.width), max(270, drawing.size.height))
    let left = (width - drawing.size.width) / 2
    let boxes = drawing.boxes.map { box in
      """
      set object rectangle center \(left + box.x),\(box.y) size \(box.width),\(box.height) front \
      fillcolor rgb '\(box.isEnd ? "#eeeeee" : "#d5e8f5")' fillstyle solid border linecolor rgb '#555555'
      set label '\(box.label)' at \(left + box.x),\(box.y) center front noenhanced

      """
    }
    let edges = drawing.edges.map { curves in
      curves.flatMap { curve in (0...12).map { curve.point(Double($0) / 12) } }
        .map { "\(left + $0.x) \($0.y)\n" }.joined()
    }
    let values = [
      accuracy(row, last).map { "validation accuracy " + Numbers.decimals($0, 4) },
      table.mean(.testAccuracy, row: row, epochs: last).map { "test " + Numbers.decimals($0, 4) },
      table.mean(.seconds, row: row, epochs: last).map { Numbers.decimals($0, 1) + " s" },
    ]
    return panel(
      ["Best cell", "Second best", "Third best"][index],
      values.compactMap { $0 }.joined(separator: ", ") + ", \(table.id(row))", "", "", "off",
      """
      unset border
      unset tics
      set lmargin 1
      set rmargin 1
      set bmargin 1
      set xrange [0:\(width)]
      set yrange [\(height):0]
      \(boxes.joined())$edges << EOD
      \(edges.joined(separator: "\n"))EOD
      plot $edges with lines linewidth 1.5 linecolor rgb '#777777'
      """)
  }
}
