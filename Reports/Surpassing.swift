import Foundation
import SearchSpaces
import Statistics
import TabularBenchmark

/// The probability that an architecture surpasses one that is drawn uniformly from its space: the part of the space's
/// architectures with a lower mean accuracy at the highest epoch count, of those with the same one half.
package struct Surpassing: Sendable {
  /// The accuracy that is compared: test where the table has it.
  package let metric: RegretMetric
  /// The benchmark seconds of a training at the highest epoch count, on average over what random search draws: the
  /// space's configurations.
  package let secondsPerTraining: Double
  private let table: Table
  private let probabilities: [Int: Double]
  /// Trainings that random search may see, by ascending validation accuracy: the probability that a draw is it or one
  /// before it, and that its architecture surpasses another.
  private let draws: [(cumulative: Double, surpassing: Double)]

  package init?(_ benchmark: Benchmark) {
    let table = benchmark.table
    let (top, rows) = (table.epochs.count - 1, benchmark.rows)
    metric = benchmark.bestTest == nil ? .validation : .test
    let column = benchmark.bestTest == nil ? Metric.validationAccuracy : .testAccuracy
    let accuracies = rows.compactMap { table.mean(column, row: $0, epochs: top) }
    guard accuracies.count == rows.count else { return nil }
    let probabilities = Dictionary(
      uniqueKeysWithValues: zip(rows, accuracies.ranks).map { ($0, ($1 - 0.5) / Double(rows.count)) })
    // As random search draws: configurations, of which several may give one architecture.
    var configurations: [Int: Int] = [:]
    if let count = benchmark.space.parameters.count, count <= 1 << 22 {
      for index in 0..<count {
        if let row = benchmark.row(ofConfigurationAt: index) { configurations[row, default: 0] += 1 }
      }
    } else {
      for row in rows { configurations[row] = 1 }
    }
    let total = Double(configurations.values.reduce(0, +))
    var (seconds, drawn) = (0.0, 0.0)
    var trainings: [(accuracy: Double, probability: Double, surpassing: Double)] = []
    for row in rows {
      let values = (0..<table.repeats).compactMap {
        table.value(.validationAccuracy, row: row, epochs: top, repeat: $0)
      }
      guard let count = configurations[row], let surpassing = probabilities[row] else { continue }
      let probability = Double(count) / total / Double(values.count)
      trainings += values.map { ($0, probability, surpassing) }
      if let mean = table.mean(.seconds, row: row, epochs: top) {
        seconds += Double(count) * mean
        drawn += Double(count)
      }
    }
    guard drawn > 0 else { return nil }
    self.table = table
    self.probabilities = probabilities
    secondsPerTraining = seconds / drawn
    draws = Self.cumulated(trainings)
  }

  /// Of equal accuracies one entry, with their mean probability of surpassing.
  private static func cumulated(
    _ trainings: [(accuracy: Double, probability: Double, surpassing: Double)]
  ) -> [(cumulative: Double, surpassing: Double)] {
    let sorted = trainings.sorted { $0.accuracy < $1.accuracy }
    var draws: [(cumulative: Double, surpassing: Double)] = []
    var (sum, start) = (0.0, 0)
    while start < sorted.count {
      let equal = sorted[start...].prefix { $0.accuracy == sorted[start].accuracy }
      let probability = equal.reduce(0) { $0 + $1.probability }
      sum += probability
      draws.append((sum, equal.reduce(0) { $0 + $1.probability * $1.surpassing } / probability))
      start = equal.endIndex
    }
    return draws
  }

  /// The probability that an architecture surpasses another; `nil` if it is not of the space.
  package func probability(of id: Architecture.ID) -> Double? { table.row(of: id).flatMap { probabilities[$0] } }

  /// The same, expected of random search: of some draws, each trained once at the highest epoch count, it returns the
  /// one with the greatest validation accuracy.
  ///
  /// - Parameter trainings: The number of draws; `nil` is returned for none.
  package func probability(ofBestOf trainings: Int) -> Double? {
    guard trainings > 0 else { return nil }
    var (before, expected) = (0.0, 0.0)
    for draw in draws {
      let power = pow(draw.cumulative, Double(trainings))
      expected += (power - before) * draw.surpassing
      before = power
    }
    // The last one's cumulative probability is 1 but for rounding.
    return before > 0 ? expected / before : nil
  }
}
