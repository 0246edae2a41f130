import Anytime
import Experiments
import Foundation

extension RegretRuns {
  /// What is shown, in a line: space, budget, runs, policy, accounting, table, version.
  public var caption: String {
    Curves.caption(results, accounting: accounting)
  }
}

extension Curves {
  /// What curves are of, in a line: space, budget, runs, policy, accounting, table, version.
  public static func caption(_ results: ExperimentResults, accounting: Accounting? = nil) -> String {
    let experiment = results.experiment
    let budget =
      "\(experiment.horizon.formatted(.number.grouping(.never))) \(experiment.policy.currency.unit)"
    let own: Accounting = experiment.policy.chargeFinalTraining ? .finalTrainingCharged : .recommendedNow
    return "space \(experiment.space), \(budget), \(results.runCounts), policy \(experiment.policy), "
      + "\((accounting ?? own).text), table \(results.tableChecksum), AnytimeNAS \(anytimeVersion)"
  }
}

extension ExperimentResults {
  /// How many runs each method has: `n = 200`, or `n = 180 to 200` where some are not done yet.
  var runCounts: String {
    let counts = methods.map(\.runs.count)
    guard let least = counts.min(), let most = counts.max() else { return "no runs" }
    let text = least == most ? "n = \(most)" : "n = \(least) to \(most)"
    return missingRuns > 0 ? text + " (\(missingRuns) runs missing)" : text
  }

  /// The seeds of every method whose runs are not done yet, for methods that lack any.
  public var missingSeeds: [(label: String, seeds: [UInt64])] {
    methods.compactMap { method in
      let done = Set(method.runs.map(\.seed))
      let missing = experiment.seeds(of: method.entry).filter { !done.contains($0) }
      return missing.isEmpty ? nil : (method.entry.label, missing)
    }
  }

  /// What is missing, in a sentence; `nil` if nothing is.
  public var missingText: String? {
    let missing = missingSeeds
    guard !missing.isEmpty else { return nil }
    let total = experiment.runCount
    return "\(missingRuns) of \(total) runs are not done yet: "
      + missing.map { "\($0.label) \(Self.ranges($0.seeds))" }.joined(separator: "; ")
  }

  /// Seeds as text, neighbours joined: `seeds 0-3, 7`.
  private static func ranges(_ seeds: [UInt64]) -> String {
    var ranges: [ClosedRange<UInt64>] = []
    for seed in seeds.sorted() {
      if let last = ranges.last, last.upperBound &+ 1 == seed {
        ranges[ranges.count - 1] = last.lowerBound...seed
      } else {
        ranges.append(seed...seed)
      }
    }
    return (seeds.count == 1 ? "seed " : "seeds ")
      + ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
      .joined(separator: ", ")
  }
}
