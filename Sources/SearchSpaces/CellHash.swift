/// NAS-Bench-101's name of a cell: a 128-bit digest that isomorphic cells share, written as 32 hexadecimal
/// digits.
public struct CellHash: Hashable, Comparable, Sendable, LosslessStringConvertible {
  /// The first and the last 16 digits.
  public let high, low: UInt64

  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// A hash from its 32 hexadecimal digits.
  public init?(_ description: String) {
    var description = description
    let hash = description.withUTF8 { Self(hexDigits: $0) }
    guard let hash else { return nil }
    self = hash
  }

  /// A hash from the ASCII codes of its 32 hexadecimal digits.
  package init?(hexDigits: UnsafeBufferPointer<UInt8>) {
    guard hexDigits.count == 32 else { return nil }
    var words: (UInt64, UInt64) = (0, 0)
    for (index, digit) in hexDigits.enumerated() {
      let value: UInt8
      switch digit {
      case 0x30...0x39: value = digit - 0x30
      case 0x61...0x66: value = digit - 0x61 + 10
      case 0x41...0x46: value = digit - 0x41 + 10
      default: return nil
      }
      if index < 16 { words.0 = words.0 << 4 | UInt64(value) } else { words.1 = words.1 << 4 | UInt64(value) }
    }
    (high, low) = words
  }

  public static func < (a: Self, b: Self) -> Bool { (a.high, a.low) < (b.high, b.low) }

  public var description: String {
    String(unsafeUninitializedCapacity: 32) { buffer in
      if let start = buffer.baseAddress { writeHexDigits(to: UnsafeMutableRawPointer(start)) }
      return 32
    }
  }

  /// Writes the 32 lower-case digits.
  fileprivate func writeHexDigits(to target: UnsafeMutableRawPointer) {
    for (half, word) in [high, low].enumerated() {
      // Spread the sixteen half bytes over two words of bytes, then turn each into its digit.
      for quarter in 0..<2 {
        var spread = word >> UInt64(32 - 32 * quarter) & 0xffff_ffff
        spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff
        spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff
        spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f
        let isLetter = (spread + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        let digits = spread + 0x3030_3030_3030_3030 + isLetter * 0x27
        target.storeBytes(
          of: digits.bigEndian, toByteOffset: 16 * half + 8 * quarter, as: UInt64.self)
      }
    }
  }
}

extension Cell {
  /// The NAS-Bench-101 hash: iterated MD5 over degrees, labels and neighbours, as `hash_module` in
  /// `nasbench/lib/graph_util.py` computes it.
  ///
  /// Takes up to 50 MD5 digests. As a dictionary key, the cell itself is much faster.
  public var hash: CellHash { Self.hashes([self])[0] }

  /// The hashes of many cells; faster than one by one.
  public static func hashes(_ cells: some Collection<Cell>) -> [CellHash] {
    var result: [CellHash] = []
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

  static func digest(out: Int, into: Int, _ label: Int) -> CellHash {
    digests[(out * 7 + into) * 5 + label + 2]
  }

  /// All first hashes, by out-degree, in-degree and label: there are few.
  private static let digests: [CellHash] = (0..<7).flatMap { out in
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
