import CellSpace
import Foundation

/// Tables as text: a row per cell, epoch count and repeat.
public enum TableText {
  /// A text format, by the extension of its files.
  public enum Format: String, CaseIterable, Sendable {
    case csv, jsonl
  }

  /// The columns, in order. `adjacency` has rows joined by `|`, `operations` labels joined by `,`; seconds
  /// and accuracies (0...1) are empty where the table has none.
  public static let columns =
    ["hash", "adjacency", "operations", "epochs", "repeat"] + metricColumns.map(\.name)
    + ["trainable_parameters", "multiply_accumulates"]

  static let metricColumns: [(name: String, moment: Moment, metric: Metric)] = [
    ("training_seconds", .final, .seconds), ("train_accuracy", .final, .trainAccuracy),
    ("validation_accuracy", .final, .validationAccuracy), ("test_accuracy", .final, .testAccuracy),
    ("halfway_training_seconds", .halfway, .seconds), ("halfway_train_accuracy", .halfway, .trainAccuracy),
    ("halfway_validation_accuracy", .halfway, .validationAccuracy),
    ("halfway_test_accuracy", .halfway, .testAccuracy),
  ]

  /// Writes a table as text, beside the destination and renamed at the end.
  ///
  /// - Parameter progress: Called with the number of cells that are done.
  /// - Throws: ``TableError/cannotWrite(_:reason:)``.
  public static func write(
    _ table: Table, to url: URL, as format: Format, progress: (Int) -> Void = { _ in }
  ) throws(TableError) {
    let partial = url.path + ".\(ProcessInfo.processInfo.processIdentifier).partial"
    guard let file = fopen(partial, "wb") else {
      throw .cannotWrite(url.path, reason: String(cString: strerror(errno)))
    }
    var failed = format == .csv && fputs(columns.joined(separator: ",") + "\n", file) < 0
    for row in 0..<table.rowCount {
      let cell = table.cell(row)
      let identity = (table.hash(row).description, cell.adjacencyText, cell.operations.joined(separator: ","))
      for (place, epochs) in table.epochs.enumerated() {
        for number in 0..<table.repeats {
          let values = metricColumns.map { column in
            table.value(column.metric, column.moment, row: row, epochs: place, repeat: number)
          }
          guard values.contains(where: { $0 != nil }) else { continue }
          // Shortest text that reads back as the same single-precision number.
          let numbers =
            values.map { $0.map { "\(Float($0))" } }
            + [table.parameterCount(row), table.multiplyAccumulates(row)].map { $0.map(String.init) }
          let line: String
          switch format {
          case .csv:
            line =
              ([identity.0, identity.1, "\"\(identity.2)\"", String(epochs), String(number)]
              + numbers.map { $0 ?? "" }).joined(separator: ",")
          case .jsonl:
            let fields =
              [
                ("hash", "\"\(identity.0)\""), ("adjacency", "\"\(identity.1)\""),
                ("operations", "\"\(identity.2)\""), ("epochs", String(epochs)), ("repeat", String(number)),
              ]
              + zip(columns.dropFirst(5), numbers).compactMap { name, value in value.map { (name, $0) } }
            line = "{" + fields.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
          }
          failed = failed || fputs(line + "\n", file) < 0
        }
      }
      progress(row + 1)
    }
    failed = fclose(file) != 0 || failed
    guard !failed, rename(partial, url.path) == 0 else {
      let reason = String(cString: strerror(errno))
      unlink(partial)
      throw .cannotWrite(url.path, reason: reason)
    }
  }
}
