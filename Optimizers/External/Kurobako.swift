import Anytime
import SearchSpaces

// Solvers of kurobako: T. Ohta, https://github.com/optuna/kurobako. Messages as kurobako-py 0.2.1 has them
// (`kurobako/solver/__init__.py`, `kurobako/problem.py`).

extension External {
  /// Asks a solver for trials and tells it what they showed: validation error, which is minimised.
  ///
  /// Steps are epochs: a trial that is asked for up to some step is trained at the least epoch count from there on,
  /// always anew. The solver is told that epoch count. A trial without a next step is given up.
  func solve(with guest: inout Guest, _ session: Session) throws {
    if guest.specification == nil {
      guest.specification = try message("SOLVER_SPEC_CAST", of: &guest).message["spec"] ?? .null
      // Every solver is told apart by a number, so that there may be many.
      guest.makesMany = true
    }
    try checkCapabilities(&guest, session.space)
    let solver = JSON.number(Double(guest.runs))
    try say([
      "type": .text("CREATE_SOLVER_CAST"), "solver_id": solver,
      "random_seed": .number(Double(session.seed & (1 << 53 - 1))), "problem": Self.problem(session),
    ], to: &guest)
    var configurations: [Int: Configuration] = [:]
    var nextTrial = 0
    var idle = 0
    while true {
      try say([
        "type": .text("ASK_CALL"), "solver_id": solver, "next_trial_id": .number(Double(nextTrial)),
      ], to: &guest)
      let (reply, line) = try message("ASK_REPLY", of: &guest)
      guard let trial = reply["trial"], let id = trial["id"]?.count, let next = reply["next_trial_id"]?.count else {
        throw failure("asked for a trial without 'id' or 'next_trial_id'", &guest, line)
      }
      nextTrial = next
      guard let step = trial["next_step"] else {
        configurations[id] = nil
        idle += 1
        guard idle < 1_000_000 else { throw failure("gave up a million trials in a row", &guest) }
        continue
      }
      let configuration: Configuration
      do {
        // A trial that goes on keeps its parameters.
        configuration = try configurations[id] ?? Self.configuration(trial["params"], in: session.space)
      } catch { throw failure("asked for an impossible trial: \(error)", &guest, line) }
      guard let least = step.count, let epochs = session.fidelities.first(where: { $0 >= least }) else {
        throw failure("asked for the step \(step.line), and the last is \(session.fidelities.last ?? 0)", &guest, line)
      }
      configurations[id] = epochs == session.fidelities.last ? nil : configuration
      var values: [JSON] = []
      do {
        values = [.number(1 - (try session.evaluate(configuration, epochs: epochs).validationAccuracy))]
        idle = 0
      } catch SessionError.noArchitecture {
        // What cannot be evaluated has no value.
        idle += 1
        guard idle < 1_000_000 else { throw failure("asked for a million impossible trials in a row", &guest) }
      } catch is BudgetExhausted {
        _ = try? guest.send(
          JSON.object(["type": .text("DROP_SOLVER_CAST"), "solver_id": solver]).bytes, within: timeout)
        return
      }
      try say([
        "type": .text("TELL_CALL"), "solver_id": solver,
        "trial": .object(["id": .number(Double(id)), "values": .list(values), "current_step": .number(Double(epochs))]),
      ], to: &guest)
      _ = try message("TELL_REPLY", of: &guest)
    }
  }

  private func say(_ members: KeyValuePairs<String, JSON?>, to guest: inout Guest) throws {
    if try !send(JSON.object(members).bytes, to: &guest) { throw ended(&guest) }
  }

  /// The next message of a solver, which has to be of a type.
  private func message(_ type: String, of guest: inout Guest) throws -> (message: JSON, line: [UInt8]) {
    guard let line = try line(of: &guest) else { throw ended(&guest) }
    let message: JSON
    do { message = try JSON(bytes: line) } catch {
      throw failure(
        "wrote a wrong message: this is no JSON (\(error)), and other words belong on standard error", &guest, line)
    }
    if message["type"]?.text == "ERROR_REPLY" {
      let words = [message["kind"]?.text, message["message"]?.text].compactMap { $0 }.joined(separator: ": ")
      throw failure("reported an error (\(words))", &guest)
    }
    guard message["type"]?.text == type else {
      throw failure("wrote another message than \(type)", &guest, line)
    }
    return (message, line)
  }

  /// - Throws: `RunFailure` if the solver says that it cannot search such a space.
  private func checkCapabilities(_ guest: inout Guest, _ space: SearchSpace) throws {
    guard let list = guest.specification?["capabilities"]?.list else { return }
    let capabilities = list.compactMap(\.text)
    for parameter in space.parameters.parameters {
      let needed =
        switch parameter.domain {
        case .categorical: "CATEGORICAL"
        case .ordinal, .integer(_, log: false): "UNIFORM_DISCRETE"
        case .integer(_, log: true): "LOG_UNIFORM_DISCRETE"
        case .real(_, log: false): "UNIFORM_CONTINUOUS"
        case .real(_, log: true): "LOG_UNIFORM_CONTINUOUS"
        }
      guard capabilities.contains(needed) else {
        throw failure("has not the capability \(needed), which the parameter '\(parameter.name)' needs", &guest)
      }
    }
  }

  private static func problem(_ session: Session) -> JSON {
    func variable(_ name: String, _ range: JSON, log: Bool = false) -> JSON {
      .object([
        "name": .text(name), "range": range, "distribution": .text(log ? "LOG_UNIFORM" : "UNIFORM"),
        "constraint": .null,
      ])
    }
    // The upper bound is excluded there.
    func numbers(_ type: String, _ low: Double, _ high: Double) -> JSON {
      .object(["type": .text(type), "low": .number(low), "high": .number(high)])
    }
    let parameters = session.space.parameters.parameters.map { parameter in
      switch parameter.domain {
      case .categorical(let choices):
        variable(parameter.name, .object(["type": .text("CATEGORICAL"), "choices": .texts(choices)]))
      case .ordinal(let choices): variable(parameter.name, numbers("DISCRETE", 0, Double(choices.count)))
      case .integer(let range, let log):
        variable(
          parameter.name, numbers("DISCRETE", Double(range.lowerBound), Double(range.upperBound) + 1), log: log)
      case .real(let range, let log):
        variable(parameter.name, numbers("CONTINUOUS", range.lowerBound, range.upperBound), log: log)
      }
    }
    return .object([
      "name": .text("anytime space \(session.space.name)"), "attrs": .object([]), "params_domain": .list(parameters),
      "values_domain": .list([variable("Validation error", .object(["type": .text("CONTINUOUS")]))]),
      "steps": .list(session.fidelities.map { .number(Double($0)) }), "reference_point": .null,
    ])
  }

  /// Numbers of which those of choices and of whole numbers are rounded down, as kurobako's problems do.
  private static func configuration(_ values: JSON?, in space: SearchSpace) throws -> Configuration {
    let parameters = space.parameters.parameters
    let numbers = values?.list?.compactMap(\.number) ?? []
    guard numbers.count == parameters.count else {
      throw SessionError.notAPoint("it has \(numbers.count) numbers where there are \(parameters.count) parameters")
    }
    let configuration = Configuration(
      values: zip(parameters, numbers).map { parameter, number in
        if case .real = parameter.domain { number } else { number.rounded(.down) }
      })
    if let problem = space.parameters.problem(with: configuration) { throw SessionError.notAPoint(problem) }
    return configuration
  }
}
