import SearchSpaces
import Statistics
import TabularBenchmark

/// Diagnostics of a one-shot method's supernet after one epoch. They are stored with the run and do not change its
/// trajectory.
public struct TracePoint: Hashable, Sendable, Codable {
  /// The number of finished epochs of the supernet, from 1.
  public var epoch: Int
  /// The budget spent by then, in the policy's currency.
  public var amount: Double
  /// The architecture that was recommended after the epoch.
  public var architecture: Architecture.ID
  /// Measured values by name: `supernet loss` and `supernet accuracy` on the images that weights are trained on,
  /// `validation accuracy`, `eigenvalue` (the dominant one of the architecture's Hessian), `largest eigenvalue` (the
  /// largest one with its sign, probed for early stopping), and every ``RankingMeasure`` where ``errors`` were probed.
  public var values: [String: Double]
  /// The architecture weights, in the rows of `ArchitectureParameters`, each row summing to 1; empty for methods
  /// without any.
  public var weights: [[Double]]
  /// The one-shot validation errors (0...1) of a fixed sample of architectures; empty if they were not probed.
  public var errors: [Architecture.ID: Double]
  /// The one-shot validation losses (mean cross-entropy) of the same architectures in the same passes, without losses
  /// that are infinite or not a number; `nil` if they were not probed, and in traces of earlier versions.
  public var losses: [Architecture.ID: Double]?

  /// Creates the diagnostics of one epoch.
  public init(
    epoch: Int, amount: Double, architecture: Architecture.ID, values: [String: Double], weights: [[Double]],
    errors: [Architecture.ID: Double], losses: [Architecture.ID: Double]? = nil
  ) {
    self.losses = losses
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
    case values, weights, errors, losses
  }
}

/// A measure of how a supernet ranks architectures. Its raw value is its name in ``TracePoint/values``.
///
/// "Top" and "bottom" are the 5 % of the probed architectures (at least one) with the least and with the greatest
/// error; of equal errors, the architecture with the lower identifier comes first. The true error is the table's mean
/// validation error at the highest epoch count.
///
/// Ning et al., "Evaluating Efficient Performance Estimators of Neural Architectures", NeurIPS 2021;
/// `examples/research/surgery/evaluation.py` of their code.
public enum RankingMeasure: String, CaseIterable, Sendable {
  /// Spearman's rank correlation of one-shot errors and true ones.
  case spearman
  /// Kendall's tau-b of one-shot errors and true ones.
  case kendall
  /// Spearman's rank correlation of one-shot losses and true errors.
  case spearmanByLoss = "spearman by loss"
  /// Ranking stability: Kendall's tau-b of the one-shot errors of this probe and of the one before.
  case stability = "kendall with the probe before"
  /// The fraction of the one-shot top that is in the true top, in 0...1 (P@top 5 %).
  case precisionAtTop = "precision at top 5 %"
  /// The fraction of the one-shot bottom that is in the true bottom, in 0...1 (P@bottom 5 %).
  case precisionAtBottom = "precision at bottom 5 %"
  /// The best true rank in the one-shot top, divided by the number of probed architectures: from nearly 0, for the best
  /// one, to 1 (BR@5 %).
  case bestRank = "best rank of top 5 %"
  /// The worst true rank in the one-shot top, divided by the number of probed architectures (WR@5 %).
  case worstRank = "worst rank of top 5 %"
  /// The bias by size: Spearman's rank correlation of one-shot errors and numbers of trainable parameters. Positive if
  /// the supernet favours small architectures, negative if it favours large ones. Absent if the table lacks any of
  /// these numbers.
  case sizeBias = "spearman with parameters"

  /// The measures of one probe, but for ``stability``.
  ///
  /// - Parameters:
  ///   - errors: The one-shot errors, at least two.
  ///   - losses: The one-shot losses; `nil` if any is not known.
  ///   - truth: The true errors.
  ///   - parameters: The numbers of parameters; `nil` if any is not known.
  package static func all(
    errors: [Double], losses: [Double]?, truth: [Double], parameters: [Double]?
  ) -> [RankingMeasure: Double] {
    let count = errors.count
    guard count > 1, truth.count == count else { return [:] }
    var measures: [RankingMeasure: Double] = [:]
    measures[.spearman] = errors.spearman(truth)
    measures[.kendall] = errors.kendall(truth)
    measures[.spearmanByLoss] = losses.flatMap { $0.spearman(truth) }
    measures[.sizeBias] = parameters.flatMap { errors.spearman($0) }

    func ranked(_ values: [Double]) -> [Int] { values.indices.sorted { (values[$0], $0) < (values[$1], $1) } }
    let (seen, really) = (ranked(errors), ranked(truth))
    let size = max(1, count / 20)
    func precision(_ ours: ArraySlice<Int>, _ theirs: ArraySlice<Int>) -> Double {
      Double(Set(ours).intersection(theirs).count) / Double(size)
    }
    measures[.precisionAtTop] = precision(seen.prefix(size), really.prefix(size))
    measures[.precisionAtBottom] = precision(seen.suffix(size), really.suffix(size))
    let top = Set(seen.prefix(size))
    let ranks = really.indices.filter { top.contains(really[$0]) }.map { Double($0 + 1) / Double(count) }
    measures[.bestRank] = ranks.first
    measures[.worstRank] = ranks.last
    return measures
  }
}

extension TracePoint {
  /// With how its one-shot errors agree with the table, and with those of the probe before.
  fileprivate func measured(by benchmark: Benchmark, after before: TracePoint?) -> TracePoint {
    let table = benchmark.table
    var point = self
    var (seen, truth): ([Double], [Double]) = ([], [])
    var (losses, parameters): ([Double], [Double]) = ([], [])
    for (id, error) in errors.sorted(by: { $0.key < $1.key }) {
      guard let row = table.row(of: id),
        let accuracy = table.mean(.validationAccuracy, row: row, epochs: table.epochs.count - 1)
      else { continue }
      seen.append(error)
      truth.append(1 - accuracy)
      if let loss = self.losses?[id] { losses.append(loss) }
      if let count = table.parameterCount(row) { parameters.append(Double(count)) }
    }
    let measures = RankingMeasure.all(
      errors: seen, losses: losses.count == seen.count ? losses : nil, truth: truth,
      parameters: parameters.count == seen.count ? parameters : nil)
    for (measure, value) in measures { point.values[measure.rawValue] = value }
    if let before {
      let both = errors.keys.filter { before.errors[$0] != nil }.sorted()
      let earlier = both.compactMap { before.errors[$0] }
      point.values[RankingMeasure.stability.rawValue] = earlier.kendall(both.compactMap { errors[$0] })
    }
    return point
  }
}

extension [TracePoint] {
  /// Returns the trace with every ``RankingMeasure`` added where errors were probed. Called after a run has ended, so
  /// that no method can learn from the measures.
  package func ranked(by benchmark: Benchmark) -> [TracePoint] {
    var before: TracePoint?
    return map { point in
      guard !point.errors.isEmpty else { return point }
      // The epochs of another supernet begin anew.
      if let earlier = before, earlier.epoch >= point.epoch { before = nil }
      defer { before = point }
      return point.measured(by: benchmark, after: before)
    }
  }
}
