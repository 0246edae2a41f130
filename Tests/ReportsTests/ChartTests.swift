import Anytime
import Experiments
import Foundation
import Reports
import Statistics
import Testing

/// Lines, ranges, ticks and names as a program would draw them.
private struct Drawn {
  struct Line {
    var colour: String
    var dash: [Double]
    /// Each with the ends of its band, where one is drawn.
    var points: [[Double]]
  }

  var x, y: [Double]
  var xTicks, yTicks: [Double]
  /// The names at the ends of lines, and where these ends are, from the lower left corner.
  var names: [String]
  var ends: [[Double]]
  /// The middle of each name, where the program does not place it by itself.
  var rows: [Double]
  var lines: [Line]
  var bands: Int

  /// What a chart says that is to be drawn.
  init(_ chart: Chart) {
    let styles = MethodStyle.byLabel(chart.methods)
    func edges(_ axis: Chart.Axis) -> [Double] {
      let ends = [axis.range.lowerBound, axis.range.upperBound]
      return axis.isReversed ? ends.reversed() : ends
    }
    (x, y, xTicks, yTicks) = (edges(chart.x), edges(chart.y), chart.x.ticks, chart.y.ticks)
    let series = chart.series.filter { !$0.points.isEmpty }
    names = chart.ends.map(\.text)
    ends = chart.ends.map { [chart.x.fraction($0.x), chart.y.fraction($0.y)] }
    rows = chart.placedEnds(row: 0.04).map(\.row)
    lines = series.map { series in
      Line(
        colour: styles[series.label]?.colour ?? "", dash: styles[series.label]?.pattern ?? [],
        points: series.points.map(chart.drawn).map { point in
          [point.x, point.y] + (chart.showsBand(series) ? [point.low, point.high] : [])
        })
    }
    bands = series.count { chart.showsBand($0) }
  }
}

extension [Double] {
  /// Whether the numbers are others, rounded to significant digits: at most half a unit of the last digit apart.
  fileprivate func isLike(_ other: [Double], digits: Int) -> Bool {
    count == other.count
      && zip(self, other).allSatisfy { rounded, exact in
        let unit = exact == 0 ? 0 : pow(10, log10(abs(exact)).rounded(.down) + 1 - Double(digits))
        return abs(rounded - exact) <= 0.5001 * unit
      }
  }
}

/// A random number of methods with a random number of runs and incumbents; some runs fail, some have no incumbent.
private func randomResults(_ random: inout RandomGenerator) throws -> ExperimentResults {
  let methods = ["tpe", "darts", "random-search", "smac", "a_b", "c", "d", "e", "f", "g"]
  let oneShot: Set<String> = ["darts", "c", "g"]
  let horizon = pow(10, Double(random.below(5)))
  let results = try HandMade.results(
    horizon: horizon, oneShot: oneShot,
    methods.prefix(2 + random.below(9)).map { label in
      (
        label,
        (0..<1 + random.below(6)).map { _ in
          let amounts = (0..<random.below(5)).map { _ in horizon * pow(random.uniform(), 3) }.sorted()
          return amounts.map { HandMade(amount: $0, validation: random.below(4) == 0 ? 0 : 0.3 * random.uniform()) }
        }
      )
    })
  return results.failing { _, _ in random.below(6) == 0 ? "it diverged" : nil }
}

/// Every chart of some results that there is something to draw of.
private func charts(_ results: ExperimentResults, _ random: inout RandomGenerator) -> [Chart] {
  let runs = RegretRuns(results)
  let curves = Curves(runs, gridSize: 12, bootstrap: true)
  let scales: [StepCurve.Scale] = [random.below(2) == 0 ? .log : .linear, random.below(2) == 0 ? .log : .linear]
  let bands = [true, false, nil][random.below(3)]
  var charts = CurveCenter.allCases.compactMap {
    try? Chart.regret(curves, center: $0, x: scales[0], y: scales[1], bands: bands)
  }
  if let ranks = try? Chart.ranks(RankCurves(runs, gridSize: 9, scale: scales[0]), x: scales[0], bands: bands) {
    charts.append(ranks)
  }
  if let targets = try? Chart.targets(TargetDistribution(runs), x: scales[0], size: 20) { charts.append(targets) }
  return charts
}

@Suite("Charts") struct ChartTests {
  @Test("are the same lines, bands, ranges, ticks and colours in gnuplot, Vega and LaTeX", arguments: 0..<25)
  func renderers(seed: Int) throws {
    var random = RandomGenerator(seed: UInt64(seed), stream: "charts")
    let charts = charts(try randomResults(&random), &random)
    for chart in charts {
      let drawings = [
        ("gnuplot", 5, Self.gnuplot(Figure([chart]).script())), ("Vega", 4, try Self.vega(VegaPlot(chart), chart)),
        ("LaTeX", 5, try Self.latex(LatexExport.picture(chart), chart)),
      ]
      for (program, digits, drawn) in drawings {
        Self.compare(drawn, Drawn(chart), digits: digits, "\(program), \(chart.y.title)")
      }
    }
  }

  @Test("are of every kind in the test above") func kinds() throws {
    var titles: Set<String> = []
    for seed in 0..<25 {
      var random = RandomGenerator(seed: UInt64(seed), stream: "charts")
      titles.formUnion(charts(try randomResults(&random), &random).map(\.y.title))
    }
    #expect(titles.count == 5, "median, mean (twice), single runs, rank, targets")
  }

  private static func compare(_ drawn: Drawn, _ chart: Drawn, digits: Int, _ what: String) {
    func isLike(_ first: [Double], _ second: [Double]) -> Bool { first.isLike(second, digits: digits) }
    #expect(isLike(drawn.x, chart.x) && isLike(drawn.y, chart.y), "ranges, \(what)")
    #expect(isLike(drawn.xTicks, chart.xTicks) && isLike(drawn.yTicks, chart.yTicks), "ticks, \(what)")
    #expect(drawn.names == chart.names && drawn.bands == chart.bands, "\(what)")
    for (end, expected) in zip(drawn.ends, chart.ends) {
      #expect(zip(end, expected).allSatisfy { abs($0 - $1) < pow(10, 1 - Double(digits)) }, "ends, \(what)")
    }
    let rows = drawn.rows.sorted()
    #expect(zip(rows, rows.dropFirst()).allSatisfy { $1 - $0 > 0.03 }, "rows, \(what)")
    let order = { (rows: [Double]) in rows.indices.sorted { (rows[$0], $0) < (rows[$1], $1) } }
    #expect(drawn.rows.isEmpty || order(drawn.rows) == order(chart.rows), "rows, \(what)")
    #expect(drawn.lines.map(\.colour) == chart.lines.map(\.colour), "\(what)")
    #expect(drawn.lines.map(\.dash) == chart.lines.map(\.dash), "\(what)")
    for (line, expected) in zip(drawn.lines, chart.lines) {
      #expect(line.points.count == expected.points.count, "\(what)")
      #expect(zip(line.points, expected.points).allSatisfy { isLike($0, $1) }, "\(what)")
    }
  }

  /// Reads a script of one panel.
  private static func gnuplot(_ script: String) -> Drawn {
    func pair(_ pattern: Regex<(Substring, Substring, Substring)>) -> [Double] {
      script.firstMatch(of: pattern).map { [Double($0.1) ?? .nan, Double($0.2) ?? .nan] } ?? []
    }
    func ticks(_ pattern: Regex<(Substring, Substring)>) -> [Double] {
      script.firstMatch(of: pattern).map { match in
        match.1.split(separator: ", ").compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }
      } ?? []
    }
    let blocks = script.matches(of: /\$(data\d+) << EOD\n([^E]*)EOD/).map { match in
      (
        String(match.1),
        match.2.split(separator: "\n").enumerated().filter { $0.offset % 2 == 0 }.map { row in
          row.element.split(separator: " ").compactMap { Double($0) }
        }
      )
    }
    let banded = Set(script.matches(of: /\$(data\d+) using 1:3:4/).map { String($0.1) })
    let colours = script.matches(of: /\$(data\d+) using 1:2 .*rgb '#([0-9A-F]+)'/)
      .reduce(into: [String: String]()) { $0[String($1.1)] = String($1.2) }
    let dashes = script.matches(of: /\$(data\d+) using 1:2 .*dashtype (?:solid|\(([0-9,]+)\))/)
      .reduce(into: [String: [Double]]()) { dashes, match in
        dashes[String(match.1)] = match.2.map { $0.split(separator: ",").compactMap { Double($0) } } ?? []
      }
    let names = script.matches(of: /set label "\{\/\*0\.85 (.*)\}" at graph 1\.04,(\S+) left/)
    let ends = script.matches(of: /set arrow from graph (\S+),(\S+) to graph/)
    return Drawn(
      x: pair(/set xrange \[([^:]+):([^\]]+)\]/), y: pair(/set yrange \[([^:]+):([^\]]+)\]/),
      xTicks: ticks(/set xtics \((.*)\)/), yTicks: ticks(/set ytics \((.*)\)/),
      names: names.map { String($0.1).replacing("\\\\_", with: "_") },
      ends: ends.map { [Double($0.1) ?? .nan, Double($0.2) ?? .nan] }, rows: names.map { Double($0.2) ?? .nan },
      lines: blocks.map { name, rows in
        Drawn.Line(
          colour: colours[name] ?? "", dash: dashes[name] ?? [.nan],
          points: rows.map { banded.contains(name) ? $0 : Array($0.prefix(2)) })
      }, bands: banded.count)
  }

  /// Reads a specification of one chart, on the scales of the chart.
  private static func vega(_ plot: VegaPlot, _ chart: Chart) throws -> Drawn {
    let spec = try #require(try JSONSerialization.jsonObject(with: Data(plot.json.utf8)) as? [String: Any])
    func named(_ list: String, _ name: String) throws -> [String: Any] {
      try #require((spec[list] as? [[String: Any]])?.first { $0["name"] as? String == name })
    }
    let frames = try #require(try named("signals", "frames")["value"] as? [String: [String: Any]])
    let frame = try #require(frames[""])
    func axis(_ name: String, _ axis: Chart.Axis) throws -> (range: [Double], ticks: [Double]) {
      let type = try #require(try named("scales", name)["type"] as? String)
      #expect(type == axis.scale.rawValue)
      let scaled = try #require((frame[name] as? [String: Any])?[type] as? [String: Any])
      return (try #require(scaled["range"] as? [Double]), scaled["ticks"] as? [Double] ?? [])
    }
    let (x, y) = (try axis("x", chart.x), try axis("y", chart.y))
    let value = try named("signals", "band")["value"]
    let band = try #require(value as? Bool as Bool?)
    let labels = try #require(try named("scales", "colour")["domain"] as? [String])
    let colours = try #require(try named("scales", "colour")["range"] as? [String])
    let dashes = try #require(try named("scales", "dash")["range"] as? [[Double]])
    let rows = try #require(try named("data", "rows")["values"] as? [[String: Any]])
    var lines: [Drawn.Line] = []
    var bands = 0
    var series = chart.series.filter { !$0.points.isEmpty }[...]
    for row in rows {
      let method = try #require(row["method"] as? String)
      let index = try #require(labels.firstIndex(of: method))
      let lists = try ["x", "y", "low", "high"].map { try #require(row[$0] as? [[Double]]) }
      for line in lists[0].indices {
        let next = series.popFirst()
        let points = try #require(next).points
        let hasBand = band && !lists[2][line].isEmpty
        if hasBand { bands += 1 }
        let columns = lists.prefix(hasBand ? 4 : 2).map { $0[line] }
        // Of steps, only changes and the end are there.
        let isHeld = points.indices.map { index in
          chart.isStepped && index > 0 && index + 1 < points.count
            && Set([points[index - 1], points[index]].map { [$0.y, $0.low, $0.high] }).count == 1
        }
        try #require(columns.allSatisfy { $0.count == isHeld.count { !$0 } })
        var corner = -1
        let drawn = zip(points, isHeld).map { point, isHeld -> [Double] in
          if !isHeld { corner += 1 }
          let spent = isHeld ? point.x : columns[0][corner]
          // The template clamps values to both ends of any axis; beyond those nothing is seen.
          return [chart.x.scale == .log ? max(spent, x.range[0]) : spent]
            + columns.dropFirst().map { chart.y.scale == .log ? max($0[corner], y.range[0]) : $0[corner] }
        }
        lines.append(Drawn.Line(colour: String(colours[index].dropFirst()), dash: dashes[index], points: drawn))
      }
    }
    let ends = try #require(try named("data", "ends")["values"] as? [[String: Any]])
    let isReversed = try named("scales", "y")["reverse"] as? Bool == true
    return Drawn(
      x: x.range, y: isReversed ? y.range.reversed() : y.range, xTicks: x.ticks, yTicks: y.ticks,
      names: ends.compactMap { $0["text"] as? String },
      ends: ends.map { end in
        [chart.x.fraction(end["x"] as? Double ?? .nan), chart.y.fraction(end["y"] as? Double ?? .nan)]
      }, rows: [], lines: lines, bands: bands)
  }

  /// Reads a picture; values between the changes of steps are those of the last change.
  private static func latex(_ text: String, _ chart: Chart) throws -> Drawn {
    func number(_ name: String) throws -> Double {
      text.firstMatch(of: try Regex("\(name)=([^,]+),", as: (Substring, Substring).self)).flatMap { Double($0.1) }
        ?? .nan
    }
    func ticks(_ name: String) throws -> [Double] {
      text.firstMatch(of: try Regex("\(name)tick=\\{([^}]*)\\}", as: (Substring, Substring).self)).map {
        $0.1.split(separator: ",").compactMap { Double($0) }
      } ?? []
    }
    func steps(_ coordinates: Substring) -> [[Double]] {
      coordinates.matches(of: /\(([^,]+),([^)]+)\)/).map { [Double($0.1) ?? .nan, Double($0.2) ?? .nan] }
    }
    func value(_ steps: [[Double]], _ x: Double) -> Double { steps.last { $0[0] <= x }?[1] ?? .nan }
    var bands: [String: [[Double]]] = [:]
    for match in text.matches(of: /name path=((?:low|high)\d+)[^{]*\{([^}]*)\}/) {
      bands[String(match.1)] = steps(match.2)
    }
    // A definition of the line's colour begins every line.
    let parts = text.components(separatedBy: "\\definecolor{anytime").dropFirst()
    let series = chart.series.filter { !$0.points.isEmpty }
    #expect(parts.count == series.count)
    let lines = zip(parts, series).map { part, series -> Drawn.Line in
      let line = part.firstMatch(of: /\\addplot\[anytime[0-9A-F]+, thi[^{]*\{([^}]*)\}/).map { steps($0.1) } ?? []
      let number = part.firstMatch(of: /name path=low(\d+)/).map { String($0.1) }
      let points = series.points.map(chart.drawn).enumerated().map { index, point -> [Double] in
        // Of several steps at one amount all are written; the series has their values in order.
        let isLast = index + 1 == series.points.count || series.points[index + 1].x > series.points[index].x
        guard isLast else { return chart.values(point, series) }
        let low = number.map { value(bands["low\($0)"] ?? [], point.x) }
        let high = number.map { value(bands["high\($0)"] ?? [], point.x) }
        return [point.x, value(line, point.x)] + [low, high].compactMap { $0 }
      }
      let dash = part.firstMatch(of: /thi[nck]+, dash pattern=([^,\]]*)[,\]]/).map { match in
        match.1.split(separator: " ").compactMap { $0.hasSuffix("pt") ? Double($0.dropLast(2)).map { 2 * $0 } : nil }
      }
      return Drawn.Line(colour: String(part.prefix(6)), dash: dash ?? [], points: points)
    }
    let nodes = text.matches(of: /\\node\[.*\] at \(axis description cs:1\.0350,([0-9.]+)\) \{([^}]*)\}/)
    let leaders = text.matches(of: /\\draw\[.*\] \(axis description cs:([0-9.]+),([0-9.]+)\) --/)
    let y = [try number("ymin"), try number("ymax")]
    return Drawn(
      x: [try number("xmin"), try number("xmax")], y: text.contains("y dir=reverse") ? y.reversed() : y,
      xTicks: try ticks("x"), yTicks: try ticks("y"),
      names: nodes.map { String($0.2).replacing("\\_", with: "_") },
      ends: leaders.map { [Double($0.1) ?? .nan, Double($0.2) ?? .nan] }, rows: nodes.map { Double($0.1) ?? .nan },
      lines: lines,
      bands: text.components(separatedBy: "fill between[").count - 1)
  }

  @Test("a line begins where every run that ended well has an incumbent") func beginning() throws {
    let results = try HandMade.results([
      ("a", [steps((1, 0.4)), steps((10, 0.2)), steps((60, 0.1))]), ("b", [steps((2, 0.3))]),
    ])
    func first(_ results: ExperimentResults) throws -> [Double] {
      try Chart.regret(Curves(results, gridSize: 3)).series.compactMap { $0.points.first?.x }
    }
    #expect(try first(results) == [100, 10])
    #expect(try first(results.failing { label, seed in label == "a" && seed == 2 ? "it diverged" : nil }) == [10, 10])
  }

  @Test("there is no line of a median or mean where a run never has an incumbent") func survivors() throws {
    let results = try HandMade.results([("a", [steps((1, 0.4)), []]), ("b", [steps((2, 0.3))])])
    let chart = try Chart.regret(Curves(results, gridSize: 3))
    #expect(chart.series.filter { !$0.points.isEmpty }.map(\.label) == ["b"])
    let none = Curves(try HandMade.results([("a", [steps((1, 0.4)), []])]), gridSize: 3)
    #expect {
      try Chart.regret(none)
    } throws: { "\($0)".contains("every method of 'test' has runs without a validation regret") }
    // Single runs are drawn all the same, on the page too.
    #expect(try Chart.regret(none, center: .runs).series.map(\.label) == ["a"])
    #expect(try VegaPlot(regretOf: [none]).json.contains("single runs"))
    #expect(try !HTMLReport(none.results, registry: Registry([]), table: nil, vega: nil).render().isEmpty)
  }

  @Test("a logarithmic axis spans at most four decades, and zero lies at its lower edge") func zero() throws {
    let chart = try Chart.regret(Curves(try HandMade.results([("a", [steps((1, 0.4), (10, 1e-6), (20, 0))])])))
    #expect(abs(chart.y.range.lowerBound - 40 * 1e-4 / 1.3) < 1e-12 && abs(chart.y.range.upperBound - 46) < 1e-12)
    #expect(chart.series[0].points.last.map(chart.drawn)?.y == chart.y.range.lowerBound)
    #expect(chart.caption.hasSuffix("lower edge: zero regret"))
    #expect(chart.y.ticks == [0.01, 0.1, 1, 10] && chart.y.on(.linear).ticks == [0, 10, 20, 30, 40])
    #expect(chart.y.on(.linear).range == 0...42)
  }

  @Test("bands are drawn for few methods, or as it was asked for") func bands() throws {
    func shows(_ methods: Int, _ bands: Bool?) throws -> Bool {
      let run = [steps((1, 0.4)), steps((1, 0.2))]
      return try Chart.regret(Curves(try HandMade.results((0..<methods).map { ("\($0)", run) })), bands: bands)
        .caption.contains("band: quartiles")
    }
    #expect(try shows(8, nil) && !shows(9, nil) && shows(9, true) && !shows(1, false))
  }

  @Test("ticks are round numbers") func ticks() {
    func ticks(_ range: ClosedRange<Double>) -> [Double] { Chart.Axis(title: "", range).ticks }
    #expect(ticks(0...100).map { Numbers.digits($0) } == ["0", "20", "40", "60", "80", "100"])
    #expect(ticks(-0.3...0.1).map { Numbers.digits($0, 3) }.suffix(4) == ["-0.05", "0", "0.05", "0.1"])
    #expect(ticks(1...1).isEmpty)
    let budget = Chart.Axis(budget: "epochs", from: 0, to: 500, scale: .log)
    #expect(budget.range == 500 * 1e-9...500 && budget.on(.linear).range == 0...500)
  }
}

extension Chart {
  /// A point as a test compares it.
  fileprivate func values(_ point: Point, _ series: Series) -> [Double] {
    [point.x, point.y] + (showsBand(series) ? [point.low, point.high] : [])
  }
}

extension Drawn {
  fileprivate init(
    x: [Double], y: [Double], xTicks: [Double], yTicks: [Double], names: [String], ends: [[Double]], rows: [Double],
    lines: [Line], bands: Int
  ) {
    (self.x, self.y, self.xTicks, self.yTicks) = (x, y, xTicks, yTicks)
    (self.names, self.ends, self.rows, self.lines, self.bands) = (names, ends, rows, lines, bands)
  }
}
