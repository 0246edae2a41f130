import Foundation

/// Rows of comma-separated values by RFC 4180, in UTF-8 without a byte order mark. Lines end with a line feed alone,
/// as Unix tools expect it.
///
/// Texts are written as they are, in quotes where the format needs them; also those that a spreadsheet takes for a
/// formula (`=1+1`): data are not changed here, so import such a column as text. A number that is none (a supernet
/// diverged) is an empty field.
struct CSV {
  enum Field {
    case text(String)
    case number(Double?)
    case count(Int?)
  }

  private var text = ""

  init(_ header: [String]) { add(header.map { .text($0) }) }

  mutating func add(_ fields: [Field]) {
    for (column, field) in fields.enumerated() {
      if column > 0 { text += "," }
      switch field {
      case .text(let field): text += Self.quoted(field)
      case .number(let number): if let number, number.isFinite { text += "\(number)" }
      case .count(let count): if let count { text += "\(count)" }
      }
    }
    text += "\n"
  }

  var data: Data { Data(text.utf8) }

  /// A field in quotes if it needs them. By bytes, as neither "\r\n" nor a comma with a combining mark is a character
  /// of its own.
  private static func quoted(_ field: String) -> String {
    let isPlain = field.utf8.allSatisfy { byte in
      byte > 0x1F && byte != 0x7F && byte != UInt8(ascii: ",") && byte != UInt8(ascii: "\"")
    }
    let isPadded = [field.first, field.last].contains { $0?.isWhitespace == true }
    if isPlain, !isPadded { return field }
    var result = String.UnicodeScalarView("\"".unicodeScalars)
    for scalar in field.unicodeScalars {
      if scalar == "\"" { result.append(scalar) }
      result.append(scalar)
    }
    result.append("\"")
    return String(result)
  }
}
