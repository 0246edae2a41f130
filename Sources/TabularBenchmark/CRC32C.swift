import CZlib

/// Computes CRC-32C (Castagnoli), the checksum of table sections and of TFRecord files.
///
/// - Parameter crc: The checksum of the bytes before these; 0 at the beginning.
package func crc32c(_ bytes: UnsafeRawBufferPointer, _ crc: UInt32 = 0) -> UInt32 {
  hasInstruction ? ~anytime_crc32c(bytes.baseAddress, bytes.count, ~crc) : crc32cByTable(bytes, crc)
}

private let hasInstruction = anytime_has_crc32c() != 0

/// Computes the same on any processor, eight bytes at a time ("slicing by 8", Kounavis and Berry, 2005).
package func crc32cByTable(_ bytes: UnsafeRawBufferPointer, _ crc: UInt32 = 0) -> UInt32 {
  guard var next = bytes.baseAddress else { return crc }
  var remaining = bytes.count
  var crc = ~crc
  return slices.withUnsafeBufferPointer { table in
    while remaining >= 8 {
      let word = UInt64(littleEndian: next.loadUnaligned(as: UInt64.self)) ^ UInt64(crc)
      crc = 0
      for byte in 0..<8 {
        crc ^= table[(7 - byte) << 8 | Int(truncatingIfNeeded: word >> UInt64(8 * byte) & 0xff)]
      }
      next += 8
      remaining -= 8
    }
    while remaining > 0 {
      crc = crc >> 8 ^ table[Int(crc ^ UInt32(next.load(as: UInt8.self))) & 0xff]
      next += 1
      remaining -= 1
    }
    return ~crc
  }
}

/// The eight tables, one after another.
private let slices: [UInt32] = {
  var table = [UInt32](repeating: 0, count: 8 * 256)
  for byte in 0..<256 {
    var crc = UInt32(byte)
    for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82f6_3b78 : crc >> 1 }
    table[byte] = crc
  }
  for index in 256..<table.count {
    let previous = table[index - 256]
    table[index] = previous >> 8 ^ table[Int(previous & 0xff)]
  }
  return table
}()
