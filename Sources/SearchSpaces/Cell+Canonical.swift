// Pruning and the canonical order of vertices. This is the hot path of every look-up: no allocation.

extension Cell {
  /// Makes a cell of a graph in packed form.
  ///
  /// - Parameters:
  ///   - edges: bit ``edgeBit(_:_:)`` for every edge; the output is vertex `vertexCount - 1`.
  ///   - labels: two bits per interior vertex, vertex 1 lowest: the raw value of its operation (0...2).
  ///   - vertexCount: 2...7, before pruning.
  /// - Throws: ``CellError/noPath`` or ``CellError/edgeCount(_:)``.
  package init(edges: UInt32, labels: UInt32, vertexCount: Int) throws(CellError) {
    var graph = PackedGraph(edges: edges, labels: labels, vertexCount: vertexCount)
    guard graph.prune() else { throw .noPath }
    let edgeCount = graph.successors.nonzeroBitCount
    guard edgeCount <= Self.maximumEdges else { throw .edgeCount(edgeCount) }
    self.init(code: graph.canonicalCode())
  }
}

/// A labelled graph of up to 8 vertices as bytes in two words: byte `v` of `successors` is the set of
/// vertices that `v` points to, byte `v` of `labels` its operation.
struct PackedGraph {
  var successors: UInt64 = 0
  var labels: UInt64 = 0
  var vertexCount: Int

  init(edges: UInt32, labels: UInt32, vertexCount: Int) {
    self.vertexCount = vertexCount
    var edges = edges
    // Row `from` of the triangle holds the edges to from+1...6.
    for from in 0..<6 {
      let width = UInt32(6 - from)
      let row = UInt64(edges & ((1 << width) - 1))
      edges >>= width
      successors |= row << UInt64(8 * from + from + 1)
    }
    for vertex in 1..<max(vertexCount - 1, 1) {
      self.labels |= UInt64(labels >> UInt32(2 * (vertex - 1)) & 3) << UInt64(8 * vertex)
    }
  }

  @inline(__always) func successors(of vertex: Int) -> UInt64 {
    successors >> UInt64(8 * vertex) & 0xff
  }

  /// Removes the vertices that lie on no path from input to output; `false` if no path is left.
  mutating func prune() -> Bool {
    let output = vertexCount - 1
    var reached: UInt64 = 1
    for vertex in 0..<output where reached >> UInt64(vertex) & 1 == 1 { reached |= successors(of: vertex) }
    var reaching: UInt64 = 1 << UInt64(output)
    for vertex in stride(from: output - 1, through: 0, by: -1)
    where successors(of: vertex) & reaching != 0 {
      reaching |= 1 << UInt64(vertex)
    }
    let kept = reached & reaching
    guard kept & 1 == 1, kept >> UInt64(output) & 1 == 1 else { return false }

    var pruned: UInt64 = 0
    var prunedLabels: UInt64 = 0
    var target = 0
    for vertex in 0..<vertexCount where kept >> UInt64(vertex) & 1 == 1 {
      pruned |= Self.compress(successors(of: vertex), kept) << UInt64(8 * target)
      prunedLabels |= (labels >> UInt64(8 * vertex) & 0xff) << UInt64(8 * target)
      target += 1
    }
    successors = pruned
    labels = prunedLabels
    vertexCount = target
    return true
  }

  /// The bits of `set` that `mask` selects, moved together.
  private static func compress(_ set: UInt64, _ mask: UInt64) -> UInt64 {
    var result: UInt64 = 0
    var position: UInt64 = 0
    var mask = mask
    while mask != 0 {
      result |= (set >> UInt64(mask.trailingZeroBitCount) & 1) << position
      position += 1
      mask &= mask - 1
    }
    return result
  }

  /// The code of the isomorphic graph in canonical order.
  ///
  /// Interior vertices are sorted by properties that do not depend on their order: first the length of the
  /// longest path from the input (so that the order stays topological), then label, degrees, and a digest
  /// of the neighbours' same properties. Vertices that still tie are tried in every order, and the least
  /// code wins. Ties are rare and small: nine edges leave room for at most four such vertices.
  func canonicalCode() -> UInt64 {
    let count = vertexCount
    let interior = count - 2
    guard interior > 0 else { return code(order: 0) }

    // Per vertex, in bytes: depth and number of predecessors.
    var depth: UInt64 = 0
    var predecessors: UInt64 = 0  // byte v: set of vertices that point to v
    for vertex in 0..<count {
      let below = (depth >> UInt64(8 * vertex) & 0xff) + 1
      var targets = successors(of: vertex)
      while targets != 0 {
        let target = UInt64(targets.trailingZeroBitCount)
        targets &= targets - 1
        let old = depth >> (8 * target) & 0xff
        if below > old { depth = depth & ~(0xff << (8 * target)) | below << (8 * target) }
        predecessors |= 1 << (8 * target + UInt64(vertex))
      }
    }

    // First-order keys: depth, label, out- and in-degree. 3 + 2 + 3 + 3 bits, never zero.
    var keys = SIMD8<UInt32>(repeating: 0)
    for vertex in 0..<count {
      let shift = UInt64(8 * vertex)
      let out = (successors >> shift & 0xff).nonzeroBitCount
      let into = (predecessors >> shift & 0xff).nonzeroBitCount
      keys[vertex] =
        UInt32(truncatingIfNeeded: depth >> shift & 7) << 8
        | UInt32(truncatingIfNeeded: labels >> shift & 3) << 6 | UInt32(out) << 3 | UInt32(into)
    }
    // Refined by the sums of a mixing of the neighbours' keys. Depth stays on top.
    var refined = SIMD8<UInt32>(repeating: 0)
    for vertex in 1...interior {
      let shift = UInt64(8 * vertex)
      var digest: UInt32 = 0
      var set = successors >> shift & 0xff
      while set != 0 {
        let key = keys[set.trailingZeroBitCount]
        digest &+= (key &* 0x9e37_79b1) ^ (key &* 0x85eb_ca6b) >> 13
        set &= set - 1
      }
      set = predecessors >> shift & 0xff
      while set != 0 {
        let key = keys[set.trailingZeroBitCount]
        digest &+= (key &* 0xc2b2_ae35) ^ (key &* 0x27d4_eb2f) >> 15
        set &= set - 1
      }
      refined[vertex] = keys[vertex] << 21 | digest >> 11
    }

    // Insertion sort of the interior vertices; byte i of `order` is the vertex at position i + 1.
    var order: UInt64 = 0
    for vertex in 1...interior {
      var position = vertex - 1
      while position > 0, refined[Int(order >> UInt64(8 * (position - 1)) & 0xff)] > refined[vertex] {
        position -= 1
      }
      let low: UInt64 = (1 << UInt64(8 * position)) - 1
      order = order & low | UInt64(vertex) << UInt64(8 * position) | (order & ~low) << 8
    }

    var best = code(order: order)
    leastCode(order: order, from: 0, keys: refined, interior: interior, best: &best)
    return best
  }

  /// Tries every order of the tied vertices at `start` and after it.
  private func leastCode(
    order: UInt64, from start: Int, keys: SIMD8<UInt32>, interior: Int, best: inout UInt64
  ) {
    var position = start
    while position < interior {
      let key = keys[Int(order >> UInt64(8 * position) & 0xff)]
      var other = position + 1
      guard other < interior, keys[Int(order >> UInt64(8 * other) & 0xff)] == key else {
        position += 1
        continue
      }
      // Keep the present vertex at this position, then swap in each vertex that ties with it.
      leastCode(order: order, from: position + 1, keys: keys, interior: interior, best: &best)
      while other < interior, keys[Int(order >> UInt64(8 * other) & 0xff)] == key {
        let difference = (order >> UInt64(8 * position) ^ order >> UInt64(8 * other)) & 0xff
        let swapped = order ^ difference << UInt64(8 * position) ^ difference << UInt64(8 * other)
        best = min(best, code(order: swapped))
        leastCode(order: swapped, from: position + 1, keys: keys, interior: interior, best: &best)
        other += 1
      }
      return
    }
  }

  /// ``Cell/code`` of the graph with its interior vertices in the given order.
  @inline(__always) private func code(order: UInt64) -> UInt64 {
    let interior = vertexCount - 2
    // Byte v: the new position of vertex v.
    var positions = UInt64(vertexCount - 1) << UInt64(8 * (vertexCount - 1))
    var code = UInt64(vertexCount) << 31
    for position in 0..<max(interior, 0) {
      let vertex = order >> UInt64(8 * position) & 0xff
      positions |= UInt64(position + 1) << (8 * vertex)
      code |= (labels >> (8 * vertex) & 3) << UInt64(21 + 2 * position)
    }
    var edges = successors
    while edges != 0 {
      let bit = UInt64(edges.trailingZeroBitCount)
      edges &= edges - 1
      let from = Int(truncatingIfNeeded: positions >> (bit & ~7) & 0xff)
      let to = Int(truncatingIfNeeded: positions >> (8 * (bit & 7)) & 0xff)
      code |= 1 << UInt64(Cell.edgeBit(from, to))
    }
    return code
  }
}
