import Anytime
import Experiments
import Foundation
import Reports
import SearchSpaces
import Statistics
import Testing

/// Methods with runs whose regrets are these from the beginning.
private func results(
  oneShot: Set<String> = [], _ methods: [(label: String, regrets: [Double])]
) throws -> ExperimentResults {
  try HandMade.results(
    oneShot: oneShot, methods.map { method in (method.label, method.regrets.map { steps((1, $0)) }) })
}

private func many(_ count: Int, _ first: Double) -> [Double] { (0..<count).map { first + 0.0001 * Double($0) } }

@Suite("Methods with few runs") struct FewRunsTests {
  private func table(
    _ methods: [(label: String, regrets: [Double])], test: SignificanceTable.Test? = nil
  ) throws -> SignificanceTable {
    SignificanceTable(RegretRuns(try results(methods)), test: test, budgets: [1])
  }

  @Test("that could differ from no other are left out of the diagram, with the number of runs that they need")
  func leftOut() throws {
    // Three pairs: one run against 50 has at least p = 2 / 51, two have 2 / 1326.
    let table = try table([("a", many(50, 0.01)), ("b", many(50, 0.02)), ("one", [0.3])])
    #expect(table.test == .mannWhitneyHolm)
    let row = try #require(table.rows.first)
    // With a and b apart, Holm's second step doubles 2 / 51: more than 0.05.
    #expect(row.tooFew.map(\.text) == ["one (1 run, needs 2)"])
    let diagram = try #require(CriticalDifferences(table))
    #expect(diagram.order.map { table.labels[$0] } == ["a", "b"] && diagram.tooFew == row.tooFew)
    #expect(diagram.ranks == [1, 2], "ranks are among those that are shown")
    #expect(table.text.contains("Too few runs for any significant difference: one (1 run, needs 2)"))
    #expect(Set(row.pairs.flatMap { [$0.first, $0.second] }).count == 3, "pairs are of all methods")
    let figure = try CriticalDifferencePlot().figure([diagram]).script()
    #expect(figure.contains("Too few runs for any significant difference: one (1 run, needs 2)"))
  }

  @Test("stay where the exact test can find a difference") func stay() throws {
    // Two methods are one pair: a single run among 50 that is the worst has p = 2 / 51.
    let table = try table([("a", many(50, 0.01)), ("one", [0.3])])
    #expect(table.rows.first?.tooFew == [])
    #expect(table.rows.first?.pairs.first.map { abs($0.pValue - 2.0 / 51) < 1e-12 && $0.better == 0 } == true)
    // Three runs against three never differ, but against 50 they may.
    let three = try self.table([("a", many(50, 0.01)), ("b", many(3, 0.2)), ("c", many(3, 0.3))])
    #expect(three.rows.first?.tooFew == [])
  }

  @Test("have no significant difference with all runs the worst, and have one with the runs that they need")
  func attained() throws {
    for (counts, own) in [([40, 40, 1], 2), ([30, 2, 2, 2], 1), ([60, 60, 60, 60, 1], 4), ([3, 3], 1), ([5, 3], 1)] {
      func significant(_ runs: Int) throws -> Bool {
        let methods = counts.indices.map { index -> (label: String, regrets: [Double]) in
          ("\(index)", index == own ? many(runs, 0.5) : many(counts[index], 0.01 + 0.02 * Double(index)))
        }
        let row = try #require(try table(methods, test: .mannWhitneyHolm).rows.first)
        return row.pairs.contains { [$0.first, $0.second].contains(own) && $0.better != nil }
      }
      let methods = counts.indices.map { ("\($0)", many(counts[$0], 0.01 + 0.02 * Double($0))) }
      let row = try #require(try table(methods, test: .mannWhitneyHolm).rows.first)
      let few = row.tooFew.first { $0.label == "\(own)" }
      #expect(try significant(counts[own]) == (few == nil), "\(counts)")
      if let few { #expect(try significant(few.needed) && !significant(few.needed - 1), "\(counts)") }
    }
  }

  @Test("of common seeds leave no diagram where all have too few") func paired() throws {
    let table = try table([("a", many(5, 0.01)), ("b", many(5, 0.2))])
    #expect(table.test == .wilcoxonHolm && table.rows.first?.pairs.count == 1)
    // 2 / 2^5 is more than 0.05, and 2 / 2^6 less.
    #expect(table.rows.first?.tooFew.map(\.needed) == [6, 6] && CriticalDifferences(table) == nil)
    let enough = try self.table([("a", many(6, 0.01)), ("b", many(6, 0.2))])
    #expect(enough.rows.first?.tooFew == [] && CriticalDifferences(enough)?.order == [0, 1])
  }

  @Test("do not take the seeds of all others from a paired test") func shared() throws {
    for test in [SignificanceTable.Test.wilcoxonHolm, .nemenyi] {
      let table = try table([("a", many(20, 0.01)), ("one", [0.3]), ("b", many(20, 0.2))], test: test)
      #expect(table.labels == ["a", "b"] && table.seeds == 20, "\(test)")
      let row = try #require(table.rows.first)
      #expect(row.tooFew.map(\.label) == ["one"] && row.tooFew.map(\.runs) == [1], "\(test)")
      #expect(row.pairs.first?.better == 0, "\(test)")
    }
  }

  @Test("of a pair say how many runs the difference would need") func needed() throws {
    // A12 is 0.7 by construction: of 10 x 10 pairs, 70 are in favour of a.
    let a = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0].map { $0 / 10 }
    let table = try table([("a", a), ("b", a.map { $0 + 0.025 })], test: .mannWhitneyHolm)
    let pair = try #require(table.rows.first?.pairs.first)
    #expect(pair.better == nil)
    #expect(pair.runsNeeded == MannWhitney.size(a12: pair.a12, level: 0.05, power: 0.8))
    let clear = try self.table([("a", many(20, 0.01)), ("b", many(20, 0.2))])
    #expect(clear.rows.first?.pairs.first?.runsNeeded == nil, "it is significant already")
    let none = try self.table([("a", many(20, 0.01)), ("b", many(20, 0.01))])
    #expect(none.rows.first?.pairs.first?.runsNeeded == nil, "there is no difference")
  }

  @Test("have their least and greatest values as a band of medians, and one run has none") func bands() throws {
    let example = try results([
      ("three", [0.1, 0.2, 0.4]), ("five", [0.1, 0.2, 0.3, 0.4, 0.5]), ("one", [0.2]),
    ])
    let chart = try Chart.regret(Curves(RegretRuns(example)))
    func band(_ index: Int) -> [Double] { chart.series[index].points.last.map { [$0.low, $0.y, $0.high] } ?? [] }
    for (band, expected) in [(band(0), [10.0, 20, 40]), (band(1), [20, 30, 40])] {
      #expect(zip(band, expected).allSatisfy { abs($0 - $1) < 1e-9 } && band.count == 3)
    }
    #expect(!chart.showsBand(chart.series[2]))
    #expect(chart.caption.contains("band: quartiles (of 3 runs or fewer: least to greatest)"))
  }
}

@Suite("The last epochs of a one-shot method") struct LastEpochsTests {
  /// A run whose supernet recommends architectures of these validation regrets after its epochs; the test regret is
  /// twice that. An architecture's identifier has its regret in it.
  private func run(_ regrets: [Double]) -> RunResult {
    var trajectory: [TrajectoryPoint] = []
    var trace: [TracePoint] = []
    for (index, regret) in regrets.enumerated() {
      let architecture = Architecture.ID(high: 0, low: regret.bitPattern)
      let amount = Double(index + 1)
      if trajectory.last?.architecture != architecture {
        trajectory.append(
          TrajectoryPoint(
            amount: amount, spent: Spending(seconds: amount, epochs: 1, evaluations: 1), architecture: architecture,
            epochs: 0, validationRegret: regret, testRegret: 2 * regret, finalTrainingSeconds: 0))
      }
      trace.append(
        TracePoint(
          epoch: index + 1, amount: amount, architecture: architecture, values: [:], weights: [], errors: [:]))
    }
    return RunResult(
      trajectory: trajectory, spent: Spending(seconds: 50, epochs: 1, evaluations: 1), ledger: [], overheadSeconds: 0,
      trace: trace)
  }

  /// - Parameter selecting: Whether the last recommendation of each run is a selection after epochs of fine-tuning.
  private func results(
    _ runs: [[Double]], policy: BudgetPolicy = .fair, selecting: Bool = false
  ) throws -> ExperimentResults {
    func run(_ regrets: [Double]) -> RunResult {
      var result = self.run(regrets)
      if selecting { result.trace[regrets.count - 1].epoch += 5 }
      return result
    }
    let made = try HandMade.results(
      policy: policy, seeds: runs.count, oneShot: ["enas"], [("enas", [[]]), ("tpe", [[]])])
    return ExperimentResults(
      experiment: made.experiment, tableChecksum: made.tableChecksum,
      methods: made.methods.enumerated().map { index, method in
        MethodResults(
          entry: method.entry, title: method.title, family: method.family,
          runs: index == 0 ? runs.enumerated().map { (UInt64($0), run($1)) } : method.runs)
      })
  }

  private func last(_ results: ExperimentResults) -> LastEpochs? {
    Leaderboard(results).rows.first { $0.label == "enas" }?.lastEpochs
  }

  @Test("are ten, of which each counts, whether the recommendation changed or not") func ten() throws {
    // Twelve epochs; the last ten are 3 x 0.04, 7 x 0.01.
    let regrets = [0.2, 0.1] + [Double](repeating: 0.04, count: 3) + [Double](repeating: 0.01, count: 7)
    let last = try #require(last(try results([regrets])))
    #expect(last.epochs == 10...10 && last.n == 1 && last.architectures == 2)
    #expect(abs(last.mean - 2 * 0.019) < 1e-12 && last.standardError == nil && last.interval == nil)
  }

  @Test("are those that a run did, where it did fewer") func fewer() throws {
    let last = try #require(last(try results([[0.1, 0.2, 0.1], [0.3]])))
    #expect(last.epochs == 1...3 && last.n == 2)
    #expect(abs(last.mean - (0.8 / 3 + 0.6) / 2) < 1e-12, "the mean over runs of each run's mean")
  }

  @Test("are not a selection of the cell after them") func selection() throws {
    let last = try #require(last(try results([[0.1, 0.2, 0.4], [0.1, 0.2, 0.2, 0.3]], selecting: true)))
    #expect(last.epochs == 2...3 && abs(last.mean - (0.3 + 1.0 / 3) / 2) < 1e-12)
    let text = Leaderboard(try results([[0.1, 0.2, 0.4], [0.1, 0.2, 0.2, 0.3]])).text
    #expect(text.contains("Recommendations of the last 3 to 4 epochs, mean"))
  }

  @Test("have an interval over runs by Student's t") func interval() throws {
    let last = try #require(last(try results([[0.025], [0.03], [0.035]])))
    // SciPy's interval of 5, 6 and 7, in percent points.
    #expect(abs(last.mean - 0.06) < 1e-12)
    #expect(abs((last.interval?.lowerBound ?? 0) - 0.0351586228824967) < 1e-12)
    #expect(abs((last.interval?.upperBound ?? 0) - 0.0848413771175033) < 1e-12)
  }

  @Test("have no part of the interval below zero, the least possible regret") func cut() throws {
    let example = try results([[0.005], [0.01], [0.015]])
    let last = try #require(self.last(example))
    // SciPy's interval of 1, 2 and 3, in percent points, begins at -0.484.
    #expect(abs(last.mean - 0.02) < 1e-12 && last.interval?.lowerBound == 0)
    #expect(abs((last.interval?.upperBound ?? 0) - 0.0448413771175033) < 1e-12)
    #expect(Leaderboard(example).text.contains("enas 2.000 ± 0.577 % (at most 4.484)"))
    let report = HTMLReport(example, registry: Registry([]), table: nil, vega: nil)
    #expect(String(decoding: try report.render(), as: UTF8.self).contains("<td>at most 4.484</td>"))
    let csv = try readCSV(try CurveExport.leaderboard.render(Curves(example)))
    #expect(csv.first { $0.contains("enas") }?.dropLast().last == "0.0")
    #expect(self.last(try results([[0], [0], [0]]))?.interval == 0...0)
  }

  @Test("are absent for blackbox methods, and where test regret is a running minimum") func absent() throws {
    let example = try results([[0.1, 0.2]])
    #expect(Leaderboard(example).rows.first { $0.label == "tpe" }?.lastEpochs == nil)
    var policy = BudgetPolicy.fair
    policy.testCurve = .runningMinimum
    #expect(last(try results([[0.1, 0.2]], policy: policy)) == nil)
  }

  @Test("are in the exports and on the page, beside the final regret") func outputs() throws {
    let example = try results([[0.1, 0.2], [0.1, 0.1]])
    let curves = Curves(example)
    let csv = try readCSV(try CurveExport.leaderboard.render(curves))
    let header = try #require(csv.first)
    #expect(
      header.suffix(6) == [
        "last_epochs", "last_n", "last_mean", "last_standard_error", "last_interval_low", "last_interval_high",
      ])
    let row = try #require(csv.first { $0.contains("enas") })
    #expect(row.suffix(6).prefix(2) == ["2", "2"] && abs((Double(row[row.count - 4]) ?? 0) - 0.25) < 1e-12)
    let other = try #require(csv.first { $0.contains("tpe") })
    #expect(other.suffix(6) == ["", "", "", "", "", ""])

    let json = try #require(
      try JSONSerialization.jsonObject(with: try CurveExport.json.render(curves)) as? [String: Any])
    let lasts = try #require(json["lastEpochs"] as? [[String: Any]])
    #expect(lasts.map { $0["metric"] as? String } == ["validation", "test"])
    #expect(lasts.last?["epochs"] as? Int == 2 && lasts.last?["n"] as? Int == 2)

    let trace = String(decoding: try TraceExport.csv.render(example), as: UTF8.self)
    #expect(trace.contains(/enas,0,2,2\.0,[0-9a-f]{32},test regret,0\.4\n/))
    #expect(trace.contains(/enas,1,2,2\.0,[0-9a-f]{32},validation regret,0\.1\n/))
    let traces = try #require(
      try JSONSerialization.jsonObject(with: try TraceExport.json.render(example)) as? [String: Any])
    let series = try #require((traces["traces"] as? [[String: Any]])?.first)
    #expect(series["testRegrets"] as? [Double] == [0.2, 0.4])

    let report = HTMLReport(example, registry: Registry([]), table: nil, vega: nil)
    let page = String(decoding: try report.render(), as: UTF8.self)
    #expect(page.contains("averaged over each run&#39;s last epochs with a 95 % interval by Student&#39;s t"))
    #expect(page.contains("<td>30.000 ± 10.000</td><td>25.000 ± 5.000</td>"))
    let text = Leaderboard(example).text
    #expect(text.contains("Recommendations of the last 2 epochs, mean (95 % interval): enas 25.000"))
  }
}
