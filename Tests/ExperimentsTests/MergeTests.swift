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

@Suite("A merge of run stores") struct MergeTests {
  let folder: URL
  let registry = Registry(blackboxMethods + oneShotMethods)

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "merge-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  private func remove() { try? FileManager.default.removeItem(at: folder) }
  private func path(_ name: String) -> String { folder.appending(path: name + ".sqlite").path }
  private func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }
  private func content(_ path: String) throws -> Data { try Data(contentsOf: URL(filePath: path)) }

  private func experiment(_ seeds: String = "4", name: String = "e", horizon: String = "600") throws -> Experiment {
    try Experiment(
      parts: ["name": name, "space": "mini", "horizon": horizon, "seeds": seeds],
      methods: ["random-search", "regularized-evolution:population=5,sample=2", "tpe:seeds=2"], registry: registry)
  }

  /// Runs an experiment, or a shard of it, into a store of its own.
  @discardableResult private func run(_ experiment: Experiment, _ name: String, shard: Shard? = nil) async throws
    -> String
  {
    let store = try RunStore(path: path(name), registry: registry)
    let runner = try Runner(
      experiment: experiment, benchmark: OptimizerConformance.benchmark(), registry: registry, store: store,
      shard: shard)
    try await runner.run(threads: 1)
    try store.finish()
    return path(name)
  }

  @discardableResult private func merge(_ inputs: [String], _ name: String, several: Bool = false) throws -> Int {
    try RunStore.merge(inputs, into: path(name), several: several, registry: registry)
  }

  private func change(_ path: String, _ sql: String) throws {
    let queue = try DatabaseQueue(path: path)
    try queue.write { database in
      try database.execute(sql: sql)
      #expect(database.changesCount == 1, "\(sql)")
    }
    try queue.close()
  }

  /// All that a store holds, row by row.
  private func rows(_ name: String) throws -> [String] {
    try DatabaseQueue(path: path(name)).read { database in
      try [
        "experiment ORDER BY name", "identity ORDER BY id", "run ORDER BY id", "trajectory ORDER BY run_id, step",
        "trace ORDER BY run_id, epoch",
      ].flatMap { try Row.fetchAll(database, sql: "SELECT * FROM " + $0).map(\.description) }
    }
  }

  private func results(_ path: String) throws -> [[String: RunResult]] {
    let store = try RunStore(reading: path, registry: registry)
    return try store.experiments().map { stored in
      var results: [String: RunResult] = [:]
      for method in try store.results(of: stored, registry: registry).methods {
        for (seed, result) in method.runs {
          var timeless = result
          timeless.overheadSeconds = 0
          results["\(method.entry.label) \(seed)"] = timeless
        }
      }
      return results
    }
  }

  /// All orders of some values.
  private func permutations(_ values: [String]) -> [[String]] {
    values.isEmpty
      ? [[]]
      : values.indices.flatMap { index in
        var rest = values
        let first = rest.remove(at: index)
        return permutations(rest).map { [first] + $0 }
      }
  }

  @Test("of all shards is the store of one program, whatever their order, also merged in steps") func shards()
    async throws
  {
    defer { remove() }
    let experiment = try experiment()
    let whole = try await run(experiment, "whole")
    var shards: [String] = []
    for index in 1...4 {
      shards.append(try await run(experiment, "\(index)", shard: Shard(index: index, count: 4)))
    }
    let before = try shards.map(content)
    try #expect(merge(shards, "all") == 10)
    #expect(try results(path("all")) == results(whole) && results(whole)[0].count == 10)
    let rows = try rows("all")
    for (number, order) in permutations(shards).enumerated() {
      try merge(order, "order \(number)")
      #expect(try self.rows("order \(number)") == rows)
    }
    try merge([shards[2], shards[0]], "half")
    try merge([shards[3], path("half"), shards[1], shards[2]], "steps")
    #expect(try self.rows("steps") == rows)
    // What is there already stays.
    try #expect(merge([shards[1], shards[3]], "half") == 10)
    #expect(try self.rows("half") == rows)
    #expect(try shards.map(content) == before)
    #expect(try names().allSatisfy { $0.hasSuffix(".sqlite") })
    // The program goes on with such a store.
    try await run(self.experiment("6"), "all")
    #expect(try results(path("all"))[0].count == 14)
  }

  @Test("keeps the least overhead of a run that several stores have") func overhead() async throws {
    defer { remove() }
    let a = try await run(experiment(), "a")
    for (name, seconds) in [("b", 1e-9), ("c", 5)] {
      try FileManager.default.copyItem(atPath: a, toPath: path(name))
      let queue = try DatabaseQueue(path: path(name))
      try await queue.write { try $0.execute(sql: "UPDATE run SET overhead_seconds = \(seconds)") }
      try queue.close()
    }
    for order in permutations([a, path("b"), path("c")]) {
      try? FileManager.default.removeItem(atPath: path("all"))
      try #expect(merge(order, "all") == 10)
      let overheads = try await DatabaseQueue(path: path("all")).read {
        try Double.fetchAll($0, sql: "SELECT DISTINCT overhead_seconds FROM run")
      }
      #expect(overheads == [1e-9])
    }
  }

  @Test(
    "finds a contradiction in any part of a run, and names both stores",
    arguments: [
      "UPDATE run SET spent_seconds = spent_seconds + 1 WHERE id = 3",
      "UPDATE run SET evaluations = evaluations + 1 WHERE id = 3", "UPDATE run SET ledger = '[]' WHERE id = 3",
      "UPDATE run SET children = '[]' WHERE id = 3",
      "UPDATE trajectory SET validation_regret = validation_regret + 1e-15 WHERE run_id = 3 AND step = 1",
      "UPDATE trajectory SET test_regret = NULL WHERE run_id = 3 AND step = 0",
      "UPDATE trajectory SET cell = '' WHERE run_id = 3 AND step = 1",
      "UPDATE trajectory SET step = 99 WHERE run_id = 3 AND step = 1",
      "DELETE FROM trajectory WHERE run_id = 3 AND step = 1", "INSERT INTO trace VALUES (3, 1, '{}')",
    ])
  func contradictions(change: String) async throws {
    defer { remove() }
    let a = try await run(experiment(), "a")
    let b = path("b")
    try FileManager.default.copyItem(atPath: a, toPath: b)
    try self.change(b, change)
    let (label, seed) = try await DatabaseQueue(path: a).read { database in
      let row = try #require(
        try Row.fetchOne(
          database, sql: "SELECT json, seed FROM run JOIN identity i ON i.id = identity_id WHERE run.id = 3"))
      let identity = try JSONDecoder().decode(RunIdentity.self, from: Data((row[0] as String).utf8))
      return (identity.method, row[1] as String)
    }
    for (first, second) in [(a, b), (b, a)] {
      #expect(throws: RunStoreError.contradiction(first, second, label: label, seed: seed)) {
        try merge([first, second], "all")
      }
      #expect(try names() == ["a.sqlite", "b.sqlite"])
    }
  }

  @Test("prefers finished runs to failed ones, and of two failures one, whatever the order") func failures()
    async throws
  {
    defer { remove() }
    let a = try await run(experiment(), "a")
    for name in ["b", "c"] { try FileManager.default.copyItem(atPath: a, toPath: path(name)) }
    // Run 1 failed in a alone, run 2 in all of them with reasons of their own, run 3 in b and c with the same.
    try change(a, "UPDATE run SET failure = 'none' WHERE id = 1")
    for (name, reason) in [("a", "x"), ("b", "w"), ("c", "y")] {
      try change(path(name), "UPDATE run SET failure = '\(reason)' WHERE id = 2")
    }
    for name in ["b", "c"] {
      try change(path(name), "UPDATE run SET failure = 'same' WHERE id = 3")
      try change(path(name), "DELETE FROM trajectory WHERE run_id = 3 AND step = 1")
    }
    var rows: [String]?
    for order in permutations([a, path("b"), path("c")]) {
      try? FileManager.default.removeItem(atPath: path("all"))
      try #expect(merge(order, "all") == 10)
      #expect(try rows ?? self.rows("all") == self.rows("all"))
      rows = try self.rows("all")
      let failures = try results(path("all"))[0].values.compactMap(\.failure)
      #expect(failures == ["w"])
    }
  }

  @Test("unites the seeds of an experiment, and refuses one that differs otherwise") func experiments() async throws {
    defer { remove() }
    let few = try await run(experiment("0-1"), "few")
    let more = try await run(experiment("1-4"), "more")
    let same = try await run(experiment("1-4"), "same")
    for order in permutations([few, more, same]) {
      try? FileManager.default.removeItem(atPath: path("all"))
      // Five seeds of two methods, two of the third.
      try #expect(merge(order, "all") == 12)
      let experiments = try RunStore(reading: path("all"), registry: registry).experiments()
      #expect(try experiments.map { try $0.experiment().seeds } == [[0, 1, 2, 3, 4]])
    }
    let other = try await run(experiment("2", horizon: "601"), "other")
    #expect(throws: RunStoreError.otherExperiments(few, other, name: "e")) { try merge([few, other], "no") }
    let named = try await run(experiment("2", name: "f"), "named")
    #expect(throws: RunStoreError.severalExperiments(["e", "f"])) { try merge([few, named], "no") }
    #expect(try !names().contains("no.sqlite"))
    // Both have the same runs: those of few are in one store then.
    try #expect(merge([few, named], "both", several: true) == 6)
    #expect(try results(path("both")).map(\.count) == [6, 6])
    #expect(throws: RunStoreError.severalExperiments(["e", "f"])) { try merge([path("both")], "no") }
  }

  @Test("reads stores of earlier programs, and those that are being written") func inputs() async throws {
    defer { remove() }
    let old = try #require(Bundle.module.url(forResource: "store-0.1", withExtension: nil)).path
    let before = try content(old)
    try #expect(merge([old], "new", several: true) == 5)
    #expect(try results(path("new")) == results(old) && content(old) == before)
    try #expect(merge([path("new"), old], "twice", several: true) == 5)
    #expect(try rows("twice") == rows("new"))

    let writer = try RunStore(path: path("log"), registry: registry)
    let runner = try Runner(
      experiment: experiment(), benchmark: OptimizerConformance.benchmark(), registry: registry, store: writer)
    try await runner.run(threads: 1)
    #expect(try names().contains("log.sqlite-wal"))
    try #expect(merge([path("log")], "copy") == 10)
    #expect(try results(path("copy")) == results(path("log")))
    // Its log would be taken for the new file's.
    #expect(throws: RunStoreError.locked(path("log"))) { try merge([path("copy")], "log") }
    try writer.finish()
    try #expect(merge([path("copy")], "log") == 10)
    #expect(try names().allSatisfy { $0.hasSuffix(".sqlite") })
  }

  @Test("refuses what is no store before anything is written") func refusals() async throws {
    defer { remove() }
    let a = try await run(experiment(), "a")
    let text = folder.appending(path: "text.sqlite")
    try Data("no store, whatever its name says".utf8).write(to: text)
    let newer = path("newer")
    try FileManager.default.copyItem(atPath: a, toPath: newer)
    let queue = try DatabaseQueue(path: newer)
    try await queue.write { try $0.execute(sql: "PRAGMA user_version = 99") }
    try queue.close()
    let before = try names()
    for (input, error) in [
      (path("absent"), RunStoreError.missing(path("absent"))), (text.path, .notAStore(text.path)),
      (newer, .newer(newer, version: 99)), (folder.path, .notAFile(folder.path)),
    ] {
      #expect(throws: error) { try merge([a, input], "all") }
      #expect(try names() == before)
    }
    #expect(throws: RunStoreError.notAStore(text.path)) { try merge([a], "text") }
    #expect(throws: RunStoreError.noFolder(path("absent/all"))) { try merge([a], "absent/all") }
    #expect(try names() == before)
    // What a merge left that was killed is no obstacle.
    try Data("half of a store".utf8).write(to: folder.appending(path: "all.sqlite.merging"))
    try #expect(merge([a], "all") == 10)
    #expect(try names() == (before + ["all.sqlite"]).sorted())
  }
}
