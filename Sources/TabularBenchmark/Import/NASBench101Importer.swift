import CellSpace
import Foundation
import Synchronization

/// What an import read.
public struct ImportSummary: Hashable, Sendable {
  public let cells: Int
  public let records: Int
  public let epochs: [Int]
}

/// Converts NAS-Bench-101's own files, `nasbench_full.tfrecord` and `nasbench_only108.tfrecord`, gzipped or
/// not, into a table.
///
/// Each record is a JSON array of hash, epochs, adjacency matrix as a word of zeros and ones, operations
/// joined by commas, and a `ModelMetrics` message in base64. Every checksum is checked, and every cell's hash
/// is computed again. Memory does not grow with the number of trainings.
public enum NASBench101Importer {
  /// How many times NAS-Bench-101 trained each cell.
  public static let repeats = 3
  /// For how many epochs.
  public static let epochCounts = [4, 12, 36, 108]

  /// - Parameter progress: Called now and then with the bytes read and the file's size.
  /// - Throws: ``ImportError`` with the record and byte, `TableError`. No table is left behind.
  public static func importTable(
    from source: URL, to destination: URL, progress: (Int, Int) -> Void = { _, _ in }
  ) throws -> ImportSummary {
    var reader = try TFRecordReader(source)
    let writer = try TableWriter(destination: destination)
    var parser = RecordParser()
    var rows: [RecordParser.Graph: Int] = [:]
    /// A cell's records stand together.
    var last: (graph: RecordParser.Graph, row: Int)?
    /// The record's checksum per row, epoch count and repeat, to notice a training that is there twice.
    var fingerprints: [UInt32] = []
    var seen = [Bool](repeating: false, count: epochCounts.count)
    let hashCheck = HashCheck()

    while let payload = try reader.next() {
      func failure(_ problem: String) -> ImportError {
        ImportError(source.path, "record \(reader.recordNumber), before byte \(reader.input.offset)", problem)
      }
      let record: RecordParser.Record
      do { record = try parser.parse(payload) } catch { throw failure(error.problem) }
      guard let place = epochCounts.firstIndex(of: record.epochs) else {
        throw failure("NAS-Bench-101 has trainings of 4, 12, 36 and 108 epochs, not \(record.epochs)")
      }
      seen[place] = true

      let row: Int
      if let last, last.graph == record.graph {
        row = last.row
      } else if let known = rows[record.graph] {
        row = known
      } else {
        let cell: Cell
        do { cell = try record.graph.cell() } catch { throw failure("this is no cell: \(error)") }
        hashCheck.add(cell, record.hash, record: reader.recordNumber)
        row = writer.add(cell: cell, hash: record.hash, parameters: record.parameters)
        rows[record.graph] = row
        let needed = writer.rowCount * epochCounts.count * repeats
        if fingerprints.count < needed {
          fingerprints.append(contentsOf: repeatElement(0, count: needed - fingerprints.count))
        }
      }
      last = (record.graph, row)
      let number = try writer.append(record.measurement, row: row, epochs: record.epochs)
      guard number < repeats else {
        throw failure("cell \(record.hash) has more than \(repeats) trainings of \(record.epochs) epochs")
      }
      let first = (row * epochCounts.count + place) * repeats
      guard !fingerprints[first..<first + number].contains(reader.checksum) else {
        throw failure(
          "a training of cell \(record.hash) is in the file twice; download the file again")
      }
      fingerprints[first + number] = reader.checksum
      if reader.recordNumber & 0x3fff == 0 {
        progress(reader.input.bytesRead, reader.input.totalBytes)
        if let wrong = hashCheck.mismatch { throw wrong.error(source.path) }
      }
    }
    if let wrong = hashCheck.finish() { throw wrong.error(source.path) }
    if let lacking = writer.cell(withoutRepeats: repeats) {
      throw ImportError(
        source.path, "",
        "cell \(lacking.cell.hash) has \(lacking.repeats) trainings of \(lacking.epochs) epochs where "
          + "\(repeats) are needed; download the file again")
    }
    try writer.finish(provenance: [
      "source": "NAS-Bench-101 (Ying et al. 2019), imported from \(source.lastPathComponent)",
      "seconds": "TPU v2 seconds as in the file",
    ])
    return ImportSummary(
      cells: writer.rowCount, records: reader.recordNumber,
      epochs: zip(epochCounts, seen).filter(\.1).map(\.0))
  }
}

/// Computes the hashes of cells again, on other threads: it takes longer than reading their records.
private final class HashCheck: Sendable {
  struct Mismatch {
    let record: Int
    let stated, computed: CellHash

    func error(_ path: String) -> ImportError {
      ImportError(
        path, "record \(record)",
        "the hash \(stated) is unknown: the record's cell has the hash \(computed); download the file again")
    }
  }

  private typealias Entry = (cell: Cell, hash: CellHash, record: Int)
  private let found = Mutex<Mismatch?>(nil)
  private let batch = Mutex<[Entry]>([])
  private let group = DispatchGroup()
  /// Bounds the memory of batches under way.
  private let places = DispatchSemaphore(value: 8)

  /// The mismatch with the least record number so far.
  var mismatch: Mismatch? { found.withLock { $0 } }

  func add(_ cell: Cell, _ hash: CellHash, record: Int) {
    let full = batch.withLock { batch -> [Entry] in
      batch.append((cell, hash, record))
      guard batch.count >= 1_024 else { return [] }
      defer { batch.removeAll(keepingCapacity: true) }
      return batch
    }
    if !full.isEmpty { check(full) }
  }

  private func check(_ entries: [Entry]) {
    places.wait()
    DispatchQueue.global().async(group: group) { [self] in
      defer { places.signal() }
      for (entry, computed) in zip(entries, Cell.hashes(entries.map(\.cell))) where computed != entry.hash {
        found.withLock { found in
          if found.map({ $0.record > entry.record }) ?? true {
            found = Mismatch(record: entry.record, stated: entry.hash, computed: computed)
          }
        }
        return
      }
    }
  }

  /// Waits for all checks.
  func finish() -> Mismatch? {
    check(batch.withLock { $0 })
    group.wait()
    return mismatch
  }
}
