import Anytime
import Experiments
import Foundation
import Reports
import SearchSpaces
import Statistics
import TabularBenchmark
import Testing

/// The mini space with accuracies and seconds made by hand, one per repeat.
private func benchmark(
  repeats: Int = 1, _ training: (_ row: Int, _ number: Int) -> (validation: Double, test: Double, seconds: Double)
) throws -> Benchmark {
  let url = FileManager.default.temporaryDirectory.appending(path: "surpassing-\(UUID().uuidString).table")
  defer { try? FileManager.default.removeItem(at: url) }
  let writer = try TableWriter(destination: url)
  for architecture in SearchSpace.mini.architectures().sorted(by: { $0.id < $1.id }) {
    let row = writer.add(architecture)
    for number in 0..<repeats {
      let made = training(row, number)
      try writer.append(
        Measurement(
          final: .init(
            seconds: Float(made.seconds), validationAccuracy: Float(made.validation), testAccuracy: Float(made.test))),
        row: row, epochs: 1)
    }
  }
  try writer.finish(provenance: [:])
  return try Benchmark(table: Table(contentsOf: url), space: .mini)
}

@Suite("The probability to surpass a random architecture") struct SurpassingTests {
  @Test("is the part of the space that is worse, by mean test accuracy, ties half") func probabilities() throws {
    // By test: row 0 is the best one, rows 1 and 2 are alike, all others are worse, each than the one before.
    let benchmark = try benchmark { row, _ in (0.5, row == 2 ? 0.799 : 0.8 - Double(row) / 1_000, 2) }
    let surpassing = try #require(Surpassing(benchmark))
    let count = Double(benchmark.rows.count)
    #expect(count == 201 && surpassing.metric == .test && surpassing.secondsPerTraining == 2)
    let ids = benchmark.rows.map { benchmark.table.id($0) }
    func isNear(_ row: Int, _ worse: Double) -> Bool {
      surpassing.probability(of: ids[row]).map { abs($0 - worse / count) < 1e-12 } ?? false
    }
    #expect(isNear(0, 200.5) && isNear(1, 199) && isNear(2, 199) && isNear(3, 197.5) && isNear(200, 0.5))
    let mean = try #require(ids.compactMap { surpassing.probability(of: $0) }.mean)
    #expect(abs(mean - 0.5) < 1e-12)
    #expect(surpassing.probability(of: .init(high: 1, low: 2)) == nil)
  }

  @Test("is of trainings whose average length is over configurations, as random search draws them") func seconds()
    throws
  {
    let benchmark = try benchmark { row, _ in (0.5, 0.5, Double(1 + row)) }
    let count = try #require(benchmark.space.parameters.count)
    let drawn = (0..<count).compactMap { benchmark.row(ofConfigurationAt: $0) }.map { Double(1 + $0) }
    let seconds = try #require(Surpassing(benchmark)).secondsPerTraining
    #expect(abs(seconds - (try #require(drawn.mean))) < 1e-9 && abs(seconds - 101) > 1, "101 is the mean over cells")
  }

  @Test("is, of random search, what many searches come to") func randomSearch() throws {
    // Three noisy repeats, of which a search sees one; many trainings have the same accuracy.
    let benchmark = try benchmark(repeats: 3) { row, number in
      let noise = [0, 0.03, -0.02][(row + number) % 3]
      return ((100 * (0.5 + Double(row) / 700 + noise)).rounded() / 100, 0.5 + Double(row) / 700 - noise / 3, 1)
    }
    let surpassing = try #require(Surpassing(benchmark))
    #expect(surpassing.probability(ofBestOf: 0) == nil)
    let table = benchmark.table
    var random = RandomGenerator(seed: 5)
    for trainings in [1, 4, 30] {
      let exact = try #require(surpassing.probability(ofBestOf: trainings))
      let searches = try (0..<4_000).map { _ in
        let seen = try (0..<trainings).map { _ in
          let row = try #require(benchmark.row(of: benchmark.space.sample(using: &random)))
          let accuracy = table.value(.validationAccuracy, row: row, epochs: 0, repeat: random.below(3))
          return (row: row, accuracy: try #require(accuracy), order: random.uniform())
        }
        let best = try #require(seen.max { ($0.accuracy, $0.order) < ($1.accuracy, $1.order) })
        return try #require(surpassing.probability(of: table.id(best.row)))
      }
      let (mean, error) = (try #require(searches.mean), try #require(searches.standardError))
      #expect(abs(mean - exact) < 5 * error, "\(trainings): \(mean) and \(exact)")
    }
    // The more, the better, and many find the best.
    let few = try #require(surpassing.probability(ofBestOf: 10))
    #expect(try #require(surpassing.probability(ofBestOf: 100)) > few && few > 0.7)
  }
}

@Suite("Supernets on the page") struct SupernetPageTests {
  private func page() throws -> String {
    let table = try Table.embedded()
    let benchmark = try Benchmark(table: table, space: .mini)
    let ids = benchmark.rows.map { table.id($0) }
    func run(_ seed: UInt64) -> RunResult {
      let trace = [5, 10].map { epoch in
        let size = Double(epoch) / 100 + Double(seed) / 10
        return TracePoint(
          epoch: epoch, amount: Double(epoch), architecture: ids[3],
          values: [
            "spearman": size, "spearman by loss": 0.9 * size, "precision at top 5 %": 0.25,
            "best rank of top 5 %": 0.125, "supernet loss": 1.5,
          ], weights: [], errors: [ids[0]: 0.5])
      }
      let point = TrajectoryPoint(
        amount: 10, spent: Spending(seconds: 10, epochs: 1, evaluations: 1), architecture: ids[3 + Int(seed)],
        epochs: 0, validationRegret: 0.1, testRegret: 0.1, finalTrainingSeconds: 1)
      return RunResult(
        trajectory: [point], spent: Spending(seconds: 30, epochs: 9, evaluations: 9), ledger: [], overheadSeconds: 0,
        trace: trace)
    }
    let settings = try Settings(Method(name: "m", title: "M", summary: "", citation: ""))
    let entry = MethodEntry(label: "net", method: "m", settings: settings)
    let results = ExperimentResults(
      experiment: Experiment(name: "e", space: "mini", horizon: 100, seeds: [0, 1], methods: [entry]),
      tableChecksum: table.checksum,
      methods: [MethodResults(entry: entry, title: "M", family: .oneShot, runs: [(0, run(0)), (1, run(1))])])
    let report = HTMLReport(results, registry: Registry([]), table: table, vega: nil)
    return String(decoding: try report.render(), as: UTF8.self)
  }

  @Test("have the ranking at the last probe in one table, and the main measures over epochs") func rankings() throws {
    let page = try page()
    let parts = page.components(separatedBy: "Ranking of the probed cells at each run&#39;s last probe")
    #expect(parts.count == 3, "once as a caption, once as its label")
    let table = try #require(parts.last?.components(separatedBy: "</table>").first)
    let cells = ["0.150 ± 0.050", "0.135 ± 0.045", "0.250 ± 0.000", "0.125 ± 0.000"].map { "<td>\($0)</td>" }
    #expect(table.contains(cells.joined()))
    #expect(table.contains("Precision at top 5 %") && !table.contains("Kendall"))
    for name in ["Spearman: mean", "Spearman by loss: mean", "Supernet loss: mean"] { #expect(page.contains(name)) }
    #expect(!page.contains("Precision at top 5 %: mean"))
  }

  @Test("have the probability that their cells surpass a random one, beside random search's") func surpassing() throws {
    let page = try page()
    let table = try #require(page.components(separatedBy: "Probability that the cell that a run returns").last)
    let benchmark = try Benchmark(table: .embedded(), space: .mini)
    let surpassing = try #require(Surpassing(benchmark))
    let ours = try [3, 4].map { try #require(surpassing.probability(of: benchmark.table.id(benchmark.rows[$0]))) }
    let trainings = Int(30 / surpassing.secondsPerTraining)
    let theirs = try #require(surpassing.probability(ofBestOf: trainings))
    #expect(table.contains("<td>\(Numbers.decimals((ours[0] + ours[1]) / 2, 3))</td>"))
    let last = [Numbers.decimals(theirs, 3), Numbers.decimals(Double(trainings), 1), "2"]
    #expect(table.contains(last.map { "<td>\($0)</td>" }.joined()))
    #expect(page.contains("greater mean test accuracy"))
  }
}
