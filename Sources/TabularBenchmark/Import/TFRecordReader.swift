import Foundation

/// Reads TFRecord files: length (UInt64), masked CRC-32C of the length, payload, masked CRC-32C of the
/// payload, all little-endian.
package struct TFRecordReader {
  let input: InputStreamReader
  private(set) var recordNumber = 0
  /// The checksum of the last record's payload, as stated and verified.
  private(set) var checksum: UInt32 = 0

  /// No record of NAS-Bench-101 is longer than a few hundred bytes.
  private static let maximumLength: UInt64 = 1 << 20

  init(_ url: URL) throws(ImportError) { input = try InputStreamReader(url) }

  private static func masked(_ crc: UInt32) -> UInt32 { (crc >> 15 | crc << 17) &+ 0xa282_ead8 }

  /// Reads the payload of the next record, which is valid until the next call; `nil` at the end.
  mutating func next() throws(ImportError) -> UnsafeRawBufferPointer? {
    let start = input.offset
    var location: String { "record \(recordNumber + 1) at byte \(start)" }
    let header = try input.next(12)
    if header.isEmpty {
      guard recordNumber > 0 else { throw ImportError(input.path, "", "the file is empty") }
      return nil
    }
    guard header.count == 12 else {
      throw ImportError(input.path, location, "the file is cut short; download it again")
    }
    let length = header.loadUnaligned(as: UInt64.self)
    let crc = crc32c(UnsafeRawBufferPointer(rebasing: header[..<8]))
    guard Self.masked(crc) == header.loadUnaligned(fromByteOffset: 8, as: UInt32.self) else {
      throw ImportError(
        input.path, location,
        recordNumber == 0
          ? "this is no TFRecord file: the checksum of the first length is wrong"
          : "the checksum of the length is wrong; download the file again")
    }
    guard length <= Self.maximumLength else {
      throw ImportError(input.path, location, "a length of \(length) bytes is absurd; download the file again")
    }
    let body = try input.next(Int(length) + 4)
    guard body.count == Int(length) + 4 else {
      throw ImportError(input.path, location, "the file is cut short; download it again")
    }
    let payload = UnsafeRawBufferPointer(rebasing: body[..<Int(length)])
    checksum = body.loadUnaligned(fromByteOffset: Int(length), as: UInt32.self)
    guard Self.masked(crc32c(payload)) == checksum else {
      throw ImportError(input.path, location, "the checksum of the content is wrong; download the file again")
    }
    recordNumber += 1
    return payload
  }

  /// Frames a payload as a record of a file.
  package static func frame(_ payload: [UInt8]) -> [UInt8] {
    func bytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
      withUnsafeBytes(of: value.littleEndian, Array.init)
    }
    let length = bytes(UInt64(payload.count))
    return length + bytes(masked(length.withUnsafeBytes { crc32c($0) })) + payload
      + bytes(masked(payload.withUnsafeBytes { crc32c($0) }))
  }
}
