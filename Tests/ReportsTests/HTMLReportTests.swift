import Anytime
import Experiments
import Foundation
import Reports
import SearchSpaces
import Statistics
import TabularBenchmark
import Testing

/// An experiment on the embedded table whose runs end at known cells.
private struct Example {
  var name = "example"
  var labels = ["a <b>&\"'", "b"]
  var seeds: [UInt64] = [0, 1]
  /// How many runs of each method are done.
  var runs = [2, 2]
  let table: Table

  init() throws { table = try Table.embedded() }

  func results(checksum: String? = nil) throws -> ExperimentResults {
    let method = Method(name: "m", title: "M", summary: "", citation: "")
    let entries = try labels.map { MethodEntry(label: $0, method: "m", settings: try Settings(method)) }
    let found = [table.id(0), table.id(1)]
    return ExperimentResults(
      experiment: Experiment(name: name, space: "mini", horizon: 100, seeds: seeds, methods: entries),
      tableChecksum: checksum ?? table.checksum,
      methods: zip(entries, runs).map { entry, count in
        MethodResults(
          entry: entry, title: "M", family: .blackbox,
          runs: seeds.prefix(count).map { seed in
            let points = [(10.0, 0.02), (50, 0.01 * Double(seed))].map { amount, regret in
              TrajectoryPoint(
                amount: amount, spent: Spending(seconds: amount, epochs: 9, evaluations: 4),
                architecture: found[Int(seed) % 2], epochs: 9, validationRegret: regret, testRegret: regret,
                finalTrainingSeconds: 0)
            }
            return (
              seed,
              RunResult(
                trajectory: points, spent: Spending(seconds: 90, epochs: 81, evaluations: 9),
                ledger: [
                  RunResult.LedgerTotal(kind: .training, amount: 90, count: 9),
                  RunResult.LedgerTotal(kind: .lost, amount: 10, count: 1),
                ], overheadSeconds: 2e-6)
            )
          })
      })
  }

  func page(_ results: ExperimentResults, vega: VegaLibrary? = nil) throws -> Page {
    let report = HTMLReport(results, registry: Registry([]), table: table, vega: vega)
    return Page(text: String(decoding: try report.render(), as: UTF8.self))
  }
}

/// A page whose text does not fill the screen when a test fails.
private struct Page: Equatable, CustomTestStringConvertible {
  let text: String

  func contains(_ part: String) -> Bool { text.contains(part) }
  func count(_ part: String) -> Int { text.components(separatedBy: part).count - 1 }
  var testDescription: String { "a page of \(text.utf8.count) bytes" }
}

@Suite("The HTML page") struct HTMLReportTests {
  @Test("has every section, and needs nothing from elsewhere") func sections() throws {
    let example = try Example()
    let page = try example.page(try example.results())
    for id in ["summary", "leaderboard", "regret", "cells", "ledger", "settings", "provenance", "reproduce"] {
      #expect(page.contains("<section id=\"\(id)\""), "\(id)")
    }
    for part in ["<link", "src=", "@import", "url(", "<iframe"] { #expect(!page.contains(part), "\(part)") }
    #expect(page.contains("default-src 'none'"))
  }

  @Test("escapes every text that it is given") func escaping() throws {
    let example = try Example()
    let page = try example.page(try example.results())
    #expect(page.contains("a &lt;b&gt;&amp;&quot;&#39;"))
    #expect(!page.contains("a <b>"))
    let text = "<script>&'\""
    let markup: HTML = "<p title=\"\(text)\">\(HTML(markup: "<b>x</b>"))</p>"
    #expect(markup.text == "<p title=\"&lt;script&gt;&amp;&#39;&quot;\"><b>x</b></p>")
    #expect(HTML.json("{\"a\":\"</script>\"}").text == "{\"a\":\"\\u003c/script\\u003e\"}")
  }

  @Test("is the same bytes for the same results") func deterministic() throws {
    let example = try Example()
    #expect(try example.page(try example.results()) == example.page(try example.results()))
  }

  @Test("says a sentence per method, and where its budget went") func content() throws {
    let example = try Example()
    let page = try example.page(try example.results())
    #expect(
      page.contains(
        "reaches 0.500 ± 0.500 percent points, median 0.500 (quartiles 0.250 to 0.750) after 9.0 trainings in 2 runs"))
    #expect(page.contains("1 run ends at zero"))
    #expect(page.contains(">lost at the horizon") || page.contains(" lost at the horizon"))
    #expect(page.contains("<br />90 %</td>") && page.contains("<br />10 %</td>"))
    #expect(page.contains("<td>2 µs</td>"))
  }

  @Test("of an experiment that is not finished says what is missing") func unfinished() throws {
    var example = try Example()
    example.runs = [1, 0]
    let page = try example.page(try example.results())
    #expect(page.contains("3 of 4 runs are not done yet: a &lt;b&gt;&amp;&quot;&#39; seed 1; b seeds 0-1."))
    #expect(page.contains("has no result in 0 runs"))
  }

  @Test("of no run at all is a page still") func empty() throws {
    var example = try Example()
    example.runs = [0, 0]
    #expect(try example.page(try example.results()).contains("No run has a result yet."))
  }

  @Test("draws cells of the very table only") func otherTable() throws {
    let example = try Example()
    #expect(try example.page(try example.results()).contains("<svg class=\"cell\""))
    let page = try example.page(try example.results(checksum: "0123456789abcdef"))
    #expect(!page.contains("<svg class=\"cell\"") && page.contains("is not at hand"))
  }

  @Test("without Vega has tables, open") func tablesOnly() throws {
    let example = try Example()
    let page = try example.page(try example.results())
    #expect(page.contains("<details class=\"values\" open=\"\">") && !page.contains("<script"))
  }

  @Test("has Vega's modules in it, which cannot end the script") func library() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "vega-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    #expect {
      try VegaLibrary(path: folder.path)
    } throws: { "\($0)".contains("apt-get install") && "\($0)".contains("vega-canvas.min.js") }
    let bundle = folder.appending(path: "vega.min.js")
    try Data("var vega = '</script><!--';\n//# sourceMappingURL=vega.min.js.map\n".utf8).write(to: bundle)
    let library = try VegaLibrary(path: bundle.path)
    #expect(library.evaluatesText && library.script.hasSuffix("var vega = '<\\/script><\\!--';\n"))
    let example = try Example()
    let page = try example.page(try example.results(), vega: library)
    #expect(page.count("</script>") == page.count("<script"))
    #expect(page.contains("'unsafe-eval'"))
    #expect {
      try VegaLibrary(path: "/nowhere/vega")
    } throws: { "\($0)".contains("apt-get install libjs-vega") }
  }
}

@Suite("Vega specifications") struct VegaPlotTests {
  @Test("hold the curves, and their methods' fixed colours") func regret() throws {
    let curves = Curves(try Example().results(), gridSize: 5)
    let json = try VegaPlot(regretOf: [curves]).json
    let spec = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    #expect(spec["$schema"] as? String == "https://vega.github.io/schema/vega/v5.json")
    let data = try #require(spec["data"] as? [[String: Any]])
    let lines = try #require(data.first { $0["name"] as? String == "rows" }?["values"] as? [[String: Any]])
    // Of both metrics, medians, means and single runs of two methods.
    #expect(lines.count == 2 * 3 * 2)
    let means = try #require(lines.last { $0["chart"] as? String == "testmeanfinal training free" })
    let ends = ["x", "y", "high"].compactMap { (means[$0] as? [[Double]])?.first?.last }
    #expect(ends == [100, 0.5, 1])
    let runs = try #require(lines.last { $0["chart"] as? String == "testsingle runsfinal training free" })
    // Two runs, each with two incumbents and the horizon, without bands.
    #expect((runs["y"] as? [[Double]])?.map(\.count) == [3, 3] && runs["low"] as? [[Double]] == [[], []])
    #expect(json.components(separatedBy: "\"$").count == 2, "a variable of the template has no value")
  }

  @Test("are the same bytes for the same curves, and an export") func export() throws {
    let curves = Curves(try Example().results(), gridSize: 5)
    let data = try CurveExport.vega.render(curves)
    #expect(try !data.isEmpty && data == CurveExport.vega.render(curves))
    #expect(CurveExport.all.contains { $0.fileName == "curves.vg.json" })
  }

  @Test("templates are filled by value, by splicing, and by leaving out") func templates() throws {
    let template: JSONValue = ["a": "$x", "b": ["$list...", 3], "c": "$none", "d": .null, "e": "$unknown"]
    let filled = template.filled(with: ["x": 1, "list": [1, 2], "none": .null])
    #expect(try filled.text() == "{\"a\":1,\"b\":[1,2,3],\"d\":null,\"e\":\"$unknown\"}")
  }
}

@Suite("Drawings of cells") struct CellDrawingTests {
  @Test("have a box per vertex, a line per edge, and stay in the picture", arguments: [3, 57, 120, 200])
  func drawing(row: Int) throws {
    let cell =
      switch try Table.embedded().architecture(row) {
      case .cell(let cell): cell
      }
    let svg = CellDrawing(cell).svg(description: "a & b").text
    #expect(svg.components(separatedBy: "<rect").count - 1 == cell.vertexCount)
    #expect(svg.components(separatedBy: "<path").count - 1 == cell.edgeCount)
    #expect(svg.contains("aria-label=\"a &amp; b\""))
    #expect(!svg.contains("x=\"-") && !svg.contains("nan"))
  }

  @Test("of cells of search space 3 have no box over another") func overlaps() throws {
    let space = try #require(SearchSpace(named: "3"))
    var random = RandomGenerator(seed: 1, stream: "drawings")
    for _ in 0..<300 {
      let cell = try #require(space.cell(space.sample(using: &random)))
      let boxes = CellDrawing(cell).svg(description: "").text.matches(
        of: /<rect class="[a-z]+" x="([0-9.]+)" y="([0-9.]+)"/
      ).compactMap { match in Double(match.1).flatMap { x in Double(match.2).map { (x, $0) } } }
      #expect(boxes.count == cell.vertexCount)
      for (index, box) in boxes.enumerated() {
        #expect(boxes[..<index].allSatisfy { abs($0.1 - box.1) > 24 || abs($0.0 - box.0) > 88 }, "\(cell)")
      }
    }
  }
}
