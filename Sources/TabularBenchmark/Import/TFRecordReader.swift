import CZlib
import Foundation

/// Why a file cannot be imported: one sentence that names file and place.
public struct ImportError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String
  init(_ path: String, _ place: String, _ problem: String) {
    description = place.isEmpty ? "\(path): \(problem)" : "\(path), \(place): \(problem)"
  }
}

/// Reads a file, gzipped or not, through one buffer of fixed size.
final class InputStreamReader {
  let path: String
  /// Bytes of the file itself, for progress.
  let totalBytes: Int
  private let file: gzFile
  private var buffer: UnsafeMutableRawBufferPointer
  private var start = 0
  private var end = 0
  /// The place in the unpacked data.
  private(set) var offset = 0

  init(_ url: URL) throws(ImportError) {
    path = url.path
    var status = stat()
    let isThere = stat(path, &status) == 0
    guard !isThere || status.st_mode & S_IFMT == S_IFREG else {
      throw ImportError(path, "", "this is no file; name the file to import")
    }
    guard isThere, let file = gzopen(path, "rb") else {
      throw ImportError(
        path, "", "the file cannot be opened: \(String(cString: strerror(errno))); check its path")
    }
    gzbuffer(file, 1 << 18)
    totalBytes = Int(status.st_size)
    self.file = file
    buffer = .allocate(byteCount: 1 << 22, alignment: 16)
  }

  deinit {
    gzclose(file)
    buffer.deallocate()
  }

  /// Bytes of the file itself that are read so far.
  var bytesRead: Int { Int(gzoffset(file)) }

  /// The next bytes, fewer only at the end of the file. They are valid until the next call.
  func next(_ count: Int) throws(ImportError) -> UnsafeRawBufferPointer {
    if end - start < count {
      buffer.baseAddress?.copyMemory(from: buffer.baseAddress! + start, byteCount: end - start)
      end -= start
      start = 0
      while end < count {
        let read = gzread(file, buffer.baseAddress! + end, UInt32(buffer.count - end))
        guard read >= 0 else { throw ImportError(path, "byte \(offset)", "the compressed data are damaged") }
        if read == 0 { break }
        end += Int(read)
      }
    }
    let taken = min(count, end - start)
    let bytes = UnsafeRawBufferPointer(rebasing: buffer[start..<start + taken])
    start += taken
    offset += taken
    return bytes
  }
}

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

  /// The payload of the next record, valid until the next call; `nil` at the end.
  mutating func next() throws(ImportError) -> UnsafeRawBufferPointer? {
    let start = input.offset
    var place: String { "record \(recordNumber + 1) at byte \(start)" }
    let header = try input.next(12)
    if header.isEmpty {
      guard recordNumber > 0 else { throw ImportError(input.path, "", "the file is empty") }
      return nil
    }
    guard header.count == 12 else {
      throw ImportError(input.path, place, "the file is cut short; download it again")
    }
    let length = header.loadUnaligned(as: UInt64.self)
    let crc = crc32c(UnsafeRawBufferPointer(rebasing: header[..<8]))
    guard Self.masked(crc) == header.loadUnaligned(fromByteOffset: 8, as: UInt32.self) else {
      throw ImportError(
        input.path, place,
        recordNumber == 0
          ? "this is no TFRecord file: the checksum of the first length is wrong"
          : "the checksum of the length is wrong; download the file again")
    }
    guard length <= Self.maximumLength else {
      throw ImportError(input.path, place, "a length of \(length) bytes is absurd; download the file again")
    }
    let body = try input.next(Int(length) + 4)
    guard body.count == Int(length) + 4 else {
      throw ImportError(input.path, place, "the file is cut short; download it again")
    }
    let payload = UnsafeRawBufferPointer(rebasing: body[..<Int(length)])
    checksum = body.loadUnaligned(fromByteOffset: Int(length), as: UInt32.self)
    guard Self.masked(crc32c(payload)) == checksum else {
      throw ImportError(input.path, place, "the checksum of the content is wrong; download the file again")
    }
    recordNumber += 1
    return payload
  }

  /// A record as it stands in a file.
  package static func frame(_ payload: [UInt8]) -> [UInt8] {
    func bytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
      withUnsafeBytes(of: value.littleEndian, Array.init)
    }
    let length = bytes(UInt64(payload.count))
    return length + bytes(masked(length.withUnsafeBytes { crc32c($0) })) + payload
      + bytes(masked(payload.withUnsafeBytes { crc32c($0) }))
  }
}
