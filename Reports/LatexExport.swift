import Anytime
import Experiments
import Foundation
import Statistics

/// Curves and tables for LaTeX.
extension CurveExport {
  /// All that `anytime export latex` writes.
  public static func latex(metric: RegretMetric? = nil, center: CurveCenter = .median) -> [CurveExport] {
    func picture(_ name: String, _ chart: @escaping @Sendable (Curves) throws(ReportError) -> Chart) -> CurveExport {
      CurveExport(fileName: name) { curves in
        do { return Data(LatexExport.picture(try chart(curves)).utf8) } catch {
          // A document that reads the file compiles all the same.
          return Data((LatexExport.head(curves.runs) + "% \("\(error)".onOneLine)\n").utf8)
        }
      }
    }
    return [
      picture("curves.tex") { curves throws(ReportError) in
        try Chart.regret(curves, metric: metric, center: center)
      },
      CurveExport(fileName: "table.tex") { curves in
        Data(LatexExport.table(curves.runs, metric ?? curves.defaultMetric).utf8)
      },
      picture("ranks.tex") { curves throws(ReportError) in
        try Chart.ranks(RankCurves(curves.runs, metric: metric ?? curves.defaultMetric))
      },
      picture("ecdf.tex") { curves throws(ReportError) in
        try Chart.targets(TargetDistribution(curves.runs, metric: metric ?? curves.defaultMetric))
      },
    ]
  }
}

package enum LatexExport {
  static func head(_ title: String, _ caption: String) -> String { "% \(title.onOneLine): \(caption.onOneLine)\n" }

  static func head(_ runs: RegretRuns) -> String { head(runs.results.experiment.name, runs.caption) }

  /// A `tikzpicture` for pgfplots 1.18.
  package static func picture(_ chart: Chart) -> String {
    let styles = MethodStyle.byLabel(chart.methods)
    let (x, y) = (chart.x, chart.y)
    let ends = chart.ends
    // A line of footnotes has about 0.34 cm.
    let height = max(6.5, 0.34 * Double(ends.count))
    let axes = [("x", x), ("y", y)].map { name, axis in
      let ticks = axis.ticks.map { Numbers.digits($0) }.joined(separator: ",")
      return """
          \(name)mode=\(axis.scale == .log ? "log" : "linear"), \(name)label={\(escaped(axis.title))},
          \(name)min=\(axis.range.lowerBound), \(name)max=\(axis.range.upperBound), \
        \(ticks.isEmpty ? "" : "\(name)tick={\(ticks)}, ")\(axis.isReversed ? "\(name) dir=reverse, " : "")

        """
    }
    var text =
      head(chart.title, chart.caption) + """
        % In the preamble: \\usepackage{pgfplots} \\pgfplotsset{compat=1.18} \\usepgfplotslibrary{fillbetween}
        \\begin{tikzpicture}
        \\begin{axis}[
        \(axes.joined())  \(chart.isStepped ? "const plot, " : "")no markers, log ticks with fixed point,
          scale only axis, width=9cm, height=\(Numbers.digits(height))cm, clip mode=individual, \
        grid=major, grid style={gray!20},
        \(chart.needsLegend ? legend : "")\
        \(y.isReversed ? "" : "  axis lines=left,\n")\
        ]

        """
    for level in chart.levels {
      text += "\\addplot[gray, densely dotted, thick, sharp plot] coordinates {"
      text += "(\(x.range.lowerBound),\(level.value)) (\(x.range.upperBound),\(level.value))};\n"
      if chart.needsLegend { text += "\\addlegendentry{\(escaped(level.label))}\n" }
    }
    var named: Set<String> = []
    for (index, series) in chart.series.enumerated() where !series.points.isEmpty {
      guard let style = styles[series.label] else { continue }
      let colour = "anytime\(style.colour)"
      let points = series.points.map(chart.drawn)
      text += "\\definecolor{\(colour)}{HTML}{\(style.colour)}\n"
      func coordinates(_ value: (Chart.Point) -> Double) -> String {
        chart.corners(points.map { Chart.Point($0.x, value($0)) }).map { "(\($0.x),\($0.y))" }.joined(separator: " ")
      }
      if chart.showsBand(series) {
        for (name, values) in [("low", coordinates(\.low)), ("high", coordinates(\.high))] {
          text += "\\addplot[name path=\(name)\(index), draw=none, forget plot] coordinates {\(values)};\n"
        }
        text += "\\addplot[fill=\(colour), fill opacity=0.18, draw=none, forget plot] "
        text += "fill between[of=low\(index) and high\(index)];\n"
      }
      let pattern = style.pattern.enumerated().map { "\($0 % 2 == 0 ? "on" : "off") \($1 / 2)pt" }
      let dash = pattern.isEmpty ? "" : ", dash pattern=\(pattern.joined(separator: " "))"
      let isFirst = named.insert(series.label).inserted
      text += "\\addplot[\(colour), \(chart.isOfRuns ? "thin" : "thick")\(dash)\(isFirst ? "" : ", forget plot")] "
      text += "coordinates {\(coordinates(\.y))};\n"
      if isFirst, chart.needsLegend { text += "\\addlegendentry{\(escaped(series.label))}\n" }
    }
    for placed in chart.placedEnds(row: 0.34 / height) {
      let colour = placed.end.label.flatMap { styles[$0]?.colour }.map { "anytime" + $0 } ?? "gray"
      func place(_ x: Double, _ y: Double) -> String {
        "(axis description cs:\(Numbers.decimals(x, 4)),\(Numbers.decimals(y, 4)))"
      }
      text += "\\draw[\(colour), very thin] \(place(placed.x, placed.y)) -- \(place(1.03, placed.row));\n"
      text += "\\node[\(colour), anchor=west, inner sep=1pt, font=\\footnotesize] at \(place(1.035, placed.row)) "
      text += "{\(escaped(placed.end.text))};\n"
    }
    return text + "\\end{axis}\n\\end{tikzpicture}\n"
  }

  /// For names that are too long for the ends of their lines.
  private static let legend = """
      legend style={at={(0.5,-0.2)}, anchor=north, draw=none, fill=none, font=\\footnotesize}, legend cell align=left,

    """

  /// A `tabular` with booktabs' rules: the leaderboard.
  static func table(_ runs: RegretRuns, _ metric: RegretMetric) -> String {
    let board = Leaderboard(runs, metric: metric)
    let budgets = SignificanceTable.budgets
    let best = board.rows.first.flatMap { row in board.significance.labels.firstIndex(of: row.label) }
    let parts = budgets.map { escaped(Numbers.part($0)) }
    var text = head(runs)
    text += board.failureTexts.map { "% \($0.onOneLine).\n" }.joined()
    text += """
      % In the preamble: \\usepackage{booktabs}
      % \(metric.rawValue) regret in percent points; mean with its standard error, of the runs with a result; median of
      % all runs. Bold: the least mean, and those that
      % do not differ from it significantly at the end though they have enough runs (\(board.significance.caption)).
      \\begin{tabular}{lr@{\\,\\(\\pm\\)\\,}l\(String(repeating: "r", count: budgets.count))r}
      \\toprule
      & \\multicolumn{2}{c}{mean} & \\multicolumn{\(budgets.count)}{c}{median at} & \\\\
      \\cmidrule(lr){2-3} \\cmidrule(lr){4-\(3 + budgets.count)}
      method & \\multicolumn{2}{c}{} & \(parts.joined(separator: " & ")) & runs \\\\
      \\midrule

      """
    for row in board.rows {
      let index = board.significance.labels.firstIndex(of: row.label)
      let isFew = board.significance.rows.last?.tooFew.contains { $0.label == row.label } == true
      let isBold =
        index != nil && best == index
        || !isFew && (best.flatMap { best in
          index.flatMap { board.significance.rows.last?.pair(best, $0).map { $0.better == nil } }
        } ?? false)
      let label = escaped(row.label)
      let error = row.final?.standardError.map { Numbers.percent($0) }
      var cells = [isBold ? "\\textbf{\(label)}" : label, row.final.map { Numbers.percent($0.mean) } ?? "--"]
      cells.append(error ?? "--")
      cells += row.medians.map { median in median.map { Numbers.percent($0) } ?? "--" }
      cells.append(row.failed > 0 ? "\(row.runs) of \(row.runs + row.failed)" : String(row.runs))
      text += cells.joined(separator: " & ") + " \\\\\n"
    }
    return text + "\\bottomrule\n\\end{tabular}\n"
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
