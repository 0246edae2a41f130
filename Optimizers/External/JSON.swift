import Foundation

/// A JSON value as messages carry it. Members of an object that is written keep their order.
///
/// Not `Codable`: `JSONDecoder` takes three times as long for a question as `JSONSerialization`.
package enum JSON: Sendable {
  case null
  case flag(Bool)
  case number(Double)
  case text(String)
  case list([JSON])
  case object([Member])

  package struct Member: Sendable {
    package let name: String
    package let value: JSON

    package init(_ name: String, _ value: JSON) { (self.name, self.value) = (name, value) }
  }

  /// An object of some members; those without a value are left out.
  package static func object(_ members: KeyValuePairs<String, JSON?>) -> JSON {
    .object(members.compactMap { name, value in value.map { Member(name, $0) } })
  }

  /// A list of texts.
  package static func texts(_ texts: some Sequence<String>) -> JSON { .list(texts.map(JSON.text)) }

  // MARK: Parts

  /// The members of an object; `nil` for other values.
  package var members: [Member]? { if case .object(let members) = self { members } else { nil } }

  package var list: [JSON]? { if case .list(let list) = self { list } else { nil } }

  package var text: String? { if case .text(let text) = self { text } else { nil } }

  package var number: Double? { if case .number(let number) = self { number } else { nil } }

  /// A whole number that can be counted to.
  package var count: Int? { number.flatMap { Int(exactly: $0) }.flatMap { $0.magnitude < 1 << 53 ? $0 : nil } }

  /// A member of an object; `nil` if there is none, or none that is not `null`.
  package subscript(_ name: String) -> JSON? {
    guard let member = members?.first(where: { $0.name == name }) else { return nil }
    if case .null = member.value { return nil }
    return member.value
  }

  // MARK: Writing

  /// The value in one line.
  package var line: String { String(decoding: bytes, as: UTF8.self) }

  /// The value in one line, in UTF-8.
  package var bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(256)
    write(to: &bytes)
    return bytes
  }

  func write(to bytes: inout [UInt8]) {
    switch self {
    case .null: bytes += "null".utf8
    case .flag(let flag): bytes += (flag ? "true" : "false").utf8
    case .number(let number): Self.write(number, to: &bytes)
    case .text(let text): Self.write(text, to: &bytes)
    case .list(let list):
      bytes.append(UInt8(ascii: "["))
      for (index, item) in list.enumerated() {
        if index > 0 { bytes += ", ".utf8 }
        item.write(to: &bytes)
      }
      bytes.append(UInt8(ascii: "]"))
    case .object(let members):
      bytes.append(UInt8(ascii: "{"))
      for (index, member) in members.enumerated() {
        if index > 0 { bytes += ", ".utf8 }
        Self.write(member.name, to: &bytes)
        bytes += ": ".utf8
        member.value.write(to: &bytes)
      }
      bytes.append(UInt8(ascii: "}"))
    }
  }

  /// A number that is none, or is infinite, becomes `null`, as JSON has no word for it.
  static func write(_ number: Double, to bytes: inout [UInt8]) {
    if let whole = Int(exactly: number), whole.magnitude < 1 << 53 {
      bytes += String(whole).utf8
    } else {
      bytes += (number.isFinite ? String(number) : "null").utf8
    }
  }

  static func write(_ text: String, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
      case 0x0a: bytes += "\\n".utf8
      case 0x09: bytes += "\\t".utf8
      case 0..<0x20: bytes += "\(byte < 16 ? "\\u000" : "\\u00")\(String(byte, radix: 16))".utf8
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}

/// Why a text is no JSON, in a few words.
struct JSONError: Error, CustomStringConvertible {
  let description: String
}

extension JSON {
  /// Reads a list or object in UTF-8. The members of an object have no particular order.
  ///
  /// - Throws: ``JSONError``.
  init(bytes: [UInt8]) throws(JSONError) {
    do { self = JSON(try JSONSerialization.jsonObject(with: Data(bytes))) } catch {
      let reason = (error as NSError).userInfo["NSDebugDescription"] as? String
      throw JSONError(description: reason ?? error.localizedDescription)
    }
  }

  /// What `JSONSerialization` made.
  private init(_ value: Any) {
    // Asked first, as it takes long to find out that a number is nothing else.
    if type(of: value) is NSNumber.Type, let number = value as? NSNumber {
      // A flag is a number too, of the type that Objective-C has for flags.
      let isFlag = [UInt8(ascii: "c"), UInt8(ascii: "B")].contains(UInt8(bitPattern: number.objCType.pointee))
      self = isFlag ? .flag(number.boolValue) : .number(number.doubleValue)
      return
    }
    switch value {
    case let text as String: self = .text(text)
    case let object as [String: Any]: self = .object(object.map { Member($0.key, JSON($0.value)) })
    case let list as [Any]: self = .list(list.map { JSON($0) })
    default: self = .null
    }
  }
}
