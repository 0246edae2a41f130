import Anytime
import Experiments
import Foundation
import Reports
import SearchSpaces
import Statistics
import TabularBenchmark
import Testing

/// Results with hand-made trajectories: (amount, validation regret, test regret).
private func results(
  horizon: Double = 100, _ methods: [(label: String, runs: [[(Double, Double, Double?)]])]
) throws -> ExperimentResults {
  let settings = try Settings(Method(name: "m", title: "M", summary: "", citation: ""))
  let entries = methods.map { MethodEntry(label: $0.label, method: $0.label, settings: settings) }
  let seeds = (0..<UInt64(methods.map(\.runs.count).max() ?? 1)).map { $0 }
  return ExperimentResults(
    experiment: Experiment(name: "test", space: "mini", horizon: horizon, seeds: seeds, methods: entries),
    tableChecksum: "0123456789abcdef",
    methods: zip(methods, entries).map { method, entry in
      MethodResults(
        entry: entry, title: entry.label, family: .blackbox,
        runs: method.runs.enumerated().map { seed, points in
          (
            UInt64(seed),
            RunResult(
              trajectory: points.map { amount, validation, test in
                TrajectoryPoint(
                  amount: amount, spent: Spending(seconds: amount, epochs: 1, evaluations: 1),
                  architecture: .init(high: 0, low: 12), epochs: 18, validationRegret: validation, testRegret: test,
                  finalTrainingSeconds: 0)
              }, spent: Spending(seconds: 90, epochs: 9, evaluations: 3), ledger: [], overheadSeconds: 0)
          )
        }, digest: String(repeating: "d", count: 64))
    })
}

@Suite("Aggregation") struct CurvesTests {
  /// The value of a single run at each point of the grid.
  private func steps(_ points: [(Double, Double, Double?)], gridSize: Int) throws -> [(Double, Double?)] {
    let curves = Curves(try results([("m", [points])]), gridSize: gridSize)
    let curve = try #require(curves.curves.first { $0.metric == .validation })
    return zip(curves.grid, curve.points).map { ($0, $1?.mean) }
  }

  @Test("takes the last value at or before an amount") func lastValue() throws {
    let points: [(Double, Double, Double?)] = [(1, 0.4, nil), (10, 0.3, nil), (10, 0.2, nil), (50, 0.1, nil)]
    // The grid is 1, 10, 100.
    let values = try steps(points, gridSize: 3)
    #expect(values.map(\.1) == [0.4, 0.2, 0.1])
    #expect(values.last?.0 == 100)
  }

  @Test("counts an event exactly at the horizon") func atHorizon() throws {
    let points: [(Double, Double, Double?)] = [(1, 0.4, nil), (100, 0.1, nil)]
    #expect(try steps(points, gridSize: 2).map(\.1) == [0.4, 0.1])
  }

  @Test("has nothing before the first incumbent, and says how many runs it is of") func undefined() throws {
    let curves = Curves(try results([("m", [[(1, 0.4, 0.5)], [(10, 0.2, 0.1)], []])]), gridSize: 3)
    let curve = try #require(curves.curves.first { $0.metric == .test })
    #expect(curve.points.map { $0?.n } == [1, 2, 2])
    #expect(curve.points.map { $0?.mean } == [0.5, 0.3, 0.3])
    #expect(curve.points[0]?.standardError == nil)
    let last = try #require(curve.points[2])
    #expect(abs(try #require(last.standardError) - 0.2) < 1e-15)
    #expect(last.median == 0.3 && abs(last.lowerQuartile - 0.2) < 1e-15)
  }

  @Test("has no test curve without test accuracy") func noTest() throws {
    let curves = Curves(try results([("m", [[(1, 0.4, nil)]])]), gridSize: 3)
    #expect(curves.curves.map(\.metric) == [.validation] && curves.defaultMetric == .validation)
  }

  @Test("is exact for many runs") func many() throws {
    let runs = (0..<500).map { seed in [(1.0 + Double(seed % 7), Double(seed) / 1_000, Double?.none)] }
    let curves = Curves(try results([("m", runs)]))
    let last = try #require(curves.curves[0].points.last ?? nil)
    #expect(last.n == 500 && abs(last.mean - 0.2495) < 1e-12)
  }
}

@Suite("Leaderboard and exports") struct ExportTests {
  let example: ExperimentResults

  init() throws {
    example = try results([
      ("b, quoted", [[(1, 0.02, 0.03)], [(2, 0.01, 0.01)]]), ("a", [[(4, 0.01, 0.005)], []]),
    ])
  }

  @Test("ranks by mean final test regret and drops nothing silently") func leaderboard() {
    let board = Leaderboard(example)
    #expect(board.rows.map(\.label) == ["a", "b, quoted"] && board.rows.map(\.rank) == [1, 2])
    #expect(board.rows[0].emptyRuns == 1)
    #expect(board.text.contains("1 runs ended before their first result"))
    #expect(board.text.contains("2.000 ± 1.000 %"))
    #expect(board.text.contains("policy fair") && board.text.contains("0123456789abcdef"))
  }

  @Test("ties share their mean rank") func ties() throws {
    let board = Leaderboard(try results([("a", [[(1, 0, 0.1)]]), ("b", [[(1, 0, 0.1)]])]))
    #expect(board.rows.map(\.rank) == [1.5, 1.5])
  }

  private func text(_ export: CurveExport, gridSize: Int = 200) throws -> String {
    String(decoding: try export.render(Curves(example, gridSize: gridSize)), as: UTF8.self)
  }

  @Test("events are a row each, quoted where needed") func events() throws {
    let architecture = "0000000000000000000000000000000c"
    #expect(
      try text(.events) == """
        experiment,space,method,seed,amount,spent_seconds,spent_epochs,evaluations,cell,epochs,\
        validation_regret,test_regret,final_training_seconds
        test,mini,"b, quoted",0,1.0,1.0,1.0,1.0,\(architecture),18,0.02,0.03,0.0
        test,mini,"b, quoted",1,2.0,2.0,1.0,1.0,\(architecture),18,0.01,0.01,0.0
        test,mini,a,0,4.0,4.0,1.0,1.0,\(architecture),18,0.01,0.005,0.0

        """)
  }

  @Test("curves are tidy rows") func curves() throws {
    let rows = try text(.csv, gridSize: 2).split(separator: "\n")
    #expect(rows.count == 1 + 6)
    #expect(
      rows[0] == """
        experiment,space,method,metric,accounting,spent,currency,runs,n,mean,standard_error,interval_low,\
        interval_high,median,lower_quartile,upper_quartile
        """)
    #expect(
      rows[1] == """
        test,mini,"b, quoted",validation,recommended-now,1.0,seconds,2,1,0.02,,,,0.02,0.02,0.02
        """)
    #expect(
      rows.last == "test,mini,a,test,recommended-now,100.0,seconds,2,1,0.005,,,,0.005,0.005,0.005")
  }

  @Test("every table has a row per method, pair or target, and as many fields as names") func tables() throws {
    let rows: [(CurveExport, Int)] = [
      (.ranks, 2 * 200), (.distribution, 2 * 200), (.targets, 2 * 31), (.leaderboard, 2), (.significance, 3),
    ]
    for (export, count) in rows {
      let lines = try text(export).replacing("\"b, quoted\"", with: "b").split(separator: "\n")
      #expect(lines.count == 1 + count, "\(export.fileName)")
      let fields = Set(lines.map { $0.count { $0 == "," } })
      #expect(fields.count == 1, "\(export.fileName)")
    }
  }

  @Test("JSON carries the experiment's identity") func json() throws {
    for export in [CurveExport.json, .eventsJSON, .experiment] {
      let object = try #require(
        try JSONSerialization.jsonObject(with: try export.render(Curves(example))) as? [String: Any])
      let identity = try #require(object["identity"] as? [String: Any] ?? object)
      #expect(identity["tableChecksum"] as? String == "0123456789abcdef")
      #expect(identity["version"] as? String == anytimeVersion && identity["missingRuns"] as? Int == 0)
      #expect((identity["digests"] as? [String: String])?["a"]?.count == 64)
      let experiment = try #require(identity["experiment"] as? [String: Any])
      #expect(experiment["horizon"] as? Double == 100 && experiment["seeds"] as? [Int] == [0, 1])
      #expect((experiment["policy"] as? [String: Any])?["regretReference"] as? String == "best-mean")
    }
  }

  @Test("the same results give the same bytes in every format") func same() throws {
    let curves = Curves(RegretRuns(example), bootstrap: true)
    for export in CurveExport.all + CurveExport.latex() {
      let again = Curves(RegretRuns(example), bootstrap: true)
      let data = try export.render(curves)
      #expect(try data == export.render(again) && !data.isEmpty)
    }
    let files = try (0..<2).map { _ in try IOHExport(RegretRuns(example)).files() }
    #expect(files[0].map(\.data) == files[1].map(\.data))
  }
}

@Suite("Regret plots") struct PlotTests {
  @Test("have steps, bands for several runs only, and escaped text") func script() throws {
    let example = try results([
      ("it's_a", [[(1, 0.02, 0.03)], [(1, 0.01, 0.01), (10, 0.005, 0.005)]]), ("single", [[(1, 0.1, 0.1)]]),
    ])
    let script = Figure([try Chart.regret(Curves(example, gridSize: 3), metric: .test)]).script()
    #expect(script.contains("title \"it's_a\""))
    #expect(script.components(separatedBy: "filledcurves").count == 2)
    #expect(script.contains("set logscale x") && script.contains("set logscale y"))
    #expect(script.contains("set ylabel \"median test regret [percent points]\""))
    #expect(script.contains("band: quartiles") && script.contains("n = 1 to 2"))
  }

  @Test("a method keeps its colour whatever else is drawn") func colours() throws {
    func line(_ labels: [String]) throws -> String {
      let script = Figure([try Chart.regret(Curves(try results(labels.map { ($0, [[(1, 0.1, nil)]]) })))]).script()
      return try #require(script.split(separator: "\n").last { $0.contains("title \"tpe\"") }.map(String.init))
        .components(separatedBy: "linecolor").last ?? ""
    }
    #expect(try line(["tpe"]).hasPrefix(" rgb '#7D03E4'"))
    #expect(try line(["random-search", "smac", "tpe"]).hasPrefix(" rgb '#7D03E4'"))
  }

  @Test("two variants of a method share its colour and differ in their dash") func variants() throws {
    let settings = try Settings(Method(name: "m", title: "M", summary: "", citation: ""))
    let example = try results([("a", [[(1, 0.1, nil)]]), ("b", [[(1, 0.1, nil)]])])
    let entries = ["a", "b"].map { MethodEntry(label: $0, method: "tpe", settings: settings) }
    let variants = ExperimentResults(
      experiment: example.experiment, tableChecksum: "0",
      methods: zip(entries, example.methods).map { entry, method in
        MethodResults(entry: entry, title: "TPE", family: .blackbox, runs: method.runs)
      })
    let script = Figure([try Chart.regret(Curves(variants))]).script()
    #expect(script.contains("dashtype solid linecolor rgb '#7D03E4'"))
    #expect(script.contains("dashtype (18,3) linecolor rgb '#7D03E4'"))
  }

  /// A figure of every kind.
  private func figures() throws -> [(name: String, figure: Figure)] {
    let example = try results([
      ("a", (0..<6).map { [(1, 0.02, 0.03), (Double($0 + 2), 0.01, 0.0)] }),
      ("b", (0..<6).map { _ in [(3, 0.02, 0.03)] }),
    ])
    let runs = RegretRuns(example)
    let curves = Curves(runs, bootstrap: true)
    let difference = CriticalDifferences(SignificanceTable(runs, test: .nemenyi))
    return [
      ("rank", Figure([try Chart.ranks(RankCurves(runs))])),
      ("ecdf", Figure([try Chart.targets(TargetDistribution(runs))])),
      ("difference", try CriticalDifferencePlot().figure([try #require(difference)])),
      ("side by side", Figure([try Chart.regret(curves), try Chart.regret(curves)])),
    ]
      + (try CurveCenter.allCases.map {
        ($0.rawValue, Figure([try Chart.regret(curves, center: $0, x: .linear, y: .linear)]))
      })
  }

  @Test("are drawn in every format, with the same bytes again", arguments: Figure.formats)
  func files(kind: String) async throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "plot-\(UUID().uuidString).\(kind)")
    defer { try? FileManager.default.removeItem(at: url) }
    for (name, figure) in try figures() {
      try await figure.write(to: url)
      let first = try Data(contentsOf: url)
      let start: [UInt8] = kind == "png" ? [0x89, 0x50] : Array((kind == "svg" ? "<?" : "%P").utf8)
      #expect(first.starts(with: start) && first.count > 2_000, "\(name)")
      try await figure.write(to: url)
      #expect(first == (try Data(contentsOf: url)), "\(name)")
      if kind == "svg" {
        let text = String(decoding: first, as: UTF8.self)
        #expect(text.contains("<desc>space mini, 100 benchmark seconds, n = 6, policy fair"), "\(name)")
        #expect(text.contains("table 0123456789abcdef") && text.contains("AnytimeNAS \(anytimeVersion)"))
      }
    }
  }

  @Test("a table is drawn with its checksum") func landscape() async throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "plot-\(UUID().uuidString).svg")
    defer { try? FileManager.default.removeItem(at: url) }
    let table = try LandscapeTests.table()
    try await LandscapePlot(table, walk: [(1, 0.5), (2, 0.2)]).figure().write(to: url)
    let text = try String(contentsOf: url, encoding: .utf8)
    #expect(text.contains("201 cells") && text.contains("table \(table.checksum), AnytimeNAS \(anytimeVersion)"))
    for title in ["Accuracy and time", "Fewer epochs", "Operations and depth", "Locality"] {
      #expect(text.contains(title))
    }
    #expect(!text.contains("Two trainings"), "this table has one training of each cell")
  }

  @Test("the average random cell is a line where it is known") func reference() throws {
    let benchmark = try Benchmark(
      table: try Table.embedded(), space: try #require(SearchSpace(named: "mini")))
    let runs = RegretRuns(
      try results([("a", [[(1, 0.02, 0.03)]])]), reference: SpaceReference(benchmark, policy: .fair))
    let script = Figure([try Chart.regret(Curves(runs))]).script()
    #expect(script.contains("title \"average random cell\""))
    let json = String(decoding: try CurveExport.json.render(Curves(runs)), as: UTF8.self)
    #expect(json.contains("\"randomTestRegret\":0.0"))
  }

  @Test("an unknown extension names the known ones") func unknown() async throws {
    let curves = Curves(try results([("a", [[(1, 0.02, 0.03)]])]))
    await #expect {
      try await Figure([try Chart.regret(curves)]).write(to: URL(filePath: "/tmp/a.gif"))
    } throws: { "\($0)".hasSuffix("must end in .svg, .pdf or .png") }
  }
}

@Suite("Other programs' formats") struct FormatTests {
  private func example() throws -> Curves {
    Curves(
      RegretRuns(
        try HandMade.results([
          ("a_b", [[HandMade(amount: 2.5, validation: 0.25), HandMade(amount: 40, validation: 0.125)], []])
        ])))
  }

  @Test("IOHprofiler's: a block per run from time 1 to its end, regret 1 before the first incumbent")
  func ioh()
    throws
  {
    let files = try IOHExport(try example().runs).files()
    #expect(
      files.map(\.path) == [
        "a_b/IOHprofiler_f1_mini-validation-regret.json",
        "a_b/data_f1_mini-validation-regret/IOHprofiler_f1_DIM5.dat",
      ])
    #expect(
      String(decoding: files[1].data, as: UTF8.self) == """
        evaluations raw_y
        1 1.0000000000
        3 0.2500000000
        40 0.1250000000
        100 0.1250000000
        evaluations raw_y
        1 1.0000000000
        100 1.0000000000

        """)
    let meta = try #require(try JSONSerialization.jsonObject(with: files[0].data) as? [String: Any])
    #expect(meta["function_id"] as? Int == 1 && meta["maximization"] as? Bool == false)
    #expect(meta["attributes"] as? [String] == ["evaluations", "raw_y"])
    #expect((meta["algorithm"] as? [String: String])?["name"] == "a_b")
    let scenario = try #require((meta["scenarios"] as? [[String: Any]])?.first)
    #expect(files[1].path.hasSuffix("/" + (scenario["path"] as? String ?? "?")))
    let runs = try #require(scenario["runs"] as? [[String: Any]])
    #expect(runs.map { $0["evals"] as? Int } == [100, 100])
    let best = try #require(runs[0]["best"] as? [String: Any])
    #expect(best["evals"] as? Int == 40 && best["y"] as? Double == 0.125)
  }

  @Test("LaTeX: steps at their changes only, special letters escaped, the table's checksum on top")
  func latex()
    throws
  {
    let curves = Curves(
      RegretRuns(
        try HandMade.results([
          ("a_b", [[HandMade(amount: 2.5, validation: 0.25), HandMade(amount: 40, validation: 0.125)]])
        ])))
    let texts = try CurveExport.latex().map { String(decoding: try $0.render(curves), as: UTF8.self) }
    #expect(texts.allSatisfy { $0.hasPrefix("% test: space mini") && $0.contains("0123456789abcdef") })
    #expect(texts[0].contains("{a\\_b};") && !texts[0].contains("fill between"))
    #expect(texts[0].contains("(2.5,25.0)") && texts[0].contains("(100.0,12.5)"))
    #expect(texts[1].contains("\\textbf{a\\_b} & 12.500 & -- & -- & 25.000 & 12.500 & 1"))
  }
}
