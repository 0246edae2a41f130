import Anytime
import Blackbox
import Experiments
import Foundation
import OptimizerConformance
import SearchSpaces
import Statistics
import TabularBenchmark
import Testing

/// The error of a body, as text.
private func message(_ body: () throws -> Void) -> String {
  do {
    try body()
    return "no error"
  } catch { return "\(error)" }
}

/// The names of stored properties, those of parts too.
private func properties(of value: some Configurable) -> [String] {
  Mirror(reflecting: value).children.flatMap { child -> [String] in
    if let part = child.value as? any Configurable { return properties(of: part) }
    return child.label.map { [$0] } ?? []
  }
}

@Suite("A setting") struct SettingTests {
  @Test("is read from text into its property, and back") func text() throws {
    let settings = try Settings(TPE.method, ["startup": "5", "prior-weight": "2"])
    let tpe = try TPE(settings: settings)
    #expect(tpe.startup == 5 && tpe.priorWeight == 2 && tpe.candidates == 24)
    #expect(Settings(of: tpe) == settings)
    #expect(Settings(of: TPE { ($0.startup, $0.priorWeight) = (5, 2) }) == settings)
  }

  @Test("of a part is a setting of every method that holds one, each with its own default") func parts() throws {
    #expect(Hyperband().brackets.rounding == .paper && DEHB().brackets.rounding == .hpbandster)
    let dehb = try DEHB(settings: Settings(DEHB.method, ["brackets": "paper", "eta": "4"]))
    #expect(dehb.brackets.rounding == .paper && dehb.brackets.eta == 4)
    #expect(try Settings(DEHB.method, ["brackets": "hpbandster"]).values.isEmpty)
    #expect(try Settings(Hyperband.method, ["brackets": "hpbandster"]).values == ["brackets": "hpbandster"])
  }

  @Test("at its default is not stored, however it is written: equal settings have one identity")
  func defaults() throws {
    let none = try Settings(BOHB.method)
    for given in [["samples": "64"], ["samples": "+64"], ["bandwidth-factor": "3"], ["bandwidth-factor": "3.000"]] {
      #expect(try Settings(BOHB.method, given) == none)
    }
    // Minus zero is zero.
    #expect(try Settings(DEHB.method, ["crossover": "-0"]) == Settings(DEHB.method, ["crossover": "0.0"]))
    let json = String(decoding: try JSONEncoder().encode(none), as: UTF8.self)
    #expect(json == #"{"values":{}}"#)
  }

  @Test("of a store of the first version, which held all defaults, is the same after migration")
  func migration() throws {
    let old = """
      {"values":{"brackets":"hpbandster","crossover":"0.25","encoding":"middle","eta":"3","gone":"1",
      "mutation-factor":"0.5"}}
      """
    let decoded = try JSONDecoder().decode(Settings.self, from: Data(old.utf8)).migrated(to: DEHB.method)
    #expect(decoded == Settings(of: DEHB { $0.crossover = 0.25 }))
  }

  @Test("of a stored experiment that the method does not have, or not in this range, is one sentence")
  func unknown() throws {
    func stored(_ name: String, _ value: String) throws -> Settings {
      try JSONDecoder().decode(Settings.self, from: Data(#"{"values":{"\#(name)":"\#(value)"}}"#.utf8))
    }
    #expect(
      message { _ = try DEHB(settings: stored("crosover", "1.0")) }
        == "'crosover' is no setting of dehb; did you mean 'crossover'?")
    #expect(
      message { _ = try DEHB(settings: stored("eta", "100")) }
        == "'100' is no value for setting 'eta' of dehb: use 2 to 16")
  }

  @Test(
    "with a value that is none is one sentence",
    arguments: [
      ("top", "0", "use 1 to 99"), ("top", "15.0", "use 1 to 99"), ("top", "", "use 1 to 99"),
      ("random-fraction", "1.5", "use 0 to 1"), ("random-fraction", "nan", "use 0 to 1"),
      ("kernels", "Corrected", "use corrected | hpbandster"),
    ])
  func wrong(name: String, value: String, remedy: String) {
    #expect(
      message { _ = try Settings(BOHB.method, [name: value]) }
        == "'\(value)' is no value for setting '\(name)' of bohb: \(remedy)")
  }

  @Test("of any method takes the ends of its range, and every choice", arguments: blackboxMethods.indices)
  func corners(index: Int) throws {
    func check<Searcher: Optimizer>(_ type: Searcher.Type) {
      for setting in type.settings {
        let values: [String] =
          switch setting.domain {
          case .integer(let range, _)?: [range.lowerBound, range.upperBound].map { String($0) }
          case .real(let range, _)?: [range.lowerBound, range.upperBound].map { String($0) }
          default: setting.choices
          }
        #expect(values.count >= 2)
        for value in values {
          var method = type.init()
          #expect(setting.set(value, in: &method))
          #expect(setting.text(in: method) == value)
          #expect(Settings(of: method).values == (value == setting.defaultValue ? [:] : [setting.name: value]))
        }
      }
    }
    check(blackboxMethods[index])
  }

  @Test("is all that a method's stored properties are", arguments: blackboxMethods.indices)
  func everyProperty(index: Int) {
    let method = blackboxMethods[index].init()
    #expect(properties(of: method).count == blackboxMethods[index].settings.count)
  }

  @Test("is a dimension that another method can search", arguments: blackboxMethods.indices)
  func tuning(index: Int) throws {
    let method = blackboxMethods[index].method
    let space = ParameterSpace(
      method.settings.compactMap { setting in setting.domain.map { Parameter(setting.name, $0) } })
    var random = RandomGenerator(seed: 5)
    for _ in 0..<50 {
      let values = zip(space.parameters, space.sample(using: &random).values).map { ($0.name, $0.text(of: $1)) }
      let settings = try Settings(method, Dictionary(uniqueKeysWithValues: values))
      do { _ = try blackboxMethods[index].init(settings: settings) } catch {
        #expect("\(error)".contains("cannot be drawn from a population"))
      }
    }
  }
}

@Suite("Settings that contradict each other") struct ContradictionTests {
  @Test("are refused in one sentence, from flags and from files") func evolution() throws {
    let sentence = "a sample of 10 cannot be drawn from a population of 5; set 'sample' to at most that"
    let settings = try Settings(RegularizedEvolution.method, ["population": "5"])
    #expect(message { _ = try RegularizedEvolution(settings: settings) } == sentence)
    let yaml = """
      space: mini
      horizon: 10
      seeds: 1
      methods:
        - random-search
        - regularized-evolution: {population: 5}
      """
    #expect(
      message { _ = try Experiment(yaml: yaml, file: "e.yaml", registry: Registry(blackboxMethods)) }
        == "e.yaml, line 6: \(sentence)")
  }
}

@Suite("Declarations that are wrong") struct DeclarationTests {
  private struct Quiet: Optimizer {
    var calm = 1
    static let method = Method(
      name: "quiet", title: "", summary: "", citation: "", settings: [Setting("calm", \Quiet.calm, 1...9, "")])
    func search(_ session: Session) {}
  }

  private struct Stranger: Optimizer {
    static let method = Method(
      name: "stranger", title: "", summary: "", citation: "", settings: [Setting("calm", \Quiet.calm, 1...9, "")])
    func search(_ session: Session) {}
  }

  private struct Twice: Optimizer {
    var a = 1, b = 1
    static let method = Method(
      name: "twice", title: "", summary: "", citation: "",
      settings: [Setting("a", \Twice.a, 1...9, ""), Setting("a", \Twice.b, 1...9, "")])
    func search(_ session: Session) {}
  }

  private struct Reserved: Optimizer {
    var seeds = 1
    static let method = Method(
      name: "reserved", title: "", summary: "", citation: "", settings: [Setting("seeds", \Reserved.seeds, 1...9, "")])
    func search(_ session: Session) {}
  }

  private struct Outside: Optimizer {
    var rate = 2.0
    static let method = Method(
      name: "outside", title: "", summary: "", citation: "", settings: [Setting("rate", \Outside.rate, 0...1, "")])
    func search(_ session: Session) {}
  }

  private struct Preset: Optimizer {
    var rate = 0.5
    static let method = Method(
      name: "preset", title: "", summary: "", citation: "", settings: [Setting("rate", \Preset.rate, 0...1, "")],
      presets: [Method.Preset("fast", "", Preset { $0.rate = 3 })])
    func search(_ session: Session) {}
  }

  private struct Torn: Optimizer {
    static let method = Method(name: "torn", title: "", summary: "", citation: "")
    func validate() throws { throw SettingError("no") }
    func search(_ session: Session) {}
  }

  @Test("are found when a registry is made, and by the conformance kit") func problems() async throws {
    #expect(Registry.problem(with: Quiet.self) == nil)
    #expect(Registry.problem(with: Stranger.self) == "setting 'calm' is a property of Quiet")
    #expect(Registry.problem(with: Twice.self) == "two settings are called 'a'")
    #expect(Registry.problem(with: Reserved.self) == "two settings are called 'seeds'")
    #expect(Registry.problem(with: Outside.self) == "the default 2.0 of 'rate' is not in 0 to 1")
    #expect(
      Registry.problem(with: Preset.self)
        == "preset 'fast': '3.0' is no value for setting 'rate' of preset: use 0 to 1")
    #expect(Registry.problem(with: Torn.self) == "the defaults: no")
    let failures = try await OptimizerConformance(Outside.self).failures()
    #expect(failures == ["its declarations are wrong: the default 2.0 of 'rate' is not in 0 to 1"])
  }

  @Test("do not occur in the package") func package() {
    for type in blackboxMethods { #expect(Registry.problem(with: type) == nil) }
  }
}

@Suite("A policy's fields") struct PolicyFieldTests {
  @Test("are all declared, and can be set to each of their values by name") func all() throws {
    // The name is no field.
    #expect(properties(of: BudgetPolicy.fair).count == BudgetPolicy.settings.count + 1)
    for field in BudgetPolicy.settings {
      #expect(field.choices.count >= 2)
      for value in field.choices {
        var policy = BudgetPolicy.fair
        try policy.set(field.name, to: value)
        #expect(field.text(in: policy) == value)
        #expect((policy == .fair) == (value == field.defaultValue))
      }
    }
  }

  @Test("that are unknown, or have no such value, are one sentence") func mistakes() {
    var policy = BudgetPolicy.fair
    #expect(
      message { try policy.set("supernett", to: "corrected") }
        == "'supernett' is no part of a policy; did you mean 'supernet'?")
    #expect(
      message { try policy.set("clock", to: "modell") } == "'modell' is no value for 'clock'; did you mean 'model'?")
    #expect(
      message { try policy.set("resume", to: "perhaps") }
        == "'perhaps' is no value for 'resume'; use one of true, false")
    #expect(policy == .fair)
  }
}

@Suite("Tables with many epoch counts") struct ManyFidelityTests {
  /// The mini space with some epoch counts: 1, 2, 3 and so on.
  private func benchmark(fidelities: Int) throws -> Benchmark {
    let url = FileManager.default.temporaryDirectory.appending(path: "many-\(UUID().uuidString).table")
    defer { try? FileManager.default.removeItem(at: url) }
    let writer = try TableWriter(destination: url)
    for (number, architecture) in SearchSpace.mini.architectures().enumerated() {
      let row = writer.add(architecture)
      for epochs in 1...fidelities {
        let accuracy = 0.5 + 0.001 * Float(number)
        try writer.append(
          Measurement(
            final: .init(
              seconds: Float(epochs), trainAccuracy: accuracy, validationAccuracy: accuracy, testAccuracy: accuracy)),
          row: row, epochs: epochs)
      }
    }
    try writer.finish(provenance: [:])
    return try Benchmark(table: Table(contentsOf: url), space: .mini)
  }

  @Test("are searched with the greatest eta by Hyperband and BOHB, and refused in one sentence by DEHB")
  func many() throws {
    let benchmark = try benchmark(fidelities: 16)
    func spent(_ optimizer: some Optimizer) throws -> Double {
      try run(optimizer, on: benchmark, policy: .fair, horizon: 500, seed: 1).spent.seconds
    }
    #expect(try spent(Hyperband { $0.brackets.eta = 16 }) == 500)
    #expect(try spent(BOHB { $0.brackets = Brackets { $0.eta = 16 } }) == 500)
    let error = message { _ = try spent(DEHB { $0.brackets.eta = 16 }) }
    #expect(error.hasPrefix("with eta 16 and 16 epoch counts dehb's populations would have "))
    #expect(error.hasSuffix(" members, more than 10000; set a smaller 'eta'"))
  }
}
