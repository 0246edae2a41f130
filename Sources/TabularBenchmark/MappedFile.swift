import Foundation

/// A whole file in memory, read page by page when it is touched.
final class MappedFile: @unchecked Sendable {  // never written after initialisation
  let bytes: UnsafeRawBufferPointer

  /// Maps a file for reading.
  init(reading url: URL) throws(TableError) {
    let descriptor = open(url.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .cannotOpen(url.path, reason: String(cString: strerror(errno))) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw .cannotOpen(url.path, reason: "not a regular file")
    }
    let size = Int(status.st_size)
    guard size > 0 else { throw .notATable(url.path, hint: "the file is empty") }
    guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
      throw .cannotOpen(url.path, reason: String(cString: strerror(errno)))
    }
    bytes = UnsafeRawBufferPointer(start: address, count: size)
  }

  deinit { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) }
}
