import Foundation
import SearchSpaces

/// Imports any measured table from text: a row per cell, epoch count and repeat, or a row per cell with a column per
/// epoch count.
///
/// Delimited text (RFC 4180, with a header; commas, semicolons, tabs or `|`) and JSON lines take the same columns,
/// those that ``TableText`` writes:
///
/// - `adjacency` and `operations`, required: in words (`011|001|000`, `input,maxpool3x3,output`) or as lists
/// - `hash`: checked if present
/// - `epochs`: required, unless ``ImportOptions`` state them
/// - `repeat`: from 0 or 1; without it, rows of the same matrix and operations are repeats in order
/// - `training_seconds`, `train_accuracy`, `validation_accuracy`, `test_accuracy`, and the same with the prefix
///   `halfway_`: accuracies in 0...1
/// - `trainable_parameters`, `multiply_accumulates`
///
/// Missing columns, and fields that are empty, `nan`, `NA` or `null`, are absent in the table, never zero.
/// NAS-Bench-101's own names and forms are understood too; in JSON lines also `computed`, a list of trainings per
/// epoch count.
public enum PlainImporter {
  /// The kind of a file.
  public enum Format: String, CaseIterable, Sendable {
    /// Delimited text with a header, or a JSON object a line.
    case csv, jsonl
  }

  /// - Throws: ``ImportError`` with the line; `TableError`. No table is left behind.
  public static func importTable(
    from source: URL, to destination: URL, as format: Format, options: ImportOptions = ImportOptions(),
    progress: (Int, Int) -> Void = { _, _ in }
  ) throws -> ImportSummary {
    let input = try InputStreamReader(source)
    try input.refuse(destination: destination)
    let writer = try TableWriter(destination: destination)
    var rows: RowReader
    do { rows = try RowReader(source.path, writer, options) } catch {
      throw ImportError(source.path, "", error.problem)
    }
    do {
      switch format {
      case .csv: try rows.readDelimited(input, progress)
      case .jsonl: try rows.readJSONLines(input, progress)
      }
    } catch let error as ImportError { throw input.damage() ?? error }

    guard rows.collector.count > 0 else { throw ImportError(source.path, "", "there is not a single row") }
    var notes = try rows.collector.finish(source.path)
    var provenance = rows.provenance
    if format == .csv, let stated = try TextProvenance.beside(source) {
      if stated.checksum == input.checksum {
        provenance = stated.provenance
      } else {
        notes.append(
          "\(TextProvenance.url(beside: source).lastPathComponent) is left aside: the text has changed since its export"
        )
      }
    }
    provenance = provenance ?? ["source": "imported from \(source.lastPathComponent)"]
    if let task = options.task { provenance?["settings"] = task.json }
    try writer.finish(provenance: provenance ?? [:])
    if let suggestion = rows.columns.suggestion {
      notes.append("ignored columns may be quantities of the table: \(suggestion)")
    }
    if let holes = writer.holes {
      notes.append(
        "\(holes.count) of \(holes.of) trainings lack validation accuracy or seconds, the first of them repeat "
          + "\(holes.number) of \(holes.architecture) at \(holes.epochs) epochs")
    }
    return ImportSummary(
      cells: writer.rowCount, records: rows.collector.count, epochs: rows.collector.epochCounts,
      ignoredColumns: rows.columns.ignored, notes: notes)
  }
}

/// Turns rows into trainings, whatever text they come from.
private struct RowReader {
  let path: String
  let options: ImportOptions
  var columns: ColumnMap
  var collector: TrainingCollector
  /// The provenance that the text itself states.
  var provenance: Provenance?

  private var cellText = CellText()
  // What was read last, as text and as a number: a cell's rows mostly stand together.
  private var lastText: [UInt8] = []
  private var lastLengths = (0, 0)
  private var lastGraph: RecordParser.Graph?

  private typealias Bytes = UnsafeBufferPointer<UInt8>
  /// The row's fields by role; empty where absent.
  private var fields: [Bytes] = []

  init(_ path: String, _ writer: TableWriter, _ options: ImportOptions) throws(ImportProblem) {
    self.path = path
    self.options = options
    columns = try ColumnMap(options)
    collector = TrainingCollector(writer, options)
    fields = [Bytes](repeating: Bytes(start: nil, count: 0), count: ColumnMap.wideRole + columns.wide.count)
  }

  private func located(_ line: Int, _ error: any Error) -> any Error {
    guard let problem = error as? ImportProblem else { return error }
    return ImportError(path, "line \(line)", problem.problem)
  }

  // MARK: Delimited text

  mutating func readDelimited(_ input: InputStreamReader, _ progress: (Int, Int) -> Void) throws {
    var reader = try DelimitedReader(input)
    let names = try reader.header { [columns] in columns.isKnown($0) }
    guard !names.isEmpty else { throw ImportError(path, "", "the file is empty") }
    let roles: [Int]
    do {
      roles = try names.map { name throws(ImportProblem) in try columns.add(name) }
      try columns.checkChosen(available: names)
      try columns.checkIgnored()
      try columns.checkNeeded(available: names)
    } catch { throw located(reader.line, error) }

    var count = 0
    while try reader.next() {
      do {
        guard reader.fields.count == roles.count else {
          throw ImportProblem(
            "there are \(reader.fields.count) fields for \(roles.count) columns"
              + (reader.fields.count > roles.count
                ? "; a field that holds '\(Unicode.Scalar(reader.separator))' needs quotation marks" : ""))
        }
        for (index, role) in roles.enumerated() where role >= 0 {
          fields[role] = reader.buffer.trimmed(reader.fields[index])
        }
        try addRow(reader.line)
      } catch { throw located(reader.line, error) }
      count += 1
      if count & 0xfff == 0 { progress(input.bytesRead, input.totalBytes) }
    }
  }

  // MARK: JSON lines

  mutating func readJSONLines(_ input: InputStreamReader, _ progress: (Int, Int) -> Void) throws {
    let buffer = try TextBuffer(input)
    /// Names that occurred, with their roles and the last line that had them. A line mostly has the names of the
    /// line before, in their order.
    var known: [(name: [UInt8], role: Int, line: Int)] = []
    var count = 0
    while let line = try Self.line(buffer) {
      let number = buffer.line
      buffer.start = line.next
      buffer.line += 1
      let text = buffer.trimmed(line.field)
      if text.isEmpty { continue }
      do {
        try Self.checkIsObject(text, isWhole: line.isLast && number == 1)
        var scanner = JSONScanner(buffer.bytes, line.field)
        var position = 0
        var stated: TextField?
        for role in fields.indices { fields[role] = Bytes(start: nil, count: 0) }
        try scanner.members { name, value throws(ImportProblem) in
          let bytes = Bytes(start: UnsafePointer(buffer.bytes) + name.start, count: name.end - name.start)
          if position >= known.count || !bytes.elementsEqual(known[position].name) {
            position = known.firstIndex { bytes.elementsEqual($0.name) } ?? known.count
          }
          if position == known.count {
            if count == 0, bytes.elementsEqual("provenance".utf8) {
              stated = value
              return
            }
            known.append((Array(bytes), try columns.add(bytes.text), 0))
          }
          guard known[position].line != number else { throw ImportProblem("'\(bytes.text)' is there twice") }
          known[position].line = number
          let role = known[position].role
          if role >= 0 {
            let start = UnsafePointer(buffer.bytes) + value.start
            fields[role] = Bytes(start: start, count: value.end - value.start).trimmed
          }
          position += 1
        }
        scanner.skipSpace()
        guard scanner.index == scanner.end else { throw ImportProblem("something follows the JSON object") }
        if let stated {
          provenance = try TextProvenance.read(buffer.text(stated))
          continue
        }
        try columns.checkIgnored()
        if fields[ColumnMap.computed].count > 0 {
          try addComputed(buffer, number)
        } else {
          try addRow(number)
        }
      } catch { throw located(number, error) }
      count += 1
      if count & 0xfff == 0 { progress(input.bytesRead, input.totalBytes) }
    }
    guard count > 0 else { return }
    do {
      let names = known.map { String(decoding: $0.name, as: UTF8.self) }
      try columns.checkChosen(available: names)
      try columns.checkNeeded(available: names)
    } catch { throw ImportError(path, "", error.problem) }
  }

  /// The next line, whatever its end.
  private static func line(_ buffer: TextBuffer) throws(ImportError) -> (
    field: TextField, next: Int, isLast: Bool
  )? {
    while true {
      let count = buffer.end - buffer.start
      let start = buffer.bytes + buffer.start
      var length = memchr(start, 10, count).map { UnsafeRawPointer($0) - UnsafeRawPointer(start) }
      if let end = memchr(start, 13, length ?? count) {
        length = UnsafeRawPointer(end) - UnsafeRawPointer(start)
      }
      if let length, length + 1 < count || buffer.isAtEnd {
        let isPair = start[length] == 13 && length + 1 < count && start[length + 1] == 10
        let next = buffer.start + length + (isPair ? 2 : 1)
        return (TextField(start: buffer.start, end: buffer.start + length), next, next == buffer.end)
      }
      if try buffer.more() { continue }
      if count == 0 { return nil }
      if length == nil { return (TextField(start: buffer.start, end: buffer.end), buffer.end, true) }
    }
  }

  /// Complains of JSON that is not a line per row.
  private static func checkIsObject(_ text: Bytes, isWhole: Bool) throws(ImportProblem) {
    if text.first == UInt8(ascii: "[") {
      throw ImportProblem(
        "this is a JSON list, and JSON lines have an object on each line; convert it with: jq -c '.[]' FILE > NEW.jsonl"
      )
    }
    guard text.first == UInt8(ascii: "{") else {
      throw ImportProblem("this is no JSON object: '\(text.text.prefix(40))'")
    }
    if text.last != UInt8(ascii: "}"), !isWhole, text.count == 1 || text.last == UInt8(ascii: ",") {
      throw ImportProblem(
        "a JSON object goes over several lines, and JSON lines have one on each line; convert it with: "
          + "jq -c . FILE > NEW.jsonl")
    }
  }

  // MARK: Rows

  private func isAbsent(_ role: Int) -> Bool { fields[role].isAbsent }

  private func name(_ role: Int) -> String { columns.found[role] ?? TableText.columns[role] }

  /// The epochs and other whole numbers of a field.
  private func whole(_ role: Int, _ range: ClosedRange<Int64>) throws(ImportProblem) -> Int64? {
    guard !isAbsent(role) else { return nil }
    guard let value = DecimalText(fields[role])?.whole, range.contains(value) else {
      let problem = fields[role].numberProblem(name(role)).problem
      throw ImportProblem(
        problem + (problem.contains(": ") ? "" : ", a whole number")
          + (range.upperBound < .max ? " from \(range.lowerBound) to \(range.upperBound)" : ""))
    }
    return value
  }

  private static func number(_ text: Bytes, _ metric: Int, _ name: String) throws(ImportProblem) -> Float {
    guard !text.isAbsent else { return .nan }
    let isAccuracy = TableText.metricColumns[metric].metric != .seconds
    guard let value = DecimalText(text)?.float, value.isFinite, value >= 0, value <= 1 || !isAccuracy else {
      var problem = text.numberProblem(name).problem
      if isAccuracy, !problem.contains(": ") {
        problem += ", which is between 0 and 1"
        if let value = DecimalText(text)?.float, value > 1, value <= 100 {
          problem += "; accuracies are fractions: divide percentages by 100"
        }
      } else if !problem.contains(": "), let value = DecimalText(text)?.float {
        problem += value < 0 ? ": it is negative" : ": it is too large"
      }
      throw ImportProblem(problem)
    }
    return value
  }

  private static func measurement(
    _ value: (Int) throws(ImportProblem) -> Float
  ) throws(ImportProblem) -> Measurement {
    // In the order of `TableText.metricColumns`.
    Measurement(
      halfway: .init(
        seconds: try value(4), trainAccuracy: try value(5), validationAccuracy: try value(6),
        testAccuracy: try value(7)),
      final: .init(
        seconds: try value(0), trainAccuracy: try value(1), validationAccuracy: try value(2),
        testAccuracy: try value(3)))
  }

  /// The entry of the row's cell.
  private mutating func entry(_ line: Int) throws(ImportProblem) -> Int {
    let (adjacency, operations) = (fields[ColumnMap.adjacency], fields[ColumnMap.operations])
    for role in [ColumnMap.adjacency, ColumnMap.operations] where isAbsent(role) {
      throw ImportProblem("'\(name(role))' is missing")
    }
    let graph: RecordParser.Graph
    if let lastGraph, isLast(adjacency, operations) {
      graph = lastGraph
    } else {
      graph = try cellText.graph(adjacency: adjacency, operations: operations)
      lastText.removeAll(keepingCapacity: true)
      lastText.append(contentsOf: adjacency)
      lastText.append(contentsOf: operations)
      lastLengths = (adjacency.count, operations.count)
      lastGraph = graph
    }
    var hash: Architecture.ID?
    if !isAbsent(ColumnMap.hash) {
      hash = Architecture.ID(hexDigits: fields[ColumnMap.hash])
      guard hash != nil else {
        throw ImportProblem(
          "the hash '\(fields[ColumnMap.hash].text.prefix(60))' is not made of 32 hexadecimal digits")
      }
    }
    return try collector.entry(
      graph, hash: hash, parameters: try whole(ColumnMap.parameters, 0...(.max)),
      multiplyAccumulates: try whole(ColumnMap.multiplyAccumulates, 0...(.max)), line: line)
  }

  private func isLast(_ adjacency: Bytes, _ operations: Bytes) -> Bool {
    guard lastLengths == (adjacency.count, operations.count), let a = adjacency.baseAddress,
      let b = operations.baseAddress
    else { return false }
    return lastText.withUnsafeBytes { last in
      guard let start = last.baseAddress else { return false }
      return memcmp(start, a, adjacency.count) == 0
        && memcmp(start + adjacency.count, b, operations.count) == 0
    }
  }

  private mutating func addRow(_ line: Int) throws {
    let entry = try entry(line)
    let number = try whole(ColumnMap.repeat, 0...255).map { Int($0) }
    if !columns.wide.isEmpty {
      for count in Set(columns.wide.map(\.epochs)).sorted() {
        var isEmpty = true
        let measurement = try Self.measurement { metric throws(ImportProblem) in
          guard let index = columns.wide.firstIndex(where: { $0.metric == metric && $0.epochs == count })
          else {
            return .nan
          }
          let role = ColumnMap.wideRole + index
          let value = try Self.number(fields[role], metric, columns.found[role] ?? "")
          isEmpty = isEmpty && value.isNaN
          return value
        }
        if !isEmpty { try collector.add(measurement, to: entry, epochs: count, repeat: number, line: line) }
      }
      return
    }
    var epochs = columns.constantEpochs
    if epochs == nil { epochs = try whole(ColumnMap.epochs, 1...Int64(UInt16.max)).map { Int($0) } }
    guard let epochs else { throw ImportProblem("'\(name(ColumnMap.epochs))' is missing") }
    let measurement = try Self.measurement { metric throws(ImportProblem) in
      let text = fields[ColumnMap.firstMetric + metric]
      guard text.count > 0 else { return .nan }
      return try Self.number(text, metric, TableText.metricColumns[metric].name)
    }
    try collector.add(measurement, to: entry, epochs: epochs, repeat: number, line: line)
  }

  /// The trainings of a line in the form of NAS-Bench-101's `get_metrics_from_spec`: lists by epoch count.
  private mutating func addComputed(_ buffer: TextBuffer, _ line: Int) throws {
    let entry = try entry(line)
    let computed = fields[ColumnMap.computed]
    guard computed.first == UInt8(ascii: "{"), let start = computed.baseAddress else {
      throw ImportProblem("'computed' is no JSON object of lists by epoch count")
    }
    let offset = start - UnsafePointer(buffer.bytes)
    var trainings: [(epochs: Int, number: Int, measurement: Measurement)] = []
    var scanner = JSONScanner(buffer.bytes, TextField(start: offset, end: offset + computed.count))
    try scanner.members { key, list throws(ImportProblem) in
      let text = buffer.trimmed(key)
      guard let epochs = DecimalText(text)?.whole, ColumnMap.epochRange.contains(Int(epochs)) else {
        throw ImportProblem("'\(text.text.prefix(60))' is no number of epochs from 1 to \(UInt16.max)")
      }
      var number = 0
      var elements = JSONScanner(buffer.bytes, list)
      try elements.elements { element throws(ImportProblem) in
        var values = [Float](repeating: .nan, count: TableText.metricColumns.count)
        var members = JSONScanner(buffer.bytes, element)
        try members.members { key, value throws(ImportProblem) in
          let name = buffer.text(key)
          guard let metric = ColumnMap.metric(named: name) else { return }
          values[metric] = try Self.number(buffer.trimmed(value), metric, name)
        }
        let measurement = try Self.measurement { metric throws(ImportProblem) in values[metric] }
        trainings.append((Int(epochs), number, measurement))
        number += 1
      }
    }
    for training in trainings {
      try collector.add(
        training.measurement, to: entry, epochs: training.epochs, repeat: training.number, line: line)
    }
  }
}
