import Foundation

/// Names and labels come from users and from stores made elsewhere: they may hold anything. Every format escapes
/// what has a meaning in it, scalar by scalar, as a combining mark would hide a quote from a loop over characters.
extension String {
  /// The text on one line, for figures, LaTeX and comments: line breaks and tabs become spaces, other control
  /// characters a replacement character, and marks that only steer the writing direction go.
  var onOneLine: String {
    var result = String.UnicodeScalarView()
    for scalar in unicodeScalars {
      switch scalar.value {
      case 0x09...0x0D, 0x85, 0x2028, 0x2029: result.append(" ")
      case 0xFEFF, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: break
      default: result.append(scalar.isForbiddenInMarkup ? "\u{FFFD}" : scalar)
      }
    }
    return String(result)
  }

  /// A name as figures show it: on one line, never blank, its middle left out where it is long.
  package var shownInFigures: String {
    let line = onOneLine
    guard line.contains(where: { !$0.isWhitespace }) else { return "(no name)" }
    return line.count <= 60 ? line : line.prefix(40) + "…" + line.suffix(19)
  }
}

extension Unicode.Scalar {
  /// Whether neither XML 1.0 nor HTML may hold it: control characters and noncharacters.
  var isForbiddenInMarkup: Bool {
    switch value {
    case 0x09, 0x0A, 0x0D: false
    case 0...0x1F, 0x7F...0x9F, 0xFDD0...0xFDEF: true
    default: value & 0xFFFE == 0xFFFE
    }
  }
}
