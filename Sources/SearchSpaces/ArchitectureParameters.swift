/// The weights that a differentiable method learns, one row per choice of a NAS-Bench-1Shot1 space, and the
/// rule that turns them into a configuration again (Zela, Siems and Hutter 2020, section 3).
///
/// Each choice block has a row over the three operations, each vertex with a choice of parents a row over the
/// vertices before it, and the output a row over its possible parents.
public struct ArchitectureParameters: Hashable, Sendable {
  /// One row of weights.
  public struct Row: Hashable, Sendable {
    /// The choice that a row decides.
    public enum Kind: Hashable, Sendable {
      /// The operation of a choice block, counted from 1.
      case operation(of: Int)
      /// The parents of a vertex, counted from 1; the output comes after the last choice block.
      case parents(of: Int)
    }

    /// What the row decides.
    public let kind: Kind
    /// The name of the parameter of the search space that the row decides.
    public let name: String
    /// The number of weights: operations, or vertices that may be parents.
    public let count: Int
    /// The number of weights that are selected: 1 operation, or as many as the vertex has parents.
    public let selected: Int
    /// The choices of the parameter, each an ascending list of selected weights.
    package let selections: [[Int]]
  }

  /// The rows, in the order of the search space's parameters.
  public let rows: [Row]

  /// The indices of the weights that a configuration selects: for every row, in ascending order.
  package func selections(of configuration: Configuration) -> [[Int]] {
    rows.indices.map { rows[$0].selections[configuration[choice: $0]] }
  }

  /// Turns weights into a configuration: each operation is the one with the greatest weight, parents are the
  /// vertices with the greatest weights. Of equal weights the first wins.
  ///
  /// - Parameter weights: For every row, ``Row/count`` numbers.
  public func discretise(_ weights: [[Double]]) -> Configuration {
    precondition(
      weights.count == rows.count, "there are \(weights.count) rows where \(rows.count) are needed")
    return Configuration(
      values: zip(rows, weights).map { row, weights in
        precondition(weights.count == row.count, "row \(row.name) needs \(row.count) weights")
        // A stable sort: ties keep the lower index.
        let ranked = weights.indices.sorted { (-weights[$0], $0) < (-weights[$1], $1) }
        let selected = ranked.prefix(row.selected).sorted()
        return Double(row.selections.firstIndex(of: selected) ?? 0)
      })
  }
}

extension SearchSpace {
  /// The rows of weights that differentiable methods learn; `nil` for NAS-Bench-101's whole space, where the
  /// number of parents is not fixed, and for spaces without architectures.
  public var architectureParameters: ArchitectureParameters? {
    guard case .fixedParents(let wiring) = wiring else { return nil }
    let names = parameters.parameters.map(\.name)
    let operations = Cell.Operation.allCases.indices.map { [$0] }
    return ArchitectureParameters(
      rows: (0..<wiring.blocks).map {
        .init(
          kind: .operation(of: $0 + 1), name: names[$0], count: operations.count, selected: 1, selections: operations)
      }
        + wiring.choices.enumerated().map { index, choice in
          .init(
            kind: .parents(of: choice.vertex), name: names[wiring.blocks + index], count: choice.vertex,
            selected: choice.combinations.first?.count ?? 0, selections: choice.combinations)
        })
  }
}
