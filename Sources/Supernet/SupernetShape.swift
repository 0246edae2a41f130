import SearchSpaces
import Tensor

/// How a pass uses the alternatives of one choice, which are the operations of a choice block or the possible parents
/// of a vertex.
public enum Gate {
  /// All alternatives, each times its weight; the weights are `[alternatives]`.
  case weighted(Tensor)
  /// Some alternatives, without weights.
  case selected([Int])
  /// One alternative, by its index, times the weight at that index.
  case sampled(Int, weights: Tensor)

  /// The alternatives that a pass executes.
  ///
  /// - Parameter count: The number of all alternatives.
  func alternatives(_ count: Int) -> [Int] {
    switch self {
    case .weighted: Array(0..<count)
    case .selected(let alternatives): alternatives
    case .sampled(let alternative, _): [alternative]
    }
  }
}

/// The gates of all choices of one cell.
public struct CellGates {
  /// The gate of every choice block's operation.
  public var operations: [Gate]
  /// The gate of every choice block's parents, then of the output's. Parent 0 is the cell's input, parent `k` is
  /// choice block `k - 1`.
  public var parents: [Gate]

  /// Creates the gates of an architecture, or of a mixture of architectures.
  public init(operations: [Gate], parents: [Gate]) {
    self.operations = operations
    self.parents = parents
  }
}

/// The choices of a NAS-Bench-1Shot1 space, in the form that a supernet needs.
public struct SupernetShape: Sendable {
  /// The architecture's rows: the operation of every choice block, then the parents of every vertex with a choice.
  public let architecture: ArchitectureParameters
  /// The number of choice blocks.
  public let blocks: Int
  /// The row that decides a vertex's parents, from vertex 1 to the output; `nil` if the vertex takes all before it.
  let parentRows: [Int?]

  /// Reads the choices of a space.
  ///
  /// - Returns: `nil` for NAS-Bench-101's whole space, which no supernet covers.
  public init?(_ space: SearchSpace) {
    guard let architecture = space.architectureParameters else { return nil }
    self.architecture = architecture
    let blocks = architecture.rows.count { if case .operation = $0.kind { true } else { false } }
    self.blocks = blocks
    parentRows = (1...blocks + 1).map { vertex in
      architecture.rows.firstIndex { $0.kind == .parents(of: vertex) }
    }
  }

  /// Returns the gates of a cell, from one gate per row of ``architecture``.
  public func gates(_ rows: [Gate]) -> CellGates {
    CellGates(
      operations: Array(rows[..<blocks]),
      parents: parentRows.enumerated().map { index, row in row.map { rows[$0] } ?? .selected(Array(0...index)) })
  }

  /// Returns the gates that execute one architecture and nothing else.
  public func gates(of configuration: Configuration) -> CellGates {
    gates(architecture.selections(of: configuration).map { .selected($0) })
  }

  /// Whether the output depends on each choice block.
  func needed(_ gates: CellGates) -> [Bool] {
    var needed = [Bool](repeating: false, count: blocks + 2)
    for vertex in (1...blocks + 1).reversed() where vertex == blocks + 1 || needed[vertex] {
      for source in gates.parents[vertex - 1].alternatives(vertex) { needed[source] = true }
    }
    return Array(needed[1...blocks])
  }
}
