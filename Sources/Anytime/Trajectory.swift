import SearchSpaces
import TabularBenchmark

/// One change of the incumbent.
public struct TrajectoryPoint: Hashable, Sendable, Codable {
  /// Budget spent when this architecture became the incumbent; with `charge-final-training`, including its final
  /// training.
  public var amount: Double
  /// The amounts charged by the time this architecture became the incumbent, in every currency.
  public var spent: Spending
  /// The incumbent.
  public var architecture: Architecture.ID
  /// The epoch count of the evaluation that made it the incumbent; 0 for a recommendation.
  public var epochs: Int
  /// Best validation accuracy in the space minus the incumbent's, as a fraction (0.01 is one percentage point).
  public var validationRegret: Double
  /// Best test accuracy in the space minus the incumbent's, as a fraction; the least so far with
  /// ``BudgetPolicy/TestCurve/runningMinimum``. `nil` if the table has no test accuracy.
  public var testRegret: Double?
  /// Benchmark seconds of the incumbent's final training; 0 if the run has trained it at the highest epoch count.
  public var finalTrainingSeconds: Double

  /// Creates a change of the incumbent, with regrets as fractions (0.01 is one percentage point).
  public init(
    amount: Double, spent: Spending, architecture: Architecture.ID, epochs: Int,
    validationRegret: Double, testRegret: Double?, finalTrainingSeconds: Double
  ) {
    self.amount = amount
    self.spent = spent
    self.architecture = architecture
    self.epochs = epochs
    self.validationRegret = validationRegret
    self.testRegret = testRegret
    self.finalTrainingSeconds = finalTrainingSeconds
  }

  private enum CodingKeys: String, CodingKey {
    case amount, spent
    case architecture = "cell"
    case epochs, validationRegret, testRegret, finalTrainingSeconds
  }
}

/// The result of a run: its incumbents over the budget, its charges by purpose, and its diagnostics.
public struct RunResult: Hashable, Sendable {
  /// The changes of the incumbent, ascending by amount.
  public var trajectory: [TrajectoryPoint]
  /// The amounts charged, in every currency, without lost budget.
  public var spent: Spending
  /// The sum, in the policy's currency, and the number of the charges of each kind.
  public var ledger: [LedgerTotal]
  /// The optimizer's own thinking, in measured seconds: the only part of a result that differs between equal runs.
  public var overheadSeconds: Double
  /// Diagnostics of a one-shot method's supernets, one point per epoch; empty for other methods.
  public var trace: [TracePoint]
  /// The reason of a failed run, in one sentence; `nil` for a run that ended normally. The other properties of a failed
  /// run hold what it had found until then.
  public var failure: String?
  /// The results and costs of the methods that ran in child sessions.
  public var children: [ChildRun]

  /// The sum and the number of all charges of one kind.
  public struct LedgerTotal: Hashable, Sendable, Codable {
    /// The purpose of the charges.
    public var kind: Ledger.Kind
    /// The sum of the charges, in the policy's currency.
    public var amount: Double
    /// The number of charges.
    public var count: Int

    /// Creates a total.
    public init(kind: Ledger.Kind, amount: Double, count: Int) {
      self.kind = kind
      self.amount = amount
      self.count = count
    }
  }

  /// Creates the result of a run.
  public init(
    trajectory: [TrajectoryPoint], spent: Spending, ledger: [LedgerTotal], overheadSeconds: Double,
    trace: [TracePoint] = [], failure: String? = nil, children: [ChildRun] = []
  ) {
    self.failure = failure
    self.children = children
    self.trace = trace
    self.trajectory = trajectory
    self.spent = spent
    self.ledger = ledger
    self.overheadSeconds = overheadSeconds
  }
}

/// The incumbents of a run so far, by the rules of a policy. Only changes are kept, so memory stays flat however many
/// trainings a run makes.
struct Incumbents: Codable {
  /// A stand-alone training, by index of its epoch count and by repeat; a recommendation without them.
  struct Event: Codable {
    /// In every currency, at the moment when the result was known.
    var spent: Spending
    /// In the policy's currency.
    var amount: Double
    let row: Int
    var fidelity: Int?
    var number = 0

    /// Whether its row and indices are a benchmark's.
    func isOf(_ benchmark: Benchmark) -> Bool {
      benchmark.contains(row: row) && (0..<benchmark.table.repeats).contains(number)
        && fidelity.map { benchmark.table.epochs.indices.contains($0) } ?? true
    }
  }

  private(set) var points: [TrajectoryPoint] = []
  /// What made each point, for the session above.
  private(set) var events: [Event] = []
  /// The event that made the incumbent.
  private(set) var current: Event?
  private var bestAccuracy = 0.0
  private var leastTestRegret: Double?
  private var fullyTrained: Set<Int> = []

  /// Takes the next event of a run.
  mutating func add(_ event: Event, _ benchmark: Benchmark, _ policy: BudgetPolicy) {
    let table = benchmark.table
    let top = table.epochs.count - 1
    var changed = false
    if let fidelity = event.fidelity {
      if fidelity == top { fullyTrained.insert(event.row) }
      let accuracy =
        table.value(.validationAccuracy, row: event.row, epochs: fidelity, repeat: event.number) ?? -.infinity
      changed =
        if let seen = current?.fidelity {
          switch policy.incumbent {
          case .highestFidelity: (fidelity, accuracy) > (seen, bestAccuracy)
          case .anyFidelity: accuracy > bestAccuracy
          }
        } else {
          // The first training; it outranks a recommendation, which is no evidence.
          true
        }
      if changed { bestAccuracy = accuracy }
    } else {
      changed = current.map { $0.fidelity == nil && $0.row != event.row } ?? true
    }
    if changed { current = event }

    if policy.testCurve == .runningMinimum, let regret = Self.testRegret(event, benchmark, policy),
      regret < leastTestRegret ?? .infinity
    {
      leastTestRegret = regret
      changed = true
    }
    guard changed, let incumbent = current else { return }
    events.append(event)
    points.append(
      TrajectoryPoint(
        amount: event.amount, spent: event.spent, architecture: table.id(incumbent.row),
        epochs: incumbent.fidelity.map { table.epochs[$0] } ?? 0,
        validationRegret: Self.validationRegret(incumbent, benchmark, policy),
        testRegret: leastTestRegret ?? Self.testRegret(incumbent, benchmark, policy),
        finalTrainingSeconds: fullyTrained.contains(incumbent.row)
          ? 0 : table.mean(.seconds, row: incumbent.row, epochs: top) ?? 0))
  }

  /// Whether all rows and indices are a benchmark's.
  func isOf(_ benchmark: Benchmark) -> Bool {
    fullyTrained.allSatisfy { benchmark.contains(row: $0) } && events.allSatisfy { $0.isOf(benchmark) }
      && current?.isOf(benchmark) ?? true
  }

  private static func validationRegret(_ event: Event, _ benchmark: Benchmark, _ policy: BudgetPolicy) -> Double {
    let accuracy = accuracy(.validationAccuracy, event, benchmark, isDrawn: policy.accuracy != .mean)
    return reference(benchmark.bestValidation, policy) - (accuracy ?? .nan)
  }

  private static func testRegret(_ event: Event, _ benchmark: Benchmark, _ policy: BudgetPolicy) -> Double? {
    guard let best = benchmark.bestTest,
      let accuracy = accuracy(.testAccuracy, event, benchmark, isDrawn: policy.accuracy == .drawn)
    else { return nil }
    return reference(best, policy) - accuracy
  }

  private static func reference(_ best: Benchmark.Best, _ policy: BudgetPolicy) -> Double {
    policy.regretReference == .bestMean ? best.mean : best.single
  }

  private static func accuracy(_ metric: Metric, _ event: Event, _ benchmark: Benchmark, isDrawn: Bool) -> Double? {
    let table = benchmark.table
    if isDrawn, let fidelity = event.fidelity {
      return table.value(metric, row: event.row, epochs: fidelity, repeat: event.number)
    }
    return table.mean(metric, row: event.row, epochs: table.epochs.count - 1)
  }
}

extension [TrajectoryPoint] {
  /// Returns the trajectory in which each incumbent counts only when its final training has ended. Incumbents whose
  /// final training would end past the horizon are left out, and so are those that a later incumbent overtakes because
  /// its final training ends earlier.
  ///
  /// - Parameters:
  ///   - currency: The unit of the amounts and of the horizon.
  ///   - epochs: The number of epochs of a final training.
  ///   - horizon: The budget, in `currency`.
  public func chargingFinalTraining(
    in currency: BudgetPolicy.Currency, epochs: Double, horizon: Double
  ) -> [TrajectoryPoint] {
    var ready: [(known: Int, point: TrajectoryPoint)] = []
    for (known, var point) in enumerated() {
      if point.finalTrainingSeconds > 0 {
        point.amount +=
          Spending(seconds: point.finalTrainingSeconds, epochs: epochs, evaluations: 1)[currency]
      }
      if point.amount <= horizon { ready.append((known, point)) }
    }
    ready.sort { ($0.point.amount, $0.known) < ($1.point.amount, $1.known) }
    var latest = -1
    return ready.compactMap { known, point in
      guard known > latest else { return nil }
      latest = known
      return point
    }
  }
}
