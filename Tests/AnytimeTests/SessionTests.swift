@_spi(Instruments) import Anytime
import Blackbox
import Foundation
import OptimizerConformance
import SearchSpaces
import Statistics
import TabularBenchmark
import Testing

/// A method made of a closure.
struct Scripted: Optimizer {
  static let method = Method(name: "scripted", title: "Scripted", summary: "", citation: "")
  var body: @Sendable (Session) throws -> Void = { _ in }

  init() {}
  init(_ body: @escaping @Sendable (Session) throws -> Void) { self.body = body }

  func search(_ session: Session) throws { try body(session) }
}

@Suite("The ledger") struct LedgerTests {
  let benchmark: Benchmark

  init() throws { benchmark = try OptimizerConformance.benchmark() }

  private func run(
    _ horizon: Double, _ policy: BudgetPolicy = .fair, seed: UInt64 = 0,
    _ body: @escaping @Sendable (Session) throws -> Void
  ) throws -> RunResult {
    try Anytime.run(Scripted(body), on: benchmark, policy: policy, horizon: horizon, seed: seed)
  }

  private var configuration: Configuration { benchmark.space.parameters.configuration(at: 0) }

  @Test("an evaluation costs its training's seconds in the table, every time anew") func cost() throws {
    let configuration = configuration
    let result = try run(1e6) { session in
      var expected = 0.0
      for _ in 0..<5 {
        expected += try session.evaluate(configuration, epochs: 6).seconds
        #expect(session.spent == expected)
      }
    }
    #expect(result.spent.evaluations == 5 && result.spent.epochs == 30)
  }

  @Test("what would end past the horizon reveals nothing and takes the rest") func horizon() throws {
    let configuration = configuration
    let once = try run(1e6) { try $0.evaluate(configuration) }
    let seconds = once.spent.seconds
    let exact = try run(seconds) { session in
      try session.evaluate(configuration)
      #expect(session.spent == session.horizon)
    }
    #expect(exact.trajectory.count == 1 && exact.trajectory[0].amount == seconds)
    let short = try run(seconds * 0.999) { session in
      #expect(throws: BudgetExhausted.self) { try session.evaluate(configuration) }
      #expect(session.spent == session.horizon)
      // And it stays closed: even the cheapest training ends past the horizon.
      #expect(throws: BudgetExhausted.self) { try session.evaluate(configuration, epochs: 2) }
    }
    #expect(short.trajectory.isEmpty && short.spent.evaluations == 0)
    #expect(short.ledger.map(\.kind).contains(.lost))
  }

  @Test("currencies count trainings and epochs") func currencies() throws {
    var policy = BudgetPolicy.fair
    policy.currency = .evaluations
    let trainings = try run(3, policy) { while true { try $0.evaluate($0.space.sample(using: &$0.random)) } }
    #expect(trainings.spent.evaluations == 3)
    policy.currency = .epochs
    let epochs = try run(25, policy) { session in
      while true { try session.evaluate(session.space.sample(using: &session.random), epochs: 6) }
    }
    #expect(epochs.spent.epochs == 24 && epochs.spent.evaluations == 4)
  }

  @Test("promotion trains anew, or charges the difference under resume") func promotion() throws {
    let configuration = configuration
    for resume in [false, true] {
      var policy = BudgetPolicy.fair
      policy.resume = resume
      let result = try run(1e6, policy) { session in
        let low = try session.evaluate(configuration, epochs: 2)
        let high = try session.evaluate(configuration, epochs: 18)
        let expected = resume ? max(low.seconds, high.seconds) : low.seconds + high.seconds
        #expect(abs(session.spent - expected) < 1e-9)
      }
      #expect(result.spent.epochs == (resume ? 18 : 20))
    }
  }

  @Test("an evaluation draws the repeats alike") func repeats() throws {
    let configuration = configuration
    let benchmark = benchmark
    _ = try run(1e9) { session in
      let row = try #require(benchmark.row(of: configuration))
      let values = (0..<2).map { benchmark.table.value(.validationAccuracy, row: row, epochs: 2, repeat: $0) }
      var hits = [0, 0]
      for _ in 0..<2_000 {
        let accuracy = try session.evaluate(configuration).validationAccuracy
        hits[try #require(values.firstIndex(of: accuracy))] += 1
      }
      #expect(abs(hits[0] - 1_000) < 112)  // five standard deviations
    }
  }

  @Test("a session shows no test accuracy, no inside, and only the space's architectures") func door() throws {
    let configuration = configuration
    _ = try run(1e6) { session in
      let evaluation = try session.evaluate(configuration)
      // An optimizer that tries: by reflection, and by text.
      #expect(Mirror(reflecting: session).children.isEmpty)
      #expect(Mirror(reflecting: evaluation).children.allSatisfy { $0.label?.contains("test") == false })
      var text = ""
      dump(session, to: &text)
      #expect(!text.contains("benchmark"))
      // Another architecture than the space's is not trained.
      let stranger = Architecture.cell(try #require(SearchSpace.oneShot1.uniqueCells().first { $0.vertexCount == 6 }))
      #expect(throws: SessionError.notInTheTable(stranger)) { try session.evaluate(stranger) }
      #expect(throws: SessionError.noSuchFidelity(3, available: [2, 6, 18])) {
        try session.evaluate(configuration, epochs: 3)
      }
    }
  }
}

@Suite("Incumbents") struct IncumbentTests {
  let benchmark: Benchmark

  init() throws { benchmark = try OptimizerConformance.benchmark() }

  @Test("change only on better validation accuracy at the highest fidelity seen") func highest() throws {
    let result = try run(
      Scripted { session in
        for epochs in [2, 2, 2, 2, 2, 2, 18, 2, 2, 6] {
          try session.evaluate(session.space.sample(using: &session.random), epochs: epochs)
        }
      }, on: benchmark, policy: .fair, horizon: 1e6, seed: 3)
    #expect(result.trajectory.last?.epochs == 18)
    #expect(result.trajectory.map(\.epochs) == result.trajectory.map(\.epochs).sorted())
    #expect(result.trajectory.map(\.spent.evaluations).last == 7)
  }

  @Test("a stand-alone training outranks recommendations, which count until then") func recommendation() throws {
    let all = benchmark.space.architectures()
    let result = try run(
      Scripted { session in
        try session.recommend(all[3])
        try session.recommend(all[4])
        try session.recommend(all[4])
        try session.evaluate(all[5])
        try session.recommend(all[6])
      }, on: benchmark, policy: .fair, horizon: 1e6, seed: 3)
    #expect(result.trajectory.map(\.architecture) == [all[3], all[4], all[5]].map(\.id))
    #expect(result.trajectory.map { $0.finalTrainingSeconds > 0 } == [true, true, false])
  }

  @Test("under charge-final-training a recommendation counts when it is trained") func finalTraining() throws
  {
    var policy = BudgetPolicy.fair
    policy.chargeFinalTraining = true
    let all = benchmark.space.architectures()
    let row = try #require(benchmark.table.row(of: all[3]))
    let seconds = try #require(benchmark.table.mean(.seconds, row: row, epochs: 2))
    let script = Scripted { try $0.recommend(all[3]) }
    let result = try run(script, on: benchmark, policy: policy, horizon: 1e6, seed: 0)
    #expect(result.trajectory.map(\.amount) == [seconds])
    let short = try run(script, on: benchmark, policy: policy, horizon: seconds / 2, seed: 0)
    #expect(short.trajectory.isEmpty)
  }

  @Test("regret is against the best mean over repeats, and never negative") func regret() throws {
    for seed in UInt64(0)..<20 {
      let result = try run(
        RandomSearch(), on: benchmark, policy: .fair, horizon: 20_000,
        seed: seed)
      #expect(result.trajectory.allSatisfy { $0.validationRegret >= 0 && $0.testRegret ?? 0 >= 0 })
      let accuracies = result.trajectory.map(\.amount)
      #expect(accuracies == accuracies.sorted())
    }
  }

  @Test("1shot1-as-published draws a falling test curve against the best single training") func published()
    throws
  {
    let optimizer = RandomSearch()
    let result = try run(
      optimizer, on: benchmark, policy: .oneShot1AsPublished, horizon: 280, seed: 1)
    let regrets = result.trajectory.compactMap(\.testRegret)
    #expect(regrets == regrets.sorted(by: >) && regrets.allSatisfy { $0 >= 0 })
    #expect(result.spent.evaluations == 280)
  }
}

@Suite("Every method conforms") struct MethodTests {
  @Test(arguments: blackboxMethods.map { $0.method.name }) func conformance(name: String) async throws {
    let type = try Registry(blackboxMethods).method(named: name)
    #expect(try await OptimizerConformance(type).failures() == [])
  }

  @Test("regularized evolution finds better cells than random search on a smooth table") func evolution()
    throws
  {
    let benchmark = try OptimizerConformance.benchmark()
    func mean(_ optimizer: any Optimizer) throws -> Double {
      let regrets = try (UInt64(0)..<40).compactMap { seed in
        try run(optimizer, on: benchmark, policy: .fair, horizon: 6_000, seed: seed).trajectory.last?
          .validationRegret
      }
      return try #require(regrets.mean)
    }
    let evolution = RegularizedEvolution { ($0.population, $0.sample) = (20, 5) }
    #expect(try mean(evolution) < mean(RandomSearch()))
  }
}
