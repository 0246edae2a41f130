import Anytime

/// Runs a method again and again, with new random numbers, until the budget is spent. The architecture that each run
/// returns is trained stand-alone, and the best by validation accuracy is the incumbent.
///
/// DARTS' authors choose in this way among four searches with different seeds (Liu, Simonyan and Yang, "DARTS", ICLR
/// 2019, section 3.1).
///
/// Differences: the trainings are charged, there are as many runs as the budget pays for, and a training is one of the
/// table's at the highest epoch count.
public struct Restarted: Optimizer {
  public static let method = Method(
    name: "restarted", title: "Restarted", family: .composed,
    summary: "Runs a method again and again and trains what each run returns.",
    citation: "Liu, Simonyan and Yang, ICLR 2019, section 3.1",
    settings: [
      Setting("method", \Restarted.optimizer, "method that is restarted"),
      Setting("share", \Restarted.share, 0.001...1, "greatest part of the budget that a run may spend"),
    ])

  /// The method that is restarted.
  public var optimizer: (any Optimizer)?
  /// The greatest fraction of the budget that one run may spend (0.001...1).
  public var share = 1.0

  public init() {}

  public var inner: [any Optimizer] { optimizer.map { [$0] } ?? [] }

  public func validate() throws {
    if let optimizer, !optimizer.ends, share == 1 {
      throw SettingError(
        "a run of \(type(of: optimizer).method.name) does not end before its budget does, so it would never be "
          + "restarted; give each run a 'share' of the budget, as in 0.1")
    }
  }

  public func validate(under conditions: Conditions) throws {
    var parts = conditions
    parts.horizon *= share
    try optimizer?.check(under: parts)
  }

  public func search(_ session: Session) throws {
    guard let optimizer else { return }
    while true {
      let run = try session.run(
        optimizer, limit: share < 1 ? share * session.horizon : nil, name: "run \(session.children.count + 1)")
      guard run.amount > 0 else { throw run.spentNothing }
      try session.train(run.incumbent)
    }
  }
}

extension Session {
  /// Trains what a run returned, unless the run has fully trained it.
  ///
  /// - Returns: What the training showed; `nil` if there was nothing to train.
  @discardableResult
  func train(_ incumbent: ChildRun.Incumbent?) throws -> Evaluation? {
    guard let incumbent, let architecture = incumbent.architecture, incumbent.epochs < fullEpochs else { return nil }
    return try evaluate(architecture)
  }
}

extension ChildRun {
  /// Why a method that runs others again and again would not end.
  var spentNothing: RunFailure {
    RunFailure(
      failure.map { "its first run failed before it spent anything: \($0)" }
        ?? "a run of \(method) spends nothing, so there would be no end of runs")
  }
}
