import Anytime
import SearchSpaces
import Statistics

/// Hyperband: random search whose configurations are first trained for few epochs, and only the best of them
/// for more.
///
/// Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, "Hyperband: A Novel Bandit-Based Approach to
/// Hyperparameter Optimization", JMLR 2018, algorithm 1, with eta 3. The resources are the table's epoch
/// counts, and brackets follow each other from the one with most configurations to plain random search, again
/// and again.
///
/// Differences: the resources are given, so eta only says how many configurations go on; a bracket's
/// arithmetic is in whole numbers. `brackets: hpbandster` has the numbers of HpBandSter 0.7.4, which rounds
/// down where the paper rounds up: for four epoch counts 27, 9, 6, 4 configurations instead of 27, 12, 6, 4.
public struct Hyperband: Optimizer {
  public static let method = Method(
    name: "hyperband", title: "Hyperband",
    summary: "Trains many random configurations for few epochs and only the best for more.",
    citation: "Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, JMLR 2018",
    usesFidelities: true,
    settings: Brackets.settings(at: \Hyperband.brackets))

  /// The schedule.
  public var brackets = Brackets()

  public init() {}

  public func search(_ session: Session) throws {
    try brackets.run(session) { session.space.sample(using: &session.random) }
  }
}

/// Hyperband's schedule.
public struct Brackets: Configurable {
  /// One in so many configurations goes on.
  public var eta = 3
  /// How the number of configurations that a bracket begins with is rounded.
  public var rounding = Rounding.paper

  public static let settings = [
    Setting("eta", \Brackets.eta, 2...16, "one in eta configurations goes on"),
    Setting("brackets", \Brackets.rounding, "how a bracket's number of configurations is rounded"),
  ]

  public init() {}

  /// How the number of configurations that a bracket begins with is rounded.
  public enum Rounding: String, CaseIterable, Sendable {
    /// Li et al.: ceil(k / (s + 1) eta^s), for k epoch counts and s promotions.
    case paper
    /// HpBandSter: floor(k / (s + 1)) eta^s.
    case hpbandster
  }

  /// The configurations at one epoch count.
  public struct Rung: Hashable, Sendable {
    /// The number of configurations.
    public let configurations: Int
    /// The index among the session's epoch counts.
    public let fidelity: Int
  }

  /// The brackets of one round, the one with most promotions first.
  public func schedule(fidelities: Int) -> [[Rung]] {
    (0..<fidelities).reversed().map { promotions in
      var power = 1
      // A table may have any number of epoch counts: no budget pays for a million configurations at the lowest.
      for _ in 0..<promotions where power < 1_000_000 { power *= eta }
      let first =
        switch rounding {
        case .paper: (fidelities * power + promotions) / (promotions + 1)
        case .hpbandster: fidelities / (promotions + 1) * power
        }
      var count = first
      return (0...promotions).map { rung in
        defer { count /= eta }
        return Rung(configurations: max(1, count), fidelity: fidelities - 1 - promotions + rung)
      }
    }
  }

  /// Runs brackets until the budget is spent.
  ///
  /// - Parameters:
  ///   - suggest: A configuration to begin with.
  ///   - observe: Told of every training: configuration, index of its epoch count, and validation error.
  func run(
    _ session: Session, suggest: () -> Configuration,
    observe: (Configuration, Int, Double) -> Void = { _, _, _ in }
  ) throws {
    let schedule = schedule(fidelities: session.fidelities.count)
    while true {
      for bracket in schedule {
        var survivors: [(configuration: Configuration, loss: Double)] = []
        for (level, rung) in bracket.enumerated() {
          let epochs = session.fidelities[rung.fidelity]
          for number in 0..<rung.configurations {
            let configuration = level == 0 ? suggest() : survivors[number].configuration
            let loss = 1 - (try session.evaluate(configuration, epochs: epochs).validationAccuracy)
            observe(configuration, rung.fidelity, loss)
            if level == 0 {
              survivors.append((configuration, loss))
            } else {
              survivors[number].loss = loss
            }
          }
          survivors.removeLast(survivors.count - rung.configurations)
          survivors.sort { $0.loss < $1.loss }
        }
      }
    }
  }
}
