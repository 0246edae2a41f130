import Foundation

/// Any JSON, for documents whose shape is a template.
package enum JSONValue: Hashable, Sendable {
  case null
  case flag(Bool)
  case number(Double)
  case text(String)
  case list([JSONValue])
  case object([String: JSONValue])

  /// A number of four significant digits, which is more than a plot shows; `null` for none.
  static func rounded(_ value: Double?) -> JSONValue {
    guard let value, value.isFinite, let short = Double(Numbers.digits(value, 4)) else { return .null }
    return .number(short)
  }

  static func texts(_ values: some Sequence<String>) -> JSONValue { .list(values.map(JSONValue.text)) }

  /// The value with every text `$name` replaced by the value of that name, and every list item `$name...` by
  /// the items of that name's list. A member of an object that would be replaced by `null` goes.
  package func filled(with values: [String: JSONValue]) -> JSONValue {
    switch self {
    case .text(let text) where text.hasPrefix("$"):
      values[String(text.dropFirst())] ?? self
    case .list(let items):
      .list(
        items.flatMap { item -> [JSONValue] in
          if case .text(let text) = item, text.hasPrefix("$"), text.hasSuffix("..."),
            case .list(let spliced)? = values[String(text.dropFirst().dropLast(3))]
          {
            return spliced
          }
          return [item.filled(with: values)]
        })
    case .object(let members):
      .object(
        members.compactMapValues { member in
          let filled = member.filled(with: values)
          return filled == .null && member != .null ? nil : filled
        })
    default: self
    }
  }

  /// Compact text with sorted keys: equal values give equal text.
  package func text() throws(ReportError) -> String { String(decoding: try jsonData(self), as: UTF8.self) }
}

extension JSONValue: Codable {
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let flag = try? container.decode(Bool.self) {
      self = .flag(flag)
    } else if let number = try? container.decode(Double.self) {
      self = .number(number)
    } else if let text = try? container.decode(String.self) {
      self = .text(text)
    } else if let list = try? container.decode([JSONValue].self) {
      self = .list(list)
    } else {
      self = .object(try container.decode([String: JSONValue].self))
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .flag(let flag): try container.encode(flag)
    case .number(let number): try container.encode(number)
    case .text(let text): try container.encode(text)
    case .list(let list): try container.encode(list)
    case .object(let members): try container.encode(members)
    }
  }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  package init(stringLiteral value: String) { self = .text(value) }
  package init(floatLiteral value: Double) { self = .number(value) }
  package init(integerLiteral value: Int) { self = .number(Double(value)) }
  package init(booleanLiteral value: Bool) { self = .flag(value) }
  package init(arrayLiteral elements: JSONValue...) { self = .list(elements) }
  package init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(Dictionary(elements) { _, last in last })
  }
}

/// JSON with sorted keys: equal values give equal bytes. A number that is none, or is infinite, becomes `null`, as JSON
/// has no word for it.
///
/// - Throws: ``ReportError``.
func jsonData(
  _ value: some Encodable, formatting: JSONEncoder.OutputFormatting = [],
  keys: JSONEncoder.KeyEncodingStrategy = .useDefaultKeys
) throws(ReportError) -> Data {
  let encoder = JSONEncoder()
  encoder.outputFormatting = formatting.union([.sortedKeys, .withoutEscapingSlashes])
  encoder.keyEncodingStrategy = keys
  // The encoder can only write such a number as a text: one that no name is equal to, for a moment.
  let mark = UUID().uuidString
  encoder.nonConformingFloatEncodingStrategy = .convertToString(
    positiveInfinity: mark, negativeInfinity: mark, nan: mark)
  do {
    let data = try encoder.encode(value)
    guard data.range(of: Data(mark.utf8)) != nil else { return data }
    return Data(String(decoding: data, as: UTF8.self).replacing("\"\(mark)\"", with: "null").utf8)
  } catch {
    throw ReportError("the results cannot be written as JSON: \(error)")
  }
}
