extension Architecture {
  /// The name of an architecture in tables, stores and exports: 128 bits, written as 32 hexadecimal digits. That of a
  /// cell is NAS-Bench-101's hash, which isomorphic cells share.
  public struct ID: Hashable, Comparable, Sendable, LosslessStringConvertible {
    /// The first and the last 16 digits.
    public let high, low: UInt64

    /// An identifier of its first and its last 64 bits.
    public init(high: UInt64, low: UInt64) {
      self.high = high
      self.low = low
    }

    /// An identifier from its 32 hexadecimal digits.
    public init?(_ description: String) {
      var description = description
      let id = description.withUTF8 { Self(hexDigits: $0) }
      guard let id else { return nil }
      self = id
    }

    /// An identifier from the ASCII codes of its 32 hexadecimal digits.
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
    func writeHexDigits(to target: UnsafeMutableRawPointer) {
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
}

/// The digits, as a value and as a key.
extension Architecture.ID: Codable, CodingKeyRepresentable {
  public init(from decoder: any Decoder) throws {
    let text = try decoder.singleValueContainer().decode(String.self)
    guard let id = Self(text) else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "'\(text)' is not made of 32 hexadecimal digits"))
    }
    self = id
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }

  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  public var codingKey: any CodingKey { Key(stringValue: description) }

  /// Reads the key of a dictionary in a file; `nil` if it is no identifier.
  public init?<K: CodingKey>(codingKey: K) { self.init(codingKey.stringValue) }
}
