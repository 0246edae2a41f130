import SearchSpaces

/// The reason why a file cannot be imported: one sentence with file, line or record, and remedy.
public struct ImportError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String

  /// - Parameter location: A line or record, as in "line 3"; may be empty.
  init(_ path: String, _ location: String, _ problem: String) {
    description = (location.isEmpty ? "\(path): \(problem)" : "\(path), \(location): \(problem)").inOneLine
  }
}

/// The reason why a row or record is wrong, before its file and line are added.
struct ImportProblem: Error {
  let problem: String
  init(_ problem: String) { self.problem = problem }
}

/// A summary of an import.
public struct ImportSummary: Hashable, Sendable {
  /// The number of cells in the table.
  public let cells: Int
  /// The number of trainings in the table; some may be part of a mean.
  public let records: Int
  /// The epoch counts of the table, ascending.
  public let epochs: [Int]
  /// The unknown columns of the file, in order of appearance.
  public var ignoredColumns: [String] = []
  /// Remarks for the user, a sentence each.
  public var notes: [String] = []
}

/// The treatment of rows with different matrices of the same cell: their vertices are in another order, or some lie
/// on no path.
public enum IsomorphicRows: String, CaseIterable, Sendable {
  /// Refuse the file.
  case error
  /// Take the mean of their trainings, repeat by repeat.
  case mean
  /// Keep the first row's trainings.
  case first
}

/// Options for reading a text file.
public struct ImportOptions: Sendable {
  /// The file's names for the known columns. `validation_accuracy@108` is the column of one epoch count.
  public var columns: [String: String]
  /// Columns of the file to leave out.
  public var leftOut: Set<String>
  /// The epochs of all rows, if no column states them.
  public var epochs: Int?
  /// The epoch counts to keep; all if empty.
  public var keptEpochs: [Int]
  /// What rows whose cells are isomorphic mean.
  public var isomorphic: IsomorphicRows
  /// The images and networks of the trainings, if the file does not state them.
  public var task: StatedTask?

  /// Options for a file; by default it has the columns' own names, all of it is read, and isomorphic rows are refused.
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
