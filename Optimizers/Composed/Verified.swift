import Anytime
import SearchSpaces

/// Spends a part of the budget on a one-shot search and the rest on stand-alone trainings of the architectures that it
/// recommended: the last one first, then the most frequent ones. The supernet proposes architectures, and stand-alone
/// trainings decide.
///
/// The evaluation step of random search with weight sharing, made a method for any one-shot search (Li and Talwalkar,
/// "Random Search and Reproducibility for Neural Architecture Search", UAI 2019, section 3: several candidates of the
/// search are trained for a while, and the best goes on).
///
/// Differences: a training is one of the table's at the highest epoch count, and is charged.
public struct Verified: Optimizer {
  public static let method = Method(
    name: "verified", title: "Verified", family: .composed,
    summary: "Trains the cells that a one-shot search recommended and keeps the best.",
    citation: "Li and Talwalkar, UAI 2019, section 3",
    settings: [
      Setting("method", \Verified.optimizer, "one-shot method that proposes cells"),
      Setting("share", \Verified.share, 0.01...0.99, "greatest part of the budget that the search may spend"),
      Setting("top", \Verified.top, 1...100_000, log: true, "greatest number of cells that are trained"),
    ])

  /// The one-shot method that proposes architectures.
  public var optimizer: (any Optimizer)?
  /// The greatest fraction of the budget that the search may spend (0.01...0.99).
  public var share = 0.8
  /// The greatest number of architectures that are trained stand-alone.
  public var top = 10

  public init() {}

  public var inner: [any Optimizer] { optimizer.map { [$0] } ?? [] }
  public var ends: Bool { true }

  public func validate() throws {
    if let optimizer, type(of: optimizer).method.family != .oneShot {
      throw SettingError(
        "\(type(of: optimizer).method.name) recommends nothing that it has not trained, so there is nothing to verify; "
          + "give 'method' a one-shot method, as in darts")
    }
  }

  public func validate(under conditions: Conditions) throws {
    var search = conditions
    search.horizon *= share
    try optimizer?.check(under: search)
  }

  public func search(_ session: Session) throws {
    guard let optimizer else { return }
    let search = try session.run(optimizer, limit: share * session.horizon, name: "search")
    if let failure = search.failure, search.recommendations == nil { throw RunFailure(failure) }
    for architecture in Self.order(search.recommendations ?? []).prefix(top) { try session.evaluate(architecture) }
  }

  /// The recommended architectures, the last one first, then by how often each was recommended; of equals, the later
  /// one comes first.
  ///
  /// - Parameter recommendations: The last one first.
  package static func order(_ recommendations: [ChildRun.Recommendation]) -> [Architecture] {
    let others = recommendations.dropFirst().enumerated().sorted {
      (-$0.element.count, $0.offset) < (-$1.element.count, $1.offset)
    }
    return (recommendations.prefix(1) + others.map(\.element)).map(\.architecture)
  }
}
