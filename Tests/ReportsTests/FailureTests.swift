import Anytime
import Experiments
import Foundation
import Reports
import Statistics
import TabularBenchmark
import Testing

@Suite("Failed runs") struct FailureTests {
  private let reason = "the supernet's loss was not a number after epoch 2"

  /// Two of three runs of `half` fail, with the regret that would make them the best; all of `none` fail.
  private func example() throws -> ExperimentResults {
    try HandMade.results([
      ("good", [steps((1, 0.2)), steps((1, 0.3)), steps((1, 0.4))]),
      ("half", [steps((1, 0.0)), steps((1, 0.5)), steps((1, 0.0))]),
      ("none", [steps((1, 0.0)), steps((1, 0.0)), steps((1, 0.0))]),
    ]).failing { label, seed in label == "none" || (label == "half" && seed != 1) ? reason : nil }
  }

  /// The same results as if the failed runs had never been.
  private func without() throws -> ExperimentResults {
    let results = try example()
    return ExperimentResults(
      experiment: results.experiment, tableChecksum: results.tableChecksum,
      methods: results.methods.map {
        MethodResults(entry: $0.entry, title: $0.title, family: $0.family, runs: $0.endedRuns)
      })
  }

  @Test("are in no mean, rank, area or test, whatever they had found") func statistics() throws {
    let rows = Leaderboard(try example()).rows
    #expect(rows.map(\.label) == ["good", "half", "none"] && rows.map(\.rank) == [1, 2, 3])
    #expect(rows.map(\.runs) == [3, 1, 0] && rows.map(\.failed) == [0, 2, 3])
    #expect(rows.map { $0.final?.mean } == [0.3, 0.5, nil] && rows[1].medians == [0.5, 0.5, 0.5])
    #expect(rows[2].medians == [nil, nil, nil] && rows[2].evaluations == nil && rows[2].emptyRuns == 0)
    #expect(rows[2].wins.isEmpty && rows[2].area == nil && rows[2].interval == nil)
  }

  @Test("leave every curve and test as if they had never been") func exports() throws {
    let (with, without) = (Curves(try example(), gridSize: 5), Curves(try without(), gridSize: 5))
    for export in [CurveExport.csv, .events, .ranks, .distribution, .targets, .significance] {
      #expect(try export.render(with) == export.render(without), "\(export.fileName)")
    }
    #expect(try IOHExport(with.runs).files().map(\.path) == IOHExport(without.runs).files().map(\.path))
    let charts = try [with, without].map { try Chart.regret($0) }
    #expect(charts[0].series.map(\.points) == charts[1].series.map(\.points))
  }

  @Test("of one method do not stop the comparison of the others") func others() throws {
    let runs = RegretRuns(
      try HandMade.results(
        [("a", 0.1), ("b", 0.2), ("c", 0.0)].map { label, value in
          (label, (0..<12).map { steps((1, value + Double($0) / 1_000)) })
        }
      ).failing { label, seed in label == "c" || (label == "a" && seed == 3) ? reason : nil })
    let table = SignificanceTable(runs)
    #expect(table.labels == ["a", "b"] && table.test == .wilcoxonHolm && table.seeds == 11)
    #expect(table.rows.last?.wins(0) == [1])
    #expect(RankCurves(runs, gridSize: 2).curves.map(\.label) == ["a", "b"])
    let rows = Leaderboard(runs).rows
    #expect(rows.map(\.label) == ["a", "b", "c"] && rows.map { $0.wins.last } == [1, 0, nil])
  }

  @Test("are counted below the leaderboard, with a seed and its reason") func text() throws {
    let text = Leaderboard(try example()).text
    #expect(text.contains("\n2 of 3 runs of half failed (seed 0: \(reason))\n3 of 3 runs of none failed (seed 0: "))
    #expect(text.contains("all runs failed") && !text.contains("ended before their first result"))
    let lines = text.split(separator: "\n")
    #expect(lines.first { $0.contains("half  ") }?.contains("  1       10.0  ") == true)
    #expect(lines.first { $0.contains("none  ") }?.hasSuffix("     0          -        -") == true)
    #expect(text.contains("n = 0 to 3 (5 runs failed)"))
  }

  @Test("are done: nothing is missing") func missing() throws {
    let results = try example()
    #expect(results.missingRuns == 0 && results.missingText == nil && results.missingSeeds.isEmpty)
    let more = try HandMade.results(seeds: 4, [("a", [steps((1, 0.1)), steps((1, 0.1))])]).failing { _, seed in
      seed == 0 ? reason : nil
    }
    #expect(more.missingText == "2 of 4 runs are not done yet: a seeds 2-3")
    #expect(RegretRuns(more).caption.contains("n = 1 (2 runs missing, 1 run failed)"))
  }

  @Test("are a column of the leaderboard's file, and a list of the experiment's") func files() throws {
    let curves = Curves(try example(), gridSize: 3)
    let rows = try readCSV(try CurveExport.leaderboard.render(curves))
    let (runs, failed) = (try #require(rows[0].firstIndex(of: "runs")), try #require(rows[0].firstIndex(of: "failed")))
    #expect(rows.dropFirst().map { [$0[runs], $0[failed]] } == [["3", "0"], ["1", "2"], ["0", "3"]])
    let object = try JSONSerialization.jsonObject(with: try CurveExport.experiment.render(curves))
    let failures = try #require((object as? [String: Any])?["failures"] as? [[String: Any]])
    #expect(failures.count == 5 && failures[1]["method"] as? String == "half" && failures[1]["seed"] as? Int == 2)
    #expect(failures.allSatisfy { $0["reason"] as? String == reason })
    let tex = try CurveExport.latex().map { String(decoding: try $0.render(curves), as: UTF8.self) }
    #expect(tex[1].contains("% 2 of 3 runs of half failed") && tex[1].contains(" & 1 of 3 \\\\"))
    #expect(tex[1].contains("none & -- & -- & -- & -- & -- & 0 of 3 \\\\"))
  }

  @Test("are listed on the page, each with its reason") func page() throws {
    let results = try example().failing { label, seed in
      label == "none" ? "<b>&" : label == "half" && seed != 1 ? reason : nil
    }
    let report = HTMLReport(results, registry: Registry([]), table: nil, vega: nil)
    let page = String(decoding: try report.render(), as: UTF8.self)
    #expect(page.contains("<section id=\"failures\""))
    let escaped = reason.replacing("'", with: "&#39;")
    #expect(page.components(separatedBy: "<td>\(escaped)</td>").count == 3)
    #expect(page.components(separatedBy: "<td>&lt;b&gt;&amp;</td>").count == 4)
    #expect(page.contains("has no result in 0 runs. 3 runs failed.") && page.contains("in 1 run. 2 runs failed."))
    let well = HTMLReport(try without(), registry: Registry([]), table: nil, vega: nil)
    #expect(!String(decoding: try well.render(), as: UTF8.self).contains("id=\"failures\""))
  }

  @Test("of all methods leave a leaderboard, a page and files without numbers") func all() throws {
    let results = try example().failing { _, _ in reason }
    #expect(Leaderboard(results).rows.allSatisfy { $0.rank == 2 && $0.final == nil && $0.failed == 3 })
    let page = try HTMLReport(results, registry: Registry([]), table: nil, vega: nil).render()
    #expect(String(decoding: page, as: UTF8.self).contains("No run has a result yet."))
    let curves = Curves(results, gridSize: 3)
    for export in CurveExport.all.filter({ $0.fileName != CurveExport.vega.fileName }) + CurveExport.latex() {
      #expect(try !export.render(curves).isEmpty, "\(export.fileName)")
    }
    #expect(throws: ReportError.self) { try Chart.regret(curves) }
  }
}

@Suite("The budget on the page") struct LedgerPageTests {
  @Test("has no rest that is rounding alone") func rounding() throws {
    var results = try HandMade.results([("a", [steps((1, 0.2))])])
    var run = results.methods[0].runs[0].result
    // They add up to 100, but for 1.4e-14.
    run.ledger = zip([Ledger.Kind.training, .supernet, .validation], [27.4, 39.3, 33.3]).map {
      .init(kind: $0, amount: $1, count: 1)
    }
    results = ExperimentResults(
      experiment: results.experiment, tableChecksum: results.tableChecksum,
      methods: [MethodResults(entry: results.methods[0].entry, title: "A", family: .blackbox, runs: [(0, run)])])
    let page = try HTMLReport(results, registry: Registry([]), table: nil, vega: nil).render()
    #expect(String(decoding: page, as: UTF8.self).contains("<br />33 %</td><td>–</td>"))
  }
}

@Suite("Child runs") struct ChildRunTests {
  /// As it is stored.
  private func child(
    _ name: String, _ method: String, _ end: String, _ amount: Double, children: [String] = []
  ) -> String {
    """
    {"name": "\(name)", "method": "\(method)", "end": "\(end)", "amount": \(amount),
    "spent": {"seconds": \(amount), "epochs": 0, "evaluations": 0},
    "ledger": [{"kind": "training", "amount": \(amount), "count": 2}],
    "children": [\(children.joined(separator: ","))]}
    """
  }

  private func results(_ children: [[String]]) throws -> ExperimentResults {
    let results = try HandMade.results([("tuned", children.map { _ in steps((1, 0.2)) })])
    let runs = try zip(results.methods[0].runs, children).map { run, children in
      var result = run.result
      result.children = try JSONDecoder().decode(
        [ChildRun].self, from: Data("[\(children.joined(separator: ","))]".utf8))
      return (seed: run.seed, result: result)
    }
    return ExperimentResults(
      experiment: results.experiment, tableChecksum: results.tableChecksum,
      methods: [MethodResults(entry: results.methods[0].entry, title: "T", family: .blackbox, runs: runs)])
  }

  @Test("are added up by name over the runs of their method") func sums() throws {
    let results = try results([
      [child("first", "tpe", "finished", 20, children: [child("inner", "smac", "budget", 10)])],
      [child("first", "tpe", "failed", 40), child("second", "darts", "limit", 30)],
    ])
    let children = ChildSpending.all(results.methods[0])
    #expect(children.map(\.name) == ["first", "first/inner", "second"] && children.map(\.amount) == [30, 5, 15])
    #expect(children.map(\.endsText) == ["1 spent the budget, 1 failed", "1 spent the budget", "1 spent the limit"])
    #expect(children[0].kinds == [.training: 30])
    let text = Leaderboard(results).text
    #expect(text.contains("child runs were given: first (tpe) 30 %, first/inner (smac) 5 %, second (darts) 15 %."))
    let page = try HTMLReport(results, registry: Registry([]), table: nil, vega: nil).render()
    let html = String(decoding: page, as: UTF8.self)
    #expect(html.contains("Child runs of tuned: mean per run of it"))
    #expect(html.contains("<th scope=\"row\">first/inner</th>"))
  }

  @Test("whose names differ in a last number are added up") func many() throws {
    let trials = (0..<50).map { child("trial \($0)", "darts", "budget", 1) }
    let children = ChildSpending.all(try results([trials]).methods[0])
    #expect(children.map(\.method) == ["darts"] && children[0].count == 50 && children[0].amount == 50)
    #expect(children[0].name == "trial 0–49")
  }

  @Test("of children are named by those above them, and one that spent all by its last child has not just finished")
  func nested() throws {
    let inner = (1...3).map { child("run \($0)", "darts", "limit", 10) }
    let runs = (1...2).map { number in
      child("run \(number)", "tuned", "finished", 30, children: [child("search", "tpe", "budget", 30, children: inner)])
    }
    let children = ChildSpending.all(try results([runs]).methods[0])
    #expect(children.map(\.name) == ["run 1–2", "run 1–2/search", "run 1–2/search/run 1–3"])
    #expect(children.map(\.endsText) == ["2 spent the budget", "2 spent the budget", "6 spent the limit"])
  }

  @Test("of a failed run are left out, and none is no table") func none() throws {
    let results = try results([[child("first", "tpe", "finished", 20)]]).failing { _, _ in "it failed" }
    #expect(ChildSpending.all(results.methods[0]).isEmpty && !Leaderboard(results).text.contains("child runs"))
  }
}

@Suite("Numbers") struct NumbersTests {
  @Test("are written in one way") func texts() {
    #expect(Numbers.percent(0.005) == "0.500" && Numbers.percent(0.005, error: 0.001) == "0.500 ± 0.100")
    #expect(Numbers.percent(0.005, error: nil) == "0.500")
    #expect([0.01, 0.1, 1, 0.0025].map(Numbers.part) == ["1 %", "10 %", "100 %", "0.25 %"])
    #expect([0, 0.001, 0.005, 0.006, 0.5].map(Numbers.share) == ["0 %", "< 1 %", "< 1 %", "1 %", "50 %"])
    let amounts = [0.00012345, 12.3456, 1_234.6, 12_345_678].map(Numbers.amount)
    #expect(amounts == ["0.0001234", "12.35", "1235", "1.235e+07"])
    #expect([2e-6, 0.5, 12].map(Numbers.seconds) == ["2 µs", "500 ms", "12 s"])
    #expect([0.00005, 0.0012, 0.049].map(Numbers.probability) == ["< 0.0001", "0.001", "0.049"])
    let bounds = [0.00005, 0.0001, 0.00138, 0.0095, 0.049, 0.0491].map(Numbers.bound)
    #expect(bounds == ["< 0.0001", "≤ 0.0001", "≤ 0.002", "≤ 0.01", "≤ 0.049", "≤ 0.05"])
    #expect([0, 999, -1_000, 1_234_567, .min].map(Numbers.grouped).last == "-9,223,372,036,854,775,808")
    #expect([0, 999, -1_000, 1_234_567].map(Numbers.grouped) == ["0", "999", "-1,000", "1,234,567"])
    #expect(Numbers.count(1, "run", "runs") == "1 run" && Numbers.count(0, "run", "runs") == "0 runs")
  }
}
