/// The error that a session throws when its budget is spent. It ends the run of that session alone. For a run in a
/// child session, ``ChildRun/end`` says whether the child's limit was spent or all that the parent had left.
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

  /// Amounts in each currency, none of them negative.
  public init(seconds: Double = 0, epochs: Double = 0, evaluations: Double = 0) {
    self.seconds = seconds
    self.epochs = epochs
    self.evaluations = evaluations
  }

  /// The amount in one currency.
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

/// The charges to one budget, summed by purpose. ``spent`` never exceeds ``horizon``.
public struct Ledger: Hashable, Sendable, Codable {
  /// The purpose of a charge.
  public enum Kind: String, CaseIterable, Sendable, Codable {
    /// Stand-alone trainings that ended in time.
    case training
    /// Gradient passes through a supernet, for its weights or for the architecture weights, and the epochs of an
    /// imported search.
    case supernet
    /// Passes over images that train nothing: evaluations of a supernet, probes for early stopping, and scores of
    /// untrained networks.
    case validation
    /// The optimizer's own thinking, such as fitting models, if the policy charges it
    /// (``BudgetPolicy/chargeOverhead``).
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

  /// The sum and the number of all charges of one kind.
  public struct Total: Hashable, Sendable, Codable {
    /// The sum of the charges, in the ledger's currency.
    public var amount = 0.0
    /// The number of charges.
    public var count = 0
  }

  /// The budget, in ``currency``.
  public let horizon: Double
  /// The unit of ``horizon`` and of all charges.
  public let currency: BudgetPolicy.Currency
  /// The sum of all charges in ``currency``, at most ``horizon``.
  public private(set) var spent = 0.0
  /// The sum of all charges in every currency, without lost budget (``Kind/lost``).
  public private(set) var total = Spending()
  /// By index of the kind. Single charges are not kept: there may be a billion.
  private var totals = [Total](repeating: Total(), count: Kind.allCases.count)

  /// Creates an empty ledger.
  ///
  /// - Parameters:
  ///   - horizon: The budget, in `currency`.
  ///   - currency: The unit of the budget and of all charges.
  public init(horizon: Double, currency: BudgetPolicy.Currency) {
    self.horizon = horizon
    self.currency = currency
  }

  /// Whether a charge would end by the horizon.
  func fits(_ amount: Double) -> Bool { spent + amount <= horizon }

  /// Enters a charge that fits.
  mutating func enter(_ kind: Kind, _ cost: Spending) {
    add(kind, cost[currency])
    spent += cost[currency]
    total += cost
  }

  /// Enters what is lost, at most what is left.
  mutating func lose(_ amount: Double) {
    let lost = min(amount, horizon - spent)
    add(.lost, lost)
    spent = fits(lost) && lost < horizon - spent ? spent + lost : horizon
  }

  private mutating func add(_ kind: Kind, _ amount: Double) {
    totals[kind.index].amount += amount
    totals[kind.index].count += 1
  }

  /// Returns the sum and the number of the charges of one kind.
  public func total(of kind: Kind) -> Total { totals[kind.index] }
}

/// A budget and what is spent of it. What a child account spends, its parent spends too, entry by entry.
final class Account {
  private(set) var ledger: Ledger
  private let parent: Account?

  init(horizon: Double, currency: BudgetPolicy.Currency) {
    ledger = Ledger(horizon: horizon, currency: currency)
    parent = nil
  }

  /// A child account.
  ///
  /// - Parameter limit: Its budget, as far as the parent has as much left; all that is left if `nil`.
  init(of parent: Account, limit: Double?) {
    let left = parent.ledger.horizon - parent.ledger.spent
    ledger = Ledger(horizon: min(limit ?? left, left), currency: parent.ledger.currency)
    self.parent = parent
  }

  /// Enters a charge here and in all accounts above.
  ///
  /// - Throws: ``BudgetExhausted`` if it would end past the horizon of this account or of one above. The rest of this
  ///   account's budget is then lost, for those above too.
  func charge(_ kind: Ledger.Kind, _ cost: Spending) throws(BudgetExhausted) {
    let amount = cost[ledger.currency]
    guard fits(amount) else {
      lose(ledger.horizon - ledger.spent)
      throw BudgetExhausted()
    }
    enter(kind, cost)
  }

  private func fits(_ amount: Double) -> Bool { ledger.fits(amount) && parent?.fits(amount) ?? true }

  private func enter(_ kind: Ledger.Kind, _ cost: Spending) {
    ledger.enter(kind, cost)
    parent?.enter(kind, cost)
  }

  private func lose(_ amount: Double) {
    ledger.lose(amount)
    parent?.lose(amount)
  }

  /// The ledgers of this account and of those above, to be kept and taken up again.
  var ledgers: [Ledger] {
    get { [ledger] + (parent?.ledgers ?? []) }
    set {
      guard let first = newValue.first else { return }
      ledger = first
      parent?.ledgers = Array(newValue.dropFirst())
    }
  }
}
