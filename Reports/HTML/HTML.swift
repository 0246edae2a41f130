import Foundation

/// Markup that is safe to put into a page: what stands in a literal is markup, and every text that is put into
/// it is escaped.
///
///     let row: HTML = "<td>\(method.label)</td>"
package struct HTML: Hashable, Sendable, ExpressibleByStringInterpolation {
  package private(set) var text: String

  package init(stringLiteral value: String) { text = value }
  package init(stringInterpolation: Interpolation) { text = stringInterpolation.text }

  /// Text that is markup already.
  package init(markup: String) { text = markup }

  /// Text inside an element or a quoted attribute, of HTML or XML. What neither may hold becomes a replacement
  /// character.
  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.unicodeScalars.append(scalar.isForbiddenInMarkup ? "\u{FFFD}" : scalar)
      }
    }
    return result
  }

  /// JSON inside a `script` element, which ends at no text in it, or in an attribute: without anything that has a
  /// meaning in HTML or XML.
  package static func json(_ json: String) -> HTML {
    var result = String.UnicodeScalarView()
    for scalar in json.unicodeScalars {
      if "<>&'".unicodeScalars.contains(scalar) || scalar.isForbiddenInMarkup {
        for unit in String(scalar).utf16 { result += String(format: "\\u%04x", unit).unicodeScalars }
      } else {
        result.append(scalar)
      }
    }
    return HTML(markup: String(result))
  }

  package struct Interpolation: StringInterpolationProtocol {
    fileprivate var text = ""

    package init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(2 * literalCapacity) }

    package mutating func appendLiteral(_ literal: String) { text += literal }
    package mutating func appendInterpolation(_ string: String) { text += HTML.escaped(string) }
    package mutating func appendInterpolation(_ number: Int) { text += String(number) }
    package mutating func appendInterpolation(_ html: HTML) { text += html.text }
    package mutating func appendInterpolation(_ html: HTML?) { text += html?.text ?? "" }
    package mutating func appendInterpolation(_ parts: [HTML]) { for part in parts { text += part.text } }
  }
}

/// A table whose first column names its rows. Wide ones scroll on their own, by keyboard too.
struct HTMLTable {
  var caption: String
  var columns: [String]
  /// A row's name and its other cells.
  var rows: [(name: HTML, cells: [HTML])]
  /// Whether cells are words, to the left, and not numbers, to the right.
  var isWords = false

  var html: HTML {
    let head = columns.map { column -> HTML in "<th scope=\"col\">\(column)</th>" }
    let body = rows.map { row -> HTML in
      let cells = row.cells.map { cell -> HTML in "<td>\(cell)</td>" }
      return "<tr><th scope=\"row\">\(row.name)</th>\(cells)</tr>\n"
    }
    return """
      <div class="wide" role="region" aria-label="\(caption)" tabindex="0">
      <table class="\(isWords ? "words" : "numbers")">
      <caption>\(caption)</caption>
      <thead><tr>\(head)</tr></thead>
      <tbody>
      \(body)</tbody>
      </table>
      </div>

      """
  }
}

/// Numbers as the page writes them.
enum Figures {
  /// A fraction in percent points, three decimals.
  static func percent(_ value: Double) -> String { String(format: "%.3f", 100 * value) }

  /// A fraction in whole percents; a part that is not zero never reads as none.
  static func share(_ value: Double) -> String {
    value > 0 && value < 0.005 ? "< 1 %" : String(format: "%.0f %%", 100 * value)
  }

  /// Four significant digits, with no exponent between a thousandth and ten millions.
  static func amount(_ value: Double) -> String {
    abs(value) >= 1_000 && abs(value) < 1e7 ? String(format: "%.0f", value) : String(format: "%.4g", value)
  }

  /// A whole number with commas between groups of three digits.
  static func whole(_ number: Int) -> String {
    let digits = Array(String(abs(number)))
    let grouped = digits.indices.map { place in
      (place > 0 && (digits.count - place) % 3 == 0 ? "," : "") + String(digits[place])
    }
    return (number < 0 ? "-" : "") + grouped.joined()
  }

  /// Seconds, down to microseconds.
  static func seconds(_ value: Double) -> String {
    switch value {
    case ..<1e-3: String(format: "%.3g µs", value * 1e6)
    case ..<1: String(format: "%.3g ms", value * 1e3)
    default: "\(amount(value)) s"
    }
  }

  static func count(_ number: Int, _ one: String, _ many: String) -> String {
    "\(number) \(number == 1 ? one : many)"
  }
}
