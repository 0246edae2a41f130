import CellNetworks
import Foundation
import SearchSpaces
import TableBuilder
import TabularBenchmark
import Tensor
import Testing

@Suite("Table builder", .serialized) struct TableBuilderTests {
  static let cells = [
    "011|001|000 input,conv3x3-bn-relu,output", "010|001|000 input,maxpool3x3,output", "01|00 input,output",
  ].compactMap { Cell($0) }

  static func settings(learningRate: Double = 0.05, seed: UInt64 = 0) -> BuildSettings {
    BuildSettings(
      dataset: DatasetTests.settings(parts: (100, 50, 40), downscale: 2, seed: seed),
      network: NetworkSettings(channels: 3),
      training: TrainingSettings(batchSize: 25, learningRate: learningRate), epochs: [1, 2], repeats: 2,
      seed: seed)
  }

  /// A small data set and a folder for logs.
  struct Build {
    let images: ImageFolder
    let logs: ImageFolder
    let dataset: Dataset
    let header: BuildHeader
    var folder: BuildFolder { BuildFolder(path: logs.path) }

    init(_ settings: BuildSettings = settings()) throws {
      images = try ImageFolder()
      try images.writeLearnable(training: 150, test: 40)
      logs = try ImageFolder()
      dataset = try Dataset(settings.dataset, folder: images.path)
      header = BuildHeader(settings: settings, dataChecksum: dataset.checksum)
    }

    func work(_ index: Int, of count: Int, atMost limit: Int = .max) throws {
      var left = limit
      try Worker(folder: folder, header: header, index: index, count: count).run(cells, dataset: dataset) {
        left -= 1
        return left < 0
      }
    }

    func records() throws -> [TrainingRecord] { try folder.read()?.records ?? [] }

    func log(_ index: Int, of count: Int) -> URL {
      URL(filePath: "\(logs.path)/worker-\(index)-of-\(count).jsonl")
    }

    func add(_ text: String, to url: URL) throws {
      let handle = try FileHandle(forWritingTo: url)
      try handle.seekToEnd()
      try handle.write(contentsOf: Data(text.utf8))
      try handle.close()
    }
  }

  /// Everything but the seconds.
  static func results(_ records: [TrainingRecord]) -> [String] {
    records.map {
      let (a, b) = ($0.halfway, $0.final)
      let numbers = [a.train, a.validation, a.test, b.train, b.validation, b.test]
      return "\($0.cell) \($0.epochs) \($0.number) \(numbers)"
    }
  }

  @Test("the same numbers come out of any number of workers, however often interrupted") func resuming()
    throws
  {
    let whole = try Build()
    try whole.work(0, of: 1)
    let expected = Self.results(try whole.records())
    #expect(expected.count == 3 * 2 * 2)

    let parts = try Build()
    try parts.work(1, of: 2, atMost: 2)
    #expect(try parts.records().count == 2)
    for index in 0..<3 { try parts.work(index, of: 3, atMost: 1) }
    for index in 0..<2 { try parts.work(index, of: 2) }
    #expect(try Self.results(parts.records()) == expected)
    // Nothing is left to do.
    try parts.work(0, of: 1)
    #expect(!FileManager.default.fileExists(atPath: parts.log(0, of: 1).path))
  }

  @Test("repeats differ, cells differ, and a record says what it cost") func records() throws {
    let build = try Build()
    try build.work(0, of: 1)
    let records = try build.records()
    for record in records {
      #expect(0 < record.halfway.seconds && record.halfway.seconds < record.final.seconds)
      #expect((0...1).contains(record.final.validation) && !record.diverged)
      #expect(record.parameters > 0 && record.multiplyAccumulates > 0)
    }
    let pairs = Dictionary(grouping: records) { "\($0.cell) \($0.epochs)" }.values
    #expect(pairs.contains { $0[0].final != $0[1].final })
    // A max-pool has no parameters and counts no multiplications: two of the three cost the same.
    #expect(Set(records.map(\.parameters)).count == 2)
  }

  @Test("a line that a crash cut off is done again") func tornLine() throws {
    let build = try Build()
    try build.work(0, of: 1, atMost: 3)
    let expected = Self.results(try build.records())
    try build.add(#"{"cell":"01|00 inp"#, to: build.log(0, of: 1))
    #expect(try Self.results(build.records()) == expected)
    try build.work(0, of: 1)
    #expect(try build.records().count == 12)
    // Also if nothing but half a header was written.
    let other = try Build()
    try Data(#"{"dataCh"#.utf8).write(to: other.log(0, of: 1))
    try other.work(0, of: 1, atMost: 1)
    #expect(try other.records().count == 1)
  }

  @Test("a log that another worker still writes is left alone") func locking() throws {
    let build = try Build()
    var refusals: [String] = []
    var turns = 0
    let worker = Worker(folder: build.folder, header: build.header, index: 0, count: 1)
    try worker.run(Self.cells, dataset: build.dataset) {
      turns += 1
      // As after a build whose workers outlived it: the same share again, and one of another division.
      if turns == 2 {
        for (index, count) in [(0, 1), (0, 2)] {
          do { try build.work(index, of: count) } catch { refusals.append("\(error)") }
        }
      }
      return false
    }
    let refusal =
      "\(build.log(0, of: 1).path) is being written by another worker; try again when it has ended"
    #expect(refusals == [refusal, refusal])
    #expect(try build.records().count == 12)
  }

  @Test("a training that diverged is kept as it is") func divergence() throws {
    let build = try Build(Self.settings(learningRate: 1e30))
    try build.work(0, of: 1)
    let records = try build.records()
    #expect(records.count == 12)
    #expect(records.allSatisfy { $0.diverged })
    #expect(records.allSatisfy { (0...1).contains($0.final.test) })
  }

  @Test("errors name file and line") func errors() throws {
    let build = try Build()
    try build.work(0, of: 1, atMost: 2)
    let log = build.log(0, of: 1)
    let good = try Data(contentsOf: log)
    func text(_ body: () throws -> Void) -> String {
      do { try body() } catch { return "\(error)" }
      return ""
    }

    let lines = String(decoding: good, as: UTF8.self).split(separator: "\n").map(String.init)
    try build.add(lines[1] + "\n", to: log)
    #expect(
      text { _ = try build.folder.read() }
        == "\(log.path), line 4: this training of \(Self.cells[0]) is in the "
        + "folder twice; delete one of them")
    try good.write(to: log)
    try build.add("{}\n", to: log)
    #expect(
      text { _ = try build.folder.read() }
        == "\(log.path), line 4: this is no training; delete the line to have it done again")
    try good.write(to: log)

    let header = BuildHeader(settings: Self.settings(seed: 1), dataChecksum: build.dataset.checksum)
    let mixed = text {
      try Worker(folder: build.folder, header: header, index: 0, count: 1).run(
        Self.cells, dataset: build.dataset)
    }
    #expect(mixed.hasPrefix("\(build.logs.path) was made with other settings"))
    try Data((lines[0].replacing(#""seed":0,"training""#, with: #""seed":1,"training""#) + "\n").utf8)
      .write(to: build.log(1, of: 2))
    #expect(text { _ = try build.folder.read() }.hasPrefix("\(build.log(1, of: 2).path) was made with other"))
  }

  @Test("logs become a table with all numbers and where they come from") func merging() throws {
    let build = try Build()
    for index in 0..<2 { try build.work(index, of: 2) }
    let url = URL(filePath: build.logs.path + "/x.table")
    let summary = try MergedTable.write([build.folder], to: url, command: "a test", machine: "any")
    #expect(summary.cells == 3 && summary.trainings == 12 && summary.incompleteCells == 0)
    let table = try Table(contentsOf: url)
    #expect(table.epochs == [1, 2] && table.repeats == 2 && table.rowCount == 3)
    let record = try #require(try build.records().first { $0.epochs == 2 && $0.number == 1 })
    let row = try #require(table.row(of: try Cell(text: record.cell).hash))
    let value = try #require(table.value(.testAccuracy, row: row, epochs: 1, repeat: 1))
    #expect(abs(value - record.final.test) < 1e-6)
    #expect(table.provenance["command"] == "a test")
  }

  @Test("a folder that was timed again makes a table of those seconds") func timing() throws {
    let build = try Build()
    try build.work(0, of: 1)
    let url = URL(filePath: build.logs.path + "/x.table")
    func merge() throws -> Table {
      _ = try MergedTable.write([build.folder], to: url, command: "", machine: "")
      return try Table(contentsOf: url)
    }
    #expect(try merge().provenance["seconds"] == "CPU seconds of the training steps, one thread")
    var timing = Timing(folder: build.folder)
    timing.steps = 3
    var measured: [Int] = []
    try timing.run(data: build.images.path) { done, all in measured.append(done) }
    #expect(measured == Array(1...18))

    // Killed in the middle of the last line: nothing is merged before it is done.
    let log = URL(filePath: build.logs.path + "/steps.timing")
    let whole = try Data(contentsOf: log)
    try whole.dropLast(5).write(to: log)
    let error = #expect(throws: BuildError.self) { try merge() }
    #expect(error?.description.contains("go on with 'anytime table time") == true)
    try timing.run(data: build.images.path)
    #expect(try Data(contentsOf: log).split(separator: 10).dropLast() == whole.split(separator: 10).dropLast())

    let table = try merge()
    // A repeat's seconds are the least of its three rounds.
    struct Line: Decodable { var cell: String, round: Int, seconds: Double }
    let lines = try Data(contentsOf: log).split(separator: 10).dropFirst()
      .map { try JSONDecoder().decode(Line.self, from: $0) }
    let seconds = Dictionary(grouping: lines, by: \.cell).mapValues { lines in
      (0..<2).map { number in lines.filter { $0.round % 2 == number }.map(\.seconds).min() ?? 0 }
    }
    #expect(try build.folder.stepSeconds()?.seconds == seconds)
    let settings = build.header.settings
    let steps = settings.training.stepsPerEpoch(images: settings.dataset.trainingImages)
    for row in 0..<table.rowCount {
      let own = try #require(seconds[table.architecture(row).description])
      for (fidelity, epochs) in table.epochs.enumerated() {
        for number in 0..<2 {
          let expected = own[number] * Double(steps * epochs)
          let value = try #require(table.value(.seconds, row: row, epochs: fidelity, repeat: number))
          #expect(abs(value - expected) <= 0.0005 + 1e-6)
        }
      }
    }
    #expect(table.provenance["seconds"]?.contains("in one sitting") == true)
  }

  @Test("a table is extended by the cells that it lacks") func extending() throws {
    let build = try Build()
    func table(_ name: String, extending base: Table? = nil) throws -> (Table, MergedTable.Summary) {
      let url = URL(filePath: "\(build.logs.path)/\(name).table")
      let summary = try MergedTable.write(
        [build.folder], extending: base, to: url, command: name, machine: "any")
      return (try Table(contentsOf: url), summary)
    }
    let worker = Worker(folder: build.folder, header: build.header, index: 0, count: 1)
    try worker.run(Array(Self.cells[..<2]), dataset: build.dataset)
    let (base, _) = try table("base")
    #expect(base.rowCount == 2)
    try worker.run(Self.cells, dataset: build.dataset)
    let (whole, _) = try table("whole")
    let (extended, summary) = try table("extended", extending: base)
    #expect(summary.cells == 3 && summary.trainings == 12)
    #expect(extended.provenance["extended command"] == "base" && extended.provenance["command"] == "extended")
    for row in 0..<3 {
      let own = try #require(extended.row(of: whole.architecture(row)))
      #expect(extended.parameterCount(own) == whole.parameterCount(row))
      for fidelity in 0..<2 {
        for number in 0..<2 {
          for metric in Metric.allCases {
            for moment in Moment.allCases {
              #expect(
                extended.value(metric, moment, row: own, epochs: fidelity, repeat: number)
                  == whole.value(metric, moment, row: row, epochs: fidelity, repeat: number))
            }
          }
        }
      }
    }

    let other = try Build(Self.settings(seed: 1))
    try other.work(0, of: 1)
    #expect(throws: BuildError.self) {
      try MergedTable.write(
        [other.folder], extending: base, to: URL(filePath: other.logs.path + "/x.table"), command: "", machine: "")
    }
  }
}

@Suite("Learning", .serialized) struct LearningTests {
  @Test("the same seed gives the same results, whatever was trained before") func determinism() throws {
    let build = try TableBuilderTests.Build()
    let settings = build.header.settings
    let trainer = try Trainer(dataset: build.dataset, network: settings.network, training: settings.training)
    let cells = TableBuilderTests.cells
    func outcome(_ cell: Cell, _ seed: UInt64) throws -> [Double] {
      let outcome = try trainer.train(cell, epochs: 2, seed: seed)
      return [outcome.halfway.train, outcome.final.train, outcome.final.validation, outcome.final.test]
    }
    let first = try outcome(cells[0], 1)
    _ = try outcome(cells[1], 5)
    #expect(try outcome(cells[0], 1) == first)
    #expect(try outcome(cells[0], 2) != first)
  }

  @Test("a class that can be seen is learnt", arguments: GradientDescent.Rule.allCases)
  func learning(rule: GradientDescent.Rule) throws {
    let folder = try ImageFolder()
    try folder.writeLearnable()
    let data = try Dataset(DatasetTests.settings(parts: (300, 100, 100), downscale: 2), folder: folder.path)
    let trainer = try Trainer(
      dataset: data, network: NetworkSettings(channels: 4),
      training: TrainingSettings(batchSize: 20, rule: rule, learningRate: rule == .nesterov ? 0.05 : 0.2))
    let outcome = try trainer.train(TableBuilderTests.cells[0], epochs: 6, seed: 0)
    #expect(outcome.final.test > 0.9)
    #expect(!outcome.diverged)
  }
}
