extension OptimizerConformance {
  /// A rule that every search method has to keep.
  public enum Check: String, CaseIterable, Sendable {
    /// Settings are declared soundly.
    case declarations
    /// Only what is in the search space is evaluated and recommended, at fidelities that there are.
    case space
    /// Runs go to their end in every currency, however small the budget is.
    case errors
    /// A search stops when its budget is spent.
    case ends
    /// Something is evaluated or recommended, given a budget for many trainings.
    case incumbent
    /// Parameters of every kind are searched as architectures are.
    case points
    /// The same seed gives the same run, whatever ran before it.
    case repeats
    /// Nothing depends on addresses in memory.
    case memory
    /// Nothing depends on the run's thread, or on the runs beside it.
    case threads
    /// Nothing depends on how long calls take.
    case clock
    /// Nothing is learnt from test accuracy.
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

  /// What a check found.
  public struct Outcome: Hashable, Sendable {
    /// How a check ended.
    public enum Status: Hashable, Sendable {
      /// The method keeps the rule.
      case passed
      /// What the method does wrong, in one sentence.
      case failed(String)
      /// Why the check could not be made, or makes no sense for the method.
      case notChecked(String)
    }

    /// The rule that was checked.
    public let check: Check
    /// What the check found.
    public let status: Status
  }
}
