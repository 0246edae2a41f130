import SearchSpaces

/// Passes trainings to a writer, telling repeats from duplicates and from isomorphic rows.
///
/// A row with the matrix and operations of an earlier row is another repeat, unless all values are equal; a row with
/// another matrix of the same cell is an isomorphic row. Where rows number their repeats, these numbers count.
struct TrainingCollector {
  private let writer: TableWriter
  private let options: ImportOptions
  private let hashCheck = HashCheck()

  /// A matrix with operations, as it was written.
  private struct Entry {
    let row: Int32
    /// The lines of the first row that has it, and of the first row of the cell.
    let line: UInt32
    let cell: Cell
    var hash: Architecture.ID?
    var parameters: Int64 = -1
    var multiplyAccumulates: Int64 = -1
    /// Whether its trainings are left out, as those of another matrix are there.
    let isLeftOut: Bool
  }
  private var entries: [Entry] = []
  private var indices: [RecordParser.Graph: Int] = [:]
  /// The first entry of each row of the writer.
  private var firstEntry: [Int32] = []

  /// A training that was read: a list per entry and epoch count, the last one first.
  private struct Training {
    /// The repeat where rows state it, otherwise a hash of the values.
    let mark: UInt64
    let line: UInt32
    let next: Int32
  }
  private var trainings: [Training] = []
  private var lists: [Int32] = []
  private var epochs: [Int] = []
  private let kept: Set<Int>

  private var statesRepeats: Bool?
  private var repeats: (lowest: Int, highest: Int, line: Int)?
  private var equalRows: (count: Int, first: Int)?
  private var isomorphicRows: (count: Int, first: Int, other: Int)?
  private(set) var count = 0

  init(_ writer: TableWriter, _ options: ImportOptions) {
    self.writer = writer
    self.options = options
    kept = Set(options.keptEpochs)
    writer.averages = options.isomorphic == .mean
  }

  var epochCounts: [Int] { epochs.sorted() }

  /// Finds or adds a matrix with operations.
  ///
  /// - Returns: Its number for ``add(_:to:epochs:repeat:line:)``.
  mutating func entry(
    _ graph: RecordParser.Graph, hash: Architecture.ID?, parameters: Int64?, multiplyAccumulates: Int64?, line: Int
  ) throws(ImportProblem) -> Int {
    let index: Int
    if let known = indices[graph] {
      index = known
    } else {
      let cell: Cell
      do { cell = try graph.cell() } catch { throw ImportProblem("\(error)") }
      let row = writer.add(.cell(cell))
      var isLeftOut = false
      if row < firstEntry.count {
        let first = entries[Int(firstEntry[row])]
        guard options.isomorphic != .error else {
          throw ImportProblem(
            "this is the same cell as on line \(first.line), drawn in another way; leave one of them out, or say with "
              + "'--isomorphic mean' or '--isomorphic first' what to do with such rows")
        }
        isomorphicRows =
          isomorphicRows.map { ($0.count + 1, $0.first, $0.other) } ?? (1, line, Int(first.line))
        isLeftOut = options.isomorphic == .first
      } else {
        firstEntry.append(Int32(entries.count))
      }
      index = entries.count
      entries.append(
        Entry(row: Int32(row), line: UInt32(clamping: line), cell: cell, isLeftOut: isLeftOut))
      lists.append(contentsOf: repeatElement(-1, count: TableWriter.maximumEpochCounts))
      indices[graph] = index
    }
    // Most rows say what an earlier one has said.
    var isNews = false
    if let hash, entries[index].hash != hash {
      guard entries[index].hash == nil else {
        throw ImportProblem("the hash \(hash) is unknown: the row's cell has the hash \(entries[index].cell.hash)")
      }
      entries[index].hash = hash
      hashCheck.add(entries[index].cell, hash, record: line)
      if line & 0x3fff == 0, let wrong = hashCheck.mismatch { throw Self.problem(wrong, line) }
      isNews = true
    }
    if let parameters, parameters != entries[index].parameters {
      try Self.state(
        parameters, in: &entries[index].parameters, "trainable parameters", line: entries[index].line)
      isNews = true
    }
    if let multiplyAccumulates, multiplyAccumulates != entries[index].multiplyAccumulates {
      try Self.state(
        multiplyAccumulates, in: &entries[index].multiplyAccumulates, "multiply-accumulates",
        line: entries[index].line)
      isNews = true
    }
    if isNews {
      writer.add(
        .cell(entries[index].cell), id: hash, parameters: parameters, multiplyAccumulates: multiplyAccumulates)
    }
    return index
  }

  /// A count of a cell that must be the same in all of its rows.
  private static func state(
    _ value: Int64, in known: inout Int64, _ name: String, line: UInt32
  ) throws(ImportProblem) {
    guard known < 0 || known == value else {
      throw ImportProblem(
        "this cell has \(value) \(name), and \(known) on or after line \(line); correct one of them")
    }
    known = value
  }

  private static func problem(_ wrong: HashCheck.Mismatch, _ line: Int) -> ImportProblem {
    ImportProblem(
      (wrong.record == line ? "" : "of line \(wrong.record) ")
        + "the hash \(wrong.stated) is unknown: the cell has the hash \(wrong.computed)")
  }

  /// Adds a training of an entry.
  ///
  /// - Parameter repeat: The repeat that the row states, counted from 0 or 1; `nil` if it states none.
  mutating func add(
    _ measurement: Measurement, to index: Int, epochs count: Int, repeat stated: Int?, line: Int
  ) throws {
    guard kept.isEmpty || kept.contains(count) else { return }
    guard !entries[index].isLeftOut else { return }
    var slot = epochs.firstIndex(of: count)
    if slot == nil {
      guard epochs.count < TableWriter.maximumEpochCounts else {
        let example = [0, 5, 10, 15].map { String(epochs.sorted()[$0]) }.joined(separator: ",")
        throw ImportProblem(
          "\(count) epochs are the 17th epoch count, and a table holds up to 16; choose up to 16 of them, as in "
            + "'--keep-epochs \(example)'")
      }
      slot = epochs.count
      epochs.append(count)
    }
    guard statesRepeats ?? (stated != nil) == (stated != nil) else {
      throw ImportProblem(
        stated == nil
          ? "'repeat' is missing, and rows before have it; number all repeats or none"
          : "there is a 'repeat', and rows before have none; number all repeats or none")
    }
    statesRepeats = stated != nil

    let list = index * TableWriter.maximumEpochCounts + (slot ?? 0)
    let mark = stated.map(UInt64.init) ?? Self.mark(of: measurement)
    var number = 0
    var next = lists[list]
    while next >= 0 {
      let other = trainings[Int(next)]
      if let mark, other.mark == mark {
        if let stated {
          throw ImportProblem(
            "repeat \(stated) of this cell at \(count) epochs is there twice, first on line \(other.line)")
        }
        guard options.isomorphic != .error else {
          throw ImportProblem(
            "this row has the same cell, epochs and values as line \(other.line); leave one of them out, number "
              + "repeats in a column 'repeat', or count equal rows once with '--isomorphic first'")
        }
        equalRows = equalRows.map { ($0.count + 1, $0.first) } ?? (1, line)
        return
      }
      number += 1
      next = other.next
    }
    if let stated {
      number = stated
      if repeats.map({ stated > $0.highest }) ?? true { repeats = (repeats?.lowest ?? stated, stated, line) }
      if let lowest = repeats?.lowest, stated < lowest { repeats?.lowest = stated }
    }
    guard number <= TableWriter.maximumRepeats - (stated == nil ? 1 : 0) else {
      throw ImportProblem(
        stated == nil
          ? "this cell has more than \(TableWriter.maximumRepeats) trainings of \(count) epochs; no table holds more"
          : "repeat \(number) is too great: number repeats from 0 or 1, up to \(TableWriter.maximumRepeats)")
    }
    // Whether repeats count from 0 or 1 shows at the end.
    writer.firstRepeat = stated == nil ? 0 : 1
    try writer.append(measurement, row: Int(entries[index].row), epochs: count, repeat: number)
    trainings.append(
      Training(mark: mark ?? UInt64(trainings.count), line: UInt32(clamping: line), next: lists[list]))
    lists[list] = Int32(trainings.count - 1)
    self.count += 1
  }

  /// A hash of all values; `nil` if there are none: a second training that diverged is no duplicate.
  private static func mark(of measurement: Measurement) -> UInt64? {
    var mark: UInt64 = 0
    var isEmpty = true
    for point in [measurement.halfway, measurement.final] {
      for value in [point.seconds, point.trainAccuracy, point.validationAccuracy, point.testAccuracy] {
        isEmpty = isEmpty && value.isNaN
        mark = (mark ^ UInt64(value.isNaN ? 0xffff_ffff : value.bitPattern)) &* 0x9e37_79b9_7f4a_7c15
        mark ^= mark >> 29
      }
    }
    return isEmpty ? nil : mark
  }

  /// Waits for the checks of hashes and settles how repeats are numbered.
  ///
  /// - Returns: Remarks for the user.
  /// - Throws: ``ImportError``.
  mutating func finish(_ path: String) throws(ImportError) -> [String] {
    if let wrong = hashCheck.finish() { throw wrong.error(path, unit: "line") }
    for wanted in options.keptEpochs where !epochs.contains(wanted) {
      throw ImportError(path, "", "there are no trainings of \(wanted) epochs, which --keep-epochs asks for")
    }
    writer.firstRepeat = repeats?.lowest == 1 ? 1 : 0
    if let repeats, repeats.highest - writer.firstRepeat >= TableWriter.maximumRepeats {
      throw ImportError(
        path, "line \(repeats.line)",
        "repeats count from 0 to \(repeats.highest), and a table holds up to \(TableWriter.maximumRepeats)")
    }
    var notes: [String] = []
    if let equalRows {
      notes.append(
        "\(equalRows.count) rows repeat others in all values and count once, the first of them line \(equalRows.first)"
      )
    }
    if let isomorphicRows {
      notes.append(
        "\(isomorphicRows.count) matrices are cells that are there already; the first is line "
          + "\(isomorphicRows.first), the cell of line \(isomorphicRows.other): "
          + (options.isomorphic == .mean ? "means are taken" : "the first one's trainings are kept"))
    }
    return notes
  }
}
