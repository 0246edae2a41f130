import Anytime
import Experiments
import Foundation
import Statistics

/// A picture of regret curves, drawn by gnuplot.
public struct RegretPlot: Sendable {
  public typealias Center = CurveCenter

  public var metric: RegretMetric
  public var center: Center
  public var logX: Bool
  public var logY: Bool
  /// Whether the center's bands are drawn; by default for few methods.
  public var bands: Bool?

  public init(
    metric: RegretMetric, center: Center = .median, logX: Bool = true, logY: Bool = true, bands: Bool? = nil
  ) {
    self.metric = metric
    self.center = center
    self.logX = logX
    self.logY = logY
    self.bands = bands
  }

  /// Draws a file whose extension says what it is: `svg`, `pdf` or `png`.
  ///
  /// - Throws: ``ReportError``: an unknown extension, no gnuplot, nothing to draw.
  public func write(_ curves: Curves, to url: URL) async throws { try await figure([curves]).write(to: url) }

  /// The curves of several experiments side by side; a method looks the same in all of them.
  public func figure(_ curves: [Curves]) throws(ReportError) -> Figure {
    let styles = MethodStyle.byLabel(curves.map(\.runs))
    var panels: [Figure.Panel] = []
    for curves in curves { panels.append(try panel(curves, styles: styles)) }
    return Figure(panels)
  }

  private func panel(
    _ curves: Curves, styles: [String: MethodStyle]
  ) throws(ReportError) -> Figure.Panel {
    let experiment = curves.results.experiment
    let series = RegretSeries.all(curves, metric: metric, center: center)
    let reference = curves.runs.reference?.randomRegret(metric)
    guard let axes = RegretAxes(series, reference: reference, logY: logY) else {
      throw ReportError(
        "there is nothing to draw: no run of '\(experiment.name)' has a \(metric.rawValue) regret")
    }
    var caption = curves.runs.caption
    let hasBands = bands ?? (curves.runs.methods.count <= Figure.bandedLines)
    if hasBands, let band = center.band, series.contains(where: { $0.runs > 1 }) { caption += ", band: \(band)" }
    if axes.clips { caption += ", lower edge: zero regret" }

    let labels = curves.runs.methods.map(\.label)
    let legend = Figure.Legend(labels + (reference == nil ? [] : ["average random cell"]), at: "top right")
    var text =
      Figure.frame(legend, lines: labels.count) + """
        set xlabel 'budget spent [\(curves.runs.currency.unit)]'
        set ylabel '\(center.name) \(metric.rawValue) regret [percent points]'
        set xrange [\(axes.left):\(curves.runs.end)]
        set yrange [\(axes.bottom):\(axes.top)]

        """
    if logX { text += "set logscale x\n\(Figure.ticks("x", axes.left, curves.runs.end))" }
    if logY { text += "set logscale y\n\(Figure.ticks("y", axes.bottom, axes.top))" }
    var bandPlots: [String] = []
    var plots: [String] = []
    if let reference {
      plots.append(
        "\(100 * reference) with lines linewidth 1.4 dashtype 3 linecolor rgb '#888888' "
          + "title 'average random cell'")
    }
    var named: Set<String> = []
    for (number, line) in series.enumerated() where !line.points.isEmpty {
      guard let style = styles[line.label] else { continue }
      let name = "data\(number)"
      text += Figure.steps(
        name,
        line.points.map { point in
          // Zero lies at the lower edge of a logarithmic axis.
          (point.x, [point.y, point.low, point.high].map { logY ? max($0, axes.bottom) : $0 })
        })
      if hasBands, line.runs > 1, center.band != nil { bandPlots.append(Figure.band(name, style)) }
      let isFirst = named.insert(line.label).inserted
      plots.append(Figure.line(name, style, isFirst ? line.label : nil, width: center == .runs ? 0.8 : 2.2))
    }
    text += "plot " + (bandPlots + plots).joined(separator: ", \\\n  ") + "\n"
    return Figure.Panel(title: experiment.name, caption: caption, commands: text, height: legend.height)
  }

  /// The gnuplot commands, without terminal and output.
  public func script(_ curves: Curves) throws(ReportError) -> String { try figure([curves]).script() }
}

extension MethodStyle {
  /// The styles of all methods of some experiments by label, so that a label looks the same in all of them.
  public static func byLabel(_ runs: [RegretRuns]) -> [String: MethodStyle] {
    var labels: [String] = []
    var methods: [String] = []
    for method in runs.flatMap(\.methods) where !labels.contains(method.label) {
      labels.append(method.label)
      methods.append(method.method)
    }
    return Dictionary(uniqueKeysWithValues: zip(labels, styles(of: methods)))
  }
}
