import Foundation
import Statistics

/// A picture of one or several panels in rows, drawn by gnuplot. The same figure gives the same bytes.
public struct Figure: Sendable {
  /// The commands of one panel: settings, data blocks and one `plot`.
  public struct Panel: Sendable {
    /// A bold line above, and smaller ones below it.
    public var title: String
    /// Small lines below the title.
    public var caption: String
    /// The gnuplot commands.
    public var commands: String
    /// The height in points; a picture of one panel is 800 points wide.
    public var height: Int

    /// A panel with its title, caption and commands.
    public init(title: String, caption: String, commands: String, height: Int = 520) {
      self.title = title
      self.caption = caption
      self.commands = commands
      self.height = height
    }
  }

  /// The panels, row by row.
  public var panels: [Panel]
  /// Panels in a row.
  public var columns: Int

  /// - Parameter columns: By default all panels stand side by side.
  public init(_ panels: [Panel], columns: Int? = nil) {
    self.panels = panels
    self.columns = columns ?? max(1, panels.count)
  }

  private var rows: Int { (panels.count + columns - 1) / columns }

  /// The known file extensions.
  public static let formats = ["svg", "pdf", "png"]

  /// The gnuplot commands for a file, without its terminal.
  package func script() -> String {
    guard panels.count != 1 else { return Self.commands(panels[0], width: 90) }
    return "set multiplot layout \(rows),\(columns)\n"
      + panels.map { "reset\n" + Self.commands($0, width: 72) }.joined() + "unset multiplot\n"
  }

  private static func commands(_ panel: Panel, width: Int) -> String {
    // Markup does not reach over a line break.
    let title =
      ([panel.title.isEmpty ? "" : escaped(panel.title.shownInFigures)]
      + wrapped(panel.caption.onOneLine, width).map { "{/*0.65 \(escaped($0))}" })
      .joined(separator: "\n")
    return "set title \(quoted(title)) enhanced\n" + panel.commands
  }

  /// Draws a file whose extension says what it is: `svg`, `pdf` or `png`.
  ///
  /// - Throws: ``ReportError``: an unknown extension, no gnuplot, nothing to draw, a file that cannot be written.
  public func write(to url: URL) async throws { try await write(to: url, by: Gnuplot()) }

  /// Draws a file by a gnuplot of one's own.
  package func write(to url: URL, by gnuplot: Gnuplot) async throws {
    let wide = panels.count > 1 ? 640 * columns : 800
    let high = rows * (panels.map(\.height).max() ?? 520)
    // A dash is then as long in all formats, as a part of the picture.
    let terminals = [
      "svg": "svg size \(wide),\(high) dynamic font 'DejaVu Sans,13' background '#ffffff'",
      "pdf": "pdfcairo size \(Double(wide) / 40)cm,\(Double(high) / 40)cm dashlength 2.5 font 'DejaVu Sans,11'",
      "png": "pngcairo size \(wide * 3 / 2),\(high * 3 / 2) dashlength 2.9 font 'DejaVu Sans,19'",
    ]
    let format = url.pathExtension.lowercased()
    guard let terminal = terminals[format] else {
      throw ReportError("\(url.path) must end in .svg, .pdf or .png")
    }
    var data = try await gnuplot.draw("set encoding utf8\nset terminal \(terminal)\n\(script())")
    guard Self.isWhole(data, format) else {
      throw ReportError("gnuplot drew no whole picture; is gnuplot-nox installed whole?")
    }
    if format == "svg" { data = describing(data) }
    if format == "pdf" { data = Self.undated(data) }
    try writeWhole(data, to: url)
  }

  /// Whether a picture begins and ends as its format does.
  private static func isWhole(_ data: Data, _ format: String) -> Bool {
    let ends: [String: (first: [UInt8], last: String)] = [
      "svg": (Array("<?xml".utf8), "</svg>"), "pdf": (Array("%PDF".utf8), "%%EOF"),
      "png": ([0x89, 0x50, 0x4E, 0x47], "IEND"),
    ]
    guard let end = ends[format] else { return false }
    return data.starts(with: end.first) && data.suffix(32).range(of: Data(end.last.utf8)) != nil
  }

  /// An SVG file with the captions as its description, for those who cannot see it and for search.
  private func describing(_ data: Data) -> Data {
    let titles = HTML.escaped(panels.map(\.title.onOneLine).joined(separator: "; "))
    let captions = HTML.escaped(panels.map(\.caption.onOneLine).joined(separator: "; "))
    let text = String(decoding: data, as: UTF8.self)
      // The end of a section that gnuplot never begins: from a name.
      .replacing("]]>", with: "]]&gt;")
      .replacing(/<title>[^<]*<\/title>/, with: "<title>\(titles)</title>", maxReplacements: 1)
      .replacing(/<desc>[^<]*<\/desc>/, with: "<desc>\(captions)</desc>", maxReplacements: 1)
    return Data(text.utf8)
  }

  /// A PDF file without the time at which it was made.
  private static func undated(_ data: Data) -> Data {
    var data = data
    guard let key = data.range(of: Data("/CreationDate".utf8)),
      let end = data.range(of: Data(")".utf8), in: key.upperBound..<data.endIndex)
    else { return data }
    for index in key.upperBound..<end.lowerBound where (0x30...0x39).contains(data[index]) {
      data[index] = 0x30
    }
    return data
  }

  /// Labels of an axis; none where gnuplot is to choose.
  static func ticks(_ axis: String, _ ticks: [Double]) -> String {
    guard !ticks.isEmpty else { return "" }
    return "set \(axis)tics (" + ticks.map { "'\(Numbers.digits($0))' \($0)" }.joined(separator: ", ") + ")\n"
  }

  /// A legend below the plot, for names that are too long for the ends of their lines.
  private struct Legend {
    private let rows: Int
    private let columns: Int

    init(_ chart: Chart) {
      let labels = chart.needsLegend ? chart.methods.map(\.label) : []
      // A letter has about 8 of 640 points, the sample 60.
      columns = max(1, min(4, 640 / (60 + 8 * (labels.map(\.shownInFigures.count).max() ?? 0))))
      rows = (labels.count + columns - 1) / columns
    }

    /// In points.
    var height: Int { 22 * rows }

    var command: String {
      rows == 0
        ? "unset key" : "set key noenhanced below horizontal maxcols \(columns) height 0.7 Left reverse samplen 3"
    }
  }

  /// A data block of right-continuous steps: a value holds until the next one.
  static func steps(_ name: String, _ points: [(x: Double, values: [Double])]) -> String {
    var text = "$\(name) << EOD\n"
    for (index, point) in points.enumerated() {
      let values = point.values.map { $0.isFinite ? "\($0)" : "NaN" }.joined(separator: " ")
      text += "\(point.x) \(values)\n"
      if index + 1 < points.count { text += "\(points[index + 1].x) \(values)\n" }
    }
    return text + "EOD\n"
  }

  /// Text as a string of gnuplot, in double quotes. The only line breaks are those between lines of a title. Scalar by
  /// scalar, as a quote with a combining mark is another character.
  static func quoted(_ text: String) -> String {
    var result = String.UnicodeScalarView("\"".unicodeScalars)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\", "\"": result += ["\\", scalar]
      case "\n": result += "\\n".unicodeScalars
      // Otherwise a shell's output would replace it.
      case "`": result += "\\140".unicodeScalars
      default: result.append(scalar)
      }
    }
    return String(result) + "\""
  }

  /// Breaks a caption at commas into lines of some length.
  static func wrapped(_ text: String, _ width: Int) -> [String] {
    var lines = [""]
    for part in text.components(separatedBy: ", ") {
      let last = lines[lines.count - 1]
      if last.isEmpty {
        lines[lines.count - 1] = part
      } else if last.count + part.count < width {
        lines[lines.count - 1] = last + ", " + part
      } else {
        lines[lines.count - 1] = last + ","
        lines.append(part)
      }
    }
    return lines
  }

  /// Text without a meaning in gnuplot's enhanced markup.
  static func escaped(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar {
      // On its own, as "\\U+0041" would be a letter.
      case "\\": result += "{\\\\}".unicodeScalars
      case "_", "^", "{", "}", "@", "&", "~": result += ["\\", scalar]
      default: result.append(scalar)
      }
    }
    return String(result)
  }
}

extension Figure {
  /// Charts side by side; a method looks the same in all of them.
  public init(_ charts: [Chart]) {
    let styles = MethodStyle.byLabel(charts.flatMap(\.methods))
    self.init(charts.map { Self.panel($0, styles: styles) })
  }

  /// The height of a name at a line's end, in points.
  private static let row = 16.0

  private static func panel(_ chart: Chart, styles: [String: MethodStyle]) -> Panel {
    let legend = Legend(chart)
    let ends = chart.ends
    // Title and axis take 130 points.
    let height = max(390, Int(row * Double(ends.count)))
    let letters = ends.map(\.text.count).max() ?? 0
    var text = """
      set grid linetype 1 linecolor rgb '#dddddd' linewidth 0.8
      set border 3 linecolor rgb '#555555'
      set tics nomirror
      \(legend.command)
      set rmargin \(3 + (letters * 17 + 19) / 20)
      set style fill transparent solid \(chart.methods.count > 4 ? 0.12 : 0.18) noborder

      """
    for (name, axis) in [("x", chart.x), ("y", chart.y)] {
      let (low, high) = (axis.range.lowerBound, axis.range.upperBound)
      text += "set \(name)label \(quoted(axis.title))\n"
      text += "set \(name)range [\(axis.isReversed ? "\(high):\(low)" : "\(low):\(high)")]\n"
      text += (axis.scale == .log ? "set logscale \(name)\n" : "") + ticks(name, axis.ticks)
    }
    for placed in chart.placedEnds(row: row / Double(height)) {
      let colour = placed.end.label.flatMap { styles[$0]?.colour } ?? levelColour
      text += "set arrow from graph \(placed.x),\(placed.y) to graph 1.03,\(placed.row) nohead linewidth 0.8 "
      text += "linecolor rgb '#\(colour)'\n"
      text += "set label \(quoted("{/*0.85 \(escaped(placed.end.text))}")) at graph 1.04,\(placed.row) left "
      text += "textcolor rgb '#\(colour)'\n"
    }
    var bands: [String] = []
    var lines = chart.levels.map { level in
      "\(level.value) with lines linewidth 1.4 dashtype 3 linecolor rgb '#\(levelColour)' title \(quoted(level.label))"
    }
    var named: Set<String> = []
    for (index, series) in chart.series.enumerated() where !series.points.isEmpty {
      guard let style = styles[series.label] else { continue }
      text += steps(
        "data\(index)", series.points.map(chart.drawn).map { ($0.x, [$0.y, $0.low, $0.high]) })
      let colour = "linecolor rgb '#\(style.colour)'"
      if chart.showsBand(series) { bands.append("$data\(index) using 1:3:4 with filledcurves \(colour) notitle") }
      let isFirst = named.insert(series.label).inserted
      lines.append(
        "$data\(index) using 1:2 with lines linewidth \(chart.isOfRuns ? 0.8 : 2.2) \(dashes(style)) \(colour) "
          + (isFirst ? "title \(quoted(series.label.shownInFigures))" : "notitle"))
    }
    text += "plot " + (bands + lines).joined(separator: ", \\\n  ") + "\n"
    return Panel(title: chart.title, caption: chart.caption, commands: text, height: 130 + height + legend.height)
  }

  private static let levelColour = "767676"

  /// A style's dashes in gnuplot's unit.
  static func dashes(_ style: MethodStyle) -> String {
    guard !style.pattern.isEmpty else { return "dashtype solid" }
    return "dashtype (\(style.pattern.map { Numbers.digits($0) }.joined(separator: ",")))"
  }
}
