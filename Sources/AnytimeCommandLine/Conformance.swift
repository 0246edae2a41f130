import Anytime
import ArgumentParser
import Experiments
import Foundation
import OptimizerConformance

struct Conformance: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check that a method keeps the rules that every method has to keep.",
    discussion: """
      The method makes a few hundred short runs on a made-up table. A line per rule says whether it keeps it; the exit \
      status is 1 if it breaks one.

      EXAMPLES
        anytime conformance --method regularized-evolution:population=20,sample=5
        anytime conformance --method 'external:{command: "python3 my_search.py"}'
      """)

  @Option(
    help: ArgumentHelp(
      "A method, with settings: tpe, or 'external:{command: \"python3 my_search.py\"}'.",
      valueName: "name[:setting=value,…]"))
  var method: String

  func run() async throws {
    let registry = AnytimeCommand.registry
    let entries: [MethodEntry]
    do {
      entries = try Experiment(parts: ["horizon": "1", "seeds": "1"], methods: [method], registry: registry).methods
    } catch { throw UsageError("\(error)") }
    guard let entry = entries.first, entries.count == 1 else {
      throw UsageError("'\(method)' are several methods; give one")
    }
    let optimizer = try registry.optimizer(named: entry.method, entry.settings)
    let outcomes = try await OptimizerConformance(optimizer).results()
    let width = outcomes.map(\.check.rawValue.count).max() ?? 0
    for outcome in outcomes {
      let (status, sentence) =
        switch outcome.status {
        case .passed: ("passed     ", outcome.check.rule)
        case .failed(let problem): ("FAILED     ", problem)
        case .notChecked(let reason): ("not checked", reason)
        }
      let name = outcome.check.rawValue.padding(toLength: width, withPad: " ", startingAt: 0)
      print("\(status)  \(name)  \(sentence)")
    }
    let broken = outcomes.count { if case .failed = $0.status { true } else { false } }
    if broken > 0 { throw Failure("\(entry.label) breaks \(broken) of \(outcomes.count) rules") }
  }
}
