import Anytime
import SearchSpaces
import Supernet

/// Random search with weight sharing: the supernet trains one uniformly drawn architecture per step. After every epoch
/// many architectures are drawn and scored with the shared weights on a few images, the best few of them on all.
///
/// Li and Talwalkar, "Random Search and Reproducibility for Neural Architecture Search", UAI 2019; in
/// NAS-Bench-1Shot1 `optimizers/random_search_with_weight_sharing`: 1,000 architectures, each scored on ten batches,
/// the best five validated fully, gradients clipped to 0.25.
///
/// Differences: those of ``DARTS``; scoring is charged; and only the drawn architecture's parts are executed.
/// Weight decay and momentum do not change weights that a step did not execute, where the script's `zero_grad` left
/// zeros that both acted on.
public struct RandomSearchWS: Optimizer {
  public static let method = Method(
    name: "random-search-ws", title: "Random search WS", family: .oneShot,
    summary: "Trains random paths of a supernet, then scores random cells with its weights.",
    citation: "Li and Talwalkar, UAI 2019",
    usesImages: true, revision: 2,
    settings: SupernetSettings.settingsOfSinglePaths(at: \RandomSearchWS.supernet)
      + SampledSelection.settings(at: \RandomSearchWS.selection),
    presets: [
      SupernetSettings.quick(\RandomSearchWS.supernet) {
        ($0.selection.samples, $0.selection.batches, $0.selection.finalists) = (50, 1, 3)
        $0.supernet.gradientClip = 5
      }
    ])

  /// The settings of the supernet's training.
  public var supernet = SupernetSettings { ($0.batchSize, $0.gradientClip) = (64, 0.25) }
  /// The settings of how an architecture is chosen after an epoch.
  public var selection = SampledSelection { $0.batches = 10 }

  public init() {}

  public func search(_ session: Session) throws {
    let supernet = try Supernet(session, self.supernet)
    try supernet.run(
      step: { batch in
        let gates = supernet.shape.gates(of: session.space.sample(using: &session.random))
        try supernet.train(batch) { _ in gates }
      },
      choose: {
        try selection.best(supernet) { session.space.sample(using: &session.random) }
      })
  }
}

/// The selection step of random search with weight sharing and of ENAS: many architectures are drawn and scored on a
/// few batches each, then the best few on all images of the search half.
public struct SampledSelection: Configurable {
  /// The number of architectures that are drawn and scored.
  public var samples = 1_000
  /// The number of batches that an architecture is scored on. The next architecture is scored on the batches that
  /// follow.
  public var batches = 1
  /// The number of best-scored architectures that are then scored on all images of the search half.
  public var finalists = 5

  public static let settings = [
    Setting(
      "samples", \SampledSelection.samples, 1...100_000, log: true, "architectures drawn and scored per epoch"),
    Setting(
      "scoring-batches", \SampledSelection.batches, 1...10_000, log: true, "batches that each cell is scored on"),
    Setting(
      "finalists", \SampledSelection.finalists, 1...1_000, log: true, "best-scored cells, scored on all search images"),
  ]

  public init() {}

  public func validate() throws {
    guard finalists <= samples else {
      throw SettingError(
        "\(finalists) finalists cannot be chosen from \(samples) samples; set 'finalists' to at most 'samples'")
    }
  }

  /// Draws and scores architectures and returns the best one.
  func best(_ supernet: Supernet, draw: () throws -> Configuration) throws -> Configuration {
    let images = min(batches * supernet.settings.batchSize, supernet.searchImages)
    var scored: [(configuration: Configuration, accuracy: Double)] = []
    for number in 0..<samples {
      let configuration = try draw()
      let start = number * images % (supernet.searchImages - images + 1)
      scored.append((configuration, try supernet.accuracy(of: configuration, images: start..<start + images)))
    }
    // A stable order: of equal scores the one drawn first wins.
    let ranked = scored.enumerated().sorted {
      (-$0.element.accuracy, $0.offset) < (-$1.element.accuracy, $1.offset)
    }
    var best: (configuration: Configuration, accuracy: Double)?
    for (_, candidate) in ranked.prefix(finalists) {
      let accuracy = try supernet.accuracy(of: candidate.configuration)
      if accuracy > best?.accuracy ?? -1 { best = (candidate.configuration, accuracy) }
    }
    guard let best else { preconditionFailure("there is at least one finalist") }
    supernet.note("validation accuracy", best.accuracy)
    return best.configuration
  }
}
