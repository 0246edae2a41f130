import SearchSpaces
import Statistics

/// A table seen through a search space: the row of each configuration, and the accuracies of the best architecture.
public struct Benchmark: Sendable {
  /// The trainings.
  public let table: Table
  /// The configurations, and the architectures that they give.
  public let space: SearchSpace

  /// The greatest accuracies in the space at the highest epoch count. Regret is measured against them.
  public struct Best: Hashable, Sendable {
    /// The greatest mean over an architecture's repeats, in 0...1.
    public let mean: Double
    /// The greatest accuracy of any single training, in 0...1.
    public let single: Double
  }
  /// The greatest validation accuracies.
  public let bestValidation: Best
  /// The greatest test accuracies; `nil` if the table has none.
  public let bestTest: Best?

  /// The rows of the space's architectures, ascending.
  public let rows: [Int]
  /// The row by index of configuration, -1 without an architecture; empty for spaces that are too large.
  private let rowOfConfiguration: [Int32]
  /// The number of repeats that an architecture should have, by index of the epoch count.
  private let repeatCounts: [Int]
  /// Whether any training of the space lacks a number.
  private let hasHoles: Bool
  /// The shortest training of the space.
  package let leastSeconds: (seconds: Double, row: Int, fidelity: Int)

  /// The greatest number of configurations with a row by index; larger spaces are looked up by architecture.
  private static let indexLimit = 1 << 22

  /// The treatment of trainings that lack a number that others of the table have: validation accuracy, test accuracy or
  /// seconds.
  public enum Holes: String, CaseIterable, Sendable, Codable {
    /// The table is refused.
    case refuse
    /// Such trainings are left out; an architecture draws from its complete ones.
    case skip
  }

  /// - Throws: ``TableError`` if the table does not hold the whole space, has no validation accuracy or no training
  ///   seconds, has a training that took no time, or has holes that are not to be skipped.
  public init(table: Table, space: SearchSpace, holes: Holes = .refuse) throws(TableError) {
    for metric in [Metric.validationAccuracy, .seconds] where !table.has(metric) {
      throw .missingMetric(table: table.path, metric: metric.rawValue, neededFor: "every search")
    }
    self.table = table
    self.space = space

    var missing: Set<Architecture> = []
    var found: Set<Int> = []
    func row(of architecture: Architecture) -> Int32 {
      guard let row = table.row(of: architecture) else {
        missing.insert(architecture)
        return -1
      }
      found.insert(row)
      return Int32(row)
    }
    if let count = space.parameters.count, count <= Self.indexLimit {
      rowOfConfiguration = (0..<count).map { index in
        space.architecture(space.parameters.configuration(at: index)).map { row(of: $0) } ?? -1
      }
    } else {
      rowOfConfiguration = []
      for architecture in space.architectures() { _ = row(of: architecture) }
    }
    guard missing.isEmpty else {
      throw .missingArchitectures(
        table: table.path, space: space.name, missing: missing.count, of: missing.count + found.count)
    }
    rows = found.sorted()
    let survey = try Survey(table, space, rows, holes)
    (repeatCounts, hasHoles, leastSeconds) = (survey.repeatCounts, survey.hasHoles, survey.leastSeconds)
    bestValidation = Self.best(.validationAccuracy, in: table, rows) ?? Best(mean: .nan, single: .nan)
    bestTest = Self.best(.testAccuracy, in: table, rows)
  }

  /// A survey of the trainings of a space: which are there, and how long the shortest took.
  private struct Survey {
    let repeatCounts: [Int]
    let hasHoles: Bool
    let leastSeconds: (seconds: Double, row: Int, fidelity: Int)

    init(_ table: Table, _ space: SearchSpace, _ rows: [Int], _ holes: Holes) throws(TableError) {
      // As many repeats are expected of every architecture as the best measured one has.
      var counts = table.epochs.map { _ in 0 }
      var least = (seconds: Double.infinity, row: 0, fidelity: 0)
      for row in rows {
        for fidelity in table.epochs.indices {
          var last = 0
          for number in 0..<table.repeats where table.isWhole(row: row, epochs: fidelity, repeat: number) {
            last = number + 1
            let seconds = table.value(.seconds, row: row, epochs: fidelity, repeat: number) ?? 0
            guard seconds > 0, seconds.isFinite else {
              throw .badSeconds(
                table: table.path, id: table.id(row), epochs: table.epochs[fidelity],
                repeat: number, seconds: seconds)
            }
            if seconds < least.seconds { least = (seconds, row, fidelity) }
          }
          counts[fidelity] = max(counts[fidelity], last)
        }
      }
      var (count, untrained) = (0, 0)
      var first: (row: Int, fidelity: Int, number: Int)?
      var firstUntrained: (row: Int, fidelity: Int)?
      for row in rows {
        for fidelity in table.epochs.indices {
          var whole = 0
          for number in 0..<counts[fidelity] {
            if table.isWhole(row: row, epochs: fidelity, repeat: number) {
              whole += 1
            } else {
              count += 1
              first = first ?? (row, fidelity, number)
            }
          }
          guard whole == 0 else { continue }
          untrained += 1
          firstUntrained = firstUntrained ?? (row, fidelity)
        }
      }
      if let firstUntrained {
        throw .untrained(
          table: table.path, space: space.name, count: untrained,
          id: table.id(firstUntrained.row), epochs: table.epochs[firstUntrained.fidelity])
      }
      if let first, holes == .refuse {
        let lacking = [Metric.seconds, .validationAccuracy, .testAccuracy].filter {
          table.has($0)
            && table.value($0, row: first.row, epochs: first.fidelity, repeat: first.number) == nil
        }
        throw .holes(
          table: table.path, space: space.name, count: count,
          lacking: lacking.map { $0 == .seconds ? "training seconds" : "\($0.rawValue) accuracy" }
            .joined(separator: ", "),
          id: table.id(first.row), epochs: table.epochs[first.fidelity], repeat: first.number)
      }
      (repeatCounts, hasHoles, leastSeconds) = (counts, first != nil, least)
    }
  }

  /// Draws one of the trainings of an architecture.
  ///
  /// - Parameter fidelity: An index of the table's epoch counts.
  package func drawRepeat(
    row: Int, fidelity: Int, using random: inout RandomGenerator
  ) -> Int {
    let count = repeatCounts[fidelity]
    guard hasHoles else { return count > 1 ? random.below(count) : 0 }
    let whole = (0..<count).filter { table.isWhole(row: row, epochs: fidelity, repeat: $0) }
    return whole.count > 1 ? whole[random.below(whole.count)] : whole.first ?? 0
  }

  private static func best(_ metric: Metric, in table: Table, _ rows: [Int]) -> Best? {
    let top = table.epochs.count - 1
    var mean = -Double.infinity
    var single = -Double.infinity
    for row in rows {
      guard let value = table.mean(metric, row: row, epochs: top) else { return nil }
      mean = max(mean, value)
      for number in 0..<table.repeats {
        single = max(single, table.value(metric, row: row, epochs: top, repeat: number) ?? single)
      }
    }
    return Best(mean: mean, single: single)
  }

  /// The row of a configuration's architecture; `nil` if it gives none.
  public func row(of configuration: Configuration) -> Int? {
    if !rowOfConfiguration.isEmpty {
      return row(ofConfigurationAt: space.parameters.index(of: configuration))
    }
    return space.architecture(configuration).flatMap { table.row(of: $0) }
  }

  /// The row of the configuration that `ParameterSpace.configuration(at:)` gives for an index; `nil` if it gives
  /// no architecture. Only for spaces of up to four million configurations.
  public func row(ofConfigurationAt index: Int) -> Int? {
    let row = rowOfConfiguration[index]
    return row >= 0 ? Int(row) : nil
  }
}

extension Benchmark {
  /// Whether a row of the table holds an architecture of the space.
  public func contains(row: Int) -> Bool {
    if rows.count == table.rowCount { return true }
    var (low, high) = (0, rows.count)
    while low < high {
      let middle = (low + high) / 2
      if rows[middle] < row { low = middle + 1 } else { high = middle }
    }
    return low < rows.count && rows[low] == row
  }
}
