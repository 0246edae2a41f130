@_spi(Instruments) import Anytime
import Blackbox
import CellSpace
import Foundation
import OptimizerConformance
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
      Evaluation(epochs: epochs, validationAccuracy: -loss(point) - 0.02 * shift / Double(epochs) - 0.2 / Double(epochs))
    }
  }
}

@Suite("On spaces of any parameters") struct AnyParameterTests {
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

  @Test("measure") func measure() throws {
    for count in [6, 20] {
      let bowl = Bowl(parameters: count)
      for (method, budgets) in [
        (RegularizedEvolution() as any Optimizer, [400.0, 1000]), (LocalSearch(), [400, 2000]),
        (LocalSearch { $0.move = .first }, [400, 2000]), (Reinforce(), [1000, 3000]), (TPE(), [100, 200]), (BOHB(), [200, 400]),
        (DEHB(), [200, 400, 1000]), (SMAC(), [60, 100]),
      ] {
        for budget in budgets {
          let clock = ContinuousClock.now
          let seeds = method is SMAC ? 10 : 20
          let own = try losses(method, bowl, budget: budget, seeds: seeds)
          let time = ContinuousClock.now - clock
          let chance = try losses(RandomSearch(), bowl, budget: budget, seeds: 40)
          let test = try #require(MannWhitney(own, chance))
          print(count, type(of: method).method.name, budget, own.median ?? 0, chance.median ?? 0, "p", test.pValue, time)
        }
      }
      let rungs = Bowl(parameters: count, fidelities: [1, 3, 9, 27])
      for method in [Hyperband() as any Optimizer, BOHB(), DEHB()] {
        for budget in [540.0, 1350, 2700] {
          let own = try losses(method, rungs, budget: budget, seeds: 20)
          let chance = try losses(RandomSearch(), rungs, budget: budget, seeds: 40)
          let test = try #require(MannWhitney(own, chance))
          print(count, type(of: method).method.name, "rungs", budget, own.median ?? 0, chance.median ?? 0, "p", test.pValue)
        }
      }
    }
  }
}
