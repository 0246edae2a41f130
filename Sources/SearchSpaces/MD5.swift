import Foundation

/// MD5 (RFC 1321) of up to eight short messages at once, one in each lane of a vector.
///
/// Hashing a cell digests every vertex several times. A library that digests one message after another, and
/// allocates for each, would take most of the time of importing NAS-Bench-101. No security is claimed or
/// needed.
package struct MD5Lanes: ~Copyable {
  /// The longest message: five blocks, less a one and the length.
  package static let maximumLength = 5 * 64 - 9

  package static let lanes = 8
  private static let stride = 5 * 64
  private let buffer = UnsafeMutableRawPointer.allocate(byteCount: lanes * stride, alignment: 64)
  private let lengths = UnsafeMutablePointer<Int>.allocate(capacity: lanes)

  package init() { lengths.update(repeating: 0, count: Self.lanes) }

  deinit {
    buffer.deallocate()
    lengths.deallocate()
  }

  /// Empties a message.
  package mutating func begin(_ lane: Int) { lengths[lane] = 0 }

  /// Adds bytes to the end of a message, which must not become longer than ``maximumLength``.
  package mutating func append(_ bytes: UnsafeRawBufferPointer, to lane: Int) {
    precondition(lengths[lane] + bytes.count <= Self.maximumLength)
    if let start = bytes.baseAddress {
      (buffer + lane * Self.stride + lengths[lane]).copyMemory(from: start, byteCount: bytes.count)
    }
    lengths[lane] += bytes.count
  }

  /// Adds the 32 digits of a hash.
  mutating func append(digits: UnsafeRawPointer, to lane: Int) {
    precondition(lengths[lane] + 32 <= Self.maximumLength)
    (buffer + lane * Self.stride + lengths[lane]).copyMemory(from: digits, byteCount: 32)
    lengths[lane] += 32
  }

  package mutating func append(_ text: StaticString, to lane: Int) {
    append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount), to: lane)
  }

  /// The digests of the first `count` messages.
  package func digests(_ count: Int) -> [Architecture.ID] {
    var blocks = SIMD8<UInt32>(repeating: 0)
    for lane in 0..<count { blocks[lane] = UInt32(pad(lane)) }
    typealias Words = SIMD8<UInt32>
    var state: (Words, Words, Words, Words) = (
      Words(repeating: 0x6745_2301), Words(repeating: 0xefcd_ab89), Words(repeating: 0x98ba_dcfe),
      Words(repeating: 0x1032_5476)
    )
    withUnsafeTemporaryAllocation(of: Words.self, capacity: 16) { x in
      Self.sines.withUnsafeBufferPointer { sines in
        for block in 0..<blocks.max() {
          for quarter in 0..<4 {
            @inline(__always) func words(_ lane: Int) -> SIMD4<UInt32> {
              let offset = lane * Self.stride + Int(block) * 64 + quarter * 16
              return buffer.load(fromByteOffset: offset, as: SIMD4<UInt32>.self)
            }
            let (m0, m1, m2, m3) = (words(0), words(1), words(2), words(3))
            let (m4, m5, m6, m7) = (words(4), words(5), words(6), words(7))
            for word in 0..<4 {
              x[4 * quarter + word] = Words(
                m0[word], m1[word], m2[word], m3[word], m4[word], m5[word], m6[word], m7[word])
            }
          }
          // Variables of this scope, as those that a closure shares would live in memory.
          var (a, b, c, d) = state
          @inline(__always) func step(
            _ f: Words, _ a: inout Words, _ b: Words, _ word: Int, _ number: Int, _ shift: UInt32
          ) {
            let sum = a &+ f &+ x[word & 15] &+ Words(repeating: sines[number])
            a = b &+ (sum &<< Words(repeating: shift)) &+ (sum &>> Words(repeating: 32 - shift))
          }
          for i in Swift.stride(from: 0, to: 16, by: 4) {
            step((b & c) | (~b & d), &a, b, i, i, 7)
            step((a & b) | (~a & c), &d, a, i + 1, i + 1, 12)
            step((d & a) | (~d & b), &c, d, i + 2, i + 2, 17)
            step((c & d) | (~c & a), &b, c, i + 3, i + 3, 22)
          }
          for i in Swift.stride(from: 0, to: 16, by: 4) {
            step((d & b) | (~d & c), &a, b, 5 * i + 1, i + 16, 5)
            step((c & a) | (~c & b), &d, a, 5 * i + 6, i + 17, 9)
            step((b & d) | (~b & a), &c, d, 5 * i + 11, i + 18, 14)
            step((a & c) | (~a & d), &b, c, 5 * i + 16, i + 19, 20)
          }
          for i in Swift.stride(from: 0, to: 16, by: 4) {
            step(b ^ c ^ d, &a, b, 3 * i + 5, i + 32, 4)
            step(a ^ b ^ c, &d, a, 3 * i + 8, i + 33, 11)
            step(d ^ a ^ b, &c, d, 3 * i + 11, i + 34, 16)
            step(c ^ d ^ a, &b, c, 3 * i + 14, i + 35, 23)
          }
          for i in Swift.stride(from: 0, to: 16, by: 4) {
            step(c ^ (b | ~d), &a, b, 7 * i, i + 48, 6)
            step(b ^ (a | ~c), &d, a, 7 * i + 7, i + 49, 10)
            step(a ^ (d | ~b), &c, d, 7 * i + 14, i + 50, 15)
            step(d ^ (c | ~a), &b, c, 7 * i + 21, i + 51, 21)
          }
          // Messages that are at their end stay as they are.
          let isOver = Words(repeating: block) .>= blocks
          state.0 = (state.0 &+ a).replacing(with: state.0, where: isOver)
          state.1 = (state.1 &+ b).replacing(with: state.1, where: isOver)
          state.2 = (state.2 &+ c).replacing(with: state.2, where: isOver)
          state.3 = (state.3 &+ d).replacing(with: state.3, where: isOver)
        }
      }
    }
    let (a, b, c, d) = state
    return (0..<count).map { lane in
      Architecture.ID(
        high: UInt64(a[lane].byteSwapped) << 32 | UInt64(b[lane].byteSwapped),
        low: UInt64(c[lane].byteSwapped) << 32 | UInt64(d[lane].byteSwapped))
    }
  }

  /// Ends a message with a one, zeros and its length in bits; returns its number of blocks.
  private func pad(_ lane: Int) -> Int {
    let length = lengths[lane]
    let blocks = (length + 8) / 64 + 1
    let start = lane * Self.stride
    buffer.storeBytes(of: 0x80, toByteOffset: start + length, as: UInt8.self)
    memset(buffer + start + length + 1, 0, 64 * blocks - 9 - length)
    buffer.storeBytes(of: UInt64(8 * length), toByteOffset: start + 64 * blocks - 8, as: UInt64.self)
    return blocks
  }

  private static let sines = (1...64).map { UInt32(abs(sin(Double($0))) * 4_294_967_296) }
}
