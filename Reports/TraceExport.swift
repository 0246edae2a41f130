import Anytime
import Experiments
import Foundation
import SearchSpaces

/// A format for traces of one-shot methods. The same results give the same bytes.
public struct TraceExport: Sendable {
  /// The end of a file's name.
  public let fileName: String
  /// Throws if the format cannot hold the results.
  public let render: @Sendable (ExperimentResults) throws -> Data

  /// All formats: CSV and JSON.
  public static let all = [csv, json]

  /// A row per method, seed of a run that ended well, epoch and number that was measured then; architecture weights as
  /// `weights.ROW.COLUMN`, and the regret of what was recommended as `validation regret` and `test regret`.
  public static let csv = TraceExport(fileName: "trace.csv") { results in
    var table = CSV(["method", "seed", "epoch", "amount", "cell", "name", "value"])
    for method in results.methods {
      for run in method.endedRuns {
        let regrets = RegretMetric.allCases.map { metric in
          (metric, run.result.recommendedRegrets(metric, results.experiment.policy))
        }
        for (index, point) in run.result.trace.enumerated() {
          func add(_ name: String, _ value: Double) {
            table.add([
              .text(method.entry.label), .text(String(run.seed)), .count(point.epoch), .number(point.amount),
              .text(point.architecture.description), .text(name), .number(value),
            ])
          }
          for (name, value) in point.values.sorted(by: { $0.key < $1.key }) { add(name, value) }
          for (metric, regrets) in regrets {
            if let regret = regrets[index] { add("\(metric.rawValue) regret", regret) }
          }
          for (row, weights) in point.weights.enumerated() {
            for (column, weight) in weights.enumerated() { add("weights.\(row).\(column)", weight) }
          }
        }
      }
    }
    return table.data
  }

  /// Everything, with the experiment's identity; a failed run has its reason.
  public static let json = TraceExport(fileName: "trace.json") { results in
    struct Series: Encodable {
      var method: String
      var seed: UInt64
      var failure: String?
      var epochs: [TracePoint]
      /// Of what was recommended after each epoch.
      var validationRegrets, testRegrets: [Double?]
    }
    struct Document: Encodable {
      var experiment: Experiment
      var tableChecksum: String
      var traces: [Series]
    }
    let document = Document(
      experiment: results.experiment, tableChecksum: results.tableChecksum,
      traces: results.methods.flatMap { method in
        method.runs.filter { !$0.result.trace.isEmpty }.map {
          Series(
            method: method.entry.label, seed: $0.seed, failure: $0.result.failure, epochs: $0.result.trace,
            validationRegrets: $0.result.recommendedRegrets(.validation, results.experiment.policy),
            testRegrets: $0.result.recommendedRegrets(.test, results.experiment.policy))
        }
      })
    return try jsonData(document)
  }
}
