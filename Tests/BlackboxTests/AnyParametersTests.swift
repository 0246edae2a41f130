@_spi(Instruments) import Anytime
import Blackbox
import Foundation
import OptimizerConformance
import SearchSpaces
import Statistics
import TabularBenchmark
import Testing

/// A smooth objective: a bowl over real, logarithmic, integer, ordinal and categorical parameters, whose bottom lies
/// elsewhere in each. Low fidelities, where there are some, cost little and show nearly as much.
struct Bowl: Objective {
  let space: SearchSpace
  let fidelities: [Int]
  /// Per parameter the best value's position on its scale, in 0...1.
  private let bottoms: [Double]

  init(parameters count: Int, fidelities: [Int] = [1]) {
    let kinds: [Parameter.Domain] = [
      .real(-5...5), .real(1e-5...1, log: true), .integer(1...30), .ordinal(["xs", "s", "m", "l", "xl"]),
      .categorical(["a", "b", "c", "d"]), .integer(4...1_024, log: true),
    ]
    space = SearchSpace(
      name: "bowl",
      parameters: ParameterSpace((0..<count).map { Parameter("x\($0)", kinds[$0 % kinds.count]) }))
    bottoms = (0..<count).map { 0.2 + 0.6 * Double($0 * 7 % count) / Double(count) }
    self.fidelities = fidelities
  }

  /// In 0 to about 10.
  func loss(_ point: Configuration) -> Double {
    var loss = 0.0
    for (index, parameter) in space.parameters.parameters.enumerated() {
      if let categories = parameter.categories {
        loss += point[choice: index] == index % categories ? 0 : 0.3
      } else {
        loss += pow(parameter.unit(point.values[index]) - bottoms[index], 2)
      }
    }
    return loss
  }

  func evaluate(_ point: Configuration, epochs: Int, in session: Session) throws -> Evaluation {
    // The fewer the epochs, the more another bowl, which is a little aside, mixes in.
    let shift = point.values.indices.reduce(0.0) { sum, index in
      sum + sin(Double(index) + 9 * space.parameters.parameters[index].unit(point.values[index]))
    }
    let cost = Spending(seconds: Double(epochs), epochs: Double(epochs), evaluations: 1)
    return try session.work(.training, cost: { _ in cost }) {
      Evaluation(epochs: epochs, validationAccuracy: -loss(point) - (0.02 * shift + 0.2) / Double(epochs))
    }
  }
}

@Suite("On a smooth mixed objective") struct AnyParameterTests {
  static let benchmark = Result { try OptimizerConformance.benchmark() }

  /// The least losses of runs with different seeds.
  private func losses(_ method: some Optimizer, _ bowl: Bowl, budget: Double, seeds: Int) throws -> [Double] {
    try (0..<seeds).map { seed in
      let session = Session(
        benchmark: try Self.benchmark.get(), policy: .fair, horizon: 1e9, seed: UInt64(seed))
      let child = try session.run(method, on: bowl, limit: budget, name: "bowl")
      return bowl.loss(try #require(child.incumbent?.point))
    }
  }

  private func beatsChance(_ method: any Optimizer, _ bowl: Bowl, budget: Double) throws {
    let own = try losses(method, bowl, budget: budget, seeds: 20)
    let chance = try losses(RandomSearch(), bowl, budget: budget, seeds: 40)
    #expect(try #require(own.median) < #require(chance.median))
    #expect(try #require(MannWhitney(own, chance)).pValue < 0.01)
  }

  /// Every method that models or moves, with a budget that its defaults are for: SMAC trains what is promising up to
  /// four times, local search has 200 neighbours of a point of 20 parameters, and REINFORCE takes small steps.
  private static let budgets: [(String, Double)] = [
    ("regularized-evolution", 400), ("local-search", 2_000), ("reinforce", 1_000), ("tpe", 100), ("bohb", 200),
    ("dehb", 200), ("smac", 200),
  ]

  @Test("each method finds better points than random search", arguments: budgets, [6, 20])
  func better(method: (name: String, budget: Double), parameters: Int) throws {
    let type = try Registry(blackboxMethods).method(named: method.name)
    try beatsChance(type.init(), Bowl(parameters: parameters), budget: method.budget)
  }

  @Test(
    "each method of fidelities finds better points by cheap and informative low fidelities",
    arguments: ["hyperband", "bohb", "dehb"], [6, 20])
  func fidelities(name: String, parameters: Int) throws {
    let type = try Registry(blackboxMethods).method(named: name)
    // Worth twenty whole trainings.
    try beatsChance(type.init(), Bowl(parameters: parameters, fidelities: [1, 3, 9, 27]), budget: 540)
  }

  @Test("these are all methods of the package that look at what they have seen") func complete() {
    let others: Set = ["random-search", "hyperband"]
    #expect(Set(Self.budgets.map(\.0)).union(others) == Set(blackboxMethods.map { $0.method.name }))
  }
}
