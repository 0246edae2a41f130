import SearchSpaces
import Statistics
import TabularBenchmark

/// What a one-shot method's supernet was like after one epoch. Stored with the run; nothing of it changes a
/// trajectory.
public struct TracePoint: Hashable, Sendable, Codable {
  /// Epochs of the supernet that are done, from 1.
  public var epoch: Int
  /// What was spent until then, in the policy's currency.
  public var amount: Double
  /// The architecture that was recommended.
  public var architecture: Architecture.ID
  /// What was measured, by name: `supernet loss` and `supernet accuracy` on the images that weights are trained
  /// on, `validation accuracy`, `spearman` and `kendall` (rank correlation of one-shot error and the table's mean
  /// validation error over ``errors``), `eigenvalue` (the dominant one of the architecture's Hessian), `largest
  /// eigenvalue` (the largest one with its sign, probed for early stopping).
  public var values: [String: Double]
  /// Per row of `ArchitectureParameters` its weights, each row summing to 1; empty for methods without any.
  public var weights: [[Double]]
  /// The one-shot validation error of a fixed sample of architectures; empty where it was not probed.
  public var errors: [Architecture.ID: Double]

  public init(
    epoch: Int, amount: Double, architecture: Architecture.ID, values: [String: Double], weights: [[Double]],
    errors: [Architecture.ID: Double]
  ) {
    self.epoch = epoch
    self.amount = amount
    self.architecture = architecture
    self.values = values
    self.weights = weights
    self.errors = errors
  }

  private enum CodingKeys: String, CodingKey {
    case epoch, amount
    case architecture = "cell"
    case values, weights, errors
  }
}

extension TracePoint {
  /// With how its one-shot errors agree with the table. Done when a run has ended, so that no method can learn from it.
  func correlated(with benchmark: Benchmark) -> TracePoint {
    guard !errors.isEmpty else { return self }
    var (seen, measured): ([Double], [Double]) = ([], [])
    for (id, error) in errors.sorted(by: { $0.key < $1.key }) {
      guard let row = benchmark.table.row(of: id),
        let accuracy = benchmark.table.mean(
          .validationAccuracy, row: row, epochs: benchmark.table.epochs.count - 1)
      else { continue }
      seen.append(error)
      measured.append(1 - accuracy)
    }
    var point = self
    point.values["spearman"] = seen.spearman(measured)
    point.values["kendall"] = seen.kendall(measured)
    return point
  }
}
