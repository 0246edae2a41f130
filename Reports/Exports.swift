import Anytime
import Foundation

/// A format for curves: what its files are called, and how they are made. The same results give the same
/// bytes.
public struct CurveExport: Sendable {
  /// The end of a file's name, such as `curves.csv`.
  public let fileName: String
  public let render: @Sendable (Curves) -> Data

  public static let all = [csv, json, events, vega]

  /// A row per method, metric and point of the grid.
  public static let csv = CurveExport(fileName: "curves.csv") { curves in
    let currency = curves.results.experiment.policy.currency.rawValue
    var text =
      "method,metric,spent,currency,n,mean,standard_error,median,lower_quartile,upper_quartile\n"
    for curve in curves.curves {
      for (spent, point) in zip(curves.grid, curve.points) {
        guard let point else { continue }
        let numbers = [
          point.mean, point.standardError, point.median, point.lowerQuartile, point.upperQuartile,
        ]
        let fields =
          [quotedField(curve.label), curve.metric.rawValue, "\(spent)", currency, String(point.n)]
          + numbers.map { $0.map { "\($0)" } ?? "" }
        text += fields.joined(separator: ",") + "\n"
      }
    }
    return Data(text.utf8)
  }

  /// A row per method, seed and change of the incumbent: the raw data behind every curve.
  public static let events = CurveExport(fileName: "events.csv") { curves in
    var text =
      "method,seed,amount,spent_seconds,spent_epochs,evaluations,cell,epochs,validation_regret,test_regret,"
      + "final_training_seconds\n"
    for method in curves.results.methods {
      for run in method.runs {
        for point in run.result.trajectory {
          let spent = point.spent
          text +=
            [
              quotedField(method.entry.label), String(run.seed), "\(point.amount)", "\(spent.seconds)",
              "\(spent.epochs)", "\(spent.evaluations)", point.cell, String(point.epochs),
              "\(point.validationRegret)", point.testRegret.map { "\($0)" } ?? "",
              "\(point.finalTrainingSeconds)",
            ].joined(separator: ",") + "\n"
        }
      }
    }
    return Data(text.utf8)
  }

  /// The curves with the identity of the experiment: table checksum, horizon, seeds, policy, settings.
  public static let json = CurveExport(fileName: "curves.json") { curves in
    struct Series: Encodable {
      var method, metric: String
      var n: [Int]
      var mean, standardError, median, lowerQuartile, upperQuartile: [Double?]
    }
    struct Document: Encodable {
      var experiment: Experiment
      var tableChecksum: String
      var missingRuns: Int
      var spent: [Double]
      var curves: [Series]
    }
    let document = Document(
      experiment: curves.results.experiment, tableChecksum: curves.results.tableChecksum,
      missingRuns: curves.results.missingRuns, spent: curves.grid,
      curves: curves.curves.map { curve in
        Series(
          method: curve.label, metric: curve.metric.rawValue, n: curve.points.map { $0?.n ?? 0 },
          mean: curve.points.map { $0?.mean }, standardError: curve.points.map { $0?.standardError },
          median: curve.points.map { $0?.median }, lowerQuartile: curve.points.map { $0?.lowerQuartile },
          upperQuartile: curve.points.map { $0?.upperQuartile })
      })
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(document)) ?? Data()
  }

}

/// A CSV field, quoted where RFC 4180 asks for it.
func quotedField(_ field: String) -> String {
  guard field.contains(where: { ",\"\n\r".contains($0) }) else { return field }
  return "\"" + field.replacingOccurrences(of: "\"", with: "\"\"") + "\""
}

/// Why a report cannot be written.
public struct ReportError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}

/// Writes a file beside its destination and renames it, so that it is there whole or not at all.
///
/// - Throws: ``ReportError``.
public func writeWhole(_ data: Data, to url: URL) throws(ReportError) {
  do { try data.write(to: url, options: .atomic) } catch {
    throw ReportError("\(url.path) cannot be written: check that its folder is there and may be written to")
  }
}
