import CellSpace
import Tensor

/// How the alternatives of one choice count in a pass: the operations of a choice block, or the possible parents
/// of a vertex.
public enum Gate {
  /// All of them, each times its weight: `[alternatives]`.
  case weighted(Tensor)
  /// Some of them, as they are.
  case selected([Int])
  /// One of them, times the weight at its index.
  case sampled(Int, weights: Tensor)
}

/// How all alternatives of one cell count in a pass.
public struct CellGates {
  /// Per choice block.
  public var operations: [Gate]
  /// Per choice block, and last the output. Parent 0 is the cell's input, parent `k` choice block `k - 1`.
  public var parents: [Gate]

  public init(operations: [Gate], parents: [Gate]) {
    self.operations = operations
    self.parents = parents
  }
}

/// The choices of a NAS-Bench-1Shot1 space as a supernet needs them.
public struct SupernetShape: Sendable {
  /// The rows of the architecture: an operation per choice block, then parents per vertex that has a choice.
  public let architecture: ArchitectureParameters
  /// The number of choice blocks.
  public let blocks: Int
  /// Per vertex from 1 on, the output last: the row that decides its parents; `nil` if it takes all before it.
  let parentRows: [Int?]

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

  /// Gates from one gate per row of the architecture.
  public func gates(_ rows: [Gate]) -> CellGates {
    CellGates(
      operations: Array(rows[..<blocks]),
      parents: parentRows.enumerated().map { index, row in row.map { rows[$0] } ?? .selected(Array(0...index)) })
  }

  /// The gates of one architecture: what it does not have is not executed.
  public func gates(of configuration: Configuration) -> CellGates {
    gates(architecture.selections(of: configuration).map { .selected($0) })
  }

  /// Which choice blocks the output depends on.
  func needed(_ gates: CellGates) -> [Bool] {
    func sources(_ gate: Gate, before vertex: Int) -> [Int] {
      switch gate {
      case .weighted: Array(0..<vertex)
      case .selected(let parents): parents
      case .sampled(let parent, _): [parent]
      }
    }
    var needed = [Bool](repeating: false, count: blocks + 2)
    for vertex in (1...blocks + 1).reversed() where vertex == blocks + 1 || needed[vertex] {
      for source in sources(gates.parents[vertex - 1], before: vertex) { needed[source] = true }
    }
    return Array(needed[1...blocks])
  }
}
