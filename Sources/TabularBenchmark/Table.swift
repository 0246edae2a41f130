import Foundation
import SearchSpaces

/// A tabular benchmark: the cost and the accuracies of every training of every architecture, measured once and looked
/// up ever after.
///
/// The file is mapped, not read: opening takes a few microseconds, for a thousand architectures as for all of
/// NAS-Bench-101. Any number of threads may query a table.
///
///     let table = try Table.embedded()
///     let row = try #require(table.row(of: architecture))
///     table.value(.testAccuracy, row: row, epochs: 2, repeat: 0)
///
/// - Note: Only the runner and reports read tables. An optimizer sees a `Session` and nothing else.
public struct Table: Sendable {
  /// The number of architectures.
  public let rowCount: Int
  /// The epoch counts for which architectures were trained, ascending: the fidelities.
  public let epochs: [Int]
  /// The greatest number of trainings of an architecture per epoch count.
  public let repeats: Int
  /// The origin of the numbers.
  public let provenance: Provenance
  /// A checksum of the lengths and checksums of all sections, in 16 hexadecimal digits. If ``verify()`` accepts the
  /// content, the checksum changes with any byte of it.
  public let checksum: String
  /// The file's path, for messages.
  public let path: String

  let file: MappedFile
  let sections: [Section]
  nonisolated(unsafe) let hashes: UnsafePointer<UInt64>
  nonisolated(unsafe) let codes: UnsafePointer<UInt64>
  nonisolated(unsafe) private let index: UnsafePointer<UInt32>
  private let indexMask: Int
  nonisolated(unsafe) let parameterCounts: UnsafePointer<Int64>?
  nonisolated(unsafe) let macs: UnsafePointer<Int64>?
  /// The eight columns of values, halfway first; `nil` where absent.
  nonisolated(unsafe) let columns: [UnsafePointer<Float>?]

  struct Section {
    let name: String
    let range: Range<Int>
    let crc: UInt32
  }

  /// The table that comes with the package.
  public static func embedded() throws(TableError) -> Table {
    let resources = installedResources(of: "TabularBenchmark") ?? .module
    guard let url = resources.url(forResource: "embedded", withExtension: "table") else {
      throw .cannotOpen("embedded.table", reason: "the package was built without its resources")
    }
    return try Table(contentsOf: url)
  }

  /// Opens a table file. Checks the header's checksum and every section's bounds, but reads no section.
  ///
  /// - Throws: ``TableError``; for a TFRecord or text file, it says how to convert it.
  public init(contentsOf url: URL) throws(TableError) {
    path = url.path
    file = try MappedFile(reading: url)
    let bytes = file.bytes
    guard bytes.count >= TableFormat.headerSize, bytes.prefix(8).elementsEqual(TableFormat.magic) else {
      throw .notATable(path, hint: Self.hint(for: bytes, path: path))
    }
    func word(_ offset: Int) -> UInt32 { bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
    func long(_ offset: Int) -> UInt64 { bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
    guard word(8) == TableFormat.version else { throw .version(path, found: word(8)) }
    let sectionCount = Int(word(12))
    let directoryEnd = TableFormat.headerSize + sectionCount * TableFormat.entrySize
    let length = Int(truncatingIfNeeded: long(32))
    guard directoryEnd <= bytes.count, length == bytes.count else {
      throw .truncated(path, expected: length, found: bytes.count)
    }
    let directory = UnsafeRawBufferPointer(rebasing: bytes[TableFormat.headerSize..<directoryEnd])
    let head = UnsafeRawBufferPointer(rebasing: bytes[..<56])
    guard crc32c(directory, crc32c(head)) == word(56) else { throw .damaged(path, section: "header") }

    rowCount = Int(word(16))
    repeats = Int(word(24))
    let epochCount = Int(word(20))
    // Beyond these a file is crafted; within them, no product of sizes overflows.
    guard (1...TableFormat.maximumRows).contains(rowCount), (1...TableFormat.maximumEpochCounts).contains(epochCount),
      (1...TableFormat.maximumRepeats).contains(repeats)
    else { throw .damaged(path, section: "header") }
    sections = try (0..<sectionCount).map { number throws(TableError) in
      let entry = TableFormat.headerSize + number * TableFormat.entrySize
      let name = String(decoding: bytes[entry..<entry + 24].prefix { $0 != 0 }, as: UTF8.self)
      let (offset, size) = (long(entry + 24), long(entry + 32))
      let (end, overflow) = offset.addingReportingOverflow(size)
      guard !overflow, end <= UInt64(length), offset % UInt64(TableFormat.alignment) == 0 else {
        throw .damaged(url.path, section: name)
      }
      return Section(name: name, range: Int(offset)..<Int(end), crc: word(entry + 40))
    }

    let values = rowCount * epochCount * repeats
    let epochSection = try Self.section("epochs", UInt32.self, epochCount, in: sections, bytes, path)
    let codeSection = try Self.section("cells", UInt64.self, rowCount, in: sections, bytes, path)
    let hashSection = try Self.section("hashes", UInt64.self, 2 * rowCount, in: sections, bytes, path)
    let slots = TableFormat.slotCount(rows: rowCount)
    let indexSection = try Self.section("index", UInt32.self, slots, in: sections, bytes, path)
    guard let epochSection, let codeSection, let hashSection, let indexSection else {
      throw .damaged(path, section: "directory")
    }
    epochs = UnsafeBufferPointer(start: epochSection, count: epochCount).map { Int($0) }
    guard epochs[0] > 0, epochs[epochCount - 1] <= UInt16.max, zip(epochs, epochs.dropFirst()).allSatisfy(<) else {
      throw .damaged(path, section: "section 'epochs'")
    }
    codes = codeSection
    hashes = hashSection
    index = indexSection
    indexMask = slots - 1
    parameterCounts = try Self.section("parameters", Int64.self, rowCount, in: sections, bytes, path)
    macs = try Self.section("macs", Int64.self, rowCount, in: sections, bytes, path)
    var columns: [UnsafePointer<Float>?] = []
    for moment in Moment.allCases {
      for metric in Metric.allCases {
        let name = "\(moment.rawValue).\(metric.rawValue)"
        columns.append(try Self.section(name, Float.self, values, in: sections, bytes, path))
      }
    }
    self.columns = columns
    if let text = sections.first(where: { $0.name == "provenance" }) {
      do { provenance = try JSONDecoder().decode(Provenance.self, from: Data(bytes[text.range])) } catch {
        throw .damaged(path, section: "section 'provenance'")
      }
    } else {
      provenance = [:]
    }

    // The directory holds the length and checksum of every section.
    var digest: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes[..<directoryEnd] { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01b3 }
    let digits = String(digest, radix: 16)
    checksum = String(repeating: "0", count: 16 - digits.count) + digits
  }

  private static func section<T>(
    _ name: String, _ type: T.Type, _ count: Int, in sections: [Section], _ bytes: UnsafeRawBufferPointer,
    _ path: String
  ) throws(TableError) -> UnsafePointer<T>? {
    guard let section = sections.first(where: { $0.name == name }) else { return nil }
    guard section.range.count == count * MemoryLayout<T>.stride else {
      throw .damaged(path, section: name)
    }
    return bytes.baseAddress.map { ($0 + section.range.lowerBound).assumingMemoryBound(to: T.self) }
  }

  /// Says what a file is that is no table, and how to convert it.
  private static func hint(for bytes: UnsafeRawBufferPointer, path: String) -> String {
    let importHint = "convert it with 'anytime table import \(path)'"
    // A TFRecord begins with a length of eight bytes, of which the upper ones are zero.
    if bytes.count > 12, bytes[4..<8].allSatisfy({ $0 == 0 }), bytes[12] == UInt8(ascii: "[") {
      return "it is a TFRecord file; \(importHint)"
    }
    if bytes.count > 2, bytes[0] == 0x1f, bytes[1] == 0x8b { return "it is gzipped; \(importHint)" }
    if bytes.prefix(256).allSatisfy({ $0 == 10 || $0 == 13 || $0 == 9 || (32..<127).contains($0) }) {
      return "it is text; \(importHint)"
    }
    return "its first bytes are not 'ANYTABLE'"
  }

  /// The name and size in bytes of every section.
  public var sectionSizes: [(name: String, bytes: Int)] { sections.map { ($0.name, $0.range.count) } }

  // MARK: Rows

  /// The row of an architecture; `nil` if the table does not hold it.
  public func row(of architecture: Architecture) -> Int? {
    let cell =
      switch architecture {
      case .cell(let cell): cell
      }
    var slot = TableFormat.slot(of: cell.code, mask: indexMask)
    // A damaged index may have no free slot.
    for _ in 0...indexMask {
      let entry = Int(index[slot])
      guard entry > 0, entry <= rowCount else { return nil }
      if codes[entry - 1] == cell.code { return entry - 1 }
      slot = (slot + 1) & indexMask
    }
    return nil
  }

  /// The row of an architecture by its identifier; `nil` if the table does not hold it.
  public func row(of id: Architecture.ID) -> Int? {
    var (low, high) = (0, rowCount)
    while low < high {
      let middle = (low + high) / 2
      if self.id(middle) < id { low = middle + 1 } else { high = middle }
    }
    return low < rowCount && self.id(low) == id ? low : nil
  }

  /// The identifier of a row's architecture. Rows ascend by it.
  public func id(_ row: Int) -> Architecture.ID {
    precondition(row >= 0 && row < rowCount, "there is no row \(row)")
    return Architecture.ID(high: hashes[2 * row], low: hashes[2 * row + 1])
  }

  /// The architecture of a row.
  public func architecture(_ row: Int) -> Architecture {
    precondition(row >= 0 && row < rowCount, "there is no row \(row)")
    return .cell(Cell(code: codes[row]))
  }

  // MARK: Values

  /// One measured value; `nil` if the source has none.
  ///
  /// - Parameters:
  ///   - fidelity: The index of the epoch count in ``epochs``.
  ///   - repeat: The number of the repeat, in 0..<``repeats``.
  public func value(
    _ metric: Metric, _ moment: Moment = .final, row: Int, epochs fidelity: Int, repeat: Int
  ) -> Double? {
    precondition(
      row >= 0 && row < rowCount && fidelity >= 0 && fidelity < epochs.count && `repeat` >= 0 && `repeat` < repeats,
      "the table has no row \(row), epoch count number \(fidelity), repeat \(`repeat`)")
    guard let column = columns[(moment == .final ? 4 : 0) + metric.index] else { return nil }
    let value = column[(row * epochs.count + fidelity) * repeats + `repeat`]
    return value.isNaN ? nil : Double(value)
  }

  /// The mean of a value over the repeats that have it; `nil` if none has. That of accuracies is rounded to a multiple
  /// of 1/1,200,000, so that equal means are equal to the bit.
  public func mean(_ metric: Metric, _ moment: Moment = .final, row: Int, epochs fidelity: Int) -> Double? {
    var sum = 0.0
    var count = 0
    for number in 0..<repeats {
      if let value = value(metric, moment, row: row, epochs: fidelity, repeat: number) {
        sum += value
        count += 1
      }
    }
    guard count > 0 else { return nil }
    let mean = sum / Double(count)
    return metric == .seconds ? mean : mean.roundedAccuracy
  }

  /// The number of repeats of a row that were trained for an epoch count. These are the first ones.
  public func repeatCount(row: Int, epochs fidelity: Int) -> Int {
    (0..<repeats).count { value(.validationAccuracy, row: row, epochs: fidelity, repeat: $0) != nil }
  }

  /// Whether a training has every number that a search and its report need and the table has of any training: seconds,
  /// validation accuracy, test accuracy.
  func isWhole(row: Int, epochs fidelity: Int, repeat number: Int) -> Bool {
    let index = (row * epochs.count + fidelity) * repeats + number
    for metric in [Metric.seconds, .validationAccuracy, .testAccuracy] {
      if let column = columns[4 + metric.index], column[index].isNaN { return false }
    }
    return true
  }

  /// Whether the table has a column of values.
  public func has(_ metric: Metric, _ moment: Moment = .final) -> Bool {
    columns[(moment == .final ? 4 : 0) + metric.index] != nil
  }

  /// The number of trainable parameters of the network of a row.
  public func parameterCount(_ row: Int) -> Int? {
    parameterCounts.flatMap { $0[row] >= 0 ? Int($0[row]) : nil }
  }

  /// The multiply-accumulates of one forward pass of one image through the network of a row.
  public func multiplyAccumulates(_ row: Int) -> Int? {
    macs.flatMap { $0[row] >= 0 ? Int($0[row]) : nil }
  }
}

extension Double {
  /// A mean of accuracies, or a difference of means, without the noise of the table's single precision: to the nearest
  /// multiple of 1/1,200,000.
  ///
  /// Accuracies are kept to 3e-8, so equal means of different repeats differ in the eighth digit, which would break
  /// ties in ranks, tests and correlations. Means of up to six accuracies, each a multiple of 1/10,000, are such
  /// multiples themselves and come out exactly; others move by at most 4.2e-7.
  package var roundedAccuracy: Double { (self * 1_200_000).rounded() / 1_200_000 }
}
