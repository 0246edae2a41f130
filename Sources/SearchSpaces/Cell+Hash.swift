extension Cell {
  /// The NAS-Bench-101 hash: iterated MD5 over degrees, labels and neighbours, as `hash_module` in
  /// `nasbench/lib/graph_util.py` computes it.
  ///
  /// Takes up to 50 MD5 digests. As a dictionary key, the cell itself is much faster.
  public var hash: Architecture.ID { Self.hashes([self])[0] }

  /// The hashes of many cells; faster than one by one.
  public static func hashes(_ cells: some Collection<Cell>) -> [Architecture.ID] {
    var result: [Architecture.ID] = []
    result.reserveCapacity(cells.count)
    var rounds = MD5Lanes()
    var last = MD5Lanes()
    var pending = 0
    for cell in cells {
      cell.appendFinalText(to: &last, lane: pending, using: &rounds)
      pending += 1
      if pending == MD5Lanes.lanes {
        result += last.digests(pending)
        pending = 0
      }
    }
    return result + last.digests(pending)
  }

  /// Writes the text whose digest is the cell's hash.
  private func appendFinalText(to last: inout MD5Lanes, lane: Int, using messages: inout MD5Lanes) {
    let count = vertexCount
    // A bit per vertex: the sources of each vertex, and its targets.
    var sources = [UInt8](repeating: 0, count: count)
    var targets = sources
    for source in 0..<count {
      for target in source + 1..<count where hasEdge(source, target) {
        sources[target] |= 1 << UInt8(source)
        targets[source] |= 1 << UInt8(target)
      }
    }
    var hashes = (0..<count).map { vertex in
      let label =
        switch vertex {
        case 0: VertexLabel.input
        case count - 1: VertexLabel.output
        default: VertexLabel.of(operation(of: vertex))
        }
      return VertexLabel.digest(
        out: targets[vertex].nonzeroBitCount, into: sources[vertex].nonzeroBitCount, label)
    }
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32 * count) { digits in
      guard let start = digits.baseAddress.map({ UnsafeMutableRawPointer($0) }) else { return }
      func writeDigits() {
        for vertex in 0..<count { hashes[vertex].writeHexDigits(to: start + 32 * vertex) }
      }
      var order = Array(0..<count)
      for _ in 0..<count {
        writeDigits()
        // Insertion: the order changes little from round to round.
        for position in 1..<count {
          var position = position
          while position > 0, hashes[order[position]] < hashes[order[position - 1]] {
            order.swapAt(position, position - 1)
            position -= 1
          }
        }
        for vertex in 0..<count {
          messages.begin(vertex)
          let (into, out) = (sources[vertex], targets[vertex])
          for source in order where into &>> UInt8(source) & 1 == 1 {
            messages.append(digits: start + 32 * source, to: vertex)
          }
          messages.append("|", to: vertex)
          for target in order where out &>> UInt8(target) & 1 == 1 {
            messages.append(digits: start + 32 * target, to: vertex)
          }
          messages.append("|", to: vertex)
          messages.append(digits: start + 32 * vertex, to: vertex)
        }
        hashes = messages.digests(count)
      }
      // The text of a Python list: ['…', '…']
      hashes.sort()
      writeDigits()
      last.begin(lane)
      for vertex in 0..<count {
        last.append(vertex == 0 ? "['" : "', '", to: lane)
        last.append(digits: start + 32 * vertex, to: lane)
      }
      last.append("']", to: lane)
    }
  }
}

/// The first hash of a vertex, of its degrees and label as the text of a Python tuple. Labels are indices into
/// NAS-Bench-101's own list of operations: conv3x3-bn-relu, conv1x1-bn-relu, maxpool3x3.
private enum VertexLabel {
  static let input = -1
  static let output = -2

  static func of(_ operation: Cell.Operation) -> Int {
    switch operation {
    case .conv3x3: 0
    case .conv1x1: 1
    case .maxpool3x3: 2
    }
  }

  static func digest(out: Int, into: Int, _ label: Int) -> Architecture.ID {
    digests[(out * 7 + into) * 5 + label + 2]
  }

  /// All first hashes, by out-degree, in-degree and label: there are few.
  private static let digests: [Architecture.ID] = (0..<7).flatMap { out in
    (0..<7).flatMap { into in
      (-2...2).map { label in
        var message = MD5Lanes()
        var text = "(\(out), \(into), \(label))"
        text.withUTF8 { message.append(UnsafeRawBufferPointer($0), to: 0) }
        return message.digests(1)[0]
      }
    }
  }
}
