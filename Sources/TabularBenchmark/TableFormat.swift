import Foundation
import SearchSpaces

// The table file, version 1. All numbers are little-endian.
//
//   header     64 bytes   magic "ANYTABLE", version, number of sections, rows, epoch counts, repeats (UInt32
//                         each), 4 bytes of zeros, length of the file (UInt64), 16 bytes of zeros, CRC-32C of
//                         the bytes before and of the directory (UInt32), 4 bytes of zeros
//   directory  48 bytes per section: name (24 bytes, zero-padded), offset, length (UInt64), CRC-32C (UInt32),
//                         4 bytes of zeros
//   sections   each at a multiple of 64
//
//   hashes      16 bytes per row: NAS-Bench-101's hash as two UInt64, high first; rows ascend by it
//   cells       UInt64 per row: Cell.code
//   index       open-addressing hash table from Cell.code to row + 1 (UInt32, 0 for a free slot)
//   epochs      UInt32 per epoch count, ascending
//   parameters  Int64 per row, trainable parameters; -1 where absent. The section may be absent.
//   macs        Int64 per row, multiply-accumulates per image; likewise
//   final.*, halfway.*   Float32 [row][epoch count][repeat], NaN where absent; each may be absent:
//               seconds, train, validation, test
//   provenance  JSON object of strings
enum TableFormat {
  static let magic = Array("ANYTABLE".utf8)
  static let version: UInt32 = 1
  static let headerSize = 64
  static let entrySize = 48
  static let alignment = 64
  /// NAS-Bench-101's whole space has 423,624 cells.
  static let maximumRows = 1 << 24
  static let maximumEpochCounts = 16
  static let maximumRepeats = 255

  /// The slot of a cell in the index, and the next one to try: Fibonacci hashing, linear probing.
  @inline(__always) static func slot(of code: UInt64, mask: Int) -> Int {
    Int(truncatingIfNeeded: (code &* 0x9e37_79b9_7f4a_7c15) >> 32) & mask
  }

  /// The number of slots for a number of rows: a power of two, at most half full.
  static func slotCount(rows: Int) -> Int {
    var count = 2
    while count < 2 * rows { count *= 2 }
    return count
  }
}

/// A measured quantity.
public enum Metric: String, CaseIterable, Sendable {
  /// The CPU or accelerator seconds of training up to the moment.
  case seconds
  /// Accuracy on (a fixed part of) the training images, in 0...1.
  case trainAccuracy = "train"
  /// Accuracy on the validation images, in 0...1.
  case validationAccuracy = "validation"
  /// Accuracy on the test images, in 0...1.
  case testAccuracy = "test"

  var index: Int {
    switch self {
    case .seconds: 0
    case .trainAccuracy: 1
    case .validationAccuracy: 2
    case .testAccuracy: 3
    }
  }
}

/// The moment of a training at which a quantity was measured.
public enum Moment: String, CaseIterable, Sendable {
  /// After half of the epochs, or after all.
  case halfway, final
}

/// The results of one training. A value that the source lacks is NaN.
public struct Measurement: Hashable, Sendable {
  /// The four quantities at one moment.
  public struct Point: Hashable, Sendable {
    /// The seconds of training up to the moment.
    public var seconds: Float
    /// The accuracies, in 0...1.
    public var trainAccuracy, validationAccuracy, testAccuracy: Float

    /// What was measured at a moment; NaN for what the table does not have.
    public init(
      seconds: Float = .nan, trainAccuracy: Float = .nan, validationAccuracy: Float = .nan,
      testAccuracy: Float = .nan
    ) {
      self.seconds = seconds
      self.trainAccuracy = trainAccuracy
      self.validationAccuracy = validationAccuracy
      self.testAccuracy = testAccuracy
    }

    /// One of the quantities; NaN if the table does not have it.
    public subscript(metric: Metric) -> Float {
      switch metric {
      case .seconds: seconds
      case .trainAccuracy: trainAccuracy
      case .validationAccuracy: validationAccuracy
      case .testAccuracy: testAccuracy
      }
    }
  }

  /// After half of the epochs; all NaN in tables without such measurements.
  public var halfway: Point
  /// After the last epoch.
  public var final: Point

  /// The measurements of a training.
  public init(halfway: Point = Point(), final: Point) {
    self.halfway = halfway
    self.final = final
  }

  /// The measurements at a moment.
  public subscript(moment: Moment) -> Point { moment == .halfway ? halfway : final }
}

/// The origin of a table's numbers: command, data, library versions, machine, as text by name.
public typealias Provenance = [String: String]

/// The reason why a table cannot be read, written or used.
public enum TableError: Error, Hashable, Sendable, CustomStringConvertible {
  /// A file cannot be opened or read.
  case cannotOpen(String, reason: String)
  /// A file is no table, with a guess at what it is.
  case notATable(String, hint: String)
  /// A table has a format of another version of the program.
  case version(String, found: UInt32)
  /// A file is shorter than its header says, in bytes.
  case truncated(String, expected: Int, found: Int)
  /// The checksum of a section of the file does not match.
  case damaged(String, section: String)
  /// A table cannot be written.
  case cannotWrite(String, reason: String)
  /// A table was written to by another program while it was in use.
  case changed(String)
  /// A table has not all architectures of a search space.
  case missingArchitectures(table: String, space: String, missing: Int, of: Int)
  /// A table has no trainings with a quantity that something needs.
  case missingMetric(table: String, metric: String, neededFor: String)
  /// Trainings of a search space lack a number, the first of them with its architecture, epoch count and repeat.
  case holes(table: String, space: String, count: Int, lacking: String, id: Architecture.ID, epochs: Int, repeat: Int)
  /// Architectures of a search space have no whole training of an epoch count.
  case untrained(table: String, space: String, count: Int, id: Architecture.ID, epochs: Int)
  /// A training took no time, or one that is no number.
  case badSeconds(table: String, id: Architecture.ID, epochs: Int, repeat: Int, seconds: Double)

  public var description: String { sentence.inOneLine }

  private var sentence: String {
    switch self {
    case .cannotOpen(let path, let reason):
      "\(path) cannot be read: \(reason)"
    case .notATable(let path, let hint):
      "\(path) is no AnytimeNAS table: \(hint)"
    case .version(let path, let found):
      "\(path) is a table of version \(found), and this program reads version \(TableFormat.version); "
        + "import or build it again"
    case .truncated(let path, let expected, let found):
      "\(path) is cut short: \(found) of \(expected) bytes are there; copy or build it again"
    case .damaged(let path, let section):
      "\(path) is damaged: its \(section) is not as it was written; copy or build it again"
    case .cannotWrite(let path, let reason):
      "\(path) cannot be written: \(reason)"
    case .changed(let path):
      "\(path) was written to while it was in use; what was done before is kept, start again"
    case .missingArchitectures(let table, let space, let missing, let count):
      "\(table) lacks \(missing) of the \(count) architectures of search space \(space); "
        + "choose another search space or another table"
    case .missingMetric(let table, let metric, let purpose):
      "\(table) has no \(metric), which \(purpose) needs"
    case .holes(let table, let space, let count, let lacking, let id, let epochs, let number):
      "\(table): \(count) \(count == 1 ? "training" : "trainings") of search space \(space) "
        + "\(count == 1 ? "lacks" : "lack") a number, the first \(lacking) (architecture \(id), \(epochs) epochs, "
        + "repeat \(number)); complete the table, or leave such trainings out with '--holes skip'"
    case .untrained(let table, let space, let count, let id, let epochs):
      "\(table): \(count) \(count == 1 ? "architecture" : "architectures") of search space \(space) "
        + "\(count == 1 ? "has" : "have") no whole training of \(epochs) epochs, the first \(id); "
        + "add it, or import the table without these epochs ('anytime table import --keep-epochs')"
    case .badSeconds(let table, let id, let epochs, let number, let seconds):
      "\(table): the training of architecture \(id) for \(epochs) epochs, repeat \(number), took \(seconds) seconds, "
        + "and a budget needs times above 0; correct the table's training seconds"
    }
  }
}
