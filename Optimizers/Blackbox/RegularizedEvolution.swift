import Anytime
import CellSpace

/// Regularized (aging) evolution: the best of a random sample of the population is mutated, and the oldest
/// member dies.
///
/// Real, Aggarwal, Huang and Le, "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019,
/// algorithm 1. Population 100 and samples of 10, drawn with replacement, as in their published notebook and
/// in NAS-Bench-1Shot1's `regularized_evolution.py`, whose mutation is the default.
///
/// Differences: none deliberate. Fitness is the validation accuracy of one training at the highest epoch
/// count; of equally fit members of a sample the one drawn first wins, as with Python's `max`.
public struct RegularizedEvolution: Optimizer {
  public static let method = Method(
    name: "regularized-evolution", title: "Regularized evolution",
    summary: "Mutates the best of a random sample of the population; the oldest member dies.",
    citation: "Real, Aggarwal, Huang and Le, AAAI 2019",
    settings: [
      Setting("population", .integer(1...100_000, default: 100), "members of the population"),
      Setting("sample", .integer(1...100_000, default: 10), "members that compete to be the parent"),
      Setting(
        "mutation",
        .choice(MutationRule.allCases.map(\.rawValue), default: MutationRule.oneShot1.rawValue),
        "how a child differs from its parent"),
    ])

  private let population: Int
  private let sample: Int
  private let mutation: MutationRule

  public init(settings: Settings) {
    population = settings.integer("population")
    sample = settings.integer("sample")
    mutation = settings.choice("mutation", as: MutationRule.self)
  }

  public func search(_ session: Session) throws {
    var members: [(configuration: Configuration, fitness: Double)] = []
    members.reserveCapacity(population)
    while members.count < population {
      let configuration = session.space.sample(using: &session.random)
      members.append((configuration, try session.evaluate(configuration).validationAccuracy))
    }

    // The population is a ring: the oldest member's place is the newest one's.
    var oldest = 0
    while true {
      var parent = session.random.below(population)
      for _ in 1..<sample {
        let rival = session.random.below(population)
        if members[rival].fitness > members[parent].fitness { parent = rival }
      }
      let child = session.space.mutate(
        members[parent].configuration, rule: mutation, using: &session.random)
      members[oldest] = (child, try session.evaluate(child).validationAccuracy)
      oldest = (oldest + 1) % population
    }
  }
}
