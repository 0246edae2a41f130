import Anytime
import SearchSpaces

/// Searches the hyperparameters of a method by another method. Hyperparameters are judged by an inner search with them:
/// by the validation error of the architecture that it returns, trained stand-alone. Inner searches and these trainings
/// are charged.
///
/// Zela, Siems and Hutter, "NAS-Bench-1Shot1", ICLR 2020, section 5 (`optimizers/bohb_one_shot`): BOHB over the
/// hyperparameters of DARTS, GDAS and PC-DARTS, for 25 to 100 epochs, as in `by: {bohb: {eta: 2}}`, `epochs: [25, 50,
/// 100]`. A configuration that is promoted to a higher fidelity is judged by a new inner search.
///
/// Differences: everything is charged, where the paper's curves count the searches of all workers but no training of an
/// architecture; one search runs at a time, each with random numbers of its own, where the paper's have one seed; the
/// first configuration is drawn like the others, where the paper's is the default; and the incumbent is the best of all
/// trainings so far, by validation accuracy.
public struct Tuned: Optimizer {
  public static let method = Method(
    name: "tuned", title: "Tuned", family: .composed,
    summary: "Searches the hyperparameters of a method by another method, all of it charged.",
    citation: "Zela, Siems and Hutter, ICLR 2020, section 5",
    settings: [
      Setting("by", \Tuned.tuner, "blackbox method that searches the hyperparameters"),
      Setting("method", \Tuned.optimizer, "method whose hyperparameters are searched"),
      HyperparameterSpace.setting("space", \Tuned.space, "hyperparameters with their ranges"),
      Setting(
        "epochs", \Tuned.epochs, 1...100_000,
        "epochs of a one-shot method's searches, as fidelities; its own if not given"),
      Setting(
        "budgets", \Tuned.budgets, 1...1_000_000_000,
        "budgets of a blackbox method's searches in the policy's currency, as fidelities"),
    ])

  /// The method that searches the hyperparameters.
  public var tuner: (any Optimizer)?
  /// The method whose hyperparameters are searched.
  public var optimizer: (any Optimizer)?
  /// The hyperparameters, with their ranges.
  public var space = HyperparameterSpace()
  /// The fidelities of a method that has epochs: the numbers of epochs of its inner searches, ascending. If empty, the
  /// method's own number is the only fidelity.
  public var epochs: [Int] = []
  /// The fidelities of a method that does not end by itself: the budgets of its inner searches, in the policy's
  /// currency, ascending.
  public var budgets: [Int] = []

  public init() {}

  public var inner: [any Optimizer] { [tuner, optimizer].compactMap { $0 } }

  /// Whether any inner search may depend on images, which a hyperparameter can decide.
  public var usesImages: Bool {
    // A space with contradictions is never searched: `validate()` refuses it.
    do { return try (inner + variants()).contains(where: \.usesImages) } catch { return true }
  }

  public func validate() throws {
    guard let tuner, let optimizer else { return }
    let (by, method) = (type(of: tuner).method, type(of: optimizer).method)
    guard by.family == .blackbox, !by.usesImages else {
      throw SettingError("\(by.name) searches architectures only; give 'by' a blackbox method, as in bohb")
    }
    let hasEpochs = method.settings.contains { $0.name == "epochs" }
    guard epochs.isEmpty || hasEpochs else {
      throw SettingError("\(method.name) has no epochs that could be fidelities; give 'budgets' instead of 'epochs'")
    }
    guard budgets.isEmpty || !optimizer.ends else {
      throw SettingError("a run of \(method.name) ends with its epochs; give 'epochs' instead of 'budgets'")
    }
    guard optimizer.ends || !budgets.isEmpty else {
      throw SettingError(
        "a run of \(method.name) does not end before its budget does, so nothing would be tuned; give 'budgets', as "
          + "in [100, 300]")
    }
    guard epochs.isEmpty || !space.parameters.contains(where: { $0.name == "epochs" }) else {
      throw SettingError("'epochs' are a hyperparameter of 'space', and fidelities too; leave out one of them")
    }
    try space.validate(for: optimizer)
    _ = try variants()
  }

  public func validate(under conditions: Conditions) throws {
    if let least = budgets.first, Double(least) >= conditions.horizon {
      throw SettingError(
        "a search for \(least), the least of 'budgets', would spend the whole budget, so nothing would be tuned; give "
          + "smaller 'budgets'")
    }
    try tuner?.check(under: conditions)
    var parts = conditions
    if let greatest = budgets.last { parts.horizon = min(parts.horizon, Double(greatest)) }
    for variant in try variants() { try variant.check(under: parts) }
  }

  /// The method at the corners of the space, with the least and the greatest of the fidelities.
  ///
  /// - Throws: `SettingError` for a corner at which settings contradict each other.
  private func variants() throws -> [any Optimizer] {
    guard let optimizer else { return [] }
    let ends = Set([epochs.first, epochs.last].compactMap { $0 }).sorted().map { ["epochs": "\($0)"] }
    return try space.corners.flatMap { corner in
      try (ends.isEmpty ? [[:]] : ends).map { try optimizer.with(corner.merging($0) { $1 }, at: corner) }
    }
  }

  public func search(_ session: Session) throws {
    guard let tuner, let optimizer else { return }
    let search = try session.run(tuner, on: Tuning(self, of: optimizer, imageSide: session.imageSide), name: "search")
    if let failure = search.failure { throw RunFailure(failure) }
  }
}

extension Optimizer {
  /// The method at a point of a space of hyperparameters.
  ///
  /// - Parameter point: The hyperparameters among the settings, by name.
  /// - Throws: `SettingError`, which names the point, if its settings contradict each other.
  fileprivate func with(_ settings: [String: String], at point: [String: String]) throws -> any Optimizer {
    do { return try with(settings) } catch {
      let words = point.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", ")
      throw SettingError("'space' allows {\(words)}, but \(error)")
    }
  }
}

/// The run of a method with given hyperparameters, and the training of what it returns.
private struct Tuning: Objective {
  let optimizer: any Optimizer
  let hyperparameters: HyperparameterSpace
  let space: SearchSpace
  let fidelities: [Int]
  /// What a fidelity is; `nil` where the method's own number of epochs is the only one.
  let fidelity: Fidelity?

  enum Fidelity { case epochs, budget }

  init(_ tuned: Tuned, of optimizer: any Optimizer, imageSide: Int?) {
    self.optimizer = optimizer
    hyperparameters = imageSide.map { tuned.space.scaled(to: $0) } ?? tuned.space
    space = SearchSpace(name: tuned.space.name, parameters: ParameterSpace(hyperparameters.parameters))
    fidelity = !tuned.budgets.isEmpty ? .budget : !tuned.epochs.isEmpty ? .epochs : nil
    let all = tuned.budgets + tuned.epochs
    fidelities = all.isEmpty ? [optimizer.epochs ?? 1] : all
  }

  func evaluate(_ point: Configuration, epochs: Int, in session: Session) throws -> Evaluation {
    var settings = hyperparameters.values(of: point)
    if fidelity == .epochs { settings["epochs"] = "\(epochs)" }
    let method: any Optimizer
    // Corners are checked before the first run; what lies between them may still contradict.
    do { method = try optimizer.with(settings, at: settings) } catch { throw RunFailure("\(error)") }
    let before = session.spent
    let run = try session.run(
      method, limit: fidelity == .budget ? Double(epochs) : nil, name: "run \(session.children.count + 1)")
    guard run.amount > 0 else { throw run.spentNothing }
    let accuracy = try session.train(run.incumbent)?.validationAccuracy ?? run.incumbent?.validationAccuracy
    // A search that failed at once has found nothing, which is the worst that it could.
    return Evaluation(epochs: epochs, validationAccuracy: accuracy ?? 0, seconds: session.spent - before)
  }
}

extension Optimizer {
  /// The number of epochs that the settings say; `nil` for methods without.
  fileprivate var epochs: Int? { Self.settings.first { $0.name == "epochs" }.flatMap { Int($0.text(in: self)) } }
}
