import Anytime
import SearchSpaces
import Statistics
import Supernet

/// Single path one-shot: the supernet trains one uniformly drawn architecture per step. After every epoch an
/// evolutionary search looks for the best architecture with the supernet's weights; batch norm's statistics are
/// averaged anew for each architecture.
///
/// Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling", ECCV 2020, algorithm 1:
/// population 50, the best 10 as parents, half of a generation by crossover and half by mutation with probability
/// 0.1 per choice, 20 generations. Not in NAS-Bench-1Shot1's paper.
///
/// Differences: the search is made after every epoch, not once, so that a cell can be recommended at any time, and
/// is charged every time; an architecture is evaluated once per search.
public struct SPOS: Optimizer {
  public static let method = Method(
    name: "spos", title: "SPOS", family: .oneShot,
    summary: "Trains random paths of a supernet, then evolves cells with its weights.",
    citation: "Guo et al., ECCV 2020",
    usesImages: true, revision: 2,
    settings: SupernetSettings.settingsOfSinglePaths(at: \SPOS.supernet) + [
      Setting("population", \SPOS.population, 2...10_000, log: true, "architectures of a generation"),
      Setting("parents", \SPOS.parents, 1...10_000, log: true, "best architectures so far that breed"),
      Setting("generations", \SPOS.generations, 1...1_000, log: true, "generations of a search"),
      Setting("mutation", \SPOS.mutation, 0...1, "probability that a choice is drawn anew"),
      Setting("evaluation-images", \SPOS.evaluationImages, 0...1_000_000, "search images per evaluation; 0 for all"),
    ],
    presets: [
      SupernetSettings.quick(\SPOS.supernet) {
        $0.supernet.recalibration = 2
        ($0.population, $0.parents, $0.generations, $0.evaluationImages) = (10, 4, 3, 250)
      }
    ])

  /// The settings of the supernet's training.
  public var supernet = SupernetSettings { ($0.batchSize, $0.recalibration) = (64, 20) }
  /// The number of architectures of a generation.
  public var population = 50
  /// The number of best architectures so far from which a generation is bred.
  public var parents = 10
  /// The number of generations of each evolutionary search.
  public var generations = 20
  /// The probability that a mutation draws a choice anew.
  public var mutation = 0.1
  /// The number of search images per evaluation; 0 for all.
  public var evaluationImages = 0

  public init() {}

  public func search(_ session: Session) throws {
    let supernet = try Supernet(session, self.supernet)
    try supernet.run(
      step: { batch in
        let gates = supernet.shape.gates(of: session.space.sample(using: &session.random))
        try supernet.train(batch) { _ in gates }
      },
      choose: { try evolve(supernet) })
  }

  private func evolve(_ supernet: Supernet) throws -> Configuration {
    let session = supernet.session
    let space = session.space
    let images = evaluationImages
    var known: [Configuration: Double] = [:]
    /// The evaluated architectures from best to worst; of equals, the one found first comes first.
    var ranked: [(configuration: Configuration, accuracy: Double)] = []
    var generation = (0..<population).map { _ in space.sample(using: &session.random) }
    for _ in 0..<generations {
      for configuration in generation where known[configuration] == nil {
        let accuracy = try supernet.accuracy(of: configuration, images: images > 0 ? 0..<images : nil)
        known[configuration] = accuracy
        let rank = ranked.firstIndex { $0.accuracy < accuracy } ?? ranked.count
        ranked.insert((configuration, accuracy), at: rank)
      }
      let parents = ranked.prefix(self.parents).map(\.configuration)
      generation = (0..<population).map { number in
        var child = parents[session.random.below(parents.count)]
        if number < population / 2 {
          let other = parents[session.random.below(parents.count)]
          for index in child.values.indices where session.random.chance(0.5) {
            child.values[index] = other.values[index]
          }
        } else {
          for index in child.values.indices where session.random.chance(mutation) {
            child.values[index] = space.parameters.sampleValue(of: index, using: &session.random)
          }
        }
        return child
      }
    }
    guard let best = ranked.first else { preconditionFailure("a generation has members") }
    supernet.note("validation accuracy", best.accuracy)
    return best.configuration
  }
}
