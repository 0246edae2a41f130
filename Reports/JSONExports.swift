import Anytime
import Experiments
import Foundation

/// The experiment behind a file: all that determines its runs, which of them are missing or failed, and the version of
/// the program that wrote the file.
public struct ExperimentIdentity: Encodable, Sendable {
  /// The experiment.
  public let experiment: Experiment
  /// The checksum of the table that the runs used.
  public let tableChecksum: String
  /// The version of the program that wrote the file.
  public let version: String
  /// When an incumbent counts.
  public let accounting: Accounting
  /// The unit of all amounts.
  public let currency: BudgetPolicy.Currency
  /// The digest of every method's runs, by label: the key of the run store.
  public let digests: [String: String]
  /// The number of runs that are not finished.
  public let missingRuns: Int
  /// The seeds that are missing, by label.
  public let missingSeeds: [String: [UInt64]]
  /// The runs that failed, which no statistic includes.
  public let failures: [Failure]
  /// Absent if the table was not available.
  public let reference: SpaceReference?

  /// A run that failed.
  public struct Failure: Encodable, Sendable {
    /// The method's label.
    public let method: String
    /// The run's seed.
    public let seed: UInt64
    /// Why it failed, in one sentence.
    public let reason: String
  }

  /// What determined the runs, and which of them are there.
  public init(_ runs: RegretRuns) {
    let results = runs.results
    experiment = results.experiment
    tableChecksum = results.tableChecksum
    version = anytimeVersion
    accounting = runs.accounting
    currency = runs.currency
    digests = Dictionary(
      results.methods.map { ($0.entry.label, $0.digest) }, uniquingKeysWith: { first, _ in first })
    missingRuns = results.missingRuns
    missingSeeds = Dictionary(results.missingSeeds.map { ($0.label, $0.seeds) }) { first, _ in first }
    failures = results.methods.flatMap { method in
      method.failedRuns.map { Failure(method: method.entry.label, seed: $0.seed, reason: $0.reason) }
    }
    reference = runs.reference
  }
}

extension CurveExport {
  /// The experiment's identity alone.
  public static let experiment = CurveExport(fileName: "experiment.json") { curves in
    try jsonData(ExperimentIdentity(curves.runs))
  }

  /// The curves with the identity of the experiment: table checksum, horizon, seeds, policy, settings.
  public static let json = CurveExport(fileName: "curves.json") { curves in
    struct Series: Encodable {
      var method, metric: String
      var runs: Int
      var n: [Int]
      var mean, standardError, intervalLow, intervalHigh, median, lowerQuartile, upperQuartile: [Double?]
    }
    /// What a one-shot method recommended over its last epochs.
    struct Last: Encodable {
      var method, metric: String
      var epochs, n: Int
      var mean: Double
      var standardError, intervalLow, intervalHigh: Double?
    }
    struct Document: Encodable {
      var identity: ExperimentIdentity
      var spent: [Double]
      var curves: [Series]
      var lastEpochs: [Last]
    }
    let results = curves.results
    let lasts = results.methods.flatMap { method in
      RegretMetric.allCases.compactMap { metric in
        LastEpochs(method, metric: metric, policy: results.experiment.policy).map { last in
          Last(
            method: method.entry.label, metric: metric.rawValue, epochs: last.epochs.upperBound, n: last.n,
            mean: last.mean, standardError: last.standardError, intervalLow: last.interval?.lowerBound,
            intervalHigh: last.interval?.upperBound)
        }
      }
    }
    return try jsonData(
      Document(
        identity: ExperimentIdentity(curves.runs), spent: curves.grid,
        curves: curves.curves.map { curve in
          Series(
            method: curve.label, metric: curve.metric.rawValue, runs: curve.runs,
            n: curve.points.map { $0?.n ?? 0 }, mean: curve.points.map { $0?.mean },
            standardError: curve.points.map { $0?.standardError },
            intervalLow: curve.points.map { $0?.interval?.lowerBound },
            intervalHigh: curve.points.map { $0?.interval?.upperBound },
            median: curve.points.map { $0?.median }, lowerQuartile: curve.points.map { $0?.lowerQuartile },
            upperQuartile: curve.points.map { $0?.upperQuartile })
        }, lastEpochs: lasts))
  }

  /// Every run's changes of the incumbent and its ledger, with the identity of the experiment.
  public static let eventsJSON = CurveExport(fileName: "events.json") { curves in
    struct Run: Encodable {
      var method: String
      var seed: UInt64
      var spent: Spending
      var ledger: [RunResult.LedgerTotal]
      var events: [TrajectoryPoint]
    }
    struct Document: Encodable {
      var identity: ExperimentIdentity
      var runs: [Run]
    }
    return try jsonData(
      Document(
        identity: ExperimentIdentity(curves.runs),
        runs: curves.results.methods.flatMap { method in
          method.endedRuns.map { seed, result in
            Run(
              method: method.entry.label, seed: seed, spent: result.spent, ledger: result.ledger,
              events: result.trajectory)
          }
        }))
  }
}
