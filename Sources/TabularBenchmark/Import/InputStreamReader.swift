import CZlib
import Foundation

/// Reads a file, gzipped or not. It is an error if compressed data end early, are damaged, or are followed by other
/// data; zlib's own `gzread` hides the first and the last.
final class InputStreamReader {
  let path: String
  /// The size of the file itself in bytes, for progress.
  let totalBytes: Int
  /// The bytes of the file itself that were read so far.
  private(set) var bytesRead = 0
  /// The offset of the next unpacked byte of ``next(_:)``.
  private(set) var offset = 0
  /// The CRC-32C of all unpacked bytes so far.
  private(set) var checksum: UInt32 = 0

  private let descriptor: Int32
  private let status: stat
  /// The buffer of ``next(_:)``.
  private var buffer: UnsafeMutableRawBufferPointer
  private var start = 0
  private var end = 0

  /// `nil` for a file that is not gzipped. On the heap: zlib wants it to stay where it is.
  private let stream: UnsafeMutablePointer<z_stream>?
  private let packed: UnsafeMutableRawBufferPointer
  /// Whether a member has ended: a gzip file may hold several, one after another.
  private var isBetweenMembers = false
  /// Whether the last member was followed by zeros, as on tapes.
  private var isPadding = false

  init(_ url: URL) throws(ImportError) {
    path = url.path
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw ImportError(
        path, "",
        "the file cannot be opened: \(String(cString: strerror(errno))); check its path and permissions")
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw ImportError(path, "", "this is no file; name the file to import")
    }
    self.status = status
    self.descriptor = descriptor
    totalBytes = Int(status.st_size)
    buffer = .allocate(byteCount: 1 << 22, alignment: 16)
    var magic: (UInt8, UInt8) = (0, 0)
    if pread(descriptor, &magic, 2, 0) == 2, magic == (0x1f, 0x8b) {
      let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
      stream.initialize(to: z_stream())
      self.stream = stream
      packed = .allocate(byteCount: 1 << 18, alignment: 16)
      // 15 bits of window, and 16 for gzip.
      guard inflateInit2_(stream, 31, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
        throw ImportError(path, "", "there is not enough memory to unpack it")
      }
    } else {
      stream = nil
      packed = .allocate(byteCount: 0, alignment: 16)
    }
  }

  deinit {
    if let stream {
      inflateEnd(stream)
      stream.deallocate()
    }
    packed.deallocate()
    buffer.deallocate()
    close(descriptor)
  }

  /// Refuses a destination that is this very file, also by another name.
  func refuse(destination: URL) throws(ImportError) {
    var other = stat()
    guard stat(destination.path, &other) == 0 else { return }
    if other.st_dev == status.st_dev, other.st_ino == status.st_ino {
      throw ImportError(path, "", "this file would be overwritten by its own table; name another with -o")
    }
  }

  private func readPacked(_ target: UnsafeMutableRawBufferPointer) throws(ImportError) -> Int {
    while true {
      let count = Foundation.read(descriptor, target.baseAddress, min(target.count, 1 << 30))
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else {
        throw ImportError(path, "byte \(bytesRead)", "it cannot be read: \(String(cString: strerror(errno)))")
      }
      bytesRead += count
      return count
    }
  }

  /// Fills a buffer with unpacked bytes; only at the end of the file is it not full.
  ///
  /// - Returns: The number of bytes; 0 at the end.
  func read(into target: UnsafeMutableRawBufferPointer) throws(ImportError) -> Int {
    guard target.count > 0 else { return 0 }
    var count = 0
    if let stream {
      count = try unpack(stream, into: target)
    } else {
      while count < target.count {
        let read = try readPacked(UnsafeMutableRawBufferPointer(rebasing: target[count...]))
        if read == 0 { break }
        count += read
      }
    }
    checksum = crc32c(UnsafeRawBufferPointer(rebasing: target[..<count]), checksum)
    return count
  }

  private func unpack(
    _ stream: UnsafeMutablePointer<z_stream>, into target: UnsafeMutableRawBufferPointer
  ) throws(ImportError) -> Int {
    let size = min(target.count, 1 << 30)
    stream.pointee.next_out = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.pointee.avail_out = UInt32(size)
    while stream.pointee.avail_out > 0 {
      if stream.pointee.avail_in == 0 {
        let count = try readPacked(packed)
        guard count > 0 else {
          if isBetweenMembers { break }
          throw ImportError(path, "", "the compressed data end too early; download or copy the file again")
        }
        stream.pointee.next_in = packed.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_in = UInt32(count)
      }
      if isBetweenMembers, let next = stream.pointee.next_in {
        if next.pointee == 0 {
          isPadding = true
          stream.pointee.next_in = next + 1
          stream.pointee.avail_in -= 1
          continue
        }
        guard !isPadding, next.pointee == 0x1f else {
          throw ImportError(
            path, "byte \(bytesRead - Int(stream.pointee.avail_in))",
            "something else follows the compressed data; download or copy the file again")
        }
        inflateReset(stream)
        isBetweenMembers = false
      }
      switch inflate(stream, Z_NO_FLUSH) {
      case Z_OK, Z_BUF_ERROR: break
      case Z_STREAM_END: isBetweenMembers = true
      default:
        throw ImportError(
          path, "before byte \(bytesRead - Int(stream.pointee.avail_in))",
          "the compressed data are damaged; download or copy the file again")
      }
    }
    return size - Int(stream.pointee.avail_out)
  }

  /// The error in the compressed data from here on, if any. Where these are damaged, what was read before may be wrong,
  /// too, and this is the better message.
  func damage() -> ImportError? {
    guard stream != nil else { return nil }
    let limit = bytesRead + 1 << 28
    do {
      while bytesRead < limit, try read(into: buffer) > 0 {}
      return nil
    } catch { return error }
  }

  /// The next bytes, fewer only at the end of the file. They are valid until the next call.
  func next(_ count: Int) throws(ImportError) -> UnsafeRawBufferPointer {
    if end - start < count {
      buffer.baseAddress?.copyMemory(from: buffer.baseAddress! + start, byteCount: end - start)
      end -= start
      start = 0
      while end < count {
        let read = try read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[end...]))
        if read == 0 { break }
        end += read
      }
    }
    let taken = min(count, end - start)
    let bytes = UnsafeRawBufferPointer(rebasing: buffer[start..<start + taken])
    start += taken
    offset += taken
    return bytes
  }
}
