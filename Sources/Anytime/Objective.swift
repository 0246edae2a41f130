import SearchSpaces

/// What an evaluation buys: the look-up of a training in a table, which every run's own session does, or anything else
/// that costs something and shows how good a point is, such as the run of another method whose hyperparameters are
/// searched for.
///
///     let child = try session.run(TPE(), on: MyObjective(), limit: 1_000, name: "tuning")
///
/// Methods search an objective as they search architectures: they draw points of its space and evaluate them at its
/// fidelities.
public protocol Objective {
  /// The points to search.
  var space: SearchSpace { get }
  /// The epoch counts at which a point can be evaluated, ascending; at least one.
  var fidelities: [Int] { get }

  /// Evaluates a point.
  ///
  /// - Parameters:
  ///   - point: Of ``space``.
  ///   - epochs: One of ``fidelities``.
  ///   - session: The session that asks. Whatever the evaluation takes has to be charged to it: by runs in child
  ///     sessions, or by ``Session/work(_:cost:_:)``.
  /// - Returns: How good the point is; methods look for the greatest validation accuracy.
  /// - Throws: What the session throws; ``RunFailure``.
  func evaluate(_ point: Configuration, epochs: Int, in session: Session) throws -> Evaluation
}
