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
      let hasMeaning =
        switch scalar {
        case "<", ">", "&", "'": true
        default: scalar.isForbiddenInMarkup
        }
      if hasMeaning {
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
