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

/// Has a wrong setting between two right ones.
private struct Picky: Optimizer {
  static let method = Method(
    name: "picky", title: "Picky", family: .oneShot, summary: "", citation: "",
    settings: [Setting("level", \Picky.level, 1...3, "level")])
  var level = 1
  func validate() throws { if level == 2 { throw SettingError("the level 2 is missing") } }
  func search(_ session: Session) throws { try session.spend(seconds: 1) }
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

  @Test("tuned, verified: the failure of a search that found nothing is the run's") func failures() throws {
    let tuned = try run(tuned(by: Scripted { _ in throw RunFailure("it broke") }))
    #expect(tuned.failure == "it broke" && tuned.children[0].failure == "it broke")
    let verified = try run(Verified { $0.optimizer = Unlucky() })
    #expect(verified.failure == "it diverged" && verified.spent.seconds == 7)
  }

  @Test("tuned: settings that contradict each other between the ends of their ranges are a failure of the run")
  func between() throws {
    let method = Tuned {
      ($0.tuner, $0.optimizer) = (RandomSearch(), Picky())
      $0.space = HyperparameterSpace([Parameter("level", .integer(1...3))])
    }
    try method.validate()
    #expect(try run(method).failure == "'space' allows {level: 2}, but the level 2 is missing")
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

  @Test(
    "that vary methods, spaces and lists are read, and written as they are read",
    arguments: [
      // Without a level, none of these is a whole method.
      "- restarted: {method: random-search, vary: {share: [0.1, 0.2]}}",
      "- restarted: {share: 0.1, vary: {method: [random-search, {tpe: {gamma: 0.2}}]}}",
      "- regularized-evolution: {population: 5, vary: {sample: [2, 3]}}",
      "- tuned: {method: guess, space: {learning-rate: {log: [0.1, 1]}}, vary-each: {by: [tpe, {bohb: {eta: 2}}]}}",
      """
      - tuned:
          by: tpe
          method: guess
          vary: {space: [{learning-rate: {log: [0.1, 1]}}, {cost: [1, 9]}], epochs: [[2, 6], [3]]}
      """,
      // What is in brackets is one list with the levels.
      """
      - restarted: {method: {guess: {preset: quick}}, vary: {share: [0.5, 0.6]}}
      - restarted: {method: {guess: {epochs: 5}}}
      """,
      "- guess: {epochs: 5, vary-each: {epochs: [5, 6], learning-rate: [0.1, 0.2]}}",
    ])
  func varied(methods: String) throws {
    let experiment = try experiment(methods)
    let written = experiment.yaml(registry: registry)
    let again = try Experiment(yaml: written, file: "/f.yaml", registry: registry)
    #expect(experiment.methods.count > 1 && again == experiment, "\(written)")
  }

  @Test("files of inner methods are as those of outer ones: from the experiment's folder, with their content")
  func files() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "files-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let known = Registry(composedMethods + oneShotMethods)
    func write(_ seconds: Int) throws {
      let cell = "0111|0010|0001|0000 input,conv3x3-bn-relu,maxpool3x3,output"
      let epoch = #"{"epoch": 1, "seconds": \#(seconds), "cell": "\#(cell)"}"#
      try Data(#"{"space": "mini", "epochs": [\#(epoch)]}"#.utf8).write(to: folder.appending(path: "p.json"))
    }
    func read(_ text: String) throws -> Experiment {
      try Experiment(yaml: text, file: folder.appending(path: "e.yaml").path, registry: known)
    }
    try write(3)
    let first = try read(
      """
      space: mini
      horizon: 9
      seeds: 1
      methods:
        - trace: {file: p.json}
        - restarted: {vary: {method: [{trace: {file: p.json}}, {verified: {method: {trace: {file: p.json}}}}]}}
      """)
    #expect(first.methods.allSatisfy { "\($0.settings.values)".contains(" p.json") })
    let text = first.yaml(registry: known)
    #expect(try text.matches(of: Regex("file: \"?p.json")).count == 3 && read(text) == first, "\(text)")
    let optimizers = try first.methods.map { try known.at(folder).optimizer(named: $0.method, $0.settings) }
    for optimizer in optimizers { #expect(try run(optimizer).spent.seconds > 2) }

    // Another content makes other runs, and none under the old name.
    try write(4)
    #expect(try zip(read(text).methods, first.methods).allSatisfy { $0.settings != $1.settings })
    for optimizer in optimizers {
      #expect(throws: SettingError("the file 'p.json' has changed since its path was read; start the command again")) {
        try run(optimizer)
      }
    }
    let digest = try #require(first.methods[0].settings.values["file"]?.prefix(16))
    for method in ["trace: {file: \(digest) p.json}", "restarted: {method: {trace: {file: \(digest) p.json}}}"] {
      let old = "space: mini\nhorizon: 9\nseeds: 1\nmethods:\n  - \(method)\n"
      #expect(throws: ExperimentFileError.self) { try read(old) }
    }
  }

  private func run(_ optimizer: any Optimizer) throws -> RunResult {
    try Anytime.run(optimizer, on: OptimizerConformance.benchmark(), policy: .fair, horizon: 9, seed: 0)
  }

  @Test(
    "what a table's images, or the horizon, do not allow is refused before the first run",
    arguments: [
      ("- darts: {preset: quick, batch-size: 97}", "darts: \(few(97))"),
      ("- darts: {preset: quick, batch-size: 96}", nil),
      ("- spos: {preset: quick, vary: {batch-size: [32, 128]}}", "spos (batch-size 128): \(few(128))"),
      ("- zero-cost: {batch-size: 97}", "zero-cost: \(few(97))"),
      ("- zero-cost: {batch-size: 97, proxy: parameters}", nil),
      (
        "- restarted: {method: {verified: {method: {gdas: {preset: quick, batch-size: 500}}}}}",
        "restarted verified: \(few(500))"
      ),
      (
        "- tuned: {by: tpe, method: {darts: {preset: quick}}, space: {batch-size: {log-integer: [16, 128]}}}",
        "tuned darts: \(few(128))"
      ),
      // A space of too many corners to check all.
      ("- tuned: {by: tpe, method: {darts: {preset: quick}}, space: cs3, epochs: [2, 4]}", "tuned darts: \(few(128))"),
      (
        "- pc-darts: {preset: quick, channels: 6}",
        "pc-darts: 6 channels cannot be cut into 4 equal parts; set 'channels' to a multiple of 4"
      ),
      (
        "- tuned: {by: tpe, method: tpe, space: {gamma: [0.1, 0.2]}, budgets: [500]}",
        "tuned tpe: a search for 500, the least of 'budgets', would spend the whole budget, so nothing would "
          + "be tuned; give smaller 'budgets'"
      ),
      ("- tuned: {by: tpe, method: tpe, space: {gamma: [0.1, 0.2]}, budgets: [499, 600]}", nil),
      (
        "- restarted: {method: {tuned: {by: tpe, method: tpe, space: {gamma: [0.1, 0.2]}, budgets: [50]}}, share: 0.1}",
        "restarted tuned: a search for 50, the least of 'budgets', would spend the whole budget, so "
          + "nothing would be tuned; give smaller 'budgets'"
      ),
    ])
  func conditions(methods: String, problem: String?) throws {
    let known = Registry(blackboxMethods + composedMethods + oneShotMethods)
    let text = "space: mini\nhorizon: 500\nseeds: 2\nmethods:\n- random-search\n\(methods)\n"
    let experiment = try Experiment(yaml: text, file: "e.yaml", registry: known)
    var found: String?
    do { try experiment.checkMethods(on: OptimizerConformance.benchmark(), registry: known) } catch {
      found = "\(error)"
    }
    #expect(found == problem.map { "e.yaml, line 6: \($0)" })
  }

  private static func few(_ batch: Int) -> String {
    "weights are trained on 96 images, fewer than the batch of \(batch); set a smaller 'batch-size'"
  }

  @Test("ranges need to be valid together, and not beside the defaults") func together() {
    func tuned(_ space: String) -> String {
      message("- tuned: {by: tpe, method: regularized-evolution, space: \(space), budgets: [30]}")
    }
    #expect(tuned("{population: {integer: [2, 9]}, sample: {integer: [1, 2]}}") == "no error")
    #expect(
      tuned("{population: {integer: [20, 100]}, sample: {integer: [1, 50]}}")
        == "e.yaml, line 6: 'space' allows {population: 20, sample: 50}, but a sample of 50 cannot be drawn from a "
        + "population of 20; set 'sample' to at most that")
  }

  @Test("have the revisions and the images of what they run in their identity")
  func identity() throws {
    let experiment = try experiment("- restarted: {method: {verified: {method: guess}}, label: r}\n- guess")
    let identities = try experiment.identities(tableChecksum: "x", registry: registry)
    #expect(identities["r"]?.innerRevisions == ["verified": 1, "guess": 7])
    #expect(identities["guess"]?.innerRevisions == nil)
  }

  @Test(
    "depend on images if any point of a space does",
    arguments: [("[parameters, multiply-accumulates]", false), ("[parameters, nwot]", true)])
  func images(proxies: String, expected: Bool) throws {
    let known = Registry(blackboxMethods + composedMethods + oneShotMethods)
    let text = """
      space: mini
      horizon: 500
      seeds: 1
      methods:
        - tuned: {by: tpe, method: {zero-cost: {proxy: parameters}}, space: {proxy: \(proxies)}, budgets: [9]}
      """
    let entry = try #require(try Experiment(yaml: text, file: "e.yaml", registry: known).methods.first)
    #expect(try known.optimizer(named: entry.method, entry.settings).usesImages == expected)
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
        "e.yaml, line 6: '[7, 0.5]' is no value for setting 'epochs' of tuned: use ascending whole numbers from "
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
      (
        "- guess: {horizons: 5}",
        "e.yaml, line 6: levels of 'horizons' are a list without repetitions, as in [10, 30]"
      ),
      (
        "- guess: {horizons: []}",
        "e.yaml, line 6: levels of 'horizons' are a list without repetitions, as in [10, 30]"
      ),
      (
        "- guess: {vary: {learning-rate: [0.1, 0.10]}}",
        "e.yaml, line 6: levels of 'learning-rate' are a list without repetitions, and 0.10 is one; leave it out"
      ),
      (
        "- guess: {vary-each: {epochs: [5, +5]}}",
        "e.yaml, line 6: levels of 'epochs' are a list without repetitions, and +5 is one; leave it out"
      ),
      (
        "- restarted: {share: 0.1, vary: {method: [tpe, {tpe: {}}]}}",
        "e.yaml, line 6: levels of 'method' are a list without repetitions, and {tpe: {}} is one; leave it out"
      ),
      (
        "- tuned: {by: bohb, method: guess, space: {learning-rate: {levels: [0.2, 0.20]}}}",
        "e.yaml, line 6: the values of 'learning-rate' in 'space' repeat '0.20'; leave one out"
      ),
      (
        "- guess: {epochs: 5, vary: {epochs: [2, 3]}}",
        "e.yaml, line 6: 'epochs' is given, and 'vary' varies it; leave one of them out"
      ),
      (
        "- guess: {epochs: 5, horizons: [2, 3]}",
        "e.yaml, line 6: 'epochs' is given, and 'horizons' varies it; leave one of them out"
      ),
      (
        "- tuned: {by: bohb, method: guess, space: {epochs: {log: [1, 9]}}}",
        "e.yaml, line 6: 'epochs' of guess is a whole number; write its range as in {log-integer: [1, 9]}"
      ),
      (
        "- tuned: {by: bohb, method: guess, space: {epochs: [1, 9]}}",
        "e.yaml, line 6: 'epochs' of guess is a whole number; write its range as in {integer: [1, 9]}"
      ),
      (
        "- tuned: {by: bohb, method: guess, space: {epochs: {integer: [1, 9]}}, epochs: [1, 9]}",
        "e.yaml, line 6: 'epochs' are a hyperparameter of 'space', and fidelities too; leave out one of them"
      ),
      (
        "- tuned: {by: bohb, method: {verified: {method: guess}}, space: {method: [guess, idle]}}",
        "e.yaml, line 6: a method is no hyperparameter; take 'method' out of 'space' and 'vary' it instead"
      ),
      (
        "- restarted: {method: {guess: {vary: {epochs: [1, 2]}}}}",
        "e.yaml, line 6: 'vary' belongs to the outer entry, and not to guess inside it; vary the method as a whole, as "
          + "in vary: {method: [tpe, {tpe: {gamma: 0.2}}]}"
      ),
      (
        "- restarted: {method: {guess: {label: a}}}",
        "e.yaml, line 6: 'label' belongs to the outer entry, and not to guess inside it; move it there"
      ),
      (
        "- guess: {label: a, cost: 2, vary: {epochs: [2, 3]}}\n- guess: {label: a, cost: 9, vary: {epochs: [4, 5]}}",
        "e.yaml, line 7: two methods are called 'a'; give one a 'label'"
      ),
      (
        "- guess: {label: a, vary: {epochs: [2, 3]}}\n- guess: {label: a, vary-each: {epochs: [4, 5]}}",
        "e.yaml, line 7: two methods are called 'a'; give one a 'label'"
      ),
      (
        "- guess: {vary: {epochs: [2, 3]}}\n- tpe: {label: guess}",
        "e.yaml, line 7: two methods are called 'guess'; give one a 'label'"
      ),
      (
        "- tpe: {label: a}\n- guess: {label: a, horizons: [2, 3]}",
        "e.yaml, line 7: two methods are called 'a'; give one a 'label'"
      ),
    ])
  func mistakes(methods: String, expected: String) { #expect(message(methods) == expected) }
}
