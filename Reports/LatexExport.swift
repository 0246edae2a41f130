import Anytime
import Foundation

/// Curves and tables for LaTeX.
extension CurveExport {
  /// All that `anytime export latex` writes.
  public static func latex(metric: RegretMetric? = nil, center: CurveCenter = .median) -> [CurveExport] {
    [
      CurveExport(fileName: "curves.tex") { LatexExport(curves: $0, metric: metric, center: center).figure },
      CurveExport(fileName: "table.tex") { LatexExport(curves: $0, metric: metric, center: center).table },
    ]
  }
}

package struct LatexExport {
  let curves: Curves
  let metric: RegretMetric
  let center: CurveCenter

  init(curves: Curves, metric: RegretMetric?, center: CurveCenter) {
    self.curves = curves
    self.metric = metric ?? curves.defaultMetric
    self.center = center
  }

  private var head: String {
    "% \(curves.results.experiment.name.onOneLine): \(curves.runs.caption.onOneLine)\n"
  }

  /// A `tikzpicture` for pgfplots 1.18.
  var figure: Data {
    var text = head
    let series = RegretSeries.all(curves, metric: metric, center: center)
    let reference = curves.runs.reference?.randomRegret(metric)
    guard let axes = RegretAxes(series, reference: reference, logY: true) else {
      return Data((text + "% There is nothing to draw: no run has a \(metric.rawValue) regret.\n").utf8)
    }
    let styles = MethodStyle.byLabel([curves.runs])
    let band = center.band.map { " Bands: \(Self.escaped($0))." } ?? ""
    text += """
      % In the preamble: \\usepackage{pgfplots} \\pgfplotsset{compat=1.18} \\usepgfplotslibrary{fillbetween}
      % Line: \(center.name) \(metric.rawValue) regret.\(band)\(axes.clips ? " Lower edge: zero regret." : "")
      \\begin{tikzpicture}
      \\begin{loglogaxis}[
        xlabel={budget spent [\(curves.runs.currency.unit)]},
        ylabel={\(center.name) \(metric.rawValue) regret [percent points]},
        xmin=\(axes.left), xmax=\(curves.runs.end), ymin=\(axes.bottom), ymax=\(axes.top),
        const plot, no markers, log ticks with fixed point, \(ticks(axes))
        legend pos=outer north east, legend cell align=left,
        legend style={draw=none, fill=none, font=\\footnotesize}, axis lines=left, grid=major,
        grid style={gray!20},
      ]

      """
    if let reference {
      text += "\\addplot[gray, densely dotted, thick, sharp plot] coordinates {"
      text += "(\(axes.left),\(100 * reference)) (\(curves.runs.end),\(100 * reference))};\n"
      text += "\\addlegendentry{average random cell}\n"
    }
    var named: Set<String> = []
    for (number, line) in series.enumerated() where !line.points.isEmpty {
      guard let style = styles[line.label] else { continue }
      let colour = "anytime\(style.colour)"
      text += "\\definecolor{\(colour)}{HTML}{\(style.colour)}\n"
      func coordinates(_ value: ((x: Double, y: Double, low: Double, high: Double)) -> Double) -> String {
        var last: Double?
        return line.points.enumerated().compactMap { place, point in
          let y = max(value(point), axes.bottom)
          // Steps need their changes and the end only.
          if y == last, place + 1 < line.points.count { return nil }
          last = y
          return "(\(point.x),\(y))"
        }.joined(separator: " ")
      }
      if line.runs > 1, center.band != nil {
        text +=
          "\\addplot[name path=low\(number), draw=none, forget plot] coordinates {\(coordinates(\.low))};\n"
        text +=
          "\\addplot[name path=high\(number), draw=none, forget plot] coordinates {\(coordinates(\.high))};\n"
        text += "\\addplot[fill=\(colour), fill opacity=0.18, draw=none, forget plot] "
        text += "fill between[of=low\(number) and high\(number)];\n"
      }
      let pattern = style.pattern.enumerated().map { "\($0 % 2 == 0 ? "on" : "off") \($1 / 2)pt" }
      let dash = pattern.isEmpty ? "" : ", dash pattern=\(pattern.joined(separator: " "))"
      let isFirst = named.insert(line.label).inserted
      text +=
        "\\addplot[\(colour), \(center == .runs ? "thin" : "thick")\(dash)\(isFirst ? "" : ", forget plot")] "
      text += "coordinates {\(coordinates(\.y))};\n"
      if isFirst { text += "\\addlegendentry{\(Self.escaped(line.label))}\n" }
    }
    return Data((text + "\\end{loglogaxis}\n\\end{tikzpicture}\n").utf8)
  }

  private func ticks(_ axes: RegretAxes) -> String {
    [("x", axes.left, curves.runs.end), ("y", axes.bottom, axes.top)].map { axis, low, high in
      let places = Figure.tickPlaces(low, high)
      return places.count > 1
        ? "\(axis)tick={\(places.map { String(format: "%g", $0) }.joined(separator: ","))}, " : ""
    }.joined()
  }

  /// A `tabular` with booktabs' rules: the leaderboard.
  var table: Data {
    let board = Leaderboard(curves.runs, metric: metric)
    let budgets = SignificanceTable.budgets
    let best = board.rows.first.flatMap { row in board.significance.labels.firstIndex(of: row.label) }
    let percents = budgets.dropLast().map { Self.escaped(SignificanceTable.percent($0)) }
    var text = head
    text += """
      % In the preamble: \\usepackage{booktabs}
      % \(metric.rawValue) regret in percent points; mean with its standard error. Bold: the least mean, and those that
      % do not differ from it significantly at the end (\(board.significance.caption)).
      \\begin{tabular}{lr@{\\,\\(\\pm\\)\\,}l\(String(repeating: "r", count: budgets.count))r}
      \\toprule
      & \\multicolumn{2}{c}{mean} & \\multicolumn{\(budgets.count)}{c}{median at} & \\\\
      \\cmidrule(lr){2-3} \\cmidrule(lr){4-\(3 + budgets.count)}
      method & \\multicolumn{2}{c}{} & \(percents.joined(separator: " & ")) & 100 \\% & runs \\\\
      \\midrule

      """
    func percent(_ value: Double) -> String { String(format: "%.3f", 100 * value) }
    for row in board.rows {
      let place = board.significance.labels.firstIndex(of: row.label)
      let isBold =
        best == place
        || (best.flatMap { best in
          place.flatMap { board.significance.rows.last?.pair(best, $0).map { $0.better == nil } }
        } ?? false)
      let label = Self.escaped(row.label)
      let cells =
        [
          isBold ? "\\textbf{\(label)}" : label, row.final.map { percent($0.mean) } ?? "--",
          row.final?.standardError.map(percent) ?? "--",
        ] + row.medians.map { $0.map(percent) ?? "--" } + [String(row.runs)]
      text += cells.joined(separator: " & ") + " \\\\\n"
    }
    return Data((text + "\\bottomrule\n\\end{tabular}\n").utf8)
  }

  /// Text without a meaning in LaTeX, for any engine and any font encoding: what pdfTeX cannot print in every one of
  /// them stands there by its number, and as itself for engines that read Unicode.
  package static func escaped(_ text: String) -> String {
    var result = ""
    var last: Unicode.Scalar?
    for scalar in text.shownInFigures.precomposedStringWithCanonicalMapping.unicodeScalars {
      switch scalar {
      case "\\": result += "\\textbackslash{}"
      case "~": result += "\\textasciitilde{}"
      case "^": result += "\\textasciicircum{}"
      case "<": result += "\\textless{}"
      case ">": result += "\\textgreater{}"
      case "|": result += "\\textbar{}"
      case "…": result += "\\ldots{}"
      // Some languages give a quote a meaning of its own.
      case "\"": result += "\\char34{}"
      case "#", "$", "%", "&", "_", "{", "}": result += "\\\(scalar)"
      // After a line's end or a command, these would begin an argument.
      case "[", "]", "*", "`": result += "{\(scalar)}"
      // Two of them would be another sign.
      case "-", "'", ",": result += scalar == last ? "{\(scalar)}" : "\(scalar)"
      default: result += scalar.isASCII || isLatin(scalar) ? "\(scalar)" : unicode(scalar)
      }
      last = scalar
    }
    return result
  }

  /// Letters that every font encoding has: those of Latin-1, without Icelandic's and without signs.
  private static func isLatin(_ scalar: Unicode.Scalar) -> Bool {
    ("\u{C0}"..."\u{FF}").contains(scalar) && !"ÐÞðþ×÷".unicodeScalars.contains(scalar)
  }

  private static func unicode(_ scalar: Unicode.Scalar) -> String {
    "\\ifdefined\\Umathchar \(scalar)\\else (U+\(String(scalar.value, radix: 16, uppercase: true)))\\fi{}"
  }
}
