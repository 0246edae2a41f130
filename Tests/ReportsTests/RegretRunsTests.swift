import Anytime
import Experiments
import Foundation
import Reports
import SearchSpaces
import Statistics
import TabularBenchmark
import Testing

@Suite("Regret of runs, exactly") struct RegretRunsTests {
  private let points = [
    HandMade(amount: 10, validation: 0.2, evaluations: 1, final: 30),
    HandMade(amount: 20, validation: 0.1, evaluations: 2, final: 5),
    HandMade(amount: 90, validation: 0.05, evaluations: 7, final: 20),
  ]

  @Test("as recommended now, every incumbent counts when it is known") func now() throws {
    let runs = RegretRuns(try HandMade.results([("m", [points])]))
    let run = runs.methods[0].runs[0]
    #expect(runs.accounting == .recommendedNow && runs.currency == .seconds && runs.end == 100)
    #expect(run.validation == StepCurve(positions: [10, 20, 90], values: [0.2, 0.1, 0.05]))
    #expect(run.test == nil && run.end == 100 && runs.start == 10)
  }

  @Test("with final training charged, an overtaken incumbent and one past the horizon never count")
  func charged()
    throws
  {
    let results = try HandMade.results([("m", [points])])
    let runs = try RegretRuns(results, currency: nil, accounting: .finalTrainingCharged)
    // The first would be ready at 40, after the second at 25; the third would be ready at 110.
    #expect(runs.methods[0].runs[0].validation == StepCurve(positions: [25], values: [0.1]))
    #expect(runs.caption.contains("final training charged"))
  }

  @Test("in evaluations, curves end where the longest run ended") func currency() throws {
    let results = try HandMade.results([("m", [points])])
    let runs = try RegretRuns(results, currency: .evaluations, accounting: nil)
    #expect(runs.methods[0].runs[0].validation.positions == [1, 2, 7] && runs.end == 10)
    let charged = try RegretRuns(results, currency: .evaluations, accounting: .finalTrainingCharged)
    #expect(charged.methods[0].runs[0].validation.positions == [2, 3, 8])
  }

  @Test("in evaluations with final training charged, a last incumbent counts whose training is one more") func last()
    throws
  {
    // The run spends ten evaluations; the final training of the incumbent of the tenth is the eleventh.
    let late = [points[0], HandMade(amount: 90, validation: 0.05, evaluations: 10, final: 20)]
    let runs = try RegretRuns(
      HandMade.results([("m", [late])]), currency: .evaluations, accounting: .finalTrainingCharged)
    #expect(runs.end == 11 && runs.methods[0].runs[0].end == 11)
    let curve = try #require(Curves(runs, gridSize: 3).curves.first)
    #expect(curve.points.last??.mean == 0.05)
    // A run without success has spent its last incumbent's training too.
    let times = TargetDistribution(runs, targets: [0.1, 0.01]).methods[0].times
    #expect(times.map(\.expected) == [11, nil])
    let both = try RegretRuns(
      HandMade.results([("m", [late, [HandMade(amount: 90, validation: 0.3, evaluations: 10, final: 20)]])]),
      currency: .evaluations, accounting: .finalTrainingCharged)
    #expect(TargetDistribution(both, targets: [0.1]).methods[0].times[0].expected == 22)
  }

  @Test("equal regrets that a store holds with the noise of single precision are equal") func noise() throws {
    // 0.0452666… of cells with the same sum over their repeats.
    let values = [0.045266668001810784, 0.045266666, 0.04526666666666668]
    let runs = RegretRuns(
      try HandMade.results(
        values.enumerated().map { index, value in ("\(index)", (0..<6).map { _ in steps((1, value)) }) }))
    #expect(Set(runs.methods.flatMap { $0.runs.flatMap(\.validation.values) }).count == 1)
    #expect(Leaderboard(runs).rows.map(\.rank) == [2, 2, 2])
    #expect(SignificanceTable(runs).rows.last?.pairs.map(\.a12) == [0.5, 0.5, 0.5])
  }

  @Test("what the runs do not hold is refused in one sentence") func refused() throws {
    var policy = BudgetPolicy.fair
    policy.chargeFinalTraining = true
    let charged = try HandMade.results(policy: policy, [("m", [points])])
    #expect(RegretRuns(charged).accounting == .finalTrainingCharged)
    // Already charged: not charged again.
    #expect(RegretRuns(charged).methods[0].runs[0].validation.positions == [10, 20, 90])
    #expect(throws: ReportError.self) {
      try RegretRuns(charged, currency: nil, accounting: .recommendedNow)
    }
    let free = try HandMade.results([("m", [points])])
    #expect {
      try RegretRuns(free, currency: .epochs, accounting: .finalTrainingCharged)
    } throws: { "\($0)".contains("known from the table only") }
  }

  @Test("grids begin at the first incumbent and end at the end, exactly") func grids() throws {
    let runs = RegretRuns(try HandMade.results(horizon: 1_000, [("m", [steps((1, 0.4))])]))
    let grid = runs.grid(4, scale: .log)
    #expect(grid.first == 1 && grid.last == 1_000)
    #expect(zip(grid, [1.0, 10, 100, 1_000]).allSatisfy { abs($0 / $1 - 1) < 1e-15 * 10 })
    #expect(runs.grid(4, scale: .linear) == [1, 334, 667, 1_000])
  }

  @Test("a store of an interrupted experiment says what is missing") func missing() throws {
    let results = try HandMade.results(
      seeds: 6, [("a", [steps((1, 0.4)), steps((1, 0.3))]), ("b", (0..<6).map { _ in steps((1, 0.2)) })])
    #expect(results.missingText == "4 of 12 runs are not done yet: a seeds 2-5")
    #expect(RegretRuns(results).caption.contains("n = 2 to 6 (4 runs missing)"))
    #expect(try HandMade.results([("a", [steps((1, 0.4))])]).missingText == nil)
    let identity = ExperimentIdentity(RegretRuns(results))
    #expect(identity.missingRuns == 4 && identity.missingSeeds == ["a": [2, 3, 4, 5]])
  }

  @Test("the average random cell is what random draws have on average") func reference() throws {
    let space = try #require(SearchSpace(named: "mini"))
    let benchmark = try Benchmark(table: try Table.embedded(), space: space)
    let reference = try #require(SpaceReference(benchmark, policy: .fair))
    #expect(reference.architectures == 201 && reference.topEpochs == 9)
    let best = try #require(benchmark.bestTest)
    var random = RandomGenerator(seed: 1)
    let regrets = (0..<20_000).compactMap { _ in
      benchmark.row(of: space.sample(using: &random)).flatMap {
        benchmark.table.mean(.testAccuracy, row: $0, epochs: benchmark.table.epochs.count - 1)
      }.map { best.mean - $0 }
    }
    let (mean, error) = (try #require(regrets.mean), try #require(regrets.standardError))
    #expect(abs(mean - (try #require(reference.randomTestRegret))) < 5 * error)
  }
}

@Suite("Ranks, targets and areas, exactly") struct RankTests {
  @Test("ranks tie, and a run without an incumbent is last") func ranks() throws {
    let results = try HandMade.results([
      ("a", [steps((1, 0.4), (100, 0.1))]), ("b", [steps((10, 0.4))]),
    ])
    let ranks = RankCurves(RegretRuns(results), gridSize: 3)
    #expect(ranks.grid == [1, 10, 100] && ranks.seeds == 1)
    #expect(ranks.curves.map { $0.points.map(\.mean) } == [[1, 1.5, 1], [2, 1.5, 2]])
    #expect(ranks.curves[0].points.allSatisfy { $0.standardError == 0 })
  }

  @Test("ranks are over seeds that all methods have") func common() throws {
    let results = try HandMade.results([
      ("a", [steps((1, 0.4)), steps((1, 0.1))]), ("b", [steps((1, 0.3))]),
    ])
    let ranks = RankCurves(RegretRuns(results), gridSize: 2)
    #expect(ranks.seeds == 1 && ranks.curves.map { $0.points.map(\.mean) } == [[2, 2], [1, 1]])
  }

  @Test("targets are fixed, and running times count what failures spent") func targets() throws {
    #expect(TargetDistribution.fixedTargets.count == 31)
    #expect(TargetDistribution.fixedTargets.first == 0.1)
    #expect(abs((TargetDistribution.fixedTargets.last ?? 0) - 1e-4) < 1e-18)
    let results = try HandMade.results([
      ("a", [steps((1, 0.4), (10, 0.2), (20, 0.35), (50, 0.1)), steps((2, 0.3)), []])
    ])
    let distribution = TargetDistribution(RegretRuns(results), targets: [0.3, 0.15])
    let times = distribution.methods[0].times
    // 0.3 at 10, 2 and never by 100; 0.15 at 50 and twice never.
    #expect(times.map(\.expected) == [112.0 / 2, 250] && times.map(\.successes) == [2, 1])
    #expect(distribution.curve(0, on: [1, 2, 9, 10, 50, 100]) == [0, 1, 1, 2, 3, 3].map { $0 / 6.0 })
  }

  @Test("areas are from the last first incumbent of any run to the end") func area() throws {
    let results = try HandMade.results([
      ("a", [steps((1, 0.9), (10, 0.4), (55, 0.2))]), ("b", [steps((10, 0.3), (100, 0))]),
    ])
    let board = Leaderboard(RegretRuns(results))
    #expect(board.range == 10...100)
    let a = try #require(board.rows.first { $0.label == "a" })
    #expect(abs(try #require(a.area) - 0.3) < 1e-15)
    let logArea = 0.4 * log(5.5) / log(10) + 0.2 * log(100.0 / 55) / log(10)
    #expect(abs(try #require(a.logArea) - logArea) < 1e-15)
    #expect(board.rows.first { $0.label == "b" }?.area == 0.3)
  }

  @Test("the median over all runs counts those without an incumbent") func medians() throws {
    let board = Leaderboard(
      RegretRuns(try HandMade.results([("a", [steps((1, 0.4)), steps((10, 0.2)), steps((100, 0.1))])])))
    // At 1, 10 and 100: one, two and three of three runs have an incumbent.
    #expect(board.rows[0].medians == [nil, 0.4, 0.2])
  }

  @Test("median and quartiles at the end are of all runs, the mean of those with a result") func survivors() throws {
    let results = try HandMade.results([("a", [steps((1, 0.1)), steps((1, 0.2)), []])])
    let row = Leaderboard(results).rows[0]
    #expect(row.median == 0.2 && row.median == row.medians.last && row.upperQuartile == nil)
    #expect(row.lowerQuartile.map { abs($0 - 0.15) < 1e-12 } == true && row.final?.n == 2)
    let text = Leaderboard(results).text
    #expect(text.contains("15.000 ± 5.000 %  20.000 %") && text.contains("in no mean, and the worst in medians"))
    #expect(text.contains("mean ± its standard error: of runs with a result; medians"))
    let csv = try readCSV(try CurveExport.leaderboard.render(Curves(results, gridSize: 3)))
    func value(_ name: String) throws -> String { csv[1][try #require(csv[0].firstIndex(of: name))] }
    #expect(try value("median") == "0.2" && value("median_at_100") == "0.2" && value("upper_quartile") == "")
    let report = HTMLReport(results, registry: Registry([]), table: nil, vega: nil)
    let page = String(decoding: try report.render(), as: UTF8.self)
    #expect(page.contains("<td>20.000</td><td>15.000 to –</td><td>2 of 3</td>"))
    #expect(page.contains("median 20.000 (quartiles 15.000 to –)"))
  }

  @Test("exported ranks are on the curves' own grid, and name seeds only where these are ranked") func rankExport()
    throws
  {
    func rows(_ runs: [[HandMade]]) throws -> [[String]] {
      let runs = RegretRuns(try HandMade.results([("a", runs), ("b", [steps((1, 0.2))])]))
      let curves = Curves(runs, gridSize: 4, scale: .linear)
      #expect(curves.grid == [1, 34, 67, 100])
      return try readCSV(try CurveExport.ranks.render(curves))
    }
    let paired = try rows([steps((1, 0.3)), steps((1, 0.3))])
    let columns = try ["spent", "seeds"].map { try #require(paired[0].firstIndex(of: $0)) }
    #expect(paired[1...4].map { $0[columns[0]] } == ["1.0", "34.0", "67.0", "100.0"] && paired[1][columns[1]] == "1")
    let unpaired = try rows((0..<5).map { _ in steps((1, 0.3)) })
    #expect(unpaired[1...4].map { $0[columns[1]] } == ["", "", "", ""])
  }

  @Test("bootstrap bands are of whole runs") func bands() throws {
    var random = RandomGenerator(seed: 3)
    let values = (0..<60).map { _ in random.gaussian() }
    let band = MeanBand(values.map { [nil, $0, $0 + 5] }, stream: "test")
    #expect(band.intervals[0] == nil)
    let (one, two) = (try #require(band.intervals[1]), try #require(band.intervals[2]))
    #expect(abs(two.lowerBound - one.lowerBound - 5) < 1e-12)
    let width = 2 * 1.96 * (try #require(values.standardError))
    #expect(abs((one.upperBound - one.lowerBound) / width - 1) < 0.15)
    #expect(MeanBand([[1, 2]], stream: "one").intervals == [nil, nil])
    #expect(MeanBand([[1], [1]], stream: "same").intervals == [1...1])
  }
}

@Suite("Significance, exactly") struct SignificanceTableTests {
  private func table(_ test: SignificanceTable.Test) throws -> SignificanceTable {
    // a is better than b in every seed; c is the same as b.
    let seeds = (0..<12).map { Double($0) / 1_000 }
    let results = try HandMade.results([
      ("a", seeds.map { steps((2, 0.1 + $0)) }), ("b", seeds.map { steps((2, 0.2 + 2 * $0)) }),
      ("c", seeds.map { steps((2, 0.2 + 2 * $0)) }),
    ])
    return SignificanceTable(RegretRuns(results), test: test)
  }

  @Test("Wilcoxon with Holm over all pairs of a budget") func wilcoxon() throws {
    let table = try table(.wilcoxonHolm)
    #expect(table.rows.map(\.fraction) == [0.01, 0.1, 1] && table.seeds == 12)
    let last = try #require(table.rows.last)
    let pair = try #require(last.pair(1, 0))
    #expect(pair.alone == 2 / 4_096.0 && pair.holm == 3 * pair.alone && pair.better == 0)
    #expect(pair.a12 == 1 && pair.cliffsDelta == 1)
    #expect(abs(try #require(pair.medianDifference) + 0.1055) < 1e-12)
    let same = try #require(last.pair(1, 2))
    #expect(same.alone == 1 && same.better == nil && same.a12 == 0.5 && same.medianDifference == 0)
    #expect(last.wins(0) == [1, 2] && last.losses(2) == [0] && last.wins(1).isEmpty)
    // At 1 % no run has an incumbent: all are alike.
    #expect(table.rows[0].pairs.allSatisfy { $0.pValue == 1 && $0.medianDifference == nil })
    #expect(
      table.text == """
        At 1 % of the budget: no significant difference
        At 10 % of the budget:
          a is better than b, c (p ≤ 0.002)
        At 100 % of the budget:
          a is better than b, c (p ≤ 0.002)
        (Wilcoxon signed-rank, Holm, level 0.05, validation regret over 12 common seeds)
        """)
  }

  @Test("Nemenyi's test and the diagram of critical differences") func nemenyi() throws {
    let table = try table(.nemenyi)
    let diagram = try #require(CriticalDifferences(table))
    #expect(diagram.ranks == [1, 2.5, 2.5] && diagram.order == [0, 1, 2])
    // 2.343 sqrt(3 * 4 / (6 * 12)), of Demsar's table.
    #expect(abs(try #require(diagram.criticalDifference) - 0.9566) < 1e-3)
    #expect(diagram.groups == [1...2])
    #expect(try #require(CriticalDifferences(table, budget: 0)).groups == [0...2])
    #expect(CriticalDifferences(table, budget: 3) == nil)
  }

  @Test("groups may overlap, and none lies within another") func groups() throws {
    // Ranks 1, 2, 3 in 5 of 5 seeds: neighbours differ by 1, less than the critical difference of 1.48.
    let results = try HandMade.results(
      [("a", 0.1), ("b", 0.2), ("c", 0.3)].map { label, value in
        (label, (0..<5).map { _ in steps((2, value)) })
      })
    let diagram = try #require(CriticalDifferences(SignificanceTable(RegretRuns(results), test: .nemenyi)))
    #expect(diagram.groups == [0...1, 1...2])
  }

  @Test("methods with few common seeds are compared by all their runs") func unpaired() throws {
    let results = try HandMade.results([
      ("a", (0..<12).map { steps((2, 0.1 + Double($0) / 1_000)) }), ("b", (0..<3).map { _ in steps((2, 0.2)) }),
      ("c", [steps((2, 0.1 + 5 / 1_000)), steps((2, 0.3)), steps((2, 0.3))]),
    ])
    let runs = RegretRuns(results)
    let table = SignificanceTable(runs)
    #expect(table.test == .mannWhitneyHolm && table.seeds == 3)
    let last = try #require(table.rows.last)
    // Of all ways to deal fifteen values, two are as extreme.
    let pair = try #require(last.pair(0, 1))
    #expect(abs(pair.alone - 2 / 455.0) < 1e-15 && pair.holm == 3 * pair.alone && pair.better == 0)
    #expect(pair.a12 == 1 && pair.nemenyi == nil && last.friedman == nil)
    // Against b's 0.2 one in three, against a's twelve values 5.5, 12 and 12.
    let expected: [Double] = [1 + 6.5 / 36, 2 + 1 / 3.0, 1 + 24 / 36.0 + 29.5 / 36]
    #expect(zip(last.averageRanks, expected).allSatisfy { abs($0 - $1) < 1e-12 })
    let ranks = RankCurves(runs, gridSize: 2)
    #expect(!ranks.isPaired)
    #expect(zip(ranks.curves, expected).allSatisfy { abs(($0.points.last?.mean ?? 0) - $1) < 1e-12 })
    #expect(table.caption == "Mann-Whitney, Holm, level 0.05, validation regret over all runs")
    #expect(SignificanceTable(runs, test: .wilcoxonHolm).rows.last?.pairs.allSatisfy { $0.better == nil } == true)
  }

  @Test("one method or one seed has no tests") func none() throws {
    #expect(SignificanceTable(RegretRuns(try HandMade.results([("a", [steps((1, 1)), []])]))).rows.isEmpty)
    #expect(
      SignificanceTable(RegretRuns(try HandMade.results([("a", [steps((1, 1))]), ("b", [[]])]))).rows.isEmpty)
  }
}

@Suite("Captions") struct CaptionTests {
  private let methods: [(label: String, runs: [[HandMade]])] = [
    ("darts", [steps((2, 0.1))]), ("gdas", [steps((2, 0.2))]), ("tpe", [steps((2, 0.3))]), ("none", []),
  ]

  /// Texts of all outputs that have a caption.
  private func texts(_ results: ExperimentResults) throws -> [String] {
    let curves = Curves(results, gridSize: 3)
    let page = HTMLReport(results, registry: Registry([]), table: nil, vega: nil)
    return [
      curves.runs.caption, Leaderboard(results).text, try Chart.regret(curves).caption,
      String(decoding: try CurveExport.latex()[0].render(curves), as: UTF8.self),
      String(decoding: try page.render(), as: UTF8.self),
    ]
  }

  @Test("say what trained networks, where other machines may give other bits, and nothing else")
  func numerics() throws {
    let old = "libtorch 1.13.0 NO AVX, oneDNN SSE41"
    let pinned = try texts(HandMade.results(methods))
    let some = try texts(HandMade.results(numerics: ["darts": old, "gdas": old + " on cuda"], methods))
    let words = "networks were trained by \(old) and \(old) on cuda (other machines may give other bits)"
    for (without, with) in zip(pinned, some) {
      #expect(!without.contains("trained by") && with.contains(", table 0123456789abcdef, \(words), AnytimeNAS "))
      #expect(with.replacing(words + ", ", with: "").replacing(", except that " + words, with: "") == without)
    }
    #expect(some.last?.contains("any number of threads, except that \(words).</p>") == true)
    // A method without runs has not trained anything.
    #expect(try texts(HandMade.results(numerics: ["none": old], methods)) == pinned)
  }
}
