import Foundation
import Statistics

/// Damages bytes as disks, transfers and people do.
public struct Mutator {
  private var random: RandomGenerator

  public init(seed: UInt64) { random = RandomGenerator(seed: seed, stream: "mutations") }

  /// How many mutations a test tries: 100,000 in the slow tests (`./anytime test --slow`), fewer in the quick ones.
  public static func count(quick: Int) -> Int {
    ProcessInfo.processInfo.environment["ANYTIME_SLOW_TESTS"] == "1" ? 100_000 : quick
  }

  /// A whole number below a bound.
  public mutating func below(_ count: Int) -> Int { random.below(count) }

  /// One to three damages.
  ///
  /// - Parameter head: So many bytes at the beginning are hit in half of the cases.
  public mutating func mutated(_ bytes: [UInt8], head: Int = 64) -> [UInt8] {
    var bytes = bytes
    for _ in 0...random.below(3) { damage(&bytes, head: head) }
    return bytes
  }

  private mutating func damage(_ bytes: inout [UInt8], head: Int) {
    guard !bytes.isEmpty else {
      bytes = (0..<random.below(64)).map { _ in UInt8(random.below(256)) }
      return
    }
    let index = random.below(random.chance(0.5) ? min(max(1, head), bytes.count) : bytes.count)
    let length = min(bytes.count - index, 1 + random.below(random.chance(0.5) ? 8 : 256))
    switch random.below(10) {
    case 0: bytes[index] ^= 1 << UInt8(random.below(8))
    case 1: bytes[index] = UInt8(random.below(256))
    case 2: bytes.removeSubrange(index...)
    case 3: bytes.removeSubrange(index..<index + length)
    case 4: bytes.insert(contentsOf: (0..<length).map { _ in UInt8(random.below(256)) }, at: index)
    case 5: bytes.insert(contentsOf: bytes[index..<index + length], at: random.below(bytes.count))
    case 6: for place in index..<index + length { bytes[place] = 0xff }
    case 7: for place in index..<index + length { bytes[place] = 0 }
    case 8:
      // Numbers at which sizes and counts overflow.
      let numbers: [UInt64] = [
        0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x7fff_ffff_ffff_ffff,
        0x8000_0000_0000_0000, .max, 0x7f80_0000, 0x7fc0_0000, 0xff80_0000, 0x7ff0_0000_0000_0000,
      ]
      let number = numbers[random.below(numbers.count)]
      let width = random.chance(0.5) ? 4 : 8
      let aligned = index & ~(width - 1)
      for place in 0..<width where aligned + place < bytes.count {
        bytes[aligned + place] = UInt8(truncatingIfNeeded: number >> UInt64(8 * place))
      }
    default:
      // Digits and signs, for text.
      let words = ["-1", "1e309", "nan", "99999999999999999999", "\"", ",", "\n", "[[", "{", "\\u0000", "0", "*a", "&a "]
      bytes.replaceSubrange(index..<index + min(length, 3), with: Array(words[random.below(words.count)].utf8))
    }
  }
}

/// The most memory that this process has had, in bytes.
public func peakMemory() -> Int {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  return Int(usage.ru_maxrss) << 10
}
