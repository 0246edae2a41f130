extension Cell: LosslessStringConvertible {
  /// The cell as text: rows of the adjacency matrix joined by `|`, a space, and the operations joined by
  /// `,`, as in `011|001|000 input,conv3x3-bn-relu,output`.
  public var description: String { "\(adjacencyText) \(operations.joined(separator: ","))" }

  /// Rows of the adjacency matrix, joined by `|`.
  public var adjacencyText: String {
    adjacency.map { $0.map(String.init).joined() }.joined(separator: "|")
  }

  /// Reads a ``description``; `nil` where ``init(text:)`` throws.
  public init?(_ description: String) {
    guard let cell = try? Cell(text: description) else { return nil }
    self = cell
  }

  /// Reads a ``description``.
  ///
  /// - Throws: ``CellError``.
  public init(text: String) throws(CellError) {
    let parts = text.split(separator: " ", maxSplits: 1)
    guard parts.count == 2 else { throw .unreadable(text) }
    try self.init(adjacencyText: parts[0], operations: parts[1])
  }

  /// Reads an adjacency matrix and operations.
  ///
  /// - Parameters:
  ///   - adjacencyText: rows of zeros and ones joined by `|` or `,`, or all rows in one word, as in
  ///     NAS-Bench-101's records.
  ///   - operations: labels joined by `,`.
  /// - Throws: ``CellError``.
  public init(adjacencyText: some StringProtocol, operations: some StringProtocol) throws(CellError) {
    let names = operations.split(separator: ",", omittingEmptySubsequences: false).map { name in
      String(name.drop(while: { $0 == " " }))
    }
    var rows = adjacencyText.split(whereSeparator: { $0 == "|" || $0 == "," })
    if rows.count == 1, let all = rows.first {
      let count = names.count
      guard all.count == count * count else { throw .unreadable("\(adjacencyText) \(operations)") }
      rows = (0..<count).map { all.dropFirst($0 * count).prefix(count) }
    }
    var adjacency: [[Int]] = []
    for row in rows {
      let entries = row.compactMap(\.wholeNumberValue)
      guard entries.count == row.count else { throw .unreadable("\(adjacencyText) \(operations)") }
      adjacency.append(entries)
    }
    try self.init(adjacency: adjacency, operations: names)
  }

  /// The cell as a Graphviz digraph, for `dot -Tsvg`.
  public var dot: String {
    var lines = ["digraph cell {", "  rankdir=TB; node [shape=box, style=rounded, fontname=\"sans-serif\"];"]
    for (vertex, label) in operations.enumerated() { lines.append("  \(vertex) [label=\"\(label)\"];") }
    for from in 0..<vertexCount {
      for to in from..<vertexCount where hasEdge(from, to) { lines.append("  \(from) -> \(to);") }
    }
    return (lines + ["}"]).joined(separator: "\n")
  }
}
