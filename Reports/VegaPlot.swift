import Anytime
import Experiments
import Foundation
import Statistics
import TabularBenchmark

/// Charts of the same methods, one of which is shown, as a Vega specification (version 5) with its data in it. The page
/// draws it, and it opens in Vega's editor as it is.
public struct VegaPlot: Sendable {
  /// A choice among words; together they say which chart is shown.
  struct Choice: Sendable {
    /// The name of the signal.
    let signal: String
    /// On the page.
    let title: String
    let options: [String]
  }

  /// The specification, in JSON.
  public let json: String
  /// The chart that is shown first.
  let chart: Chart
  /// The first option of each is chosen at first.
  let choices: [Choice]
  /// Whether any chart has bands.
  let hasBands: Bool
  /// The axes that can be switched to a linear scale.
  var logarithmicAxes: [String] { [("x", chart.x), ("y", chart.y)].filter { $0.1.scale == .log }.map(\.0) }

  /// - Parameters:
  ///   - charts: The charts by the option of every choice, the one to show first in front.
  ///   - choices: Signals and titles of choices.
  init(
    _ charts: [(options: [String], chart: Chart)], choosing choices: [(signal: String, title: String)] = []
  ) throws(ReportError) {
    guard let first = charts.first?.chart else { throw ReportError("there is nothing to draw") }
    chart = first
    hasBands = charts.contains { $0.chart.series.contains(where: \.hasBand) }
    self.choices = choices.enumerated().map { index, choice in
      var seen: Set<String> = []
      return Choice(
        signal: choice.signal, title: choice.title,
        options: charts.map { $0.options[index] }.filter { seen.insert($0).inserted })
    }
    let styles = MethodStyle.byLabel(first.methods)
    let labels = first.methods.map(\.label)
    // A combination without a chart has the first one's axes and no lines.
    let keys = self.choices.reduce([""]) { keys, choice in keys.flatMap { key in choice.options.map { key + $0 } } }
    var frames = Dictionary(keys.map { ($0, Self.frame(first)) }) { first, _ in first }
    for (options, chart) in charts { frames[options.joined()] = Self.frame(chart) }
    json = try Self.template().filled(with: [
      "title": .text(first.title), "caption": .text(first.caption), "description": .text(first.description),
      "methods": .texts(labels), "colours": .texts(labels.map { "#" + (styles[$0]?.colour ?? "000000") }),
      "ends": .list(Self.ends(charts)),
      // A letter has about 6.5 pixels.
      "room": .number(Double(28 + 13 * (charts.flatMap(\.chart.ends).map(\.text.count).max() ?? 0) / 2)),
      "height": .number(Double(max(380, 14 * (charts.map(\.chart.ends.count).max() ?? 0)))),
      "dashes": .list(labels.map { .list((styles[$0]?.pattern ?? []).map { .number($0) }) }),
      "choices": .list(
        self.choices.map { choice in
          [
            "name": .text(choice.signal), "value": .text(choice.options[0]),
            "bind": ["input": "select", "options": .texts(choice.options)],
          ]
        }),
      "frames": .object(frames), "chosen": .text((["''"] + self.choices.map(\.signal)).joined(separator: " + ")),
      "lines": .list(charts.flatMap { Self.lines($0.options.joined(), $0.chart) }),
      "levels": .list(
        charts.flatMap { options, chart in
          chart.levels.map {
            ["chart": .text(options.joined()), "y": .rounded($0.value), "label": .text($0.label)] as JSONValue
          }
        }),
      "band": .flag(first.showsBands), "interpolate": first.isStepped ? "step-after" : "linear",
      "xType": Self.type(first.x), "yType": Self.type(first.y), "logX": .flag(first.x.scale == .log),
      "logY": .flag(first.y.scale == .log), "reverse": .flag(first.y.isReversed),
    ]).text()
  }

  /// A plot of one chart.
  public init(_ chart: Chart) throws(ReportError) { try self.init([([], chart)]) }

  private static func type(_ axis: Chart.Axis) -> JSONValue { axis.scale == .log ? "log" : "linear" }

  /// The parts of a chart other than its lines.
  private static func frame(_ chart: Chart) -> JSONValue {
    func axis(_ axis: Chart.Axis) -> JSONValue {
      func on(_ scale: StepCurve.Scale) -> JSONValue {
        let axis = axis.on(scale)
        return [
          "range": [.number(axis.range.lowerBound), .number(axis.range.upperBound)],
          "ticks": axis.ticks.isEmpty ? .null : .list(axis.ticks.map { .rounded($0) }),
        ]
      }
      return ["title": .text(axis.title), "linear": on(.linear), "log": on(.log)]
    }
    return [
      "x": axis(chart.x), "y": axis(chart.y), "isOfRuns": .flag(chart.isOfRuns),
      "width": chart.isOfRuns ? 1.2 : 2, "opacity": chart.isOfRuns ? 0.6 : 1,
    ]
  }

  /// The lines of a chart: an object per name, with a list of coordinates per line of that name, which takes a sixth of
  /// the letters of an object per point. The specification makes rows of them.
  private static func lines(_ key: String, _ chart: Chart) -> [JSONValue] {
    var labels: [String] = []
    var lines: [String: [Chart.Series]] = [:]
    for series in chart.series where !series.points.isEmpty {
      if lines[series.label] == nil { labels.append(series.label) }
      lines[series.label, default: []].append(series)
    }
    return labels.map { label in
      let points = (lines[label] ?? []).map { ($0.hasBand, chart.corners($0.points)) }
      func column(_ value: (Chart.Point) -> Double, ofBand: Bool = false) -> JSONValue {
        .list(points.map { hasBand, points in .list(ofBand && !hasBand ? [] : points.map { .rounded(value($0)) }) })
      }
      return [
        "chart": .text(key), "method": .text(label), "x": column(\.x), "y": column(\.y),
        "low": column(\.low, ofBand: true), "high": column(\.high, ofBand: true),
      ]
    }
  }

  /// A row per name at the end of a line, with the charts that have it there.
  private static func ends(_ charts: [(options: [String], chart: Chart)]) -> [JSONValue] {
    var rows: [[String: JSONValue]] = []
    var keys: [[String: JSONValue]: [JSONValue]] = [:]
    for (options, chart) in charts {
      for (index, end) in chart.ends.enumerated() {
        let row: [String: JSONValue] = [
          "index": .number(Double(index)), "method": end.label.map { .text($0) } ?? .null, "text": .text(end.text),
          "x": .rounded(end.x), "y": .rounded(end.y),
        ]
        if keys[row] == nil { rows.append(row) }
        keys[row, default: []].append(.text(options.joined()))
      }
    }
    return rows.map { row in .object(row.merging(["charts": .list(keys[row] ?? [])]) { $1 }) }
  }

  private static func template() throws(ReportError) -> JSONValue {
    let data = try resource("lines.vg.json")
    guard let template = try? JSONDecoder().decode(JSONValue.self, from: data) else {
      throw ReportError("the package's lines.vg.json is damaged; build it again")
    }
    return template
  }
}

/// A file that comes with the package.
func resource(_ name: String) throws(ReportError) -> Data {
  let resources = installedResources(of: "Reports") ?? .module
  guard let url = resources.url(forResource: "Resources/\(name)", withExtension: nil),
    let data = try? Data(contentsOf: url)
  else { throw ReportError("\(name) is missing: the package was built without its resources") }
  return data
}

extension VegaPlot {
  /// Regret over spent budget, with choices of accuracy, statistic and accounting.
  ///
  /// - Parameter variants: Curves of the same experiment in one currency, the one to show first in front; others
  ///   differ in their accounting.
  /// - Throws: ``ReportError`` if there is nothing to draw.
  public init(regretOf variants: [Curves]) throws(ReportError) {
    guard let main = variants.first else { throw ReportError("there are no curves to draw") }
    let metrics = [main.defaultMetric] + RegretMetric.allCases.filter { $0 != main.defaultMetric }
    var charts: [(options: [String], chart: Chart)] = []
    let runs = Chart.singleRuns(ofMethods: main.runs.methods.count)
    for curves in variants {
      for metric in metrics where curves.curves.contains(where: { $0.metric == metric }) {
        for (name, center) in [("median", CurveCenter.median), ("mean", .mean), ("single runs", .runs)] {
          // A metric or accounting without any incumbent has no chart.
          guard let chart = try? Chart.regret(curves, metric: metric, center: center, seeds: runs) else { continue }
          charts.append(([metric.rawValue, name, curves.runs.accounting.text], chart))
        }
      }
    }
    try self.init(
      charts, choosing: [("metric", "Accuracy"), ("statistic", "Show"), ("accounting", "Accounting")])
  }
}

extension CurveExport {
  /// Regret over budget as a Vega specification with its data in it.
  public static let vega = CurveExport(fileName: "curves.vg.json") { curves in
    Data(try VegaPlot(regretOf: [curves]).json.utf8)
  }
}
