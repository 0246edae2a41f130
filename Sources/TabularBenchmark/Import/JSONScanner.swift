/// A cursor over the JSON text of one line. It also accepts `NaN` and `Infinity`, which Python writes.
struct JSONScanner {
  let bytes: UnsafeMutablePointer<UInt8>
  var index: Int
  let end: Int

  init(_ bytes: UnsafeMutablePointer<UInt8>, _ field: TextField) {
    self.bytes = bytes
    index = field.start
    end = field.end
  }

  mutating func skipSpace() {
    while index < end, bytes[index] <= 0x20 { index += 1 }
  }

  /// Skips a letter if it comes next; returns whether it did.
  mutating func take(_ letter: Unicode.Scalar) -> Bool {
    skipSpace()
    guard index < end, bytes[index] == UInt8(ascii: letter) else { return false }
    index += 1
    return true
  }

  mutating func expect(_ letter: Unicode.Scalar) throws(ImportProblem) {
    guard take(letter) else {
      throw ImportProblem(
        "this is no JSON object: '\(letter)' is missing\(index < end ? " before '\(rest)'" : "")")
    }
  }

  private var rest: String {
    UnsafeBufferPointer(start: UnsafePointer(bytes) + index, count: min(end - index, 20)).text
  }

  /// The content of a string, with escapes replaced.
  mutating func string() throws(ImportProblem) -> TextField {
    try expect("\"")
    var field = TextField(start: index, end: index)
    var target = index
    while true {
      guard index < end else { throw ImportProblem("this is no JSON object: a quotation mark is not closed") }
      let letter = bytes[index]
      index += 1
      if letter == UInt8(ascii: "\"") { break }
      guard letter == UInt8(ascii: "\\") else {
        bytes[target] = letter
        target += 1
        continue
      }
      guard index < end else { continue }
      let escape = bytes[index]
      index += 1
      switch escape {
      case UInt8(ascii: "n"): bytes[target] = 10
      case UInt8(ascii: "t"): bytes[target] = 9
      case UInt8(ascii: "r"): bytes[target] = 13
      case UInt8(ascii: "b"), UInt8(ascii: "f"): bytes[target] = 0x20
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes[target] = escape
      case UInt8(ascii: "u"):
        let digits = UnsafeBufferPointer(start: UnsafePointer(bytes) + index, count: min(4, end - index))
        guard digits.count == 4, let unit = UInt16(digits.text, radix: 16) else {
          throw ImportProblem("this is no JSON object: '\\u' needs four hexadecimal digits")
        }
        index += 4
        // What a table needs is ASCII; other letters are only in names and labels that it does not know.
        let scalar = Unicode.Scalar(UInt32(unit)) ?? "\u{fffd}"
        for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter {
          bytes[target] = byte
          target += 1
        }
        continue
      default: throw ImportProblem("this is no JSON object: '\\' stands before '\(Unicode.Scalar(escape))'")
      }
      target += 1
    }
    field.end = target
    return field
  }

  /// Reads a value: the content of a string, a number or word as it stands, or the whole text of a list or object.
  mutating func value() throws(ImportProblem) -> TextField {
    skipSpace()
    guard index < end else { throw ImportProblem("this is no JSON object: a value is missing") }
    let start = index
    switch bytes[index] {
    case UInt8(ascii: "\""): return try string()
    case UInt8(ascii: "["), UInt8(ascii: "{"):
      var depth = 0
      while index < end {
        let letter = bytes[index]
        if letter == UInt8(ascii: "\"") {
          // Passed as it is, for whoever reads the list.
          index += 1
          while index < end, bytes[index] != UInt8(ascii: "\"") {
            index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
          }
        } else if letter == UInt8(ascii: "[") || letter == UInt8(ascii: "{") {
          depth += 1
        } else if letter == UInt8(ascii: "]") || letter == UInt8(ascii: "}") {
          depth -= 1
        }
        index += 1
        if depth == 0 { return TextField(start: start, end: min(index, end)) }
      }
      throw ImportProblem("this is no JSON object: a bracket is not closed")
    default:
      while index < end, bytes[index] > 0x20, bytes[index] != 0x2c, bytes[index] != 0x5d, bytes[index] != 0x7d
      {
        index += 1
      }
      let word = UnsafeBufferPointer(start: UnsafePointer(bytes) + start, count: index - start)
      let isNumber = (word.first.map { $0 &- 0x30 < 10 || $0 == UInt8(ascii: "-") }) ?? false
      guard
        isNumber || word.isWord("null") || word.isWord("nan") || word.isWord("infinity")
          || word.isWord("true")
          || word.isWord("false")
      else { throw ImportProblem("this is no JSON object: '\(word.text.prefix(40))' is no value") }
      return TextField(start: start, end: index)
    }
  }

  /// Calls a body with the name and value of each member of an object.
  mutating func members(
    _ body: (_ name: TextField, _ value: TextField) throws(ImportProblem) -> Void
  ) throws(ImportProblem) {
    try expect("{")
    if take("}") { return }
    repeat {
      let name = try string()
      try expect(":")
      try body(name, try value())
    } while take(",")
    try expect("}")
  }

  /// Calls a body with each element of a list.
  mutating func elements(_ body: (TextField) throws(ImportProblem) -> Void) throws(ImportProblem) {
    try expect("[")
    if take("]") { return }
    repeat { try body(try value()) } while take(",")
    try expect("]")
  }
}
