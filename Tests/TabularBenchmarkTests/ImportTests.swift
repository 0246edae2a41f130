import Foundation
import SearchSpaces
import TabularBenchmark
import Testing

@Suite("Importing NAS-Bench-101") struct NASBench101ImportTests {
  let cells = Array(SearchSpace.mini.uniqueCells().prefix(20))

  /// The message of an import that must fail, without the file's path; and nothing may be left behind.
  private func failure(_ change: (inout [[UInt8]]) -> Void) throws -> String {
    let scratch = try Scratch()
    let source = scratch.file("a.tfrecord")
    try SyntheticNASBench101.write(to: source, cells: cells)
    var records = Self.records(try Data(contentsOf: source))
    change(&records)
    try Data(records.joined()).write(to: source)
    var message = ""
    do {
      _ = try NASBench101Importer.importTable(from: source, to: scratch.file("a.table"))
    } catch { message = "\(error)".replacing(source.path, with: "a.tfrecord") }
    #expect(scratch.files == ["a.tfrecord"])
    return message
  }

  /// Cuts a file into its framed records.
  private static func records(_ data: Data) -> [[UInt8]] {
    let bytes = [UInt8](data)
    var records: [[UInt8]] = []
    var start = 0
    while start < bytes.count {
      let length = bytes[start..<start + 8].reversed().reduce(0) { $0 << 8 | Int($1) }
      records.append(Array(bytes[start..<start + length + 16]))
      start += length + 16
    }
    return records
  }

  /// A record with its payload changed and framed again.
  private static func edited(_ record: [UInt8], _ edit: (String) -> String) -> [UInt8] {
    TFRecordReader.frame(Array(edit(String(decoding: record[12..<record.count - 4], as: UTF8.self)).utf8))
  }

  /// Three records as Google's protobuf, Python's JSON and base64 and Google's CRC-32C write them:
  /// `Tests/Peers/nasbench_record.py`.
  private static let recordsFromPython = """
    uQEAAAAAAACOj2/eWyJmZjkxZTEwYjk1MTJjYmU0ZWZlZWM2YmQ5MjY5NDFhMSIsIDEwOCwgIjAx
    MDAxMDAwMTAxMDAwMDEwMTAwMDAxMTAwMDAwMTAwMDAwMCIsICJpbnB1dCxjb252M3gzLWJuLXJl
    bHUsY29udjN4My1ibi1yZWx1LGNvbnYzeDMtYm4tcmVsdSxjb252MXgxLWJuLXJlbHUsb3V0cHV0
    IiwgIkNqc0pBQUFBQUFBQUFBQVJBQUFBQUFBQUFBQVpBQUFBQUFBQXVEOGhBQUFBQUFBQXNEOHBB
    QUFBQUFBQW9EOHlERzF2WkdWc0xtTnJcbmNIUXRNQW84Q1FBQUFBQUFBRXRBRVFBQUFBQUF3b0pB
    R1FBQUFBQUFBT2svSVFBQUFBQUFBT2cvS1FBQUFBQUFBT2MvTWcxdGIyUmxcbmJDNWphM0IwTFRV
    MENqMEpBQUFBQUFBQVcwQVJBQUFBQUFEQ2trQVpBQUFBQUFBQTd6OGhBQUFBQUFBQTdqOHBBQUFB
    QUFBQTdUOHlcbkRtMXZaR1ZzTG1OcmNIUXRNVEE0RU1DMzZRRVpBQUFBQUFCU2xFQT1cbiJdp9rU
    nrkBAAAAAAAAjo9v3lsiZmY5MWUxMGI5NTEyY2JlNGVmZWVjNmJkOTI2OTQxYTEiLCAxMDgsICIw
    MTAwMTAwMDEwMTAwMDAxMDEwMDAwMTEwMDAwMDEwMDAwMDAiLCAiaW5wdXQsY29udjN4My1ibi1y
    ZWx1LGNvbnYzeDMtYm4tcmVsdSxjb252M3gzLWJuLXJlbHUsY29udjF4MS1ibi1yZWx1LG91dHB1
    dCIsICJDanNKQUFBQUFBQUFBQUFSQUFBQUFBQUFBQUFaQUFBQUFBQUF1RDhoQUFBQUFBQkFzRDhw
    QUFBQUFBQUFvRDh5REcxdlpHVnNMbU5yXG5jSFF0TUFvOENRQUFBQUFBQUV0QUVRQUFBQUFBeW9K
    QUdRQUFBQUFBQU9rL0lRQUFBQUFBQ09nL0tRQUFBQUFBQU9jL01nMXRiMlJsXG5iQzVqYTNCMExU
    VTBDajBKQUFBQUFBQUFXMEFSQUFBQUFBREdra0FaQUFBQUFBQUE3ejhoQUFBQUFBQUk3ajhwQUFB
    QUFBQUE3VDh5XG5EbTF2WkdWc0xtTnJjSFF0TVRBNEVNQzM2UUVaQUFBQUFBQldsRUE9XG4iXQXC
    kZy5AQAAAAAAAI6Pb95bImZmOTFlMTBiOTUxMmNiZTRlZmVlYzZiZDkyNjk0MWExIiwgMTA4LCAi
    MDEwMDEwMDAxMDEwMDAwMTAxMDAwMDExMDAwMDAxMDAwMDAwIiwgImlucHV0LGNvbnYzeDMtYm4t
    cmVsdSxjb252M3gzLWJuLXJlbHUsY29udjN4My1ibi1yZWx1LGNvbnYxeDEtYm4tcmVsdSxvdXRw
    dXQiLCAiQ2pzSkFBQUFBQUFBQUFBUkFBQUFBQUFBQUFBWkFBQUFBQUFBdUQ4aEFBQUFBQUNBc0Q4
    cEFBQUFBQUFBb0Q4eURHMXZaR1ZzTG1OclxuY0hRdE1BbzhDUUFBQUFBQUFFdEFFUUFBQUFBQTBv
    SkFHUUFBQUFBQUFPay9JUUFBQUFBQUVPZy9LUUFBQUFBQUFPYy9NZzF0YjJSbFxuYkM1amEzQjBM
    VFUwQ2owSkFBQUFBQUFBVzBBUkFBQUFBQURLa2tBWkFBQUFBQUFBN3o4aEFBQUFBQUFRN2o4cEFB
    QUFBQUFBN1Q4eVxuRG0xdlpHVnNMbU5yY0hRdE1UQTRFTUMzNlFFWkFBQUFBQUJhbEVBPVxuIl0Q
    7uSv
    """

  @Test("reads records that other software wrote") func foreign() throws {
    let scratch = try Scratch()
    let source = scratch.file("a.tfrecord")
    try #require(Data(base64Encoded: Self.recordsFromPython, options: .ignoreUnknownCharacters)).write(
      to: source)
    let summary = try NASBench101Importer.importTable(from: source, to: scratch.file("a.table"))
    #expect(summary.cells == 1 && summary.records == 3 && summary.epochs == [108])
    let table = try Table(contentsOf: scratch.file("a.table"))
    let id = try #require(Architecture.ID("ff91e10b9512cbe4efeec6bd926941a1"))
    let row = try #require(table.row(of: id))
    #expect(table.parameterCount(row) == 3_824_576)
    let shift = 2.0  // what the script adds in the third record
    for (moment, seconds, accuracy) in [(Moment.halfway, 600.25, 0.75), (.final, 1_200.5, 0.9375)] {
      func value(_ metric: Metric) -> Double? { table.value(metric, moment, row: row, epochs: 0, repeat: 2) }
      #expect(value(.seconds) == seconds + shift)
      #expect(value(.trainAccuracy) == accuracy + 0.03125)
      #expect(value(.validationAccuracy) == accuracy + shift / 1_024)
      #expect(value(.testAccuracy) == accuracy - 0.03125)
    }
  }

  @Test("keeps every cell, epoch count and repeat, gzipped or not", arguments: [false, true])
  func whole(gzipped: Bool) throws {
    let scratch = try Scratch()
    var source = scratch.file("a.tfrecord")
    try SyntheticNASBench101.write(to: source, cells: cells)
    if gzipped {
      let gzip = Process()
      gzip.executableURL = URL(filePath: "/bin/gzip")
      gzip.arguments = [source.path]
      try gzip.run()
      gzip.waitUntilExit()
      source = scratch.file("a.tfrecord.gz")
    }
    let summary = try NASBench101Importer.importTable(from: source, to: scratch.file("a.table"))
    #expect(summary.cells == 20 && summary.records == 240 && summary.epochs == [4, 12, 36, 108])
    let table = try Table(contentsOf: scratch.file("a.table"))
    try table.verify()
    for cell in cells {
      let row = try #require(table.row(of: .cell(cell)))
      for fidelity in 0..<4 {
        #expect(table.repeatCount(row: row, epochs: fidelity) == 3)
        for moment in Moment.allCases {
          for metric in Metric.allCases {
            #expect(table.value(metric, moment, row: row, epochs: fidelity, repeat: 2) != nil)
          }
        }
        let halfway = try #require(table.value(.seconds, .halfway, row: row, epochs: fidelity, repeat: 0))
        let final = try #require(table.value(.seconds, row: row, epochs: fidelity, repeat: 0))
        #expect(abs(halfway / final - 0.5) < 0.05)
      }
    }
  }

  @Test("a file that is cut short") func truncated() throws {
    let message = try failure { $0[$0.count - 1].removeLast(5) }
    #expect(message.hasPrefix("a.tfrecord, record 240 at byte "))
    #expect(message.hasSuffix("the file is cut short; download it again"))
  }

  @Test("wrong checksums of length and content") func checksums() throws {
    #expect(
      try failure { $0[3][8] ^= 1 }.hasSuffix("the checksum of the length is wrong; download the file again"))
    #expect(
      try failure { $0[3][60] ^= 1 }.hasSuffix(
        "the checksum of the content is wrong; download the file again"))
    #expect(
      try failure { $0[0][9] ^= 1 }
        == "a.tfrecord, record 1 at byte 0: this is no TFRecord file: the checksum of the first length is wrong"
    )
  }

  @Test("an absurd length with a right checksum") func absurd() throws {
    let message = try failure { records in
      let length = withUnsafeBytes(of: UInt64(1) << 40) { Array($0) }
      let crc = length.withUnsafeBytes { crc32c($0) }
      let masked = (crc >> 15 | crc << 17) &+ 0xa282_ead8
      records[1] = length + withUnsafeBytes(of: masked) { Array($0) }
    }
    #expect(message.hasSuffix("a length of 1099511627776 bytes is absurd; download the file again"))
  }

  @Test("an unknown hash") func unknownHash() throws {
    let message = try failure { records in
      for index in 0..<12 {
        records[index] = Self.edited(records[index]) {
          "[\"" + String(repeating: "0", count: 32) + $0.dropFirst(34)
        }
      }
    }
    #expect(message.contains("the hash 00000000000000000000000000000000 is unknown"))
  }

  @Test("missing and repeated trainings") func repeats() throws {
    #expect(try failure { $0.remove(at: 7) }.contains("has 2 trainings of 36 epochs where 3 are needed"))
    #expect(try failure { $0.insert($0[0], at: 1) }.contains("is in the file twice"))
    let fourth = try failure { records in
      // Another cell's metrics under the first cell's name.
      let other = String(decoding: records[12][12..<records[12].count - 4], as: UTF8.self)
      let metrics = other.split(separator: "\"").dropLast().last ?? ""
      records.insert(
        Self.edited(records[0]) { text in
          let parts = text.split(separator: "\"", omittingEmptySubsequences: false)
          return (parts.dropLast(2) + [metrics] + parts.suffix(1)).joined(separator: "\"")
        }, at: 3)
    }
    #expect(fourth.contains("has more than 3 trainings of 4 epochs"))
  }

  @Test("content that is no record") func content() throws {
    #expect(
      try failure { $0[0] = TFRecordReader.frame(Array("{}".utf8)) }
        .hasSuffix("this is no NAS-Bench-101 record: '[' is missing in its JSON array"))
    #expect(
      try failure { $0[0] = Self.edited($0[0]) { $0.replacing(", 4,", with: ", 5,") } }
        .hasSuffix("NAS-Bench-101 has trainings of 4, 12, 36 and 108 epochs, not 5"))
  }
}

@Suite("Importing CSV and JSON lines") struct PlainImportTests {
  private func run(
    _ text: String, _ format: PlainImporter.Format = .csv, columns: [String: String] = [:]
  ) throws -> Table {
    let scratch = try Scratch()
    let source = scratch.file("a.\(format.rawValue)")
    try Data(text.utf8).write(to: source)
    do {
      _ = try PlainImporter.importTable(
        from: source, to: scratch.file("a.table"), as: format,
        options: ImportOptions(columns: columns))
    } catch {
      #expect(scratch.files == ["a.\(format.rawValue)"])
      throw Message("\(error)".replacing(source.path, with: "a"))
    }
    return try Table(contentsOf: scratch.file("a.table"))
  }

  struct Message: Error, Equatable {
    let text: String
    init(_ text: String) { self.text = text }
  }

  let header = "adjacency,operations,epochs,training_seconds,validation_accuracy,test_accuracy\n"
  let cell = "011|001|000,\"input,maxpool3x3,output\""

  @Test("an empty field is absent, not zero") func absent() throws {
    let table = try run(header + "\(cell),4,12.5,0.75,\n\(cell),4,13.5,0.5,\n")
    #expect(table.repeats == 2 && table.epochs == [4])
    #expect(table.value(.seconds, row: 0, epochs: 0, repeat: 1) == 13.5)
    #expect(!table.has(.testAccuracy) && table.mean(.validationAccuracy, row: 0, epochs: 0) == 0.625)
  }

  @Test("columns may have other names") func mapping() throws {
    let table = try run(
      "adjacency,operations,budget,acc\n\(cell),9,0.5\n",
      columns: ["epochs": "budget", "validation_accuracy": "acc"])
    #expect(table.epochs == [9] && table.mean(.validationAccuracy, row: 0, epochs: 0) == 0.5)
  }

  @Test("JSON lines, plain and in NAS-Bench-101's form") func jsonLines() throws {
    let plain = try run(
      #"{"adjacency":"01|00","operations":"input,output","epochs":2,"test_accuracy":0.25}"# + "\n", .jsonl)
    #expect(plain.mean(.testAccuracy, row: 0, epochs: 0) == 0.25 && !plain.has(.validationAccuracy))
    let official = try run(
      #"{"module_adjacency":[[0,1],[0,0]],"module_operations":["input","output"],"computed":{"108":"#
        + #"[{"halfway_training_time":5.0,"final_training_time":10.0,"final_test_accuracy":0.5}]}}"# + "\n",
      .jsonl)
    #expect(official.value(.seconds, .halfway, row: 0, epochs: 0, repeat: 0) == 5)
    #expect(official.mean(.testAccuracy, row: 0, epochs: 0) == 0.5)
  }

  @Test("mistakes have their line") func errors() {
    #expect(
      throws: Message(
        "a, line 2: '1.5' is no value of validation_accuracy, which is between 0 and 1; "
          + "accuracies are fractions: divide percentages by 100")
    ) {
      try run(header + "\(cell),4,12.5,1.5,\n")
    }
    #expect(throws: Message("a, line 3: there are 2 fields for 6 columns")) {
      try run(header + "\(cell),4,12.5,0.5,\n1,2\n")
    }
    #expect(throws: Message("a, line 2: no path leads from the input to the output")) {
      try run(header + "00|00,\"input,output\",4,12.5,0.5,\n")
    }
    #expect(throws: Message("a: there is not a single row")) { try run(header) }
  }
}
