import Foundation

/// Why a report cannot be written.
public struct ReportError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}

/// Writes a file whole or not at all: beside its destination, through to the disk, then renamed.
///
/// A symbolic link stays and its target is written; terminals, pipes and devices such as `/dev/stdout` and
/// `/dev/null` are written to directly. Nothing is left behind by a failure.
///
/// - Throws: ``ReportError`` with the reason and its remedy.
public func writeWhole(_ data: Data, to url: URL) throws(ReportError) {
  try writeWhole(data, toPath: url.path(percentEncoded: false))
}

/// Writes a file whole or not at all; see ``writeWhole(_:to:)``.
public func writeWhole(_ data: Data, toPath path: String) throws(ReportError) {
  switch try OutputFile(path) {
  case .descriptor(let descriptor):
    // What was printed before comes first.
    fflush(nil)
    try OutputFile.put(data, descriptor, path)
  case .stream(let stream):
    let descriptor = open(stream, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw OutputFile.failure(path, errno) }
    do { try OutputFile.put(data, descriptor, path) } catch {
      close(descriptor)
      throw error
    }
    guard close(descriptor) == 0 else { throw OutputFile.failure(path, errno) }
  case .file(let file, let mode): try OutputFile.replace(file, mode, with: data, path)
  }
}

/// Makes a folder, and those above it, where it is missing.
///
/// - Throws: ``ReportError``.
public func makeFolder(_ path: String) throws(ReportError) {
  var status = stat()
  if stat(path, &status) == 0 {
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw ReportError("\(path.onOneLine) is a file, not a folder; name a folder")
    }
    return
  }
  guard !path.isEmpty, !path.utf8.contains(0) else {
    throw ReportError("the folder '\(path.onOneLine)' cannot be made: choose another name")
  }
  let missing = errno
  let parent = OutputFile.split(path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path).folder
  if missing == ENOENT, parent != path { try makeFolder(parent) }
  if mkdir(path, 0o777) != 0, errno != EEXIST { throw OutputFile.failure(path, errno) }
}

/// Whether writing to a path writes to standard output, which then has no room for other words.
public func isStandardOutput(_ path: String) -> Bool {
  guard case .descriptor(STDOUT_FILENO)? = try? OutputFile(path) else { return false }
  return true
}

/// Refuses an output that is one of the files that are read, also under another name: by a link, a mount, or in
/// another case on a file system to which that makes no difference.
///
/// - Parameter inputs: Paths of files that are there or, such as a store's journals, may come.
/// - Throws: ``ReportError``.
public func refuse(output: String, among inputs: [String]) throws(ReportError) {
  guard let identity = FileIdentity(output) else { return }
  for input in inputs where FileIdentity(input) == identity {
    throw ReportError(
      input == output
        ? "the output \(output) is also an input, which would be lost; write to another file"
        : "the output \(output) is the input \(input), which would be lost; write to another file")
  }
}

/// A file by its device and number; one that is not there yet by those of its folder, and its name.
private struct FileIdentity: Hashable {
  let device: UInt64
  let number: UInt64
  let name: String?

  init?(_ path: String) {
    var status = stat()
    if stat(path, &status) == 0 {
      name = nil
    } else {
      let file = (try? OutputFile(path)).flatMap { if case .file(let file, _) = $0 { file } else { nil } } ?? path
      let (folder, last) = OutputFile.split(file)
      guard stat(folder, &status) == 0 else { return nil }
      name = last
    }
    device = UInt64(status.st_dev)
    number = UInt64(status.st_ino)
  }
}

/// A destination of output.
package enum OutputFile {
  /// A file that is there with its permissions, or is not there yet.
  case file(String, mode: mode_t?)
  /// A pipe, a terminal or a device.
  case stream(String)
  /// A file that this process has open.
  case descriptor(Int32)

  /// Follows symbolic links.
  init(_ path: String) throws(ReportError) {
    guard !path.isEmpty else { throw ReportError("the output's path is empty; name a file") }
    guard !path.utf8.contains(0) else {
      throw ReportError("\(path.onOneLine) cannot be written: a path cannot hold a NUL character; choose another name")
    }
    var file = path
    for _ in 0..<40 {
      if let descriptor = Self.openDescriptor(file) {
        self = .descriptor(descriptor)
        return
      }
      var status = stat()
      guard lstat(file, &status) == 0 else {
        guard errno == ENOENT else { throw Self.failure(path, errno) }
        let (folder, _) = Self.split(file)
        guard stat(folder, &status) == 0 else { throw Self.failure(path, errno) }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw Self.failure(path, ENOTDIR) }
        guard !file.hasSuffix("/") else { throw Self.failure(path, EISDIR) }
        self = .file(file, mode: nil)
        return
      }
      switch status.st_mode & S_IFMT {
      case S_IFLNK:
        guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: file) else {
          throw Self.failure(path, EIO)
        }
        file = target.hasPrefix("/") ? target : Self.split(file).folder + "/" + target
      case S_IFREG:
        guard access(file, W_OK) == 0 else { throw Self.failure(path, errno, isThere: true) }
        self = .file(file, mode: status.st_mode & 0o7777)
        return
      case S_IFDIR: throw Self.failure(path, EISDIR)
      default:
        self = .stream(file)
        return
      }
    }
    throw Self.failure(path, ELOOP)
  }

  /// The descriptor that a path such as `/dev/stdout` stands for.
  private static func openDescriptor(_ path: String) -> Int32? {
    switch path {
    case "/dev/stdout": return STDOUT_FILENO
    case "/dev/stderr": return STDERR_FILENO
    default:
      let prefix = ["/dev/fd/", "/proc/self/fd/"].first { path.hasPrefix($0) }
      return prefix.flatMap { Int32(path.dropFirst($0.count)) }.flatMap { $0 >= 0 ? $0 : nil }
    }
  }

  static func split(_ path: String) -> (folder: String, name: String) {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return (".", path) }
    let folder = String(path[..<slash])
    return (folder.isEmpty ? "/" : folder, String(path[path.index(after: slash)...]))
  }

  static func put(_ data: Data, _ descriptor: Int32, _ path: String) throws(ReportError) {
    var rest = data[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, min($0.count, 1 << 30)) }
      if count < 0 {
        if errno == EINTR { continue }
        throw failure(path, errno)
      }
      rest = rest.dropFirst(count)
    }
  }

  static func replace(_ file: String, _ mode: mode_t?, with data: Data, _ path: String) throws(ReportError) {
    let folder = split(file).folder
    // A short name: that of the destination may be as long as names can be.
    let partial = "\(folder)/.anytime-\(UUID().uuidString.prefix(13))"
    let descriptor = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw failure(path, errno) }
    var isOpen = true
    do throws(ReportError) {
      try put(data, descriptor, path)
      if let mode, fchmod(descriptor, mode) != 0 { throw failure(path, errno) }
      // Some file systems have nothing to flush.
      if fsync(descriptor) != 0, errno != EINVAL, errno != ENOTSUP { throw failure(path, errno) }
      isOpen = false
      guard close(descriptor) == 0 else { throw failure(path, errno) }
      guard rename(partial, file) == 0 else { throw failure(path, errno) }
    } catch {
      if isOpen { close(descriptor) }
      unlink(partial)
      throw error
    }
  }

  /// The error as a sentence with a remedy.
  ///
  /// - Parameter isThere: Whether the file itself, and not its folder, withstands.
  package static func failure(_ path: String, _ code: Int32, isThere: Bool = false) -> ReportError {
    func short(_ path: String) -> String { path.count <= 300 ? path : path.prefix(280) + "…" + path.suffix(19) }
    let name = split(path).name
    let folder = short(split(path).folder)
    let reason =
      switch code {
      case ENOSPC: "no space left on the device; make room there, or write to another disk"
      case EDQUOT: "the disk quota is used up; make room, or write to another disk"
      case EFBIG: "it would be larger than files may be here; see 'ulimit -f'"
      case ENAMETOOLONG:
        name.utf8.count > 255
          ? "its name has \(name.utf8.count) bytes, and file systems take 255; choose a shorter one"
          : "its path is too long; choose a shorter one"
      case EROFS: "the file system is read-only; write to another folder"
      case EACCES, EPERM:
        isThere
          ? "the file is write-protected; write to another one, or change its permissions with 'chmod u+w'"
          : "permission denied: this user may not write to the folder \(folder); write to another one"
      case ENOENT:
        FileManager.default.fileExists(atPath: folder)
          ? "the folder \(folder) takes no such file; write to another folder"
          : "the folder \(folder) is not there; make it first"
      case ENOTDIR: "\(folder) leads through a file that is no folder; correct the path"
      case EISDIR: "it is a folder; name a file in it"
      case ELOOP: "its symbolic links lead in a circle; correct them"
      case EPIPE: "nobody reads from it any more"
      case EBADF: "it is closed"
      default: String(cString: strerror(code))
      }
    return ReportError("\(short(path.onOneLine)) cannot be written: \(reason)")
  }
}
