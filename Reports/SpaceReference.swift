import Anytime
import SearchSpaces
import TabularBenchmark

/// Statistics of a whole search space: the line that any method should beat.
public struct SpaceReference: Hashable, Sendable, Codable {
  /// The number of different architectures.
  public let architectures: Int
  /// The table's highest epoch count.
  public let topEpochs: Int
  /// The mean regret of a configuration that is drawn uniformly, or of the architectures alike in spaces of
  /// more than four million configurations: that of the first architecture of a random search, on average.
  public let randomValidationRegret: Double
  /// `nil` if the table has no test accuracy.
  public let randomTestRegret: Double?

  private enum CodingKeys: String, CodingKey {
    case architectures = "cells"
    case topEpochs, randomValidationRegret, randomTestRegret
  }

  /// - Parameter policy: Says what regret is measured against.
  public init?(_ benchmark: Benchmark, policy: BudgetPolicy) {
    let table = benchmark.table
    let top = table.epochs.count - 1
    var rows = benchmark.rows
    if let count = benchmark.space.parameters.count, count <= 1 << 22 {
      rows = (0..<count).compactMap { benchmark.row(ofConfigurationAt: $0) }
    }
    func regret(_ metric: Metric, _ best: Benchmark.Best?) -> Double? {
      guard let best, !rows.isEmpty else { return nil }
      var sum = 0.0
      for row in rows {
        guard let accuracy = table.mean(metric, row: row, epochs: top) else { return nil }
        sum += accuracy
      }
      return (policy.regretReference == .bestMean ? best.mean : best.single) - sum / Double(rows.count)
    }
    guard let validation = regret(.validationAccuracy, benchmark.bestValidation) else { return nil }
    architectures = benchmark.rows.count
    topEpochs = table.epochs[top]
    randomValidationRegret = validation
    randomTestRegret = regret(.testAccuracy, benchmark.bestTest)
  }

  /// The mean regret of a random architecture.
  public func randomRegret(_ metric: RegretMetric) -> Double? {
    metric == .validation ? randomValidationRegret : randomTestRegret
  }
}
