import Foundation

/// Reads rows of delimited text (RFC 4180; any line ends and several separators) without copying fields.
///
/// A field in quotation marks may hold separators, line breaks and doubled quotation marks. Spaces around it are
/// left out.
struct DelimitedReader {
  let buffer: TextBuffer
  private(set) var separator = UInt8(ascii: ",")
  /// The fields of the row.
  private(set) var fields: [TextField] = []
  /// The physical line on which the row begins.
  private(set) var line = 0

  private static let separators = [",", ";", "\t", "|"].map { UInt8(ascii: $0) }
  private static let quote = UInt8(ascii: "\"")
  private static let space = UInt8(ascii: " ")
  private static let lineFeed: UInt8 = 10
  private static let carriageReturn: UInt8 = 13

  init(_ input: InputStreamReader) throws(ImportError) { buffer = try TextBuffer(input) }

  /// Reads the header and finds the separator: the one that gives the most known names and then the most columns.
  ///
  /// - Throws: ``ImportError``.
  mutating func header(wanted: (String) -> Bool) throws(ImportError) -> [String] {
    var best: (separator: UInt8, names: [String], score: (Int, Int))?
    try skipPreamble()
    var failure: ImportError?
    for candidate in Self.separators {
      separator = candidate
      do {
        guard try scan() != nil else { return [] }
      } catch {
        failure = failure ?? error
        continue
      }
      let names = fields.map { field in
        unescaped(buffer.text(field), field).trimmingCharacters(in: .whitespacesAndNewlines)
      }
      let score = (names.count(where: wanted), names.count)
      if best.map({ score > $0.score }) ?? true { best = (candidate, names, score) }
    }
    guard let best else { throw failure ?? ImportError(buffer.input.path, "line 1", "there is no header") }
    separator = best.separator
    line = buffer.line
    if let row = try scan() { advance(row) }
    guard !best.names.contains(where: { $0.contains("\u{fffd}") || $0.contains("\0") }) else {
      throw ImportError(buffer.input.path, "line \(line)", "this is no text in UTF-8; save it as UTF-8")
    }
    return best.names
  }

  /// Skips blank lines, and `sep=;`, by which Excel states the separator.
  private func skipPreamble() throws(ImportError) {
    while true {
      if buffer.end - buffer.start < 8, try buffer.more() { continue }
      guard buffer.start < buffer.end else { return }
      let bytes = buffer.bytes + buffer.start
      let count = buffer.end - buffer.start
      switch bytes[0] {
      case Self.lineFeed, Self.carriageReturn, Self.space:
        let isBreak = bytes[0] != Self.space
        let isPair = bytes[0] == Self.carriageReturn && count > 1 && bytes[1] == Self.lineFeed
        buffer.start += isPair ? 2 : 1
        buffer.line += isBreak ? 1 : 0
      case UInt8(ascii: "s")
      where count > 5 && memcmp(bytes, "sep=", 4) == 0 && bytes[5] <= Self.carriageReturn:
        buffer.start += 5
      default: return
      }
    }
  }

  /// Reads the next row that is not blank.
  ///
  /// - Returns: Whether there is one.
  mutating func next() throws(ImportError) -> Bool {
    while let row = try scan() {
      line = buffer.line
      advance(row)
      for index in fields.indices where fields[index].isEscaped { unescape(&fields[index]) }
      if fields.contains(where: { $0.start < $0.end && !buffer.trimmed($0).isEmpty }) { return true }
    }
    return false
  }

  private func advance(_ row: (end: Int, lines: Int)) {
    buffer.start = row.end
    buffer.line += row.lines
  }

  /// Replaces doubled quotation marks by single ones, in the same memory.
  private func unescape(_ field: inout TextField) {
    let bytes = buffer.bytes
    var target = field.start
    var source = field.start
    while source < field.end {
      bytes[target] = bytes[source]
      source += bytes[source] == Self.quote ? 2 : 1
      target += 1
    }
    field.end = target
    field.isEscaped = false
  }

  private func unescaped(_ text: String, _ field: TextField) -> String {
    field.isEscaped ? text.replacing("\"\"", with: "\"") : text
  }

  /// Finds the fields of the row at the buffer's start.
  ///
  /// - Returns: The offset after it and its physical lines; `nil` at the end of the file.
  private mutating func scan() throws(ImportError) -> (end: Int, lines: Int)? {
    while true {
      if buffer.start == buffer.end {
        if try buffer.more() { continue }
        return nil
      }
      if let row = try scanWindow() { return row }
      // The row goes on behind the window, or the file is over: then it is scanned once more, as it is.
      _ = try buffer.more()
    }
  }

  /// `nil` if the window may end within the row.
  private mutating func scanWindow() throws(ImportError) -> (end: Int, lines: Int)? {
    let bytes = buffer.bytes
    let end = buffer.end
    let isAtEnd = buffer.isAtEnd
    let separator = separator
    var index = buffer.start
    var lines = 1
    fields.removeAll(keepingCapacity: true)
    while true {
      var field = TextField(start: index, end: index)
      var next = index
      while next < end, bytes[next] == Self.space { next += 1 }
      if next < end, bytes[next] == Self.quote {
        next += 1
        field.start = next
        while true {
          guard next < end else {
            guard isAtEnd else { return nil }
            throw failure("a quotation mark is not closed")
          }
          let letter = bytes[next]
          if letter == Self.quote {
            guard next + 1 < end || isAtEnd else { return nil }
            guard next + 1 < end, bytes[next + 1] == Self.quote else { break }
            field.isEscaped = true
            next += 1
          } else if letter == Self.lineFeed {
            lines += 1
          } else if letter == Self.carriageReturn {
            guard next + 1 < end || isAtEnd else { return nil }
            if next + 1 == end || bytes[next + 1] != Self.lineFeed { lines += 1 }
          }
          next += 1
        }
        field.end = next
        next += 1
        while next < end, bytes[next] == Self.space { next += 1 }
        guard
          next == end || bytes[next] == separator || bytes[next] == Self.lineFeed
            || bytes[next] == Self.carriageReturn
        else {
          throw failure(
            "field \(fields.count + 1) goes on after its closing quotation mark; double those within")
        }
      } else {
        while next < end {
          let letter = bytes[next]
          if letter == separator || letter == Self.lineFeed || letter == Self.carriageReturn { break }
          next += 1
        }
        field.end = next
      }
      if next == end, !isAtEnd { return nil }
      fields.append(field)
      index = next
      if index < end, bytes[index] == separator {
        index += 1
        continue
      }
      if index < end {
        if bytes[index] == Self.carriageReturn {
          guard index + 1 < end || isAtEnd else { return nil }
          if index + 1 < end, bytes[index + 1] == Self.lineFeed { index += 1 }
        }
        index += 1
      }
      return (index, lines)
    }
  }

  private func failure(_ problem: String) -> ImportError {
    ImportError(buffer.input.path, "line \(buffer.line)", problem)
  }
}
