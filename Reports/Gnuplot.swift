import Foundation
import Subprocess
import SystemPackage

/// Gnuplot as a child process: script in, picture out.
///
/// It reads and writes files without names, not pipes: a child that ends early, or never reads, cannot end this
/// program by SIGPIPE or make it wait, and no folder for temporary files is needed. Pictures do not depend on the
/// user's settings, language or working folder: `-d`, and an environment of our own.
package struct Gnuplot: Sendable {
  /// The folders to search for the program, as in `PATH`.
  package var path = ProcessInfo.processInfo.environment["PATH"] ?? ""
  /// After this and a second per 200 kB of script, it is ended.
  package var patience = Duration.seconds(60)

  package init() {}

  /// The output of the terminal.
  ///
  /// - Throws: ``ReportError`` with gnuplot's own message.
  package func draw(_ script: String) async throws -> Data {
    let (input, output, errors) = (try UnnamedFile(), try UnnamedFile(), try UnnamedFile())
    try input.fill(Data(script.utf8))
    let limit = patience + .milliseconds(script.utf8.count / 200)
    let status: TerminationStatus?
    do {
      status = try await withThrowingTaskGroup(of: TerminationStatus?.self) { group in
        group.addTask { try await run(input, output, errors) }
        group.addTask {
          try await Task.sleep(for: limit)
          return nil
        }
        defer { group.cancelAll() }
        return try await group.next() ?? nil
      }
    } catch let error as SubprocessError {
      if error.code == .executableNotFound {
        throw ReportError("pictures need gnuplot; install it with 'apt-get install gnuplot-nox'")
      }
      throw ReportError("gnuplot cannot be started: \(error.underlyingError.map { "\($0)" } ?? "\(error)")")
    }
    let message = Self.message(try errors.contents())
    switch status {
    case .exited(0): return try output.contents()
    case .exited(let code): throw ReportError("gnuplot failed (status \(code)): \(message ?? "it gave no message")")
    case .signaled(let signal):
      throw ReportError(
        "gnuplot was ended by signal \(signal) (\(String(cString: strsignal(signal))))"
          + (message.map { ": \($0)" } ?? ""))
    case nil:
      throw ReportError(
        "gnuplot was not done after \(Numbers.digits(limit / .seconds(1))) s and was ended; see whether it runs "
          + "on its own, or draw less"
          + (message.map { "; its last message: \($0)" } ?? ""))
    }
  }

  private func run(_ input: UnnamedFile, _ output: UnnamedFile, _ errors: UnnamedFile) async throws -> TerminationStatus
  {
    var options = PlatformOptions()
    options.processGroupID = 0
    options.teardownSequence = [
      .send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .seconds(5))
    ]
    let result = try await Subprocess.run(
      .name("gnuplot"), arguments: ["-d", "-"], environment: .custom(environment), workingDirectory: "/",
      platformOptions: options,
      input: .fileDescriptor(.init(rawValue: input.descriptor), closeAfterSpawningProcess: false),
      output: .fileDescriptor(.init(rawValue: output.descriptor), closeAfterSpawningProcess: false),
      error: .fileDescriptor(.init(rawValue: errors.descriptor), closeAfterSpawningProcess: false))
    // Whatever it left running.
    kill(-result.processIdentifier.value, SIGKILL)
    return result.terminationStatus
  }

  /// The system's fonts and no user's settings.
  private var environment: [Environment.Key: String] {
    var environment: [Environment.Key: String] = ["PATH": path, "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"]
    for (name, value) in ProcessInfo.processInfo.environment
    where ["FONTCONFIG_FILE", "FONTCONFIG_PATH", "FONTCONFIG_SYSROOT", "LD_LIBRARY_PATH"].contains(name) {
      if let key = Environment.Key(rawValue: name) { environment[key] = value }
    }
    return environment
  }

  /// The last line that says something.
  private static func message(_ data: Data) -> String? {
    String(decoding: data.suffix(1 << 16), as: UTF8.self).split(whereSeparator: \.isNewline)
      .map { String($0).onOneLine.trimmingCharacters(in: .whitespaces) }.last { !$0.isEmpty }
      .map { String($0.prefix(300)) }
  }
}

/// A file that goes with its last reader: in memory, or already deleted.
private final class UnnamedFile: Sendable {
  let descriptor: Int32

  init() throws(ReportError) {
    var first = Self.inMemory()
    if first < 0, let file = tmpfile() {
      first = dup(fileno(file))
      fclose(file)
    }
    // Where a standard stream is closed, its number is not for this file.
    descriptor = fcntl(first, F_DUPFD_CLOEXEC, 3)
    let code = errno
    close(first)
    guard descriptor >= 0 else {
      throw ReportError("there is no room for gnuplot's input: \(String(cString: strerror(code)))")
    }
  }

  deinit { close(descriptor) }

  /// Linux's `memfd_create`, which Swift's Glibc does not declare.
  private static func inMemory() -> Int32 {
    #if os(Linux)
      guard let symbol = dlsym(nil, "memfd_create") else { return -1 }
      typealias Create = @convention(c) (UnsafePointer<CChar>, CUnsignedInt) -> CInt
      return unsafeBitCast(symbol, to: Create.self)("gnuplot", 1)
    #else
      return -1
    #endif
  }

  /// Writes and goes back to the beginning.
  func fill(_ data: Data) throws(ReportError) {
    do {
      try FileHandle(fileDescriptor: descriptor, closeOnDealloc: false).write(contentsOf: data)
    } catch {
      throw ReportError("there is no room for gnuplot's input: \(error.localizedDescription)")
    }
    lseek(descriptor, 0, SEEK_SET)
  }

  /// All that was written, by whomever.
  func contents() throws(ReportError) -> Data {
    lseek(descriptor, 0, SEEK_SET)
    do {
      return try FileHandle(fileDescriptor: descriptor, closeOnDealloc: false).readToEnd() ?? Data()
    } catch {
      throw ReportError("what gnuplot drew cannot be read: \(error.localizedDescription)")
    }
  }
}
