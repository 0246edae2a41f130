import Anytime
import Foundation
import SearchSpaces
import Synchronization
import TabularBenchmark

/// What the checks run a method on, and how each of them compares runs.
struct Bench: Sendable {
  let optimizer: any Optimizer
  let patience: Duration
  let benchmark: Benchmark
  /// The same with other test accuracies.
  let poisoned: Benchmark

  init(_ optimizer: any Optimizer, patience: Duration) throws {
    self.optimizer = optimizer
    self.patience = patience
    benchmark = try OptimizerConformance.benchmark()
    poisoned = try OptimizerConformance.benchmark(testAccuracy: { 1 - $0 })
  }

  /// Makes runs, one after another, on a thread of their own.
  private func runs(_ plans: [Plan], _ before: @escaping @Sendable (Int) -> Void = { _ in }) async throws -> [Seen] {
    try await onThread(patience: patience) { stop in
      try plans.enumerated().map { index, plan in
        before(index)
        return try plan.run(optimizer, on: benchmark, stop: stop)
      }
    }
  }

  private func run(_ plan: Plan) async throws -> Seen { try await runs([plan])[0] }

  /// What is wrong with single runs, in every currency and with small budgets.
  func problems() async throws -> [OptimizerConformance.Check: String] {
    var problems: [OptimizerConformance.Check: String] = [:]
    for currency in BudgetPolicy.Currency.allCases {
      for trainings in [1.0, 7.5, 150] {
        let horizon = currency == .evaluations ? trainings : trainings * 20
        func enter(_ check: OptimizerConformance.Check, _ problem: String) {
          problems[check] = problems[check] ?? "with a budget of \(horizon) \(currency.rawValue) \(problem)"
        }
        do {
          let seen = try await run(Plan { ($0.currency, $0.horizon) = (currency, horizon) })
          if let failure = seen.result.failure { enter(.errors, "it fails: \(failure)") }
          if trainings == 150, seen.result.trajectory.isEmpty {
            enter(.incumbent, "it evaluates and recommends nothing")
          }
        } catch Trouble.endless { throw Trouble.endless } catch let error as SessionError {
          enter(.space, "it makes a wrong call: \(error)")
        } catch { enter(.errors, "it fails: \(error)") }
      }
    }
    return problems
  }

  /// Every check that compares runs, with what says what is wrong, if anything is.
  static let comparisons: [(OptimizerConformance.Check, @Sendable (Bench) -> @Sendable () async throws -> String?)] = [
    (.points, { $0.points }), (.repeats, { $0.repeats }), (.memory, { $0.memory }), (.threads, { $0.threads }),
    (.clock, { $0.clock }), (.testAccuracy, { $0.testAccuracy }), (.resumption, { $0.resumption }),
    (.settings, { $0.settings }),
  ]

  @Sendable private func points() async throws -> String? {
    let seen: Seen
    do { seen = try await run(Plan { ($0.isOnPoints, $0.currency, $0.horizon) = (true, .evaluations, 80) }) } catch
      let error as SessionError
    {
      return "it makes a wrong call where it searches hyperparameters: \(error)"
    }
    let child = seen.result.children.first
    if let failure = child?.failure { return "it fails where it searches hyperparameters: \(failure)" }
    return child?.incumbent == nil ? "it evaluates nothing where it searches hyperparameters" : nil
  }

  @Sendable private func repeats() async throws -> String? {
    let seen = try await runs([Plan { $0.seed = 1 }, Plan { $0.seed = 2 }, Plan { $0.seed = 1 }])
    return seen[0] == seen[2] ? nil : "the same seed gives another run"
  }

  /// Addresses of memory that is held, kept so that the compiler does not leave the allocations out.
  private static let ballast = Mutex<[UInt]>([])

  @Sendable private func memory() async throws -> String? {
    let seen = try await runs([Plan](repeating: Plan(), count: 4)) { index in
      // What is allocated from now on lies elsewhere. A few megabytes, which are never given back.
      guard index > 0 else { return }
      Self.ballast.withLock { ballast in
        for size in 4..<150 { for _ in 0..<index { ballast.append(UInt(bitPattern: malloc(size * size))) } }
      }
    }
    return seen.allSatisfy { $0 == seen[0] }
      ? nil : "another run comes out where objects lie elsewhere in memory, as the order of a Dictionary or Set does"
  }

  @Sendable private func threads() async throws -> String? {
    let plans = (UInt64(1)...4).map { seed in Plan { $0.seed = seed } }
    let alone = try await runs(plans)
    return try await withThrowingTaskGroup(of: Bool.self) { group in
      for (plan, seen) in zip(plans, alone) { group.addTask { try await run(plan) == seen } }
      return try await group.allSatisfy { $0 } ? nil : "another run comes out on another thread, beside other runs"
    }
  }

  @Sendable private func clock() async throws -> String? {
    let seen = try await [run(Plan()), run(Plan { $0.isSlow = true })]
    return seen[0] == seen[1] ? nil : "another run comes out where calls take longer"
  }

  @Sendable private func testAccuracy() async throws -> String? {
    let seen = try await run(Plan())
    let blind = try await onThread(patience: patience) { try Plan().run(optimizer, on: poisoned, stop: $0) }
    let isAlike =
      seen.result.trajectory.map(\.architecture) == blind.result.trajectory.map(\.architecture)
      && seen.result.ledger == blind.result.ledger
    return isAlike ? nil : "its choices depend on test accuracy"
  }

  @Sendable private func resumption() async throws -> String? {
    let folder = FileManager.default.temporaryDirectory.appending(path: "conformance-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let whole = try await run(Plan { $0.checkpoint = folder.appending(path: "whole") })
    for quarter in 1...3 {
      let file = folder.appending(path: "killed-\(quarter)")
      let call = max(1, whole.calls * quarter / 4)
      // A method that swallows the kill shows nothing here; others are broken off.
      do {
        _ = try await run(
          Plan {
            $0.checkpoint = file
            $0.kill = call
          })
      } catch Trouble.killed {}
      let resumed = try await run(Plan { $0.checkpoint = file })
      guard resumed.result == whole.result else {
        return "killed at its call \(call) of \(whole.calls) and started again, it ends otherwise than an unbroken run"
      }
    }
    return nil
  }

  @Sendable private func settings() async throws -> String? {
    let idle = try await idleSettings(of: optimizer)
    return idle.isEmpty ? nil : "no value of \(idle.map { "'\($0)'" }.joined(separator: ", ")) makes a difference"
  }

  /// The names of the settings without an effect, neither on architectures nor on hyperparameters.
  private func idleSettings<Searcher: Optimizer>(of optimizer: Searcher) async throws -> [String] {
    let plans = (Searcher.method.family == .blackbox ? [false, true] : [false]).map { isOnPoints in
      Plan { ($0.isOnPoints, $0.currency, $0.horizon) = (isOnPoints, .evaluations, 150) }
    }
    func seen(_ method: Searcher) async throws -> [Seen] {
      try await onThread(patience: patience) { stop in try plans.map { try $0.run(method, on: benchmark, stop: stop) } }
    }
    let usual = try await seen(optimizer)
    var idle: [String] = []
    settings: for setting in Searcher.settings {
      let values: [String]
      switch setting.domain {
      case .integer(let range, _)?: values = ["\(range.lowerBound)", "\(range.upperBound)"]
      case .real(let range, _)?: values = ["\(range.lowerBound)", "\(range.upperBound)"]
      case .categorical(let choices)?, .ordinal(let choices)?: values = choices
      case nil: continue
      }
      for value in values where value != setting.text(in: optimizer) {
        var changed = optimizer
        guard setting.set(value, in: &changed) else { continue }
        do { if try await seen(changed) != usual { continue settings } } catch Trouble.endless {
          throw Trouble.endless
        } catch {
          continue settings  // refusing a value is an effect too
        }
      }
      idle.append(setting.name)
    }
    return idle
  }
}
