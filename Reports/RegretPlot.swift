import Anytime
import Foundation

/// A picture of regret curves, drawn by gnuplot.
public struct RegretPlot: Sendable {
  /// What lines and bands show.
  public enum Center: String, CaseIterable, Sendable {
    /// The mean, with a band of one standard error.
    case mean
    /// The median, with a band between the quartiles.
    case median
  }

  public var metric: RegretMetric
  public var center: Center
  public var logX: Bool
  public var logY: Bool

  public init(metric: RegretMetric, center: Center = .mean, logX: Bool = true, logY: Bool = true) {
    self.metric = metric
    self.center = center
    self.logX = logX
    self.logY = logY
  }

  /// Draws a file whose extension says what it is: `svg`, `pdf` or `png`.
  ///
  /// - Throws: ``ReportError``: an unknown extension, no gnuplot, nothing to draw.
  public func write(_ curves: Curves, to url: URL) throws {
    let terminals = [
      "svg": "svg size 800,520 dynamic font 'DejaVu Sans,13' background '#ffffff'",
      "pdf": "pdfcairo size 20cm,13cm font 'DejaVu Sans,11'",
      "png": "pngcairo size 1200,780 font 'DejaVu Sans,19'",
    ]
    guard let terminal = terminals[url.pathExtension.lowercased()] else {
      throw ReportError("\(url.path) must end in .svg, .pdf or .png")
    }
    let partial = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).plot")
    defer { try? FileManager.default.removeItem(at: partial) }
    try Self.gnuplot(
      "set terminal \(terminal)\nset output '\(partial.path)'\n" + (try script(curves)))
    guard let data = FileManager.default.contents(atPath: partial.path), !data.isEmpty else {
      throw ReportError("gnuplot drew nothing; is gnuplot-nox installed whole?")
    }
    try writeWhole(data, to: url)
  }

  /// The gnuplot commands, without terminal and output.
  public func script(_ curves: Curves) throws(ReportError) -> String {
    let drawn = curves.curves.filter { $0.metric == metric }
    // A line begins where every run has an incumbent: else it would show the survivors only.
    let series = drawn.map { curve -> [(x: Double, y: Double, low: Double, high: Double)] in
      let runs = curve.points.compactMap { $0?.n }.max() ?? 0
      return zip(curves.grid, curve.points).compactMap { x, point in
        guard let point, point.n == runs else { return nil }
        switch center {
        case .mean:
          let error = point.standardError ?? 0
          return (x, 100 * point.mean, 100 * (point.mean - error), 100 * (point.mean + error))
        case .median:
          return (x, 100 * point.median, 100 * point.lowerQuartile, 100 * point.upperQuartile)
        }
      }
    }
    let positive = series.flatMap { $0.flatMap { [$0.y, $0.low] } }.filter { $0 > 0 }
    let heights = series.flatMap { $0.map(\.high) }
    guard let highest = heights.max(), let firstX = series.compactMap({ $0.first?.x }).min() else {
      throw ReportError("there is nothing to draw: no run has a \(metric.rawValue) regret")
    }
    let lowest = max((positive.min() ?? 0.01), highest * 1e-4)
    let floor = logY ? lowest / 1.3 : 0
    let clips = logY && series.contains { $0.contains { $0.y < floor } }

    var caption = Curves.caption(curves.results)
    let single = curves.results.methods.allSatisfy { $0.runs.count < 2 }
    if !single { caption += center == .mean ? "; band: standard error" : "; band: quartiles" }
    if clips { caption += "; lower edge: zero regret" }

    // Markup does not reach over a line break.
    let title =
      ([Self.escaped(curves.results.experiment.name)]
      + Self.wrapped(caption).map { "{/*0.65 \(Self.escaped($0))}" }).joined(separator: "\\n")
    var text = """
      set title "\(title)" enhanced
      set xlabel 'budget spent [\(curves.results.experiment.policy.currency.unit)]'
      set ylabel '\(center.rawValue) \(metric.rawValue) regret [percent points]'
      set grid linecolor rgb '#dddddd' linewidth 0.6
      set border 3 linecolor rgb '#555555'
      set tics nomirror
      set key noenhanced top right samplen 3
      set style fill transparent solid 0.18 noborder
      set xrange [\(firstX):\(curves.results.experiment.horizon)]
      set yrange [\(floor):\(highest * (logY ? 1.15 : 1.05))]

      """
    if logX { text += "set logscale x\n\(Self.ticks("x", firstX, curves.results.experiment.horizon))" }
    if logY { text += "set logscale y\n\(Self.ticks("y", floor, highest * 1.15))" }
    var plots: [String] = []
    for (number, (curve, points)) in zip(drawn, series).enumerated() where !points.isEmpty {
      // Right-continuous steps: a value holds until the next one.
      text += "$data\(number) << EOD\n"
      for (place, point) in points.enumerated() {
        let y = logY ? max(point.y, floor) : point.y
        let low = logY ? max(point.low, floor) : point.low
        let line = "\(y) \(low) \(max(point.high, floor))\n"
        text += "\(point.x) \(line)"
        if place + 1 < points.count { text += "\(points[place + 1].x) \(line)" }
      }
      text += "EOD\n"
      let style = MethodStyle.styles(of: drawn.map(\.method))[number]
      let runs = points.isEmpty ? 0 : curve.points.compactMap { $0?.n }.max() ?? 0
      if runs > 1 {
        plots.append("$data\(number) using 1:3:4 with filledcurves linecolor rgb '#\(style.colour)' notitle")
      }
      let title = curve.label.replacingOccurrences(of: "'", with: "''")
      plots.append(
        "$data\(number) using 1:2 with lines linewidth 2.2 dashtype \(style.dash) "
          + "linecolor rgb '#\(style.colour)' title '\(title)'")
    }
    return text + "plot " + plots.joined(separator: ", \\\n  ") + "\n"
  }

  /// Labels at 1, 2 and 5 times the powers of ten, or at the powers alone over many decades.
  private static func ticks(_ axis: String, _ low: Double, _ high: Double) -> String {
    guard low > 0, high > low else { return "" }
    let decades = Int(log10(low).rounded(.down))...Int(log10(high).rounded(.up))
    let factors = decades.count > 4 ? [1.0] : [1.0, 2, 5]
    let places = decades.flatMap { decade in factors.map { $0 * pow(10, Double(decade)) } }
      .filter { low <= $0 && $0 <= high }
    guard places.count > 1 else { return "" }
    return "set \(axis)tics (" + places.map { String(format: "'%g' %g", $0, $0) }.joined(separator: ", ")
      + ")\n"
  }

  /// Breaks a caption at commas into lines of about 90 letters.
  private static func wrapped(_ text: String) -> [String] {
    var lines = [""]
    for part in text.components(separatedBy: ", ") {
      let last = lines[lines.count - 1]
      if last.isEmpty {
        lines[lines.count - 1] = part
      } else if last.count + part.count < 90 {
        lines[lines.count - 1] = last + ", " + part
      } else {
        lines[lines.count - 1] = last + ","
        lines.append(part)
      }
    }
    return lines
  }

  /// Text inside a double-quoted string with gnuplot's enhanced markup.
  private static func escaped(_ text: String) -> String {
    var result = ""
    for letter in text {
      switch letter {
      case "\"", "`": result += "'"
      case "\\", "_", "^", "{", "}", "@", "&", "~": result += "\\\\\(letter)"
      default: result.append(letter)
      }
    }
    return result
  }

  /// Runs gnuplot on a script.
  private static func gnuplot(_ script: String) throws {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["gnuplot", "-"]
    let input = Pipe()
    let errors = Pipe()
    process.standardInput = input
    process.standardError = errors
    process.standardOutput = FileHandle.nullDevice
    do { try process.run() } catch { throw ReportError("gnuplot cannot be started: \(error)") }
    try? input.fileHandleForWriting.write(contentsOf: Data(script.utf8))
    try? input.fileHandleForWriting.close()
    let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus != 127 else {
      throw ReportError("pictures need gnuplot; install it with 'apt-get install gnuplot-nox'")
    }
    guard process.terminationStatus == 0 else {
      let line = complaint.split(separator: "\n").last.map(String.init) ?? "no message"
      throw ReportError("gnuplot failed: \(line)")
    }
  }
}
