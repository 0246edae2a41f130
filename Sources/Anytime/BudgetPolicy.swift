/// Every choice about how a budget is spent and how a result is counted: one value, printed with every
/// result, stored with every run, and part of its identity.
///
/// The defaults are the policy ``fair``, which follows Lindauer and Hutter, "Best Practices for Scientific
/// Research on Neural Architecture Search" (JMLR 2020).
public struct BudgetPolicy: Hashable, Sendable, Codable {
  /// The unit of the budget.
  public enum Currency: String, CaseIterable, Sendable, Codable {
    /// Seconds of training on the hardware on which the table was measured.
    case seconds
    /// Trained epochs; a supernet's passes count by their cost.
    case epochs
    /// Stand-alone trainings, each counting 1 whatever it costs; a supernet's passes count by their cost.
    case evaluations
  }

  /// The rule by which evaluations compete to be the incumbent, always by validation accuracy.
  public enum Incumbent: String, CaseIterable, Sendable, Codable {
    /// The best evaluation at the highest epoch count that the run has trained so far.
    case highestFidelity = "highest-fidelity"
    /// The best evaluation at any epoch count.
    case anyFidelity = "any-fidelity"
  }

  /// The accuracy of the incumbent from which regret is computed.
  public enum Accuracy: String, CaseIterable, Sendable, Codable {
    /// The mean over all repeats at the table's highest epoch count.
    case mean
    /// The accuracy of the one training that the run drew; the mean for a recommendation, which has no training.
    case drawn
    /// Validation accuracy as in ``drawn``, test accuracy as in ``mean``: the accounting of NAS-Bench-101's scripts.
    case drawnValidation = "drawn-validation"
  }

  /// The quantity that the test curve shows.
  public enum TestCurve: String, CaseIterable, Sendable, Codable {
    /// The test regret of the incumbent, which is chosen by validation accuracy: the curve may rise.
    case incumbent
    /// The least test regret of all architectures evaluated or recommended so far: optimistic, for comparison with
    /// published curves.
    case runningMinimum = "running-minimum"
  }

  /// The best accuracy of the search space, which regret is measured against.
  public enum RegretReference: String, CaseIterable, Sendable, Codable {
    /// The greatest accuracy of any architecture in the search space, averaged over its repeats.
    case bestMean = "best-mean"
    /// The greatest accuracy of any single training in the search space.
    case bestSingle = "best-single"
  }

  /// The clock by which a supernet's passes are charged.
  public enum Clock: String, CaseIterable, Sendable, Codable {
    /// Benchmark seconds computed from the work that a pass executes: the same on every machine.
    case model
    /// CPU seconds that a pass takes on this machine, converted to benchmark seconds by a calibration factor. Runs are
    /// then not reproducible to the bit.
    case measured
  }

  /// The variant of the supernet that one-shot methods train.
  public enum Supernet: String, CaseIterable, Sendable, Codable {
    /// Batch norm's momentum in PyTorch's convention (0.1), and no padding before images are halved between stacks.
    case corrected
    /// The supernet as NAS-Bench-1Shot1 published it: TensorFlow's batch norm momentum 0.997 given to PyTorch
    /// unchanged, which keeps the last batch's statistics, and one pixel of padding before images are halved.
    case asPublished = "as-published"
  }

  /// The name of the policy that this one is or was made from.
  public var name: String
  /// The unit of the budget.
  public var currency: Currency = .seconds
  /// Whether training an architecture for more epochs than in its last training charges only the difference.
  public var resume = false
  /// Whether the optimizer's own thinking is charged, by measured seconds. Runs are then not reproducible to the bit.
  public var chargeOverhead = false
  /// Whether an incumbent counts only after its final training at the highest epoch count, whose cost is added. Nothing
  /// is added if the run has made that training.
  public var chargeFinalTraining = false
  /// The rule by which evaluations compete to be the incumbent.
  public var incumbent = Incumbent.highestFidelity
  /// The accuracy of the incumbent from which regret is computed.
  public var accuracy = Accuracy.mean
  /// The quantity that the test curve shows.
  public var testCurve = TestCurve.incumbent
  /// The best accuracy of the space that regret is measured against.
  public var regretReference = RegretReference.bestMean
  /// The clock by which a supernet's passes are charged.
  public var clock = Clock.model
  /// The variant of the supernet that one-shot methods train.
  public var supernet = Supernet.corrected

  /// The default policy: equal budgets in benchmark seconds, and nothing chosen by test accuracy.
  public static let fair = BudgetPolicy(name: "fair")

  /// The accounting of the scripts of NAS-Bench-101's authors (`automl/nas_benchmarks`): the budget is a number of
  /// evaluations, the incumbent has the least drawn validation error at any epoch count, and its test error is the mean
  /// over repeats.
  public static let nasBench101 = BudgetPolicy(
    name: "nas-bench-101", currency: .evaluations, incumbent: .anyFidelity, accuracy: .drawnValidation)

  /// The accounting of NAS-Bench-1Shot1's scripts and plots: a budget of 280 evaluations, the running minimum of the
  /// drawn test error, regret against the best single training, and their supernet.
  public static let oneShot1AsPublished = BudgetPolicy(
    name: "1shot1-as-published", currency: .evaluations, incumbent: .anyFidelity, accuracy: .drawn,
    testCurve: .runningMinimum, regretReference: .bestSingle, supernet: .asPublished)

  /// The named policies.
  public static let all = [fair, nasBench101, oneShot1AsPublished]

  /// The budget that the policy prescribes, in its currency: 280 for ``oneShot1AsPublished``, `nil` for others.
  public var defaultHorizon: Double? { name == Self.oneShot1AsPublished.name ? 280 : nil }

  /// Finds a named policy.
  ///
  /// - Throws: ``UnknownWord`` if no policy has this name.
  public static func named(_ name: String) throws(UnknownWord) -> BudgetPolicy {
    guard let policy = all.first(where: { $0.name == name }) else {
      throw UnknownWord(name, kind: "policy", known: all.map(\.name))
    }
    return policy
  }

  /// Sets a field by its name.
  ///
  /// - Throws: ``UnknownWord`` for an unknown name or value.
  public mutating func set(_ name: String, to value: String) throws(UnknownWord) {
    guard let field = Self.settings.first(where: { $0.name == name }) else {
      throw UnknownWord(name, kind: "part of a policy", known: Self.settings.map(\.name))
    }
    guard field.set(value, in: &self) else {
      throw UnknownWord(value, kind: "value for '\(name)'", known: field.choices)
    }
  }

  /// The fields that differ from another policy's, by name, with their values as text.
  package func differences(from other: BudgetPolicy) -> [(name: String, value: String)] {
    Self.settings.filter { $0.text(in: self) != $0.text(in: other) }.map { ($0.name, $0.text(in: self)) }
  }
}

extension BudgetPolicy: Configurable {
  /// The policy ``fair``.
  public init() { self.init(name: "fair") }

  /// The fields of a policy, under their names in experiment files and in `--policy`.
  public static let settings = [
    Setting("currency", \BudgetPolicy.currency, "unit of the budget"),
    Setting(
      "resume", \BudgetPolicy.resume,
      "whether training an architecture for more epochs charges only the difference"),
    Setting("charge-overhead", \BudgetPolicy.chargeOverhead, "whether the optimizer's own thinking is charged"),
    Setting(
      "charge-final-training", \BudgetPolicy.chargeFinalTraining,
      "whether an incumbent counts only after its final training"),
    Setting("incumbent", \BudgetPolicy.incumbent, "rule by which evaluations compete by validation accuracy"),
    Setting("accuracy", \BudgetPolicy.accuracy, "accuracy of the incumbent that curves show"),
    Setting("test-curve", \BudgetPolicy.testCurve, "quantity that the test curve shows"),
    Setting("regret-reference", \BudgetPolicy.regretReference, "best accuracy that regret is measured against"),
    Setting("clock", \BudgetPolicy.clock, "clock by which a supernet's passes are charged"),
    Setting("supernet", \BudgetPolicy.supernet, "variant of the supernet that one-shot methods train"),
  ]
}

extension BudgetPolicy: CustomStringConvertible {
  /// The policy's name, and the fields in which it differs from the policy of that name.
  public var description: String {
    guard let named = try? Self.named(name) else { return name }
    let changes = differences(from: named)
    return changes.isEmpty
      ? name : name + " with " + changes.map { "\($0.name) \($0.value)" }.joined(separator: ", ")
  }

  /// All fields with their values, one per line.
  public var details: String {
    Self.settings.map { "\($0.name): \($0.text(in: self))" }.joined(separator: "\n")
  }
}
