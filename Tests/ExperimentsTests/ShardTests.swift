import Anytime
import Blackbox
import Experiments
import Foundation
import OneShot
import OptimizerConformance
import TabularBenchmark
import Testing

@Suite("A shard") struct ShardTests {
  private let registry = Registry(blackboxMethods + oneShotMethods)

  /// An experiment of methods a, b, … with so many seeds each.
  private func experiment(_ seeds: [Int]) -> Experiment {
    Experiment(
      name: "e", space: "mini", horizon: 600, seeds: [0],
      methods: seeds.enumerated().map { index, count in
        MethodEntry(
          label: String(UnicodeScalar(UInt8(97 + index))), method: "random-search",
          settings: Settings(of: RandomSearch()), seeds: (0..<UInt64(count)).map { 10 + $0 })
      })
  }

  private func texts(_ runs: [(label: String, seed: UInt64)]) -> [String] { runs.map { "\($0.label)\($0.seed)" } }

  @Test("is read from its number and their count") func text() throws {
    for text in ["1/1", "3/20", "20/20", "1/1000000"] { #expect(try Shard(text).description == text) }
    #expect(try Shard("3/20") == Shard(index: 3, count: 20))
  }

  @Test(
    "that does not exist is refused in a sentence",
    arguments: [
      ("0/20", "there is no shard 0 of 20; the first is 1/20, and the last 20/20"),
      ("21/20", "there is no shard 21 of 20; the first is 1/20, and the last 20/20"),
      ("1/0", "'1/0' is no shard: there may be 1 to 1000000 shards"),
      ("1/1000001", "'1/1000001' is no shard: there may be 1 to 1000000 shards"),
      ("3", "'3' is no shard; write 3/20 for the third of twenty"), ("", "'' is no shard; write"),
      ("3/", "'3/' is no shard; write"), ("/3", "'/3' is no shard; write"), ("3/4/5", "'3/4/5' is no shard; write"),
      ("-1/4", "'-1/4' is no shard; write"), ("+1/4", "'+1/4' is no shard; write"), ("a/b", "'a/b' is no shard; write"),
      ("1/99999999999999999999", "is no shard; write"), ("1 / 2", "'1 / 2' is no shard; write"),
    ])
  func refusals(text: String, sentence: String) {
    let error = #expect(throws: SettingError.self) { try Shard(text) }
    #expect(error?.description.hasPrefix(sentence) == true || error?.description.contains(sentence) == true)
  }

  @Test("has the dearest of what is left whenever it has least to do, and makes that first") func order() {
    let experiment = experiment([2, 1, 3])
    let seconds = ["a": 2.0, "b": 1.0, "c": 3.0]
    func shard(_ index: Int) -> [String] {
      texts(experiment.runs(of: Shard(index: index, count: 2), seconds: seconds))
    }
    // Loads by hand: c10 3, 0; c11 3, 3; c12 6, 3; a10 6, 5; a11 6, 7; b10 7, 7.
    #expect(shard(1) == ["c10", "c12", "b10"])
    #expect(shard(2) == ["c11", "a10", "a11"])
  }

  @Test("is one of several that have all runs among them, none twice, and differ by one run at most")
  func partition() {
    for (seeds, seconds) in [
      ([7, 3, 20], [1.0, 500, 0.01]), ([1], [3]), ([100, 100], [1e-4, 1e-3]), ([5, 5, 5], [0, 0, 0]),
      ([40, 2], [0.3, 0.1]),
    ] {
      let experiment = experiment(seeds)
      let costs = Dictionary(uniqueKeysWithValues: zip(experiment.methods.map(\.label), seconds))
      let all = experiment.methods.flatMap { entry in (entry.seeds ?? []).map { entry.label + String($0) } }
      for count in [1, 2, 3, 7, 20, 150] {
        let shards = (1...count).map { experiment.runs(of: Shard(index: $0, count: count), seconds: costs) }
        #expect(shards.flatMap(texts).sorted() == all.sorted())
        // No shard could give a run to another one and both be nearer to the mean: the sum differs by a run's cost.
        let loads = shards.map { $0.reduce(0) { $0 + (costs[$1.label] ?? 0) } }
        #expect((loads.max() ?? 0) - (loads.min() ?? 0) <= (seconds.max() ?? 0) * (1 + 1e-9))
        for shard in shards {
          let order = shard.map { costs[$0.label] ?? 0 }
          #expect(order == order.sorted(by: >))
        }
        // A pure function.
        #expect(texts(experiment.runs(of: Shard(index: 1, count: count), seconds: costs)) == texts(shards[0]))
      }
    }
  }

  @Test("is balanced by what runs take: the horizon where networks are trained, look-ups elsewhere") func costs() throws
  {
    let benchmark = try OptimizerConformance.benchmark()
    for (policy, horizon) in [("fair", "600"), ("fair,currency=evaluations", "30"), ("fair,currency=epochs", "300")] {
      let experiment = try Experiment(
        parts: ["space": "mini", "horizon": horizon, "seeds": "2", "policy": policy],
        methods: ["tpe", "smac", "darts", "zero-cost"], registry: registry)
      let seconds = try experiment.estimatedSeconds(on: benchmark, registry: registry)
      #expect(Set(seconds.keys) == ["tpe", "smac", "darts", "zero-cost"])
      let (tpe, smac, darts) = try (
        #require(seconds["tpe"]), #require(seconds["smac"]), #require(seconds["darts"])
      )
      #expect(0 < tpe && tpe < smac && smac < darts && darts == seconds["zero-cost"])
      if policy == "fair" { #expect(abs(darts - 600) < 1e-6) }
    }
  }

  @Test("is run alone, with its progress and its results; the store knows the whole experiment") func runner()
    async throws
  {
    let folder = FileManager.default.temporaryDirectory.appending(path: "shard-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let experiment = try Experiment(
      parts: ["name": "e", "space": "mini", "horizon": "600", "seeds": "5"],
      methods: ["random-search", "smac:seeds=2"], registry: registry)
    var all: [String] = []
    for index in 1...9 {
      let path = folder.appending(path: "\(index).sqlite").path
      let store = try RunStore(path: path, registry: registry)
      let runner = try Runner(
        experiment: experiment, benchmark: OptimizerConformance.benchmark(), registry: registry, store: store,
        shard: Shard(index: index, count: 9))
      let runs = runner.part.methods.flatMap { entry in runner.part.seeds(of: entry).map { "\(entry.label) \($0)" } }
      // Seven runs in nine shards: two have none.
      #expect(runs.count == (index <= 7 ? 1 : 0) && runner.part.runCount == runs.count)
      #expect(try runner.results().missingRuns == runs.count)
      try await runner.run(threads: 2) { #expect($0.total == 1) }
      let results = try runner.results()
      #expect(results.missingRuns == 0 && results.methods.reduce(0) { $0 + $1.runs.count } == runs.count)
      #expect(try store.experiments().map { try $0.experiment() } == [experiment])
      all += runs
    }
    #expect(all.count == 7 && Set(all).count == 7)
  }
}
