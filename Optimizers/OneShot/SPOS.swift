import Anytime
import CellSpace
import Statistics
import Supernet

/// Single path one-shot: the supernet trains one uniformly drawn architecture per step; after an epoch an
/// evolutionary search looks for the best one with its weights, batch norm's statistics averaged anew for each.
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
    settings: SupernetSettings.declared(
      epochs: 50, batchSize: 64, gradientClip: 5, validates: false, recalibration: 20)
      + [
        Setting("population", .integer(2...10_000, default: 50), "architectures of a generation"),
        Setting("parents", .integer(1...10_000, default: 10), "best architectures so far that breed"),
        Setting("generations", .integer(1...1_000, default: 20), "of a search"),
        Setting("mutation", .real(0...1, default: 0.1), "probability that a choice is drawn anew"),
        Setting(
          "evaluation-images", .integer(0...1_000_000, default: 0), "search images per evaluation; 0 for all"),
      ],
    presets: [
      SupernetSettings.quick([
        "recalibration": "2", "population": "10", "parents": "4", "generations": "3", "evaluation-images": "250",
      ])
    ])

  private let settings: Settings

  public init(settings: Settings) { self.settings = settings }

  public func search(_ session: Session) throws {
    let supernet = try Supernet(session, SupernetSettings(settings))
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
    let images = settings.integer("evaluation-images")
    let population = settings.integer("population")
    var known: [Configuration: Double] = [:]
    /// From the best downwards; of equals the one found first is ahead.
    var ranked: [(configuration: Configuration, accuracy: Double)] = []
    var generation = (0..<population).map { _ in space.sample(using: &session.random) }
    for _ in 0..<settings.integer("generations") {
      for configuration in generation where known[configuration] == nil {
        let accuracy = try supernet.accuracy(of: configuration, images: images > 0 ? 0..<images : nil)
        known[configuration] = accuracy
        let place = ranked.firstIndex { $0.accuracy < accuracy } ?? ranked.count
        ranked.insert((configuration, accuracy), at: place)
      }
      let parents = ranked.prefix(settings.integer("parents")).map(\.configuration)
      generation = (0..<population).map { number in
        var child = parents[session.random.below(parents.count)]
        if number < population / 2 {
          let other = parents[session.random.below(parents.count)]
          for place in child.values.indices where session.random.chance(0.5) {
            child.values[place] = other.values[place]
          }
        } else {
          for place in child.values.indices where session.random.chance(settings.real("mutation")) {
            child.values[place] = space.parameters.sampleValue(of: place, using: &session.random)
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
