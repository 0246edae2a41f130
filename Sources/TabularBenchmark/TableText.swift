import Foundation
import SearchSpaces

/// Tables as text: a row per architecture, epoch count and repeat.
public enum TableText {
  /// A text format, named by the extension of its files.
  public enum Format: String, CaseIterable, Sendable {
    /// Comma-separated values with a header, or a JSON object a line.
    case csv, jsonl
  }

  /// The columns, in order. `adjacency` holds rows joined by `|`, `operations` labels joined by `,`. Seconds and
  /// accuracies (in 0...1) are empty where the table has none.
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

  /// Writes a table as text, completely or not at all. JSON lines begin with the table's provenance; CSV has it in
  /// another file, `NAME.csv.provenance.json`. An import gives the same table again.
  ///
  /// - Parameter progress: Called with the number of architectures written so far.
  /// - Throws: ``TableError/cannotWrite(_:reason:)``.
  public static func write(
    _ table: Table, to url: URL, as format: Format, progress: (Int) -> Void = { _ in }
  ) throws(TableError) {
    var (own, other) = (stat(), stat())
    if stat(table.path, &own) == 0, stat(url.path, &other) == 0, own.st_dev == other.st_dev,
      own.st_ino == other.st_ino
    {
      throw .cannotWrite(url.path, reason: "it is the table itself; name another file")
    }
    let file = try AtomicFile(url)
    let beside = format == .csv ? try AtomicFile(TextProvenance.url(beside: url)) : nil
    var checksum: UInt32 = 0
    var text = ""
    func flush() throws(TableError) {
      checksum = try write(text, to: file, url, checksum)
      text.removeAll(keepingCapacity: true)
    }
    switch format {
    case .csv: text += columns.joined(separator: ",") + "\n"
    case .jsonl:
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      do {
        text +=
          "{\"provenance\":" + String(decoding: try encoder.encode(table.provenance), as: UTF8.self) + "}\n"
      } catch { throw .cannotWrite(url.path, reason: "its provenance cannot be put into words: \(error)") }
    }
    for row in 0..<table.rowCount {
      let hash = table.id(row).description
      let (adjacency, operations) =
        switch table.architecture(row) {
        case .cell(let cell): (cell.adjacencyText, cell.operations.joined(separator: ","))
        }
      let counts = [table.parameterCount(row), table.multiplyAccumulates(row)]
      for (index, epochs) in table.epochs.enumerated() {
        for number in 0..<table.repeats {
          let values = metricColumns.map { column in
            table.value(column.metric, column.moment, row: row, epochs: index, repeat: number)
          }
          guard values.contains(where: { $0 != nil }) else { continue }
          switch format {
          case .csv:
            text += "\(hash),\(adjacency),\"\(operations)\",\(epochs),\(number)"
            // Shortest text that reads back as the same single-precision number.
            for value in values { text += value.map { ",\(Float($0))" } ?? "," }
            for count in counts { text += count.map { ",\($0)" } ?? "," }
            text += "\n"
          case .jsonl:
            text +=
              "{\"hash\":\"\(hash)\",\"adjacency\":\"\(adjacency)\",\"operations\":\"\(operations)\","
              + "\"epochs\":\(epochs),\"repeat\":\(number)"
            for (column, value) in zip(metricColumns, values) {
              if let value { text += ",\"\(column.name)\":\(Float(value))" }
            }
            for (name, count) in zip(columns.suffix(2), counts) {
              if let count { text += ",\"\(name)\":\(count)" }
            }
            text += "}\n"
          }
        }
      }
      if text.utf8.count > 1 << 18 { try flush() }
      progress(row + 1)
    }
    try flush()
    if let beside {
      let provenance = TextProvenance(checksum: checksum, table: table.checksum, provenance: table.provenance)
      let bytes: Data
      do { bytes = try provenance.encoded() } catch {
        throw .cannotWrite(url.path, reason: "its provenance cannot be put into words: \(error)")
      }
      _ = try write(String(decoding: bytes, as: UTF8.self), to: beside, TextProvenance.url(beside: url), 0)
      // What belongs to another text is never taken for this one's: its checksum differs.
      try beside.commit()
    }
    try file.commit()
  }

  /// Writes all of a text.
  ///
  /// - Returns: The checksum, continued over the text.
  private static func write(
    _ text: String, to file: AtomicFile, _ url: URL, _ checksum: UInt32
  ) throws(TableError) -> UInt32 {
    var text = text
    var failure: Int32 = 0
    let checksum = text.withUTF8 { letters in
      let bytes = UnsafeRawBufferPointer(letters)
      var start = 0
      while start < bytes.count, let base = bytes.baseAddress {
        let count = Foundation.write(file.descriptor, base + start, bytes.count - start)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else {
          failure = errno
          break
        }
        start += count
      }
      return crc32c(bytes, checksum)
    }
    if failure != 0 { throw AtomicFile.failure(url.path, failure) }
    return checksum
  }
}
