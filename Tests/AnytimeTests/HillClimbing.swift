// The complete method of the article "Write an optimizer": keep the two the same.
import Anytime
import SearchSpaces

/// Restarted hill climbing: moves to a mutant that is at least as good, and starts anew when stuck.
struct HillClimbing: Optimizer {
  static let method = Method(
    name: "hill-climbing", title: "Hill climbing",
    summary: "Moves to a mutant that is at least as good; starts anew when stuck.",
    citation: "an example",
    settings: [Setting("patience", \HillClimbing.patience, 1...1_000, "failures before a new start")])

  var patience = 20

  func search(_ session: Session) throws {
    while true {
      var best = session.space.sample(using: &session.random)
      var accuracy = try session.evaluate(best).validationAccuracy
      var failures = 0
      while failures < patience {
        let mutant = session.space.mutate(best, rule: .oneParameter, using: &session.random)
        let result = try session.evaluate(mutant).validationAccuracy
        failures = result > accuracy ? 0 : failures + 1
        if result >= accuracy { (best, accuracy) = (mutant, result) }
      }
    }
  }
}
