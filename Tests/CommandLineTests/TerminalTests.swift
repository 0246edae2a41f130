import Foundation
import Testing

@Suite("Terminals, signals and files of others") struct TerminalTests {
  let program: Program
  private static let long = "run --space 1 --horizon 2000 --seeds 4000 --method smac --threads 1 --name long"
  private static let short = "--space mini --horizon 40 --seeds 3 --method random-search"

  init() throws { program = try Program() }

  /// Waits until something is in the store.
  private func waitForRuns(_ process: Process) throws {
    for _ in 0..<600 where process.isRunning {
      if try program.run("export curves long.sqlite -o out").status == 0 { return }
      usleep(50_000)
    }
    Issue.record("no run was stored")
  }

  @Test(
    "a signal stops an experiment at once, with its own status and a word on how to go on",
    arguments: [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2])
  func signals(number: Int32) throws {
    defer { program.remove() }
    let (process, _, errors) = try program.start(Self.long)
    try waitForRuns(process)
    let start = ContinuousClock.now
    kill(process.processIdentifier, number)
    process.waitUntilExit()
    #expect(process.terminationReason == .exit && process.terminationStatus == 128 + number)
    #expect(ContinuousClock.now - start < .seconds(20), "it does not wait for the runs")
    let text = try String(contentsOf: errors, encoding: .utf8)
    let pattern = /anytime: stopped; (\d+) of 4000 runs are in long.sqlite, and the same command goes on with/
    let done = try #require(text.firstMatch(of: pattern).flatMap { Int($0.1) })
    #expect(done > 0 && done < 4_000)
    #expect(try program.run("export curves long.sqlite -o out").errors.contains("runs are not done yet"))
  }

  @Test("nobody has to listen: closed or full standard files end no experiment") func closedFiles() throws {
    defer { program.remove() }
    func shell(_ redirections: String, _ arguments: String) throws -> Int32 {
      let process = Process()
      process.executableURL = URL(filePath: "/bin/sh")
      process.arguments = ["-c", "exec \"$0\" \(arguments) \(redirections)", Program.url.path]
      process.currentDirectoryURL = program.folder
      try process.run()
      process.waitUntilExit()
      return process.terminationStatus
    }
    for (number, redirections) in ["2>/dev/full", "2>&-", "<&- >/dev/null 2>&-"].enumerated() {
      #expect(try shell(redirections + " >/dev/null", "run \(Self.short) --name e\(number)") == 0)
      #expect(try program.run("report e\(number).sqlite").errors.isEmpty)
    }
    #expect(try shell(">/dev/full 2>/dev/null", "run \(Self.short) --name j --json") == 1)
    #expect(try program.run("report j.sqlite").errors.isEmpty, "all runs were made all the same")
    #expect(try shell(">/dev/null 2>&-", "table query nothing") == 2)
  }

  @Test("the very file that is named is read, and nothing is written to it or beside it") func reading() throws {
    defer { program.remove() }
    try program.run("run \(Self.short) --name OLD --store s.sqlite -q")
    try program.run("run \(Self.short) --name NEW --store s.sqlite3 -q")
    try program.run("run \(Self.short) --name other --store my.db -q")
    let file = program.folder.appending(path: "s.sqlite3")
    func state() throws -> (Data, Date?) {
      let attributes = try FileManager.default.attributesOfItem(atPath: file.path)
      return (try Data(contentsOf: file), attributes[.modificationDate] as? Date)
    }
    let before = try state()
    #expect(try program.run("report s.sqlite3 -o r.html").status == 0)
    #expect(try String(contentsOf: program.folder.appending(path: "r.html"), encoding: .utf8).contains("<title>NEW"))
    #expect(try program.run("export curves my.db -o out").status == 0)
    let after = try state()
    #expect(before.0 == after.0 && before.1 == after.1)
    let names = try FileManager.default.contentsOfDirectory(atPath: program.folder.path)
    #expect(!names.contains { $0.hasSuffix("-wal") || $0.hasSuffix("-shm") })
  }

  @Test(
    "a misspelt option is told the nearest one, whatever its value is taken for",
    arguments: [
    ("run --space mini --horizon 10 --sedes 1 --method random-search", "--sedes", "--seeds"),
    ("compare --sapce=mini --horizon 10", "--sapce", "--space"),
    ("table import a.csv --colum a=b", "--colum", "--column"),
    ("export curves a.sqlite --otput x", "--otput", "--output"),
  ])
  func misspelt(arguments: String, wrong: String, right: String) throws {
    defer { program.remove() }
    let outcome = try program.run(arguments)
    #expect(outcome.status == 2)
    #expect(outcome.errors == "anytime: '\(wrong)' is no option; did you mean '\(right)'?\n")
  }

  @Test("a table whose bytes changed is refused before the first run") func damaged() throws {
    defer { program.remove() }
    try program.run("table export -o e.csv")
    try program.run("table import e.csv -q")
    let file = program.folder.appending(path: "e.table")
    var bytes = try Data(contentsOf: file)
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: file)
    let outcome = try program.run("compare --table e.table --space 1 --horizon 50 --seeds 2 --method random-search")
    #expect(outcome.status == 1 && outcome.errors.contains("e.table is damaged: its section '"), "\(outcome.errors)")
    #expect(!FileManager.default.fileExists(atPath: program.folder.appending(path: "experiment.sqlite").path))
  }

  @Test("a supernet that diverges is a result, and other methods go on") func diverged() throws {
    defer { program.remove() }
    let arguments =
      "compare --space 1 --horizon 500 --seeds 1 --method random-search --name d "
      + "--method darts:preset=quick,epochs=2,learning-rate=100,weight-decay=1"
    let outcome = try program.run(arguments)
    #expect(outcome.status == 0)
    let sentence = "1 of 1 run of darts failed (seed 0: the supernet diverged in epoch 1: its loss is "
    #expect((outcome.output + outcome.errors).contains(sentence))
    #expect(outcome.output.contains("random-search"))
    #expect(try program.run("export curves d.sqlite -o out").status == 0)
  }
}
