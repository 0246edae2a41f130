import Foundation
import Statistics

/// Changes the bytes of a file in the ways in which files are damaged or crafted: flipped bits, cuts, additions,
/// blocks that are exchanged, runs of equal bytes, and numbers that are likely to overflow.
public struct Mutator {
  private var random: RandomGenerator

  public init(seed: UInt64 = 0) { random = RandomGenerator(seed: seed, stream: "mutations") }

  /// How many mutations a test makes: 2,000, or 100,000 where `ANYTIME_SLOW_TESTS` is 1.
  public static let rounds = ProcessInfo.processInfo.environment["ANYTIME_SLOW_TESTS"] == "1" ? 100_000 : 2_000

  /// Numbers at and beside the limits of integers, and such as a size or a count may be taken for.
  public static let interesting: [UInt64] = {
    let powers = (0..<64).map { UInt64(1) << $0 }
    return powers.flatMap { [$0 &- 1, $0, $0 + 1, 0 &- $0] }
      + [10, 100, 1_000, 10_000, 1_000_000, 0x7ff0_0000_0000_0000, 0x7ff8_0000_0000_0000, 0x7f80_0000, 0x7fc0_0000]
  }()

  /// One of ``interesting``.
  public mutating func number() -> UInt64 { random.element(of: Self.interesting) ?? 0 }

  /// What text may hold that numbers, quotes, lists and aliases are made of.
  private static let words = [
    "-1", "1e309", "nan", "99999999999999999999", "\"", ",", "\n", "\r", "\t", "[[", "{", "\\u0000", "0", "*a", "&a ",
    "\u{feff}",
  ]

  /// A whole number in a range.
  public mutating func index(below count: Int) -> Int { random.below(max(1, count)) }

  /// The bytes with one to three changes.
  ///
  /// - Parameter header: How many bytes at the start are more than data: half of all changes are there.
  public mutating func mutated(_ bytes: [UInt8], header: Int) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<1 + random.below(3) { change(&bytes, header: header) }
    return bytes
  }

  private mutating func change(_ bytes: inout [UInt8], header: Int) {
    guard !bytes.isEmpty else { return bytes.append(UInt8(truncatingIfNeeded: random.next())) }
    let reach = random.chance(0.5) ? min(max(1, header), bytes.count) : bytes.count
    let at = random.below(reach)
    func block(_ random: inout RandomGenerator) -> Range<Int> {
      at..<min(bytes.count, at + 1 + random.below(random.chance(0.5) ? 16 : bytes.count))
    }
    switch random.below(10) {
    case 0: bytes[at] ^= 1 << UInt8(random.below(8))
    case 1: bytes[at] = UInt8(truncatingIfNeeded: random.next())
    case 2: bytes.removeLast(bytes.count - at)
    case 3: bytes += (0..<1 + random.below(64)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    case 4: bytes.removeSubrange(block(&random))
    case 5: bytes.insert(contentsOf: Array(bytes[block(&random)]), at: random.below(bytes.count))
    case 6:
      let range = block(&random)
      bytes.replaceSubrange(range, with: repeatElement(random.chance(0.5) ? 0xff : 0, count: range.count))
    case 7:
      let word = random.element(of: Self.words) ?? ""
      bytes.replaceSubrange(at..<min(bytes.count, at + random.below(4)), with: Array(word.utf8))
    case 8:
      let range = block(&random)
      let other = random.below(bytes.count - range.count + 1)
      let (one, two) = (Array(bytes[range]), Array(bytes[other..<other + range.count]))
      bytes.replaceSubrange(range, with: two)
      bytes.replaceSubrange(other..<other + range.count, with: one)
    default:
      let width = [1, 2, 4, 8][random.below(4)]
      let value = number()
      let number = random.chance(0.5) ? value.littleEndian : value.bigEndian >> UInt64(64 - 8 * width)
      for byte in 0..<min(width, bytes.count - at) {
        bytes[at + byte] = UInt8(truncatingIfNeeded: number >> UInt64(8 * byte))
      }
    }
  }
}

/// The most memory that this process has had so far, in bytes.
public func peakMemory() -> Int {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  return Int(usage.ru_maxrss) << 10
}
