import SearchSpaces

/// Reads adjacency matrices and operations in the usual notations.
///
/// Matrices: rows of zeros and ones joined by `|` or `,`, all in one word, or lists of lists as Python, numpy and
/// JSON have them. Operations: labels joined by `,`, or a list.
struct CellText {
  typealias Bytes = UnsafeBufferPointer<UInt8>

  // Filled again for every cell.
  private var entries: [UInt8] = []
  private var rowEnds: [Int] = []
  private var labels: [UInt32] = []

  /// Reads the graph as it is written: not pruned, in its own order.
  ///
  /// - Throws: ``ImportProblem``.
  mutating func graph(adjacency: Bytes, operations: Bytes) throws(ImportProblem) -> RecordParser.Graph {
    do {
      try readLabels(operations)
      let count = labels.count
      guard (2...Cell.maximumVertices).contains(count) else { throw CellError.vertexCount(count) }
      try readEntries(adjacency)
      if rowEnds.count > 1 {
        guard rowEnds.count == count else { throw CellError.operationCount(count, expected: rowEnds.count) }
        for row in 0..<count {
          let length = rowEnds[row] - (row > 0 ? rowEnds[row - 1] : 0)
          guard length == count else { throw CellError.notSquare(row: row, length: length, expected: count) }
        }
      }
      guard entries.count == count * count else {
        throw ImportProblem(
          "'\(adjacency.text.prefix(80))' is no square matrix: it has \(entries.count) digits where \(count) "
            + "operations need \(count * count)"
            + (entries.count < count * count
              ? "; leading zeros may be lost: save the column as text, or join the rows with '|'" : ""))
      }
      var graph = RecordParser.Graph()
      graph.vertexCount = count
      for row in 0..<count {
        for column in 0..<count where entries[row * count + column] != 0 {
          let value = entries[row * count + column]
          guard value == 1 else { throw CellError.notBinary(row: row, column: column, value: Int(value)) }
          guard row < column else { throw CellError.notUpperTriangular(row: row, column: column) }
          graph.edges |= 1 << UInt32(Cell.edgeBit(row, column))
        }
      }
      for vertex in 0..<count {
        if vertex == 0 || vertex == count - 1 {
          let expected = vertex == 0 ? "input" : "output"
          guard labels[vertex] == (vertex == 0 ? 3 : 4) else {
            throw CellError.inputOrOutputLabel(
              Self.words[Int(labels[vertex])].text, vertex: vertex, expected: expected)
          }
        } else {
          guard labels[vertex] < 3 else {
            throw CellError.unknownOperation(Self.words[Int(labels[vertex])].text, vertex: vertex)
          }
          graph.labels |= labels[vertex] << UInt32(2 * (vertex - 1))
        }
      }
      return graph
    } catch let problem as ImportProblem {
      throw problem
    } catch { throw ImportProblem("\(error)") }
  }

  /// The operations in the order of their raw values, then input and output.
  private static let words: [(bytes: [UInt8], text: String)] =
    (Cell.Operation.allCases.map(\.name) + ["input", "output"]).map { (Array($0.utf8), $0) }

  private mutating func readLabels(_ text: Bytes) throws {
    labels.removeAll(keepingCapacity: true)
    let text = text.trimmed
    let isList = text.first == UInt8(ascii: "[") || text.first == UInt8(ascii: "(")
    var index = 0
    while index <= text.count {
      if isList {
        while index < text.count, Self.isListMark(text[index]) { index += 1 }
        if index == text.count { return }
      }
      let start = index
      while index < text.count {
        let letter = text[index]
        if isList ? Self.isListMark(letter) : letter == 0x2c || letter == 0x7c || letter == 0x3b { break }
        index += 1
      }
      let word = Bytes(rebasing: text[start..<index]).trimmed
      let label = Self.words.firstIndex { $0.bytes.count == word.count && word.elementsEqual($0.bytes) }
      guard let label else {
        throw CellError.unknownOperation(String(word.text.prefix(60)), vertex: labels.count)
      }
      labels.append(UInt32(label))
      guard labels.count <= 64 else { throw CellError.vertexCount(labels.count) }
      index += 1
    }
  }

  /// Whether a letter may stand between the labels of a list: brackets, commas, quotation marks, spaces.
  private static func isListMark(_ letter: UInt8) -> Bool {
    letter <= 0x20 || letter == 0x2c || letter == 0x22 || letter == 0x27 || letter == 0x28 || letter == 0x29
      || letter == 0x5b || letter == 0x5d
  }

  private mutating func readEntries(_ text: Bytes) throws {
    entries.removeAll(keepingCapacity: true)
    rowEnds.removeAll(keepingCapacity: true)
    let text = text.trimmed
    func unreadable() -> ImportProblem {
      ImportProblem("'\(text.text.prefix(80))' is no matrix of zeros and ones; write it as in '011|001|000'")
    }
    if text.first == UInt8(ascii: "[") || text.first == UInt8(ascii: "(") {
      try readList(text, unreadable)
      return
    }
    for letter in text {
      switch letter {
      case 0x30...0x39: entries.append(letter - 0x30)
      case 0x7c, 0x2c, 0x3b, 0x20, 0x0a, 0x0d:
        if rowEnds.last != entries.count { rowEnds.append(entries.count) }
      case 0x2e, 0x2b, 0x45, 0x65:
        throw ImportProblem(
          "'\(text.text.prefix(80))' is a matrix that a spreadsheet or pandas took for a number; save the column as "
            + "text, or join the rows with '|'")
      default: throw unreadable()
      }
      guard entries.count <= 128 else { throw unreadable() }
    }
    if !rowEnds.isEmpty, rowEnds.last != entries.count { rowEnds.append(entries.count) }
  }

  /// A list of lists, or one list of all entries.
  private mutating func readList(_ text: Bytes, _ unreadable: () -> ImportProblem) throws {
    var depth = 0
    var index = 0
    while index < text.count {
      let letter = text[index]
      switch letter {
      case 0x5b, 0x28: depth += 1
      case 0x5d, 0x29:
        if depth == 2 { rowEnds.append(entries.count) }
        depth -= 1
      case 0x2c, 0...0x20: break
      case 0x30...0x39:
        entries.append(letter - 0x30)
        // As a fraction: 1.0, 1.
        if index + 1 < text.count, text[index + 1] == 0x2e {
          index += 1
          while index + 1 < text.count, text[index + 1] == 0x30 { index += 1 }
        }
        if index + 1 < text.count, (0x30...0x39).contains(text[index + 1]) { throw unreadable() }
      default: throw unreadable()
      }
      guard (0...2).contains(depth), entries.count <= 128, depth > 0 || index == text.count - 1 else {
        throw unreadable()
      }
      index += 1
    }
    guard depth == 0 else { throw unreadable() }
    if rowEnds.count == 1, entries.count > 1 { rowEnds.removeAll() }
  }
}
