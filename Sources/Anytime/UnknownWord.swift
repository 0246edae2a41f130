import SearchSpaces

/// A word that should be one of several and is not; it names the nearest one.
public struct UnknownWord: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String

  /// - Parameters:
  ///   - kind: What the word should be, as in "method".
  ///   - known: The words that would do.
  public init(_ word: String, kind: String, known: [String]) {
    var text = "'\(word)' is no \(kind)"
    if let nearest = known.nearest(to: word) {
      text += "; did you mean '\(nearest)'?"
    } else if known.isEmpty {
      text += "; there are none"
    } else {
      text += "; use one of \(known.joined(separator: ", "))"
    }
    description = text.inOneLine
  }
}
