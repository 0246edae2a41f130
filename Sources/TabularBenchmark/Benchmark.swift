import CellSpace

/// A table seen through a search space: which row each configuration stands for, and how good the best cell
/// is.
public struct Benchmark: Sendable {
  public let table: Table
  public let space: SearchSpace

  /// The greatest accuracies in the space at the highest epoch count: what regret is measured against.
  public struct Best: Hashable, Sendable {
    /// The greatest mean over a cell's repeats, in 0...1.
    public let mean: Double
    /// The greatest accuracy of any single training, in 0...1.
    public let single: Double
  }
  /// By validation accuracy.
  public let bestValidation: Best
  /// By test accuracy; `nil` if the table has none.
  public let bestTest: Best?

  /// The rows of the space's cells, ascending.
  public let rows: [Int]
  /// Row by index of configuration, for spaces small enough; -1 where there is no cell.
  private let rowOfConfiguration: [Int32]

  /// Spaces of more configurations than this are looked up by cell.
  private static let indexLimit = 1 << 22

  /// - Throws: ``TableError/missingCells(table:space:missing:of:)`` if the table does not hold the whole
  ///   space, ``TableError/missingMetric(table:metric:neededFor:)`` if it has no validation accuracy or no
  ///   training seconds.
  public init(table: Table, space: SearchSpace) throws(TableError) {
    for metric in [Metric.validationAccuracy, .seconds] where !table.has(metric) {
      throw .missingMetric(table: table.path, metric: metric.rawValue, neededFor: "every search")
    }
    self.table = table
    self.space = space

    var missing: Set<Cell> = []
    var found: Set<Int> = []
    let top = table.epochs.count - 1
    func row(of cell: Cell) -> Int32 {
      guard let row = table.row(of: cell), table.repeatCount(row: row, epochs: top) > 0 else {
        missing.insert(cell)
        return -1
      }
      found.insert(row)
      return Int32(row)
    }
    if let count = space.parameters.count, count <= Self.indexLimit {
      rowOfConfiguration = (0..<count).map { index in
        space.cell(space.parameters.configuration(at: index)).map { row(of: $0) } ?? -1
      }
    } else {
      rowOfConfiguration = []
      for cell in space.uniqueCells() { _ = row(of: cell) }
    }
    guard missing.isEmpty else {
      throw .missingCells(
        table: table.path, space: space.name, missing: missing.count, of: missing.count + found.count)
    }
    rows = found.sorted()
    bestValidation = Self.best(.validationAccuracy, in: table, rows) ?? Best(mean: .nan, single: .nan)
    bestTest = Self.best(.testAccuracy, in: table, rows)
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

  /// The row of a configuration; `nil` if it gives no cell.
  public func row(of configuration: Configuration) -> Int? {
    if !rowOfConfiguration.isEmpty {
      return row(ofConfigurationAt: space.parameters.index(of: configuration))
    }
    return space.cell(configuration).flatMap { table.row(of: $0) }
  }

  /// The row of the configuration at a place of ``ParameterSpace/configuration(at:)``'s enumeration, for
  /// spaces of up to four million configurations; `nil` if it gives no cell.
  public func row(ofConfigurationAt index: Int) -> Int? {
    let row = rowOfConfiguration[index]
    return row >= 0 ? Int(row) : nil
  }
}

extension Benchmark {
  /// Whether a row of the table holds a cell of the space.
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
