import Crypto

/// NAS-Bench-101's name of a cell: a 128-bit digest that isomorphic cells share, written as 32 hexadecimal
/// digits.
public struct CellHash: Hashable, Comparable, Sendable, LosslessStringConvertible {
  /// The first 16 digits and the last 16 digits.
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
      writeHexDigits(to: UnsafeMutableBufferPointer(rebasing: buffer[..<32]))
      return 32
    }
  }

  /// Writes the 32 lower-case digits.
  fileprivate func writeHexDigits(to target: UnsafeMutableBufferPointer<UInt8>) {
    for index in 0..<32 {
      let word = index < 16 ? high : low
      let value = UInt8(truncatingIfNeeded: word >> UInt64(60 - 4 * (index & 15)) & 15)
      target[index] = value < 10 ? 0x30 + value : 0x61 + value - 10
    }
  }

  /// The MD5 digest of some bytes.
  fileprivate init(md5 bytes: UnsafeRawBufferPointer) {
    var md5 = Insecure.MD5()
    md5.update(bufferPointer: bytes)
    (high, low) = md5.finalize().withUnsafeBytes {
      (
        UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)),
        UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      )
    }
  }
}

extension Cell {
  /// The NAS-Bench-101 hash: iterated MD5 over degrees, labels and neighbours, as `hash_module` in
  /// `nasbench/lib/graph_util.py` computes it.
  ///
  /// About 57 MD5 digests for 7 vertices: tens of microseconds. To identify a cell, the cell itself is a
  /// much faster key.
  public var hash: CellHash {
    let count = vertexCount
    // Degree and label as the text of a Python tuple; labels are the indices into NAS-Bench-101's own list
    // of operations: conv3x3-bn-relu, conv1x1-bn-relu, maxpool3x3.
    var hashes = (0..<count).map { vertex in
      let out = (0..<count).count { hasEdge(vertex, $0) }
      let into = (0..<count).count { hasEdge($0, vertex) }
      let label =
        switch vertex {
        case 0: -1
        case count - 1: -2
        default:
          switch operation(of: vertex) {
          case .conv3x3: 0
          case .conv1x1: 1
          case .maxpool3x3: 2
          }
        }
      var text = "(\(out), \(into), \(label))"
      return text.withUTF8 { CellHash(md5: UnsafeRawBufferPointer($0)) }
    }
    var next = hashes
    // A vertex has at most 6 neighbours: at most 7 digests and two separators.
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 320) { buffer in
      var text = DigestText(buffer)
      for _ in 0..<count {
        for vertex in 0..<count {
          text.length = 0
          text.appendSorted(hashes) { hasEdge($0, vertex) }
          text.append("|")
          text.appendSorted(hashes) { hasEdge(vertex, $0) }
          text.append("|")
          text.append(hashes[vertex])
          next[vertex] = text.md5
        }
        swap(&hashes, &next)
      }
      // The text of a Python list: ['…', '…']
      hashes.sort()
      text.length = 0
      for (index, hash) in hashes.enumerated() {
        text.append(index == 0 ? "['" : "', '")
        text.append(hash)
      }
      text.append("']")
      return text.md5
    }
  }
}

/// The text of one digest under construction, in memory that is used again: a cell takes dozens.
private struct DigestText {
  private let buffer: UnsafeMutableBufferPointer<UInt8>
  var length = 0

  init(_ buffer: UnsafeMutableBufferPointer<UInt8>) { self.buffer = buffer }

  var md5: CellHash {
    CellHash(md5: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<length]))
  }

  mutating func append(_ text: StaticString) {
    for index in 0..<text.utf8CodeUnitCount { buffer[length + index] = text.utf8Start[index] }
    length += text.utf8CodeUnitCount
  }

  mutating func append(_ hash: CellHash) {
    hash.writeHexDigits(to: UnsafeMutableBufferPointer(rebasing: buffer[length..<length + 32]))
    length += 32
  }

  /// The hashes at the vertices that are included, in ascending order.
  mutating func appendSorted(_ hashes: [CellHash], where isIncluded: (Int) -> Bool) {
    // Selection by rank: least first, equal ones by place. There are at most six.
    var included: UInt32 = 0
    for vertex in hashes.indices where isIncluded(vertex) { included |= 1 << UInt32(vertex) }
    while included != 0 {
      var least = included.trailingZeroBitCount
      var rest = included & (included - 1)
      while rest != 0 {
        let vertex = rest.trailingZeroBitCount
        if hashes[vertex] < hashes[least] { least = vertex }
        rest &= rest - 1
      }
      append(hashes[least])
      included &= ~(1 << UInt32(least))
    }
  }
}
