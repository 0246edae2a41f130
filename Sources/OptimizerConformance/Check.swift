extension OptimizerConformance {
  /// A rule that every search method has to keep.
  public enum Check: String, CaseIterable, Sendable {
    /// Settings are declared without errors: names, ranges, defaults and presets.
    case declarations
    /// The method evaluates and recommends only members of the search space, at fidelities that exist.
    case space
    /// Runs end without an error in every currency, however small the budget is.
    case errors
    /// A search stops when its budget is spent.
    case ends
    /// The method evaluates or recommends something if the budget is enough for many trainings.
    case incumbent
    /// The method searches hyperparameters of every kind as it searches architectures.
    case points
    /// The same seed gives the same run, whatever ran before it.
    case repeats
    /// Runs do not depend on addresses in memory, and so not on the order of a `Dictionary` or `Set`.
    case memory
    /// A run does not depend on its thread, or on other runs at the same time.
    case threads
    /// Runs do not depend on how long calls take.
    case clock
    /// The method's choices do not depend on test accuracy.
    case testAccuracy = "test-accuracy"
    /// A run that is killed and started again ends like an unbroken one.
    case resumption
    /// Every setting has an effect.
    case settings

    /// The rule, in one sentence.
    public var rule: String {
      switch self {
      case .declarations: "Its settings are declared soundly."
      case .space: "It evaluates and recommends only what is in the search space, at fidelities that there are."
      case .errors: "It runs to its end in every currency, however small its budget is."
      case .ends: "It stops when its budget is spent."
      case .incumbent: "It evaluates or recommends something, given a budget for many trainings."
      case .points:
        "It searches real, logarithmic, integer, ordinal and categorical parameters as it searches architectures."
      case .repeats: "The same seed gives the same run, whatever ran before it."
      case .memory: "Nothing hangs on addresses in memory, and so on the order of a Dictionary or Set."
      case .threads: "A run does not hang on its thread, nor on the runs beside it."
      case .clock: "A run does not hang on how long its calls take."
      case .testAccuracy: "Nothing is learnt from test accuracy."
      case .resumption: "A run that is killed in the middle and started again ends like an unbroken one."
      case .settings: "Every setting has an effect."
      }
    }
  }

  /// The result of one check.
  public struct Outcome: Hashable, Sendable {
    /// How a check ended.
    public enum Status: Hashable, Sendable {
      /// The method keeps the rule.
      case passed
      /// The method breaks the rule; the text says how, in one sentence.
      case failed(String)
      /// The check could not be made, or does not apply to the method; the text says why.
      case notChecked(String)
    }

    /// The rule that was checked.
    public let check: Check
    /// Whether the method keeps the rule.
    public let status: Status
  }
}
