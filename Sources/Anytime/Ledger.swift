/// The budget is spent: the session throws this at the horizon, and the run ends.
public struct BudgetExhausted: Error, Hashable, Sendable, CustomStringConvertible {
  public var description: String { "the budget is spent" }
  public init() {}
}

/// An amount in every currency at once.
public struct Spending: Hashable, Sendable, Codable {
  /// Benchmark seconds.
  public var seconds = 0.0
  /// Trained epochs; a supernet's passes count by their cost, in epochs of average length.
  public var epochs = 0.0
  /// Trainings; a supernet's passes count by their cost, in trainings of average length at the highest epoch
  /// count.
  public var evaluations = 0.0

  public init(seconds: Double = 0, epochs: Double = 0, evaluations: Double = 0) {
    self.seconds = seconds
    self.epochs = epochs
    self.evaluations = evaluations
  }

  /// The part in one currency.
  public subscript(currency: BudgetPolicy.Currency) -> Double {
    switch currency {
    case .seconds: seconds
    case .epochs: epochs
    case .evaluations: evaluations
    }
  }

  static func += (total: inout Self, part: Self) {
    total.seconds += part.seconds
    total.epochs += part.epochs
    total.evaluations += part.evaluations
  }
}

/// What a run has spent, and what for, against its horizon.
///
/// A charge that would end past the horizon takes what is left and throws, so ``spent`` never exceeds
/// ``horizon``.
public struct Ledger: Hashable, Sendable, Codable {
  /// The purpose of a charge.
  public enum Kind: String, CaseIterable, Sendable, Codable {
    /// Stand-alone trainings that ended in time.
    case training
    /// Steps of a supernet's weights and of what chooses architectures by it.
    case supernet
    /// Passes over images that a supernet is not trained on.
    case validation
    /// The optimizer's own thinking, where the policy charges it.
    case overhead
    /// The rest of the budget, taken by a charge that would have ended past the horizon.
    case lost

    fileprivate var index: Int {
      switch self {
      case .training: 0
      case .supernet: 1
      case .validation: 2
      case .overhead: 3
      case .lost: 4
      }
    }
  }

  /// All charges of one kind: their sum in the ledger's currency, and how many there were.
  public struct Total: Hashable, Sendable, Codable {
    public var amount = 0.0
    public var count = 0
  }

  /// The budget, in ``currency``.
  public let horizon: Double
  public let currency: BudgetPolicy.Currency
  /// The sum of all charges in ``currency``, at most ``horizon``.
  public private(set) var spent = 0.0
  /// The sum of all charges in every currency, as far as they were really spent.
  public private(set) var total = Spending()
  /// By index of the kind. Single charges are not kept: there may be a billion.
  private var totals = [Total](repeating: Total(), count: Kind.allCases.count)

  public init(horizon: Double, currency: BudgetPolicy.Currency) {
    self.horizon = horizon
    self.currency = currency
  }

  /// Enters a charge.
  ///
  /// - Throws: ``BudgetExhausted`` if it would end past the horizon; the rest of the budget is then lost.
  mutating func charge(_ kind: Kind, _ cost: Spending) throws(BudgetExhausted) {
    let amount = cost[currency]
    guard spent + amount <= horizon else {
      enter(.lost, horizon - spent)
      spent = horizon
      throw BudgetExhausted()
    }
    enter(kind, amount)
    spent += amount
    total += cost
  }

  private mutating func enter(_ kind: Kind, _ amount: Double) {
    totals[kind.index].amount += amount
    totals[kind.index].count += 1
  }

  /// All charges of one kind.
  public func total(of kind: Kind) -> Total { totals[kind.index] }
}
