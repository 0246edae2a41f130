import CellSpace

/// Why a file cannot be imported: one sentence that names file, line or record, and remedy.
public struct ImportError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String

  /// - Parameter location: As in "line 3"; may be empty.
  init(_ path: String, _ location: String, _ problem: String) {
    description = (location.isEmpty ? "\(path): \(problem)" : "\(path), \(location): \(problem)").inOneLine
  }
}

/// What is wrong with a row or record, before its file and line are added.
struct ImportProblem: Error {
  let problem: String
  init(_ problem: String) { self.problem = problem }
}

/// What an import read.
public struct ImportSummary: Hashable, Sendable {
  public let cells: Int
  /// Trainings that were read and are in the table, some in means perhaps.
  public let records: Int
  public let epochs: [Int]
  /// Columns of the file that mean nothing to a table, in order of appearance.
  public var ignoredColumns: [String] = []
  /// What else a user should know, a sentence each.
  public var notes: [String] = []
}

/// What to do with rows whose matrices differ but are one cell: the vertices are in another order, or some lie on
/// no path.
public enum IsomorphicRows: String, CaseIterable, Sendable {
  /// Refuse the file.
  case error
  /// Take the mean of their trainings, repeat by repeat.
  case mean
  /// Keep the first row's trainings.
  case first
}

/// How to read a text file.
public struct ImportOptions: Sendable {
  /// The file's names for the known columns. `validation_accuracy@108` is the column of one epoch count.
  public var columns: [String: String]
  /// Columns of the file to leave out.
  public var leftOut: Set<String>
  /// The epochs of all rows, where no column has them.
  public var epochs: Int?
  /// Epoch counts to keep; all if empty.
  public var keptEpochs: [Int]
  public var isomorphic: IsomorphicRows
  /// Which images and networks the trainings were for, where the file does not say.
  public var task: StatedTask?

  public init(
    columns: [String: String] = [:], leftOut: Set<String> = [], epochs: Int? = nil, keptEpochs: [Int] = [],
    isomorphic: IsomorphicRows = .error, task: StatedTask? = nil
  ) {
    self.columns = columns
    self.leftOut = leftOut
    self.epochs = epochs
    self.keptEpochs = keptEpochs
    self.isomorphic = isomorphic
    self.task = task
  }
}
