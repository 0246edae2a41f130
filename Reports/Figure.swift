import Foundation

/// A picture of one or several panels in rows, drawn by gnuplot. The same figure gives the same bytes.
public struct Figure: Sendable {
  /// The commands of one panel: settings, data blocks and one `plot`.
  public struct Panel: Sendable {
    /// A bold line above, and smaller ones below it.
    public var title: String
    public var caption: String
    public var commands: String
    /// In points of 800 to the width of a picture of one panel.
    public var height: Int

    public init(title: String, caption: String, commands: String, height: Int = 520) {
      self.title = title
      self.caption = caption
      self.commands = commands
      self.height = height
    }
  }

  public var panels: [Panel]
  /// Panels in a row.
  public var columns: Int

  /// - Parameter columns: By default all panels stand side by side.
  public init(_ panels: [Panel], columns: Int? = nil) {
    self.panels = panels
    self.columns = columns ?? max(1, panels.count)
  }

  private var rows: Int { (panels.count + columns - 1) / columns }

  /// With more lines than this, bands lie over each other and are left out unless they are asked for.
  static let bandedLines = 8

  /// What a file's extension may be.
  public static let formats = ["svg", "pdf", "png"]

  /// The gnuplot commands for a file, without its terminal.
  func script() -> String {
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
    let terminals = [
      "svg": "svg size \(wide),\(high) dynamic font 'DejaVu Sans,13' background '#ffffff'",
      "pdf": "pdfcairo size \(Double(wide) / 40)cm,\(Double(high) / 40)cm font 'DejaVu Sans,11'",
      "png": "pngcairo size \(wide * 3 / 2),\(high * 3 / 2) font 'DejaVu Sans,19'",
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
    for place in key.upperBound..<end.lowerBound where (0x30...0x39).contains(data[place]) {
      data[place] = 0x30
    }
    return data
  }

  /// 1, 2 and 5 times the powers of ten, the powers alone over many decades, or more than these over less than one.
  static func tickPlaces(_ low: Double, _ high: Double) -> [Double] {
    guard low > 0, high > low, high.isFinite else { return [] }
    let decades = Int(log10(low).rounded(.down))...Int(log10(high).rounded(.up))
    func places(_ factors: [Double]) -> [Double] {
      decades.flatMap { decade in factors.map { $0 * pow(10, Double(decade)) } }.filter { low <= $0 && $0 <= high }
    }
    let usual = places(decades.count > 4 ? [1] : [1, 2, 5])
    return usual.count > 2 ? usual : places([1, 1.5, 2, 3, 4, 5, 7])
  }

  /// Labels of a logarithmic axis.
  static func ticks(_ axis: String, _ low: Double, _ high: Double) -> String {
    let places = tickPlaces(low, high)
    guard places.count > 1 else { return "" }
    return "set \(axis)tics (" + places.map { String(format: "'%g' %g", $0, $0) }.joined(separator: ", ")
      + ")\n"
  }

  /// Where the legend is: inside for a few lines if a place is given, else below.
  struct Legend {
    private let labels: [String]
    private let place: String?
    private let columns: Int

    init(_ labels: [String], at place: String?) {
      self.labels = labels
      self.place = labels.count <= 4 ? place : nil
      // A letter has about 8 of 640 points, the sample 60.
      columns = max(1, min(4, 640 / (60 + 8 * (labels.map(\.shownInFigures.count).max() ?? 0))))
    }

    /// Of a panel with this legend, in points.
    var height: Int { 520 + (place != nil ? 0 : 22 * ((labels.count + columns - 1) / columns)) }

    var command: String {
      "set key noenhanced \(place ?? "below horizontal maxcols \(columns) height 0.7") Left reverse samplen 3"
    }
  }

  /// The settings that all curves share.
  static func frame(_ legend: Legend, lines: Int) -> String {
    """
    set grid linetype 1 linecolor rgb '#dddddd' linewidth 0.8
    set border 3 linecolor rgb '#555555'
    set tics nomirror
    \(legend.command)
    set style fill transparent solid \(lines > 4 ? 0.12 : 0.18) noborder

    """
  }

  /// A data block of right-continuous steps: a value holds until the next one.
  static func steps(_ name: String, _ points: [(x: Double, values: [Double])]) -> String {
    var text = "$\(name) << EOD\n"
    for (place, point) in points.enumerated() {
      let values = point.values.map { $0.isFinite ? "\($0)" : "NaN" }.joined(separator: " ")
      text += "\(point.x) \(values)\n"
      if place + 1 < points.count { text += "\(points[place + 1].x) \(values)\n" }
    }
    return text + "EOD\n"
  }

  /// A line of a data block in a method's style; without a label it is not in the legend.
  static func line(_ name: String, _ style: MethodStyle, _ label: String?, width: Double = 2.2) -> String {
    let title = label.map { "title \(quoted($0.shownInFigures))" } ?? "notitle"
    return "$\(name) using 1:2 with lines linewidth \(width) dashtype \(style.dash) "
      + "linecolor rgb '#\(style.colour)' \(title)"
  }

  /// A band between the third and the fourth column.
  static func band(_ name: String, _ style: MethodStyle) -> String {
    "$\(name) using 1:3:4 with filledcurves linecolor rgb '#\(style.colour)' notitle"
  }

  /// Text as a string of gnuplot, in double quotes. The only line breaks are those between lines of a title. Scalar by
  /// scalar, as a quote with a combining mark is another character.
  static func quoted(_ text: String) -> String {
    var result = String.UnicodeScalarView("\"".unicodeScalars)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\", "\"": result += ["\\", scalar]
      case "\n": result += "\\n".unicodeScalars
      // A shell's output would be put in its place.
      case "`": result += "\\140".unicodeScalars
      default: result.append(scalar)
      }
    }
    return String(result) + "\""
  }

  /// Breaks a caption at commas into lines of some length.
  private static func wrapped(_ text: String, _ width: Int) -> [String] {
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
