import Foundation
import SearchSpaces
import TabularBenchmark
import Testing

/// A folder that is gone after the test.
struct Scratch: ~Copyable {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "anytime-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func file(_ name: String) -> URL { url.appending(path: name) }

  var files: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []).sorted() }
}

@Suite("Tables") struct TableTests {
  /// Two epoch counts, two repeats, no test accuracy at the lower count.
  private func write(_ url: URL, cells: [Cell]) throws {
    let writer = try TableWriter(destination: url)
    for (index, cell) in cells.enumerated() {
      let row = writer.add(.cell(cell), parameters: Int64(100 + index))
      for epochs in [6, 2] {
        for number in 0..<2 {
          try writer.append(
            Measurement(
              final: .init(
                seconds: Float(epochs), validationAccuracy: Float(index * 2 + number) / 1_000,
                testAccuracy: epochs == 6 ? 0.5 : .nan)), row: row, epochs: epochs)
        }
      }
    }
    try writer.finish(provenance: ["source": "test"])
  }

  @Test("give back every value that was written, and nothing for what was not") func roundTrip() throws {
    let scratch = try Scratch()
    let cells = SearchSpace.mini.uniqueCells()
    try write(scratch.file("t.table"), cells: cells)
    let table = try Table(contentsOf: scratch.file("t.table"))
    try table.verify()
    #expect(table.rowCount == cells.count && table.epochs == [2, 6] && table.repeats == 2)
    #expect(table.provenance == ["source": "test"])
    for (index, cell) in cells.enumerated() {
      let row = try #require(table.row(of: .cell(cell)))
      #expect(table.row(of: cell.hash) == row)
      #expect(table.id(row) == cell.hash && table.architecture(row) == .cell(cell))
      #expect(table.parameterCount(row) == 100 + index)
      for number in 0..<2 {
        let value = try #require(table.value(.validationAccuracy, row: row, epochs: 1, repeat: number))
        #expect(Float(value) == Float(index * 2 + number) / 1_000)
      }
      #expect(table.value(.testAccuracy, row: row, epochs: 0, repeat: 0) == nil)
      #expect(table.value(.trainAccuracy, row: row, epochs: 0, repeat: 0) == nil)
      #expect(table.value(.validationAccuracy, .halfway, row: row, epochs: 0, repeat: 0) == nil)
    }
    #expect(table.multiplyAccumulates(0) == nil)
    #expect(!table.has(.trainAccuracy) && table.has(.testAccuracy))
    #expect(scratch.files == ["t.table"])
  }

  @Test("have equal means where repeats have the same sum, though single precision tells their own means apart")
  func means() throws {
    let scratch = try Scratch()
    let repeats: [[Float]] = [[0.8583, 0.8577, 0.8580], [0.8564, 0.8595, 0.8581], [0.8581, 0.8564, 0.8595]]
    let writer = try TableWriter(destination: scratch.file("t.table"))
    for (cell, accuracies) in zip(SearchSpace.mini.uniqueCells(), repeats) {
      let row = writer.add(.cell(cell))
      for accuracy in accuracies {
        try writer.append(
          Measurement(final: .init(seconds: accuracy, validationAccuracy: accuracy, testAccuracy: accuracy / 3)),
          row: row, epochs: 1)
      }
    }
    try writer.finish(provenance: [:])
    let table = try Table(contentsOf: scratch.file("t.table"))
    let rows = 0..<table.rowCount
    #expect(rows.map { table.mean(.validationAccuracy, row: $0, epochs: 0) } == [0.858, 0.858, 0.858])
    #expect(Set(rows.map { table.mean(.testAccuracy, row: $0, epochs: 0) }) == [0.286])
    // Seconds are as they were measured.
    #expect(Set(rows.map { table.mean(.seconds, row: $0, epochs: 0) }).count > 1)
  }

  @Test("find no row for a cell that they do not hold") func strangers() throws {
    let scratch = try Scratch()
    let cells = SearchSpace.oneShot1.uniqueCells()
    try write(scratch.file("t.table"), cells: Array(cells.prefix(100)))
    let table = try Table(contentsOf: scratch.file("t.table"))
    for cell in cells.dropFirst(100) {
      #expect(table.row(of: .cell(cell)) == nil)
      #expect(table.row(of: cell.hash) == nil)
    }
    #expect(throws: TableError.self) { _ = try Benchmark(table: table, space: .oneShot1) }
  }

  @Test("notice any changed byte") func damage() throws {
    let scratch = try Scratch()
    let url = scratch.file("t.table")
    try write(url, cells: SearchSpace.mini.uniqueCells())
    let sound = try Data(contentsOf: url)
    for offset in stride(from: 8, to: sound.count, by: 997) {
      var damaged = sound
      damaged[offset] ^= 0x40
      try damaged.write(to: url)
      // A byte between sections belongs to nothing.
      let isPadding: Bool
      do {
        let table = try Table(contentsOf: url)
        do {
          try table.verify()
          isPadding = true
        } catch { isPadding = false }
      } catch { isPadding = false }
      #expect(!isPadding || sound[offset] == 0)
    }
    try sound.dropLast(1).write(to: url)
    #expect(throws: TableError.truncated(url.path, expected: sound.count, found: sound.count - 1)) {
      _ = try Table(contentsOf: url)
    }
  }

  @Test("say what a wrong file is") func wrongFiles() throws {
    let scratch = try Scratch()
    func message(_ name: String, _ bytes: [UInt8]) throws -> String {
      let url = scratch.file(name)
      try Data(bytes).write(to: url)
      do {
        _ = try Table(contentsOf: url)
        return ""
      } catch { return error.description.replacing(url.path, with: name) }
    }
    let record = TFRecordReader.frame(Array("[\"00\"]".utf8))
    #expect(
      try message("nasbench.tfrecord", record)
        == "nasbench.tfrecord is no AnytimeNAS table: it is a TFRecord file; "
        + "convert it with 'anytime table import nasbench.tfrecord'")
    #expect(
      try message("a.csv", Array("hash,epochs\n".utf8))
        == "a.csv is no AnytimeNAS table: it is text; convert it with 'anytime table import a.csv'")
    #expect(try message("empty", []) == "empty is no AnytimeNAS table: the file is empty")
    #expect(throws: TableError.self) { _ = try Table(contentsOf: scratch.file("absent.table")) }
  }

  @Test("are not written at all if nothing was measured") func empty() throws {
    let scratch = try Scratch()
    #expect(throws: TableError.self) {
      let writer = try TableWriter(destination: scratch.file("t.table"))
      try writer.finish(provenance: [:])
    }
    #expect(scratch.files.isEmpty)
  }

  @Test("CRC-32C gives the published check value, with the processor's instruction and without") func crc() {
    for crc in [{ crc32c($0, $1) }, { crc32cByTable($0, $1) }] as [(UnsafeRawBufferPointer, UInt32) -> UInt32]
    {
      // RFC 3720, B.4: 32 bytes of zeros; and the usual check of "123456789", whole and in two parts.
      #expect([UInt8](repeating: 0, count: 32).withUnsafeBytes { crc($0, 0) } == 0x8a91_36aa)
      let digits = Array("123456789".utf8)
      #expect(digits.withUnsafeBytes { crc($0, 0) } == 0xe306_9283)
      let start = digits[..<3].withUnsafeBytes { crc($0, 0) }
      #expect(digits[3...].withUnsafeBytes { crc($0, start) } == 0xe306_9283)
      #expect(crc(UnsafeRawBufferPointer(start: nil, count: 0), start) == start)
    }
  }

  @Test("the embedded table holds all of search space 1, and of the mini space within") func embedded() throws {
    let table = try Table.embedded()
    try table.verify()
    for space in [SearchSpace.oneShot1, .mini] {
      let benchmark = try Benchmark(table: table, space: space)
      #expect(benchmark.rows.count == space.architectures().count)
      #expect(benchmark.bestTest != nil)
    }
    for row in 0..<table.rowCount {
      for fidelity in table.epochs.indices {
        #expect(table.repeatCount(row: row, epochs: fidelity) == table.repeats)
      }
    }
  }
}
