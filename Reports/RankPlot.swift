import Anytime
import Foundation

/// A picture of average ranks over spent budget, the best at the top, drawn by gnuplot.
public struct RankPlot: Sendable {
  public var logX: Bool
  /// Whether standard errors are drawn; by default for few methods.
  public var bands: Bool?

  public init(logX: Bool = true, bands: Bool? = nil) {
    self.logX = logX
    self.bands = bands
  }

  /// The ranks of several experiments side by side.
  public func figure(_ ranks: [RankCurves]) throws(ReportError) -> Figure {
    let styles = MethodStyle.byLabel(ranks.map(\.runs))
    var panels: [Figure.Panel] = []
    for ranks in ranks { panels.append(try panel(ranks, styles: styles)) }
    return Figure(panels)
  }

  private func panel(_ ranks: RankCurves, styles: [String: MethodStyle]) throws(ReportError) -> Figure.Panel {
    let experiment = ranks.runs.results.experiment
    guard ranks.curves.count > 1 else {
      throw ReportError("ranks of '\(experiment.name)' need at least two methods, each with a run")
    }
    let legend = Figure.Legend(ranks.curves.map(\.label), at: nil)
    var text =
      Figure.frame(legend, lines: ranks.curves.count) + """
        set xlabel 'budget spent [\(ranks.runs.currency.unit)]'
        set ylabel 'average rank by \(ranks.metric.rawValue) regret'
        set xrange [\(ranks.grid[0]):\(ranks.runs.end)]
        set yrange [\(ranks.curves.count):1]
        set ytics 1

        """
    if logX { text += "set logscale x\n\(Figure.ticks("x", ranks.grid[0], ranks.runs.end))" }
    let hasBands =
      (bands ?? (ranks.curves.count <= Figure.bandedLines)) && (!ranks.isPaired || ranks.seeds > 1)
    var bandPlots: [String] = []
    var plots: [String] = []
    for (number, curve) in ranks.curves.enumerated() {
      guard let style = styles[curve.label] else { continue }
      let name = "data\(number)"
      text += Figure.steps(
        name,
        zip(ranks.grid, curve.points).map { x, point in
          (x, [point.mean, point.mean - point.standardError, point.mean + point.standardError])
        })
      if hasBands { bandPlots.append(Figure.band(name, style)) }
      plots.append(Figure.line(name, style, curve.label))
    }
    text += "plot " + (bandPlots + plots).joined(separator: ", \\\n  ") + "\n"
    return Figure.Panel(
      title: experiment.name,
      caption: ranks.runs.caption
        + (ranks.isPaired ? ", ranks over \(ranks.seeds) common seeds" : ", ranks among runs drawn at random")
        + (hasBands ? ", band: standard error" : ""), commands: text, height: legend.height)
  }
}
