import Anytime
import Experiments
import Foundation
import Reports
import SearchSpaces
import Statistics
import Testing

/// A method with settings to vary.
struct Toy: Optimizer {
  enum Mode: String, CaseIterable, Sendable { case soft, hard, off }

  static let method = Method(
    name: "toy", title: "Toy", family: .oneShot, summary: "A toy.", citation: "",
    settings: [
      Setting("rate", \Toy.rate, 0...1, "a rate"), Setting("depth", \Toy.depth, 1...9, "a depth"),
      Setting("mode", \Toy.mode, "a mode"), Setting("epochs", \Toy.epochs, 1...1_000, "a number of epochs"),
    ])

  var rate = 0.1
  var depth = 2
  var mode = Mode.soft
  var epochs = 50

  func search(_ session: Session) throws {}

  /// An experiment of entries whose settings vary.
  ///
  /// - Parameter runs: The runs of an entry by its levels, seeds from 0 on.
  static func results(
    _ design: Variation.Design, _ factors: [Factor], label: String? = nil, horizon: Double = 100,
    policy: BudgetPolicy = .fair, _ runs: ([String: String]) -> [RunResult]
  ) throws -> ExperimentResults {
    let entry = Experiment.Entry(
      label: label, method: method, settings: try Settings(method), factors: factors, design: design)
    let entries = try Experiment.labelled([entry], registry: Registry([Toy.self])).flatMap { $0 }
    let all = entries.map { runs($0.variation?.levels ?? [:]) }
    return ExperimentResults(
      experiment: Experiment(
        name: "test", space: "mini", horizon: horizon, policy: policy,
        seeds: (0..<UInt64(all.map(\.count).max() ?? 1)).map { $0 }, methods: entries),
      tableChecksum: "0123456789abcdef",
      methods: zip(entries, all).map { entry, runs in
        MethodResults(
          entry: entry, title: "Toy", family: .oneShot, runs: runs.enumerated().map { (UInt64($0), $1) })
      })
  }

  /// A run that finds a regret for validation, and twice that for test, and ends.
  ///
  /// - Parameters:
  ///   - accuracy: Of the supernet after its last epoch.
  ///   - isCut: Whether it lost the rest of its budget.
  static func run(
    _ regret: Double, spent: Double = 90, accuracy: Double? = nil, final: Double = 0, isCut: Bool = false
  ) -> RunResult {
    let point = TrajectoryPoint(
      amount: spent, spent: Spending(seconds: spent), architecture: .init(high: 0, low: 12), epochs: 0,
      validationRegret: regret, testRegret: 2 * regret, finalTrainingSeconds: final)
    let trace = accuracy.map { accuracy in
      [0.1, accuracy].enumerated().map { index, accuracy in
        TracePoint(
          epoch: index + 1, amount: spent, architecture: .init(high: 0, low: 12),
          values: ["validation accuracy": accuracy], weights: [], errors: [:])
      }
    }
    return RunResult(
      trajectory: [point], spent: Spending(seconds: spent),
      ledger: [.init(kind: .supernet, amount: spent, count: 1)]
        + (isCut ? [.init(kind: .lost, amount: 100 - spent, count: 1)] : []), overheadSeconds: 0, trace: trace ?? [])
  }
}

/// A method with another one as a setting.
private struct Chooser: Optimizer {
  static let method = Method(
    name: "chooser", title: "Chooser", family: .composed, summary: "", citation: "",
    settings: [Setting("by", \Chooser.by, "a method")])

  var by: (any Optimizer)?

  func search(_ session: Session) throws {}
}

/// A page as text.
private func rendered(_ results: ExperimentResults) throws -> String {
  let report = HTMLReport(results, registry: Registry([Toy.self, Chooser.self]), table: nil, vega: nil)
  return String(decoding: try report.render(), as: UTF8.self)
}

extension String {
  fileprivate func count(_ part: String) -> Int { components(separatedBy: part).count - 1 }
}

@Suite("Settings that vary") struct FactorTests {
  /// Regret rises with the rate, from 0.1 to 0.32, without an exception; the accuracy of the supernet falls.
  private func rates() throws -> ExperimentResults {
    try Toy.results(.grid, [Factor("rate", ["0.3", "1e-2", "0.1"])]) { levels in
      let regrets = ["0.01": [0.1, 0.12, 0.11], "0.1": [0.2, 0.22, 0.21], "0.3": [0.3, 0.32, 0.31]]
      return (levels["rate"].flatMap { regrets[$0] } ?? []).map { Toy.run($0 / 2, accuracy: 0.9 - $0) }
    }
  }

  @Test("are all that the page says of the settings of later entries") func differences() throws {
    let page = try rendered(rates())
    #expect(page.count("<caption>Settings of toy") == 3 && page.count(", but for:</p>") == 2)
    #expect(page.count("<td>a depth</td>") == 1 && page.count("<td>a rate</td>") == 3)
  }

  @Test("are studies, with numeric levels in ascending order") func studies() throws {
    let study = try #require(try rates().studies.first)
    #expect(study.name == "toy" && study.design == .grid && study.method == "toy" && study.entries == [0, 1, 2])
    #expect(study.factors.map(\.name) == ["rate"] && study.factors.map(\.isOrdered) == [true])
    #expect(study.factors.first?.levels == ["0.01", "0.1", "0.3"])
    let modes = try Toy.results(.grid, [Factor("mode", ["off", "hard"])]) { _ in [] }.studies
    #expect(modes.first?.factors.first?.levels == ["off", "hard"] && modes.first?.factors.first?.isOrdered == false)
    #expect(try HandMade.results([("a", [steps((1, 0.1))])]).studies.isEmpty)
  }

  @Test("have a figure, a table and tests on the page") func page() throws {
    let text = try rendered(rates())
    #expect(text.contains("<section id=\"factors\"") && text.contains("<h3>toy: rate</h3>"))
    #expect(text.count("<svg class=\"factor\" role=\"img\" aria-label=\"") == 2)
    #expect(text.count("<circle ") == 18, "a dot per run, of regret and of accuracy")
    #expect(text.contains("final test regret [percent points] by rate. 0.01: mean 11.000 of 3 runs; 0.1: mean 21.000"))
    // SciPy: t.interval(0.95, 2, 11, sem([10, 12, 11])).
    #expect(
      text.contains(
        "<th scope=\"row\">0.01</th><td>3</td><td>11.000</td><td>8.516 to 13.484</td><td>11.000</td>"
          + "<td>10.500 to 11.500</td>"))
    // Friedman's: chi-squared 6 with 2 degrees of freedom, as every seed ranks the levels alike.
    // By hand: 27 of 27 pairs; variance (9² 21 - 3 3² 9) / 72 = 4.5²; 2 of 1680 ways to deal; 27 / sqrt(27 36);
    // H = 12 / 90 (6² + 15² + 24²) / 3 - 30 and exp(-H / 2).
    #expect(
      text.contains(
        "<th scope=\"row\">Final test regret</th><td>9</td><td>3.00</td><td>0.001</td><td>0.87</td><td>7.20</td>"
          + "<td>0.027</td><td>0.90</td><td>0.05</td>"))
    #expect(
      text.contains("<th scope=\"row\">Validation accuracy of the supernet</th><td>9</td><td>-3.00</td><td>0.001</td>"))
  }

  @Test("without an order have no test for a trend, without a trace no accuracy") func unordered() throws {
    let results = try Toy.results(.grid, [Factor("mode", ["off", "hard"])]) { levels in
      (0..<5).map { Toy.run((levels["mode"] == "off" ? 0.1 : 0.2) + 0.001 * Double($0)) }
    }
    let text = try rendered(results)
    #expect(text.count("<svg class=\"factor\"") == 1 && !text.contains("Jonckheere"))
    // H = 12 / 110 (15² + 40²) / 5 - 33, chi-squared with one degree of freedom.
    let row = "<th scope=\"row\">Final test regret</th><td>10</td><td>6.82</td><td>0.009</td><td>0.76</td>"
    #expect(text.contains(row))
  }

  @Test("count a run without a result as the worst, and a failed one not at all") func missing() throws {
    let results = try Toy.results(.grid, [Factor("depth", ["1", "2"])]) { levels in
      var none = Toy.run(0)
      none.trajectory = []
      var failed = Toy.run(0)
      failed.failure = "it diverged"
      return levels["depth"] == "1" ? [Toy.run(0.1), Toy.run(0.11), none] : [Toy.run(0.2), failed]
    }
    let text = try rendered(results)
    #expect(text.contains("1 run without a result: not drawn, and last in the tests."))
    #expect(text.contains("<th scope=\"row\">1</th><td>2</td><td>21.000</td>"))
    #expect(text.contains("<th scope=\"row\">2</th><td>1, 1 failed</td><td>40.000</td><td>–</td>"))
    #expect(text.contains("<th scope=\"row\">Final test regret</th><td>4</td>"))
  }

  @Test("of a grid have intervals over seeds, as runs of a seed with other levels of other factors are repeats")
  func repeats() throws {
    let factors = [Factor("depth", ["1", "2"]), Factor("rate", ["0.1", "0.2", "0.3"])]
    let results = try Toy.results(.grid, factors) { _ in [0.2, 0.21, 0.22].map { Toy.run($0) } }
    let text = try rendered(results)
    // SciPy: t.interval(0.95, 2, 42, sem([40, 42, 44])).
    #expect(text.contains("<th scope=\"row\">1</th><td>9 of 3 seeds</td><td>42.000</td><td>37.032 to 46.968</td>"))
    #expect(text.contains("<td>1</td><td>0.00</td><td>1</td></tr>"), "by seed all levels are alike")
    #expect(text.contains("they take all runs as independent"))
  }

  @Test("are compared seed by seed where all levels have the same seeds, and not otherwise") func seeds() throws {
    // Levels differ less than seeds do: SciPy's kruskal and friedmanchisquare of [1, 11, 21, 31], [2, 12, 22, 32] and
    // [3, 13, 23, 33].
    func results(_ runs: Int) throws -> ExperimentResults {
      try Toy.results(.grid, [Factor("depth", ["1", "2", "3"])]) { levels in
        let depth = levels["depth"].flatMap { Double($0) } ?? 0
        return (0..<(depth == 3 ? runs : 4)).map { Toy.run((depth + 10 * Double($0)) / 200) }
      }
    }
    #expect(
      try rendered(results(4)).contains("<td>0.62</td><td>0.74</td><td>0.06</td><td>0.018</td></tr>"))
    #expect(try rendered(results(3)).contains(/<td>0\.[0-9]+<\/td><td>–<\/td><\/tr>/))
  }

  @Test("say which levels' runs failed, and name methods as labels do") func failures() throws {
    let made = try Toy.results(.grid, [Factor("depth", ["1", "2"])]) { levels in
      var run = Toy.run(0.1)
      if levels["depth"] == "2" { run.failure = "it diverged" }
      return [run, run]
    }
    var names = ["{\"toy\":{}}", "{\"toy\":{\"rate\":\"0.2\"}}"][...]
    let results = ExperimentResults(
      experiment: made.experiment, tableChecksum: made.tableChecksum,
      methods: made.methods.map { method in
        var entry = method.entry
        entry.method = Chooser.method.name
        entry.variation?.levels = ["by": names.removeFirst()]
        return MethodResults(entry: entry, title: method.title, family: method.family, runs: method.runs)
      })
    let text = try rendered(results)
    #expect(text.contains("<th scope=\"row\">toy</th><td>2</td>"))
    #expect(text.contains("<th scope=\"row\">toy rate 0.2</th><td>0, 2 failed</td>"))
    #expect(try rendered(results.failing { _, _ in "it diverged" }).contains("No run has a result: 4 failed."))
  }

  @Test("have the supernet's accuracy after its last epoch, which a selection of the cell is not") func selection()
    throws
  {
    let results = try Toy.results(.grid, [Factor("depth", ["1", "2"])]) { _ in
      var run = Toy.run(0.1, accuracy: 0.75)
      run.trace.append(
        TracePoint(
          epoch: 9, amount: 90, architecture: .init(high: 0, low: 12), values: [:], weights: [], errors: [:]))
      return [run]
    }
    let rows = try readCSV(try FactorExport.csv(results, registry: Registry([Toy.self])))
    let column = try #require(rows[0].firstIndex(of: "supernet_validation_accuracy"))
    #expect(rows.dropFirst().map { $0[column] } == ["0.75", "0.75"])
  }

  @Test("of a grid have an analysis of variance") func analysis() throws {
    // Regret depends on the rate alone.
    let factors = [Factor("depth", ["1", "2"]), Factor("rate", ["0.1", "0.2", "0.3"])]
    let results = try Toy.results(.grid, factors) { levels in
      let rate = levels["rate"].flatMap { Double($0) } ?? 0
      return (0..<10).map { _ in Toy.run(rate) }
    }
    let text = try rendered(results)
    #expect(text.contains("<h3>toy: importance</h3>"))
    #expect(
      text.contains("Parts of the variance of the forest&#39;s predictions of final test regret between combinations"))
    #expect(
      text.contains("of all 60 runs, 100.0 % lies between the 6 combinations of levels (eta²); chance alone gives 8.5"))
    for (name, part) in [("depth", "0.0 ± 0.0"), ("rate", "100.0 ± 0.0"), ("depth × rate", "0.0 ± 0.0")] {
      #expect(text.contains("<th scope=\"row\">\(name)</th><td>\(part) %</td>"), "\(name)")
    }
    #expect(!text.contains("As one factor varied at a time"))
    let single = try rendered(rates())
    #expect(!single.contains("importance</h3>"), "one factor has all of it")
  }

  @Test("one at a time take the others' values from the settings") func each() throws {
    let factors = [Factor("depth", ["4"]), Factor("rate", ["0.1", "0.3"])]
    let results = try Toy.results(.each, factors) { levels in
      [Toy.run(levels["depth"] != nil ? 0.2 : 0.1, spent: 30, accuracy: 0.75)]
    }
    let rows = try readCSV(try FactorExport.csv(results, registry: Registry([Toy.self])))
    #expect(
      rows == [
        [
          "experiment", "study", "design", "method", "label", "seed", "factor.depth", "factor.rate",
          "final_test_regret", "final_validation_regret", "supernet_validation_accuracy", "spent", "currency",
          "failure",
        ],
      ] + [
        ["toy (depth 4)", "0", "4", "0.1", "0.4", "0.2"], ["toy (rate 0.1)", "0", "2", "0.1", "0.2", "0.1"],
        ["toy (rate 0.3)", "0", "2", "0.3", "0.2", "0.1"],
      ].map { ["test", "toy", "vary-each", "toy"] + $0 + ["0.75", "30.0", "seconds", ""] })
    let text = try rendered(results)
    #expect(text.contains("As one factor varied at a time, no run has two changed levels"))
    #expect(text.contains("<h3>toy: depth</h3>") && text.contains("<h3>toy: rate</h3>"))
  }

  @Test("are exported with failed runs, whatever the labels hold") func export() throws {
    let results = try Toy.results(.horizons, [Factor("epochs", ["10", "20"])], label: "a, \"b\"") { levels in
      var failed = Toy.run(0.1, accuracy: 0.5)
      failed.failure = "it, diverged"
      return levels["epochs"] == "10" ? [Toy.run(0.3), failed] : []
    }
    let rows = try readCSV(try FactorExport.csv(results, registry: Registry([Toy.self])))
    #expect(rows.count == 3)
    #expect(rows[1].prefix(7) == ["test", "a, \"b\"", "horizons", "toy", "a, \"b\" (epochs 10)", "0", "10"])
    #expect(rows[2].suffix(7) == ["10", "", "", "", "90.0", "seconds", "it, diverged"])
    #expect {
      try FactorExport.csv(try HandMade.results([("a", [steps((1, 0.1))])]), registry: Registry([]))
    } throws: { "\($0)".contains("'test' has no factors; give a method settings that vary") }
  }

  @Test("escape names in markup, and leave pages without them as they are") func markup() throws {
    let results = try Toy.results(.grid, [Factor("rate", ["0.1", "0.2"])], label: "<b>&\"") { _ in [Toy.run(0.1)] }
    let text = try rendered(results)
    #expect(text.contains("<h3>&lt;b&gt;&amp;&quot;: rate</h3>") && !text.contains("<b>&"))
    let style = try #require(text.firstRange(of: "<style>")?.lowerBound)
    let end = try #require(text.firstRange(of: "</style>")?.upperBound)
    #expect(throws: Never.self) { try XML(Data((text[..<style] + text[end...]).utf8)) }
    let plain = try rendered(try HandMade.results([("a", [steps((1, 0.1))])]))
    for part in ["id=\"factors\"", ".factor", "envelope", "Inner runs"] { #expect(!plain.contains(part), "\(part)") }
  }
}

@Suite("Inner runs on the page") struct InnerRunTests {
  /// A run of a method that ran others.
  private func page(_ children: String) throws -> String {
    var run = Toy.run(0.1)
    run.children = try JSONDecoder().decode([ChildRun].self, from: Data(children.utf8))
    let made = try HandMade.results([("tuned", [[]])])
    var experiment = made.experiment
    experiment.seeds = [7, 8]
    let results = ExperimentResults(
      experiment: experiment, tableChecksum: made.tableChecksum,
      methods: [
        MethodResults(entry: made.methods[0].entry, title: "Tuned", family: .composed, runs: [(7, run), (8, run)])
      ])
    return try rendered(results)
  }

  private func child(
    _ name: String, method: String = "toy", _ settings: String, end: String = "finished", rest: String = "",
    children: [String] = []
  ) -> String {
    """
    {"name": "\(name)", "method": "\(method)", "settings": \(settings), "end": "\(end)", \(rest)"amount": 12.5,
     "spent": {"seconds": 12.5, "epochs": 0, "evaluations": 0}, "ledger": [],
     "children": [\(children.joined(separator: ","))]}
    """
  }

  @Test("are listed of the first seed, with the settings that differ and what they returned") func list() throws {
    let runs = [
      child("run 1", #"{"rate": "0.25", "epochs": "30"}"#, rest: #""incumbent": {"epochs": 0}, "#),
      child(
        "run 2", #"{"rate": "0.0123456789", "epochs": "30"}"#, end: "limit",
        rest: #""incumbent": {"epochs": 9, "validationAccuracy": 0.91}, "#),
      child("run 3", #"{"epochs": "30"}"#, end: "failed", rest: #""failure": "it <diverged>", "#),
      child(
        "run 4", method: "tpe", "{}",
        rest: #""incumbent": {"epochs": 30, "point": {"values": [0.5]}, "validationAccuracy": 0.9}, "#),
    ]
    let text = try page("[\(child("search", method: "bohb", "{}", end: "budget", children: runs))]")
    #expect(text.count("<summary>Inner runs of tuned, seed 7</summary>") == 1 && !text.contains("tuned, seed 8"))
    for row in [
      "<th scope=\"row\">1 search</th><td>bohb</td><td>–</td><td>spent the budget</td><td>12.5</td><td>–</td>"
        + "<td>nothing</td>",
      "<th scope=\"row\">2 search/run 1</th><td>toy</td><td>rate 0.25</td><td>finished</td><td>12.5</td><td>–</td>"
        + "<td>recommended only</td>",
      "<th scope=\"row\">3 search/run 2</th><td>toy</td><td>rate 0.01235</td><td>spent the limit</td><td>12.5</td>"
        + "<td>91.000</td><td>9</td>",
      // Thirty is a fidelity of another objective.
      "<th scope=\"row\">5 search/run 4</th><td>tpe</td><td>–</td><td>finished</td><td>12.5</td><td>90.000</td>"
        + "<td>–</td>",
      // The default, which is not stored.
      "<th scope=\"row\">4 search/run 3</th><td>toy</td><td>rate 0.1</td><td>failed: it &lt;diverged&gt;</td>",
    ] { #expect(text.contains(row), "\(row)") }
  }

  @Test("are cut where there are many, which the caption says") func many() throws {
    let runs = (1...250).map { child("run \($0)", "{}") }
    let text = try page("[\(runs.joined(separator: ","))]")
    #expect(text.contains("Inner runs of tuned, seed 7: the first 200 of 250, with"))
    #expect(text.contains("<th scope=\"row\">200 run 200</th>") && !text.contains(">201 run 201<"))
  }

  @Test("of supernets are what trainings cost, in the sentence on the method") func sentence() throws {
    #expect(try page("[]").contains("for what 0.0 trainings cost"))
  }
}
