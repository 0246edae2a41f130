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
    description = text
  }
}

extension [String] {
  /// The word with the fewest edits to a given one, if that is at most a third of its letters, or one.
  func nearest(to word: String) -> String? {
    let ranked = map { (distance: editDistance($0, word), word: $0) }.min { $0.distance < $1.distance }
    guard let ranked, ranked.distance <= Swift.max(1, word.count / 3) else { return nil }
    return ranked.word
  }
}

/// Levenshtein's distance: insertions, deletions and replacements.
private func editDistance(_ a: String, _ b: String) -> Int {
  let (a, b) = (Array(a), Array(b))
  var previous = Array(0...b.count)
  for (row, letter) in a.enumerated() {
    var next = [row + 1]
    for (column, other) in b.enumerated() {
      next.append(
        min(previous[column] + (letter == other ? 0 : 1), previous[column + 1] + 1, next[column] + 1))
    }
    previous = next
  }
  return previous[b.count]
}
