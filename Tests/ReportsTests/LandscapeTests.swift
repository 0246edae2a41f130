import Foundation
import Reports
import SearchSpaces
import TabularBenchmark
import Testing

@Suite("Landscapes") struct LandscapeTests {
  /// Every cell of the mini space: accuracy follows depth, seconds are a line in the work.
  static func table(hasSeconds: Bool = true) throws -> Table {
    let url = FileManager.default.temporaryDirectory.appending(path: "landscape-\(UUID().uuidString).table")
    defer { try? FileManager.default.removeItem(at: url) }
    let writer = try TableWriter(destination: url)
    for cell in SearchSpace.mini.uniqueCells() {
      let work = 1_000 * (1 + cell.edgeCount)
      let row = writer.add(.cell(cell), multiplyAccumulates: Int64(work))
      for epochs in [2, 6] {
        let accuracy = Float(0.5 + 0.0625 * Double(cell.depth) + Double(epochs) / 64)
        try writer.append(
          Measurement(
            final: .init(
              seconds: hasSeconds ? Float(0.5 + 0.25 * Double(work * epochs)) : .nan, trainAccuracy: accuracy,
              validationAccuracy: accuracy, testAccuracy: accuracy)), row: row, epochs: epochs)
      }
    }
    try writer.finish(provenance: [:])
    return try Table(contentsOf: url)
  }

  private static func cell(_ row: Int, _ table: Table) -> Cell {
    switch table.architecture(row) {
    case .cell(let cell): cell
    }
  }

  @Test("groups, correlations and the best") func whole() throws {
    let table = try Self.table()
    let landscape = Landscape(table)
    #expect(landscape.depths.map(\.architectures).reduce(0, +) == table.rowCount)
    for group in landscape.depths {
      #expect(abs(group.accuracy - (0.5 + 0.0625 * Double(group.count) + 6.0 / 64)) < 1e-6)
    }
    for (_, groups) in landscape.operations {
      #expect(groups.map(\.count) == [0, 1, 2, 3])
      #expect(groups.map(\.architectures).reduce(0, +) == table.rowCount)
    }
    let correlations = landscape.fidelityCorrelations
    #expect(correlations.count == 1 && correlations[0].low == 2 && correlations[0].high == 6)
    #expect(abs(correlations[0].correlation - 1) < 1e-12)
    let depths = landscape.best.map { Self.cell($0, table).depth }
    #expect(depths == depths.sorted(by: >) && Set(landscape.best).count == table.rowCount)
  }

  @Test("the picture shows the best cells, a box per vertex") func picture() async throws {
    let table = try Self.table()
    let figure = try LandscapePlot(table).figure()
    #expect(figure.panels.suffix(3).map(\.title) == ["Best cell", "Second best", "Third best"])
    for (panel, row) in zip(figure.panels.suffix(3), Landscape(table).best) {
      #expect(panel.caption.contains("\(table.id(row))"))
      let boxes = panel.commands.components(separatedBy: "set object rectangle").count - 1
      #expect(boxes == Self.cell(row, table).vertexCount)
    }
    let url = FileManager.default.temporaryDirectory.appending(path: "landscape-\(UUID().uuidString).svg")
    defer { try? FileManager.default.removeItem(at: url) }
    try await figure.write(to: url)
    let svg = try String(contentsOf: url, encoding: .utf8)
    #expect(svg.contains("Third best") && svg.contains("3×3 conv"))
  }

  @Test("without training seconds have none, and no panel of them") func noSeconds() throws {
    let table = try Self.table(hasSeconds: false)
    let landscape = Landscape(table)
    let groups = landscape.depths + landscape.operations.flatMap(\.groups)
    #expect(!groups.isEmpty && groups.allSatisfy { $0.seconds == nil && $0.accuracy > 0.5 })
    #expect(Landscape(try Self.table()).depths.allSatisfy { ($0.seconds ?? 0) > 0 })
    let panels = try LandscapePlot(table).figure().panels
    #expect(panels.contains { $0.title == "Accuracy" } && !panels.contains { $0.title == "Accuracy and time" })
    #expect(panels.suffix(3).allSatisfy { !$0.caption.contains(" s, ") })
  }

  @Test("neighbours are alike, and far cells are not") func locality() throws {
    let benchmark = try Benchmark(table: Self.table(), space: .mini)
    let walk = Landscape.autocorrelation(benchmark, distances: [0, 1, 30], steps: 20_000)
    #expect(walk.map(\.distance) == [1, 30])
    #expect(walk[0].correlation > 0.3 && abs(walk[1].correlation) < 0.1)
  }
}
