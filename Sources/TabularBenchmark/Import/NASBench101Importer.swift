import Foundation
import SearchSpaces

/// Converts NAS-Bench-101's own files, `nasbench_full.tfrecord` and `nasbench_only108.tfrecord`, gzipped or
/// not, into a table.
///
/// Each record is a JSON array of hash, epochs, adjacency matrix as a word of zeros and ones, operations
/// joined by commas, and a `ModelMetrics` message in base64. Every checksum is checked, and every cell's hash
/// is computed again. Memory does not grow with the number of trainings.
public enum NASBench101Importer {
  /// The number of times that NAS-Bench-101 trained each cell per epoch count.
  public static let repeats = 3
  /// The epoch counts for which NAS-Bench-101 trained each cell.
  public static let epochCounts = [4, 12, 36, 108]

  /// - Parameters:
  ///   - task: The images and networks to state, if they are not NAS-Bench-101's own.
  ///   - progress: Called now and then with the bytes read and the file's size.
  /// - Throws: ``ImportError`` with the record and byte, `TableError`. No table is left behind.
  public static func importTable(
    from source: URL, to destination: URL, task: StatedTask = .nasBench101,
    progress: (Int, Int) -> Void = { _, _ in }
  ) throws -> ImportSummary {
    var reader = try TFRecordReader(source)
    try reader.input.refuse(destination: destination)
    do { return try importTable(&reader, source, to: destination, task, progress) } catch let error
      as ImportError
    {
      throw reader.input.damage() ?? error
    }
  }

  private static func importTable(
    _ reader: inout TFRecordReader, _ source: URL, to destination: URL, _ task: StatedTask,
    _ progress: (Int, Int) -> Void
  ) throws -> ImportSummary {
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
      guard let epochIndex = epochCounts.firstIndex(of: record.epochs) else {
        throw failure("NAS-Bench-101 has trainings of 4, 12, 36 and 108 epochs, not \(record.epochs)")
      }
      seen[epochIndex] = true

      let row: Int
      if let last, last.graph == record.graph {
        row = last.row
      } else if let known = rows[record.graph] {
        row = known
      } else {
        let cell: Cell
        do { cell = try record.graph.cell() } catch { throw failure("this is no cell: \(error)") }
        hashCheck.add(cell, record.hash, record: reader.recordNumber)
        row = writer.add(.cell(cell), id: record.hash, parameters: record.parameters)
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
      let first = (row * epochCounts.count + epochIndex) * repeats
      guard !fingerprints[first..<first + number].contains(reader.checksum) else {
        throw failure(
          "a training of cell \(record.hash) is in the file twice; download the file again")
      }
      fingerprints[first + number] = reader.checksum
      if reader.recordNumber & 0x3fff == 0 {
        progress(reader.input.bytesRead, reader.input.totalBytes)
        if let wrong = hashCheck.mismatch { throw wrong.error(source.path, unit: "record") }
      }
    }
    if let wrong = hashCheck.finish() { throw wrong.error(source.path, unit: "record") }
    if let lacking = writer.architecture(withoutRepeats: repeats) {
      throw ImportError(
        source.path, "",
        "cell \(lacking.architecture.id) has \(lacking.repeats) trainings of \(lacking.epochs) epochs where "
          + "\(repeats) are needed; download the file again")
    }
    try writer.finish(provenance: [
      "source": "NAS-Bench-101 (Ying et al. 2019), imported from \(source.lastPathComponent)",
      "seconds": "TPU v2 seconds as in the file",
      "settings": task.json,
    ])
    return ImportSummary(
      cells: writer.rowCount, records: reader.recordNumber,
      epochs: zip(epochCounts, seen).filter(\.1).map(\.0))
  }
}
