import Anytime
import Foundation

/// Lines over an axis as a Vega specification (version 5) with its data in it. The page draws it, and it opens
/// in Vega's editor as it is.
public struct VegaPlot: Sendable {
  /// The specification, in JSON.
  public let json: String

  /// An axis: its title, and whether it is logarithmic.
  struct Axis {
    var title: String
    var isLogarithmic = false
  }

  /// What is drawn: data, and transforms that make it into what the template draws.
  struct Content {
    /// For every line its name and the method that gives it its style.
    var methods: [(label: String, method: String)]
    /// Signals that choose what is shown.
    var choices: [JSONValue] = []
    /// Data of lines; `lines` are transforms that give a row `method`, `x`, `y`, `low` and `high`.
    var rows: [JSONValue]
    var lines: [JSONValue] = []
    /// Data of single runs; `single` are transforms that give a row `method`, `seed`, `x` and `y`.
    var runs: [JSONValue] = []
    var single: [JSONValue] = []
    /// Data of level lines; `levels` are transforms that give a row `y` and `label`.
    var reference: [JSONValue] = []
    var levels: [JSONValue] = []
    /// Whether bands are shown at first.
    var showsBands = false
    /// Whether values hold until the next one, and are not joined by straight lines.
    var isStepped = true
  }

  /// - Parameters:
  ///   - xDomain: What the horizontal axis spans.
  ///   - isReversed: Whether small values are above.
  ///   - fromZero: Whether a linear vertical axis has zero on it.
  init(
    title: String, caption: String, description: String, _ content: Content, x: Axis, y: Axis,
    xDomain: ClosedRange<Double>, isReversed: Bool = false, fromZero: Bool = false
  ) throws(ReportError) {
    let styles = MethodStyle.styles(of: content.methods.map(\.method))
    func type(_ axis: Axis) -> JSONValue { axis.isLogarithmic ? "log" : "linear" }
    json = try Self.template().filled(with: [
      "title": .text(title), "caption": .text(caption), "description": .text(description),
      "methods": .texts(content.methods.map(\.label)), "colours": .texts(styles.map { "#" + $0.colour }),
      "dashes": .list(styles.map { .list($0.pattern.map { .number($0) }) }),
      "choices": .list(content.choices), "rows": .list(content.rows), "lines": .list(content.lines),
      "runs": .list(content.runs), "single": .list(content.single), "reference": .list(content.reference),
      "referenceView": .list(content.levels), "band": .flag(content.showsBands),
      "interpolate": content.isStepped ? "step-after" : "linear", "xTitle": .text(x.title),
      "yTitle": .text(y.title), "xType": type(x), "yType": type(y), "logY": .flag(y.isLogarithmic),
      "xTicks": x.isLogarithmic ? Self.ticks : .null, "yTicks": y.isLogarithmic ? Self.ticks : .null,
      "xDomain": [.number(xDomain.lowerBound), .number(xDomain.upperBound)],
      "reverse": .flag(isReversed), "zero": .flag(fromZero),
    ]).text()
  }

  /// 1, 2 and 5 times powers of ten; an axis takes those that are on it.
  private static let ticks = JSONValue.list(
    (-6...12).flatMap { power in [1.0, 2, 5].map { .rounded($0 * pow(10, Double(power))) } })

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
  guard let url = Bundle.module.url(forResource: "Resources/\(name)", withExtension: nil),
    let data = try? Data(contentsOf: url)
  else { throw ReportError("\(name) is missing: the package was built without its resources") }
  return data
}

extension VegaPlot {
  /// A signal that is one of some words.
  static func choice(_ name: String, _ value: String, among options: [String]) -> JSONValue {
    [
      "name": .text(name), "value": .text(value), "bind": ["input": "select", "options": .texts(options)],
    ]
  }

  static func filter(_ expression: String) -> JSONValue { ["type": "filter", "expr": .text(expression)] }

  static func formula(_ field: String, _ expression: String) -> JSONValue {
    ["type": "formula", "as": .text(field), "expr": .text(expression)]
  }
}
