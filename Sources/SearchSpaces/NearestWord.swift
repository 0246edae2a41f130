extension String {
  /// The text without line breaks, for messages that quote a file.
  package var inOneLine: String { replacing(/\v+/, with: " ") }
}

extension [String] {
  /// The word with the fewest edits from `word`; `nil` if it takes more than one, and more than a third of its letters.
  package func nearest(to word: String) -> String? {
    let ranked = map { (distance: editDistance($0, word), word: $0) }.min { $0.distance < $1.distance }
    guard let ranked, ranked.distance <= Swift.max(1, word.count / 3) else { return nil }
    return ranked.word
  }
}

/// Levenshtein's distance: the number of insertions, deletions and replacements.
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
