import Anytime
import Blackbox
import Experiments
import Foundation
import OptimizerConformance
import Testing

@Suite("Experiment files") struct ExperimentFileTests {
  let registry = Registry(blackboxMethods)
  static let good = """
    name: first
    space: mini
    policy: fair
    horizon: 30min
    seeds: 10-12
    methods:
      - random-search
      - regularized-evolution: {population: 20, sample: 5}
      - regularized-evolution: {label: big, population: 200}
    """

  private func message(_ text: String) -> String {
    do {
      _ = try Experiment(yaml: text, file: "e.yaml", registry: registry)
      return "no error"
    } catch { return "\(error)" }
  }

  @Test("are read whole") func whole() throws {
    let experiment = try Experiment(yaml: Self.good, file: "e.yaml", registry: registry)
    #expect(experiment.name == "first" && experiment.space == "mini" && experiment.table == "embedded")
    #expect(experiment.horizon == 1_800 && experiment.seeds == [10, 11, 12] && experiment.policy == .fair)
    #expect(
      experiment.methods.map(\.label)
        == ["random-search", "regularized-evolution (population 20, sample 5)", "big"])
    #expect(experiment.methods[2].settings.values == ["population": "200"])
  }

  @Test("may change a policy, whose fixed horizon is the default") func policy() throws {
    let text = """
      space: mini
      policy: {base: 1shot1-as-published, regret-reference: best-mean}
      seeds: 1
      methods: [random-search]
      """
    let experiment = try Experiment(yaml: text, file: "e.yaml", registry: registry)
    #expect(experiment.horizon == 280 && experiment.policy.regretReference == .bestMean)
    #expect(experiment.policy.description == "1shot1-as-published with regret-reference best-mean")
    #expect(experiment.name == "e")
  }

  @Test(
    "are written as they are read",
    arguments: [
      good,
      """
      name: "a: 'b' \\"c\\" #\\\\ é"
      table: "/tables/with space.table"
      space: 3
      policy: {base: nas-bench-101, resume: true}
      horizon: 1.5
      seeds: [3, 1, 18446744073709551615]
      methods: [tpe: {label: "yes, {no}"}, random-search: {label: "- x"}]
      """,
      "{space: mini, horizon: 1e17, seeds: 5-5, methods: [smac]}",
    ])
  func written(text: String) throws {
    let experiment = try Experiment(yaml: text, file: "/folder/e.yaml", registry: registry)
    let again = try Experiment(yaml: experiment.yaml(registry: registry), file: "/elsewhere/f.yaml", registry: registry)
    #expect(again == experiment)
  }

  @Test(
    "mistakes have their line and the nearest valid word",
    arguments: [
      (
        "name: first", "nam: first", "e.yaml, line 1: 'nam' is no part of an experiment; did you mean 'name'?"
      ),
      ("space: mini", "space: min", "e.yaml, line 2: 'min' is no search space; did you mean 'mini'?"),
      ("policy: fair", "policy: fairr", "e.yaml, line 3: 'fairr' is no policy; did you mean 'fair'?"),
      (
        "policy: fair", "policy: {resum: true}",
        "e.yaml, line 3: 'resum' is no part of a policy; did you mean 'resume'?"
      ),
      (
        "horizon: 30min", "horizon: soon",
        "e.yaml, line 4: 'soon' is no horizon; write a positive number of seconds, or a time such as 90s, "
          + "30min, 2h or 1d"
      ),
      (
        "seeds: 10-12", "seeds: few",
        "e.yaml, line 5: 'few' are no seeds; write how many, as in 50, or a range, as in 10-19"
      ),
      (
        "- random-search", "- random-serch",
        "e.yaml, line 7: 'random-serch' is no method; did you mean 'random-search'?"
      ),
      (
        "sample: 5", "sampel: 5",
        "e.yaml, line 8: 'sampel' is no setting of regularized-evolution; did you mean 'sample'?"
      ),
      (
        "sample: 5", "sample: 0",
        "e.yaml, line 8: '0' is no value for setting 'sample' of regularized-evolution: use 1 to 10000"
      ),
      (
        "{label: big, ", "{label: random-search, ",
        "e.yaml, line 9: two methods are called 'random-search'; give one a 'label'"
      ),
    ])
  func mistakes(old: String, new: String, expected: String) {
    #expect(message(Self.good.replacing(old, with: new)) == expected)
  }

  @Test("say what is missing") func missing() {
    #expect(message("space: mini\nseeds: 3\nmethods: [random-search]") == "e.yaml: 'horizon' is missing")
    #expect(message("[]").hasPrefix("e.yaml: an experiment needs"))
    #expect(message("a: [").hasPrefix("e.yaml, line 2: this is not YAML"))
  }
}

@Suite("Run identity and store") struct StoreTests {
  @Test("digest changes with every part of a run") func digest() throws {
    let settings = try Settings(RegularizedEvolution.method)
    let base = RunIdentity(
      method: "m", revision: 1, settings: settings, space: "mini", tableChecksum: "0", horizon: 1, policy: .fair)
    var others: [RunIdentity] = []
    for change in 0..<6 {
      var other = base
      switch change {
      case 0: other.method = "n"
      case 1: other.settings = try Settings(RegularizedEvolution.method, ["sample": "3"])
      case 2: other.space = "1"
      case 3: other.tableChecksum = "1"
      case 4: other.horizon = 2
      default: other.policy.resume = true
      }
      others.append(other)
    }
    #expect(Set((others + [base]).map(\.digest)).count == 7)
    #expect(base.digest == base.digest && base.digest.count == 64)
  }

  @Test("results come back as they went in, and a second one of the same run is ignored") func roundTrip()
    throws
  {
    let path = FileManager.default.temporaryDirectory.appending(path: "store-\(UUID().uuidString).sqlite")
      .path
    defer { for end in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + end) } }
    let benchmark = try OptimizerConformance.benchmark()
    let settings = try Settings(RandomSearch.method)
    let identity = RunIdentity(
      method: "random-search", settings: settings, space: "mini", tableChecksum: "0", horizon: 900,
      policy: .fair)
    let result = try run(
      RandomSearch(), on: benchmark, policy: .fair, horizon: 900, seed: .max)
    let store = try RunStore(path: path)
    try store.add(result, identity: identity, seed: .max)
    try store.add(result, identity: identity, seed: .max)
    let stored = try RunStore(reading: path).results(of: identity, seeds: [.max])
    #expect(stored.map(\.seed) == [.max])
    #expect(stored.first?.result == result)
    #expect(try store.seeds(of: identity) == [.max])
  }

  @Test("a file that is no store, or no file, is an error that says so") func wrongFile() throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "store-\(UUID().uuidString).sqlite")
    defer { try? FileManager.default.removeItem(at: url) }
    #expect(throws: RunStoreError.missing(url.path)) { try RunStore(reading: url.path) }
    let text = Data("this is not SQLite, whatever its name says".utf8)
    try text.write(to: url)
    #expect(throws: RunStoreError.self) { try RunStore(path: url.path) }
    #expect(try Data(contentsOf: url) == text, "it is left as it was")
    try Data().write(to: url)
    #expect(throws: RunStoreError.notAStore(url.path)) { try RunStore(reading: url.path) }
    #expect(try Data(contentsOf: url).isEmpty, "it is left as it was")
  }
}
