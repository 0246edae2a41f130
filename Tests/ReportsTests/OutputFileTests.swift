import Foundation
import TestSupport
import Testing

import Reports

/// A folder that goes with the test.
final class TemporaryFolder {
  let url = FileManager.default.temporaryDirectory.appending(path: "reports-\(UUID().uuidString)")

  init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(at: url) }

  func path(_ name: String) -> String { url.path + "/" + name }
  func text(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }
  var names: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: url.path).sorted() } }

  /// A program.
  func script(_ name: String, _ text: String) throws {
    try writeProgram(text, to: url.appending(path: name))
  }
}

@Suite("Output files") struct OutputFileTests {
  let folder: TemporaryFolder
  let data = Data("new".utf8)

  init() throws { folder = try TemporaryFolder() }

  /// The sentence of a failed write.
  private func failure(_ path: String) -> String {
    do { try writeWhole(data, toPath: path) } catch { return "\(error)" }
    return "it was written"
  }

  @Test("replace a file, keep its permissions, and leave nothing else") func replaces() throws {
    try Data("old".utf8).write(to: folder.url.appending(path: "a.txt"))
    try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: folder.path("a.txt"))
    try writeWhole(data, toPath: folder.path("a.txt"))
    #expect(try folder.text("a.txt") == "new" && folder.names == ["a.txt"])
    let mode = try FileManager.default.attributesOfItem(atPath: folder.path("a.txt"))[.posixPermissions]
    #expect((mode as? NSNumber)?.intValue == 0o640)
  }

  @Test("go where a symbolic link leads, also to nothing yet") func links() throws {
    try Data("old".utf8).write(to: folder.url.appending(path: "a.txt"))
    for (link, target) in [("l", "a.txt"), ("l2", "l"), ("l3", "b.txt")] {
      try FileManager.default.createSymbolicLink(atPath: folder.path(link), withDestinationPath: target)
    }
    try writeWhole(data, toPath: folder.path("l2"))
    try writeWhole(data, toPath: folder.path("l3"))
    #expect(try folder.text("a.txt") == "new" && folder.text("b.txt") == "new")
    #expect(try folder.names == ["a.txt", "b.txt", "l", "l2", "l3"])
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder.path("l2")) == "l")
  }

  @Test("that are devices or pipes are written to") func devices() throws {
    try writeWhole(data, toPath: "/dev/null")
    #expect(failure("/dev/full").contains("no space left on the device"))
    let path = folder.path("pipe")
    #expect(mkfifo(path, 0o600) == 0)
    let reader = open(path, O_RDONLY | O_NONBLOCK)
    defer { close(reader) }
    try writeWhole(data, toPath: path)
    #expect(FileHandle(fileDescriptor: reader, closeOnDealloc: false).availableData == data)
    #expect(isStandardOutput("/dev/stdout") && !isStandardOutput("/dev/stderr") && !isStandardOutput(path))
  }

  @Test("that cannot be written say why and what helps") func sentences() throws {
    try data.write(to: folder.url.appending(path: "file"))
    try FileManager.default.createSymbolicLink(atPath: folder.path("circle"), withDestinationPath: "circle")
    #expect(failure("") == "the output's path is empty; name a file")
    #expect(failure(folder.path("no/x")).hasSuffix("the folder \(folder.path("no")) is not there; make it first"))
    #expect(failure(folder.url.path).hasSuffix("cannot be written: it is a folder; name a file in it"))
    #expect(failure(folder.path("file/x")).contains("leads through a file that is no folder"))
    #expect(failure(folder.path("circle")).contains("lead in a circle"))
    #expect(failure(folder.path(String(repeating: "n", count: 256))).contains("its name has 256 bytes"))
    #expect(failure(folder.path("nul\u{0}x")).contains("NUL"))
    #expect(try folder.names == ["circle", "file"])
    #expect(Self.sentence(EROFS).contains("read-only") && Self.sentence(ENOSPC).contains("no space"))
    #expect(Self.sentence(EACCES).contains("may not write to the folder f"))
  }

  private static func sentence(_ code: Int32) -> String { "\(OutputFile.failure("f/a", code))" }

  @Test(
    "that are write-protected stay, and folders too", .disabled(if: getuid() == 0, "nothing is protected from root"))
  func protected() throws {
    try Data("old".utf8).write(to: folder.url.appending(path: "a.txt"))
    try FileManager.default.setAttributes([.posixPermissions: 0o444], ofItemAtPath: folder.path("a.txt"))
    #expect(failure(folder.path("a.txt")).contains("write-protected"))
    try FileManager.default.setAttributes([.posixPermissions: 0o555], ofItemAtPath: folder.url.path)
    defer { try? FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.url.path) }
    #expect(failure(folder.path("b.txt")).contains("permission denied"))
    #expect(try folder.names == ["a.txt"] && folder.text("a.txt") == "old")
  }

  @Test("that are inputs are refused, by whatever name") func inputs() throws {
    let store = folder.path("s.sqlite")
    try data.write(to: URL(filePath: store))
    try FileManager.default.createSymbolicLink(atPath: folder.path("soft"), withDestinationPath: "s.sqlite")
    try FileManager.default.linkItem(atPath: store, toPath: folder.path("hard"))
    try FileManager.default.createSymbolicLink(atPath: folder.path("here"), withDestinationPath: ".")
    let inputs = [store, store + "-wal"]
    for output in ["s.sqlite", "soft", "hard", "here/s.sqlite", "s.sqlite-wal", "here/s.sqlite-wal"] {
      #expect(throws: ReportError.self, "\(output)") { try refuse(output: folder.path(output), among: inputs) }
    }
    for output in ["other", "here/other", "s.sqlite-wal2", "no/s.sqlite"] {
      try refuse(output: folder.path(output), among: inputs)
    }
  }
}

@Suite("Gnuplot as a child process") struct GnuplotTests {
  let folder: TemporaryFolder
  let figure = Figure([Figure.Panel(title: "t", caption: "c", commands: "plot x\n")])

  init() throws { folder = try TemporaryFolder() }

  /// The sentence of a figure that cannot be drawn.
  private func failure(_ script: String? = nil, patience: Duration = .seconds(60)) async throws -> String {
    if let script { try folder.script("gnuplot", script) }
    var gnuplot = Gnuplot()
    gnuplot.path = folder.url.path + ":" + (script == nil ? "" : "/usr/bin:/bin")
    gnuplot.patience = patience
    let output = folder.path("a.svg")
    do { try await figure.write(to: URL(filePath: output), by: gnuplot) } catch {
      #expect(!FileManager.default.fileExists(atPath: output))
      return "\(error)"
    }
    return "it was drawn"
  }

  @Test("that is not there is named with the way to get it") func missing() async throws {
    #expect(try await failure() == "pictures need gnuplot; install it with 'apt-get install gnuplot-nox'")
  }

  @Test("that fails without reading has its own message passed on") func fails() async throws {
    #expect(try await failure("echo first >&2; echo 'no fonts' >&2; exit 7") == "gnuplot failed (status 7): no fonts")
    #expect(try await failure("exit 1") == "gnuplot failed (status 1): it gave no message")
    #expect(try await failure("kill -9 $$").hasPrefix("gnuplot was ended by signal 9 ("))
    #expect(try await failure("exit 0").contains("no whole picture"))
    #expect(try await failure("echo '<?xml half'").contains("no whole picture"))
  }

  @Test("that hangs is ended with all that it started") func hangs() async throws {
    let message = try await failure(
      "echo $$ > \(folder.path("group")); echo thinking >&2; sleep 1000 & sleep 1000", patience: .seconds(3))
    #expect(message.hasPrefix("gnuplot was not done after 3") && message.hasSuffix("its last message: thinking"))
    let group = try #require(Int32(try folder.text("group").trimmingCharacters(in: .whitespacesAndNewlines)))
    // Killed processes are gone as soon as their parent, or the system, has seen it.
    var isThere = true
    for _ in 0..<200 where isThere {
      isThere = Self.living(in: group)
      if isThere { try await Task.sleep(for: .milliseconds(10)) }
    }
    #expect(!isThere)
  }

  /// Whether a process group has a member that is no zombie.
  private static func living(in group: Int32) -> Bool {
    let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return processes.contains { process in
      guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
        let end = text.lastIndex(of: ")")
      else { return false }
      let fields = text[end...].split(separator: " ")
      return fields.count > 3 && fields[1] != "Z" && Int32(fields[3]) == group
    }
  }

  @Test("sees none of the user's settings") func settings() async throws {
    let names = ["GNUTERM", "GNUPLOT_LIB", "TMPDIR", "LANG", "LC_NUMERIC", "DISPLAY", "XDG_CONFIG_HOME"]
    let message = try await failure(
      "echo \"$1 $2 $LC_ALL $HOME $(pwd) \(names.map { "$\($0)" }.joined())\" >&2; exit 1")
    #expect(message == "gnuplot failed (status 1): -d - C.UTF-8 /nonexistent /")
  }
}
