@_spi(Instruments) import Anytime
import CellNetworks
import Experiments
import Foundation
import OneShot
import OptimizerConformance
import SearchSpaces
import Statistics
import Supernet
import TabularBenchmark
import Testing

/// The mini space on another table: the conformance kit's, with another provenance.
private func benchmark(_ provenance: Provenance) throws -> Benchmark {
  let url = FileManager.default.temporaryDirectory.appending(path: "zero-cost-\(UUID().uuidString).table")
  defer { try? FileManager.default.removeItem(at: url) }
  let writer = try TableWriter(destination: url)
  try writer.add(contentsOf: OptimizerConformance.benchmark().table)
  try writer.finish(provenance: provenance)
  return try Benchmark(table: Table(contentsOf: url), space: .mini)
}

private func method(_ proxy: NetworkScore) -> ZeroCost {
  ZeroCost { ($0.proxy, $0.pool, $0.top, $0.batchSize) = (proxy, 12, 3, 32) }
}

@Suite("Zero-cost search") struct ZeroCostTests {
  @Test("conforms like all others, by every score", arguments: NetworkScore.allCases)
  func conformance(proxy: NetworkScore) async throws {
    // Most of a pool is trained: runs of many trainings are then quick.
    let zeroCost = ZeroCost { ($0.proxy, $0.pool, $0.top, $0.batchSize) = (proxy, 10, 8, 32) }
    #expect(try await OptimizerConformance(zeroCost).failures().isEmpty)
  }

  /// The trainings that a method pays for, and the session.
  private func trainings(_ method: ZeroCost, of count: Double) throws -> RunResult {
    var policy = BudgetPolicy.fair
    policy.currency = .evaluations
    policy.incumbent = .anyFidelity
    return try run(method, on: OptimizerConformance.benchmark(), policy: policy, horizon: count, seed: 4)
  }

  @Test("trains the cells of a pool from the greatest score on", arguments: [NetworkScore.parameters, .nwot])
  func ranking(proxy: NetworkScore) throws {
    let benchmark = try OptimizerConformance.benchmark()
    let session = Session(benchmark: benchmark, policy: .fair, horizon: 1e6, seed: 4)
    let scorer = try NetworkScorer(session, proxy, batchSize: 32)
    var (cells, seen): ([Architecture], Set<Architecture>) = ([], [])
    while cells.count < 12 {
      let drawn = try #require(session.space.architecture(session.space.sample(using: &session.random)))
      if seen.insert(drawn).inserted { cells.append(drawn) }
    }
    let scores = try scorer.scores(of: cells)
    let best = try #require(cells.indices.max { (scores[$0], -$0) < (scores[$1], -$1) })
    // Scoring takes less than a training here: two trainings' budget ends within the second one.
    let result = try trainings(method(proxy), of: 1.9)
    #expect(result.trajectory.map(\.architecture) == [cells[best].id])
    #expect(Set(scores).count > 3 && scores.allSatisfy(\.isFinite))
  }

  @Test("trains no cell twice while there are others, and goes on when all are trained") func distinct() throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "zero-cost-\(UUID().uuidString).table")
    defer { try? FileManager.default.removeItem(at: url) }
    let writer = try TableWriter(destination: url)
    let cells = SearchSpace.mini.uniqueCells()
    for (number, cell) in cells.enumerated() {
      // Every cell's training takes another time, which floating-point numbers hold exactly.
      let seconds = 1 + Float(number) / 1_024
      let row = writer.add(.cell(cell))
      try writer.append(Measurement(final: .init(seconds: seconds, validationAccuracy: 0.5)), row: row, epochs: 1)
    }
    try writer.finish(provenance: [:])
    let benchmark = try Benchmark(table: Table(contentsOf: url), space: .mini)
    var policy = BudgetPolicy.fair
    policy.currency = .seconds
    let session = Session(benchmark: benchmark, policy: policy, horizon: 500, seed: 0)
    var moments: [Double] = []
    session.onCall = { moments.append(session.spent) }
    let zeroCost = ZeroCost { ($0.proxy, $0.pool, $0.top) = (.parameters, 40, 10) }
    #expect(throws: BudgetExhausted.self) { try zeroCost.search(session) }
    let seconds = zip(moments, moments.dropFirst()).map { $1 - $0 }
    let first = seconds.prefix(160)
    #expect(first.count == 160 && Set(first).count == 160)
    #expect(seconds.count > cells.count && Set(seconds).count <= cells.count)
  }

  @Test("pays for the passes of its scores: forward over the minibatch, or forward and back over one image")
  func charges() throws {
    let benchmark = try OptimizerConformance.benchmark()
    let task = try SearchTask(of: benchmark.table)
    let cost = try #require(try CostModel(benchmark, task: task))
    let architectures = try ["011|001|000 input,conv3x3-bn-relu,output", "01|00 input,output"].map {
      try Architecture(text: $0)
    }
    for (proxy, images, passes) in [(NetworkScore.nwot, 32, Passes.evaluation), (.synflow, 1, .training)] {
      let session = Session(benchmark: benchmark, policy: .fair, horizon: 1e6, seed: 0)
      _ = try NetworkScorer(session, proxy, batchSize: 32).scores(of: architectures)
      let expected = architectures.reduce(0.0) { sum, architecture in
        let work =
          switch architecture {
          case .cell(let cell):
            Work(of: cell, settings: task.network, channels: 1, height: 7, width: 7, classes: 10)
          }
        return sum + cost.seconds(work * Double(images), images: images, passes)
      }
      #expect(abs(session.spent / expected - 1) < 1e-12 && session.spent > 0)
    }
    for proxy in [NetworkScore.parameters, .multiplyAccumulates] {
      let session = Session(benchmark: benchmark, policy: .fair, horizon: 1e6, seed: 0)
      let scores = try NetworkScorer(session, proxy, batchSize: 32).scores(of: architectures)
      #expect(session.spent == 0 && scores[0] > scores[1])
    }
  }

  @Test("by a measured clock pays something, and finds the same") func clock() throws {
    var measured = BudgetPolicy.fair
    measured.clock = .measured
    let benchmark = try OptimizerConformance.benchmark()
    func scores(_ policy: BudgetPolicy) throws -> [Double] {
      let session = Session(benchmark: benchmark, policy: policy, horizon: 1e6, seed: 0)
      let scores = try NetworkScorer(session, .nwot, batchSize: 32).scores(of: [
        Architecture(text: "011|001|000 input,conv3x3-bn-relu,output")
      ])
      #expect(session.spent > 0)
      return scores
    }
    #expect(try scores(measured) == scores(.fair))
  }

  @Test("counts where a table states no images, and says what scores of networks lack") func noTask() throws {
    let bare = try benchmark(["source": "made up"])
    for proxy in [NetworkScore.parameters, .multiplyAccumulates] {
      let result = try run(method(proxy), on: bare, policy: .fair, horizon: 500, seed: 0)
      #expect(!result.trajectory.isEmpty && !method(proxy).usesImages)
    }
    for proxy in [NetworkScore.nwot, .synflow] {
      let error = #expect(throws: TaskError.self) {
        try run(method(proxy), on: bare, policy: .fair, horizon: 500, seed: 0)
      }
      #expect(error?.description.contains("anytime table describe") == true && method(proxy).usesImages)
    }
    let few = #expect(throws: SupernetError.self) {
      try run(ZeroCost(), on: OptimizerConformance.benchmark(), policy: .fair, horizon: 500, seed: 0)
    }
    #expect(few?.description.contains("set a smaller 'batch-size'") == true)
    #expect(throws: SettingError.self) {
      try ZeroCost(settings: Settings(ZeroCost.method, ["pool": "5", "top": "6"]))
    }
  }

  @Test("has the images in its runs' identities if its score sees them") func identity() throws {
    let entries = try NetworkScore.allCases.map {
      MethodEntry(
        label: $0.rawValue, method: "zero-cost", settings: try Settings(ZeroCost.method, ["proxy": $0.rawValue]))
    }
    let experiment = Experiment(name: "e", space: "mini", horizon: 1, seeds: [0], methods: entries)
    let identities = try experiment.identities(
      tableChecksum: "", registry: Registry(oneShotMethods), numerics: Numerics(images: "i", library: "l"))
    #expect(
      identities.mapValues { $0.numerics != nil }
        == ["parameters": false, "multiply-accumulates": false, "nwot": true, "synflow": true])
  }
}
