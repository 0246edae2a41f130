@_spi(Instruments) import Anytime
import Blackbox
import Foundation
import OptimizerConformance
import SearchSpaces
import Statistics
import Synchronization
import TabularBenchmark
import Testing

/// Methods that keep every rule but one or two.
private enum Broken {
  /// A method that needs no description.
  protocol Nameless: Optimizer {}

  struct Sound: Nameless {
    func search(_ session: Session) throws {
      while true { try session.evaluate(session.space.sample(using: &session.random)) }
    }
  }

  /// Declares a default that is not in its range.
  struct Undeclared: Optimizer {
    var rate = 2.0
    static let method = Method(
      name: "undeclared", title: "", summary: "", citation: "",
      settings: [Setting("rate", \Undeclared.rate, 0...1, "")])
    func search(_ session: Session) {}
  }

  struct Stranger: Nameless {
    func search(_ session: Session) throws {
      let stranger = SearchSpace.oneShot1.uniqueCells().first { $0.vertexCount == 6 }
      if let stranger { try session.recommend(.cell(stranger)) }
    }
  }

  struct Inventor: Nameless {
    func search(_ session: Session) throws {
      try session.evaluate(session.space.sample(using: &session.random), epochs: session.fidelities[0] + 1)
    }
  }

  /// Cannot do with a small budget.
  struct Spoilt: Nameless {
    func search(_ session: Session) throws {
      guard session.horizon > 100 else { throw RunFailure("a budget of \(session.horizon) is too small for it") }
      try Sound().search(session)
    }
  }

  struct Deaf: Nameless {
    func search(_ session: Session) throws {
      while true {
        do { try Sound().search(session) } catch is BudgetExhausted {}
      }
    }
  }

  /// Heeds no error at all, whatever it is.
  struct Stubborn: Nameless {
    func search(_ session: Session) throws {
      while true { _ = try? session.evaluate(session.space.sample(using: &session.random)) }
    }
  }

  /// Never spends anything.
  struct Talker: Nameless {
    func search(_ session: Session) throws {
      guard let found = session.space.architecture(session.space.sample(using: &session.random)) else { return }
      while true { try session.recommend(found) }
    }
  }

  /// Computes for ever, at least longer than a test waits for it.
  struct Thinker: Nameless {
    func search(_ session: Session) throws {
      do { try Sound().search(session) } catch is BudgetExhausted { Thread.sleep(forTimeInterval: 3_600) }
    }
  }

  struct Silent: Nameless {
    func search(_ session: Session) {}
  }

  /// Knows only what a cell's parameters are.
  struct Narrow: Nameless {
    func search(_ session: Session) throws {
      while true {
        let values = session.space.parameters.parameters.map { Double(session.random.below($0.categories ?? 99)) }
        try session.evaluate(Configuration(values: values))
      }
    }
  }

  struct Impure: Nameless {
    func search(_ session: Session) throws {
      var random = SystemRandomNumberGenerator()
      while true {
        var generator = RandomGenerator(seed: random.next())
        try session.evaluate(session.space.sample(using: &generator))
      }
    }
  }

  /// Begins where its last run ended.
  struct Rememberer: Nameless {
    private static let last = Mutex<Configuration?>(nil)
    func search(_ session: Session) throws {
      if let last = Self.last.withLock({ $0 }), session.space.parameters.problem(with: last) == nil {
        try session.evaluate(last)
      }
      while true {
        let next = session.space.sample(using: &session.random)
        Self.last.withLock { $0 = next }
        try session.evaluate(next)
      }
    }
  }

  /// Takes the first of a set.
  struct Disorderly: Nameless {
    func search(_ session: Session) throws {
      while true {
        let candidates = Set((0..<40).map { _ in session.space.sample(using: &session.random) })
        if let first = candidates.first { try session.evaluate(first) }
      }
    }
  }

  struct ThreadBound: Nameless {
    func search(_ session: Session) throws {
      var generator = RandomGenerator(seed: UInt64(UInt(bitPattern: ObjectIdentifier(Thread.current))))
      while true { try session.evaluate(session.space.sample(using: &generator)) }
    }
  }

  /// Takes another point after each call that took long.
  struct Impatient: Nameless {
    func search(_ session: Session) throws {
      while true {
        let start = ContinuousClock.now
        try session.evaluate(session.space.sample(using: &session.random))
        if ContinuousClock.now - start > .milliseconds(4) { _ = session.random.next() }
      }
    }
  }

  /// Looks behind the door, as methods of another package cannot.
  struct Cheat: Nameless {
    func search(_ session: Session) throws {
      let table = session.benchmark.table
      let rows = session.benchmark.rows
      func test(_ row: Int) -> Double { table.mean(.testAccuracy, row: row, epochs: 2) ?? 0 }
      let best = rows.max { test($0) < test($1) }
      if session.space.architecture(session.space.sample(using: &session.random)) != nil, let best {
        try session.evaluate(table.architecture(best))
      }
      try Sound().search(session)
    }
  }

  /// Keeps how far it is, but not where its random numbers are.
  struct Forgetful: Nameless {
    func search(_ session: Session) throws {
      let file = session.nextCheckpoint()
      var done = file.flatMap { FileManager.default.contents(atPath: $0.path) }?.count ?? 0
      while true {
        done += 1
        if let file { try Data(count: done).write(to: file) }
        let configuration = session.space.sample(using: &session.random)
        if done % 3 != 0 { try session.evaluate(configuration) }
      }
    }
  }

  struct Idle: Optimizer {
    var depth = 3
    var first = 1
    static let method = Method(
      name: "idle", title: "", summary: "", citation: "",
      settings: [Setting("depth", \Idle.depth, 1...9, ""), Setting("first", \Idle.first, 0...9, "")])
    func search(_ session: Session) throws {
      for _ in 0..<first { _ = session.random.next() }
      try Sound().search(session)
    }
  }
}

extension Broken.Nameless {
  static var method: Method {
    Method(name: "\(Self.self)".lowercased(), title: "", summary: "", citation: "")
  }
}

@Suite("The conformance kit") struct ConformanceTests {
  typealias Check = OptimizerConformance.Check

  private func failed(_ type: any Optimizer.Type, patience: Duration = .seconds(60)) async throws -> [Check: String] {
    var conformance = OptimizerConformance(type)
    conformance.patience = patience
    let pairs = try await conformance.results().compactMap { outcome -> (Check, String)? in
      if case .failed(let failure) = outcome.status { (outcome.check, failure) } else { nil }
    }
    return Dictionary(uniqueKeysWithValues: pairs)
  }

  @Test("has one outcome per rule, each of which a sound method passes") func sound() async throws {
    let results = try await OptimizerConformance(Broken.Sound.self).results()
    #expect(results.map(\.check) == Check.allCases)
    #expect(results.allSatisfy { $0.status == .passed })
    #expect(Set(Check.allCases.map(\.rule)).count == Check.allCases.count)
  }

  @Test(
    "says which rule a method breaks",
    arguments: [
      (Broken.Undeclared.self as any Optimizer.Type, Check.declarations), (Broken.Stranger.self, .space),
      (Broken.Inventor.self, .space), (Broken.Spoilt.self, .errors), (Broken.Deaf.self, .ends),
      (Broken.Stubborn.self, .ends), (Broken.Talker.self, .ends), (Broken.Silent.self, .incumbent),
      (Broken.Narrow.self, .points), (Broken.Disorderly.self, .memory), (Broken.ThreadBound.self, .threads),
      (Broken.Impatient.self, .clock), (Broken.Cheat.self, .testAccuracy), (Broken.Forgetful.self, .resumption),
      (Broken.Idle.self, .settings),
    ])
  func broken(type: any Optimizer.Type, check: Check) async throws {
    let failed = try await failed(type)
    #expect(failed[check] != nil)
    // What hangs on memory, threads or the clock may differ in every comparison.
    let others: Set<Check> =
      switch check {
      case .memory, .threads, .clock: [.repeats, .memory, .threads, .clock, .testAccuracy, .resumption]
      default: [check]
      }
    #expect(others.isSuperset(of: failed.keys), "\(failed)")
  }

  @Test("notices randomness of a method's own, and what one run leaves to the next")
  func impure() async throws {
    #expect(try await failed(Broken.Impure.self)[.repeats] == "the same seed gives another run")
    #expect(try await failed(Broken.Rememberer.self)[.repeats] == "the same seed gives another run")
  }

  @Test("does not wait for ever for a method that computes for ever") func thinker() async throws {
    let failed = try await failed(Broken.Thinker.self, patience: .milliseconds(1_500))
    #expect(failed == [.ends: "it goes on when its budget is spent"])
  }

  @Test("names the settings without effect, and says what it did not check") func messages() async throws {
    let idle = try await failed(Broken.Idle.self)
    #expect(idle[.settings] == "no value of 'depth' makes a difference")
    let space = try await failed(Broken.Inventor.self)
    #expect(
      space[.space] == "with a budget of 20.0 seconds it makes a wrong call: there are no trainings of 3 epochs, "
        + "only of 2, 6, 18")
    let outcomes = try await OptimizerConformance(Broken.Silent.self).results()
    #expect(outcomes.contains { $0.check == .threads && $0.status == .notChecked("it does not run as it should") })
    let undeclared = try await OptimizerConformance(Broken.Undeclared.self).failures()
    #expect(undeclared == ["its declarations are wrong: the default 2.0 of 'rate' is not in 0 to 1"])
  }

  @Test("gives a digest of runs that differs from method to method") func fingerprint() throws {
    let digests = try [
      OptimizerConformance(RandomSearch.self), OptimizerConformance(LocalSearch.self),
      OptimizerConformance(LocalSearch { $0.move = .first }), OptimizerConformance(RandomSearch()),
    ].map { try $0.fingerprint() }
    #expect(digests[0] == digests[3] && Set(digests).count == 3)
    #expect(digests.allSatisfy { $0.count == 16 && $0.allSatisfy(\.isHexDigit) })
  }
}
