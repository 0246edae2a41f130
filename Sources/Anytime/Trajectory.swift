import CellSpace
import TabularBenchmark

/// One change of the incumbent.
public struct TrajectoryPoint: Hashable, Sendable, Codable {
  /// When it was known, in the policy's currency; under `charge-final-training`, when it counts.
  public var amount: Double
  /// What was spent until it was known, in every currency.
  public var spent: Spending
  /// The incumbent's NAS-Bench-101 hash.
  public var cell: String
  /// The epoch count of the evaluation that made it the incumbent; 0 for a recommendation.
  public var epochs: Int
  /// Best validation accuracy in the space minus the incumbent's.
  public var validationRegret: Double
  /// Best test accuracy in the space minus the incumbent's; `nil` if the table has no test accuracy.
  public var testRegret: Double?
  /// Seconds that the final training of the incumbent costs, 0 if the run has trained it fully.
  public var finalTrainingSeconds: Double

  public init(
    amount: Double, spent: Spending, cell: String, epochs: Int, validationRegret: Double,
    testRegret: Double?, finalTrainingSeconds: Double
  ) {
    self.amount = amount
    self.spent = spent
    self.cell = cell
    self.epochs = epochs
    self.validationRegret = validationRegret
    self.testRegret = testRegret
    self.finalTrainingSeconds = finalTrainingSeconds
  }
}

/// The incumbents of a run over its budget, and what it spent for what.
public struct RunResult: Hashable, Sendable {
  /// Ascending by amount.
  public var trajectory: [TrajectoryPoint]
  /// What was spent, in every currency.
  public var spent: Spending
  /// Amounts in the policy's currency and numbers of entries, by kind.
  public var ledger: [LedgerTotal]
  /// The optimizer's own time, measured. The only part of a result that differs from time to time.
  public var overheadSeconds: Double
  /// What a one-shot method's supernet was like after its epochs; empty for others.
  public var trace: [TracePoint]

  public struct LedgerTotal: Hashable, Sendable, Codable {
    public var kind: Ledger.Kind
    public var amount: Double
    public var count: Int

    public init(kind: Ledger.Kind, amount: Double, count: Int) {
      self.kind = kind
      self.amount = amount
      self.count = count
    }
  }

  public init(
    trajectory: [TrajectoryPoint], spent: Spending, ledger: [LedgerTotal], overheadSeconds: Double,
    trace: [TracePoint] = []
  ) {
    self.trace = trace
    self.trajectory = trajectory
    self.spent = spent
    self.ledger = ledger
    self.overheadSeconds = overheadSeconds
  }
}

/// Reads the incumbents off the events of a finished session, by the rules of a policy.
struct TrajectoryBuilder {
  let benchmark: Benchmark
  let policy: BudgetPolicy
  let horizon: Double

  private var table: Table { benchmark.table }
  private var top: Int { table.epochs.count - 1 }

  func trajectory(_ events: [Session.Event]) -> [TrajectoryPoint] {
    var points: [TrajectoryPoint] = []
    var incumbent: Session.Event?
    var best = (place: -1, accuracy: -Double.infinity)
    var leastTestRegret: Double?
    var fullyTrained: Set<Int> = []
    for event in events {
      var changed = false
      if let training = event.training {
        if training.place == top { fullyTrained.insert(event.row) }
        let accuracy = drawn(.validationAccuracy, event.row, training) ?? -.infinity
        let better =
          switch policy.incumbent {
          case .highestFidelity: (training.place, accuracy) > best
          case .anyFidelity: accuracy > best.accuracy
          }
        // Once a method recommends, its recommendations alone count.
        if better, incumbent?.training != nil || incumbent == nil {
          best = (training.place, accuracy)
          changed = true
        }
      } else {
        changed = incumbent?.row != event.row || incumbent?.training != nil
      }
      if changed { incumbent = event }

      if policy.testCurve == .runningMinimum, let regret = testRegret(event),
        regret < leastTestRegret ?? .infinity
      {
        leastTestRegret = regret
        changed = true
      }
      guard changed, let incumbent else { continue }
      points.append(
        TrajectoryPoint(
          amount: event.amount, spent: event.spent, cell: table.hash(incumbent.row).description,
          epochs: incumbent.training.map { table.epochs[$0.place] } ?? 0,
          validationRegret: validationRegret(incumbent),
          testRegret: leastTestRegret ?? testRegret(incumbent),
          finalTrainingSeconds: fullyTrained.contains(incumbent.row)
            ? 0 : table.mean(.seconds, row: incumbent.row, epochs: top) ?? 0))
    }
    return policy.chargeFinalTraining
      ? points.chargingFinalTraining(
        in: policy.currency, epochs: Double(table.epochs[top]), horizon: horizon) : points
  }

  private func validationRegret(_ event: Session.Event) -> Double {
    let reference = benchmark.bestValidation
    let isDrawn = policy.accuracy != .mean
    let accuracy = accuracy(.validationAccuracy, event, isDrawn: isDrawn)
    return (policy.regretReference == .bestMean ? reference.mean : reference.single) - (accuracy ?? .nan)
  }

  private func testRegret(_ event: Session.Event) -> Double? {
    guard let reference = benchmark.bestTest,
      let accuracy = accuracy(.testAccuracy, event, isDrawn: policy.accuracy == .drawn)
    else { return nil }
    return (policy.regretReference == .bestMean ? reference.mean : reference.single) - accuracy
  }

  private func accuracy(_ metric: Metric, _ event: Session.Event, isDrawn: Bool) -> Double? {
    if isDrawn, let training = event.training { return drawn(metric, event.row, training) }
    return table.mean(metric, row: event.row, epochs: top)
  }

  private func drawn(_ metric: Metric, _ row: Int, _ training: Session.Event.Training) -> Double? {
    table.value(metric, row: row, epochs: training.place, repeat: training.number)
  }
}

extension [TrajectoryPoint] {
  /// Each incumbent when its final training has ended, as far as that is by the horizon. A later incumbent may
  /// be ready before an earlier one, which then never counts.
  ///
  /// - Parameters:
  ///   - currency: That of the amounts.
  ///   - epochs: What a final training costs in epochs.
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
