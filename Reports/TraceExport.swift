import Anytime
import Foundation

/// A format for traces of one-shot methods. The same results give the same bytes.
public struct TraceExport: Sendable {
  /// The end of a file's name.
  public let fileName: String
  public let render: @Sendable (ExperimentResults) -> Data

  public static let all = [csv, json]

  /// A row per method, seed, epoch and number that was measured then; architecture weights as `weights.ROW.PLACE`.
  public static let csv = TraceExport(fileName: "trace.csv") { results in
    var text = "method,seed,epoch,amount,cell,name,value\n"
    for method in results.methods {
      for run in method.runs {
        for point in run.result.trace {
          let start = [
            quotedField(method.entry.label), String(run.seed), String(point.epoch), "\(point.amount)",
            point.cell,
          ].joined(separator: ",")
          for (name, value) in point.values.sorted(by: { $0.key < $1.key }) {
            text += "\(start),\(name),\(value)\n"
          }
          for (row, weights) in point.weights.enumerated() {
            for (place, weight) in weights.enumerated() {
              text += "\(start),weights.\(row).\(place),\(weight)\n"
            }
          }
        }
      }
    }
    return Data(text.utf8)
  }

  /// Everything, with the experiment's identity.
  public static let json = TraceExport(fileName: "trace.json") { results in
    struct Series: Encodable {
      var method: String
      var seed: UInt64
      var epochs: [TracePoint]
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
          Series(method: method.entry.label, seed: $0.seed, epochs: $0.result.trace)
        }
      })
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(document)) ?? Data()
  }
}
