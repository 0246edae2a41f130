import CellSpace
import Foundation

/// Makes a table file from trainings in any order, in memory that grows with the number of cells only.
///
/// Everything goes into temporary files beside the destination. These are gone, and the destination is
/// untouched, unless ``finish(provenance:)`` succeeds.
///
///     let writer = try TableWriter(destination: url)
///     let row = writer.add(cell: cell, parameters: 4_000)
///     try writer.append(measurement, row: row, epochs: 18)
///     try writer.finish(provenance: ["source": "my cluster"])
public final class TableWriter {
  private let destination: URL
  private let logURL: URL
  private let log: UnsafeMutablePointer<FILE>
  private var recordCount = 0

  private var rows: [Cell: Int] = [:]
  private var cells: [Cell] = []
  private var hashes: [CellHash?] = []
  private var parameters: [Int64] = []
  private var macs: [Int64] = []
  private var epochs: [Int] = []
  /// Per row and epoch count the number of repeats so far; `maximumEpochCounts` to a row.
  private var repeatCounts: [UInt8] = []
  private static let maximumEpochCounts = 16

  /// One training as it stands in the temporary file.
  private struct Record {
    var row: UInt32
    var epochs: UInt16
    var number: UInt16
    // Not as one vector, whose alignment would leave gaps in the file.
    var halfway: (Float, Float, Float, Float)
    var final: (Float, Float, Float, Float)

    /// In the order of the table's columns.
    var values: SIMD8<Float> {
      SIMD8(halfway.0, halfway.1, halfway.2, halfway.3, final.0, final.1, final.2, final.3)
    }
  }

  /// - Throws: ``TableError/cannotWrite(_:reason:)``.
  public init(destination: URL) throws(TableError) {
    self.destination = destination
    let mark = "\(ProcessInfo.processInfo.processIdentifier)"
    logURL = destination.appendingPathExtension("\(mark).log")
    guard let log = fopen(logURL.path, "wb+") else {
      throw .cannotWrite(destination.path, reason: String(cString: strerror(errno)))
    }
    setvbuf(log, nil, _IOFBF, 1 << 20)
    self.log = log
  }

  deinit {
    fclose(log)
    unlink(logURL.path)
  }

  /// The number of cells so far.
  public var rowCount: Int { cells.count }

  /// Adds a cell, or finds it again.
  ///
  /// - Parameters:
  ///   - hash: Its NAS-Bench-101 hash if it is known; it is computed otherwise.
  ///   - parameters: The number of trainable parameters, if known.
  ///   - multiplyAccumulates: Of one forward pass of one image, if known.
  /// - Returns: The number to give to ``append(_:row:epochs:)``. It is not the row of the finished table.
  @discardableResult
  public func add(
    cell: Cell, hash: CellHash? = nil, parameters: Int64? = nil, multiplyAccumulates: Int64? = nil
  ) -> Int {
    if let row = rows[cell] { return row }
    let row = cells.count
    rows[cell] = row
    cells.append(cell)
    hashes.append(hash)
    self.parameters.append(parameters ?? -1)
    macs.append(multiplyAccumulates ?? -1)
    repeatCounts.append(contentsOf: repeatElement(0, count: Self.maximumEpochCounts))
    return row
  }

  /// Adds a training of a cell.
  ///
  /// - Returns: Which repeat it is, in order of arrival.
  /// - Throws: ``TableError/cannotWrite(_:reason:)``, also for more than 16 epoch counts or 255 repeats.
  @discardableResult
  public func append(_ measurement: Measurement, row: Int, epochs count: Int) throws(TableError) -> Int {
    var place = epochs.firstIndex(of: count)
    if place == nil {
      guard epochs.count < Self.maximumEpochCounts, (1...Int(UInt16.max)).contains(count) else {
        throw .cannotWrite(
          destination.path, reason: "a table holds up to 16 epoch counts of 1 to 65,535 epochs")
      }
      place = epochs.count
      epochs.append(count)
    }
    let counter = row * Self.maximumEpochCounts + (place ?? 0)
    let number = repeatCounts[counter]
    guard number < .max else {
      throw .cannotWrite(destination.path, reason: "a table holds up to 255 repeats")
    }
    repeatCounts[counter] += 1
    func values(_ point: Measurement.Point) -> (Float, Float, Float, Float) {
      (point.seconds, point.trainAccuracy, point.validationAccuracy, point.testAccuracy)
    }
    var record = Record(
      row: UInt32(row), epochs: UInt16(count), number: UInt16(number), halfway: values(measurement.halfway),
      final: values(measurement.final))
    guard fwrite(&record, MemoryLayout<Record>.stride, 1, log) == 1 else {
      throw .cannotWrite(destination.path, reason: String(cString: strerror(errno)))
    }
    recordCount += 1
    return Int(number)
  }

  /// The first cell that has trainings at some epoch count, but not a given number, and how many it has.
  package func cell(withoutRepeats needed: Int) -> (cell: Cell, epochs: Int, repeats: Int)? {
    for row in cells.indices {
      for (place, count) in epochs.enumerated() {
        let repeats = Int(repeatCounts[row * Self.maximumEpochCounts + place])
        if repeats != needed { return (cells[row], count, repeats) }
      }
    }
    return nil
  }

  /// Writes the table and puts it into place. The writer is spent afterwards.
  ///
  /// - Throws: ``TableError/cannotWrite(_:reason:)``.
  public func finish(provenance: Provenance) throws(TableError) {
    guard !cells.isEmpty, recordCount > 0 else {
      throw .cannotWrite(destination.path, reason: "there is not a single training to write")
    }
    let hashes = zip(cells, self.hashes).map { $1 ?? $0.hash }
    let order = cells.indices.sorted { hashes[$0] < hashes[$1] }
    var rank = [Int](repeating: 0, count: order.count)
    for (place, row) in order.enumerated() { rank[row] = place }
    let sortedEpochs = epochs.sorted()
    let repeats = Int(repeatCounts.max() ?? 1)
    let cellValues = sortedEpochs.count * repeats

    // Which columns hold anything?
    var present = SIMDMask<SIMD8<Int32>>(repeating: false)
    try forEachRecord { record in
      present .|= record.values .== record.values  // NaN differs from itself
    }

    let slots = TableFormat.slotCount(rows: cells.count)
    var index = [UInt32](repeating: 0, count: slots)
    for (place, row) in order.enumerated() {
      var slot = TableFormat.slot(of: cells[row].code, mask: slots - 1)
      while index[slot] != 0 { slot = (slot + 1) & (slots - 1) }
      index[slot] = UInt32(place + 1)
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    let text = (try? encoder.encode(provenance)) ?? Data("{}".utf8)

    var layout: [(name: String, size: Int)] = [
      ("hashes", 16 * cells.count), ("cells", 8 * cells.count), ("index", 4 * slots),
      ("epochs", 4 * sortedEpochs.count),
    ]
    if parameters.contains(where: { $0 >= 0 }) { layout.append(("parameters", 8 * cells.count)) }
    if macs.contains(where: { $0 >= 0 }) { layout.append(("macs", 8 * cells.count)) }
    let columnNames = Moment.allCases.flatMap { moment in
      Metric.allCases.map { "\(moment.rawValue).\($0.rawValue)" }
    }
    for (column, name) in columnNames.enumerated() where present[column] {
      layout.append((name, 4 * cells.count * cellValues))
    }
    layout.append(("provenance", text.count))

    let file = try OutputFile(
      beside: destination, sections: layout, rows: cells.count, epochs: sortedEpochs.count, repeats: repeats)
    for (place, row) in order.enumerated() {
      file.store(hashes[row].high, in: "hashes", at: 2 * place)
      file.store(hashes[row].low, in: "hashes", at: 2 * place + 1)
      file.store(cells[row].code, in: "cells", at: place)
      file.store(parameters[row], in: "parameters", at: place)
      file.store(macs[row], in: "macs", at: place)
    }
    for (slot, entry) in index.enumerated() { file.store(entry, in: "index", at: slot) }
    for (place, count) in sortedEpochs.enumerated() { file.store(UInt32(count), in: "epochs", at: place) }
    for (place, byte) in text.enumerated() { file.store(byte, in: "provenance", at: place) }
    let columns = columnNames.map { file.section($0)?.bindMemory(to: Float.self) }
    for column in columns { column?.update(repeating: .nan) }
    try forEachRecord { record in
      let place = sortedEpochs.firstIndex(of: Int(record.epochs)) ?? 0
      let offset = rank[Int(record.row)] * cellValues + place * repeats + Int(record.number)
      for column in 0..<8 { columns[column]?[offset] = record.values[column] }
    }
    try file.commit()
  }

  private func forEachRecord(_ body: (Record) -> Void) throws(TableError) {
    guard fseek(log, 0, SEEK_SET) == 0 else {
      throw .cannotWrite(destination.path, reason: String(cString: strerror(errno)))
    }
    let chunk = 4_096
    var failed = false
    withUnsafeTemporaryAllocation(of: Record.self, capacity: chunk) { buffer in
      var remaining = recordCount
      while remaining > 0 {
        let count = fread(buffer.baseAddress, MemoryLayout<Record>.stride, min(chunk, remaining), log)
        guard count > 0 else {
          failed = true
          return
        }
        for record in buffer[..<count] { body(record) }
        remaining -= count
      }
    }
    if failed { throw .cannotWrite(destination.path, reason: "the temporary file cannot be read back") }
  }
}

/// A table file under construction: mapped for writing beside its destination, renamed at the end.
private final class OutputFile {
  private let destination: URL
  private let temporary: String
  private let bytes: UnsafeMutableRawBufferPointer
  private let sections: [(name: String, range: Range<Int>)]
  private var isCommitted = false

  init(
    beside destination: URL, sections: [(name: String, size: Int)], rows: Int, epochs: Int, repeats: Int
  ) throws(TableError) {
    self.destination = destination
    temporary = destination.path + ".\(ProcessInfo.processInfo.processIdentifier).partial"
    let align = { (offset: Int) in (offset + TableFormat.alignment - 1) & ~(TableFormat.alignment - 1) }
    var end = TableFormat.headerSize + sections.count * TableFormat.entrySize
    var placed: [(name: String, range: Range<Int>)] = []
    for section in sections {
      let start = align(end)
      end = start + section.size
      placed.append((section.name, start..<end))
    }
    self.sections = placed

    let descriptor = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw .cannotWrite(destination.path, reason: String(cString: strerror(errno)))
    }
    defer { close(descriptor) }
    // Space is claimed now: writing to a mapped file on a full disk would be a crash.
    let failure = posix_fallocate(descriptor, 0, end)
    guard failure == 0 else {
      unlink(temporary)
      throw .cannotWrite(destination.path, reason: String(cString: strerror(failure)))
    }
    guard let address = mmap(nil, end, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0),
      address != MAP_FAILED
    else {
      unlink(temporary)
      throw .cannotWrite(destination.path, reason: String(cString: strerror(errno)))
    }
    bytes = UnsafeMutableRawBufferPointer(start: address, count: end)

    bytes.copyBytes(from: TableFormat.magic)
    for (place, word) in [
      TableFormat.version, UInt32(sections.count), UInt32(rows), UInt32(epochs), UInt32(repeats),
    ].enumerated() {
      bytes.storeBytes(of: word, toByteOffset: 8 + 4 * place, as: UInt32.self)
    }
    bytes.storeBytes(of: UInt64(end), toByteOffset: 32, as: UInt64.self)
  }

  deinit {
    munmap(bytes.baseAddress, bytes.count)
    if !isCommitted { unlink(temporary) }
  }

  func section(_ name: String) -> UnsafeMutableRawBufferPointer? {
    sections.first { $0.name == name }.map { UnsafeMutableRawBufferPointer(rebasing: bytes[$0.range]) }
  }

  func store<T: BitwiseCopyable>(_ value: T, in name: String, at place: Int) {
    guard let section = sections.first(where: { $0.name == name }) else { return }
    bytes.storeBytes(
      of: value, toByteOffset: section.range.lowerBound + place * MemoryLayout<T>.stride, as: T.self)
  }

  /// Fills in the checksums, forces the file to disk and renames it.
  func commit() throws(TableError) {
    for (number, section) in sections.enumerated() {
      let entry = TableFormat.headerSize + number * TableFormat.entrySize
      for (place, byte) in section.name.utf8.prefix(24).enumerated() { bytes[entry + place] = byte }
      bytes.storeBytes(of: UInt64(section.range.lowerBound), toByteOffset: entry + 24, as: UInt64.self)
      bytes.storeBytes(of: UInt64(section.range.count), toByteOffset: entry + 32, as: UInt64.self)
      let crc = crc32c(UnsafeRawBufferPointer(rebasing: bytes[section.range]))
      bytes.storeBytes(of: crc, toByteOffset: entry + 40, as: UInt32.self)
    }
    let directoryEnd = TableFormat.headerSize + sections.count * TableFormat.entrySize
    let head = UnsafeRawBufferPointer(rebasing: bytes[..<56])
    let directory = UnsafeRawBufferPointer(rebasing: bytes[TableFormat.headerSize..<directoryEnd])
    bytes.storeBytes(of: crc32c(directory, crc32c(head)), toByteOffset: 56, as: UInt32.self)
    guard msync(bytes.baseAddress, bytes.count, MS_SYNC) == 0,
      rename(temporary, destination.path) == 0
    else {
      throw .cannotWrite(destination.path, reason: String(cString: strerror(errno)))
    }
    isCommitted = true
  }
}
