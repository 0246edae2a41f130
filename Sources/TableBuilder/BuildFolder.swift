import Foundation
import SearchSpaces

/// An error in building a table.
public enum BuildError: Error, Hashable, Sendable, CustomStringConvertible {
  case unreadable(String, reason: String)
  case corrupt(String, line: Int)
  case otherSettings(String)
  case twice(String, line: Int, cell: String)
  case notWritten(String, reason: String)
  case inUse(String)
  case notBuilt(String)
  case notTimed(String, cell: String)

  public var description: String {
    switch self {
    case .unreadable(let path, let reason): "\(path) cannot be read: \(reason)"
    case .corrupt(let path, let line):
      "\(path), line \(line): this is no training; delete the line to have it done again"
    case .otherSettings(let path):
      "\(path) was made with other settings, data or another libtorch; finish it with those, "
        + "or choose another folder"
    case .twice(let path, let line, let cell):
      "\(path), line \(line): this training of \(cell) is in the folder twice; delete one of them"
    case .notWritten(let path, let reason): "\(path) cannot be written: \(reason)"
    case .notBuilt(let path):
      "\(path) does not state what its trainings were made with, so it cannot be extended; choose one that "
        + "'anytime table build' made"
    case .notTimed(let path, let cell):
      "\(path) lacks timings, as of \(cell); go on with 'anytime table time \(path)'"
    case .inUse(let path): "\(path) is being written by another worker; try again when it has ended"
    }
  }
}

/// A folder of build logs: JSON lines, one file per worker, a header and then a line per training.
///
/// Every line is flushed to disk before the next training begins. The union of all logs is what is done, so a build may
/// be killed at any time, go on with another number of workers, or be put together from several machines by copying
/// files.
public struct BuildFolder: Sendable {
  /// The folder's path.
  public let path: String

  public init(path: String) { self.path = path }

  /// Reads the header that all logs share, and all trainings that are done, in a fixed order; `nil` if there is no log
  /// yet.
  ///
  /// A last line that a crash cut off is ignored.
  ///
  /// - Throws: ``BuildError``.
  public func read() throws(BuildError) -> (header: BuildHeader, records: [TrainingRecord])? {
    var header: BuildHeader?
    var records: [TrainingRecord] = []
    var seen: Set<String> = []
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
    for name in names where name.hasSuffix(".jsonl") {
      let file = path + "/" + name
      guard let (own, part) = try Self.readLog(file, of: TrainingRecord.self) else { continue }
      guard header == nil || header == own else { throw .otherSettings(file) }
      header = own
      for (index, record) in part.enumerated() {
        guard seen.insert("\(record.cell) \(record.epochs) \(record.number)").inserted else {
          throw .twice(file, line: index + 2, cell: record.cell)
        }
      }
      records += part
    }
    guard let header else { return nil }
    records.sort { ($0.cell, $0.epochs, $0.number) < ($1.cell, $1.epochs, $1.number) }
    return (header, records)
  }

  /// Reads a log's header and records, without a last line that was cut off; `nil` for a file without a whole line.
  private static func readLog<Record: Decodable>(
    _ file: String, of type: Record.Type
  ) throws(BuildError) -> (header: BuildHeader, records: [Record])? {
    guard let data = FileManager.default.contents(atPath: file) else {
      throw .unreadable(file, reason: "check its permissions")
    }
    var lines = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    lines.removeLast()  // empty after the last newline, or cut off
    guard let first = lines.first else { return nil }
    let decoder = JSONDecoder()
    guard let header = try? decoder.decode(BuildHeader.self, from: Data(first)) else {
      throw .corrupt(file, line: 1)
    }
    var records: [Record] = []
    for (index, line) in lines.enumerated().dropFirst() {
      guard let record = try? decoder.decode(Record.self, from: Data(line)) else {
        throw .corrupt(file, line: index + 1)
      }
      records.append(record)
    }
    return (header, records)
  }

  /// The log of ``Timing``.
  var timingPath: String { path + "/steps.timing" }

  /// Reads the CPU seconds of a training step, by cell and repeat: the least of each repeat's measurements. Cells that
  /// lack measurements are left out. `nil` if the folder was not timed.
  ///
  /// - Throws: ``BuildError``.
  public func stepSeconds() throws(BuildError) -> (header: BuildHeader, seconds: [String: [Double]])? {
    guard let (header, all) = try timings() else { return nil }
    let repeats = header.settings.repeats
    let seconds = all.filter { $0.value.count >= repeats * Timing.visits }.mapValues { values in
      (0..<repeats).map { number in stride(from: number, to: values.count, by: repeats).map { values[$0] }.min() ?? 0 }
    }
    return (header, seconds)
  }

  /// Reads all measurements of ``Timing`` by cell, in the order of rounds; `nil` if there are none.
  ///
  /// - Throws: ``BuildError``.
  func timings() throws(BuildError) -> (header: BuildHeader, seconds: [String: [Double]])? {
    guard FileManager.default.fileExists(atPath: timingPath),
      let (header, records) = try Self.readLog(timingPath, of: TimingRecord.self)
    else { return nil }
    var seconds: [String: [Double]] = [:]
    for record in records { seconds[record.cell, default: []].append(record.seconds) }
    return (header, seconds)
  }

  /// The number of lines of all logs: a cheap measure of progress.
  public var lineCount: Int {
    ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).filter { $0.hasSuffix(".jsonl") }
      .reduce(0) { sum, name in
        let data = FileManager.default.contents(atPath: "\(path)/\(name)") ?? Data()
        return sum + data.withUnsafeBytes { bytes in bytes.count { $0 == UInt8(ascii: "\n") } }
      }
  }

  /// Checks that no worker of a build with another number of workers is still at work here.
  ///
  /// - Throws: ``BuildError/inUse(_:)``.
  func refuseOthers(count: Int) throws(BuildError) {
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
    for name in names where name.hasSuffix(".jsonl") && !name.hasSuffix("-of-\(count).jsonl") {
      let file = path + "/" + name
      guard let handle = FileHandle(forReadingAtPath: file) else { continue }
      guard flock(handle.fileDescriptor, LOCK_SH | LOCK_NB) == 0 else { throw .inUse(file) }
    }
  }

  /// Reads which trainings are done.
  ///
  /// - Throws: ``BuildError``, also if the logs have another header.
  public func done(_ header: BuildHeader) throws(BuildError) -> Set<Assignment> {
    guard let (own, records) = try read() else { return [] }
    guard own == header else { throw .otherSettings(path) }
    return Set(
      records.compactMap { record in
        Cell(record.cell).map { Assignment(cell: $0, epochs: record.epochs, number: record.number) }
      })
  }
}

/// A log to which trainings are durably appended. It is locked as long as this object lives.
final class BuildLog {
  private let path: String
  private let handle: FileHandle
  private let encoder = JSONEncoder()

  /// Opens a log or begins one. A last line that a crash cut off is removed.
  init(path: String, header: BuildHeader) throws(BuildError) {
    self.path = path
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // A training that diverged may have infinite values, or none that are numbers.
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    let exists = FileManager.default.fileExists(atPath: path)
    if !exists { _ = FileManager.default.createFile(atPath: path, contents: nil) }
    guard let handle = FileHandle(forUpdatingAtPath: path) else {
      throw .notWritten(path, reason: "check the folder's permissions")
    }
    self.handle = handle
    // A worker whose build was killed still finishes its training; no other may write to its log meanwhile.
    guard flock(handle.fileDescriptor, LOCK_EX | LOCK_NB) == 0 else { throw .inUse(path) }
    let content = handle.readDataToEndOfFile()
    let whole = content.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    do {
      try handle.truncate(atOffset: UInt64(whole))
      try handle.seekToEnd()
    } catch { throw .notWritten(path, reason: "\(error)") }
    if whole == 0 { try write(header) }
  }

  func append(_ record: some Encodable) throws(BuildError) { try write(record) }

  private func write(_ value: some Encodable) throws(BuildError) {
    guard let line = try? encoder.encode(value) else {
      throw .notWritten(path, reason: "it has no text form")
    }
    guard writeWhole(line + Data("\n".utf8), to: handle.fileDescriptor), fsync(handle.fileDescriptor) == 0
    else {
      throw .notWritten(
        path,
        reason: String(cString: strerror(errno)) + (errno == ENOSPC ? "; make room and start again" : ""))
    }
  }
}

/// Writes all bytes to a file; `false` if that failed, with the reason in `errno`.
private func writeWhole(_ data: Data, to descriptor: Int32) -> Bool {
  data.withUnsafeBytes { bytes in
    var done = 0
    while done < bytes.count {
      let count = write(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
      guard count > 0 else { return false }
      done += count
    }
    return true
  }
}
