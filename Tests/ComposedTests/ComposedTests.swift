@_spi(Instruments) import Anytime
import Blackbox
import Composed
import Experiments
import Foundation
import OneShot
import OptimizerConformance
import SearchSpaces
import Statistics
import Supernet
import Synchronization
import TabularBenchmark
import Testing

/// A one-shot method without a supernet: after every epoch it recommends the best so far of cells that it draws, by a
/// score whose noise is its `noise`.
private struct Guess: Optimizer {
  static let method = Method(
    name: "guess", title: "Guess", family: .oneShot, summary: "", citation: "", revision: 7,
    settings: [
      Setting("epochs", \Guess.epochs, 1...1_000, log: true, "epochs"),
      Setting("learning-rate", \Guess.learningRate, 1e-9...100, log: true, "learning rate"),
      Setting("cost", \Guess.cost, 0...1e6, "seconds of an epoch"),
    ], presets: [Method.Preset("quick", "few epochs", Guess { $0.epochs = 3 })])

  var epochs = 10
  var learningRate = 0.1
  var cost = 5.0

  func search(_ session: Session) throws {
    for _ in 0..<epochs {
      try session.spend(seconds: cost)
      let best = (0..<3).map { _ in session.space.sample(using: &session.random) }.max {
        score($0, session) < score($1, session)
      }
      guard let best, let architecture = session.space.architecture(best) else { return }
      try session.recommend(architecture)
    }
  }

  /// A good learning rate sees what is good.
  private func score(_ configuration: Configuration, _ session: Session) -> Double {
    let operations = configuration.values.prefix(3).reduce(0, +)
    return session.random.uniform() * abs(learningRate - 0.3) * 10 - operations
  }
}

/// Does nothing.
private struct Idle: Optimizer {
  static let method = Method(name: "idle", title: "Idle", family: .oneShot, summary: "", citation: "")
  func search(_ session: Session) {}
}

/// Always fails, after one training.
private struct Unlucky: Optimizer {
  static let method = Method(name: "unlucky", title: "Unlucky", family: .oneShot, summary: "", citation: "")
  func search(_ session: Session) throws {
    try session.spend(seconds: 7)
    throw RunFailure("it diverged")
  }
}

private struct Scripted: Optimizer {
  static let method = Method(name: "scripted", title: "", summary: "", citation: "")
  var body: @Sendable (Session) throws -> Void = { _ in }
  init() {}
  init(_ body: @escaping @Sendable (Session) throws -> Void) { self.body = body }
  func search(_ session: Session) throws { try body(session) }
}

private let registry = Registry(blackboxMethods + composedMethods + [Guess.self, Idle.self, Unlucky.self])

private func all(_ children: [ChildRun]) -> [ChildRun] { children.flatMap { [$0] + all($0.children) } }

@Suite("Methods of methods") struct ComposedTests {
  let benchmark: Benchmark

  init() throws { benchmark = try OptimizerConformance.benchmark() }

  private func run(
    _ optimizer: any Optimizer, _ horizon: Double = 3_000, seed: UInt64 = 0, checkpoint: URL? = nil
  ) throws -> RunResult {
    try Anytime.run(
      optimizer, on: benchmark, policy: .fair, horizon: horizon, seed: seed, checkpoint: checkpoint)
  }

  private func amount(_ kind: Ledger.Kind, _ ledger: [RunResult.LedgerTotal]) -> Double {
    ledger.first { $0.kind == kind }?.amount ?? 0
  }

  @Test("restarted: what every run recommends last is trained, and the best by validation is returned")
  func restarted() throws {
    let result = try run(Restarted { $0.optimizer = Guess() })
    #expect(result.failure == nil && result.children.count > 10)
    #expect(result.children.map(\.name) == (1...result.children.count).map { "run \($0)" })
    // Every run draws its own random numbers.
    #expect(Set(result.children.compactMap(\.incumbent?.architecture)).count > 3)
    let trainings = try #require(result.ledger.first { $0.kind == .training })
    #expect(trainings.count == result.children.count { $0.end == .finished } || trainings.count + 1 == result.children.count)
    #expect(abs(amount(.supernet, result.ledger) - result.children.reduce(0) { $0 + $1.amount }) < 60)
    // Before the first training the run would return the last recommendation, from then on the best training.
    let first = try #require(result.trajectory.firstIndex { $0.epochs > 0 })
    #expect(first > 1 && result.trajectory[first...].allSatisfy { $0.epochs == 18 })
    #expect(result.trajectory[0].amount == 5)
    #expect(result.trajectory[first].architecture == result.children[0].incumbent?.architecture?.id)
  }

  @Test("restarted: a method that never ends needs a share of the budget, and gets it each time") func limit() throws {
    let method = Restarted {
      $0.optimizer = RandomSearch()
      $0.share = 0.1
    }
    let result = try run(method)
    #expect(result.children.map(\.end).dropLast().allSatisfy { $0 == .limit } && result.children.count == 10)
    // Random search has trained what it returns at the highest epoch count already.
    #expect(amount(.training, result.ledger) + amount(.lost, result.ledger) == result.spent.seconds + amount(.lost, result.ledger))
    #expect(throws: SettingError.self) { try Restarted { $0.optimizer = RandomSearch() }.validate() }
    #expect(throws: SettingError.self) {
      try Restarted { $0.optimizer = Restarted { $0.optimizer = Guess() } }.validate()
    }
  }

  @Test("restarted: runs that spend nothing are a failure and no endless loop") func idle() throws {
    let result = try run(Restarted { $0.optimizer = Idle() })
    #expect(result.failure == "a run of idle spends nothing, so there would be no end of runs")
    #expect(result.spent.seconds == 0)
  }

  @Test("restarted: a run that fails is one of many") func failing() throws {
    let result = try run(Restarted { $0.optimizer = Unlucky() }, 700)
    #expect(result.failure == nil && result.children.count == 100)
    #expect(result.children.allSatisfy { $0.failure == "it diverged" } && result.trajectory.isEmpty)
  }

  @Test("verified: cells are trained in the order of the last recommendation, then of how many there were")
  func verified() throws {
    let cells = Array(SearchSpace.mini.uniqueCells().prefix(5)).map(Architecture.cell)
    func order(_ indices: [Int]) throws -> [Int] {
      let result = try run(
        Verified {
          $0.optimizer = Script { session in
            for index in indices {
              try session.spend(seconds: 1)
              try session.recommend(cells[index])
            }
          }
        })
      #expect(result.spent.evaluations > 0)
      return Verified.order(try #require(result.children[0].recommendations)).compactMap { cells.firstIndex(of: $0) }
    }
    #expect(try order([0, 1, 1, 2, 3, 3, 3, 4]) == [4, 3, 1, 2, 0])
    #expect(try order([2, 2, 2]) == [2])
    #expect(try order([0, 1, 2, 0, 1]) == [1, 0, 2])
  }

  @Test("verified: the search gets its share, the rest goes to trainings") func share() throws {
    let long = Guess { $0.epochs = 1_000 }
    let result = try run(
      Verified {
        $0.optimizer = long
        $0.share = 0.5
        $0.top = 1_000
      })
    #expect(result.children[0].end == .limit && result.children[0].amount == 1_500)
    #expect(result.spent.seconds > 2_900)
    let few = try run(Verified { ($0.optimizer, $0.top) = (Guess(), 2) })
    #expect(few.children[0].end == .finished && few.ledger.first { $0.kind == .training }?.count == 2)
    #expect(throws: SettingError.self) { try Verified { $0.optimizer = RandomSearch() }.validate() }
  }

  private func tuned(by tuner: any Optimizer = RandomSearch(), _ change: (inout Tuned) -> Void = { _ in }) -> Tuned {
    Tuned {
      ($0.tuner, $0.optimizer) = (tuner, Guess())
      $0.space = HyperparameterSpace([Parameter("learning-rate", .real(1e-3...1, log: true))])
      change(&$0)
    }
  }

  @Test("tuned: every charge of every inner run is in the ledgers of all above") func conservation() throws {
    for tuner in [RandomSearch() as any Optimizer, BOHB(), TPE()] {
      let result = try run(tuned(by: tuner) { $0.epochs = [2, 6, 18] })
      #expect(result.failure == nil && result.children.count == 1)
      let search = result.children[0]
      #expect(search.method == type(of: tuner).method.name && search.children.count > 5)
      for kind in Ledger.Kind.allCases {
        #expect(amount(kind, result.ledger) == amount(kind, search.ledger))
        let inside = search.children.reduce(0) { $0 + amount(kind, $1.ledger) }
        // What is left are the trainings of what the inner runs returned, and the one that did not end in time.
        if kind == .supernet { #expect(abs(amount(kind, search.ledger) - inside) < 1e-9) }
        if kind == .training { #expect(inside == 0 && amount(kind, search.ledger) > 0) }
      }
      #expect(result.spent.seconds <= 3_000)
      // One training for each search that ended.
      let count = result.ledger.first { $0.kind == .training }?.count ?? 0
      #expect(count == search.children.count || count + 1 == search.children.count)
      #expect(Set(search.children.compactMap { $0.settings?["learning-rate"] }).count > 3)
      #expect(search.incumbent?.point != nil)
      #expect(result.trajectory.last?.epochs == 18)
    }
  }

  @Test("tuned: epochs are the fidelities") func fidelities() throws {
    let result = try run(tuned(by: Hyperband()) { $0.epochs = [2, 6, 18] }, 6_000)
    // Epochs of the default are not among the settings that differ.
    let epochs = Set(result.children[0].children.map { $0.settings?["epochs"] ?? "10" })
    #expect(epochs == ["2", "6", "18"])
    let plain = try run(tuned())
    #expect(Set(plain.children[0].children.map { $0.settings?["epochs"] ?? "10" }) == ["10"])
  }

  @Test("tuned: by random search over one level it is the same as restarted") func oneLevel() throws {
    let one = try HyperparameterSpace(.mapping(["learning-rate": .list([.word("0.3")])]))
    let space = try #require(one)
    let method = Guess { $0.learningRate = 0.3 }
    let tuned = try run(
      Tuned {
        ($0.tuner, $0.optimizer, $0.space) = (RandomSearch(), Guess(), space)
      })
    let restarted = try run(
      Scripted { session in
        try session.run(Restarted { $0.optimizer = method }, name: "search")
      })
    #expect(tuned.trajectory == restarted.trajectory && tuned.ledger == restarted.ledger)
    #expect(tuned.children[0].children == restarted.children[0].children)
  }

  @Test("tuned: a blackbox method is tuned with budgets as fidelities") func blackbox() throws {
    let method = Tuned {
      ($0.tuner, $0.optimizer, $0.budgets) = (Hyperband(), RegularizedEvolution { $0.sample = 3 }, [100, 300])
      $0.space = HyperparameterSpace([Parameter("population", .integer(5...50, log: true))])
    }
    try method.validate()
    let result = try run(method, 5_000)
    #expect(Set(result.children[0].children.dropLast().map(\.amount)) == [100, 300])
    #expect(result.trajectory.last?.epochs == 18)
  }

  @Test("tuned: a supernet's hyperparameters, with kills in the middle of a supernet") func supernets() throws {
    let darts = DARTS {
      ($0.supernet.epochs, $0.supernet.batchSize) = (2, 32)
      ($0.supernet.channels, $0.supernet.cellsPerStack) = (4, 1)
    }
    let tuned = Tuned {
      ($0.tuner, $0.optimizer, $0.epochs) = (BOHB(), darts, [1, 2])
      $0.space = HyperparameterSpace(named: "cs2") ?? HyperparameterSpace()
    }
    try tuned.validate()
    let result = try run(tuned, 400)
    let inner = try #require(result.children.first?.children)
    #expect(inner.count > 2 && inner.allSatisfy { $0.method == "darts" })
    // As sixteen pixels of 32 are half an image, so are four of the seven here.
    #expect(inner.allSatisfy { $0.settings?["cutout"] == "4" })

    let folder = FileManager.default.temporaryDirectory.appending(path: "tuned-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    struct Kill: Error {}
    let calls = Mutex(0)
    for limit in [Int.max, 40, 90, 140] {
      let file = folder.appending(path: "\(limit)")
      calls.withLock { $0 = 0 }
      let watched = Scripted { session in
        session.onCall = {
          let isEnd = calls.withLock { calls in
            calls += 1
            return calls == limit
          }
          if isEnd { throw Kill() }
        }
        try tuned.search(session)
      }
      if limit == .max {
        // What follows kills in the middle.
        _ = try run(watched, 400)
        #expect(calls.withLock { $0 } > 150)
        continue
      }
      #expect(throws: Kill.self) { try run(watched, 400, checkpoint: file) }
      var again = try run(tuned, 400, checkpoint: file)
      again.overheadSeconds = result.overheadSeconds
      #expect(again == result, "killed at its call \(limit)")
    }
  }

  @Test("a run that is killed at any call and started again ends with the same bits") func resumption() async throws {
    let methods: [any Optimizer] = [
      Restarted { $0.optimizer = Guess() }, Verified { $0.optimizer = Guess { $0.cost = 50 } },
      Restarted { $0.optimizer = Verified { $0.optimizer = Guess() } },
    ]
    for method in methods + [tuned(by: BOHB()) { $0.epochs = [2, 6, 18] }] {
      func failures(_ method: some Optimizer) async throws -> [String] {
        try await OptimizerConformance(method).failures()
      }
      let found = try await failures(method)
      #expect(found == [])
    }
  }
}

/// A one-shot method that does as it is told.
private struct Script: Optimizer {
  static let method = Method(name: "script", title: "", family: .oneShot, summary: "", citation: "")
  var body: @Sendable (Session) throws -> Void = { _ in }
  init() {}
  init(_ body: @escaping @Sendable (Session) throws -> Void) { self.body = body }
  func search(_ session: Session) throws { try body(session) }
}

@Suite("Spaces of hyperparameters") struct HyperparameterSpaceTests {
  /// NAS-Bench-1Shot1's `optimizers/bohb_one_shot`: name, least and greatest value, whether logarithmic, whether whole.
  private static let published: [(name: String, low: Double, high: Double, log: Bool, whole: Bool)] = [
    ("weight-decay", 1e-5, 1e-3, true, false), ("cutout-probability", 0, 1, false, false),
    ("learning-rate", 1e-3, 1, true, false), ("momentum", 0, 0.99, false, false),
    ("batch-size", 16, 128, false, true), ("arch-learning-rate", 1e-5, 1e-2, true, false),
    ("arch-weight-decay", 1e-4, 1e-1, true, false), ("cutout", 2, 32, true, true),
    ("gradient-clip", 1, 9, false, true),
  ]

  @Test(
    "are those of the paper's code, as stated and as they ran",
    arguments: [
      ("cs1", 2), ("cs2", 3), ("cs3", 9), ("cs1-as-run", -1), ("cs2-as-run", -2), ("cs3-as-run", -4),
    ])
  func constants(name: String, count: Int) throws {
    let space = try #require(HyperparameterSpace(named: name))
    var expected = Array(Self.published.prefix(abs(count)))
    if count < 0 {
      // Neither cutout nor the last four reached the searches.
      expected = Self.published.filter { $0.name != "cutout-probability" }.prefix(-count).map { $0 }
    }
    #expect(
      space.parameters
        == expected.map { line in
          Parameter(
            line.name,
            line.whole
              ? .integer(Int(line.low)...Int(line.high), log: line.log) : .real(line.low...line.high, log: line.log))
        })
  }

  @Test("are read from words, and written so that they are read again")
  func text() throws {
    let entries = [
      "cs2", #"{"learning-rate": {"log": ["1e-3", "1"]}}"#,
      #"{"a": ["0", "0.99"], "b": {"integer": ["16", "128"]}, "c": ["none", "auto"], "d": {"levels": ["1", "2", "4"]}}"#,
      #"{"a": {"log-integer": ["2", "32"]}, "e": "7"}"#,
    ]
    for text in entries {
      let value = try #require(SettingValue(text: text))
      let space = try #require(try HyperparameterSpace(value))
      let setting = try #require(Tuned.settings.first { $0.name == "space" })
      let canonical = setting.text(in: Tuned { $0.space = space })
      let read = try #require(SettingValue(text: canonical))
      let again = try #require(try HyperparameterSpace(read))
      #expect(again == space, "\(canonical)")
    }
  }

  @Test("scale sides of cutouts with the images, so that they cover the same part") func scaled() throws {
    let space = try #require(HyperparameterSpace(named: "cs3"))
    #expect(space.scaled(to: 32) == space)
    let small = space.scaled(to: 14)
    #expect(small.parameters.first { $0.name == "cutout" }?.domain == .integer(1...14, log: true))
  }
}

@Suite("Experiments with methods of methods") struct ComposedExperimentTests {
  private func experiment(_ methods: String) throws -> Experiment {
    try Experiment(
      yaml: "name: e\nspace: mini\nhorizon: 500\nseeds: 2\nmethods:\n\(methods)\n", file: "e.yaml", registry: registry)
  }

  private func message(_ methods: String) -> String {
    do {
      _ = try experiment(methods)
      return "no error"
    } catch { return "\(error)" }
  }

  @Test("are read, labelled, and written as they are read")
  func read() throws {
    let text = """
      - restarted: {method: {guess: {preset: quick}}}
      - restarted: {method: {guess: {epochs: 5}}}
      - verified: {method: guess, share: 0.5}
      - tuned: {by: bohb, method: {guess: {preset: quick}}, space: {learning-rate: {log: [1e-3, 1]}}, epochs: [2, 6]}
      - tuned: {by: {tpe: {startup: 5}}, method: {restarted: {method: random-search, share: 0.5}}, space: {share: [0.1, 0.9]}, budgets: [100]}
      - guess: {vary: {learning-rate: [0.001, 0.1], epochs: [3, 10]}}
      - guess: {label: each, vary-each: {learning-rate: [0.001, 0.1], epochs: [3, 10]}}
      - guess: {label: planned, horizons: [2, 10]}
      """
    let experiment = try experiment(text)
    #expect(
      experiment.methods.map(\.label) == [
        "restarted guess (method guess quick)", "restarted guess (method guess epochs 5)", "verified guess",
        "tuned guess", "tuned restarted", "guess (epochs 3, learning-rate 0.001)",
        "guess (epochs 10, learning-rate 0.001)".replacing("10, learning-rate 0.001", with: "3, learning-rate 0.1"),
        "guess (epochs 10, learning-rate 0.001)", "guess (epochs 10, learning-rate 0.1)", "each (epochs 3)",
        "each (epochs 10, learning-rate 0.1)", "each (learning-rate 0.001)", "planned (epochs 2)", "planned (epochs 10)",
      ])
    let again = try Experiment(yaml: experiment.yaml(registry: registry), file: "/f.yaml", registry: registry)
    #expect(again == experiment, "\(experiment.yaml(registry: registry))")
    let flags = try Experiment(
      parts: ["horizon": "500", "seeds": "2", "space": "mini", "name": "e"],
      methods: [
        "restarted:{method: {guess: {preset: quick}}}", "verified:method=guess,share=0.5",
      ], registry: registry)
    #expect(flags.methods[0].settings == experiment.methods[0].settings)
    #expect(flags.methods[1].settings == experiment.methods[2].settings)
  }

  @Test("have the revisions and the images of what they run in their identity")
  func identity() throws {
    let experiment = try experiment("- restarted: {method: {verified: {method: guess}}, label: r}\n- guess")
    let identities = try experiment.identities(tableChecksum: "x", registry: registry)
    #expect(identities["r"]?.innerRevisions == ["verified": 1, "guess": 7])
    #expect(identities["guess"]?.innerRevisions == nil)
  }

  @Test(
    "mistakes are one sentence with the line",
    arguments: [
      ("- restarted", "e.yaml, line 6: restarted needs the setting 'method': a method, as in tpe or {tpe: {gamma: 0.2}}"),
      (
        "- restarted: {method: {guess: {epoch: 3}}}",
        "e.yaml, line 6: 'epoch' is no setting of guess; did you mean 'epochs'?"
      ),
      ("- restarted: {method: gess}", "e.yaml, line 6: 'gess' is no method; did you mean 'guess'?"),
      (
        "- restarted: {method: tpe}",
        "e.yaml, line 6: a run of tpe does not end before its budget does, so it would never be restarted; give each "
          + "run a 'share' of the budget, as in 0.1"
      ),
      (
        "- verified: {method: tpe}",
        "e.yaml, line 6: tpe recommends nothing that it has not trained, so there is nothing to verify; give 'method' a "
          + "one-shot method, as in darts"
      ),
      (
        "- tuned: {by: bohb, method: guess, space: {learning-rat: {log: [1e-3, 1]}}}",
        "e.yaml, line 6: 'learning-rat' is no setting of guess; did you mean 'learning-rate'?"
      ),
      (
        "- tuned: {by: bohb, method: guess, space: {learning-rate: {log: [1e-3, 1000]}}}",
        "e.yaml, line 6: '1000.0' is no value for setting 'learning-rate' of guess: use 1e-09 to 100"
      ),
      (
        "- tuned: {by: bohb, method: guess, space: cs4}",
        "e.yaml, line 6: 'cs4' is no space of hyperparameters; did you mean 'cs1'?"
      ),
      (
        "- tuned: {by: bohb, method: guess, space: {learning-rate: {log: [1, 1e-3]}}}",
        "e.yaml, line 6: '{log: [1, 1e-3]}' is no range for 'learning-rate'; write {linear: [0, 1]}, {log: [1e-3, 1]}, "
          + "{integer: [1, 9]}, {log-integer: [2, 32]}, {levels: [1, 2, 4]} in order, or a list of words"
      ),
      (
        "- tuned: {by: bohb, method: guess, space: {learning-rate: {log: [1e-3, 1]}}, epochs: [7, 0.5]}",
        "e.yaml, line 6: '[\"7\",\"0.5\"]' is no value for setting 'epochs' of tuned: use ascending whole numbers from "
          + "1 to 100000, as in [1, 3, 9]"
      ),
      (
        "- tuned: {by: guess, method: guess, space: {learning-rate: {log: [1e-3, 1]}}}",
        "e.yaml, line 6: guess searches architectures only; give 'by' a blackbox method, as in bohb"
      ),
      (
        "- tuned: {by: bohb, method: tpe, space: {gamma: [0.1, 0.5]}}",
        "e.yaml, line 6: a run of tpe does not end before its budget does, so nothing would be tuned; give 'budgets', "
          + "as in [100, 300]"
      ),
      (
        "- guess: {vary: {learning-rate: [0.1, 1000]}}",
        "e.yaml, line 6: '1000' is no value for setting 'learning-rate' of guess: use 1e-09 to 100"
      ),
      (
        "- guess: {vary: {learning-rte: [0.1]}}",
        "e.yaml, line 6: 'learning-rte' is no setting of guess; did you mean 'learning-rate'?"
      ),
      (
        "- random-search: {horizons: [3, 6]}",
        "e.yaml, line 6: random-search is planned for no number of epochs, so it has no 'horizons'"
      ),
    ])
  func mistakes(methods: String, expected: String) { #expect(message(methods) == expected) }
}
