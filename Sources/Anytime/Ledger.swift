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

/// What a run has spent, entry by entry, against its horizon.
///
/// A charge that would end past the horizon takes what is left and throws, so ``spent`` never exceeds
/// ``horizon``.
public struct Ledger: Hashable, Sendable, Codable {
  /// What money went for.
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
  }

  /// One charge.
  public struct Entry: Hashable, Sendable, Codable {
    public let kind: Kind
    /// In the ledger's currency.
    public let amount: Double
    /// In every currency, as far as it was really spent.
    public let cost: Spending
  }

  /// The budget, in ``currency``.
  public let horizon: Double
  public let currency: BudgetPolicy.Currency
  /// The sum of all entries' amounts, at most ``horizon``.
  public private(set) var spent = 0.0
  /// The sum of all entries' costs.
  public private(set) var total = Spending()
  public private(set) var entries: [Entry] = []

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
      entries.append(Entry(kind: .lost, amount: horizon - spent, cost: Spending()))
      spent = horizon
      throw BudgetExhausted()
    }
    entries.append(Entry(kind: kind, amount: amount, cost: cost))
    spent += amount
    total += cost
  }

  /// The sum of the amounts of one kind, in ``currency``, and the number of its entries.
  public func total(of kind: Kind) -> (amount: Double, count: Int) {
    entries.reduce(into: (0.0, 0)) { sum, entry in
      guard entry.kind == kind else { return }
      sum.0 += entry.amount
      sum.1 += 1
    }
  }
}
