import Foundation
import TestSupport
import Testing

@Suite("Reports and progress") struct ReportTests {
  let program: Program
  private static let experiment =
    "--space mini --horizon 50 --seeds 3 --name e --method random-search "
    + "--method regularized-evolution:population=5,sample=2"

  init() throws { program = try Program() }

  @Test("a report is one page, the same from the store and from the experiment file") func report() throws {
    defer { program.remove() }
    try program.run("run \(Self.experiment) --quiet")
    let outcome = try program.run("report e.sqlite")
    #expect(outcome.status == 0 && outcome.output == "e-report.html\n", "\(outcome.errors)")
    try program.run("report e.yaml -o again.html")
    let pages = try ["e-report.html", "again.html"].map { name in
      try Data(contentsOf: program.folder.appending(path: name))
    }
    #expect(pages[0] == pages[1])
    let page = String(decoding: pages[0], as: UTF8.self)
    #expect(page.hasPrefix("<!DOCTYPE html>") && page.hasSuffix("</html>\n"))
    let info = try program.run("table info").output
    let checksum = try #require(info.firstMatch(of: /checksum ([0-9a-f]{16})/)?.1)
    #expect(page.contains(checksum) && page.contains("<svg class=\"cell\""))
  }

  @Test("of a store's several experiments, a file names its own") func several() throws {
    defer { program.remove() }
    try Data("{name: one, space: mini, horizon: 30, seeds: 2, methods: [random-search]}\n".utf8)
      .write(to: program.folder.appending(path: "e.yaml"))
    try program.run("run e.yaml -q")
    try program.run("run \(Self.experiment) --store e.sqlite --quiet")
    #expect(try program.run("report e.yaml").output == "one-report.html\n")
    #expect(try program.run("report e.sqlite").errors.contains("choose one with --experiment: e, one"))
  }

  @Test("settings that vary are a file of runs; without any, a sentence says how to get them") func factors() throws {
    defer { program.remove() }
    try Data(
      """
      space: mini
      horizon: 30
      seeds: 2
      methods:
        - regularized-evolution: {label: ageing, sample: 2, vary: {population: [5, 10]}}

      """.utf8
    ).write(to: program.folder.appending(path: "f.yaml"))
    try program.run("run f.yaml --quiet")
    let outcome = try program.run("export factors f.sqlite -o factors.csv")
    #expect(outcome.status == 0 && outcome.output == "factors.csv\n", "\(outcome.errors)")
    let text = try String(contentsOf: program.folder.appending(path: "factors.csv"), encoding: .utf8)
    #expect(text.split(separator: "\n").count == 5 && text.contains(",label,seed,factor.population,final_test_regret,"))
    #expect(text.contains("\nf,ageing,vary,regularized-evolution,ageing (population 5),0,5,"))
    #expect(try program.run("export factors f.sqlite -o /dev/stdout").output == text)
    try program.run("run \(Self.experiment) --quiet")
    let none = try program.run("export factors e.sqlite")
    #expect(none.status == 1 && none.errors.contains("'e' has no factors; give a method settings that vary"))
  }

  @Test("a report without Vega says so, and how to get it") func withoutVega() throws {
    defer { program.remove() }
    try program.run("run \(Self.experiment) --quiet")
    let outcome = try program.run("report e.sqlite --vega nowhere")
    #expect(outcome.status == 0)
    #expect(outcome.errors.contains("apt-get install libjs-vega"))
    #expect(outcome.errors.split(separator: "\n").count == 1)
  }

  @Test("a report of an unfinished experiment says what is missing") func unfinished() throws {
    defer { program.remove() }
    try program.run("run \(Self.experiment) --quiet")
    // The same experiment with more seeds, killed as soon as it has begun.
    let more = Self.experiment.replacing("--seeds 3", with: "--seeds 1000000")
    let (process, _, _) = try program.start("run \(more) --quiet --threads 1")
    var outcome = try program.run("report e.sqlite")
    while process.isRunning, !outcome.errors.contains("of 2000000 runs") {
      outcome = try program.run("report e.sqlite")
    }
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    #expect(outcome.status == 0 && outcome.errors.contains("of 2000000 runs are not done yet"), "\(outcome.errors)")
    let page = try String(contentsOf: program.folder.appending(path: "e-report.html"), encoding: .utf8)
    let isSaid = page.contains("of 2000000 runs are not done yet: random-search seeds ")
    #expect(isSaid)
  }

  @Test("a picture is the same whatever gnuplot's settings, language, folders and terminal are")
  func settings() throws {
    defer { program.remove() }
    try program.run("run \(Self.experiment) --quiet")
    try Data("set datafile separator ','\nset terminal dumb\n".utf8).write(
      to: program.folder.appending(path: ".gnuplot"))
    let settings = [
      ["HOME": program.folder.path], ["GNUTERM": "x11"], ["TMPDIR": "/nowhere"],
      ["LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8"], ["GNUPLOT_LIB": "/nowhere", "GNUPLOT_FONTPATH": "/nowhere"],
    ]
    try program.run("plot e.sqlite -o first.svg")
    let first = try Data(contentsOf: program.folder.appending(path: "first.svg"))
    #expect(String(decoding: first, as: UTF8.self).contains("random-search"))
    for setting in settings {
      let outcome = try program.run("plot e.sqlite -o again.svg", environment: setting)
      #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(setting): \(outcome.errors)")
      #expect(try first == Data(contentsOf: program.folder.appending(path: "again.svg")), "\(setting)")
    }
  }

  @Test("a gnuplot that ends at once is a sentence, not a signal") func gnuplotFails() throws {
    defer { program.remove() }
    try program.run("run \(Self.experiment) --quiet")
    try writeProgram("echo no fonts >&2; exit 1", to: program.folder.appending(path: "gnuplot"))
    for (path, sentence) in [
      (program.folder.path + ":/usr/bin:/bin", "gnuplot failed (status 1): no fonts"),
      ("/nowhere", "pictures need gnuplot; install it with 'apt-get install gnuplot-nox'"),
    ] {
      let outcome = try program.run("plot e.sqlite -o a.svg", environment: ["PATH": path])
      #expect(outcome.status == 1 && outcome.errors == "anytime: \(sentence)\n")
    }
    #expect(!FileManager.default.fileExists(atPath: program.folder.appending(path: "a.svg").path))
  }

  @Test("an output that is an input is refused, and the input stays") func inputs() throws {
    defer { program.remove() }
    try program.run("run \(Self.experiment) --quiet")
    func path(_ name: String) -> String { program.folder.appending(path: name).path }
    try FileManager.default.createSymbolicLink(atPath: path("link.svg"), withDestinationPath: "e.sqlite")
    try FileManager.default.createDirectory(atPath: path("out"), withIntermediateDirectories: true)
    try FileManager.default.linkItem(atPath: path("e.sqlite"), toPath: path("out/e-events.csv"))
    for arguments in [
      "report e.sqlite -o e.sqlite", "report e.sqlite -o e.sqlite-wal", "plot e.sqlite -o link.svg",
      "export curves e.sqlite -o out",
    ] {
      let outcome = try program.run(arguments)
      #expect(outcome.status == 1 && outcome.errors.contains("input"), "\(arguments): \(outcome.errors)")
      #expect(outcome.errors.split(separator: "\n").count == 1 && outcome.output.isEmpty)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: path("out")) == ["e-events.csv"])
    #expect(try program.run("report e.sqlite").status == 0)
  }

  /// As version 0.1.0 wrote, with the accuracies of the present embedded table and means without the noise of their
  /// single precision.
  @Test("exported events are the same to the byte for ever") func golden() throws {
    defer { program.remove() }
    try program.run("run --space mini --horizon 30 --seeds 1 --method random-search --name golden --store g.sqlite -q")
    #expect(try program.run("export curves g.sqlite").status == 0)
    func text(_ name: String) throws -> String {
      try String(contentsOf: program.folder.appending(path: name), encoding: .utf8)
    }
    #expect(
      try text("golden-events.csv") == """
        experiment,space,method,seed,amount,spent_seconds,spent_epochs,evaluations,cell,epochs,validation_regret,\
        test_regret,final_training_seconds
        golden,mini,random-search,0,0.8679999709129333,0.8679999709129333,9.0,1.0,09fc2d10bdd6225e167a6f81a22a3f06,9,\
        0.08560000000000001,0.08186666666666664,0.0
        golden,mini,random-search,0,1.7529999613761902,1.7529999613761902,18.0,2.0,62c7f446ef395b39de7b04f52d47a73f,9,\
        0.04526666666666668,0.04679999999999995,0.0
        golden,mini,random-search,0,6.027999937534332,6.027999937534332,45.0,5.0,d494811e0bee5aaa9f6f08226acc0dbf,9,\
        0.017266666666666652,0.016866666666666696,0.0
        golden,mini,random-search,0,9.179999887943268,9.179999887943268,63.0,7.0,52e567b5b32ee5cbf4a2da75ee75f63f,9,\
        0.013599999999999945,0.013933333333333353,0.0
        golden,mini,random-search,0,13.402999877929688,13.402999877929688,90.0,10.0,52e567b5b32ee5cbf4a2da75ee75f63f,9,\
        0.013599999999999945,0.013933333333333353,0.0

        """)
    #expect(
      try text("golden-events.json").hasSuffix(
        """
        "runs":[{"events":[{"amount":0.8679999709129333,"cell":"09fc2d10bdd6225e167a6f81a22a3f06","epochs":9,\
        "finalTrainingSeconds":0,"spent":{"epochs":9,"evaluations":1,"seconds":0.8679999709129333},\
        "testRegret":0.08186666666666664,"validationRegret":0.08560000000000001},{"amount":1.7529999613761902,\
        "cell":"62c7f446ef395b39de7b04f52d47a73f","epochs":9,"finalTrainingSeconds":0,"spent":{"epochs":18,\
        "evaluations":2,"seconds":1.7529999613761902},"testRegret":0.04679999999999995,\
        "validationRegret":0.04526666666666668},{"amount":6.027999937534332,"cell":"d494811e0bee5aaa9f6f08226acc0dbf",\
        "epochs":9,"finalTrainingSeconds":0,"spent":{"epochs":45,"evaluations":5,"seconds":6.027999937534332},\
        "testRegret":0.016866666666666696,"validationRegret":0.017266666666666652},{"amount":9.179999887943268,\
        "cell":"52e567b5b32ee5cbf4a2da75ee75f63f","epochs":9,"finalTrainingSeconds":0,"spent":{"epochs":63,\
        "evaluations":7,"seconds":9.179999887943268},"testRegret":0.013933333333333353,\
        "validationRegret":0.013599999999999945},{"amount":13.402999877929688,\
        "cell":"52e567b5b32ee5cbf4a2da75ee75f63f",\
        "epochs":9,"finalTrainingSeconds":0,"spent":{"epochs":90,"evaluations":10,"seconds":13.402999877929688},\
        "testRegret":0.013933333333333353,"validationRegret":0.013599999999999945}],\
        "ledger":[{"amount":29.279999613761902,"count":20,"kind":"training"},{"amount":0.7200003862380981,"count":1,\
        "kind":"lost"}],"method":"random-search","seed":0,"spent":{"epochs":180,"evaluations":20,\
        "seconds":29.279999613761902}}]}
        """))
  }

  @Test("what goes to standard output is the page alone") func standardOutput() throws {
    defer { program.remove() }
    try program.run("run \(Self.experiment) --quiet")
    let outcome = try program.run("report e.sqlite -o /dev/stdout")
    #expect(outcome.status == 0 && outcome.output.hasPrefix("<!DOCTYPE html>") && outcome.output.hasSuffix("</html>\n"))
    let full = try program.run("report e.sqlite -o /dev/full")
    #expect(full.status == 1 && full.errors.contains("no space left on the device") && full.output.isEmpty)
  }

  @Test("progress as JSON is an object a line: experiment, runs, leaderboard") func json() throws {
    defer { program.remove() }
    let outcome = try program.run("compare \(Self.experiment) --json")
    #expect(outcome.errors.isEmpty)
    let events = try outcome.output.split(separator: "\n").map { line in
      try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }
    let names = events.compactMap { $0["event"] as? String }
    #expect(names.first == "experiment" && names.last == "leaderboard" && names.count == 1 + 2 * 6 + 1)
    let ended = events.filter { $0["event"] as? String == "ended" }
    #expect(ended.compactMap { $0["done"] as? Int } == Array(1...6))
    #expect(ended.allSatisfy { $0["testRegret"] is Double && $0["cell"] is String })
    #expect((events.last?["rows"] as? [[String: Any]])?.count == 2)
    // All is done: nothing to report but the beginning and the end.
    let again = try program.run("compare \(Self.experiment) --json")
    #expect(again.output.split(separator: "\n").count == 2 && again.output.contains("\"done\":6"))
  }

  @Test(
    "on a terminal there is a line per method",
    .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/script")))
  func dashboard() throws {
    defer { program.remove() }
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/script")
    process.arguments = ["-qec", "stty cols 120 rows 30; '\(Program.url.path)' run \(Self.experiment)", "/dev/null"]
    process.currentDirectoryURL = program.folder
    let output = Pipe()
    process.standardOutput = output
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    let lines = text.split(whereSeparator: \.isNewline)
    #expect(lines.contains { $0.contains("e: 6 of 6 runs, done in") }, "\(text)")
    #expect(lines.contains { $0.hasPrefix("random-search") && $0.contains("3/3") && $0.contains("spent 150 of 150") })
    #expect(lines.contains { $0.hasPrefix("regularized-evolution") && $0.contains("3/3") })
    #expect(lines.last?.hasPrefix("6 runs are in") == true)
  }

  @Test("--quiet and --json exclude each other") func exclusive() throws {
    defer { program.remove() }
    let outcome = try program.run("run \(Self.experiment) --quiet --json")
    #expect(outcome.status == 2 && outcome.errors.contains("not both"))
  }
}
