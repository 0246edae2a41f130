import Anytime
import Experiments
import Foundation
import FoundationXML
import Reports
import SearchSpaces
import TabularBenchmark
import Testing


/// Names of which every character means something to some format, or that differ only in such characters.
enum Hostile {
  private static let noncharacters = String(
    String.UnicodeScalarView([0xFFFE, 0xFFFF, 0xFDD0].compactMap { Unicode.Scalar($0 as UInt32) }))

  static let markup = "a<b>&\"'</text></script><!--]]>"

  static let names = [
    "DARTS+", "DARTS-", "darts-", markup, "100 % #1 $x_{i}^2 ~ \\alpha", "`date` @x; y, z",
    "two\nlines", "two\r\nlines", "two\rlines", "tab\there", "bell\u{7}nul\u{0}escape\u{1B}[31m", "a\u{85}b\u{9F}",
    "a\u{2028}b\u{2029}c", "\u{FEFF}bom", "\u{202E}right to left", noncharacters, "👩‍🔬🚀", "e\u{301}\u{300}",
    ",\u{301}\"\u{301}'\u{301}<\u{301}", "日本語 Ωω שלום", "..", ".", "", " ", "/etc/passwd", "../../up", "-rf",
    "=1+1", "@SUM(A1)", "CON", "nul.txt", "a:b", "a?b", "\\U+0041\\101\\n", "'", "''", "\"", "{", "}", "[x]", "*",
    "|", "$(rm)", "%s%d%n", "EOD", "&lt;&#65;", "title ''", "  padded  ", String(repeating: "long", count: 100),
    String(repeating: "é", count: 300) + "1", String(repeating: "é", count: 300) + "2",
  ]

  /// All names in groups of a size that methods have: tests between pairs take their time.
  static let groups = stride(from: 0, to: names.count, by: 8).map { Array(names[$0..<min($0 + 8, names.count)]) }

  /// - Parameter pairs: Half the number of each method's runs.
  static func results(
    name: String = markup, labels: [String] = names, pairs: Int = 1
  ) throws -> ExperimentResults {
    try HandMade.results(
      name: name,
      labels.enumerated().map { number, label in
        let low = 0.001 * Double(number + 1)
        let pair = [steps((1, 0.2), (20, low)), steps((2, 0.3), (30, 2 * low))]
        return (label, (0..<pairs).flatMap { _ in pair })
      })
  }
}

/// What a parser of XML finds.
final class XML: NSObject, XMLParserDelegate {
  private(set) var elements: [(name: String, attributes: [String: String], text: String)] = []
  private var open: [Int] = []

  /// Throws where the text is not well-formed.
  init(_ data: Data) throws {
    super.init()
    let parser = XMLParser(data: data)
    parser.delegate = self
    guard parser.parse() else {
      throw Failure(description: "line \(parser.lineNumber): \(parser.parserError.map { "\($0)" } ?? "?")")
    }
  }

  struct Failure: Error, CustomStringConvertible { let description: String }

  func texts(_ name: String, class: String? = nil) -> [String] {
    elements.filter { $0.name == name && (`class` == nil || $0.attributes["class"] == `class`) }.map(\.text)
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    // The text of what holds everything would be long, and nobody asks for it.
    if ["text", "title", "desc", "h1", "span", "script"].contains(name) { open.append(elements.count) }
    elements.append((name, attributes, ""))
  }

  func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
    if let last = open.last, elements[last].name == name { open.removeLast() }
  }

  func parser(_ parser: XMLParser, foundCharacters text: String) {
    for element in open { elements[element].text += text }
  }
}

/// Reads CSV as RFC 4180 defines it, and nothing else: no quote inside a plain field, nothing after a closing quote.
func readCSV(_ data: Data) throws -> [[String]] {
  struct Malformed: Error { let row: Int }
  let text = [Unicode.Scalar](try #require(String(validating: data, as: UTF8.self)).unicodeScalars)
  var rows: [[String]] = [[]]
  var index = 0
  while index < text.count {
    var field = String.UnicodeScalarView()
    if text[index] == "\"" {
      index += 1
      while true {
        guard index < text.count else { throw Malformed(row: rows.count) }
        if text[index] == "\"" {
          guard index + 1 < text.count, text[index + 1] == "\"" else { break }
          index += 1
        }
        field.append(text[index])
        index += 1
      }
      index += 1
    } else {
      while index < text.count, text[index] != ",", text[index] != "\n" {
        guard text[index] != "\"", text[index].value >= 0x20 else { throw Malformed(row: rows.count) }
        field.append(text[index])
        index += 1
      }
    }
    rows[rows.count - 1].append(String(field))
    guard index < text.count, text[index] == "," || text[index] == "\n" else { throw Malformed(row: rows.count) }
    if text[index] == "\n" { rows.append([]) }
    index += 1
  }
  rows.removeLast()
  return rows
}

/// Texts by their scalars: canonically equal ones differ.
private func scalars(_ texts: some Sequence<String>) -> Set<[UInt32]> {
  Set(texts.map { $0.unicodeScalars.map(\.value) })
}

@Suite("Names of any kind") struct HostileNamesTests {
  @Test("come back whole from every CSV file, read strictly") func csv() throws {
    let curves = Curves(try Hostile.results(), gridSize: 5)
    for export in CurveExport.all where export.fileName.hasSuffix(".csv") {
      let rows = try readCSV(try export.render(curves))
      let header = try #require(rows.first)
      #expect(rows.count > 1 && rows.allSatisfy { $0.count == header.count }, "\(export.fileName)")
      let columns = ["method", "first", "second"].compactMap { header.firstIndex(of: $0) }
      let found = rows.dropFirst().flatMap { row in columns.map { row[$0] } }
      #expect(scalars(found) == scalars(Hostile.names), "\(export.fileName)")
      let names = try #require(header.firstIndex(of: "experiment"))
      #expect(Set(rows.dropFirst().map { $0[names] }) == [Hostile.markup], "\(export.fileName)")
    }
  }

  @Test("come back whole from every JSON file") func json() throws {
    let curves = Curves(try Hostile.results(), gridSize: 3)
    for export in [CurveExport.json, .eventsJSON, .experiment, .vega] {
      let object = try JSONSerialization.jsonObject(with: try export.render(curves))
      let dictionary = try #require(object as? [String: Any])
      if let series = (dictionary["curves"] ?? dictionary["runs"]) as? [[String: Any]] {
        let found = series.compactMap { $0["method"] as? String }
        // Foundation's reader, not the file, leaves a byte order mark out.
        #expect(scalars(found) == scalars(Hostile.names.map(Self.withoutMark)), "\(export.fileName)")
      }
    }
  }

  @Test("stand in every figure as they are, in well-formed SVG", arguments: Hostile.groups)
  func figures(labels: [String]) async throws {
    // With four seeds, differences can be significant.
    let results = try Hostile.results(labels: labels, pairs: 2)
    let runs = RegretRuns(results)
    let curves = Curves(runs, gridSize: 10)
    let difference = CriticalDifferences(SignificanceTable(runs, test: .nemenyi))
    let figures = [
      Figure([try Chart.regret(curves)]), Figure([try Chart.regret(curves, center: .runs, bands: true)]),
      Figure([try Chart.ranks(RankCurves(runs, gridSize: 10))]), Figure([try Chart.targets(TargetDistribution(runs))]),
      try CriticalDifferencePlot().figure([try #require(difference)]),
    ]
    for figure in figures {
      let svg = try await Self.svg(figure)
      let shown = svg.texts("text").map(Self.condensed)
      for name in labels {
        let expected = Self.condensed(name.shownInFigures)
        #expect(shown.contains { $0.contains(expected) }, "\(name.debugDescription)")
      }
    }
  }

  @Test("stand in titles and captions as they are, one panel each") func titles() async throws {
    let panels = Hostile.names.map {
      Figure.Panel(title: $0, caption: "of \($0)", commands: "plot x\n")
    }
    let svg = try await Self.svg(Figure(panels, columns: 8))
    let shown = svg.texts("text").map(Self.condensed)
    for name in Hostile.names where !name.isEmpty {
      let expected = Self.condensed(name.shownInFigures)
      #expect(shown.contains(expected), "\(name.debugDescription)")
    }
    let described = try #require(svg.texts("desc").first)
    #expect(Hostile.names.prefix(6).allSatisfy { described.contains("of \($0)") })
  }

  @Test("stand on the page as they are, in markup that a parser takes", arguments: Hostile.groups)
  func page(labels: [String]) throws {
    let page = try Self.page(Hostile.results(labels: labels))
    #expect(page.texts("h1") == [Hostile.markup])
    #expect(scalars(page.texts("span", class: "method")) == scalars(labels.map(Self.inMarkup)))
    let lists = page.elements.filter { $0.attributes["class"] == "legend" }
    #expect(lists.count == 3)
    for list in lists {
      let json = Data((list.attributes["data-labels"] ?? "").utf8)
      #expect(scalars(try JSONDecoder().decode([String].self, from: json)) == scalars(labels))
    }
    for script in page.elements where script.attributes["type"] == "application/json" {
      #expect(try JSONSerialization.jsonObject(with: Data(script.text.utf8)) is [String: Any])
    }
  }

  @Test("are titles of pages that a parser takes", arguments: Hostile.names) func pageTitle(name: String) throws {
    let page = try Self.page(HandMade.results(name: name, [("m", [steps((1, 0.2))])]))
    #expect(page.texts("h1") == [Self.inMarkup(name)])
  }

  /// A page with a stand-in for Vega: its figures' controls and specifications are in it.
  private static func page(_ results: ExperimentResults) throws -> XML {
    let library = FileManager.default.temporaryDirectory.appending(path: "vega-\(UUID().uuidString).js")
    defer { try? FileManager.default.removeItem(at: library) }
    try Data("var vega;\n".utf8).write(to: library)
    let report = HTMLReport(results, registry: Registry([]), table: nil, vega: try VegaLibrary(path: library.path))
    return try XML(withoutScripts(String(decoding: try report.render(), as: UTF8.self)))
  }

  @Test("give IOHprofiler a folder per method, inside its own") func ioh() throws {
    let files = try IOHExport(RegretRuns(try Hostile.results())).files()
    let folders = Set(files.map { $0.path.split(separator: "/")[0].lowercased() })
    #expect(folders.count == Hostile.names.count && files.count == 2 * Hostile.names.count)
    for (path, data) in files where path.hasSuffix(".json") {
      let meta = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
      let name = try #require((meta["algorithm"] as? [String: Any])?["name"] as? String)
      #expect(Hostile.names.map(Self.withoutMark).contains(name))
    }
  }

  private static func withoutMark(_ text: String) -> String {
    text.unicodeScalars.first == "\u{FEFF}" ? String(text.unicodeScalars.dropFirst()) : text
  }

  @Test("are escaped for LaTeX, letter by letter") func latexLetters() {
    let expected = [
      "#": "\\#", "$": "\\$", "%": "\\%", "&": "\\&", "_": "\\_", "{": "\\{", "}": "\\}", "~": "\\textasciitilde{}",
      "^": "\\textasciicircum{}", "\\": "\\textbackslash{}", "<": "\\textless{}", ">": "\\textgreater{}",
      "|": "\\textbar{}", "\"": "\\char34{}", "[": "{[}", "]": "{]}", "*": "{*}", "`": "{`}", "--": "-{-}",
      "''": "'{'}", "a\nb": "a b", "\u{7}x": "\\ifdefined\\Umathchar \u{FFFD}\\else (U+FFFD)\\fi{}x", "é": "é",
      "Ω": "\\ifdefined\\Umathchar Ω\\else (U+3A9)\\fi{}", "": "(no name)",
    ]
    #expect(LatexExport.escaped("e\u{301}").unicodeScalars.map(\.value) == [0xE9])
    for (text, escaped) in expected { #expect(LatexExport.escaped(text) == escaped, "\(text.debugDescription)") }
    for scalar in (0x21...0x7E).compactMap(Unicode.Scalar.init) where expected["\(scalar)"] == nil {
      #expect(LatexExport.escaped("\(scalar)") == "\(scalar)")
    }
  }

  @Test("leave LaTeX files with their braces closed, and a line per method") func latex() throws {
    let curves = Curves(try Hostile.results(name: "two\nlines"), gridSize: 3)
    let texts = try CurveExport.latex().map { String(decoding: try $0.render(curves), as: UTF8.self) }
    for text in texts {
      var depth = 0
      var isEscaped = false
      for line in text.split(separator: "\n") where !line.hasPrefix("%") {
        for scalar in line.unicodeScalars {
          if isEscaped {
            isEscaped = false
            continue
          }
          isEscaped = scalar == "\\"
          if scalar == "{" { depth += 1 }
          if scalar == "}" { depth -= 1 }
          #expect(depth >= 0 && scalar.value >= 0x20 && scalar != "%", "\(line)")
        }
      }
      #expect(depth == 0 && text.hasPrefix("% two lines: "))
    }
    #expect(texts[0].components(separatedBy: "\\addlegendentry{").count == 1 + Hostile.names.count)
    let rows = texts[1].components(separatedBy: "\\midrule\n")[1].components(separatedBy: "\\bottomrule")[0]
    #expect(rows.split(separator: "\n").count == Hostile.names.count)
    for row in rows.split(separator: "\n") {
      #expect(row.replacing("\\&", with: "").count { $0 == "&" } == 6 && row.hasSuffix(" \\\\"))
    }
  }

  @Test(
    "leave LaTeX files that compile",
    .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/pdflatex")))
  func compiles() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "latex-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let curves = Curves(try Hostile.results(), gridSize: 3)
    for export in CurveExport.latex() {
      try export.render(curves).write(to: folder.appending(path: export.fileName))
    }
    try Data(
      """
      \\documentclass{article}\\usepackage{pgfplots,booktabs}\\pgfplotsset{compat=1.18}\\usepgfplotslibrary{fillbetween}
      \\begin{document}\\input{curves.tex}\\input{table.tex}\\input{ranks.tex}\\input{ecdf.tex}\\end{document}
      """.utf8
    ).write(to: folder.appending(path: "main.tex"))
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/pdflatex")
    process.arguments = ["-halt-on-error", "-interaction=nonstopmode", "main.tex"]
    process.currentDirectoryURL = folder
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }

  private static func svg(_ figure: Figure) async throws -> XML {
    let url = FileManager.default.temporaryDirectory.appending(path: "hostile-\(UUID().uuidString).svg")
    defer { try? FileManager.default.removeItem(at: url) }
    try await figure.write(to: url)
    return try XML(try Data(contentsOf: url))
  }

  private static func condensed(_ text: String) -> String {
    text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }

  /// A text as a parser of markup returns it.
  private static func inMarkup(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.replacing("\r\n", with: "\n").unicodeScalars {
      switch scalar.value {
      case 0x0D: result.append("\n")
      case 0x09, 0x0A: result.append(scalar)
      case 0...0x1F, 0x7F...0x9F, 0xFDD0...0xFDEF, 0xFFFE, 0xFFFF: result.append("\u{FFFD}")
      default: result.append(scalar)
      }
    }
    return String(result)
  }

  /// A page without the text of its scripts and styles, which is no markup.
  private static func withoutScripts(_ page: String) -> Data {
    var page = page
    for (start, end) in [("<script>", "</script>"), ("<style>", "</style>")] {
      let parts = page.components(separatedBy: start)
      page = parts[0] + parts.dropFirst().map { part in
        start + end + part.components(separatedBy: end).dropFirst().joined(separator: end)
      }.joined()
    }
    return Data(page.utf8)
  }
}

@Suite("File names") struct FileNamesTests {
  @Test("stay where a text is a good name already") func kept() {
    for text in ["first", "DARTS+", "DARTS-", "tpe (startup 5, gamma 0.2)", "my experiment", "é", "日本語", "v1.2"] {
      #expect(FileNames.name(text) == text)
    }
  }

  @Test("say what can be said, and differ by a digest") func changed() {
    let name = FileNames.name("a/b")
    #expect(name.hasPrefix("a-b-") && name.count == 12 && name == FileNames.name("a/b"))
    #expect(name != FileNames.name("a:b") && name != FileNames.name("a\nb"))
  }

  @Test("are safe and distinct on any file system") func safe() {
    let texts = Hostile.names + Hostile.names.map { $0.uppercased() }
    let names = FileNames.distinct(texts)
    #expect(names.count == texts.count && names == FileNames.distinct(texts))
    #expect(Set(names.map { $0.lowercased().decomposedStringWithCompatibilityMapping }).count == texts.count)
    for name in names {
      #expect(!name.isEmpty && name.utf8.count <= 140, "\(name)")
      let isSafe = name.unicodeScalars.allSatisfy {
        $0.value >= 0x20 && !"/\\:*?\"<>|\u{7F}".unicodeScalars.contains($0)
      }
      #expect(isSafe, "\(name)")
      #expect(!name.hasPrefix(".") && !name.hasPrefix("-") && !name.hasPrefix(" "), "\(name)")
      #expect(!name.hasSuffix(".") && !name.hasSuffix(" "), "\(name)")
      #expect(!["con", "nul"].contains(name.lowercased().prefix { $0 != "." }), "\(name)")
    }
  }

  @Test("that differ in case only, or not at all, get a number") func numbered() {
    #expect(FileNames.distinct(["A", "a", "b"]) == ["A", "a-2", "b"])
    #expect(FileNames.distinct(["x", "x", "x-2"]) == ["x", "x-2", "x-2-2"])
  }
}

@Suite("Numbers that are none") struct NonFiniteTests {
  private static let architecture = Architecture.ID(high: 0, low: 12)

  private func traced() throws -> ExperimentResults {
    let results = try HandMade.results([("m", [steps((1, 0.2))])])
    let method = results.methods[0]
    var run = method.runs[0].result
    run.trace = [
      TracePoint(
        epoch: 1, amount: 2, architecture: Self.architecture,
        values: ["supernet loss": .nan, "supernet accuracy": 0.5], weights: [[.infinity, 0.25]],
        errors: [Self.architecture: -.infinity])
    ]
    return ExperimentResults(
      experiment: results.experiment, tableChecksum: results.tableChecksum,
      methods: [MethodResults(entry: method.entry, title: "M", family: .oneShot, runs: [(0, run)])])
  }

  @Test("of a diverged supernet are empty fields of CSV") func csv() throws {
    #expect(
      String(decoding: try TraceExport.csv.render(traced()), as: UTF8.self) == """
        method,seed,epoch,amount,cell,name,value
        m,0,1,2.0,\(Self.architecture),supernet accuracy,0.5
        m,0,1,2.0,\(Self.architecture),supernet loss,
        m,0,1,2.0,\(Self.architecture),weights.0.0,
        m,0,1,2.0,\(Self.architecture),weights.0.1,0.25

        """)
  }

  @Test("and null in JSON") func json() throws {
    let text = String(decoding: try TraceExport.json.render(traced()), as: UTF8.self)
    #expect(text.contains("\"values\":{\"supernet accuracy\":0.5,\"supernet loss\":null}"))
    #expect(text.contains("\"weights\":[[null,0.25]]") && text.contains("\"errors\":{\"\(Self.architecture)\":null}"))
    #expect(try JSONValue.list([.number(.nan), .text("nan"), 1]).text() == "[null,\"nan\",1]")
  }

  @Test("of regret leave every export well-formed") func regret() throws {
    let point = HandMade(amount: 3, validation: .nan, test: .infinity)
    let runs = RegretRuns(try HandMade.results([("m", [[point], steps((1, 0.2))])]))
    let curves = Curves(runs, gridSize: 3)
    for export in CurveExport.all {
      let data = try export.render(curves)
      if export.fileName.hasSuffix(".csv") {
        #expect(try readCSV(data).allSatisfy { !$0.contains("nan") && !$0.contains("inf") }, "\(export.fileName)")
      } else {
        #expect(try JSONSerialization.jsonObject(with: data) is [String: Any], "\(export.fileName)")
      }
    }
    #expect(try IOHExport(runs).files().count == 2)
  }
}
