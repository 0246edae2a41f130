import Foundation
import Testing

/// What a method in another package can reach, as its compiler says.
@Suite("The door between methods and the table") struct DoorTests {
  /// The errors of a file that imports the package from outside, by line.
  private func errors(_ statements: [String]) throws -> Set<Int> {
    let folder = FileManager.default.temporaryDirectory.appending(path: "door-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appending(path: "Method.swift")
    // Every statement in a function of its own, from line 7 on: one that is wrong hides no other.
    let body = statements.map { "  func f\(UUID().uuidString.prefix(8))(_ session: Session) throws { \($0) }" }
    let text = """
      import Anytime
      import SearchSpaces

      struct Stranger: Optimizer {
        static let method = Method(name: "stranger", title: "", summary: "", citation: "")
        func search(_ session: Session) throws {}

      """ + body.joined(separator: "\n") + "\n}\n"
    try Data(text.utf8).write(to: file)
    let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardizedFileURL.path
    var modules = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    for argument in CommandLine.arguments where argument.hasSuffix(".xctest") {
      modules = URL(filePath: argument).deletingLastPathComponent()
    }
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments =
      ["swiftc", "-typecheck", "-swift-version", "6", "-package-name", "stranger", "-I", modules.path + "/Modules"]
      + ["CGSL", "CZlib"].flatMap { ["-Xcc", "-fmodule-map-file=\(root)/Sources/\($0)/module.modulemap"] }
      + ["-enable-upcoming-feature", "MemberImportVisibility", file.path]
    let output = Pipe()
    process.standardError = output
    try process.run()
    let complaints = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    let lines = complaints.matches(of: /Method\.swift:(\d+):\d+: error:/).compactMap { Int($0.1) }
    try #require(!lines.isEmpty || process.terminationStatus == 0, "\(complaints)")
    return Set(lines.map { $0 - 7 })
  }

  @Test("lets a stranger search, run others, and charge work of its own") func open() throws {
    #expect(
      try errors([
        "try session.evaluate(session.space.sample(using: &session.random))",
        "try session.run(Stranger(), limit: 1, name: \"child\")",
        "try session.work(.supernet, cost: { _ in Spending(seconds: 3) }) {}",
        "print(session.spent, session.horizon, session.fidelities)",
      ]) == [])
  }

  @Test("shows no test accuracy, no other repeat, no architecture that was not paid for") func closed() throws {
    let statements = [
      "_ = session.benchmark", "_ = session.benchmark.table", "_ = session.policy", "_ = session.account",
      "_ = session.incumbents", "_ = session.state", "_ = session.trace", "session.planned = 1",
      "_ = session.nextCheckpoint()", "try session.unchargedWork {}", "_ = session.ledger", "session.names = []",
      "let see: (Conditions) -> Any = { $0.benchmark }; _ = see",
    ]
    #expect(try errors(statements) == Set(statements.indices))
  }
}
