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
      "{space: mini, horizon: 1e17, seeds: 5-5, holes: skip, methods: [smac]}",
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

  @Test("names and labels are one line of text") func names() {
    for name in ["\"a\\nb\"", "\"\\u0007\"", "\"\\u2028\"", "\"\"", "\" \"", "|\n  a\n"] {
      let text = message(Self.good.replacing("name: first", with: "name: \(name)"))
      #expect(text.hasPrefix("e.yaml, line 1: the experiment's name "), "\(text)")
    }
    #expect(
      message(Self.good.replacing("label: big", with: "label: \"a\\tb\"")).hasPrefix(
        "e.yaml, line 9: the method's label has a line break"))
  }

  @Test("aliases and merge keys share settings") func merged() throws {
    let text = """
      space: mini
      horizon: &h 60
      seeds: 1
      methods:
        - regularized-evolution: &r {population: 20, sample: 5}
        - regularized-evolution: {<<: *r, population: 40, label: b}
        - regularized-evolution: {<<: [*r, {sample: 7, mutation: one-parameter}], label: "*r"}
      """
    let methods = try Experiment(yaml: text, file: "e.yaml", registry: registry).methods
    #expect(methods[1].settings.values == ["population": "40", "sample": "5"])
    #expect(methods[2].settings.values == ["population": "20", "sample": "5", "mutation": "one-parameter"])
    #expect(methods[2].label == "*r")
  }

  @Test("aliases of aliases, depth and size come to an end at once, with a line")
  func bombs() {
    let lists = (1...20).map { number in
      "k\(number): &k\(number) [\(Array(repeating: "*k\(number - 1)", count: 9).joined(separator: ", "))]"
    }
    let bomb = "k0: &k0 [x]\n" + lists.joined(separator: "\n")
    #expect(message(bomb).contains("aliases make more than a hundred thousand values"))
    #expect(message(bomb + "\n? *k20\n: v\n? *k19\n: w\n").hasPrefix("e.yaml, line "))
    #expect(message("a: &a [*a]").hasPrefix("e.yaml, line 1: '*a' refers to an anchor '&a' that is not there"))
    for deep in [String(repeating: "[", count: 100_000), String(repeating: "- ", count: 50_000)] {
      #expect(message(deep) == "e.yaml, line 1: lists and mappings are nested too deeply")
    }
    #expect(message(String(repeating: "#\n", count: 600_000)).contains("more than a million letters"))
  }

  @Test("flags and files are read alike") func flags() throws {
    let file = try Experiment(
      yaml: """
        name: x
        space: mini
        policy: {base: fair, resume: true}
        horizon: 60
        seeds: 3-4
        holes: skip
        methods:
          - tpe
          - regularized-evolution: {population: 20, sample: 5, seeds: 1, label: RE}
        """, file: "e.yaml", registry: registry)
    let flags = try Experiment(
      parts: [
        "name": "x", "space": "mini", "policy": "fair,resume=true", "horizon": "60", "seeds": "3-4", "holes": "skip",
      ],
      methods: ["tpe", "regularized-evolution:population=20,sample=5,seeds=1,label=RE"], registry: registry)
    #expect(file == flags)
    func message(_ parts: [String: String], _ methods: [String]) -> String {
      do {
        _ = try Experiment(parts: parts, methods: methods, registry: registry)
        return "no error"
      } catch { return "\(error)" }
    }
    #expect(message(["seeds": "1"], ["tpe"]) == "--horizon is missing")
    #expect(message(["seeds": "1", "horizon": "9"], ["tpe:gama=1"]).contains("did you mean 'gamma'?"))
    #expect(message(["seeds": "1", "horizon": "1e308d"], ["tpe"]).hasPrefix("'1e308d' is no horizon"))
    // Of several methods, the wrong one is named.
    func problem(_ method: String) -> String { message(["seeds": "1", "horizon": "9"], ["tpe", method]) }
    #expect(problem("smac:trees") == "--method 'smac:trees': 'trees' should be written as name=value")
    #expect(
      problem("tpe: {gama: 1}") == "--method 'tpe: {gama: 1}': 'gama' is no setting of tpe; did you mean 'gamma'?")
    #expect(problem("tpe:{gamma: 1").hasPrefix("--method 'tpe:{gamma: 1': this is not YAML: "))
    #expect(problem("tpe") == "--method 'tpe': the method 'tpe' is given twice with the same settings; leave one out")
    #expect(problem("regularized-evolution: {population: 20, sample: 5}") == "no error")
    #expect(problem("regularized-evolution: population=20, sample=5") == "no error")
  }
}
