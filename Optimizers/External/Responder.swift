@_spi(Instruments) import Anytime
import SearchSpaces

/// Answers a searching program's questions from a session, as `Documentation/Protocol.md` describes, whether the
/// program was started here or drives the session.
package struct Responder {
  /// The version of the protocol.
  package static let version = 1

  /// The result of reading a line.
  package enum Reply {
    /// The program says that it makes one run (or many) in a process, which has no answer.
    case ready(makesMany: Bool)
    case answer([UInt8])
    /// The answer to `end`.
    case ended([UInt8])
    /// The line makes no sense: the reason, and an answer for those that may try again.
    case refused(reason: String, [UInt8])
  }

  private let session: Session
  /// Whether the budget is spent, and the program was told.
  package private(set) var isSpent = false
  /// The number of questions since something was last spent.
  package private(set) var idleQuestions = 0

  /// Whether any question came.
  private var hasAsked = false

  package init(_ session: Session) { self.session = session }

  // MARK: The first message

  /// Returns the first message, which describes the search.
  ///
  /// - Parameters:
  ///   - number: The number of runs that the process has made before.
  ///   - settings: The settings that the experiment passes to the program.
  package func run(_ number: Int, settings: JSON) -> [UInt8] {
    let seconds = session.medianSeconds
    let fidelities = zip(session.fidelities, session.fidelities.indices).map { epochs, index in
      JSON.object([
        "epochs": .number(Double(epochs)), "seconds": seconds.indices.contains(index) ? .number(seconds[index]) : nil,
      ])
    }
    let policy = BudgetPolicy.settings.map { JSON.Member($0.name, .text($0.text(in: session.policy))) }
    return JSON.object([
      "type": .text("run"), "protocol": .number(Double(Self.version)), "run": .number(Double(number)),
      "seed": .number(Double(session.seed & (1 << 53 - 1))),
      "horizon": session.horizon.isFinite ? .number(session.horizon) : nil,
      "currency": .text(session.currency.rawValue), "space": Self.space(session.space),
      "fidelities": .list(fidelities),
      "policy": .object([JSON.Member("name", .text(session.policy.name))] + policy), "settings": settings,
    ]).bytes
  }

  private static func space(_ space: SearchSpace) -> JSON {
    let parameters = space.parameters.parameters.map { parameter -> JSON in
      func range(_ kind: String, _ low: Double, _ high: Double, _ log: Bool) -> JSON {
        .object([
          "name": .text(parameter.name), "kind": .text(kind), "low": .number(low), "high": .number(high),
          "log": .flag(log),
        ])
      }
      return switch parameter.domain {
      case .categorical(let choices):
        .object(["name": .text(parameter.name), "kind": .text("categorical"), "choices": .texts(choices)])
      case .ordinal(let choices):
        .object(["name": .text(parameter.name), "kind": .text("ordinal"), "choices": .texts(choices)])
      case .integer(let bounds, let log):
        range("integer", Double(bounds.lowerBound), Double(bounds.upperBound), log)
      case .real(let bounds, let log): range("real", bounds.lowerBound, bounds.upperBound, log)
      }
    }
    return .object([
      "name": .text(space.name), "architectures": .flag(space.hasArchitectures), "parameters": .list(parameters),
    ])
  }

  // MARK: Questions

  /// Why a question makes no sense.
  private struct Refusal: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
  }

  /// Answers a line.
  ///
  /// - Throws: Whatever the session throws, except ``BudgetExhausted`` and errors for wrong calls, which are answered.
  package mutating func answer(_ line: [UInt8]) throws -> Reply {
    let question: JSON
    do { question = try JSON(bytes: line) } catch {
      return refused("this is no JSON (\(error)), and other words belong on standard error", nil)
    }
    guard question.members != nil else { return refused("this is no message, which is an object", nil) }
    let id = question["id"]
    guard let type = question["type"]?.text else { return refused("the message has no 'type'", id) }
    let before = session.spent
    idleQuestions += 1
    defer {
      hasAsked = hasAsked || type != "ready"
      if session.spent > before { idleQuestions = 0 }
    }
    var evaluations: [JSON] = []
    do {
      switch type {
      case "ready":
        if let version = question["protocol"], version.count != Self.version {
          throw Refusal("the protocol \(version.line) is not known here; this is version \(Self.version)")
        }
        let runs = question["runs"]
        guard runs == nil || runs?.text == "many" || runs?.text == "one" else {
          throw Refusal("'runs' is \"one\" or \"many\"")
        }
        // Starting an interpreter and loading libraries is nobody's thinking.
        if !hasAsked { session.restartClock() }
        return .ready(makesMany: runs?.text == "many")
      case "evaluate" where question["all"] != nil:
        guard let questions = question["all"]?.list else { throw Refusal("'all' is a list of what to evaluate") }
        // All are looked at before the first is paid.
        for evaluation in try questions.map(read) { evaluations.append(.object(try evaluate(evaluation))) }
        return .answer(message("evaluations", [.init("all", .list(evaluations))] + account(before), id))
      case "evaluate":
        return .answer(message("evaluation", try evaluate(read(question)) + account(nil), id))
      case "recommend":
        guard let architecture = try architecture(of: question) else { throw SessionError.noArchitecture }
        try session.recommend(architecture)
        return .answer(message("recommended", account(nil), id))
      case "describe":
        return .answer(message("description", try architecture(of: question)?.described ?? [], id))
      case "sample":
        let count = question["count"].map { $0.count ?? 0 } ?? 1
        guard (1...10_000).contains(count) else { throw Refusal("'count' is a whole number from 1 to 10000") }
        let drawn = (0..<count).map { _ in written(session.space.sample(using: &session.random), asList: false) }
        return .answer(message("samples", [.init("configurations", .list(drawn))], id))
      case "mutate":
        let (configuration, isList) = try configuration(of: question)
        let mutant = session.space.mutate(configuration, rule: .oneShot1, using: &session.random)
        return .answer(message("mutant", [.init("configuration", written(mutant, asList: isList))], id))
      case "end":
        return .ended(message("ended", account(nil), id))
      default:
        throw UnknownWord(
          type, kind: "type of a message", known: ["evaluate", "recommend", "describe", "sample", "mutate", "end"])
      }
    } catch is BudgetExhausted {
      isSpent = true
      let paid: [JSON.Member] = question["all"] == nil ? [] : [.init("all", .list(evaluations))]
      return .answer(message("budget-spent", paid + account(nil), id))
    } catch let refusal as Refusal {
      return refused(refusal.reason, id, evaluations)
    } catch let error as SessionError {
      return refused(error.description, id, evaluations)
    } catch let error as UnknownWord {
      return refused(error.description, id, evaluations)
    } catch let error as CellError {
      return refused(error.description, id, evaluations)
    }
  }

  private func message(_ type: String, _ members: [JSON.Member], _ id: JSON?) -> [UInt8] {
    JSON.object([.init("type", .text(type))] + (id.map { [.init("id", $0)] } ?? []) + members).bytes
  }

  /// - Parameter evaluations: What was paid before the question turned out to make no sense.
  private func refused(_ reason: String, _ id: JSON?, _ evaluations: [JSON] = []) -> Reply {
    let paid: [JSON.Member] = evaluations.isEmpty ? [] : [.init("all", .list(evaluations))]
    return .refused(reason: reason, message("error", [.init("message", .text(reason))] + paid, id))
  }

  /// What is spent, and what was charged since.
  private func account(_ before: Double?) -> [JSON.Member] {
    let charged = before.map { [JSON.Member("charged", .number(session.spent - $0))] } ?? []
    let left = session.horizon - session.spent
    return charged + [.init("spent", .number(session.spent))] + (left.isFinite ? [.init("left", .number(left))] : [])
  }

  // MARK: Evaluations

  /// What is to be evaluated.
  private enum Candidate {
    case configuration(Configuration)
    case architecture(Architecture)
  }

  private func read(_ question: JSON) throws -> (candidate: Candidate, epochs: Int?) {
    let epochs = try question["epochs"].map { epochs in
      guard let count = epochs.count else { throw Refusal("'epochs' is a whole number, and not \(epochs.line)") }
      guard session.fidelities.contains(count) else {
        throw SessionError.noSuchFidelity(count, available: session.fidelities)
      }
      return count
    }
    return (try candidate(of: question), epochs)
  }

  private func candidate(of question: JSON) throws -> Candidate {
    if let cell = question["cell"] {
      guard question["configuration"] == nil else { throw Refusal("give 'configuration' or 'cell', not both") }
      let architecture = Architecture.cell(try Cell(cell))
      try session.check(architecture)
      return .architecture(architecture)
    }
    let configuration = try configuration(of: question).configuration
    guard session.space.isValid(configuration) else { throw SessionError.noArchitecture }
    return .configuration(configuration)
  }

  private func evaluate(_ question: (candidate: Candidate, epochs: Int?)) throws -> [JSON.Member] {
    let before = session.spent
    let evaluation =
      switch question.candidate {
      case .configuration(let configuration): try session.evaluate(configuration, epochs: question.epochs)
      case .architecture(let architecture): try session.evaluate(architecture, epochs: question.epochs)
      }
    var members: [JSON.Member] = [
      .init("epochs", .number(Double(evaluation.epochs))), .init("validation", .number(evaluation.validationAccuracy)),
    ]
    if let halfway = evaluation.halfwayValidationAccuracy { members.append(.init("halfway", .number(halfway))) }
    if let train = evaluation.trainAccuracy { members.append(.init("train", .number(train))) }
    members += [
      .init("seconds", .number(evaluation.seconds)), .init("charged", .number(session.spent - before)),
    ]
    return members
  }

  /// The architecture of a question; `nil` if its configuration gives none.
  private func architecture(of question: JSON) throws -> Architecture? {
    if let cell = question["cell"] { return .cell(try Cell(cell)) }
    return session.space.architecture(try configuration(of: question).configuration)
  }

  // MARK: Configurations

  private func configuration(of question: JSON) throws -> (configuration: Configuration, isList: Bool) {
    guard let value = question["configuration"] else { throw Refusal("the message has no 'configuration'") }
    let parameters = session.space.parameters
    let configuration: Configuration
    if let list = value.list {
      configuration = Configuration(
        values: try list.map { item in
          guard let number = item.number else { throw Refusal("a list of numbers cannot have \(item.line)") }
          return number
        })
    } else if let members = value.members {
      configuration = try self.configuration(of: members)
    } else {
      throw Refusal("a configuration is an object or a list, and not \(value.line)")
    }
    if let problem = parameters.problem(with: configuration) { throw SessionError.notAPoint(problem) }
    return (configuration, value.list != nil)
  }

  private func configuration(of members: [JSON.Member]) throws -> Configuration {
    let parameters = session.space.parameters.parameters
    var values = [Double?](repeating: nil, count: parameters.count)
    for member in members {
      guard let index = parameters.firstIndex(where: { $0.name == member.name }) else {
        throw UnknownWord(
          member.name, kind: "parameter of the space \(session.space.name)", known: parameters.map(\.name))
      }
      values[index] = try Self.value(member.value, of: parameters[index])
    }
    return Configuration(
      values: try zip(parameters, values).map { parameter, value in
        guard let value else { throw Refusal("the configuration has no '\(parameter.name)'") }
        return value
      })
  }

  private static func value(_ value: JSON, of parameter: Parameter) throws -> Double {
    switch parameter.domain {
    case .categorical(let choices), .ordinal(let choices):
      guard let word = value.text else {
        throw Refusal("'\(parameter.name)' is one of its choices as text, and not \(value.line)")
      }
      guard let index = choices.firstIndex(of: word) else {
        throw UnknownWord(word, kind: "choice of '\(parameter.name)'", known: choices)
      }
      return Double(index)
    case .integer, .real:
      guard let number = value.number else { throw Refusal("'\(parameter.name)' is a number, and not \(value.line)") }
      return number
    }
  }

  private func written(_ configuration: Configuration, asList isList: Bool) -> JSON {
    if isList { return .list(configuration.values.map(JSON.number)) }
    return .object(
      zip(session.space.parameters.parameters, configuration.values).map { parameter, value in
        switch parameter.domain {
        case .categorical, .ordinal: JSON.Member(parameter.name, .text(parameter.text(of: value)))
        case .integer, .real: JSON.Member(parameter.name, .number(value))
        }
      })
  }
}

extension Architecture {
  /// What a description says.
  fileprivate var described: [JSON.Member] {
    let hash = JSON.Member("hash", .text(id.description))
    switch self {
    case .cell(let cell):
      let rows = cell.adjacency.map { $0.map(String.init).joined() }
      return [hash, .init("cell", .object(["adjacency": .texts(rows), "operations": .texts(cell.operations)]))]
    }
  }
}

extension Cell {
  /// A cell as messages write it: `{"adjacency": ["01", "00"], "operations": ["input", "output"]}`, or its text.
  ///
  /// - Throws: ``CellError``.
  fileprivate init(_ value: JSON) throws {
    if let text = value.text {
      self = try Cell(text: text)
      return
    }
    let rows = value["adjacency"]?.list?.compactMap { row -> [Int]? in
      let entries = row.text?.map(\.wholeNumberValue) ?? row.list?.map(\.count)
      return entries.flatMap { $0.contains(nil) ? nil : $0.compactMap { $0 } }
    }
    let operations = value["operations"]?.list?.compactMap(\.text)
    guard let rows, rows.count == value["adjacency"]?.list?.count, let operations,
      operations.count == value["operations"]?.list?.count
    else { throw CellError.unreadable(value.line) }
    try self.init(adjacency: rows, operations: operations)
  }
}
