import Anytime
import Experiments
import Foundation
import Statistics
import TabularBenchmark

/// When an incumbent counts: both of Lindauer and Hutter's accountings (JMLR 2020), from the same runs.
public enum Accounting: String, CaseIterable, Sendable, Codable {
  /// An incumbent counts when it is known: architecture identification, final training free.
  case recommendedNow = "recommended-now"
  /// An incumbent counts when its final training has ended too: the AutoML variant.
  case finalTrainingCharged = "final-training-charged"

  /// The text in captions.
  public var text: String { self == .recommendedNow ? "final training free" : "final training charged" }
}

/// The accuracy whose regret is shown.
public enum RegretMetric: String, CaseIterable, Sendable, Codable {
  /// The images that accuracy is measured on.
  case validation, test
}

/// Regret of every run of an experiment over the budget spent: the basis of all curves, ranks, targets and tests.
/// Failed runs are left out here, and so everywhere.
public struct RegretRuns: Sendable {
  /// The experiment with its runs.
  public let results: ExperimentResults
  /// The currency of all amounts.
  public let currency: BudgetPolicy.Currency
  /// When an incumbent counts.
  public let accounting: Accounting
  /// Facts on the whole search space, if its table was available.
  public let reference: SpaceReference?
  /// The end of all curves: the horizon, or in another currency than the policy's, which has no horizon, the greatest
  /// ``Run/end``.
  public let end: Double
  /// In the experiment's order.
  public let methods: [MethodRuns]
  /// The envelopes of methods that are planned for several numbers of epochs; empty without such.
  public let envelopes: [Envelope]

  /// The runs of one method.
  public struct MethodRuns: Sendable {
    /// The method's label.
    public let label: String
    /// The method's name.
    public let method: String
    /// The method's family.
    public let family: Method.Family
    /// The runs that ended well, by ascending seed.
    public let runs: [Run]
    /// The number of failed runs, which are in no statistic.
    public let failed: Int
  }

  /// One run's regret, as fractions (0.01 is one percent point).
  public struct Run: Sendable {
    /// The run's seed.
    public let seed: UInt64
    /// The amount spent at the end of the run, including budget that was lost at the horizon and, with final trainings
    /// charged, that of the last incumbent.
    public let end: Double
    /// Regret of validation accuracy over the amount spent.
    public let validation: StepCurve
    /// `nil` if the table has no test accuracy.
    public let test: StepCurve?

    /// The curve of a metric.
    public func curve(_ metric: RegretMetric) -> StepCurve? { metric == .validation ? validation : test }
  }

  /// Regret in the policy's own currency and accounting.
  public init(_ results: ExperimentResults, reference: SpaceReference? = nil) {
    let policy = results.experiment.policy
    self.init(
      results, policy.currency, policy.chargeFinalTraining ? .finalTrainingCharged : .recommendedNow,
      reference: reference)
  }

  /// Regret in any currency and accounting.
  ///
  /// - Parameters:
  ///   - currency: By default the policy's.
  ///   - accounting: By default the policy's.
  ///   - reference: Needed to charge final trainings in epochs.
  /// - Throws: ``ReportError`` for an accounting that the runs cannot give.
  public init(
    _ results: ExperimentResults, currency: BudgetPolicy.Currency?, accounting: Accounting?,
    reference: SpaceReference? = nil
  ) throws(ReportError) {
    let policy = results.experiment.policy
    let own: Accounting = policy.chargeFinalTraining ? .finalTrainingCharged : .recommendedNow
    if policy.chargeFinalTraining, accounting == .recommendedNow {
      throw ReportError(
        "the runs of '\(results.experiment.name)' hold no curve without final trainings; run it with "
          + "charge-final-training false, which gives both curves")
    }
    let currency = currency ?? policy.currency
    let accounting = accounting ?? own
    if accounting == .finalTrainingCharged, currency == .epochs, reference == nil,
      !(policy.chargeFinalTraining && policy.currency == .epochs)
    {
      throw ReportError(
        "what a final training costs in epochs is known from the table only; give the table that "
          + "'\(results.experiment.name)' was run on")
    }
    self.init(results, currency, accounting, reference: reference)
  }

  private init(
    _ results: ExperimentResults, _ currency: BudgetPolicy.Currency, _ accounting: Accounting,
    reference: SpaceReference?
  ) {
    self.results = results
    self.currency = currency
    self.accounting = accounting
    self.reference = reference
    let experiment = results.experiment
    let isOwn = currency == experiment.policy.currency
    // By method and run, where its final result is known.
    var ends: [[Double]] = []
    methods = results.methods.map { method in
      ends.append([])
      return MethodRuns(
        label: method.entry.label, method: method.entry.method, family: method.family,
        runs: method.endedRuns.map { seed, result in
          var points = result.trajectory
          if !isOwn { for index in points.indices { points[index].amount = points[index].spent[currency] } }
          if accounting == .finalTrainingCharged, !(isOwn && experiment.policy.chargeFinalTraining) {
            points = points.chargingFinalTraining(
              in: currency, epochs: Double(reference?.topEpochs ?? 0),
              horizon: isOwn ? experiment.horizon : .infinity)
          }
          let spent = result.ledger.reduce(0) { $0 + $1.amount }
          let amounts = points.map(\.amount)
          let last = amounts.last ?? 0
          // A run that its budget cut short has no final result, nor one whose final training would end too late.
          let isWhole =
            !result.ledger.contains { $0.kind == .lost } && points.last?.spent == result.trajectory.last?.spent
          ends[ends.count - 1].append(isWhole ? max(result.spent[currency], last) : .infinity)
          let tests = points.compactMap { $0.regret(.test) }
          return Run(
            seed: seed,
            end: max(last, isOwn ? (spent > 0 ? spent : experiment.horizon) : result.spent[currency]),
            validation: StepCurve(positions: amounts, values: points.compactMap { $0.regret(.validation) }),
            test: tests.count == points.count && !points.isEmpty
              ? StepCurve(positions: amounts, values: tests) : nil)
        }, failed: method.failedRuns.count)
    }
    let most = methods.flatMap { $0.runs.map(\.end) }.max()
    end = isOwn ? experiment.horizon : most ?? 0
    envelopes = Self.envelopes(results, methods, ends: ends)
  }

  /// Test where any run has it, else validation.
  public var defaultMetric: RegretMetric {
    methods.contains { $0.runs.contains { $0.test != nil } } ? .test : .validation
  }

  /// The methods that can be ranked and tested: those with at least one run that ended well.
  var compared: [MethodRuns] { methods.filter { !$0.runs.isEmpty } }

  /// The seeds whose runs ended well for every method that is compared, ascending.
  public var commonSeeds: [UInt64] { compared.commonSeeds }

  /// Whether methods can be compared seed by seed: common seeds are at least half of the runs that any has.
  public var isPaired: Bool { 2 * commonSeeds.count >= methods.map(\.runs.count).max() ?? 0 }

  /// The first incumbent of any run; `nil` if there is none.
  public var start: Double? {
    methods.flatMap { $0.runs.compactMap { $0.validation.positions.first } }.min()
  }

  /// Amounts from the first incumbent of any run to the end, exactly: evenly spaced, or in the logarithm.
  ///
  /// - Parameter size: The number of amounts, at least 2.
  public func grid(_ size: Int, scale: StepCurve.Scale) -> [Double] {
    let count = max(2, size)
    let first = min(max(start ?? end, end * 1e-9), end)
    return (0..<count).map { index in
      let part = Double(index) / Double(count - 1)
      if index == 0 { return first }
      if index == count - 1 { return end }
      return scale == .log ? first * pow(end / first, part) : first + (end - first) * part
    }
  }
}

extension TrajectoryPoint {
  /// The regret by a metric, without the noise of the table's single precision, which stores of earlier versions hold:
  /// equal regrets are equal to the bit. `nil` if the table has no such accuracy.
  func regret(_ metric: RegretMetric) -> Double? {
    (metric == .test ? testRegret : validationRegret)?.roundedAccuracy
  }
}

extension [RegretRuns.MethodRuns] {
  /// The seeds whose runs ended well for all of these methods, ascending.
  var commonSeeds: [UInt64] {
    guard let first else { return [] }
    return dropFirst().reduce(into: Set(first.runs.map(\.seed))) { seeds, method in
      seeds.formIntersection(method.runs.map(\.seed))
    }.sorted()
  }
}
