import Anytime
import Experiments
import Foundation
import Reports
import Statistics
import Testing

@Suite("Envelopes of horizons") struct EnvelopeTests {
  private static let factors = [Factor("epochs", ["10", "20", "40"])]

  /// Planned for 10 epochs, runs end about 11; for 20 epochs, at 20; for 40 epochs, most are cut at the horizon.
  private func results() throws -> ExperimentResults {
    try Toy.results(.horizons, Self.factors) { levels in
      switch levels["epochs"] {
      case "10": zip([0.3, 0.2, 0.25], [10.0, 13, 11]).map { Toy.run($0, spent: $1) }
      case "20": [0.1, 0.15, 0.2, 0.19].map { Toy.run($0, spent: 20) }
      default: [Toy.run(0.01, spent: 95)] + [0.5, 0.5].map { Toy.run($0, spent: 99, isCut: true) }
      }
    }
  }

  @Test("are of the entry with the most epochs that has ended by then, and of nothing before") func stages() throws {
    let envelope = try #require(RegretRuns(try results()).envelopes.first)
    #expect(envelope.label == "toy, envelope" && envelope.method == "toy" && envelope.family == .oneShot)
    #expect(envelope.stages.map(\.amount) == [11, 20] && envelope.stages.map(\.epochs) == [10, 20])
    #expect(envelope.stage(at: 10.9) == nil && envelope.stage(at: 11)?.validation == [0.3, 0.2, 0.25])
    #expect(envelope.stage(at: 19)?.epochs == 10 && envelope.stage(at: 20)?.test == [0.2, 0.3, 0.4, 0.38])
    #expect(envelope.stage(at: 100)?.epochs == 20, "what was cut short has not ended")
  }

  @Test("leave out an entry that ends after one planned for more, and one with a run without a result")
  func leftOut() throws {
    let late = try Toy.results(.horizons, Self.factors) { levels in
      switch levels["epochs"] {
      case "10": [Toy.run(0.3, spent: 30)]
      case "20": [Toy.run(0.2, spent: 20)]
      default:
        [40, 41].map { spent in
          var run = Toy.run(0.1, spent: spent)
          if spent > 40 { run.trajectory = [] }
          return run
        }
      }
    }
    #expect(RegretRuns(late).envelopes.first?.stages.map(\.epochs) == [20])
    let none = try Toy.results(.horizons, Self.factors) { _ in [Toy.run(0.1, isCut: true)] }
    #expect(RegretRuns(none).envelopes.isEmpty)
    let grid = try Toy.results(.grid, Self.factors) { _ in [Toy.run(0.1)] }
    #expect(RegretRuns(grid).envelopes.isEmpty && !Curves(grid).curves.contains(where: \.isEnvelope))
  }

  @Test("wait for final trainings where these are charged") func charged() throws {
    let results = try Toy.results(.horizons, Self.factors) { levels in
      let epochs = levels["epochs"].flatMap { Double($0) } ?? 0
      return [Toy.run(0.1, spent: 2 * epochs, final: 30)]
    }
    #expect(RegretRuns(results).envelopes.first?.stages.map(\.amount) == [20, 40, 80])
    let charged = try RegretRuns(results, currency: nil, accounting: .finalTrainingCharged)
    // The last would be ready at 110.
    #expect(charged.envelopes.first?.stages.map(\.amount) == [50, 70])
  }

  @Test("are curves with the statistics of all others") func curves() throws {
    let curves = Curves(RegretRuns(try results()), gridSize: 91, scale: .linear, bootstrap: true)
    #expect(curves.grid.first == 10 && curves.grid.last == 100)
    let curve = try #require(curves.curves.first { $0.isEnvelope && $0.metric == .validation })
    #expect(curves.curves.suffix(2).map(\.label) == ["toy, envelope", "toy, envelope"] && curve.runs == 4)
    #expect(curve.points[0] == nil, "at 10")
    let (ten, twenty) = (try #require(curve.points[5]), try #require(curve.points[90]))
    #expect(ten.n == 3 && ten.median == 0.25 && ten.least == 0.2 && ten.interval != nil)
    #expect(twenty.n == 4 && abs(twenty.median - 0.17) < 1e-12 && abs(twenty.mean - 0.16) < 1e-12)
    let rows = try readCSV(try CurveExport.csv.render(curves)).filter { $0.contains("toy, envelope") }
    #expect(rows.count == 2 * (curves.grid.count { $0 >= 11 }))
    #expect(rows.allSatisfy { $0[7] == $0[8] } && Set(rows.map { $0[8] }) == ["3", "4"], "all runs have a result")
    let json = String(decoding: try CurveExport.json.render(curves), as: UTF8.self)
    #expect(json.contains("\"method\":\"toy, envelope\""))
  }

  @Test("are drawn everywhere, in the method's colour, with a dash of their own") func charts() throws {
    let curves = Curves(RegretRuns(try results()), gridSize: 91, scale: .linear)
    let chart = try Chart.regret(curves)
    let line = try #require(chart.series.last)
    #expect(line.label == "toy, envelope" && chart.showsBand(line) && chart.methods.last?.isEnvelope == true)
    #expect(abs((line.points.first?.y ?? 0) - 50) < 1e-9 && abs((line.points.last?.y ?? 0) - 34) < 1e-9)
    #expect(chart.caption.contains("envelope: final results of the entry planned for the most epochs that has ended"))
    let styles = MethodStyle.byLabel(chart.methods)
    #expect(styles["toy, envelope"]?.pattern == [5, 2, 5, 7])
    #expect(styles["toy, envelope"]?.colour == styles["toy (epochs 10)"]?.colour)
    let others = try Chart.ranks(RankCurves(curves.runs))
    #expect(!others.methods.contains(where: \.isEnvelope) && !others.caption.contains("envelope"))
    let same = MethodStyle.byLabel(others.methods)
    #expect(others.methods.allSatisfy { same[$0.label] == styles[$0.label] }, "in all figures")
    #expect(try !Chart.regret(curves, center: .runs).caption.contains("envelope"), "it has no single runs")
    for text in [Figure([chart]).script(), try VegaPlot(chart).json, LatexExport.picture(chart)] {
      #expect(text.contains("toy, envelope"))
    }
  }

  @Test("are on the page, with a sentence on what they are") func page() throws {
    let report = HTMLReport(try results(), registry: Registry([Toy.self]), table: nil, vega: nil)
    let text = String(decoding: try report.render(), as: UTF8.self)
    #expect(text.contains("An envelope is what a method reaches if it is planned for each budget"))
    #expect(text.contains("<th scope=\"col\">toy, envelope</th>"))
    // At 20 % of the budget: twice 0.1, 0.15, 0.2 and 0.19.
    #expect(text.contains("<br />34.000 [27.500, 38.500]<br />n = 4</td>"))
    #expect(!text.contains("<section id=\"factors\""), "horizons are among the curves")
  }

  @Test("have a name of their own") func name() throws {
    let made = try results()
    let other = MethodEntry(label: "toy, envelope", method: "toy", settings: made.methods[0].entry.settings)
    let both = ExperimentResults(
      experiment: made.experiment, tableChecksum: made.tableChecksum,
      methods: made.methods + [MethodResults(entry: other, title: "Toy", family: .oneShot, runs: [(0, Toy.run(0.4))])])
    #expect(RegretRuns(both).envelopes.map(\.label) == ["toy, envelope'"])
  }
}
