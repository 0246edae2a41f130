import Anytime
import Experiments
import Foundation

extension RegretRuns {
  /// The caption of all outputs, in a line: space, budget, runs, policy, accounting, table, numerics that may differ on
  /// other machines, version.
  public var caption: String {
    Curves.caption(results, accounting: accounting)
  }
}

extension Curves {
  /// The caption of curves, in a line, as ``RegretRuns/caption``.
  public static func caption(_ results: ExperimentResults, accounting: Accounting? = nil) -> String {
    let experiment = results.experiment
    let budget =
      "\(Numbers.digits(experiment.horizon, 12)) \(experiment.policy.currency.unit)"
    let own: Accounting = experiment.policy.chargeFinalTraining ? .finalTrainingCharged : .recommendedNow
    return "space \(experiment.space), \(budget), \(results.runCounts), policy \(experiment.policy), "
      + "\((accounting ?? own).text), table \(results.tableChecksum), "
      + (results.numericsText.map { $0 + ", " } ?? "") + "AnytimeNAS \(anytimeVersion)"
  }
}

extension ExperimentResults {
  /// The number of each method's runs that ended well: `n = 200`, or `n = 180 to 200 (20 runs failed)`.
  var runCounts: String {
    let counts = methods.map(\.endedRuns.count)
    guard let least = counts.min(), let most = counts.max() else { return "no runs" }
    let text = least == most ? "n = \(most)" : "n = \(least) to \(most)"
    let failed = methods.reduce(0) { $0 + $1.failedRuns.count }
    let others = [(missingRuns, "missing"), (failed, "failed")].filter { $0.0 > 0 }.map {
      Numbers.count($0, "run", "runs") + " " + $1
    }
    return others.isEmpty ? text : text + " (\(others.joined(separator: ", ")))"
  }

  /// What trained the networks of runs, where that is not what gives the same bits on every machine; `nil` otherwise.
  var numericsText: String? {
    let unpinned = Set(methods.filter { !$0.runs.isEmpty }.compactMap(\.unpinnedNumerics)).sorted()
    guard !unpinned.isEmpty else { return nil }
    return "networks were trained by \(unpinned.joined(separator: " and ")) (other machines may give other bits)"
  }

  /// The seeds of every method whose runs are not done yet, for methods that lack any.
  public var missingSeeds: [(label: String, seeds: [UInt64])] {
    methods.compactMap { method in
      let done = Set(method.runs.map(\.seed))
      let missing = experiment.seeds(of: method.entry).filter { !done.contains($0) }
      return missing.isEmpty ? nil : (method.entry.label, missing)
    }
  }

  /// A sentence on the missing runs; `nil` if there are none. A failed run is not missing.
  public var missingText: String? {
    let missing = missingSeeds
    guard !missing.isEmpty else { return nil }
    let total = experiment.runCount
    return "\(missingRuns) of \(total) runs are not done yet: "
      + missing.map { "\($0.label) \(Self.ranges($0.seeds))" }.joined(separator: "; ")
  }

  /// Seeds as text, neighbours joined: `seeds 0-3, 7`.
  package static func ranges(_ seeds: [UInt64]) -> String {
    (seeds.count == 1 ? "seed " : "seeds ") + seeds.sorted().ranges(separator: ", ")
  }
}

extension Sequence where Element: FixedWidthInteger {
  /// Ascending numbers as text, neighbours joined: `0-3,7`.
  package func ranges(separator: String) -> String {
    var ranges: [(first: Element, last: Element)] = []
    for number in self {
      if let last = ranges.last?.last, last &+ 1 == number {
        ranges[ranges.count - 1].last = number
      } else {
        ranges.append((number, number))
      }
    }
    return ranges.map { $0.first == $0.last ? "\($0.first)" : "\($0.first)-\($0.last)" }.joined(separator: separator)
  }
}
