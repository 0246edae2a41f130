import Anytime
import Foundation
import Reports
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
                  amount: amount, spent: Spending(seconds: amount, epochs: 1, evaluations: 1), cell: "c",
                  epochs: 18, validationRegret: validation, testRegret: test, finalTrainingSeconds: 0)
              }, spent: Spending(seconds: 90, epochs: 9, evaluations: 3), ledger: [], overheadSeconds: 0)
          )
        })
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

  @Test("events are a row each, quoted where needed") func events() {
    let text = String(decoding: CurveExport.events.render(Curves(example)), as: UTF8.self)
    #expect(
      text == """
        method,seed,amount,spent_seconds,spent_epochs,evaluations,cell,epochs,validation_regret,test_regret,\
        final_training_seconds
        "b, quoted",0,1.0,1.0,1.0,1.0,c,18,0.02,0.03,0.0
        "b, quoted",1,2.0,2.0,1.0,1.0,c,18,0.01,0.01,0.0
        a,0,4.0,4.0,1.0,1.0,c,18,0.01,0.005,0.0

        """)
  }

  @Test("curves are tidy rows") func curves() {
    let text = String(decoding: CurveExport.csv.render(Curves(example, gridSize: 2)), as: UTF8.self)
    let rows = text.split(separator: "\n")
    #expect(rows.count == 1 + 6)
    #expect(
      rows[0] == "method,metric,spent,currency,n,mean,standard_error,median,lower_quartile,upper_quartile")
    #expect(rows[1] == "\"b, quoted\",validation,1.0,seconds,1,0.02,,0.02,0.02,0.02")
    #expect(rows.last == "a,test,100.0,seconds,1,0.005,,0.005,0.005,0.005")
  }

  @Test("JSON carries the experiment's identity, and the same results give the same bytes") func json() throws
  {
    let data = CurveExport.json.render(Curves(example))
    #expect(data == CurveExport.json.render(Curves(example)))
    let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(object["tableChecksum"] as? String == "0123456789abcdef")
    let experiment = try #require(object["experiment"] as? [String: Any])
    #expect(experiment["horizon"] as? Double == 100)
    #expect((experiment["policy"] as? [String: Any])?["regretReference"] as? String == "best-mean")
  }

  @Test("an unwritable file is an error of one sentence") func unwritable() {
    #expect(throws: ReportError.self) { try writeWhole(Data(), to: URL(filePath: "/nowhere/at/all.csv")) }
  }
}

@Suite("Regret plots") struct PlotTests {
  @Test("have steps, bands for several runs only, and escaped text") func script() throws {
    let example = try results([
      ("it's_a", [[(1, 0.02, 0.03)], [(1, 0.01, 0.01), (10, 0.005, 0.005)]]), ("single", [[(1, 0.1, 0.1)]]),
    ])
    let script = try RegretPlot(metric: .test).script(Curves(example, gridSize: 3))
    #expect(script.contains("title 'it''s_a'"))
    #expect(script.components(separatedBy: "filledcurves").count == 2)
    #expect(script.contains("set logscale x") && script.contains("set logscale y"))
    #expect(script.contains("test regret [percent points]"))
  }

  @Test("a method keeps its colour whatever else is drawn") func colours() throws {
    func line(_ labels: [String]) throws -> String {
      let script = try RegretPlot(metric: .validation).script(
        Curves(try results(labels.map { ($0, [[(1, 0.1, nil)]]) })))
      return try #require(script.split(separator: "\n").last { $0.contains("title 'tpe'") }.map(String.init))
        .components(separatedBy: "linecolor").last ?? ""
    }
    #expect(try line(["tpe"]).hasPrefix(" rgb '#009E73'"))
    #expect(try line(["random-search", "smac", "tpe"]).hasPrefix(" rgb '#009E73'"))
  }

  @Test("two variants of a method share its colour and differ in their dash") func variants() throws {
    let settings = try Settings(Method(name: "m", title: "M", summary: "", citation: ""))
    let example = try results([("a", [[(1, 0.1, nil)]]), ("b", [[(1, 0.1, nil)]])])
    let entries = ["a", "b"].map { MethodEntry(label: $0, method: "tpe", settings: settings) }
    let script = try RegretPlot(metric: .validation).script(
      Curves(
        ExperimentResults(
          experiment: example.experiment, tableChecksum: "0",
          methods: zip(entries, example.methods).map { entry, method in
            MethodResults(entry: entry, title: "TPE", family: .blackbox, runs: method.runs)
          })))
    #expect(script.components(separatedBy: "linecolor rgb '#009E73'").count == 3)
    #expect(script.contains("dashtype 1") && script.contains("dashtype 2"))
  }

  @Test("are drawn in every format", arguments: ["svg", "pdf", "png"]) func files(kind: String) throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "plot-\(UUID().uuidString).\(kind)")
    defer { try? FileManager.default.removeItem(at: url) }
    let example = try results([("a", [[(1, 0.02, 0.03)], [(1, 0.01, 0.0)]])])
    try RegretPlot(metric: .test).write(Curves(example), to: url)
    let start = try Data(contentsOf: url).prefix(5)
    #expect(
      start.elementsEqual(["svg": "<?xml", "pdf": "%PDF-", "png": "\u{89}PNG"][kind]!.utf8) || kind == "png")
    #expect(start.count == 5)
  }

  @Test("an unknown extension names the known ones") func unknown() throws {
    let curves = Curves(try results([("a", [[(1, 0.02, 0.03)]])]))
    #expect {
      try RegretPlot(metric: .test).write(curves, to: URL(filePath: "/tmp/a.gif"))
    } throws: { "\($0)".hasSuffix("must end in .svg, .pdf or .png") }
  }
}
