/// A NAS-Bench-101 cell: a directed acyclic graph of at most 7 vertices and 9 edges whose interior vertices
/// are labelled with an operation (Ying et al., "NAS-Bench-101", ICML 2019, section 2).
///
/// A cell is always valid, pruned of the vertices that lie on no path from input to output, and in
/// canonical form: its vertices are in a topological order that depends on the labelled graph alone. So two
/// cells are equal exactly when their graphs are isomorphic, and a cell is a dictionary key of eight bytes:
///
///     let cell = try Cell(
///       adjacency: [[0, 1, 1], [0, 0, 1], [0, 0, 0]],
///       operations: ["input", "conv3x3-bn-relu", "output"])
///     print(cell, cell.hash)
///
/// ## Topics
/// ### Reading the graph
/// ``vertexCount``, ``edgeCount``, ``hasEdge(_:_:)``, ``operation(of:)``, ``adjacency``, ``operations``
/// ### Identity
/// ``hash``, ``code``
public struct Cell: Hashable, Sendable {
  /// The number of vertices that a cell may have, input and output included.
  public static let maximumVertices = 7
  /// The number of edges that a cell may have.
  public static let maximumEdges = 9

  /// The operation of an interior vertex.
  public enum Operation: UInt8, CaseIterable, Sendable {
    /// A convolution, 1x1 or 3x3, with batch norm and ReLU, or the maximum over 3x3 pixels.
    case conv1x1, conv3x3, maxpool3x3

    /// NAS-Bench-101's name: `conv1x1-bn-relu`, `conv3x3-bn-relu` or `maxpool3x3`.
    public var name: String {
      switch self {
      case .conv1x1: "conv1x1-bn-relu"
      case .conv3x3: "conv3x3-bn-relu"
      case .maxpool3x3: "maxpool3x3"
      }
    }

    /// Reads NAS-Bench-101's name; `nil` for any other.
    public init?(name: some StringProtocol) {
      guard let operation = Self.allCases.first(where: { $0.name == name }) else { return nil }
      self = operation
    }
  }

  /// The whole cell in 34 bits, its exact key.
  ///
  /// Bits 0..<21 are the upper triangle of a 7 x 7 adjacency matrix, row by row; bits 21..<31 the
  /// operations of vertices 1...5, two bits each; bits 31..<34 the number of vertices.
  public let code: UInt64

  /// Makes a cell of a code that is stored in a table file. Any bits are safe to read, but only values of
  /// ``code`` are cells.
  package init(code: UInt64) { self.code = code }

  /// The number of vertices, 2...7, after pruning. Vertex 0 is the input, the last one the output.
  @inlinable public var vertexCount: Int { Int(code >> 31) }

  /// The number of edges, 1...9.
  @inlinable public var edgeCount: Int { (code & 0x1f_ffff).nonzeroBitCount }

  /// The number of vertices that have an operation.
  @inlinable public var interiorCount: Int { vertexCount - 2 }

  /// The bit of the edge `from -> to` in ``code``, where `from < to`.
  @inlinable package static func edgeBit(_ from: Int, _ to: Int) -> Int {
    from * (13 - from) / 2 + to - from - 1
  }

  /// Whether there is an edge between two vertices.
  @inlinable public func hasEdge(_ from: Int, _ to: Int) -> Bool {
    from < to && code >> Self.edgeBit(from, to) & 1 == 1
  }

  /// The operation of an interior vertex, `1..<vertexCount - 1`.
  public func operation(of vertex: Int) -> Operation {
    precondition(vertex > 0 && vertex < vertexCount - 1, "only interior vertices carry an operation")
    return Operation(rawValue: UInt8(code >> (21 + 2 * (vertex - 1)) & 3)) ?? .conv1x1
  }

  /// The number of edges on the longest path from input to output.
  public var depth: Int {
    var depth = [Int](repeating: 0, count: vertexCount)
    for to in 1..<vertexCount {
      for from in 0..<to where hasEdge(from, to) { depth[to] = max(depth[to], depth[from] + 1) }
    }
    return depth[vertexCount - 1]
  }

  /// The adjacency matrix, `vertexCount` rows of zeros and ones, strictly upper triangular.
  public var adjacency: [[Int]] {
    (0..<vertexCount).map { from in (0..<vertexCount).map { hasEdge(from, $0) ? 1 : 0 } }
  }

  /// The label of every vertex, in NAS-Bench-101's words: `input`, the operations, `output`.
  public var operations: [String] {
    ["input"] + (1..<vertexCount - 1).map { operation(of: $0).name } + ["output"]
  }
}

/// The reason why an adjacency matrix and a list of operations are no cell.
public enum CellError: Error, Hashable, Sendable, CustomStringConvertible {
  /// A cell has fewer than 2 or more than 7 vertices.
  case vertexCount(Int)
  /// A row of the adjacency matrix is shorter or longer than the number of vertices.
  case notSquare(row: Int, length: Int, expected: Int)
  /// An entry of the adjacency matrix is neither 0 nor 1.
  case notBinary(row: Int, column: Int, value: Int)
  /// An edge leads from a vertex to itself or to an earlier one.
  case notUpperTriangular(row: Int, column: Int)
  /// There are not as many operations as vertices.
  case operationCount(Int, expected: Int)
  /// An interior vertex has an operation that NAS-Bench-101 does not know.
  case unknownOperation(String, vertex: Int)
  /// The first vertex is not labelled `input`, or the last not `output`.
  case inputOrOutputLabel(String, vertex: Int, expected: String)
  /// The output cannot be reached from the input.
  case noPath
  /// The cell has more than 9 edges after pruning.
  case edgeCount(Int)
  /// A text has not the form of a cell's.
  case unreadable(String)

  public var description: String {
    switch self {
    case .vertexCount(let count):
      "a cell has 2 to 7 vertices, not \(count)"
    case .notSquare(let row, let length, let expected):
      "row \(row) of the adjacency matrix has \(length) entries where \(expected) are needed"
    case .notBinary(let row, let column, let value):
      "entry (\(row), \(column)) of the adjacency matrix is \(value); only 0 and 1 are allowed"
    case .notUpperTriangular(let row, let column):
      "entry (\(row), \(column)) of the adjacency matrix lies on or below the diagonal and must be 0"
    case .operationCount(let count, let expected):
      "there are \(count) operations for \(expected) vertices"
    case .unknownOperation(let name, let vertex):
      "vertex \(vertex) has the unknown operation '\(name)'; "
        + "use conv1x1-bn-relu, conv3x3-bn-relu or maxpool3x3"
    case .inputOrOutputLabel(let name, let vertex, let expected):
      "vertex \(vertex) must be labelled '\(expected)', not '\(name)'"
    case .noPath:
      "no path leads from the input to the output"
    case .edgeCount(let count):
      "the pruned cell has \(count) edges; at most \(Cell.maximumEdges) are allowed"
    case .unreadable(let text):
      "'\(text)' is no cell; write rows of the adjacency matrix joined by '|', a space, and the operations "
        + "joined by ',', as in '011|001|000 input,conv3x3-bn-relu,output'"
    }
  }
}

extension Cell {
  /// Makes a cell of an adjacency matrix and labels, in NAS-Bench-101's notation.
  ///
  /// - Parameters:
  ///   - adjacency: n x n zeros and ones, strictly upper triangular, n in 2...7; row `i`, column `j` is the
  ///     edge from `i` to `j`.
  ///   - operations: n labels: `input`, one operation per interior vertex, `output`.
  /// - Throws: ``CellError``, which says what is wrong and where.
  public init(adjacency: [[Int]], operations: [String]) throws(CellError) {
    let count = adjacency.count
    guard (2...Self.maximumVertices).contains(count) else { throw .vertexCount(count) }
    guard operations.count == count else { throw .operationCount(operations.count, expected: count) }

    var labels: UInt32 = 0
    for vertex in 0..<count {
      let name = operations[vertex]
      if vertex == 0 || vertex == count - 1 {
        let expected = vertex == 0 ? "input" : "output"
        guard name == expected else {
          throw .inputOrOutputLabel(name, vertex: vertex, expected: expected)
        }
      } else if let operation = Operation(name: name) {
        labels |= UInt32(operation.rawValue) << (2 * (vertex - 1))
      } else {
        throw .unknownOperation(name, vertex: vertex)
      }
    }

    var edges: UInt32 = 0
    for row in 0..<count {
      let entries = adjacency[row]
      guard entries.count == count else {
        throw .notSquare(row: row, length: entries.count, expected: count)
      }
      for column in 0..<count where entries[column] != 0 {
        guard entries[column] == 1 else {
          throw .notBinary(row: row, column: column, value: entries[column])
        }
        guard row < column else { throw .notUpperTriangular(row: row, column: column) }
        edges |= 1 << UInt32(Self.edgeBit(row, column))
      }
    }
    try self.init(edges: edges, labels: labels, vertexCount: count)
  }
}

extension Cell {
  /// Whether bits can be the code of a cell: an allowed number of vertices, known operations, edges between vertices
  /// that exist, and no vertex without an edge in or out. The canonical order is not checked.
  package static func isPlausible(code: UInt64) -> Bool {
    let count = Int(truncatingIfNeeded: code >> 31)
    guard code >> 34 == 0, (2...maximumVertices).contains(count) else { return false }
    let cell = Cell(code: code)
    guard (1...maximumEdges).contains(cell.edgeCount) else { return false }
    var sources = 0
    var targets = 0
    var edges = 0
    for from in 0..<count - 1 {
      for to in from + 1..<count where cell.hasEdge(from, to) {
        sources |= 1 << from
        targets |= 1 << to
        edges += 1
      }
    }
    let labels = code >> 21 & 0x3ff
    return edges == cell.edgeCount && sources == (1 << (count - 1)) - 1 && targets == (1 << count) - 2
      && labels >> (2 * (count - 2)) == 0 && labels & labels >> 1 & 0x155 == 0
  }
}

extension Cell: Codable {
  public init(from decoder: any Decoder) throws {
    let code = try decoder.singleValueContainer().decode(UInt64.self)
    guard Self.isPlausible(code: code) else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "this is no cell's code"))
    }
    self.init(code: code)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(code)
  }
}
