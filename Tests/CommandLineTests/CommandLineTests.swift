import Anytime
import Blackbox
import Foundation
import OptimizerConformance
import TestSupport
import Testing

/// The program as a user runs it.
struct Program {
  struct Outcome {
    let status: Int32
    let output: String
    let errors: String
  }

  /// Beside the tests, where the package manager puts it.
  static let url: URL = {
    var folder = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    for argument in CommandLine.arguments where argument.hasSuffix(".xctest") {
      folder = URL(filePath: argument).deletingLastPathComponent()
    }
    return folder.appending(path: "anytime")
  }()

  let folder: URL

  /// - Parameter suffix: The last letters of the folder's name.
  init(suffix: String = "") throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "program-\(UUID().uuidString)\(suffix)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  /// - Parameter emulator: The words of a command that runs the program; by default it runs by itself.
  func start(
    _ arguments: String, environment: [String: String] = [:], emulator: [String] = []
  ) throws -> (process: Process, output: URL, errors: URL) {
    let process = Process()
    let words = emulator + [Self.url.path] + arguments.split(separator: " ").map(String.init)
    process.executableURL = URL(filePath: words[0])
    process.arguments = Array(words.dropFirst())
    process.currentDirectoryURL = folder
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    // Files, not pipes: nothing can fill up.
    let name = UUID().uuidString
    let files = ["out", "err"].map { folder.appending(path: ".\(name).\($0)") }
    for file in files { try Data().write(to: file) }
    process.standardOutput = try FileHandle(forWritingTo: files[0])
    process.standardError = try FileHandle(forWritingTo: files[1])
    process.standardInput = FileHandle.nullDevice
    try process.run()
    return (process, files[0], files[1])
  }

  @discardableResult func run(
    _ arguments: String, environment: [String: String] = [:], emulator: [String] = []
  ) throws -> Outcome {
    let (process, output, errors) = try start(arguments, environment: environment, emulator: emulator)
    process.waitUntilExit()
    func text(_ url: URL) throws -> String { String(decoding: try Data(contentsOf: url), as: UTF8.self) }
    return Outcome(status: process.terminationStatus, output: try text(output), errors: try text(errors))
  }

  func remove() { try? FileManager.default.removeItem(at: folder) }
}

@Suite("The program") struct CommandLineTests {
  let program: Program

  init() throws { program = try Program() }

  static let usageOfBuild = [
    ("table build a.table --space 9", "--space is mini, 1, 2 or 3"),
    ("table build a.table --space 1 --only-missing --epochs 2,4", "--epochs is 1,3,9 in"),
  ]

  @Test("every configuration is listed with its cell's hash") func configurations() throws {
    defer { program.remove() }
    let lines = try program.run("cells --space mini --configurations").output.split(separator: "\n")
    let cells = try program.run("cells --space mini --hashes").output.split(separator: "\n")
    #expect(lines.first?.hasSuffix(",parents-output,hash") == true)
    // Three operations of three choices each, three pairs of parents of the third block, six of the output.
    #expect(lines.count == 1 + 27 * 3 * 6)
    let listed = Set(lines.dropFirst().compactMap { $0.split(separator: ",").last })
    #expect(listed == Set(cells))
  }

  @Test("counts and hashes cells") func cells() throws {
    defer { program.remove() }
    #expect(try program.run("cells --space 1 --count").output == "2685\n")
    let hashes = try program.run("cells --space mini --hashes").output.split(separator: "\n")
    #expect(hashes.count == 201 && hashes == hashes.sorted() && hashes.allSatisfy { $0.count == 32 })
    let spaces = try program.run("spaces").output
    for number in ["2,685", "7,773", "55,854", "423,624"] { #expect(spaces.contains(number)) }
  }

  @Test(
    "wrong usage has status 2 and one line",
    arguments: [
      ("cells --space 4", "'4' is no search space"), ("compare", "give an experiment file"),
      ("run --space mini --horizon soon --seeds 3 --method random-search", "'soon' is no horizon"),
      ("run --space mini --horizon 9 --seeds 3 --method random-serch", "did you mean 'random-search'?"),
      (
        "run --space mini --horizon 9 --seeds 3 --method regularized-evolution:sampel=3",
        "did you mean 'sample'?"
      ),
      ("methods tpee", "'tpee' is no method"), ("frobnicate", "frobnicate"),
      ("plot a.sqlite -o a.gif", "must end in .svg, .pdf or .png"),
      ("table query 0110", "is no cell"),
      ("bench --space 9", "'9' is no search space; did you mean '1'?"),
      ("cells --space 1 --configurations --count", "--configurations is for itself"),
      (
        "run --space mini --horizon 9 --seeds 3 --method tpe --method tpe",
        "the method 'tpe' is given twice with the same settings"
      ),
      ("session --space mini", "--horizon is missing"),
      ("session --free --horizon 9", "--free has no budget and no store"),
      ("session --horizon 9 --space minni", "did you mean 'mini'?"),
      ("conformance --method tpee", "'tpee' is no method"),
    ] + usageOfBuild)
  func usage(arguments: String, part: String) throws {
    defer { program.remove() }
    let outcome = try program.run(arguments)
    #expect(outcome.status == 2)
    #expect(outcome.errors.contains(part), "\(outcome.errors)")
    #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
  }

  @Test(
    "failures have status 1 and one line",
    arguments: [
      ("compare absent.yaml", "absent.yaml: the file cannot be read; check its path"),
      ("export curves absent.sqlite", "there is no run store absent.sqlite; make it with 'anytime run'"),
      ("table info absent.table", "cannot be read"),
      ("table query 00000000000000000000000000000000", "has no cell 00000000000000000000000000000000"),
      (
        "compare --space 2 --horizon 9 --seeds 1 --method random-search",
        "of the 7773 architectures of search space 2"
      ),
      ("table import absent.csv", "cannot be opened"),
    ])
  func failures(arguments: String, part: String) throws {
    defer { program.remove() }
    let outcome = try program.run(arguments)
    #expect(outcome.status == 1)
    #expect(outcome.errors.contains(part), "\(outcome.errors)")
    #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
  }

  @Test(
    "a file that is another thing than needed is named, with the reason and, in a text, the line",
    arguments: [
      ("a.yaml", "", "compare a.yaml", "an experiment needs 'space', 'horizon', 'seeds' and 'methods'"),
      ("a.yaml", "name: a\nseeds: [1,\n", "run a.yaml", "a.yaml, line 3: this is not YAML: "),
      ("a.yaml", "space: mini\nspace: 1\n", "run a.yaml", "'space' is given twice"),
      (
        "a.yaml", "space: mini\nsede: 3\n", "run a.yaml", "a.yaml, line 2: 'sede' is no part of an experiment"
      ),
      ("a.yaml", "\0\u{fffe}", "run a.yaml", "a.yaml"),
      ("a.table", "", "table info a.table", "a.table is no AnytimeNAS table: the file is empty"),
      ("a.table", "text\n", "table verify a.table", "it is text; convert it with 'anytime table import"),
      ("a.table", "text\n", "bench a.table", "it is text"),
      ("a.csv", "", "table import a.csv", "a.csv: the file is empty"),
      ("a.csv", "a,b\0\n", "table import a.csv", "a.csv, line 1: this is no text in UTF-8"),
      ("a.jsonl", "[1]\n", "table import a.jsonl", "a.jsonl, line 1: this is a JSON list"),
      ("a.tfrecord", "", "table import a.tfrecord", "a.tfrecord: the file is empty"),
      (
        "a.tfrecord", "no such framing", "table import a.tfrecord",
        "record 1 at byte 0: this is no TFRecord file"
      ),
      (
        "a.sqlite", "no database, but a text of some length", "export curves a.sqlite",
        "a.sqlite is no run store; name one that 'anytime run' made"
      ),
      ("a.sqlite", "", "plot a.sqlite -o a.svg", "a.sqlite is no run store; name one that 'anytime run' made"),
      ("folder/a", "", "table info folder", "folder cannot be read: not a regular file"),
      ("folder.csv/a", "", "table import folder.csv", "folder.csv: this is no file"),
      ("folder.csv/a", "", "table export -o folder.csv", "folder.csv cannot be written: it is a folder"),
      ("folder.yaml/a", "", "compare folder.yaml", "folder.yaml: the file cannot be read"),
      (
        "a.sqlite/a", "", "run --space mini --horizon 9 --seeds 1 --method tpe --store a.sqlite",
        "the run store a.sqlite is no file; name the file that 'anytime run' made"
      ),
    ])
  func wrongFiles(name: String, content: String, arguments: String, part: String) throws {
    defer { program.remove() }
    let file = program.folder.appending(path: name)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(content.utf8).write(to: file)
    let outcome = try program.run(arguments)
    #expect(outcome.status == 1, "\(outcome.errors)")
    #expect(outcome.errors.contains(part), "\(outcome.errors)")
    #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
    // Nothing is left behind.
    let names = try FileManager.default.contentsOfDirectory(atPath: program.folder.path)
    let top = name.split(separator: "/")[0]
    #expect(
      names.filter { !$0.hasPrefix(".") && !$0.hasPrefix("a.sqlite") }
        == (top == "a.sqlite" ? [] : [String(top)]))
  }

  @Test("a script that drives a session has its runs in a store") func session() throws {
    defer { program.remove() }
    /// Runs a session on some lines.
    func session(_ lines: [String], _ arguments: String) throws -> Program.Outcome {
      let script = "printf '%s\\n' \(lines.map { "'\($0)'" }.joined(separator: " ")) | \"$@\""
      try Data(script.utf8).write(to: program.folder.appending(path: "script.sh"))
      return try program.run("session --space mini " + arguments, emulator: ["/bin/sh", "script.sh"])
    }
    let evaluate = #"{"type": "evaluate", "configuration": [0, 1, 0, 1, 2], "epochs": 1}"#
    let end = #"{"type": "end"}"#
    let stored = "--horizon 30 --store s.sqlite --method-name mine --seed"
    for seed in [0, 5] {
      let outcome = try session([evaluate, #"{"type": "nonsense"}"#, evaluate, end], "\(stored) \(seed)")
      #expect(outcome.status == 0 && outcome.errors == "", "\(outcome.errors)")
      let types = outcome.output.split(separator: "\n").map { $0.split(separator: "\"")[3] }
      #expect(types == ["run", "evaluation", "error", "evaluation", "ended"])
    }
    // One that goes without a word has failed, and may try again.
    let gone = try session([evaluate], "\(stored) 6")
    #expect(gone.status == 0 && gone.errors.contains("stored as failed: the script ended before"), "\(gone.errors)")
    #expect(try session([evaluate, end], "\(stored) 6").errors == "")
    let again = try session([end], "\(stored) 5")
    #expect(again.status == 2 && again.errors.contains("has a run of 'mine' with the seed 5"), "\(again.errors)")
    let other = try session([end], "--horizon 40 --store s.sqlite --method-name mine --seed 9")
    #expect(other.status == 1 && other.errors.contains("has an experiment 'mine' with another"), "\(other.errors)")

    let curves = try program.run("export curves s.sqlite -o curves")
    #expect(curves.status == 0 && curves.errors == "", "\(curves.errors)")
    let compared = try program.run(
      "compare --space mini --horizon 30 --seeds 5-6 --method session:script=mine --method random-search "
        + "--store s.sqlite --name both -q")
    #expect(compared.status == 0 && compared.output.contains("session"), "\(compared.errors)")
    let missing = try program.run(
      "run --space mini --horizon 30 --seeds 8-8 --method session:script=mine --store s.sqlite --name more -q")
    #expect(missing.status == 1 && missing.errors.contains("makes its runs itself"), "\(missing.errors)")

    let free = try session([evaluate, end], "--free")
    #expect(free.status == 0 && !free.output.contains("horizon") && !free.output.contains("left"))
    #expect(try !FileManager.default.contentsOfDirectory(atPath: program.folder.path).contains("session.sqlite"))
  }

  @Test("a method's conformance is told line by line") func conformance() throws {
    defer { program.remove() }
    let sound = try program.run("conformance --method random-search")
    #expect(sound.status == 0 && sound.errors == "")
    let lines = sound.output.split(separator: "\n")
    #expect(lines.count == OptimizerConformance.Check.allCases.count && lines.allSatisfy { $0.hasPrefix("passed ") })
    try writeProgram("read -r run; exit 3", to: program.folder.appending(path: "bad.sh"))
    let bad = try program.run("conformance --method external:command=./bad.sh")
    #expect(bad.status == 1 && bad.errors.contains("external breaks 2 of"), "\(bad.errors)")
    #expect(bad.output.contains("FAILED       errors"), "\(bad.output)")
  }

  @Test("a full disk under the output is a failure, not a crash") func fullOutput() throws {
    defer { program.remove() }
    for arguments in ["cells --space 1 --hashes", "spaces", "table info"] {
      let process = Process()
      process.executableURL = Program.url
      process.arguments = arguments.split(separator: " ").map(String.init)
      process.standardOutput = FileHandle(forWritingAtPath: "/dev/full")
      let errors = Pipe()
      process.standardError = errors
      try process.run()
      let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      #expect(process.terminationStatus == 1)
      #expect(text.hasSuffix("anytime: the output cannot be written: No space left on device\n"))
    }
  }

  @Test(
    "a method gives the same runs in this process and in another",
    arguments: blackboxMethods.map { $0.method.name })
  func fingerprint(method: String) throws {
    defer { program.remove() }
    let type = try #require(blackboxMethods.first { $0.method.name == method })
    let other = try program.run("methods \(method) --fingerprint").output
    #expect(other == (try OptimizerConformance(type).fingerprint()) + "\n")
  }

  @Test("an experiment that is killed ends as an unbroken one, on any number of threads") func killed() throws
  {
    defer { program.remove() }
    let experiment =
      "--space mini --horizon 2000 --seeds 1500 --name e --method random-search "
      + "--method regularized-evolution:population=20,sample=5 --quiet"
    try program.run("run \(experiment) --store whole.sqlite --threads 1")

    var kills = 0
    for _ in 0..<20 {
      let (process, _, _) = try program.start("run \(experiment) --store parts.sqlite --threads 2")
      let deadline = Date.now + 0.15
      while process.isRunning, Date.now < deadline { usleep(2_000) }
      guard process.isRunning else { break }
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
      kills += 1
    }
    #expect(kills > 0)
    let finished = try program.run("run \(experiment) --store parts.sqlite --threads 3")
    #expect(finished.output.hasPrefix("3000 runs are in"))
    for (store, folder) in [("whole", "a"), ("parts", "b")] {
      try program.run("export curves \(store).sqlite -o \(folder)")
    }
    for name in try FileManager.default.contentsOfDirectory(atPath: program.folder.path + "/a") {
      let files = try ["a", "b"].map { try Data(contentsOf: program.folder.appending(path: "\($0)/\(name)")) }
      #expect(files[0] == files[1] && files[0].count > 400, "\(name)")
    }
  }

  @Test("the demo leaves a leaderboard, a picture and a CSV") func demo() throws {
    defer { program.remove() }
    let outcome = try program.run("demo --seeds 5 --epochs 1")
    #expect(outcome.status == 0, "\(outcome.errors)")
    for word in ["random-search", "test regret", "smac"] { #expect(outcome.output.contains(word)) }
    for name in ["demo-curves.csv", "demo-events.csv", "regret.svg", "regret.png", "report.html", "demo.sqlite"] {
      let path = program.folder.appending(path: "anytime-demo/\(name)").path
      #expect(FileManager.default.fileExists(atPath: path))
    }
    let board = try String(
      contentsOf: program.folder.appending(path: "anytime-demo/demo-leaderboard.csv"), encoding: .utf8)
    let rows = board.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
    let runs = try #require(rows.first?.firstIndex(of: "runs"))
    #expect(rows.count == 12 && rows.dropFirst().allSatisfy { ["3", "5"].contains($0[runs]) }, "no method has one run")
  }

  @Test("the demo shows no method with a single run") func demoSeeds() throws {
    defer { program.remove() }
    for option in ["seeds", "one-shot-seeds"] {
      let outcome = try program.run("demo --\(option) 1")
      #expect(outcome.status != 0 && outcome.errors.contains("--\(option) must be at least 2"))
    }
  }
}
