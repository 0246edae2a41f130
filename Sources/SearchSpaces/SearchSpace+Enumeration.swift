extension SearchSpace {
  /// Every architecture of the space once, in a fixed order; none where the parameters describe none.
  ///
  /// Takes time linear in the number of configurations. For NAS-Bench-101's whole space, unlabelled graphs are
  /// made unique first and labelled afterwards, which takes well under a second.
  public func architectures() -> [Architecture] { uniqueCells().map(Architecture.cell) }

  /// The architectures of the space as NAS-Bench-101's kind, in ascending order of ``Cell/code``.
  package func uniqueCells() -> [Cell] {
    var cells: Set<Cell> = []
    switch wiring {
    case .none: break
    case .fixedParents:
      for index in 0..<(parameters.count ?? 0) {
        if let cell = cell(parameters.configuration(at: index)) { cells.insert(cell) }
      }
    case .everyEdge:
      for graph in Self.unlabelledGraphs() {
        let interior = graph.interiorCount
        let edges = UInt32(truncatingIfNeeded: graph.code & 0x1f_ffff)
        for labelling in 0..<[1, 3, 9, 27, 81, 243][interior] {
          var labels: UInt32 = 0
          var rest = labelling
          for vertex in 0..<interior {
            labels |= UInt32(rest % 3) << UInt32(2 * vertex)
            rest /= 3
          }
          let cell = try? Cell(edges: edges, labels: labels, vertexCount: graph.vertexCount)
          if let cell { cells.insert(cell) }
        }
      }
    }
    return cells.sorted { $0.code < $1.code }
  }

  /// Every graph of a cell once, as cells whose operations are all the same.
  ///
  /// Every graph of seven vertices prunes to one of these, and each of these is the pruning of one.
  private static func unlabelledGraphs() -> Set<Cell> {
    var graphs: Set<Cell> = []
    for count in 2...Cell.maximumVertices {
      let bits = (0..<count - 1).flatMap { from in (from + 1..<count).map { Cell.edgeBit(from, $0) } }
      for subset in 0..<UInt32(1) << UInt32(bits.count)
      where (1...Cell.maximumEdges).contains(subset.nonzeroBitCount) {
        var edges: UInt32 = 0
        for (index, bit) in bits.enumerated() { edges |= (subset >> UInt32(index) & 1) << UInt32(bit) }
        let cell = try? Cell(edges: edges, labels: 0, vertexCount: count)
        if let cell, cell.vertexCount == count { graphs.insert(cell) }
      }
    }
    return graphs
  }
}
