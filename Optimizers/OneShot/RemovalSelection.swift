import Anytime
import SearchSpaces
import Statistics
import Supernet
import Tensor

/// The choices that are made already: of a row of the architecture, by its index, the alternatives that are kept.
package typealias Decided = [Int: [Int]]

/// The settings of how the final architecture is chosen: by the greatest architecture weights, or by the accuracy that
/// the removal of an alternative costs (DARTS-PT: Wang et al., "Rethinking Architecture Selection in Differentiable
/// NAS", ICLR 2021, algorithm 1).
///
/// After the last epoch, choices are made one after another in random order, operations before parents. Each
/// alternative is judged by the supernet's accuracy on the search half without it, and those whose removal costs most
/// are kept: one operation, or as many parents as the vertex has. Between choices the supernet is fine-tuned, its
/// architecture weights too, with fresh momentum and a tenth of the first learning rate. Constants are those of the
/// authors' code (`sota/cnn/projection.py` and `exp_scripts/darts-proj-sota.sh` in github.com/ruocwang/darts-pt), and
/// as there batch norm takes the statistics of each batch when alternatives are judged. All passes are charged.
///
/// Differences: in NAS-Bench-1Shot1's spaces parents have weights of their own, so that removing a parent sets its
/// weight to zero, where the code removes the operations of an edge; parents that are kept are summed without weights;
/// a parent's alternatives are judged once, where the code judges the rest again after each removal; the alternative
/// that is removed is executed times zero, and charged, where the code skips it; batch norm sees the batches of
/// validation, where the code's are those of training; and nothing is fine-tuned after the last choice, since nothing
/// depends on it. Until the last choice, the architecture of the last epoch is recommended.
public struct SelectSettings: Configurable {
  /// The rule by which the final architecture is chosen.
  public var rule = Rule.weights
  /// The number of epochs of fine-tuning after each choice but the last.
  public var epochs = 5

  /// The rule by which the final architecture is chosen: the greatest architecture weights, or the greatest loss of
  /// accuracy when an alternative is removed.
  public enum Rule: String, CaseIterable, Sendable { case weights, perturbation }

  public static let settings = [
    Setting(
      "select", \SelectSettings.rule, "final cell: the greatest weights, or what costs most accuracy when removed"),
    Setting(
      "select-epochs", \SelectSettings.epochs, 1...10_000, log: true,
      "epochs of fine-tuning between the choices of 'select: perturbation'"),
  ]

  public init() {}

  /// - Throws: `SettingError` if the search also stops early.
  func validate(beside stop: StopSettings) throws {
    guard rule == .weights || stop.rule == .none else {
      throw SettingError(
        "'stop: eigenvalue' returns the cell of an earlier epoch, which 'select: perturbation' would replace by one of "
          + "the last; set only one of them")
    }
  }

  /// The number of all epochs of fine-tuning.
  func epochs(_ shape: SupernetShape) -> Int {
    rule == .perturbation ? (shape.architecture.rows.count - 1) * epochs : 0
  }

  /// Selects the final architecture of a trained supernet and recommends it, if the settings say so.
  ///
  /// - Parameter step: Makes a step of fine-tuning, given the choices that are made already.
  func select(
    _ supernet: Supernet, _ architect: Architect, step: (Supernet.Batch, Decided) throws -> Void
  ) throws {
    guard rule == .perturbation else { return }
    let rows = supernet.shape.architecture.rows
    let order = removalOrder(rows, using: &supernet.session.random)
    try supernet.beginTuning()
    let kept = try selectByRemoval(
      rows, order: order,
      accuracy: { row, alternative, decided in
        let gates = try Torch.withoutGradients {
          try architect.softmax(supernet.shape, decided, without: (row, alternative))
        }
        return try supernet.accuracy(usesBatchStatistics: true) { _ in gates }
      },
      tune: { decided in
        for _ in 0..<epochs {
          try supernet.tune(learningRate: supernet.settings.learningRate / 10) { try step($0, decided) }
        }
      })
    let weights = zip(rows, kept).map { row, kept in
      (0..<row.count).map { kept.contains($0) ? 1 / Double(kept.count) : 0 }
    }
    try supernet.finishTuning(supernet.shape.architecture.discretise(weights), weights: weights)
  }
}

/// The order in which choices are made: those of operations, then those of parents, each in random order.
///
/// - Returns: Indices of rows.
package func removalOrder(
  _ rows: [ArchitectureParameters.Row], using random: inout RandomGenerator
) -> [Int] {
  var (operations, parents): ([Int], [Int]) = ([], [])
  for (index, row) in rows.enumerated() {
    switch row.kind {
    case .operation: operations.append(index)
    case .parents: parents.append(index)
    }
  }
  random.shuffle(&operations)
  random.shuffle(&parents)
  return operations + parents
}

/// Makes one choice after another: alternatives are removed one at a time, and those are kept whose removal leaves the
/// lowest accuracy. Of equal ones the first are kept.
///
/// - Parameters:
///   - order: The indices of all rows, in the order in which they are decided.
///   - accuracy: The accuracy without an alternative of a row, given the choices that are made already.
///   - tune: Called after each choice but the last.
/// - Returns: For every row, the ascending indices of the alternatives that are kept.
package func selectByRemoval(
  _ rows: [ArchitectureParameters.Row], order: [Int],
  accuracy: (_ row: Int, _ alternative: Int, _ decided: Decided) throws -> Double,
  tune: (_ decided: Decided) throws -> Void
) rethrows -> [[Int]] {
  var decided: Decided = [:]
  for row in order {
    if !decided.isEmpty { try tune(decided) }
    let accuracies = try (0..<rows[row].count).map { try accuracy(row, $0, decided) }
    let ranked = accuracies.indices.sorted { (accuracies[$0], $0) < (accuracies[$1], $1) }
    decided[row] = ranked.prefix(rows[row].selected).sorted()
  }
  return rows.indices.map { decided[$0] ?? [] }
}
