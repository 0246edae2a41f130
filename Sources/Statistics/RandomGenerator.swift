import CGSL

/// The package's only source of randomness: xoshiro256\*\* (Blackman and Vigna, 2018), a value of 32 bytes
/// with period 2^256 - 1.
///
/// A generator is made from a seed and the name of a stream, so that one seed determines everything random in a
/// run while its parts draw independently:
///
///     var proposals = RandomGenerator(seed: 7, stream: "optimizer")
///     var repeats = RandomGenerator(seed: 7, stream: "repeats")
///
/// All draws are the same on every platform and with every version of the standard library. GSL's samplers use
/// the same state.
public struct RandomGenerator: RandomNumberGenerator, Hashable, Sendable, Codable {
  @usableFromInline var s0, s1, s2, s3: UInt64

  /// Makes a generator for one stream of a seed: SplitMix64 (Steele, Lea and Flood, 2014) fills the state from
  /// the seed and the FNV-1a hash of the stream's name.
  public init(seed: UInt64, stream: String = "") {
    var name: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in stream.utf8 { name = (name ^ UInt64(byte)) &* 0x100_0000_01b3 }
    var x = seed
    x = Self.mix(&x) ^ name
    s0 = Self.mix(&x)
    s1 = Self.mix(&x)
    s2 = Self.mix(&x)
    s3 = Self.mix(&x)
  }

  private static func mix(_ x: inout UInt64) -> UInt64 {
    x &+= 0x9e37_79b9_7f4a_7c15
    var z = x
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  @inlinable mutating func withState<Result>(_ body: (UnsafeMutablePointer<UInt64>) -> Result) -> Result {
    withUnsafeMutablePointer(to: &self) {
      $0.withMemoryRebound(to: UInt64.self, capacity: 4, body)
    }
  }

  /// Draws 64 uniform bits.
  @inlinable public mutating func next() -> UInt64 {
    withState(anytime_xoshiro_next)
  }

  /// Draws a uniform integer in `0..<count`, without bias (Lemire, 2019). `count` must be positive.
  @inlinable public mutating func below(_ count: Int) -> Int {
    precondition(count > 0, "below(_:) needs a positive count")
    let bound = UInt64(count)
    var (high, low) = next().multipliedFullWidth(by: bound)
    if low < bound {
      let threshold = (0 &- bound) % bound
      while low < threshold { (high, low) = next().multipliedFullWidth(by: bound) }
    }
    return Int(high)
  }

  /// Draws a uniform real number in `[0, 1)`, a multiple of 2^-53.
  @inlinable public mutating func uniform() -> Double {
    Double(next() >> 11) * 0x1p-53
  }

  /// Draws `true` with the given probability.
  @inlinable public mutating func chance(_ probability: Double) -> Bool {
    uniform() < probability
  }

  /// Draws a standard normal deviate, by GSL's ziggurat.
  public mutating func gaussian() -> Double {
    withState(anytime_gaussian)
  }

  /// Draws an element uniformly; `nil` for an empty collection.
  @inlinable public mutating func element<C: RandomAccessCollection>(of choices: C) -> C.Element? {
    choices.isEmpty ? nil : choices[choices.index(choices.startIndex, offsetBy: below(choices.count))]
  }

  /// Puts the elements into a uniformly random order (Fisher and Yates).
  @inlinable public mutating func shuffle<Element>(_ elements: inout [Element]) {
    for i in stride(from: elements.count - 1, to: 0, by: -1) { elements.swapAt(i, below(i + 1)) }
  }
}
