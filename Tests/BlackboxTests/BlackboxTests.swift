import Anytime
import Blackbox
import Foundation
import OptimizerConformance
import SearchSpaces
import Statistics
import TabularBenchmark
import Testing

@Suite("Hyperband's brackets") struct BracketTests {
  func configurations(_ rounding: Brackets.Rounding, _ fidelities: Int) -> [[Int]] {
    Brackets { $0.rounding = rounding }.schedule(fidelities: fidelities).map { $0.map(\.configurations) }
  }

  @Test("the paper's, for four epoch counts") func paper() {
    #expect(configurations(.paper, 4) == [[27, 9, 3, 1], [12, 4, 1], [6, 2], [4]])
    // Li et al. 2018, table 1: R = 81, eta = 3.
    #expect(
      configurations(.paper, 5) == [[81, 27, 9, 3, 1], [34, 11, 3, 1], [15, 5, 1], [8, 2], [5]])
  }

  @Test("HpBandSter's, for four epoch counts") func hpbandster() {
    #expect(configurations(.hpbandster, 4) == [[27, 9, 3, 1], [9, 3, 1], [6, 2], [4]])
    #expect(configurations(.hpbandster, 3) == [[9, 3, 1], [3, 1], [3]])
  }

  @Test("every bracket ends at the highest epoch count") func fidelities() {
    let brackets = Brackets { $0.eta = 4 }
    for bracket in brackets.schedule(fidelities: 3) {
      #expect(bracket.map(\.fidelity) == Array((3 - bracket.count)..<3))
    }
    #expect(Brackets().schedule(fidelities: 1).map(\.count) == [1])
  }
}

@Suite("Models of any parameters") struct ModelTests {
  /// Kinds of every sort, the best at (b, 0.01, 7, high, 20).
  static let mixed = ParameterSpace([
    Parameter("letter", .categorical(["a", "b", "c", "d"])),
    Parameter("rate", .real(1e-4...1, log: true)),
    Parameter("count", .integer(1...12)),
    Parameter("size", .ordinal(["low", "middle", "high"])),
    Parameter("units", .integer(4...256, log: true)),
  ])

  static func loss(_ configuration: Configuration) -> Double {
    let x = configuration.values
    return (x[0] == 1 ? 0 : 1) + pow(log10(x[1]) + 2, 2) / 4 + pow((x[2] - 7) / 6, 2) + (2 - x[3]) / 2
      + pow(log2(x[4] / 20) / 4, 2)
  }

  /// The mean least loss of some runs of 80 trainings.
  static func outcome(
    _ name: String, _ suggest: (inout RandomGenerator, [(Configuration, Double)]) -> Configuration
  ) -> Double {
    let ends = (0..<20).map { seed in
      var random = RandomGenerator(seed: UInt64(seed), stream: name)
      var history: [(Configuration, Double)] = []
      for _ in 0..<80 {
        let configuration = suggest(&random, history)
        for (parameter, value) in zip(mixed.parameters, configuration.values) {
          if let count = parameter.count, parameter.categories != nil {
            #expect((0..<Double(count)).contains(value) && value == value.rounded())
          }
          #expect(parameter.scale.contains(parameter.scaled(value)))
        }
        history.append((configuration, loss(configuration)))
      }
      return history.map(\.1).min() ?? .infinity
    }
    return ends.mean ?? .infinity
  }

  static let random = outcome("random") { generator, _ in mixed.sample(using: &generator) }

  @Test("TPE finds better mixed configurations than chance") func tpe() {
    let reached = Self.outcome("tpe") { random, history in
      var model = TPEModel(Self.mixed)
      for (configuration, loss) in history { model.add(configuration, loss: loss) }
      return history.count < 20 ? Self.mixed.sample(using: &random) : model.suggest(using: &random)
    }
    #expect(reached < 0.6 * Self.random)
  }

  @Test("BOHB's model finds better mixed configurations than chance") func bohb() {
    let reached = Self.outcome("bohb") { random, history in
      var model = BOHBModel(Self.mixed)
      for (configuration, loss) in history { model.add(configuration, fidelity: 0, loss: loss) }
      return model.suggest(using: &random) ?? Self.mixed.sample(using: &random)
    }
    #expect(reached < Self.random)  // its wide kernels learn little from eighty trainings
  }

  @Test("SMAC's model finds better mixed configurations than chance") func smac() {
    let reached = Self.outcome("smac") { random, history in
      var model = SMACModel(Self.mixed)
      for (configuration, loss) in history { model.add(configuration, loss: loss) }
      return history.isEmpty || random.chance(0.33)
        ? Self.mixed.sample(using: &random)
        : model.suggest(1, using: &random).first ?? Self.mixed.sample(using: &random)
    }
    #expect(reached < 0.85 * Self.random)
  }

  @Test("REINFORCE moves its distributions towards what is better") func reinforce() {
    var policy = CategoricalPolicy(Self.mixed, bins: 8)
    #expect(policy.logits.map(\.count) == [4, 8, 8, 3, 8])
    var random = RandomGenerator(seed: 1)
    var baseline = 1.0
    for _ in 0..<3_000 {
      let choices = policy.sample(using: &random)
      let reward = -Self.loss(policy.configuration(choices, using: &random))
      baseline = 0.9 * baseline + 0.1 * reward
      policy.ascend(choices, by: 0.1 * (reward - baseline))
    }
    #expect(policy.probabilities[0][1] > 0.9 && policy.probabilities[3][2] > 0.8)
    for distribution in policy.probabilities { #expect(abs(distribution.reduce(0, +) - 1) < 1e-12) }
  }

  @Test("a step of REINFORCE is the gradient of the log-probability") func gradient() {
    let space = ParameterSpace([Parameter("letter", .categorical(["a", "b", "c"]))])
    var policy = CategoricalPolicy(space, bins: 2)
    policy.ascend([2], by: 0.6)
    #expect(zip(policy.logits[0], [-0.2, -0.2, 0.4]).allSatisfy { abs($0 - $1) < 1e-12 })
  }

  @Test("BOHB needs more good and more bad trainings than parameters, and prefers the highest epoch count")
  func fidelities() throws {
    var model = BOHBModel(Self.mixed)
    var random = RandomGenerator(seed: 3)
    func add(_ count: Int, _ fidelity: Int) {
      for _ in 0..<count {
        let configuration = Self.mixed.sample(using: &random)
        model.add(configuration, fidelity: fidelity, loss: Self.loss(configuration))
      }
    }
    add(11, 0)
    #expect(model.densities() == nil)
    add(29, 0)
    // 40 trainings: max(6, 15 %) and max(6, 85 %).
    let firstModel = model.densities()
    let first = try #require(firstModel)
    #expect(first.good.count == 6 && first.bad.count == 34)
    add(12, 2)
    let secondModel = model.densities()
    let second = try #require(secondModel)
    #expect(second.good.count == 6 && second.bad.count == 6)
    add(50, 1)
    let third = model.densities()
    #expect(third?.bad.count == 6)
  }

  @Test("expected improvement is SciPy's, and zero without hope") func improvement() {
    // `Tests/Peers/density.py`
    #expect(abs(expectedImprovement(mean: 0.30, deviation: 0.05, least: 0.28) - 0.0115219418473727) < 1e-14)
    #expect(expectedImprovement(mean: 0.3, deviation: 0, least: 0.28) == 0)
    #expect(abs(expectedImprovement(mean: 0.2, deviation: 0, least: 0.28) - 0.08) < 1e-15)
  }

  @Test("positions on a scale lead back to the value", arguments: mixed.parameters)
  func scales(parameter: Parameter) {
    var random = RandomGenerator(seed: 4)
    for _ in 0..<200 {
      let value = ParameterSpace([parameter]).sample(using: &random).values[0]
      #expect(abs(parameter.value(unit: parameter.unit(value)) - value) <= 1e-12 * abs(value))
      #expect((0...1).contains(parameter.unit(value)))
      if let interval = parameter.scaledInterval(of: value) {
        #expect(interval.contains(parameter.scaled(value)))
      }
    }
    #expect(parameter.value(unit: 0) <= parameter.value(unit: 1))
  }
}

@Suite("Blackbox methods") struct BlackboxMethodTests {
  @Test(
    "most beat random search within a small budget",
    arguments: [
      "regularized-evolution", "local-search", "tpe", "hyperband", "dehb", "smac",
    ])
  func better(name: String) throws {
    let benchmark = try OptimizerConformance.benchmark()
    func mean(_ optimizer: any Optimizer) throws -> Double {
      let ends = try (0..<60).compactMap { seed in
        try run(optimizer, on: benchmark, policy: .fair, horizon: 2_500, seed: UInt64(seed))
          .trajectory.last?.validationRegret
      }
      return try #require(ends.mean)
    }
    let optimizer: any Optimizer =
      name == "regularized-evolution"
      ? RegularizedEvolution { ($0.population, $0.sample) = (10, 5) }
      : try Registry(blackboxMethods).method(named: name).init()
    #expect(try mean(optimizer) < mean(RandomSearch()))
  }
}
