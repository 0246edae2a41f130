import Foundation
import Testing

@Suite("The program on several machines and in several processes") struct ShardProgramTests {
  let program: Program

  private static let experiment = """
    name: e
    space: mini
    horizon: 600
    seeds: 12
    methods:
      - random-search
      - regularized-evolution: {population: 5, sample: 2}
      - smac: {seeds: 5}
    """

  init() throws {
    program = try Program()
    try Data(Self.experiment.utf8).write(to: program.folder.appending(path: "e.yaml"))
  }

  private func names(_ folder: String = "") throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: program.folder.appending(path: folder).path)
      .filter { !$0.hasPrefix(".") }.sorted()
  }

  private func remove(_ name: String) throws {
    try FileManager.default.removeItem(at: program.folder.appending(path: name))
  }

  /// Everything that is exported of a store, by file.
  private func exports(_ store: String, _ folder: String) throws -> [String: Data] {
    for kind in ["curves", "latex", "ioh"] {
      let outcome = try program.run("export \(kind) \(store) -o \(folder)/\(kind)")
      #expect(outcome.status == 0, "\(outcome.errors)")
    }
    var files: [String: Data] = [:]
    let root = program.folder.appending(path: folder)
    for name in try FileManager.default.subpathsOfDirectory(atPath: root.path) {
      var isFolder: ObjCBool = false
      let file = root.appending(path: name)
      guard FileManager.default.fileExists(atPath: file.path, isDirectory: &isFolder), !isFolder.boolValue else {
        continue
      }
      files[name] = try Data(contentsOf: file)
    }
    #expect(files.count > 8)
    return files
  }

  @Test("shards, merged in any order, are the whole experiment in every export") func shards() throws {
    defer { program.remove() }
    #expect(try program.run("run e.yaml -q").status == 0)
    var runs = 0
    for index in 1...3 {
      let outcome = try program.run("run e.yaml -q --threads 2 --shard \(index)/3")
      let words = try #require(outcome.output.firstMatch(of: /^(\d+) runs of shard (\d)\/3 are in (.*)\.\n$/))
      runs += Int(words.1) ?? 0
      #expect(words.3.hasSuffix("e.shard-\(index)-of-3.sqlite") && outcome.errors.isEmpty)
    }
    #expect(runs == 29)
    let whole = try exports("e.sqlite", "whole")
    let page = "report all.sqlite -o page.html"
    var pages: [Data] = []
    for order in [[1, 2, 3], [3, 1, 2], [2, 3, 1, 3]] {
      let stores = order.map { "e.shard-\($0)-of-3.sqlite" }.joined(separator: " ")
      let merged = try program.run("store merge \(stores) -o all.sqlite")
      let count = order.count
      #expect(merged.status == 0 && merged.output == "29 runs of \(count) stores are in all.sqlite.\n")
      #expect(try exports("all.sqlite", "merged") == whole)
      #expect(try program.run(page).status == 0)
      pages.append(try Data(contentsOf: program.folder.appending(path: "page.html")))
      for name in ["all.sqlite", "merged"] { try remove(name) }
    }
    #expect(pages[0] == pages[1] && pages[0] == pages[2])
    #expect(try !names().contains { $0.contains("merging") || $0.hasSuffix("-wal") })
  }

  @Test("what is missing is listed, for people and for programs, and is a status of 1") func check() throws {
    defer { program.remove() }
    let none = try program.run("store check e.yaml")
    #expect(none.status == 1 && none.errors.contains("there is no run store"), "\(none.errors)")
    let half = try program.run("run e.yaml -q --shard 1/2 --store e.sqlite").output
    let made = try #require(half.split(separator: " ").first.flatMap { Int($0) })
    let text = try program.run("store check e.yaml")
    #expect(text.status == 1)
    #expect(text.errors == "anytime: \(29 - made) of 29 runs are missing; 'anytime run' makes them\n")
    #expect(text.output.contains("e: \(made) of 29 runs are in "))
    #expect(text.output.contains(/random-search: \d+ missing, seeds?/))
    let json = try program.run("store check e.yaml --json")
    struct Account: Decodable {
      struct Line: Decodable {
        let label: String
        let total, stored: Int
        let missing, failed: [UInt64]
      }
      let experiment: String
      let total, stored, missing, failed: Int
      let methods: [Line]
    }
    let account = try JSONDecoder().decode(Account.self, from: Data(json.output.utf8))
    #expect(json.status == 1 && account.experiment == "e" && account.total == 29 && account.stored == made)
    #expect(account.missing == 29 - made && account.failed == 0)
    #expect(account.methods.reduce(0) { $0 + $1.missing.count } == account.missing)
    #expect(account.methods.map(\.label) == ["random-search", "regularized-evolution", "smac"])
    #expect(try program.run("run e.yaml -q").status == 0)
    for source in ["e.yaml", "e.sqlite"] {
      let whole = try program.run("store check \(source)")
      #expect(whole.status == 0 && whole.errors.isEmpty && whole.output.hasPrefix("e: 29 of 29 runs are in "))
    }
    // More seeds are more missing runs; another horizon is another experiment.
    let more = Self.experiment.replacing("seeds: 12", with: "seeds: 14")
    try Data(more.utf8).write(to: program.folder.appending(path: "e.yaml"))
    #expect(try program.run("store check e.yaml").errors.contains("4 of 33 runs are missing"))
    let other = Self.experiment.replacing("horizon: 600", with: "horizon: 601")
    try Data(other.utf8).write(to: program.folder.appending(path: "e.yaml"))
    let refused = try program.run("store check e.yaml")
    #expect(refused.status == 1 && refused.errors.contains("has an experiment 'e' with another space, table, budget"))
  }

  @Test(
    "what cannot be done is said in a sentence, before anything is written",
    arguments: [
      ("run e.yaml --shard 0/3", 2, "there is no shard 0 of 3; the first is 1/3, and the last 3/3"),
      ("run e.yaml --shard 4/3", 2, "there is no shard 4 of 3"),
      ("run e.yaml --shard x", 2, "'x' is no shard; write 3/20"),
      ("compare e.yaml --shard 1/3", 2, "'--shard' is no option"),
      ("store merge absent.sqlite -o all.sqlite", 1, "there is no run store absent.sqlite"),
      ("store merge absent.sqlite --missing-ok -o all.sqlite", 1, "none of the 1 run stores exists"),
      ("store merge e.yaml -o all.sqlite", 1, "e.yaml is no run store"),
      ("store merge a.sqlite -o a.sqlite", 1, "the output a.sqlite is also an input"),
      ("store merge a.sqlite -o e.yaml", 1, "e.yaml is no run store"),
      ("store merge a.sqlite -o absent/all.sqlite", 1, "its folder is not there"),
      ("store merge a.sqlite f.sqlite -o all.sqlite", 1, "the run stores are of several experiments (e, f); merge"),
      ("store merge a.sqlite g.sqlite -o all.sqlite", 1, "have experiments 'e' that differ in more than seeds"),
      ("store check a.sqlite --experiment f", 1, "'f' is no experiment of a.sqlite"),
    ])
  func refusals(arguments: String, status: Int32, part: String) throws {
    defer { program.remove() }
    for (name, change) in [("a", "name: e"), ("f", "name: f"), ("g", "name: e\npolicy: nas-bench-101\nholes: skip")] {
      let text = Self.experiment.replacing("name: e", with: change).replacing("horizon: 600", with: "horizon: 60")
      try Data(text.utf8).write(to: program.folder.appending(path: "\(name).yaml"))
      if arguments.contains("\(name).sqlite") {
        #expect(try program.run("run \(name).yaml -q").status == 0)
      }
    }
    let before = try names()
    let outcome = try program.run(arguments)
    #expect(outcome.status == status && outcome.errors.contains(part), "\(outcome.errors)")
    #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
    #expect(try names() == before)
  }

  /// The runs that a program said it has begun, ended or found.
  private func runs(_ output: URL, _ event: String) throws -> [String] {
    struct Event: Decodable {
      let event: String
      let method: String?
      let seed: UInt64?
    }
    return try String(contentsOf: output, encoding: .utf8).split(separator: "\n").compactMap { line in
      // The last one of a program that is running, or was killed, may be half a line.
      guard let parsed = try? JSONDecoder().decode(Event.self, from: Data(line.utf8)), parsed.event == event else {
        return nil
      }
      return "\(parsed.method ?? "") \(parsed.seed ?? 0)"
    }
  }

  @Test("two processes on one store do not do the same work, and both end with all of it") func twoProcesses() throws {
    defer { program.remove() }
    let arguments =
      "compare --space mini --horizon 1000 --seeds 80 --name e --method smac --method random-search --threads 1 --json"
    let both = try [program.start(arguments), program.start(arguments)]
    for (process, _, errors) in both {
      process.waitUntilExit()
      let text = try String(contentsOf: errors, encoding: .utf8)
      #expect(process.terminationStatus == 0, "\(text)")
    }
    let began = try both.flatMap { try runs($0.output, "began") }
    #expect(began.count == 160 && Set(began).count == 160)
    for (_, output, _) in both {
      let lines = try String(contentsOf: output, encoding: .utf8).split(separator: "\n")
      let board = try #require(lines.last)
      // Both have the whole leaderboard.
      #expect(board.contains("\"event\":\"leaderboard\"") && board.contains("\"runs\":80"))
    }
    #expect(try runs(both[0].output, "ended").count + runs(both[1].output, "ended").count == 160)
  }

  @Test("what a killed process had claimed is taken over by one that works beside it") func takeover() throws {
    defer { program.remove() }
    let arguments = "run --space 1 --horizon 1000 --seeds 100 --name e --method smac --threads 1 --json"
    let first = try program.start(arguments)
    let second = try program.start(arguments)
    for _ in 0..<600 where first.process.isRunning {
      if try !runs(first.output, "ended").isEmpty, try !runs(second.output, "ended").isEmpty { break }
      usleep(20_000)
    }
    kill(first.process.processIdentifier, SIGKILL)
    first.process.waitUntilExit()
    second.process.waitUntilExit()
    #expect(second.process.terminationStatus == 0)
    #expect(try program.run("store check e.sqlite").status == 0)
  }

  @Test(
    "a store with its checkpoints goes on in another folder, after a signal or a kill", arguments: [SIGUSR1, SIGKILL])
  func moved(number: Int32) throws {
    defer { program.remove() }
    let arguments =
      "run --space mini --horizon 100 --seeds 1 --name s --threads 1 -q --shard 1/1 "
      + "--method random-search-ws:preset=quick,epochs=4,samples=4,finalists=1"
    #expect(try program.run("\(arguments) --store whole.sqlite").status == 0)
    let (process, _, errors) = try program.start("\(arguments) --store parts.sqlite")
    let checkpoints = program.folder.appending(path: "parts.sqlite.checkpoints")
    for _ in 0..<3_000 where process.isRunning {
      let files = (try? FileManager.default.contentsOfDirectory(atPath: checkpoints.path)) ?? []
      if files.contains(where: { !$0.hasSuffix(".new") }) { break }
      usleep(10_000)
    }
    kill(process.processIdentifier, number)
    process.waitUntilExit()
    let text = try String(contentsOf: errors, encoding: .utf8)
    if number == SIGUSR1, process.terminationStatus != 0 {
      #expect(process.terminationStatus == 128 + number)
      #expect(text.contains("stopped; 0 of 1 runs of shard 1/1 are in parts.sqlite, and the same command goes on"))
    }
    let elsewhere = program.folder.appending(path: "elsewhere")
    try FileManager.default.createDirectory(at: elsewhere, withIntermediateDirectories: true)
    // Copies: another machine's files have other numbers.
    for name in try names() where name.hasPrefix("parts.sqlite") {
      try FileManager.default.copyItem(
        at: program.folder.appending(path: name), to: elsewhere.appending(path: name))
      try remove(name)
    }
    let start = ContinuousClock.now
    #expect(try program.run("\(arguments) --store elsewhere/parts.sqlite").status == 0)
    #expect(ContinuousClock.now - start < .seconds(200), "it waits for no claim of the process that was stopped")
    for (store, folder) in [("whole", "a"), ("elsewhere/parts", "b")] {
      #expect(try program.run("export curves \(store).sqlite -o \(folder)").status == 0)
      #expect(try program.run("export trace \(store).sqlite -o \(folder)").status == 0)
    }
    let files = try names("a")
    #expect(files == (try names("b")) && files.contains("s-trace.csv"))
    for file in files {
      let both = try ["a", "b"].map { try Data(contentsOf: program.folder.appending(path: "\($0)/\(file)")) }
      #expect(both[0] == both[1], "\(file)")
    }
    #expect(try !names("elsewhere").contains("parts.sqlite.checkpoints"))
  }
}
