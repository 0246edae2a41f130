import Foundation
import Testing

@Suite("A package for a new method") struct NewMethodTests {
  let program: Program

  init() throws { program = try Program() }

  /// The package of these tests.
  static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardizedFileURL

  private func text(_ file: String) throws -> String {
    try String(contentsOf: program.folder.appending(path: file), encoding: .utf8)
  }

  /// Paths of all files that a test made, sorted.
  private func files() throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: program.folder.path).filter { path in
      var isFolder = ObjCBool(false)
      let isThere = FileManager.default.fileExists(
        atPath: program.folder.appending(path: path).path, isDirectory: &isFolder)
      return isThere && !isFolder.boolValue && !path.hasSuffix(".out") && !path.hasSuffix(".err")
    }.sorted()
  }

  @Test("has a method under its name, a program that knows it, and a test") func content() throws {
    defer { program.remove() }
    let outcome = try program.run("new-method my-search --package \(Self.root.path)")
    #expect(outcome.status == 0 && outcome.errors == "", "\(outcome.errors)")
    #expect(outcome.output.hasPrefix("The method is in my-search/Sources/MySearch/MySearch.swift.\n"))
    #expect(
      try files() == [
        ".gitignore", "Package.swift", "README.md", "Sources/MySearch/MySearch.swift", "Sources/MySearch/main.swift",
        "Tests/MySearchTests/MySearchTests.swift",
      ].map { "my-search/" + $0 })
    let method = try text("my-search/Sources/MySearch/MySearch.swift")
    #expect(method.contains("public struct MySearch: Optimizer {") && method.contains(#"name: "my-search""#))
    #expect(method.contains(#"Setting("random-fraction", \MySearch.randomFraction, 0...1, "#))
    #expect(method.split(separator: "\n").allSatisfy { $0.count <= 120 })
    #expect(try text("my-search/Sources/MySearch/main.swift").contains("await runCommandLine(adding: [MySearch.self])"))
    let tests = try text("my-search/Tests/MySearchTests/MySearchTests.swift")
    #expect(tests.contains("OptimizerConformance(MySearch.self)"))
    #expect(try text("my-search/Package.swift").contains(#".package(name: "AnytimeNAS", path: "\#(Self.root.path)")"#))
    // What the program says to do is what the package says.
    let commands = try #require(outcome.output.split(separator: "\n\n").last)
    #expect(try text("my-search/README.md").contains(commands))
  }

  @Test("goes into any folder, and belongs to the package that the program was built in") func folder() throws {
    defer { program.remove() }
    try FileManager.default.createDirectory(
      at: program.folder.appending(path: "deep"), withIntermediateDirectories: false)
    for folder in ["deep/a", "deep/b/"] {
      let outcome = try program.run("new-method a-2nd-search --folder \(folder)")
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(try text("\(folder)/Package.swift").contains(#"path: "\#(Self.root.path)""#))
      #expect(try text("\(folder)/Sources/A2ndSearch/A2ndSearch.swift").contains("struct A2ndSearch: Optimizer"))
    }
  }

  @Test(
    "names that do not do are refused in a sentence",
    arguments: [
      ("", "'' cannot be a method's name"), ("-a", "'-a' cannot"), ("a-", "'a-' cannot"), ("a--b", "'a--b' cannot"),
      ("My-search", "'My-search' cannot"), ("2nd-search", "'2nd-search' cannot"), ("a/b", "'a/b' cannot"),
      ("../a", "'../a' cannot"), ("a_b", "'a_b' cannot"), ("suche-für-mich", "'suche-für-mich' cannot"),
      ("a b", "'a b' cannot"), ("a\nb", "cannot"), (String(repeating: "a", count: 65), "at most 64"),
      ("class", "'class' is a word of Swift"), ("self", "'self' is a word"), ("any", "such as any-search"),
      ("optimizer", "'optimizer' would be called Optimizer"),
      ("random-search", "there is a method 'random-search' already"), ("external", "there is a method 'external'"),
    ])
  func names(name: String, part: String) throws {
    defer { program.remove() }
    let outcome = try program.run(
      "", environment: ["NAME": name], emulator: ["/bin/sh", "-c", #"exec "$0" new-method -- "$NAME""#])
    #expect(outcome.status == 2)
    #expect(outcome.errors.contains(part), "\(outcome.errors)")
    #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
    #expect(try files() == [])
  }

  @Test("no module of this package has a method's name") func modules() throws {
    defer { program.remove() }
    let names = try ["Sources", "Optimizers"].flatMap {
      try FileManager.default.contentsOfDirectory(atPath: Self.root.appending(path: $0).path)
    }.filter { $0.contains(/^([A-Z][a-z]+)+$/) } + ["Reports"]
    #expect(names.count > 12)
    for name in names {
      let method = name.replacing(/[A-Z]/) { "-" + $0.output.lowercased() }.dropFirst()
      let outcome = try program.run("new-method \(method)")
      #expect(outcome.status == 2, "\(method): \(outcome.output)")
    }
  }

  @Test("nothing is written where the folder does not do") func folders() throws {
    defer { program.remove() }
    let file = program.folder.appending(path: "file")
    try Data().write(to: file)
    for (arguments, part) in [
      ("--folder file", "file is there already; name a new folder by --folder"), ("--folder .", ". is there already"),
      ("--folder none/a", "none/a cannot be written: the folder none is not there; make it first"),
      ("--folder file/a", "file/a cannot be written: file leads through a file that is no folder"),
      ("--folder /proc/a", "/proc/a cannot be written"),
      ("--folder \(String(repeating: "a", count: 256))", "its name has 256 bytes"),
      ("--package none", "none is not AnytimeNAS's package"), ("--package .", "name the folder of its Package.swift"),
    ] {
      let outcome = try program.run("new-method my-search \(arguments)")
      #expect(outcome.status == 1, "\(arguments)")
      #expect(outcome.errors.contains(part), "\(outcome.errors)")
      #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
    }
    #expect(try files() == ["file"])
    let copy = program.folder.appending(path: "anytime")
    try FileManager.default.copyItem(at: Program.url, to: copy)
    let elsewhere = try program.run("new-method my-search", emulator: ["/bin/sh", "-c", #"exec ./anytime "$@""#])
    #expect(elsewhere.status == 2 && elsewhere.errors.contains("this program is not in AnytimeNAS's package"))
    #expect(try files() == ["anytime", "file"])
  }

  @Test(
    "builds, passes its test, compares its method, and trains supernets, by the commands of its own text",
    .enabled(if: SameBitsTests.isSlow, "takes minutes: set ANYTIME_SLOW_TESTS=1"))
  func build() throws {
    defer { program.remove() }
    let made = try program.run("new-method my-search")
    #expect(made.status == 0, "\(made.errors)")
    let commands = try #require(made.output.split(separator: "\n\n").last)
    let script = """
      set -e
      cd my-search
      \(commands)
      swift build -c release --product AnytimeTorch
      .build/release/my-search compare --space mini --horizon 6 --seeds 1 --method darts:preset=quick,epochs=1 \\
        --method my-search
      """
    try Data(script.utf8).write(to: program.folder.appending(path: "script.sh"))
    let outcome = try program.run("", emulator: ["/bin/sh", "script.sh"])
    #expect(outcome.status == 0, "\(outcome.output)\n\(outcome.errors)")
    #expect(outcome.output.contains("1 test in 1 suite passed"), "\(outcome.output)")
    let boards = outcome.output.split(separator: "rank  method").dropFirst()
    #expect(boards.count == 2 && boards.allSatisfy { $0.contains("  my-search ") }, "\(outcome.output)")
    #expect(boards.last?.contains("  darts ") == true)
  }
}
