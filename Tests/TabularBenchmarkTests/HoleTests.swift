import Foundation
import SearchSpaces
import Statistics
import TabularBenchmark
import Testing

/// Tables of the mini space in which some training lacks something.
@Suite("Tables with holes, impossible numbers, or damage") struct HoleTests {
  private typealias Change = (
    _ measurement: inout TabularBenchmark.Measurement, _ row: Int, _ epochs: Int, _ number: Int
  ) -> Bool

  /// - Parameter change: Changes a training; returns whether it is written.
  private func table(_ change: Change) throws -> (table: Table, url: URL) {
    let url = FileManager.default.temporaryDirectory.appending(path: "holes-\(UUID().uuidString).table")
    let writer = try TableWriter(destination: url)
    for (index, architecture) in SearchSpace.mini.architectures().enumerated() {
      let row = writer.add(architecture)
      for epochs in [2, 6] {
        for number in 0..<3 {
          let value = 0.5 + 0.001 * Float(number)
          var measurement = TabularBenchmark.Measurement(
            final: .init(seconds: Float(epochs), trainAccuracy: value, validationAccuracy: value, testAccuracy: value))
          if change(&measurement, index, epochs, number) { try writer.append(measurement, row: row, epochs: epochs) }
        }
      }
    }
    try writer.finish(provenance: [:])
    return (try Table(contentsOf: url), url)
  }

  private func message(_ holes: Benchmark.Holes = .refuse, _ change: Change) throws -> String {
    let (table, url) = try table(change)
    defer { try? FileManager.default.removeItem(at: url) }
    do {
      _ = try Benchmark(table: table, space: .mini, holes: holes)
      return "no error"
    } catch { return "\(error)" }
  }

  @Test("a whole table is taken, also one with fewer repeats at some epoch count") func whole() throws {
    let whole: Change = { _, _, _, _ in true }
    let fewer: Change = { _, _, epochs, number in epochs == 2 || number == 0 }
    for change in [whole, fewer] { #expect(try message(.refuse, change) == "no error") }
  }

  @Test("a training that lacks a number is named, and left out where that is asked for") func lacking() throws {
    let cuts: [(String, (inout TabularBenchmark.Measurement) -> Void)] = [
      ("validation accuracy", { $0.final.validationAccuracy = .nan }),
      ("test accuracy", { $0.final.testAccuracy = .nan }), ("training seconds", { $0.final.seconds = .nan }),
    ]
    for (name, cut) in cuts {
      let change: Change = { measurement, row, epochs, number in
        if row == 5, epochs == 6, number == 0 { cut(&measurement) }
        return true
      }
      let text = try message(.refuse, change)
      #expect(
        text.contains("1 training of search space mini lacks a number, the first \(name) (architecture "), "\(text)")
      #expect(text.contains("6 epochs, repeat 0); complete the table, or leave such trainings out with '--holes skip'"))
      let (table, url) = try table(change)
      defer { try? FileManager.default.removeItem(at: url) }
      let benchmark = try Benchmark(table: table, space: .mini, holes: .skip)
      #expect(benchmark.bestTest != nil, "one cell does not change the metric")
      let row = try #require(table.row(of: SearchSpace.mini.architectures()[5]))
      var random = RandomGenerator(seed: 1)
      let drawn = (0..<200).map { _ in benchmark.drawRepeat(row: row, fidelity: 1, using: &random) }
      #expect(Set(drawn) == [1, 2])
      #expect(Set((0..<200).map { _ in benchmark.drawRepeat(row: row, fidelity: 0, using: &random) }) == [0, 1, 2])
    }
  }

  @Test("a cell without any training of an epoch count is refused either way") func untrained() throws {
    for holes in Benchmark.Holes.allCases {
      let change: Change = { _, row, epochs, _ in row != 9 || epochs != 2 }
      let text = try message(holes, change)
      #expect(
        text.contains("1 architecture of search space mini has no whole training of 2 epochs, the first "), "\(text)")
    }
  }

  @Test("times that no budget can be made of are refused with the row", arguments: [0, Float.infinity])
  func seconds(value: Float) throws {
    // A table that holds an infinite time is damaged already.
    let (table, url) = try table { measurement, row, epochs, number in
      if row == 7, epochs == 2, number == 1 { measurement.final.seconds = value }
      return true
    }
    defer { try? FileManager.default.removeItem(at: url) }
    if value.isInfinite {
      #expect(throws: TableError.damaged(url.path, section: "section 'final.seconds'")) { try table.verify() }
    }
    let error = #expect(throws: TableError.self) { try Benchmark(table: table, space: .mini) }
    #expect("\(error.map { "\($0)" } ?? "")".contains("for 2 epochs, repeat 1, took"))
  }

  @Test("a change of any byte of the content is noticed, or changes the checksum") func bytes() throws {
    let (table, url) = try table { _, _, _, _ in true }
    defer { try? FileManager.default.removeItem(at: url) }
    try table.verify()
    let sound = try Array(Data(contentsOf: url))
    var random = RandomGenerator(seed: 3)
    for _ in 0..<300 {
      var bytes = sound
      bytes[random.below(bytes.count)] ^= UInt8(1 + random.below(255))
      try Data(bytes).write(to: url)
      #expect(throws: TableError.self) { try Table(contentsOf: url).verify() }
    }
  }

  @Test("a file that is written to while it is mapped is noticed, one that is renamed over is not missed")
  func changed() throws {
    let (table, url) = try table { _, _, _, _ in true }
    defer { try? FileManager.default.removeItem(at: url) }
    let sound = try Data(contentsOf: url)
    try table.checkUnchanged()
    try sound.write(to: url, options: .atomic)
    try table.checkUnchanged()
    try table.verify()
    let again = try Table(contentsOf: url)
    let handle = try FileHandle(forWritingTo: url)
    try handle.seekToEnd()
    try handle.write(contentsOf: Data([1]))
    try handle.close()
    #expect(throws: TableError.changed(url.path)) { try again.checkUnchanged() }
  }
}
