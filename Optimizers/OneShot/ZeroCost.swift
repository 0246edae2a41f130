import Anytime
import SearchSpaces
import Supernet

/// Zero-cost search: ranks a pool of random cells by a score that needs no training, trains the best of them on their
/// own in the order of their ranks, and goes on with another pool.
///
/// Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021, and Mellor et al., "Neural Architecture
/// Search without Training", ICML 2021, whose `search.py` returns the best of one pool of 100; `batch-size` is the
/// default there. The scores are described at `NetworkScore`.
///
/// Differences: weights are drawn as the table's trainings draw them (the codes' convolutions have a variance of 2 over
/// their outputs' weights, and dense layers one of 0.0001); a pool's cells are distinct and drawn by configuration,
/// where `search.py` draws with replacement among cells; scores are charged, a minibatch forward or an image forward
/// and back, where the papers call them free; cells that were trained are in no further pool, until no others are
/// found.
public struct ZeroCost: Optimizer {
  public static let method = Method(
    name: "zero-cost", title: "Zero-cost",
    summary: "Trains the best of random cells by a score of their untrained networks.",
    citation: "Mellor et al., ICML 2021; Abdelfattah et al., ICLR 2021",
    usesImages: true,
    settings: [
      Setting("proxy", \ZeroCost.proxy, "score that cells are ranked by"),
      Setting("pool", \ZeroCost.pool, 1...100_000, log: true, "distinct random cells that are scored at a time"),
      Setting("top", \ZeroCost.top, 1...100_000, log: true, "best-scored cells of a pool, which are trained"),
      Setting("batch-size", \ZeroCost.batchSize, 2...10_000, log: true, "images in the minibatch of nwot"),
    ])

  /// The score that cells are ranked by.
  public var proxy = NetworkScore.nwot
  /// The number of distinct random cells that are scored at a time.
  public var pool = 100
  /// The number of best-scored cells of a pool that are trained; at most ``pool``.
  public var top = 10
  /// The number of images in the minibatch of the score `nwot`.
  public var batchSize = 128

  public init() {}

  public func validate() throws {
    guard top <= pool else {
      throw SettingError("\(top) cells cannot be chosen from a pool of \(pool); set 'top' to at most 'pool'")
    }
  }

  public func validate(under conditions: Conditions) throws {
    if proxy.runsNetworks { try SearchTask(under: conditions)?.checkBatch(of: batchSize) }
  }

  /// Whether the score runs networks: counts do not depend on images.
  public var usesImages: Bool { proxy.runsNetworks }

  public func search(_ session: Session) throws {
    let scorer = try NetworkScorer(session, proxy, batchSize: batchSize)
    var trained: Set<Architecture> = []
    while true {
      let cells = draw(session, besides: trained)
      // All are trained: again, then.
      if cells.isEmpty { trained = [] }
      let scores = try scorer.scores(of: cells)
      // A stable order: of equal scores the one drawn first wins.
      let ranked = cells.indices.sorted { (-scores[$0], $0) < (-scores[$1], $1) }
      for index in ranked.prefix(top) {
        try session.evaluate(cells[index])
        trained.insert(cells[index])
      }
    }
  }

  /// Distinct cells that were not trained; fewer than a pool where a thousand draws in a row find no other.
  private func draw(_ session: Session, besides trained: Set<Architecture>) -> [Architecture] {
    var cells: [Architecture] = []
    var seen = trained
    var misses = 0
    while cells.count < pool, misses < 1_000 {
      misses += 1
      let drawn = session.space.architecture(session.space.sample(using: &session.random))
      guard let drawn, seen.insert(drawn).inserted else { continue }
      cells.append(drawn)
      misses = 0
    }
    return cells
  }
}
