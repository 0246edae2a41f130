import Anytime
import SearchSpaces
import Statistics

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
      Setting("population", \RegularizedEvolution.population, 1...10_000, log: true, "members of the population"),
      Setting("sample", \RegularizedEvolution.sample, 1...10_000, log: true, "members that compete to be the parent"),
      Setting("mutation", \RegularizedEvolution.mutation, "how a child differs from its parent"),
    ])

  /// The number of members.
  public var population = 100
  /// The number of members that are drawn, with replacement, to compete to be the parent; at most ``population``.
  public var sample = 10
  /// How a child differs from its parent.
  public var mutation = MutationRule.oneShot1

  public init() {}

  public func validate() throws {
    guard sample <= population else {
      throw SettingError(
        "a sample of \(sample) cannot be drawn from a population of \(population); set 'sample' to at most that")
    }
  }

  public func search(_ session: Session) throws {
    var members: [(configuration: Configuration, fitness: Double)] = []
    members.reserveCapacity(population)
    while members.count < population {
      let configuration = session.space.sample(using: &session.random)
      members.append((configuration, try session.evaluate(configuration).validationAccuracy))
    }

    // The population is a ring: the newest member takes the oldest one's index.
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
