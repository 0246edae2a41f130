import Foundation

/// A file that is mapped into memory when it is opened, and unmapped when nothing refers to it any more.
final class MappedFile: @unchecked Sendable {  // never written after initialisation
  let bytes: UnsafeRawBufferPointer
  private let path: String
  /// Kept open, so that a file that is renamed over keeps its content here, and one that is written to is noticed.
  private let descriptor: Int32
  private let state: State

  /// The properties of a file that change when it is written to.
  private struct State: Equatable {
    let size: Int
    let seconds, nanoseconds: Int

    init?(_ descriptor: Int32) {
      var status = stat()
      guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
      size = Int(status.st_size)
      (seconds, nanoseconds) = (status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
    }
  }

  /// Maps a file for reading.
  init(reading url: URL) throws(TableError) {
    path = url.path
    let descriptor = open(url.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .cannotOpen(url.path, reason: String(cString: strerror(errno))) }
    var failure: TableError?
    var mapped: UnsafeRawBufferPointer?
    let state = State(descriptor)
    if let state, state.size > 0 {
      if let address = mmap(nil, state.size, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED {
        mapped = UnsafeRawBufferPointer(start: address, count: state.size)
      } else {
        failure = .cannotOpen(url.path, reason: String(cString: strerror(errno)))
      }
    } else {
      failure =
        state == nil
        ? .cannotOpen(url.path, reason: "not a regular file") : .notATable(url.path, hint: "the file is empty")
    }
    guard let state, let mapped else {
      close(descriptor)
      throw failure ?? .cannotOpen(url.path, reason: "it cannot be mapped")
    }
    (self.descriptor, self.state, bytes) = (descriptor, state, mapped)
  }

  /// - Throws: ``TableError/changed(_:)`` if the file was written to since it was opened.
  func checkUnchanged() throws(TableError) {
    guard State(descriptor) == state else { throw .changed(path) }
  }

  deinit {
    munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
    close(descriptor)
  }
}
