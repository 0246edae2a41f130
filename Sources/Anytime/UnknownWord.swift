import SearchSpaces

/// An error for a word that is none of the allowed ones. Its text suggests the nearest allowed word, or lists them.
public struct UnknownWord: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String

  /// - Parameters:
  ///   - kind: What the word should name, as in "method".
  ///   - known: The allowed words.
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
