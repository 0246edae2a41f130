import Anytime
import Blackbox
import Experiments
import Foundation
import GRDB
import OneShot
import OptimizerConformance
import SearchSpaces
import TabularBenchmark
import Testing

/// A method made of a closure.
private struct Scripted: Optimizer {
  static let method = Method(name: "scripted", title: "Scripted", summary: "", citation: "")
  nonisolated(unsafe) static var body: @Sendable (Session) throws -> Void = { _ in }
  init() {}
  func search(_ session: Session) throws { try Self.body(session) }
}

@Suite("A run's identity") struct IdentityTests {
  private let base = RunIdentity(
    method: "m", revision: 1, settings: Settings(of: RegularizedEvolution()), space: "mini", tableChecksum: "0",
    horizon: 1, policy: .fair)

  @Test("changes with every part of a run") func digest() {
    var others: [RunIdentity] = []
    for change in 0..<8 {
      var other = base
      switch change {
      case 0: other.method = "n"
      case 1: other.settings = ["sample": "3"]
      case 2: other.space = "1"
      case 3: other.tableChecksum = "1"
      case 4: other.horizon = 2
      case 5: other.policy = ["resume": "true"]
      case 6: other.revision = 2
      default: other.numerics = Numerics(images: "i", library: "l")
      }
      others.append(other)
    }
    #expect(Set((others + [base]).map(\.digest)).count == 9)
    // What an experiment asks for is the same for all revisions and libraries.
    #expect(Set((others + [base]).map(\.question)).count == 7)
    #expect(base.digest.count == 64)
  }

  @Test("does not change with a policy's name, nor with settings that are the defaults") func names() throws {
    var policy = BudgetPolicy.nasBench101
    for setting in BudgetPolicy.settings { try policy.set(setting.name, to: setting.text(in: BudgetPolicy.fair)) }
    #expect(policy.name != BudgetPolicy.fair.name)
    let same = RunIdentity(
      method: "m", revision: 1,
      settings: try Settings(RegularizedEvolution.method, ["population": "100", "sample": "10"]), space: "mini",
      tableChecksum: "0", horizon: 1, policy: policy)
    #expect(same == base && same.digest == base.digest)
  }
}

@Suite("Numerics of runs") struct NumericsTests {
  private func unpinned(_ library: String?, device: String? = nil) throws -> String? {
    RunIdentity(
      method: "gdas", revision: 1, settings: try Settings(GDAS.method, device.map { ["device": $0] } ?? [:]),
      space: "mini", tableChecksum: "0", horizon: 1, policy: .fair,
      numerics: library.map { Numerics(images: "i", library: $0) }
    ).unpinnedNumerics
  }

  @Test("are named unless they are those that are the same on every machine") func names() throws {
    let pinned = "libtorch 1.13.0 AVX2, oneDNN AVX2"
    #expect(try unpinned(pinned) == nil && unpinned(pinned, device: "cpu") == nil && unpinned(nil) == nil)
    for other in [
      "libtorch 1.13.0 NO AVX, oneDNN SSE41", "libtorch 1.13.0 NO AVX", "libtorch 2.6.0 AVX2, oneDNN AVX2",
      "libtorch 1.13.0 AVX512, oneDNN AVX2",
    ] { #expect(try unpinned(other) == other) }
    #expect(try unpinned(pinned, device: "cuda:1") == pinned + " on cuda:1")
  }
}

@Suite("The run store", .serialized) struct RunStoreTests {
  let folder: URL
  let registry = Registry(blackboxMethods + oneShotMethods + [Scripted.self])
  var path: String { folder.appending(path: "s.db").path }

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "store-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  private func remove() { try? FileManager.default.removeItem(at: folder) }
  private func content() throws -> Data { try Data(contentsOf: URL(filePath: path)) }
  private func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }

  private func experiment(_ methods: [String], seeds: String = "3") throws -> Experiment {
    try Experiment(
      parts: ["name": "e", "space": "mini", "horizon": "600", "seeds": seeds], methods: methods, registry: registry)
  }

  @discardableResult private func run(
    _ experiment: Experiment, threads: Int = 2, retryFailed: Bool = false
  ) async throws -> ExperimentResults {
    let runner = try Runner(
      experiment: experiment, benchmark: OptimizerConformance.benchmark(), registry: registry,
      store: RunStore(path: path, registry: registry))
    try await runner.run(threads: threads, retryFailed: retryFailed)
    return try runner.results()
  }

  @Test("gives back what was put in, and keeps the first of two runs of a seed") func roundTrip() throws {
    defer { remove() }
    let identity = RunIdentity(
      method: "random-search", revision: 1, settings: Settings(of: RandomSearch()), space: "mini",
      tableChecksum: "0", horizon: 900, policy: .fair)
    var result = try Anytime.run(
      RandomSearch(), on: OptimizerConformance.benchmark(), policy: .fair, horizon: 900, seed: .max)
    let store = try RunStore(path: path, registry: registry)
    try store.add(result, identity: identity, seed: .max)
    let first = result
    result.overheadSeconds = 9
    try store.add(result, identity: identity, seed: .max)
    let stored = try RunStore(reading: path, registry: registry).results(of: identity, seeds: [.max])
    #expect(stored.map(\.seed) == [.max] && stored.first?.result == first)
    #expect(try store.seeds(of: identity) == [.max])
  }

  @Test("adds seeds to an experiment, and refuses another one of its name") func extended() throws {
    defer { remove() }
    let store = try RunStore(path: path, registry: registry)
    func extend(_ seeds: String, horizon: Double = 600, onlyChecks: Bool = false) throws {
      var experiment = try experiment(["random-search"], seeds: seeds)
      experiment.horizon = horizon
      let identities = try experiment.identities(tableChecksum: "0", registry: registry)
      try store.extend(experiment, tableChecksum: "0", identities: identities, onlyChecks: onlyChecks)
    }
    func seeds() throws -> [[UInt64]] { try store.experiments().map { try $0.experiment().seeds } }
    try extend("7-7", onlyChecks: true)
    #expect(try seeds() == [])
    for range in ["7-7", "3-4", "7-7"] { try extend(range) }
    #expect(try seeds() == [[3, 4, 7]])
    for onlyChecks in [true, false] {
      #expect(throws: RunStoreError.otherExperiment(path, name: "e")) {
        try extend("8-8", horizon: 601, onlyChecks: onlyChecks)
      }
    }
    #expect(try seeds() == [[3, 4, 7]])
  }

  @Test("tells with the results what trained networks, where other machines may give other bits")
  func numerics() throws {
    defer { remove() }
    let store = try RunStore(path: path, registry: registry)
    let result = try Anytime.run(
      RandomSearch(), on: OptimizerConformance.benchmark(), policy: .fair, horizon: 600, seed: 0)
    for (name, library) in [("old", "libtorch 1.13.0 NO AVX, oneDNN SSE41"), ("pinned", Numerics.pinnedLibrary)] {
      var experiment = try experiment(["random-search", "gdas"], seeds: "1")
      experiment.name = name
      let identities = try experiment.identities(
        tableChecksum: "0", registry: registry, numerics: Numerics(images: "i", library: library))
      try store.save(experiment, tableChecksum: "0", identities: identities)
      for identity in identities.values { try store.add(result, identity: identity, seed: 0) }
      let stored = try #require(try store.experiments().first { $0.name == name })
      let results = try store.results(of: stored, registry: registry)
      #expect(results.missingRuns == 0)
      #expect(results.methods.map(\.unpinnedNumerics) == [nil, name == "old" ? library : nil])
    }
  }

  @Test("writes architectures as the text that it always wrote, and reads them back") func architectures() throws {
    defer { remove() }
    let (first, second) = ("09fc2d10bdd6225e167a6f81a22a3f06", "52e567b5b32ee5cbf4a2da75ee75f63f")
    let trace = """
      {"amount":3,"cell":"\(second)","epoch":1,"errors":{"\(first)":0.5,"\(second)":0.25},\
      "values":{"supernet loss":2},"weights":[[0.25,0.75]]}
      """
    let children = """
      [{"amount":2,"children":[],"end":"finished","incumbent":{"cell":4294967297,"epochs":6,"validationAccuracy":0.5},\
      "ledger":[],"method":"m","name":"c","spent":{"epochs":0,"evaluations":0,"seconds":2}}]
      """
    func decoded<Value: Decodable>(_ text: String) throws -> Value {
      try JSONDecoder().decode(Value.self, from: Data(text.utf8))
    }
    let result = RunResult(
      trajectory: [first, second].compactMap(Architecture.ID.init).enumerated().map { step, id in
        TrajectoryPoint(
          amount: Double(step), spent: Spending(seconds: 1), architecture: id, epochs: 9, validationRegret: 0.5,
          testRegret: nil, finalTrainingSeconds: 0)
      }, spent: Spending(seconds: 5), ledger: [], overheadSeconds: 0, trace: [try decoded(trace)],
      children: try decoded(children))
    #expect(result.children[0].incumbent?.architecture?.description == "01|00 input,output")
    let identity = RunIdentity(
      method: "random-search", revision: 1, settings: Settings(of: RandomSearch()), space: "mini",
      tableChecksum: "0", horizon: 900, policy: .fair)
    let store = try RunStore(path: path, registry: registry)
    try store.add(result, identity: identity, seed: 0)
    #expect(try store.results(of: identity, seeds: [0]).map(\.result) == [result])
    func column(_ sql: String) throws -> [String] {
      try DatabaseQueue(path: path).read { try String.fetchAll($0, sql: sql) }
    }
    #expect(try column("SELECT cell FROM trajectory ORDER BY step") == [first, second])
    #expect(try column("SELECT json FROM trace") == [trace])
    #expect(try column("SELECT children FROM run") == [children])
  }

  @Test("leaves files that are something else as they are, and says what they are") func wrongFiles() throws {
    defer { remove() }
    #expect(throws: RunStoreError.missing(path)) { try RunStore(reading: path, registry: registry) }
    for content in [Data("this is not SQLite, whatever its name says".utf8), Data()] {
      try content.write(to: URL(filePath: path))
      #expect(throws: RunStoreError.notAStore(path)) { try RunStore(reading: path, registry: registry) }
      if !content.isEmpty {
        #expect(throws: RunStoreError.notAStore(path)) { try RunStore(path: path, registry: registry) }
      }
      #expect(try self.content() == content)
    }
    try FileManager.default.removeItem(atPath: path)
    try DatabaseQueue(path: path).write { try $0.execute(sql: "CREATE TABLE mine (a); INSERT INTO mine VALUES (1)") }
    let before = try content()
    #expect(throws: RunStoreError.notAStore(path)) { try RunStore(path: path, registry: registry) }
    #expect(try content() == before && names() == ["s.db"])
  }

  @Test("is read in place: nothing is written, not even beside it") func reading() async throws {
    defer { remove() }
    try await run(experiment(["random-search"]))
    let before = try content()
    let stored = try #require(try RunStore(reading: path, registry: registry).experiments().first)
    #expect(try RunStore(reading: path, registry: registry).results(of: stored, registry: registry).missingRuns == 0)
    #expect(try content() == before && names() == ["s.db"])
  }

  @Test("is read while another program adds runs, with what is only in its log") func log() async throws {
    defer { remove() }
    let experiment = try experiment(["random-search"])
    let writer = try RunStore(path: path, registry: registry)
    let runner = try Runner(
      experiment: experiment, benchmark: OptimizerConformance.benchmark(), registry: registry, store: writer)
    try await runner.run(threads: 1)
    #expect(try names().contains("s.db-wal"))
    let stored = try #require(try RunStore(reading: path, registry: registry).experiments().first)
    #expect(try RunStore(reading: path, registry: registry).results(of: stored, registry: registry).missingRuns == 0)
    _ = writer.path
  }

  @Test("of a newer program is refused, of another schema too") func otherSchemas() async throws {
    defer { remove() }
    try await run(experiment(["random-search"]))
    try await DatabaseQueue(path: path).write { try $0.execute(sql: "PRAGMA user_version = 9") }
    for open in [{ try RunStore(path: $0, registry: $1) }, { try RunStore(reading: $0, registry: $1) }] {
      #expect(throws: RunStoreError.newer(path, version: 9)) { try open(path, registry) }
    }
    try await DatabaseQueue(path: path).write {
      try $0.execute(sql: "PRAGMA user_version = 2; ALTER TABLE run RENAME COLUMN overhead_seconds TO o")
    }
    let store = try RunStore(reading: path, registry: registry)
    let error = #expect(throws: RunStoreError.self) {
      for stored in try store.experiments() { _ = try store.results(of: stored, registry: registry) }
    }
    #expect("\(error.map { "\($0)" } ?? "")".contains("has not the tables that this program writes"))
  }

  @Test("that another program holds is said to be held") func locked() throws {
    defer { remove() }
    _ = try RunStore(path: path, registry: registry)
    #expect("\(RunStoreError.locked(path))".contains("another program holds the run store"))
  }

  @Test("of version 0.1 is brought up to date, and its runs are found again") func migration() async throws {
    defer { remove() }
    let old = try #require(Bundle.module.url(forResource: "store-0.1", withExtension: nil))
    try FileManager.default.copyItem(at: old, to: URL(filePath: path))
    let before = try content()
    // Read in place first, then written.
    for store in [try RunStore(reading: path, registry: registry), try RunStore(path: path, registry: registry)] {
      let experiments = try store.experiments()
      #expect(experiments.map(\.name) == ["first", "second"])
      for stored in experiments {
        let results = try store.results(of: stored, registry: registry)
        // The supernets of version 0.1 had other last bits: a run of them is another run.
        let supernets = results.methods.filter { $0.entry.method == "gdas" }
        #expect(results.missingRuns == supernets.count)
        #expect(supernets.allSatisfy { $0.runs.isEmpty && $0.otherRuns == 1 })
        #expect(try stored.experiment().methods[1].settings.values == ["population": "5", "sample": "2"])
        // Nobody knows with which library version 0.1 trained its supernets.
        let identities = try results.experiment.identities(
          tableChecksum: results.tableChecksum, registry: registry, numerics: Numerics(images: "i", library: "l"))
        for (label, identity) in identities {
          #expect(try store.seeds(of: identity).isEmpty == (label == "gdas"))
        }
      }
    }
    #expect(try content() != before)
    // Two policies of other names but equal fields were stored twice: now they are one.
    let count = try await DatabaseQueue(path: path).read { try Int.fetchOne($0, sql: "SELECT COUNT(*) FROM run") }
    #expect(count == 5)
  }

  @Test("keeps readable experiments readable beside one that is not") func unreadable() async throws {
    defer { remove() }
    try await run(experiment(["random-search"]))
    try await DatabaseQueue(path: path).write { database in
      try database.execute(
        sql: "INSERT INTO experiment VALUES ('alien', '{\"horizon\": 1}', 'x', '{}')")
      try database.execute(
        sql: """
          INSERT INTO experiment
          SELECT 'lost method', replace(json, 'random-search', 'gone'), table_checksum, identities FROM experiment WHERE name = 'e'
          """)
    }
    let store = try RunStore(reading: path, registry: registry)
    let stored = try store.experiments()
    #expect(stored.map(\.name) == ["alien", "e", "lost method"])
    #expect(throws: RunStoreError.self) { try stored[0].experiment() }
    #expect(try store.results(of: stored[1], registry: registry).missingRuns == 0)
    #expect(throws: UnknownWord.self) { try store.results(of: stored[2], registry: registry) }
  }

  @Test("runs of another revision or library are counted, not mixed") func others() async throws {
    defer { remove() }
    let experiment = try experiment(["random-search"])
    try await run(experiment)
    let store = try RunStore(path: path, registry: registry)
    var identities = try experiment.identities(
      tableChecksum: OptimizerConformance.benchmark().table.checksum, registry: registry)
    identities["random-search"]?.revision = 7
    let results = try store.results(
      of: experiment, tableChecksum: "", identities: identities, registry: registry)
    #expect(results.methods[0].runs.isEmpty && results.methods[0].otherRuns == 3)
  }

  @Test("a run that fails is stored with its reason, stops no other, and is made again when asked") func failures()
    async throws
  {
    defer { remove() }
    Scripted.body = { session in
      try session.evaluate(session.space.sample(using: &session.random))
      throw RunFailure("the loss is not a number")
    }
    let experiment = try experiment(["scripted", "random-search"], seeds: "2")
    let results = try await run(experiment)
    #expect(results.missingRuns == 0)
    #expect(results.methods[0].runs.map(\.result.failure) == ["the loss is not a number", "the loss is not a number"])
    #expect(results.methods[0].runs.allSatisfy { $0.result.trajectory.count == 1 })
    #expect(results.methods[1].runs.allSatisfy { $0.result.failure == nil && $0.result.trajectory.count > 1 })
    Scripted.body = { try $0.evaluate($0.space.sample(using: &$0.random)) }
    #expect(try await run(experiment).methods[0].runs.allSatisfy { $0.result.failure != nil })
    #expect(try await run(experiment, retryFailed: true).methods[0].runs.allSatisfy { $0.result.failure == nil })
  }

  @Test("what is wrong outside a run ends that method alone, and is said in the end") func broken() async throws {
    defer { remove() }
    struct Trouble: Error {}
    Scripted.body = { _ in throw Trouble() }
    let experiment = try experiment(["scripted", "random-search"], seeds: "2")
    await #expect(throws: Trouble.self) { try await run(experiment) }
    let stored = try #require(try RunStore(reading: path, registry: registry).experiments().first)
    let results = try RunStore(reading: path, registry: registry).results(of: stored, registry: registry)
    #expect(results.methods.map(\.runs.count) == [0, 2])
  }

  @Test("a horizon that buys more than a billion trainings is refused before the first run")
  func horizon() async throws {
    defer { remove() }
    for (policy, horizon) in [("fair", "1e12"), ("nas-bench-101", "2e9"), ("fair,currency=epochs", "1e11")] {
      let experiment = try Experiment(
        parts: ["space": "mini", "horizon": horizon, "seeds": "1", "policy": policy], methods: ["random-search"],
        registry: registry)
      let error = await #expect(throws: SettingError.self) { try await run(experiment) }
      #expect(error?.description.contains("would buy more than a billion trainings") == true)
    }
  }
}
