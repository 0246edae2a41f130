import Foundation

/// A file that appears under its name only when it is complete.
///
/// The file has no name until ``commit()``, so that nothing is left behind when the program is killed by any signal.
/// File systems without nameless files (NFS, say) get a temporary name, which remains when the program is killed.
package final class AtomicFile {
  package let descriptor: Int32
  private let destination: String
  /// The temporary name on file systems without nameless files.
  private var temporary: String?

  /// - Parameter destination: A new file, or a regular file to be replaced.
  /// - Throws: `TableError/cannotWrite(_:reason:)`.
  package init(_ destination: URL) throws(TableError) {
    let path = destination.path
    self.destination = path
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
      let isFolder = status.st_mode & S_IFMT == S_IFDIR
      throw .cannotWrite(path, reason: "it is \(isFolder ? "a folder" : "no regular file"); name a file")
    }
    let name = destination.lastPathComponent
    guard name.utf8.count <= Int(NAME_MAX) - Self.suffixLength else {
      throw .cannotWrite(
        path, reason: "its name is too long; use up to \(Int(NAME_MAX) - Self.suffixLength) bytes")
    }
    let folder = destination.deletingLastPathComponent().path
    // O_TMPFILE, a macro that Swift does not see.
    var descriptor = open(folder, 0o20_000_000 | O_DIRECTORY | O_RDWR | O_CLOEXEC, 0o644)
    if descriptor < 0, [EOPNOTSUPP, EISDIR, EINVAL, ENOENT].contains(errno) {
      var template = Array((path + ".XXXXXX").utf8CString)
      descriptor = mkstemp(&template)
      if descriptor >= 0 {
        temporary = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        fchmod(descriptor, 0o644)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
      }
    }
    guard descriptor >= 0 else { throw Self.failure(path, errno) }
    self.descriptor = descriptor
  }

  private static let suffixLength = 8

  deinit {
    close(descriptor)
    if let temporary { unlink(temporary) }
  }

  /// Makes a file for this process alone, which never gets a name, in the folder of a destination.
  package static func scratch(beside destination: URL) throws(TableError) -> AtomicFile {
    let file = try AtomicFile(destination)
    if let temporary = file.temporary {
      unlink(temporary)
      file.temporary = nil
    }
    return file
  }

  /// Forces the content to disk and gives the file its name. A file that had the name is replaced.
  package func commit() throws(TableError) {
    guard fsync(descriptor) == 0 else { throw Self.failure(destination, errno) }
    if temporary == nil {
      let own = "/proc/self/fd/\(descriptor)"
      if linkat(AT_FDCWD, own, AT_FDCWD, destination, AT_SYMLINK_FOLLOW) == 0 { return }
      guard errno == EEXIST else { throw Self.failure(destination, errno) }
      // A name cannot be taken over by a link: it needs one of its own first.
      for _ in 0..<100 {
        let name = destination + "." + String(UInt32.random(in: 0..<36 * 36 * 36 * 36 * 36 * 36), radix: 36)
        if linkat(AT_FDCWD, own, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0 {
          temporary = name
          break
        }
        guard errno == EEXIST else { throw Self.failure(destination, errno) }
      }
    }
    guard let name = temporary, rename(name, destination) == 0 else { throw Self.failure(destination, errno) }
    temporary = nil
  }

  /// Makes an error with a remedy of the error number of a write.
  package static func failure(_ path: String, _ code: Int32) -> TableError {
    let reason = String(cString: strerror(code))
    let remedy =
      switch code {
      case ENOSPC, EDQUOT: "make room there or name another folder"
      case EACCES, EPERM, EROFS: "name a folder in which you may write"
      case ENOENT, ENOTDIR: "make its folder first"
      case ENAMETOOLONG: "use a shorter name"
      default: "check the disk"
      }
    return .cannotWrite(path, reason: "\(reason); \(remedy)")
  }
}
