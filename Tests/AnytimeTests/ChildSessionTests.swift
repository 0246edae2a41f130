@_spi(Instruments) import Anytime
import Blackbox
import Foundation
import OptimizerConformance
import SearchSpaces
import Statistics
import Synchronization
import TabularBenchmark
import Testing

/// Trains random cells, so many or until the budget ends.
private func trainRandomly(_ session: Session, _ count: Int = .max, epochs: Int? = nil) throws {
  for _ in 0..<count { try session.evaluate(session.space.sample(using: &session.random), epochs: epochs) }
}

/// A number that closures share.
private final class Shared<Value: Sendable>: Sendable {
  private let mutex: Mutex<Value>
  init(_ value: Value) { mutex = Mutex(value) }
  var value: Value {
    get { mutex.withLock { $0 } }
    set { mutex.withLock { $0 = newValue } }
  }
}

@Suite("A child session") struct ChildSessionTests {
  let benchmark: Benchmark

  init() throws { benchmark = try OptimizerConformance.benchmark() }

  private func session(horizon: Double = 1e6, _ policy: BudgetPolicy = .fair, seed: UInt64 = 0) -> Session {
    Session(benchmark: benchmark, policy: policy, horizon: horizon, seed: seed)
  }

  private func run(
    _ horizon: Double = 1e6, _ policy: BudgetPolicy = .fair, seed: UInt64 = 0, checkpoint: URL? = nil,
    _ body: @escaping @Sendable (Session) throws -> Void
  ) throws -> RunResult {
    try Anytime.run(
      Scripted(body), on: benchmark, policy: policy, horizon: horizon, seed: seed, checkpoint: checkpoint)
  }

  private func amount(_ kind: Ledger.Kind, _ ledger: [RunResult.LedgerTotal]) -> Double {
    ledger.first { $0.kind == kind }?.amount ?? 0
  }

  private func count(_ kind: Ledger.Kind, _ ledger: [RunResult.LedgerTotal]) -> Int {
    ledger.first { $0.kind == kind }?.count ?? 0
  }

  @Test("spends its limit and no more, and its parent spends the same, entry by entry") func limit() throws {
    let result = try run { session in
      let before = session.spent
      let child = try session.run(Scripted { try trainRandomly($0) }, limit: 400, name: "a")
      #expect(child.end == .limit && child.amount == 400 && child.failure == nil)
      #expect(abs(session.spent - before - 400) < 1e-9)
      // The parent's own budget has not ended.
      try trainRandomly(session, 2)
    }
    let child = try #require(result.children.first)
    #expect(result.children.count == 1 && child.name == "a" && child.method == "scripted")
    #expect(count(.training, result.ledger) == count(.training, child.ledger) + 2)
    #expect(count(.lost, result.ledger) == 1 && amount(.lost, result.ledger) == amount(.lost, child.ledger))
    #expect(child.spent.evaluations == Double(count(.training, child.ledger)))
    #expect(result.spent.evaluations == child.spent.evaluations + 2)
  }

  @Test("that is done before its limit leaves the rest to its parent") func finished() throws {
    let session = self.session()
    let child = try session.run(Scripted { try trainRandomly($0, 3) }, limit: 10_000, name: "a")
    #expect(child.end == .finished && child.spent.evaluations == 3 && child.amount == session.spent)
    #expect(child.ledger.map(\.kind) == [.training])
  }

  @Test("that spends all of its parent's budget says so, and the parent's next call does") func parentsEnd() throws {
    for limit in [nil, 5_000.0] {
      let session = self.session(horizon: 600)
      try trainRandomly(session, 2)
      let child = try session.run(Scripted { try trainRandomly($0) }, limit: limit, name: "a")
      #expect(child.end == .budget)
      #expect(session.spent == session.horizon)
      #expect(throws: BudgetExhausted.self) { try trainRandomly(session, 1) }
      #expect(throws: BudgetExhausted.self) { try session.run(RandomSearch(), limit: 1, name: "b") }
    }
  }

  @Test("ends a method that spends by children alone") func childrenAlone() throws {
    let result = try run(1_000) { session in
      for number in 0... { try session.run(RandomSearch(), limit: 70, name: "\(number)") }
    }
    #expect(result.children.count == 15)
    #expect(result.children.map(\.end) == [ChildRun.End](repeating: .limit, count: 14) + [.budget])
    #expect(result.spent.seconds <= 1_000)
  }

  @Test("has its whole limit where the parts of a budget add up to it but for rounding") func parts() throws {
    let result = try run(0.3 * 700) { session in
      for number in 0..<7 { try session.run(RandomSearch(), limit: 0.3 * 100, name: "\(number)") }
    }
    #expect(result.children.map(\.end) == [ChildRun.End](repeating: .limit, count: 7))
  }

  @Test("draws by its name and its parent's seed, whatever its parent drew") func random() throws {
    func child(_ name: String, seed: UInt64 = 5, draws: Int = 0) throws -> ChildRun {
      let session = self.session(seed: seed)
      for _ in 0..<draws { _ = session.random.next() }
      try trainRandomly(session, draws)
      return try session.run(RandomSearch(), limit: 900, name: name)
    }
    let first = try child("a")
    #expect(try child("a") == first)
    #expect(try child("a", draws: 7) == first)
    #expect(try child("b").spent != first.spent)
    #expect(try child("a", seed: 6).spent != first.spent)
    // Nor does it draw from its parent's.
    let session = self.session()
    let before = session.random
    try session.run(RandomSearch(), limit: 900, name: "a")
    #expect(session.random == before)
  }

  @Test("has incumbents of its own, and its parent learns what it would return") func incumbents() throws {
    let result = try run { session in
      let child = try session.run(Scripted { try trainRandomly($0, 5, epochs: 6) }, name: "a")
      #expect(child.incumbent?.epochs == 6 && child.incumbent?.point == nil)
      #expect(try #require(child.incumbent?.validationAccuracy) > 0)
      let silent = try session.run(Scripted { _ in }, name: "silent")
      #expect(silent.incumbent == nil && silent.end == .finished && silent.ledger.isEmpty)
      let found = try #require(child.incumbent?.architecture)
      let recommending = try session.run(Scripted { try $0.recommend(found) }, name: "recommending")
      #expect(recommending.incumbent?.architecture == found && recommending.incumbent?.validationAccuracy == nil)
      #expect(recommending.recommendations?.map(\.architecture) == [found])
    }
    #expect(result.trajectory.last?.architecture == result.children.first?.incumbent?.architecture?.id)
  }

  @Test("finds for its parent too, at the moment when it found") func found() throws {
    /// Trains in three children what `alone` trains in one session: the same cells at the same epoch counts.
    func cells(_ number: Int) throws -> [Architecture] {
      var random = RandomGenerator(seed: UInt64(number))
      return try (0..<4).map { _ in
        try #require(benchmark.space.architecture(benchmark.space.sample(using: &random)))
      }
    }
    let all = try (0..<3).map(cells)
    let result = try run { session in
      try session.recommend(all[0][0])
      for (number, cells) in all.enumerated() {
        try session.run(
          Scripted { child in
            try child.recommend(cells[1])
            for (index, cell) in cells.enumerated() { try child.evaluate(cell, epochs: [6, 2, 18, 18][index]) }
          }, name: "\(number)")
        try session.recommend(all[2][3])
      }
    }
    // Recommendations count until the first training, and then the best by epochs and validation accuracy.
    let points = result.trajectory
    #expect(points[0].architecture == all[0][0].id && points[1].architecture == all[0][1].id)
    #expect(points[2].architecture == all[0][0].id && points[2].epochs == 6)
    #expect(points.dropFirst(3).allSatisfy { $0.epochs == 18 })
    #expect(zip(points, points.dropFirst()).allSatisfy { $0.amount <= $1.amount })
    #expect(points.dropFirst(2).allSatisfy { $0.amount == $0.spent.seconds })
    let best = try #require(
      result.children.compactMap(\.incumbent).max { $0.validationAccuracy ?? 0 < $1.validationAccuracy ?? 0 })
    #expect(points.last?.architecture == best.architecture?.id)
    let last = try #require(points.last)
    #expect(last.amount <= result.spent.seconds)
  }

  @Test("may have children of its own, whose entries all accounts above have") func nested() throws {
    let result = try run { session in
      try session.run(
        Scripted { second in
          try trainRandomly(second, 1)
          let inner = try second.run(
            Scripted { third in
              try trainRandomly(third, 1)
              let innermost = try third.run(Scripted { try trainRandomly($0) }, limit: 5_000, name: "third")
              #expect(innermost.end == .budget, "its parent has less")
              try trainRandomly(third, 1)
            }, limit: 500, name: "second")
          #expect(inner.end == .limit, "its parent's budget is not touched")
          try trainRandomly(second, 1)
        }, limit: 2_000, name: "first")
      try trainRandomly(session, 1)
    }
    let first = try #require(result.children.first)
    let second = try #require(first.children.first)
    let third = try #require(second.children.first)
    #expect(first.end == .finished && second.amount == 500 && third.children.isEmpty)
    #expect(count(.training, second.ledger) == count(.training, third.ledger) + 1)
    #expect(count(.training, first.ledger) == count(.training, second.ledger) + 2)
    #expect(count(.training, result.ledger) == count(.training, first.ledger) + 1)
    for ledger in [result.ledger, first.ledger, second.ledger] {
      #expect(amount(.lost, ledger) == amount(.lost, third.ledger) && count(.lost, ledger) >= 1)
    }
  }

  @Test("that fails is a result, and its parent goes on; any other error is the parent's") func failure() throws {
    struct Accident: Error {}
    let result = try run { session in
      let child = try session.run(
        Scripted {
          try trainRandomly($0, 2)
          throw RunFailure("the loss is no number")
        }, name: "a")
      #expect(child.end == .failed && child.failure == "the loss is no number" && child.incumbent != nil)
      try trainRandomly(session, 1)
      #expect(throws: Accident.self) { try session.run(Scripted { _ in throw Accident() }, name: "b") }
    }
    #expect(result.failure == nil && result.spent.evaluations == 3)
  }

  @Test("has a name of its own, and a limit that is one") func wrongCalls() throws {
    let session = self.session()
    try session.run(RandomSearch(), limit: 100, name: "a")
    #expect(throws: SessionError.nameTaken("a")) { try session.run(RandomSearch(), limit: 100, name: "a") }
    #expect(throws: SessionError.wrongLimit(-1)) { try session.run(RandomSearch(), limit: -1, name: "b") }
    #expect(throws: SessionError.self) { try session.run(RandomSearch(), limit: .nan, name: "c") }
    #expect(session.state.isOf(benchmark))
  }

  @Test("pays its own thinking where that is charged, to the end, and once") func overhead() throws {
    var policy = BudgetPolicy.fair
    policy.chargeOverhead = true
    let start = ContinuousClock.now
    let result = try run(1e6, policy) { session in
      let child = try session.run(
        Scripted { child in
          try trainRandomly(child, 1)
          Thread.sleep(forTimeInterval: 0.05)
        }, name: "a")
      #expect(child.ledger.first { $0.kind == .overhead }?.amount ?? 0 >= 0.05)
    }
    let elapsed = (ContinuousClock.now - start) / .seconds(1)
    let overhead = amount(.overhead, result.ledger)
    #expect(overhead >= amount(.overhead, try #require(result.children.first).ledger))
    #expect(overhead <= elapsed && result.overheadSeconds <= elapsed)
  }

  @Test("trains anew what its parent has trained, and pays differences of its own under resume") func resume() throws {
    var policy = BudgetPolicy.fair
    policy.resume = true
    let architecture = benchmark.table.architecture(benchmark.rows[0])
    let session = self.session(policy)
    try session.evaluate(architecture, epochs: 6)
    let child = try session.run(
      Scripted {
        try $0.evaluate(architecture, epochs: 6)
        try $0.evaluate(architecture, epochs: 18)
      }, name: "a")
    #expect(child.spent.epochs == 18)
    let before = session.spent
    try session.evaluate(architecture, epochs: 18)
    #expect(session.spent > before)
  }

  @Test("is part of a session's state") func state() throws {
    let session = self.session()
    try session.run(RandomSearch(), limit: 100, name: "a")
    let data = try JSONEncoder().encode(session.state)
    let other = self.session()
    other.state = try JSONDecoder().decode(Session.State.self, from: data)
    #expect(throws: SessionError.nameTaken("a")) { try other.run(RandomSearch(), limit: 100, name: "a") }
    #expect(try other.run(RandomSearch(), limit: 100, name: "b") == session.run(RandomSearch(), limit: 100, name: "b"))
  }
}

@Suite("A run with children that is killed") struct ChildResumptionTests {
  let benchmark: Benchmark
  let folder: URL
  private var file: URL { folder.appending(path: "run") }

  private struct Killed: Error {}

  init() throws {
    benchmark = try OptimizerConformance.benchmark()
    folder = FileManager.default.temporaryDirectory.appending(path: "children-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  private func remove() { try? FileManager.default.removeItem(at: folder) }

  private func files() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }

  /// A method of methods: trains, runs a child, trains what that found, runs a child with a child, fails once, and runs
  /// another until the end.
  private static func composed(_ session: Session) throws {
    try trainRandomly(session, 2)
    let first = try session.run(RandomSearch(), limit: 250, name: "first")
    if let found = first.incumbent?.architecture { try session.evaluate(found) }
    try session.run(
      Scripted { child in
        try trainRandomly(child, 1, epochs: 6)
        try child.run(RegularizedEvolution { ($0.population, $0.sample) = (3, 2) }, limit: 150, name: "inner")
        try trainRandomly(child, 1)
        throw RunFailure("no more")
      }, limit: 400, name: "second")
    try trainRandomly(session, 1, epochs: 2)
    try session.run(RandomSearch(), name: "third")
  }

  private func result(
    seed: UInt64 = 3, resume: Bool = false, kill: Int? = nil, calls: Shared<Int> = Shared(0), keeps: Bool = true
  ) throws -> RunResult {
    var policy = BudgetPolicy.fair
    policy.resume = resume
    var result = try run(
      Scripted { session in
        session.onCall = {
          calls.value += 1
          if let kill, calls.value >= kill { throw Killed() }
        }
        try Self.composed(session)
      }, on: benchmark, policy: policy, horizon: 1_200, seed: seed, checkpoint: keeps ? file : nil)
    result.overheadSeconds = 0
    return result
  }

  @Test("at any call ends as an unbroken one, bit for bit", arguments: [false, true])
  func everywhere(resume: Bool) throws {
    defer { remove() }
    let calls = Shared(0)
    let whole = try result(resume: resume, calls: calls, keeps: false)
    #expect(whole.children.map(\.end) == [.limit, .failed, .budget] && calls.value > 30)
    for kill in 1...calls.value {
      #expect(throws: Killed.self) { try result(resume: resume, kill: kill) }
      #expect(try result(resume: resume) == whole, "killed at call \(kill)")
      #expect(try files().isEmpty, "nothing is left at the end")
    }
  }

  @Test("does not run again what had ended") func takenUp() throws {
    defer { remove() }
    let (whole, late) = (Shared(0), Shared(0))
    let expected = try result(calls: whole, keeps: false)
    #expect(throws: Killed.self) { try result(kill: whole.value - 2) }
    // What a child kept of itself goes when it has ended.
    #expect(try files() == ["run.c1.done", "run.c2.done"])
    #expect(try result(calls: late) == expected)
    let trainings = expected.children.prefix(2).map(\.spent.evaluations).reduce(0, +)
    #expect(whole.value - late.value >= Int(trainings))
  }

  @Test("goes on without a record that is damaged, cut off or another run's") func damaged() throws {
    defer { remove() }
    let expected = try result(keeps: false)
    func kill(seed: UInt64 = 3) throws {
      let calls = Shared(0)
      _ = try result(seed: seed, calls: calls, keeps: false)
      #expect(throws: Killed.self) { try result(seed: seed, kill: calls.value - 2) }
    }
    let record = folder.appending(path: "run.c1.done")
    try kill()
    let whole = try Data(contentsOf: record)
    #expect(try result() == expected)
    for index in stride(from: 0, to: whole.count, by: 7) {
      var bytes = whole
      bytes[index] ^= 4
      try kill()
      try bytes.write(to: record)
      #expect(try result() == expected, "byte \(index)")
    }
    for length in [0, 1, 10, whole.count / 2, whole.count - 1] {
      try kill()
      try whole.prefix(length).write(to: record)
      #expect(try result() == expected, "\(length) bytes")
    }
    // A record of another seed's run, and one child's in the other's file.
    try kill(seed: 4)
    #expect(try result() == expected)
    try kill()
    try FileManager.default.removeItem(at: record)
    try FileManager.default.copyItem(at: folder.appending(path: "run.c2.done"), to: record)
    #expect(try result() == expected)
  }
}

@Suite("An objective") struct ObjectiveTests {
  /// Costs and shows what it is told.
  private struct Plain: Objective {
    var space = SearchSpace(
      name: "plain",
      parameters: ParameterSpace([Parameter("depth", .integer(1...9)), Parameter("rate", .real(0...1))]))
    var fidelities = [1, 3]
    var cost = Spending(seconds: 10, epochs: 1, evaluations: 1)
    var accuracy: @Sendable (Configuration, Int) -> Double = { point, _ in point.values[1] }

    func evaluate(_ point: Configuration, epochs: Int, in session: Session) throws -> Evaluation {
      try session.work(.training, cost: { _ in cost }) {
        Evaluation(epochs: epochs, validationAccuracy: accuracy(point, epochs))
      }
    }
  }

  private func session(horizon: Double = 1e6, _ policy: BudgetPolicy = .fair) throws -> Session {
    Session(benchmark: try OptimizerConformance.benchmark(), policy: policy, horizon: horizon, seed: 0)
  }

  private func message(_ body: () throws -> Void) -> String {
    do {
      try body()
      return "no error"
    } catch { return "\(error)" }
  }

  private func run(
    on objective: some Objective, horizon: Double = 1e6, policy: BudgetPolicy = .fair, limit: Double? = nil,
    _ body: @escaping @Sendable (Session) throws -> Void
  ) throws -> ChildRun {
    try self.session(horizon: horizon, policy).run(Scripted(body), on: objective, limit: limit, name: "a")
  }

  @Test("is searched at its fidelities, and the best point at the highest one is the incumbent")
  func incumbent() throws {
    let script: @Sendable (Session) throws -> Void = { session in
      #expect(session.space.name == "plain" && session.fidelities == [1, 3])
      for (rate, epochs) in [(0.9, 1), (0.2, 3), (0.4, 3), (0.3, nil), (0.95, 1)] {
        try session.evaluate(Configuration(values: [4, rate]), epochs: epochs)
      }
    }
    let child = try run(on: Plain(), script)
    #expect(child.incumbent?.point == Configuration(values: [4, 0.4]) && child.incumbent?.epochs == 3)
    #expect(child.incumbent?.architecture == nil && child.incumbent?.validationAccuracy == 0.4 && child.amount == 50)
    var policy = BudgetPolicy.fair
    policy.incumbent = .anyFidelity
    #expect(try run(on: Plain(), policy: policy, script).incumbent?.validationAccuracy == 0.95)
  }

  @Test("may run other methods in child sessions, which is what an evaluation costs") func tuning() throws {
    struct Tuned: Objective {
      let space = SearchSpace(
        name: "tuned", parameters: ParameterSpace([Parameter("population", .integer(2...40, log: true))]))
      let fidelities = [1]
      let count = Shared(0)

      func evaluate(_ point: Configuration, epochs: Int, in session: Session) throws -> Evaluation {
        count.value += 1
        let child = try session.run(
          RegularizedEvolution { ($0.population, $0.sample) = (point[choice: 0], 2) }, limit: 300,
          name: "\(count.value)")
        return Evaluation(epochs: epochs, validationAccuracy: child.incumbent?.validationAccuracy ?? 0)
      }
    }
    let session = try self.session(horizon: 1_000)
    let child = try session.run(RandomSearch(), on: Tuned(), name: "tuning")
    #expect(child.children.map(\.end) == [.limit, .limit, .limit, .budget], "the last one was cut short")
    // What did not end by the horizon reveals nothing.
    let whole = child.children.prefix(3).compactMap { $0.incumbent?.validationAccuracy }
    #expect(child.incumbent?.validationAccuracy == whole.max() && child.end == .budget && child.amount == 1_000)
    #expect(child.spent.evaluations == child.children.map(\.spent.evaluations).reduce(0, +))
  }

  @Test("'s own time is not the optimizer's thinking") func time() throws {
    struct Slow: Objective {
      let space = Plain().space
      let fidelities = [1]
      let slept = Shared(Duration.zero)
      func evaluate(_ point: Configuration, epochs: Int, in session: Session) throws -> Evaluation {
        let start = ContinuousClock.now
        Thread.sleep(forTimeInterval: 0.1)
        try session.work(.training, cost: { _ in Spending(seconds: 1) }) {}
        Thread.sleep(forTimeInterval: 0.1)
        slept.value += ContinuousClock.now - start
        return Evaluation(epochs: epochs, validationAccuracy: 0)
      }
    }
    var policy = BudgetPolicy.fair
    policy.chargeOverhead = true
    let slow = Slow()
    let start = ContinuousClock.now
    let child = try run(on: slow, policy: policy) { try trainRandomly($0, 2) }
    let rest = (ContinuousClock.now - start - slow.slept.value) / .seconds(1)
    let overhead = child.ledger.first { $0.kind == .overhead }?.amount ?? 0
    #expect(overhead <= rest)
  }

  @Test("that is wrong, or asked wrongly, is one sentence") func mistakes() throws {
    let ask: @Sendable (Session) throws -> Void = { try $0.evaluate(Configuration(values: [4, 0.5])) }
    func error(
      _ body: @escaping @Sendable (Session) throws -> Void, _ change: (inout Plain) -> Void = { _ in }
    ) -> String {
      var objective = Plain()
      change(&objective)
      return message { _ = try run(on: objective, limit: 100, body) }
    }
    #expect(error(ask) == "no error")
    #expect(
      error(ask, { $0.cost = Spending(epochs: 1) })
        == "an evaluation of the objective was charged no seconds, so that the search would never end")
    #expect(
      error(ask, { $0.cost = Spending(seconds: -1) })
        == "-1.0 seconds, 0.0 epochs and 0.0 evaluations are no charge; charge finite amounts that are not negative")
    #expect(error(ask, { $0.cost = Spending(seconds: .nan) }).hasPrefix("nan seconds"))
    #expect(
      error(ask, { $0.accuracy = { _, _ in .nan } })
        == "an evaluation of the objective showed nan, which is no finite number")
    for fidelities in [[], [3, 1], [0, 1], [1, 1]] {
      #expect(
        error(ask, { $0.fidelities = fidelities })
          == "the objective's fidelities are \(fidelities); give at least one epoch count, from 1, ascending")
    }
    #expect(
      error({ try $0.evaluate(Configuration(values: [4])) })
        == "the configuration is no point of the search space: it has 1 values where there are 2 parameters")
    for (values, name) in [([4.5, 0.5], "depth"), ([10, 0.5], "depth"), ([4, -0.1], "rate"), ([4, .nan], "rate")] {
      #expect(
        error({ try $0.evaluate(Configuration(values: values)) })
          .hasSuffix("is no value of parameter '\(name)'"))
    }
    #expect(
      error({ try $0.evaluate(Configuration(values: [4, 0.5]), epochs: 2) }).hasPrefix("there are no trainings of 2"))
  }
}
