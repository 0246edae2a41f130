import Anytime
import Experiments
import Foundation
import Reports
import SearchSpaces

/// One change of an incumbent, made by hand.
struct HandMade {
  var amount: Double
  var validation: Double
  var test: Double?
  var evaluations = 1.0
  var final = 0.0

  /// Results of some methods with a trajectory per run, seeds from 0 on.
  ///
  /// - Parameter numerics: What trained networks and is not pinned, by label.
  static func results(
    name: String = "test", horizon: Double = 100, policy: BudgetPolicy = .fair, seeds: Int? = nil,
    oneShot: Set<String> = [], numerics: [String: String] = [:], _ methods: [(label: String, runs: [[HandMade]])]
  ) throws -> ExperimentResults {
    let settings = try Settings(Method(name: "m", title: "M", summary: "", citation: ""))
    let entries = methods.map { MethodEntry(label: $0.label, method: $0.label, settings: settings) }
    let count = UInt64(seeds ?? methods.map(\.runs.count).max() ?? 1)
    return ExperimentResults(
      experiment: Experiment(
        name: name, space: "mini", horizon: horizon, policy: policy, seeds: (0..<count).map { $0 },
        methods: entries), tableChecksum: "0123456789abcdef",
      methods: zip(methods, entries).map { method, entry in
        MethodResults(
          entry: entry, title: entry.label, family: oneShot.contains(entry.label) ? .oneShot : .blackbox,
          runs: method.runs.enumerated().map { (UInt64($0), $1.map { $0 }.result(horizon)) },
          digest: String(repeating: "d", count: 64), unpinnedNumerics: numerics[entry.label])
      })
  }
}

extension [HandMade] {
  fileprivate func result(_ horizon: Double) -> RunResult {
    RunResult(
      trajectory: map { point in
        TrajectoryPoint(
          amount: point.amount,
          spent: Spending(
            seconds: point.amount, epochs: 2 * point.evaluations, evaluations: point.evaluations),
          architecture: .init(high: 0, low: 12), epochs: 9, validationRegret: point.validation, testRegret: point.test,
          finalTrainingSeconds: point.final)
      },
      spent: Spending(seconds: 0.9 * horizon, epochs: 20, evaluations: 10),
      ledger: [
        .init(kind: .training, amount: 0.9 * horizon, count: 10),
        .init(kind: .lost, amount: 0.1 * horizon, count: 1),
      ],
      overheadSeconds: 0.001)
  }
}

/// Points of validation regret.
func steps(_ points: (Double, Double)...) -> [HandMade] {
  points.map { HandMade(amount: $0.0, validation: $0.1) }
}

extension ExperimentResults {
  /// The same results, of which some runs failed.
  ///
  /// - Parameter reason: By label and seed; `nil` for runs that stay.
  func failing(_ reason: (String, UInt64) -> String?) -> ExperimentResults {
    ExperimentResults(
      experiment: experiment, tableChecksum: tableChecksum,
      methods: methods.map { method in
        MethodResults(
          entry: method.entry, title: method.title, family: method.family,
          runs: method.runs.map { seed, result in
            var result = result
            result.failure = reason(method.entry.label, seed)
            return (seed, result)
          })
      })
  }
}
