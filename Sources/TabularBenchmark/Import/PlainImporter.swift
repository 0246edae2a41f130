import CellSpace
import Foundation

/// Imports any measured table from text: a row per cell, epoch count and repeat.
///
/// CSV (RFC 4180, with a header) and JSON lines take the same columns, those that ``TableText`` writes:
///
/// - `adjacency` (rows joined by `|`, or all in one word) and `operations` (joined by `,`): needed
/// - `hash`: checked if it is there
/// - `epochs`: needed; `repeat`: ignored, rows count up in order
/// - `training_seconds`, `train_accuracy`, `validation_accuracy`, `test_accuracy`, and each with `halfway_`
///   before it: accuracies in 0...1
/// - `trainable_parameters`, `multiply_accumulates`
///
/// A column that is missing and a field that is empty are absent in the table, never zero. JSON lines may also
/// have NAS-Bench-101's own form: `module_adjacency`, `module_operations`, `trainable_parameters` and
/// `computed`, a list of trainings per epoch count.
public enum PlainImporter {
  /// What a file is, by its extension (before `.gz`).
  public enum Format: String, CaseIterable, Sendable {
    case csv, jsonl
  }

  /// - Parameter columns: Names in the file for the names above, where they differ.
  /// - Throws: ``ImportError`` with the line; `TableError`. No table is left behind.
  public static func importTable(
    from source: URL, to destination: URL, as format: Format, columns: [String: String] = [:],
    progress: (Int, Int) -> Void = { _, _ in }
  ) throws -> ImportSummary {
    let lines = try LineReader(source)
    let writer = try TableWriter(destination: destination)
    var epochs: Set<Int> = []
    var records = 0
    var header: [String]?
    while let line = try lines.next() {
      let place = "line \(lines.number)"
      guard !line.utf8.contains(0), !line.unicodeScalars.contains("\u{fffd}") else {
        throw ImportError(source.path, place, "this is no text in UTF-8; export the file as UTF-8")
      }
      if line.allSatisfy(\.isWhitespace) { continue }
      var fields: [String: String] = [:]
      switch format {
      case .csv:
        let values = try split(line, source.path, place)
        guard let names = header else {
          header = values
          for name in ["adjacency", "operations", "epochs"].map({ columns[$0] ?? $0 })
          where !values.contains(name) {
            throw ImportError(
              source.path, place,
              "there is no column '\(name)'; the columns are \(values.joined(separator: ", ")), "
                + "and '--column name=theirs' says which is which")
          }
          let accuracies = known.filter { $0.contains("accuracy") }.map { columns[$0] ?? $0 }
          guard values.contains(where: accuracies.contains) else {
            throw ImportError(
              source.path, place,
              "there is no column of accuracies; the columns are "
                + "\(values.joined(separator: ", ")), and '--column validation_accuracy=theirs' names one")
          }
          continue
        }
        guard values.count == names.count else {
          throw ImportError(source.path, place, "there are \(values.count) fields for \(names.count) columns")
        }
        fields = Dictionary(zip(names, values)) { first, _ in first }
      case .jsonl:
        guard let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else {
          throw ImportError(source.path, place, "this is no JSON object")
        }
        if object["computed"] != nil {
          records += try addOfficial(object, to: writer, &epochs, source.path, place)
          continue
        }
        for (name, value) in object where !(value is NSNull) { fields[name] = "\(value)" }
      }
      let row = Row(fields: fields, columns: columns, path: source.path, place: place)
      try row.add(to: writer, &epochs)
      records += 1
      if records & 0xfff == 0 { progress(lines.bytesRead, lines.totalBytes) }
    }
    guard records > 0 else { throw ImportError(source.path, "", "there is not a single row") }
    try writer.finish(provenance: ["source": "imported from \(source.lastPathComponent)"])
    return ImportSummary(cells: writer.rowCount, records: records, epochs: epochs.sorted())
  }

  static let known =
    ["hash", "adjacency", "operations", "epochs", "repeat"] + TableText.metricColumns.map(\.name)
    + ["trainable_parameters", "multiply_accumulates"]

  /// The fields of a CSV line.
  private static func split(_ line: String, _ path: String, _ place: String) throws -> [String] {
    var fields: [String] = []
    var field = ""
    var isQuoted = false
    var letters = line.makeIterator()
    var next = letters.next()
    while let letter = next {
      next = letters.next()
      if isQuoted {
        if letter == "\"" {
          if next == "\"" {
            field.append("\"")
            next = letters.next()
          } else {
            isQuoted = false
          }
        } else {
          field.append(letter)
        }
      } else if letter == "\"", field.isEmpty {
        isQuoted = true
      } else if letter == "," {
        fields.append(field)
        field = ""
      } else {
        field.append(letter)
      }
    }
    guard !isQuoted else { throw ImportError(path, place, "a quotation mark is not closed") }
    return fields + [field]
  }

  /// One row with its place, for complaints.
  private struct Row {
    let fields: [String: String]
    let columns: [String: String]
    let path, place: String

    func text(_ name: String) -> String? {
      fields[columns[name] ?? name].flatMap { $0.isEmpty ? nil : $0 }
    }

    func required(_ name: String) throws -> String {
      guard let text = text(name) else {
        throw ImportError(path, place, "'\(columns[name] ?? name)' is missing")
      }
      return text
    }

    func number(_ name: String) throws -> Float {
      guard let text = text(name) else { return .nan }
      guard let value = Float(text), value.isFinite, value >= 0, value <= 1 || !name.contains("accuracy")
      else {
        throw ImportError(
          path, place,
          "'\(text)' is no value of \(name)"
            + (name.contains("accuracy") ? ", which is between 0 and 1" : ""))
      }
      return value
    }

    func count(_ name: String) throws -> Int64? {
      guard let text = text(name) else { return nil }
      guard let value = Int64(text), value >= 0 else {
        throw ImportError(path, place, "'\(text)' is no value of \(name)")
      }
      return value
    }

    func add(to writer: TableWriter, _ epochs: inout Set<Int>) throws {
      let cell: Cell
      do {
        cell = try Cell(adjacencyText: try required("adjacency"), operations: try required("operations"))
      } catch let error as CellError { throw ImportError(path, place, "\(error)") }
      if let stated = text("hash"), stated != cell.hash.description {
        throw ImportError(
          path, place, "the hash \(stated) is unknown: the row's cell has the hash \(cell.hash)")
      }
      guard let count = Int(try required("epochs")), count > 0 else {
        throw ImportError(path, place, "'\(try required("epochs"))' is no number of epochs")
      }
      func point(_ prefix: String) throws -> Measurement.Point {
        Measurement.Point(
          seconds: try number(prefix + "training_seconds"),
          trainAccuracy: try number(prefix + "train_accuracy"),
          validationAccuracy: try number(prefix + "validation_accuracy"),
          testAccuracy: try number(prefix + "test_accuracy"))
      }
      let row = writer.add(
        cell: cell, parameters: try self.count("trainable_parameters"),
        multiplyAccumulates: try self.count("multiply_accumulates"))
      try writer.append(
        Measurement(halfway: try point("halfway_"), final: try point("")), row: row, epochs: count)
      epochs.insert(count)
    }
  }

  /// A line in the form of NAS-Bench-101's `get_metrics_from_spec`.
  private static func addOfficial(
    _ object: [String: Any], to writer: TableWriter, _ epochs: inout Set<Int>, _ path: String, _ place: String
  ) throws -> Int {
    guard let adjacency = object["module_adjacency"] as? [[Int]],
      let operations = object["module_operations"] as? [String],
      let computed = object["computed"] as? [String: [[String: Double]]]
    else {
      throw ImportError(path, place, "module_adjacency, module_operations or computed is missing or wrong")
    }
    let cell: Cell
    do { cell = try Cell(adjacency: adjacency, operations: operations) } catch {
      throw ImportError(path, place, "\(error)")
    }
    if let stated = object["hash"] as? String, stated != cell.hash.description {
      throw ImportError(
        path, place, "the hash \(stated) is unknown: the line's cell has the hash \(cell.hash)")
    }
    let row = writer.add(
      cell: cell, parameters: (object["trainable_parameters"] as? Int).map(Int64.init))
    var count = 0
    for (key, trainings) in computed.sorted(by: { $0.key < $1.key }) {
      guard let number = Int(key), number > 0 else {
        throw ImportError(path, place, "'\(key)' is no number of epochs")
      }
      for training in trainings {
        func point(_ prefix: String) throws -> Measurement.Point {
          func value(_ name: String) throws -> Float {
            guard let value = training["\(prefix)_\(name)"] else { return .nan }
            guard value >= 0, value <= 1 || !name.contains("accuracy") else {
              throw ImportError(path, place, "\(prefix)_\(name) is \(value)")
            }
            return Float(value)
          }
          return Measurement.Point(
            seconds: try value("training_time"), trainAccuracy: try value("train_accuracy"),
            validationAccuracy: try value("validation_accuracy"), testAccuracy: try value("test_accuracy"))
        }
        try writer.append(
          Measurement(halfway: try point("halfway"), final: try point("final")), row: row, epochs: number)
        count += 1
      }
      epochs.insert(number)
    }
    return count
  }
}

/// Lines of a text file, gzipped or not.
private final class LineReader {
  private let input: InputStreamReader
  private var pending: [UInt8] = []
  private var start = 0
  private var isAtEnd = false
  private(set) var number = 0

  init(_ url: URL) throws(ImportError) { input = try InputStreamReader(url) }

  var bytesRead: Int { input.bytesRead }
  var totalBytes: Int { input.totalBytes }

  func next() throws(ImportError) -> String? {
    while true {
      if let end = pending[start...].firstIndex(of: UInt8(ascii: "\n")) {
        return line(upTo: end)
      }
      if isAtEnd { return start < pending.count ? line(upTo: pending.count) : nil }
      pending.removeFirst(start)
      start = 0
      let bytes = try input.next(1 << 16)
      isAtEnd = bytes.isEmpty
      pending.append(contentsOf: bytes)
    }
  }

  private func line(upTo end: Int) -> String {
    var slice = pending[start..<end]
    if slice.last == UInt8(ascii: "\r") { slice.removeLast() }
    start = end + 1
    number += 1
    return String(decoding: slice, as: UTF8.self)
  }
}
