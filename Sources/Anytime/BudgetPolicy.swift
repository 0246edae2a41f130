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
    /// Trained epochs.
    case epochs
    /// Trainings, whatever they cost.
    case evaluations
  }

  /// Which evaluation makes the incumbent. All go by validation accuracy.
  public enum Incumbent: String, CaseIterable, Sendable, Codable {
    /// The best at the highest epoch count that the run has seen.
    case highestFidelity = "highest-fidelity"
    /// The best at any epoch count.
    case anyFidelity = "any-fidelity"
  }

  /// Which accuracy of the incumbent a curve shows.
  public enum Accuracy: String, CaseIterable, Sendable, Codable {
    /// The mean over all repeats at the table's highest epoch count.
    case mean
    /// That of the very training that the run drew.
    case drawn
    /// Validation as drawn, test as the mean (the scripts of NAS-Bench-101).
    case drawnValidation = "drawn-validation"
  }

  /// What the test curve shows.
  public enum TestCurve: String, CaseIterable, Sendable, Codable {
    /// The incumbent, chosen by validation: the curve may rise.
    case incumbent
    /// The least test error of anything evaluated so far: optimistic, for comparison with published curves.
    case runningMinimum = "running-minimum"
  }

  /// What regret is measured against.
  public enum RegretReference: String, CaseIterable, Sendable, Codable {
    /// The greatest mean over repeats in the search space.
    case bestMean = "best-mean"
    /// The greatest accuracy of any single training in the search space.
    case bestSingle = "best-single"
  }

  /// By which clock a supernet's passes are charged.
  public enum Clock: String, CaseIterable, Sendable, Codable {
    /// By the work of what is executed, in the table's seconds: the same on every machine.
    case model
    /// By the CPU seconds that the passes take here, times what the table's seconds are to this machine's. Runs
    /// are then not reproducible to the bit.
    case measured
  }

  /// Which supernet one-shot methods train.
  public enum Supernet: String, CaseIterable, Sendable, Codable {
    /// With batch norm's momentum in the right convention and images halved between stacks.
    case corrected
    /// As NAS-Bench-1Shot1 published it: TensorFlow's batch norm momentum 0.997 given to PyTorch unchanged,
    /// which keeps the last batch's statistics, and one pixel of padding before images are halved.
    case asPublished = "as-published"
  }

  /// The named policy that this one is, or was made from.
  public var name: String
  /// The unit of the budget.
  public var currency: Currency = .seconds
  /// Whether training an architecture for more epochs than before charges the difference only.
  public var resume = false
  /// Whether the optimizer's own thinking is charged, in measured seconds. Runs are then not reproducible
  /// to the bit.
  public var chargeOverhead = false
  /// Whether an incumbent counts only after its final training, unless the run has trained it fully.
  public var chargeFinalTraining = false
  /// Which evaluation makes the incumbent.
  public var incumbent = Incumbent.highestFidelity
  /// Which accuracy of the incumbent regret is computed from.
  public var accuracy = Accuracy.mean
  /// What the test curve shows.
  public var testCurve = TestCurve.incumbent
  /// The best accuracy of the space that regret is measured against.
  public var regretReference = RegretReference.bestMean
  /// The clock by which a supernet's passes are charged.
  public var clock = Clock.model
  /// Which supernet one-shot methods train.
  public var supernet = Supernet.corrected

  /// The default: equal budget in benchmark seconds, nothing chosen by test.
  public static let fair = BudgetPolicy(name: "fair")

  /// As the scripts of NAS-Bench-101's authors (`automl/nas_benchmarks`) count: a number of evaluations, the
  /// incumbent by the drawn validation error at any epoch count, its test error as the mean over repeats.
  public static let nasBench101 = BudgetPolicy(
    name: "nas-bench-101", currency: .evaluations, incumbent: .anyFidelity, accuracy: .drawnValidation)

  /// As NAS-Bench-1Shot1's scripts and plots count: 280 evaluations, the running minimum of the drawn test
  /// error, regret against the best single training, and their supernet.
  public static let oneShot1AsPublished = BudgetPolicy(
    name: "1shot1-as-published", currency: .evaluations, incumbent: .anyFidelity, accuracy: .drawn,
    testCurve: .runningMinimum, regretReference: .bestSingle, supernet: .asPublished)

  /// The named policies.
  public static let all = [fair, nasBench101, oneShot1AsPublished]

  /// The budget of a policy that fixes one, in its currency.
  public var defaultHorizon: Double? { name == Self.oneShot1AsPublished.name ? 280 : nil }

  /// The policy of a name.
  ///
  /// - Throws: ``UnknownWord``.
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

  /// The fields, by their names in experiment files and in `--policy`.
  public static let settings = [
    Setting("currency", \BudgetPolicy.currency, "unit of the budget"),
    Setting("resume", \BudgetPolicy.resume, "training an architecture for longer charges the difference only"),
    Setting("charge-overhead", \BudgetPolicy.chargeOverhead, "the optimizer's own thinking is charged"),
    Setting(
      "charge-final-training", \BudgetPolicy.chargeFinalTraining, "an incumbent counts after its final training only"),
    Setting("incumbent", \BudgetPolicy.incumbent, "which evaluation makes it, always by validation accuracy"),
    Setting("accuracy", \BudgetPolicy.accuracy, "of the incumbent, on curves"),
    Setting("test-curve", \BudgetPolicy.testCurve, "what the test curve follows"),
    Setting("regret-reference", \BudgetPolicy.regretReference, "what regret is measured against"),
    Setting("clock", \BudgetPolicy.clock, "by which a supernet's passes are charged"),
    Setting("supernet", \BudgetPolicy.supernet, "which supernet one-shot methods train"),
  ]
}

extension BudgetPolicy: CustomStringConvertible {
  /// The name, and what differs from the named policy.
  public var description: String {
    guard let named = try? Self.named(name) else { return name }
    let changes = differences(from: named)
    return changes.isEmpty
      ? name : name + " with " + changes.map { "\($0.name) \($0.value)" }.joined(separator: ", ")
  }

  /// Every field, a line each.
  public var details: String {
    Self.settings.map { "\($0.name): \($0.text(in: self))" }.joined(separator: "\n")
  }
}
