import Anytime
import Foundation
import Statistics

/// A picture of how many targets are reached over spent budget, as COCO shows it, drawn by gnuplot.
public struct TargetPlot: Sendable {
  public var logX: Bool

  public init(logX: Bool = true) { self.logX = logX }

  /// The distributions of several experiments side by side.
  public func figure(_ distributions: [TargetDistribution]) throws(ReportError) -> Figure {
    let styles = MethodStyle.byLabel(distributions.map(\.runs))
    var panels: [Figure.Panel] = []
    for distribution in distributions { panels.append(try panel(distribution, styles: styles)) }
    return Figure(panels)
  }

  private func panel(
    _ distribution: TargetDistribution, styles: [String: MethodStyle]
  ) throws(ReportError) -> Figure.Panel {
    let runs = distribution.runs
    let grid = runs.grid(400, scale: logX ? .log : .linear)
    guard runs.start != nil, let first = distribution.targets.first, let last = distribution.targets.last
    else {
      throw ReportError(
        "there is nothing to draw: no run of '\(runs.results.experiment.name)' has an incumbent")
    }
    let legend = Figure.Legend(distribution.methods.map(\.label), at: "top left")
    var text =
      Figure.frame(legend, lines: distribution.methods.count) + """
        set xlabel 'budget spent [\(runs.currency.unit)]'
        set ylabel 'part of runs and targets reached'
        set xrange [\(grid[0]):\(runs.end)]
        set yrange [0:1]

        """
    if logX { text += "set logscale x\n\(Figure.ticks("x", grid[0], runs.end))" }
    var plots: [String] = []
    for (number, method) in distribution.methods.enumerated() {
      guard let style = styles[method.label] else { continue }
      text += Figure.steps(
        "data\(number)", zip(grid, distribution.curve(number, on: grid)).map { ($0, [$1]) })
      plots.append(Figure.line("data\(number)", style, method.label))
    }
    text += "plot " + plots.joined(separator: ", \\\n  ") + "\n"
    func percent(_ value: Double) -> String { String(format: "%g", 100 * value) }
    return Figure.Panel(
      title: runs.results.experiment.name,
      caption: runs.caption
        + ", \(distribution.targets.count) targets of \(distribution.metric.rawValue) regret "
        + "from \(percent(first)) to \(percent(last)) percent points, evenly in the logarithm",
      commands: text, height: legend.height
    )
  }
}
