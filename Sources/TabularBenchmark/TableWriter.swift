import Foundation
import SearchSpaces

/// Writes a table file from trainings in any order. Memory grows only with the number of architectures.
///
/// Everything is written to nameless files in the destination's folder. Unless ``finish(provenance:)`` succeeds, they
/// vanish and the destination stays as it is, even if the program is killed.
///
///     let writer = try TableWriter(destination: url)
///     let row = writer.add(architecture, parameters: 4_000)
///     try writer.append(measurement, row: row, epochs: 18)
///     try writer.finish(provenance: ["source": "my cluster"])
public final class TableWriter {
  private let destination: URL
  private let logFile: AtomicFile
  private let log: UnsafeMutablePointer<FILE>
  private var recordCount = 0

  private var rows: [Architecture: Int] = [:]
  private let buffer = UnsafeMutableBufferPointer<CChar>.allocate(capacity: 1 << 20)
  private var architectures: [Architecture] = []
  private var ids: [Architecture.ID?] = []
  private var parameters: [Int64] = []
  private var macs: [Int64] = []
  private var epochs: [Int] = []
  /// One more than the greatest repeat so far, by row and epoch count: `maximumEpochCounts` numbers per row.
  private var repeatCounts: [UInt16] = []
  package static let maximumEpochCounts = 16
  package static let maximumRepeats = 255

  /// The number of the first repeat, for repeats that come with their own numbers.
  package var firstRepeat = 0
  /// Whether trainings of the same architecture, epoch count and repeat are averaged; otherwise the last one counts.
  package var averages = false

  /// The trainings that lack validation accuracy or seconds in a finished table that has these of others.
  package struct Holes: Hashable, Sendable {
    package let count, of: Int
    package let architecture: Architecture
    package let epochs, number: Int
  }
  /// The holes of the table, known after ``finish(provenance:)``.
  package private(set) var holes: Holes?

  /// One training as it stands in the temporary file.
  private struct Record {
    var row: UInt32
    var epochs: UInt16
    var number: UInt16
    // Not as one vector, whose alignment would leave gaps in the file.
    var halfway: (Float, Float, Float, Float)
    var final: (Float, Float, Float, Float)

    /// The values in the order of the table's columns.
    var values: SIMD8<Float> {
      SIMD8(halfway.0, halfway.1, halfway.2, halfway.3, final.0, final.1, final.2, final.3)
    }
  }

  /// - Throws: ``TableError/cannotWrite(_:reason:)``.
  public init(destination: URL) throws(TableError) {
    self.destination = destination
    logFile = try AtomicFile.scratch(beside: destination)
    // With a descriptor of its own, which goes with it.
    let own = dup(logFile.descriptor)
    guard own >= 0, let log = fdopen(own, "wb+") else {
      let code = errno
      if own >= 0 { close(own) }
      throw AtomicFile.failure(destination.path, code)
    }
    // The C library takes no size without a buffer.
    setvbuf(log, buffer.baseAddress, _IOFBF, buffer.count)
    self.log = log
  }

  deinit {
    fclose(log)
    buffer.deallocate()
  }

  /// The number of architectures so far.
  public var rowCount: Int { architectures.count }

  /// Adds an architecture, or finds it if it was added before.
  ///
  /// - Parameters:
  ///   - id: Its identifier, if known; otherwise it is computed.
  ///   - parameters: The number of trainable parameters, if known.
  ///   - multiplyAccumulates: Their number in one forward pass of one image, if known.
  /// - Returns: The row for ``append(_:row:epochs:repeat:)``, which is not the row in the finished table.
  @discardableResult
  public func add(
    _ architecture: Architecture, id: Architecture.ID? = nil, parameters: Int64? = nil,
    multiplyAccumulates: Int64? = nil
  ) -> Int {
    if let row = rows[architecture] {
      if ids[row] == nil { ids[row] = id }
      if self.parameters[row] < 0, let parameters { self.parameters[row] = parameters }
      if macs[row] < 0, let multiplyAccumulates { macs[row] = multiplyAccumulates }
      return row
    }
    let row = architectures.count
    rows[architecture] = row
    architectures.append(architecture)
    ids.append(id)
    self.parameters.append(parameters ?? -1)
    macs.append(multiplyAccumulates ?? -1)
    repeatCounts.append(contentsOf: repeatElement(0, count: Self.maximumEpochCounts))
    return row
  }

  /// Adds a training of an architecture.
  ///
  /// - Parameters:
  ///   - row: The row that ``add(_:id:parameters:multiplyAccumulates:)`` returned.
  ///   - number: The number of the repeat; the next one if `nil`.
  /// - Returns: The number of the repeat.
  /// - Throws: ``TableError/cannotWrite(_:reason:)``, also for more than 16 epoch counts or 255 repeats.
  @discardableResult
  public func append(
    _ measurement: Measurement, row: Int, epochs count: Int, repeat number: Int? = nil
  ) throws(TableError) -> Int {
    var slot = epochs.firstIndex(of: count)
    if slot == nil {
      guard epochs.count < Self.maximumEpochCounts, (1...Int(UInt16.max)).contains(count) else {
        throw .cannotWrite(
          destination.path, reason: "a table holds up to 16 epoch counts of 1 to 65,535 epochs")
      }
      slot = epochs.count
      epochs.append(count)
    }
    let counter = row * Self.maximumEpochCounts + (slot ?? 0)
    let number = number ?? Int(repeatCounts[counter])
    guard (0..<Self.maximumRepeats + firstRepeat).contains(number) else {
      throw .cannotWrite(destination.path, reason: "a table holds up to 255 repeats")
    }
    repeatCounts[counter] = max(repeatCounts[counter], UInt16(number) + 1)
    func values(_ point: Measurement.Point) -> (Float, Float, Float, Float) {
      (point.seconds, point.trainAccuracy, point.validationAccuracy, point.testAccuracy)
    }
    var record = Record(
      row: UInt32(row), epochs: UInt16(count), number: UInt16(number), halfway: values(measurement.halfway),
      final: values(measurement.final))
    guard fwrite(&record, MemoryLayout<Record>.stride, 1, log) == 1 else {
      throw AtomicFile.failure(destination.path, errno)
    }
    recordCount += 1
    return number
  }

  /// Adds all trainings of a table, with their repeats.
  package func add(contentsOf table: Table) throws(TableError) {
    for row in 0..<table.rowCount {
      let own = add(
        table.architecture(row), id: table.id(row), parameters: table.parameterCount(row).map(Int64.init),
        multiplyAccumulates: table.multiplyAccumulates(row).map(Int64.init))
      for (index, epochs) in table.epochs.enumerated() {
        for number in 0..<table.repeats {
          func point(_ moment: Moment) -> Measurement.Point {
            func value(_ metric: Metric) -> Float {
              table.value(metric, moment, row: row, epochs: index, repeat: number).map { Float($0) } ?? .nan
            }
            return Measurement.Point(
              seconds: value(.seconds), trainAccuracy: value(.trainAccuracy),
              validationAccuracy: value(.validationAccuracy), testAccuracy: value(.testAccuracy))
          }
          try append(
            Measurement(halfway: point(.halfway), final: point(.final)), row: own, epochs: epochs,
            repeat: number)
        }
      }
    }
  }

  /// The first architecture and epoch count whose number of trainings is not the needed one, with that number.
  package func architecture(
    withoutRepeats needed: Int
  ) -> (architecture: Architecture, epochs: Int, repeats: Int)? {
    for row in architectures.indices {
      for (index, count) in epochs.enumerated() {
        let repeats = Int(repeatCounts[row * Self.maximumEpochCounts + index])
        if repeats != needed { return (architectures[row], count, repeats) }
      }
    }
    return nil
  }

  /// Writes the table and gives it its name. The writer cannot be used afterwards.
  ///
  /// - Throws: ``TableError/cannotWrite(_:reason:)``.
  public func finish(provenance: Provenance) throws(TableError) {
    guard !architectures.isEmpty, recordCount > 0 else {
      throw .cannotWrite(destination.path, reason: "there is not a single training to write")
    }
    var ids = self.ids.compactMap(\.self)
    if ids.count < architectures.count {
      let lacking = architectures.indices.filter { self.ids[$0] == nil }
      var computed = Architecture.ids(lacking.map { architectures[$0] }).makeIterator()
      ids = self.ids.compactMap { $0 ?? computed.next() }
    }
    let order = architectures.indices.sorted { ids[$0] < ids[$1] }
    var rank = [Int](repeating: 0, count: order.count)
    for (position, row) in order.enumerated() { rank[row] = position }
    let sortedEpochs = epochs.sorted()
    let repeats = max(Int(repeatCounts.max() ?? 1) - firstRepeat, 1)
    let rowValues = sortedEpochs.count * repeats

    // Which columns hold anything?
    var present = SIMDMask<SIMD8<Int32>>(repeating: false)
    try forEachRecord { record in
      present .|= record.values .== record.values  // NaN differs from itself
    }

    let codes = architectures.map { architecture in
      switch architecture {
      case .cell(let cell): cell.code
      }
    }
    let slots = TableFormat.slotCount(rows: architectures.count)
    var index = [UInt32](repeating: 0, count: slots)
    for (position, row) in order.enumerated() {
      var slot = TableFormat.slot(of: codes[row], mask: slots - 1)
      while index[slot] != 0 { slot = (slot + 1) & (slots - 1) }
      index[slot] = UInt32(position + 1)
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    let text = (try? encoder.encode(provenance)) ?? Data("{}".utf8)

    var layout: [(name: String, size: Int)] = [
      ("hashes", 16 * architectures.count), ("cells", 8 * architectures.count), ("index", 4 * slots),
      ("epochs", 4 * sortedEpochs.count),
    ]
    if parameters.contains(where: { $0 >= 0 }) { layout.append(("parameters", 8 * architectures.count)) }
    if macs.contains(where: { $0 >= 0 }) { layout.append(("macs", 8 * architectures.count)) }
    let columnNames = Moment.allCases.flatMap { moment in
      Metric.allCases.map { "\(moment.rawValue).\($0.rawValue)" }
    }
    for (column, name) in columnNames.enumerated() where present[column] {
      layout.append((name, 4 * architectures.count * rowValues))
    }
    layout.append(("provenance", text.count))

    let file = try OutputFile(
      beside: destination, sections: layout, rows: architectures.count, epochs: sortedEpochs.count, repeats: repeats)
    for (position, row) in order.enumerated() {
      file.store(ids[row].high, in: "hashes", at: 2 * position)
      file.store(ids[row].low, in: "hashes", at: 2 * position + 1)
      file.store(codes[row], in: "cells", at: position)
      file.store(parameters[row], in: "parameters", at: position)
      file.store(macs[row], in: "macs", at: position)
    }
    for (slot, entry) in index.enumerated() { file.store(entry, in: "index", at: slot) }
    for (position, count) in sortedEpochs.enumerated() { file.store(UInt32(count), in: "epochs", at: position) }
    for (position, byte) in text.enumerated() { file.store(byte, in: "provenance", at: position) }
    let columns = columnNames.map { file.section($0)?.bindMemory(to: Float.self) }
    for column in columns { column?.update(repeating: .nan) }
    // How many values a mean has so far, by column.
    var meanOf = [SIMD8<UInt16>](repeating: .zero, count: averages ? architectures.count * rowValues : 0)
    try forEachRecord { record in
      let index = sortedEpochs.firstIndex(of: Int(record.epochs)) ?? 0
      let offset = rank[Int(record.row)] * rowValues + index * repeats + Int(record.number) - firstRepeat
      for column in 0..<8 {
        let value = record.values[column]
        guard averages, !value.isNaN, let values = columns[column], meanOf[offset][column] > 0 else {
          if !averages || !value.isNaN {
            columns[column]?[offset] = value
            if averages { meanOf[offset][column] = 1 }
          }
          continue
        }
        meanOf[offset][column] &+= 1
        let mean = Double(values[offset])
        values[offset] = Float(mean + (Double(value) - mean) / Double(meanOf[offset][column]))
      }
    }
    var gaps = 0
    var first: Int?
    let needed = [Metric.validationAccuracy, .seconds].compactMap { columns[4 + $0.index] }
    for offset in 0..<architectures.count * rowValues where needed.contains(where: { $0[offset].isNaN }) {
      gaps += 1
      first = first ?? offset
    }
    holes = first.map { first in
      Holes(
        count: gaps, of: architectures.count * rowValues, architecture: architectures[order[first / rowValues]],
        epochs: sortedEpochs[first % rowValues / repeats], number: first % repeats)
    }
    try file.commit()
  }

  private func forEachRecord(_ body: (Record) -> Void) throws(TableError) {
    guard fseek(log, 0, SEEK_SET) == 0 else {
      throw AtomicFile.failure(destination.path, errno)
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

/// A table file under construction: mapped for writing, and named at the end.
private final class OutputFile {
  private let destination: URL
  private let file: AtomicFile
  private let bytes: UnsafeMutableRawBufferPointer
  private let sections: [(name: String, range: Range<Int>)]

  init(
    beside destination: URL, sections: [(name: String, size: Int)], rows: Int, epochs: Int, repeats: Int
  ) throws(TableError) {
    self.destination = destination
    let align = { (offset: Int) in (offset + TableFormat.alignment - 1) & ~(TableFormat.alignment - 1) }
    var end = TableFormat.headerSize + sections.count * TableFormat.entrySize
    var placed: [(name: String, range: Range<Int>)] = []
    for section in sections {
      let start = align(end)
      end = start + section.size
      placed.append((section.name, start..<end))
    }
    self.sections = placed

    file = try AtomicFile(destination)
    // Space is claimed now: writing to a mapped file on a full disk would be a crash.
    let failure = posix_fallocate(file.descriptor, 0, end)
    guard failure == 0 else { throw AtomicFile.failure(destination.path, failure) }
    guard let address = mmap(nil, end, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor, 0),
      address != MAP_FAILED
    else { throw AtomicFile.failure(destination.path, errno) }
    bytes = UnsafeMutableRawBufferPointer(start: address, count: end)

    bytes.copyBytes(from: TableFormat.magic)
    for (index, word) in [
      TableFormat.version, UInt32(sections.count), UInt32(rows), UInt32(epochs), UInt32(repeats),
    ].enumerated() {
      bytes.storeBytes(of: word, toByteOffset: 8 + 4 * index, as: UInt32.self)
    }
    bytes.storeBytes(of: UInt64(end), toByteOffset: 32, as: UInt64.self)
  }

  deinit { munmap(bytes.baseAddress, bytes.count) }

  func section(_ name: String) -> UnsafeMutableRawBufferPointer? {
    sections.first { $0.name == name }.map { UnsafeMutableRawBufferPointer(rebasing: bytes[$0.range]) }
  }

  func store<T: BitwiseCopyable>(_ value: T, in name: String, at index: Int) {
    guard let section = sections.first(where: { $0.name == name }) else { return }
    bytes.storeBytes(
      of: value, toByteOffset: section.range.lowerBound + index * MemoryLayout<T>.stride, as: T.self)
  }

  /// Fills in the checksums, forces the file to disk and names it.
  func commit() throws(TableError) {
    for (number, section) in sections.enumerated() {
      let entry = TableFormat.headerSize + number * TableFormat.entrySize
      for (index, byte) in section.name.utf8.prefix(24).enumerated() { bytes[entry + index] = byte }
      bytes.storeBytes(of: UInt64(section.range.lowerBound), toByteOffset: entry + 24, as: UInt64.self)
      bytes.storeBytes(of: UInt64(section.range.count), toByteOffset: entry + 32, as: UInt64.self)
      let crc = crc32c(UnsafeRawBufferPointer(rebasing: bytes[section.range]))
      bytes.storeBytes(of: crc, toByteOffset: entry + 40, as: UInt32.self)
    }
    let directoryEnd = TableFormat.headerSize + sections.count * TableFormat.entrySize
    let head = UnsafeRawBufferPointer(rebasing: bytes[..<56])
    let directory = UnsafeRawBufferPointer(rebasing: bytes[TableFormat.headerSize..<directoryEnd])
    bytes.storeBytes(of: crc32c(directory, crc32c(head)), toByteOffset: 56, as: UInt32.self)
    guard msync(bytes.baseAddress, bytes.count, MS_SYNC) == 0 else {
      throw AtomicFile.failure(destination.path, errno)
    }
    try file.commit()
  }
}
