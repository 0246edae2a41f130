import Dispatch
import SearchSpaces
import Synchronization

// Checks that the content of a table is what was written, and makes sense. Reads all of it, at the speed of memory.

extension Table {
  /// Checks every byte of the content against the checksums, and that the content makes sense: cells are cells,
  /// accuracies lie in 0...1, seconds are finite and not negative.
  ///
  /// - Throws: ``TableError/damaged(_:section:)`` for the first section that is damaged.
  public func verify() throws(TableError) {
    guard file.bytes.count > 1 << 22 else {
      try checkBytes()
      return try checkSense()
    }
    // Large tables on two cores.
    let failures = Mutex<[Int: TableError]>([:])
    DispatchQueue.concurrentPerform(iterations: 2) { part in
      do throws(TableError) {
        if part == 0 { try checkBytes() } else { try checkSense() }
      } catch {
        failures.withLock { $0[part] = error }
      }
    }
    if let failure = failures.withLock({ $0[0] ?? $0[1] }) { throw failure }
  }

  private func checkBytes() throws(TableError) {
    var end = TableFormat.headerSize + sections.count * TableFormat.entrySize
    for section in sections.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
      // Sections lie one behind the other, with zeros between them.
      guard section.range.lowerBound >= end, file.bytes[end..<section.range.lowerBound].allSatisfy({ $0 == 0 }),
        crc32c(UnsafeRawBufferPointer(rebasing: file.bytes[section.range])) == section.crc
      else { throw damage(section.name) }
      end = section.range.upperBound
    }
    guard file.bytes[end...].allSatisfy({ $0 == 0 }) else { throw damage("end") }
  }

  private func checkSense() throws(TableError) {
    for row in 0..<rowCount {
      guard Cell.isPlausible(code: codes[row]) else { throw damage("cells") }
      guard self.row(of: architecture(row)) == row else { throw damage("index") }
      guard row == 0 || id(row - 1) < id(row) else { throw damage("hashes") }
      // Counts are added up and multiplied by numbers of images.
      for (name, counts) in [("parameters", parameterCounts), ("macs", macs)] {
        if let counts, !(-1...1 << 50).contains(counts[row]) { throw damage(name) }
      }
    }
    for (index, column) in columns.enumerated() {
      guard let column else { continue }
      let metric = Metric.allCases[index % 4]
      let greatest = metric == .seconds ? Float.greatestFiniteMagnitude : 1
      let values = UnsafeBufferPointer(start: column, count: rowCount * epochs.count * repeats)
      guard values.allAbsentOrBetweenZero(and: greatest) else {
        throw damage("\(Moment.allCases[index / 4].rawValue).\(metric.rawValue)")
      }
    }
  }

  private func damage(_ section: String) -> TableError { .damaged(path, section: "section '\(section)'") }

  /// Checks that the file was not written to since it was opened. A file that another one replaced keeps its content.
  ///
  /// - Throws: ``TableError/changed(_:)``.
  package func checkUnchanged() throws(TableError) { try file.checkUnchanged() }
}

extension UnsafeBufferPointer<Float> {
  /// Whether every value is NaN or lies between 0 and `greatest`.
  fileprivate func allAbsentOrBetweenZero(and greatest: Float) -> Bool {
    guard let baseAddress else { return true }
    var isWrong = SIMDMask<SIMD16<Int32>>(repeating: false)
    var index = 0
    while index + 16 <= count {
      let values = UnsafeRawPointer(baseAddress + index).loadUnaligned(as: SIMD16<Float>.self)
      // A NaN compares false.
      isWrong .|= (values .< 0) .| (values .> greatest)
      index += 16
    }
    return !any(isWrong) && self[index...].allSatisfy { !($0 < 0) && !($0 > greatest) }
  }
}
