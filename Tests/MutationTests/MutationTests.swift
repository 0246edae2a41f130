import Anytime
import Blackbox
import Experiments
import Foundation
import OptimizerConformance
import Reports
import SearchSpaces
import TabularBenchmark
import TestSupport
import Testing

/// Files that are damaged or made up to do damage: each is read, or refused with a sentence. A trap ends the tests.
@Suite("Damaged files", .timeLimit(.minutes(60))) struct MutationTests {
  let folder: URL

  init() throws {
    // In memory, where there is such a folder: a hundred thousand files are written.
    let parent = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : NSTemporaryDirectory()
    folder = URL(filePath: parent).appending(path: "mutation-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  private func remove() { try? FileManager.default.removeItem(at: folder) }

  /// Counts what was refused, each with one sentence, and what was read all the same.
  private struct Tally {
    var read = 0
    var refused = 0

    mutating func attempt(_ body: () throws -> Void) {
      do {
        try body()
        read += 1
      } catch {
        refused += 1
        let sentence = "\(error)"
        #expect(!sentence.isEmpty && !sentence.contains("\n"), "\(sentence)")
      }
    }
  }

  @Test("tables, with checksums as they were or mended") func tables() throws {
    defer { remove() }
    let url = folder.appending(path: "t.table")
    let sound = try Array(tableBytes())
    var mutator = Mutator(seed: 1)
    var tally = Tally()
    for number in 0..<Mutator.rounds {
      var bytes = mutator.mutated(sound, header: 1_024)
      if number % 2 == 0 { TableChecksums.mend(&bytes) }
      try Data(bytes).write(to: url)
      tally.attempt {
        let table = try Table(contentsOf: url)
        try table.verify()
        for row in 0..<min(table.rowCount, 3) {
          let architecture = table.architecture(row)
          _ = "\(architecture) \(table.id(row))"
          switch architecture {
          case .cell(let cell): _ = cell.depth
          }
        }
        let benchmark = try Benchmark(table: table, space: .mini, holes: number % 4 < 2 ? .skip : .refuse)
        _ = SpaceReference(benchmark, policy: .fair)
        if number % 16 == 0 { _ = Landscape(table) }
        // The least budget: whatever the seconds are, a run ends.
        _ = try run(RandomSearch(settings: Settings(RandomSearch.method)), on: benchmark, policy: .fair,
          horizon: benchmark.leastSeconds.seconds * 20, seed: 0)
      }
    }
    #expect(tally.refused > tally.read)
    #expect(peakMemory() < 1 << 30)
  }

  @Test("run stores: their pages, and values that nobody would have written") func stores() async throws {
    defer { remove() }
    let url = folder.appending(path: "s.sqlite")
    let benchmark = try OptimizerConformance.benchmark()
    let registry = Registry(blackboxMethods)
    let experiment = try Experiment(
      parts: ["name": "e", "space": "mini", "horizon": "600", "seeds": "3"],
      methods: ["random-search", "hyperband", "random-search:seeds=1,label=other"], registry: registry)
    try await store(experiment, benchmark, registry, at: url)
    let sound = try Array(Data(contentsOf: url))
    var mutator = Mutator(seed: 2)
    var tally = Tally()
    for number in 0..<Mutator.rounds {
      try Data(mutator.mutated(sound, header: 4_096)).write(to: url)
      tally.attempt {
        let store = try RunStore(reading: url.path, registry: registry)
        for stored in try store.experiments() {
          let results = try store.results(of: stored, registry: registry)
          let runs = RegretRuns(results)
          _ = Leaderboard(runs).text
          guard number % 20 == 0 else { continue }
          _ = try HTMLReport(results, registry: registry, table: benchmark.table, vega: nil).render()
        }
      }
    }
    #expect(tally.refused > 0)
    #expect(peakMemory() < 1 << 30)
  }

  @Test("run stores that are merged with a sound one") func merges() async throws {
    defer { remove() }
    let (url, whole, output) = (
      folder.appending(path: "s.sqlite"), folder.appending(path: "whole.sqlite"), folder.appending(path: "all.sqlite")
    )
    let registry = Registry(blackboxMethods)
    let experiment = try Experiment(
      parts: ["name": "e", "space": "mini", "horizon": "600", "seeds": "3"], methods: ["random-search", "hyperband"],
      registry: registry)
    try await store(experiment, try OptimizerConformance.benchmark(), registry, at: whole)
    let sound = try Array(Data(contentsOf: whole))
    var mutator = Mutator(seed: 5)
    var tally = Tally()
    // A merge writes a file to disk each time.
    for _ in 0..<Mutator.rounds / 10 {
      try Data(mutator.mutated(sound, header: 4_096)).write(to: url)
      tally.attempt {
        _ = try RunStore.merge([url.path, whole.path], into: output.path, several: true, registry: registry)
      }
      try? FileManager.default.removeItem(at: output)
    }
    #expect(tally.refused > 0 && tally.read > 0)
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    #expect(names == ["s.sqlite", "whole.sqlite"], "nothing is left behind")
    #expect(try Array(Data(contentsOf: whole)) == sound)
  }

  private func store(_ experiment: Experiment, _ benchmark: Benchmark, _ registry: Registry, at url: URL) async throws {
    let store = try RunStore(path: url.path, registry: registry)
    let runner = try Runner(experiment: experiment, benchmark: benchmark, registry: registry, store: store)
    try await runner.run(threads: 1)
  }

  @Test("experiment files") func experiments() throws {
    defer { remove() }
    let registry = Registry(blackboxMethods)
    let sound = Array(
      """
      name: e
      table: &t embedded
      space: mini
      policy: {base: fair, resume: true}
      horizon: 10min
      seeds: [1, 2, 3]
      methods:
        - random-search
        - regularized-evolution: &r {population: 20, sample: 5}
        - regularized-evolution: {<<: *r, label: 'b', seeds: 2-5}

      """.utf8)
    var mutator = Mutator(seed: 3)
    var tally = Tally()
    for _ in 0..<Mutator.rounds {
      let text = String(decoding: mutator.mutated(sound, header: sound.count), as: UTF8.self)
      tally.attempt { _ = try Experiment(yaml: text, file: "e.yaml", registry: registry) }
    }
    #expect(tally.refused > 0 && tally.read > 0)
  }

  @Test("text and TFRecord files to import") func imports() throws {
    defer { remove() }
    let tableFile = folder.appending(path: "t.table")
    try tableBytes().write(to: tableFile)
    let table = try Table(contentsOf: tableFile)
    let csv = folder.appending(path: "t.csv")
    let lines = folder.appending(path: "t.jsonl")
    try TableText.write(table, to: csv, as: .csv)
    try TableText.write(table, to: lines, as: .jsonl)
    var mutator = Mutator(seed: 4)
    var tally = Tally()
    for (url, format) in [(csv, PlainImporter.Format.csv), (lines, .jsonl)] {
      let text = try String(contentsOf: url, encoding: .utf8).split(separator: "\n").prefix(12).joined(separator: "\n")
      for _ in 0..<Mutator.rounds {
        try Data(mutator.mutated(Array(text.utf8), header: 400)).write(to: url)
        tally.attempt {
          _ = try PlainImporter.importTable(from: url, to: folder.appending(path: "out.table"), as: format)
        }
      }
    }
    #expect(tally.refused > 0 && tally.read > 0)
    #expect(peakMemory() < 1 << 30)
  }

  /// A table of the mini space.
  private func tableBytes() throws -> Data {
    let table = try OptimizerConformance.benchmark().table
    let url = folder.appending(path: "sound.table")
    let writer = try TableWriter(destination: url)
    for row in 0..<table.rowCount {
      let number = writer.add(table.architecture(row), parameters: 10, multiplyAccumulates: 20)
      for (fidelity, epochs) in table.epochs.enumerated() {
        for repeated in 0..<table.repeats {
          func value(_ metric: Metric) -> Float {
            Float(table.value(metric, row: row, epochs: fidelity, repeat: repeated) ?? .nan)
          }
          try writer.append(
            Measurement(
              final: .init(
                seconds: value(.seconds), trainAccuracy: value(.trainAccuracy),
                validationAccuracy: value(.validationAccuracy), testAccuracy: value(.testAccuracy))),
            row: number, epochs: epochs)
        }
      }
    }
    try writer.finish(provenance: ["source": "made up"])
    return try Data(contentsOf: url)
  }
}

/// Makes the checksums of a table's bytes right, as far as the bytes still say where the sections are.
private enum TableChecksums {
  static func mend(_ bytes: inout [UInt8]) {
    guard bytes.count >= 64 else { return }
    func number(_ offset: Int, _ width: Int) -> Int {
      Int(truncatingIfNeeded: bytes[offset..<offset + width].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    }
    func store(_ crc: UInt32, _ offset: Int) {
      for index in 0..<4 { bytes[offset + index] = UInt8(truncatingIfNeeded: crc >> UInt32(8 * index)) }
    }
    let size = UInt64(bytes.count)
    for index in 0..<8 { bytes[32 + index] = UInt8(truncatingIfNeeded: size >> UInt64(8 * index)) }
    let count = number(12, 4)
    guard count < 64, 64 + 48 * count <= bytes.count else { return }
    for section in 0..<count {
      let entry = 64 + 48 * section
      let (offset, length) = (number(entry + 24, 8), number(entry + 32, 8))
      guard offset >= 0, length >= 0, offset <= bytes.count, length <= bytes.count - offset else { continue }
      store(bytes[offset..<offset + length].withUnsafeBytes { crc32c($0) }, entry + 40)
    }
    let head = bytes[..<56].withUnsafeBytes { crc32c($0) }
    store(bytes[64..<64 + 48 * count].withUnsafeBytes { crc32c($0, head) }, 56)
  }
}
