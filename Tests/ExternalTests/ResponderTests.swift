@_spi(Instruments) import Anytime
import External
import Foundation
import OptimizerConformance
import SearchSpaces
import TabularBenchmark
import Testing

/// Reads one answer, whatever is in it.
private struct Answer: Decodable {
  struct Evaluation: Decodable {
    var epochs: Int
    var validation, seconds, charged: Double
    var train: Double?
  }
  struct Cell: Decodable { var adjacency, operations: [String] }

  var type: String
  var id, epochs: Int?
  var validation, charged, spent, left: Double?
  var all: [Evaluation]?
  var configurations: [[String: String]]?
  var configuration: [Double]?
  var hash, message: String?
  var cell: Cell?
}

@Suite("Questions") struct ResponderTests {
  let benchmark: Benchmark

  init() throws { benchmark = try OptimizerConformance.benchmark() }

  private func session(horizon: Double = 100) -> Session {
    Session(benchmark: benchmark, policy: .fair, horizon: horizon, seed: 1)
  }

  private func ask(_ responder: inout Responder, _ question: String) throws -> Answer {
    switch try responder.answer(Array(question.utf8)) {
    case .answer(let line), .ended(let line), .refused(_, let line):
      try JSONDecoder().decode(Answer.self, from: Data(line))
    case .ready: try #require(nil)
    }
  }

  @Test("about an evaluation are answered as the session answers") func evaluate() throws {
    var responder = Responder(session())
    let same = session()
    let question = #"{"type": "evaluate", "configuration": [1, 0, 2, 1, 3], "epochs": 6, "id": 5}"#
    for _ in 0..<3 {
      let answer = try ask(&responder, question)
      let evaluation = try same.evaluate(Configuration(values: [1, 0, 2, 1, 3]), epochs: 6)
      #expect(answer.type == "evaluation" && answer.id == 5 && answer.epochs == 6)
      #expect(answer.validation == evaluation.validationAccuracy)
      #expect(answer.spent == same.spent && answer.left == 100 - same.spent)
    }
    #expect(responder.idleQuestions == 0 && !responder.isSpent)
  }

  @Test("may name a configuration by names, and a cell by its parts or its text") func forms() throws {
    var responder = Responder(session())
    let described = try ask(&responder, #"{"type": "describe", "configuration": [1, 0, 2, 1, 3]}"#)
    let hash = SearchSpace.mini.architecture(Configuration(values: [1, 0, 2, 1, 3]))?.id.description
    #expect(described.type == "description" && described.hash == hash && described.spent == nil)
    let named = try ask(
      &responder,
      """
      {"type": "describe", "configuration": {"parents-output": "1+2", "operation-1": "conv3x3-bn-relu", \
      "operation-2": "conv1x1-bn-relu", "operation-3": "maxpool3x3", "parents-3": "0+2"}}
      """)
    #expect(named.hash == hash)
    let cell = try #require(described.cell)
    let rows = cell.adjacency.map { "\"\($0)\"" }.joined(separator: ", ")
    let operations = cell.operations.map { "\"\($0)\"" }.joined(separator: ", ")
    let text = "\(cell.adjacency.joined(separator: "|")) \(cell.operations.joined(separator: ","))"
    for cell in ["{\"adjacency\": [\(rows)], \"operations\": [\(operations)]}", "\"\(text)\""] {
      #expect(try ask(&responder, "{\"type\": \"describe\", \"cell\": \(cell)}").hash == hash)
      #expect(try ask(&responder, "{\"type\": \"evaluate\", \"cell\": \(cell)}").type == "evaluation")
      #expect(try ask(&responder, "{\"type\": \"recommend\", \"cell\": \(cell)}").type == "recommended")
    }
  }

  @Test("about several at once are paid in order, as far as the budget goes") func several() throws {
    var responder = Responder(session(horizon: 1_000))
    let one = #"{"configuration": [0, 0, 0, 0, 0], "epochs": 2}"#
    let answer = try ask(&responder, "{\"type\": \"evaluate\", \"all\": [\(one), \(one)]}")
    #expect(answer.type == "evaluations" && answer.all?.count == 2)
    #expect(answer.charged == answer.spent && answer.all?.map(\.charged).reduce(0, +) == answer.charged)
    let many = [String](repeating: one, count: 900).joined(separator: ", ")
    let last = try ask(&responder, "{\"type\": \"evaluate\", \"all\": [\(many)]}")
    #expect(last.type == "budget-spent" && last.spent == 1_000 && last.left == 0)
    let paid = try #require(last.all).count
    #expect(paid > 100 && paid < 900 && responder.isSpent)
    #expect(try ask(&responder, "{\"type\": \"evaluate\", \"configuration\": [0, 0, 0, 0, 0]}").type == "budget-spent")
    // What is free stays so.
    #expect(try ask(&responder, #"{"type": "sample"}"#).type == "samples")
    #expect(try ask(&responder, #"{"type": "end"}"#).type == "ended")
  }

  @Test("that are wrong among several cost nothing") func wrongAmongSeveral() throws {
    var responder = Responder(session())
    let right = #"{"configuration": [0, 0, 0, 0, 0]}"#
    // The second cell has more operations than those of the space.
    let pools = [String](repeating: "\"maxpool3x3\"", count: 4).joined(separator: ", ")
    let operations = "[\"input\", \(pools), \"output\"]"
    let cell = #"{"adjacency": ["010000", "001000", "000100", "000010", "000001", "000000"], "operations": "#
    for (wrong, reason) in [
      (#"{"configuration": [7, 0, 0, 0, 0]}"#, "operation-1"), (#"{"configuration": [0, 0], "epochs": 2}"#, "2 values"),
      ("{\"cell\": \(cell)\(operations)}}", "is not in the search space"),
    ] {
      let answer = try ask(&responder, "{\"type\": \"evaluate\", \"all\": [\(right), \(wrong)], \"id\": 1}")
      #expect(answer.type == "error" && answer.id == 1 && answer.message?.contains(reason) ?? false, "\(answer)")
    }
    #expect(try ask(&responder, #"{"type": "end"}"#).spent == 0)
  }

  @Test("draw from the run's own random numbers") func draws() throws {
    var responder = Responder(session())
    let same = session()
    let samples = try ask(&responder, #"{"type": "sample", "count": 3}"#)
    let parameters = same.space.parameters.parameters
    for sample in try #require(samples.configurations) {
      let drawn = same.space.sample(using: &same.random)
      for (parameter, value) in zip(parameters, drawn.values) {
        #expect(sample[parameter.name] == parameter.text(of: value))
      }
    }
    let parent = Configuration(values: [1, 0, 2, 1, 3])
    for _ in 0..<10 {
      let mutant = try ask(&responder, #"{"type": "mutate", "configuration": [1, 0, 2, 1, 3]}"#)
      #expect(mutant.type == "mutant")
      #expect(mutant.configuration == same.space.mutate(parent, rule: .oneShot1, using: &same.random).values)
    }
  }

  @Test("bring back any identifier") func identifiers() throws {
    var responder = Responder(session())
    for id in ["\"a\\n\\u00e9\"", "[1, null, true, 2.5, {\"x\": \"y\"}]", "-3", "false"] {
      guard case .answer(let line) = try responder.answer(Array("{\"type\": \"sample\", \"id\": \(id)}".utf8)) else {
        Issue.record("no answer")
        continue
      }
      let answer = try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
      let sent = try JSONSerialization.jsonObject(with: Data("{\"id\": \(id)}".utf8)) as? [String: Any]
      #expect(NSDictionary(dictionary: ["id": answer["id"] ?? 0]) == NSDictionary(dictionary: sent ?? [:]))
    }
  }

  @Test("of parameters of every kind have them in their own form") func kinds() async throws {
    /// Searches whatever it is given: points, in the kit's check.
    struct Script: Optimizer {
      static let method = Method(name: "script", title: "", summary: "", citation: "")
      func search(_ session: Session) throws {
        var responder = Responder(session)
        while true {
          guard case .answer(let line) = try responder.answer(Array(#"{"type": "sample"}"#.utf8)) else { return }
          let text = String(decoding: line, as: UTF8.self)
          let start = text.firstIndex(of: "[").map { text.index(after: $0) } ?? text.endIndex
          let point = text[start...].dropLast(2)
          let question = "{\"type\": \"evaluate\", \"configuration\": \(point)}"
          if case .refused(let reason, _) = try responder.answer(Array(question.utf8)) { throw RunFailure(reason) }
          if responder.isSpent { return }
        }
      }
    }
    let outcomes = try await OptimizerConformance(Script()).results()
    for outcome in outcomes { #expect(outcome.status == .passed, "\(outcome.check)") }
  }
}

@Suite("A session that a script drives") struct HostedTests {
  @Test("cannot be run by itself") func alone() throws {
    let benchmark = try OptimizerConformance.benchmark()
    let method = try Hosted(settings: Settings(Hosted.method, ["script": "mine"]))
    #expect(throws: SettingError.self) {
      _ = try Anytime.run(method, on: benchmark, policy: .fair, horizon: 10, seed: 0)
    }
  }
}
