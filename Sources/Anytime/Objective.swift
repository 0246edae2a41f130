import SearchSpaces

/// A function to search instead of the architectures in the benchmark's table: anything that costs something and shows
/// how good a point is, such as the run of another method with hyperparameters to be found.
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
  ///   - point: A point of ``space``.
  ///   - epochs: One of ``fidelities``.
  ///   - session: The session that asks. The evaluation must charge its cost to it, by runs in child sessions or by
  ///     ``Session/work(_:cost:_:)``; a cost of nothing is an error.
  /// - Returns: The point's value as ``Evaluation/validationAccuracy``: a finite number, and the greater the better.
  /// - Throws: Whatever the session throws; ``RunFailure`` if the evaluation fails, which ends the search.
  func evaluate(_ point: Configuration, epochs: Int, in session: Session) throws -> Evaluation
}
