import Foundation

/// The images and networks that the trainings of a table used, as the table's provenance states them under
/// `settings`. A supernet has to be trained for the same.
///
/// Tables that were built here, or imported from NAS-Bench-101's own file, state them. For others, use
/// `anytime table describe`, or `--task` or `--like` of the import.
public struct StatedTask: Hashable, Sendable, Codable {
  /// The images.
  public struct Images: Hashable, Sendable, Codable {
    /// `fashion-mnist` or `cifar-10`.
    public var name = "fashion-mnist"
    /// The number of images that networks were trained on.
    public var trainingImages = 5_000
    /// The number of images that validation accuracy was measured on.
    public var validationImages = 5_000
    /// The number of images that test accuracy was measured on.
    public var testImages = 5_000
    /// The width in pixels of the squares over which images are averaged.
    public var downscale = 2
    /// The seed that determines which images are chosen.
    public var seed: UInt64 = 0
  }

  /// The parts of a network that all cells share.
  public struct Network: Hashable, Sendable, Codable {
    /// The channels of the first stack; each later stack has twice as many as the one before.
    public var channels = 8
    /// The number of stacks; the images are halved between two of them.
    public var stacks = 3
    /// The number of equal cells in a stack.
    public var cellsPerStack = 1
    /// The weight of a new batch in batch norm's running statistics.
    public var batchNormMomentum = 0.1
    /// The number that batch norm adds to variances.
    public var batchNormEpsilon = 1e-5
  }

  /// The images that networks were trained on.
  public var dataset = Images()
  /// What the networks of all cells have in common.
  public var network = Network()

  /// The task of the tables that the package trains by itself.
  public init() {}

  /// NAS-Bench-101's task: CIFAR-10 at full size, networks of 128 channels and three stacks of three cells.
  public static let nasBench101: StatedTask = {
    var task = StatedTask()
    task.dataset = Images(
      name: "cifar-10", trainingImages: 40_000, validationImages: 10_000, testImages: 10_000, downscale: 1,
      seed: 0)
    task.network = Network(channels: 128, stacks: 3, cellsPerStack: 3, batchNormMomentum: 0.003)
    return task
  }()

  /// The names of the data sets that the package reads, and the width of their images.
  public static let datasets = ["fashion-mnist": 28, "cifar-10": 32]

  /// Reads the task that a table states.
  ///
  /// - Throws: ``TaskError``.
  public init(of table: Table) throws(TaskError) {
    guard let text = table.provenance["settings"] else { throw TaskError(table.path, problem: nil) }
    do {
      self = try JSONDecoder().decode(Self.self, from: Data(text.utf8))
    } catch { throw TaskError(table.path, problem: "its settings are no task: \(error.brief)") }
    if let problem { throw TaskError(table.path, problem: problem) }
  }

  /// Reads a task from a JSON file: `dataset` and `network`, each with all of its fields.
  ///
  /// - Throws: ``ImportError``.
  public init(contentsOf url: URL) throws(ImportError) {
    do {
      self = try JSONDecoder().decode(Self.self, from: Data(contentsOf: url))
    } catch let error as DecodingError {
      throw ImportError(url.path, "", "this is no task: \(error.brief); write \(StatedTask().json)")
    } catch {
      throw ImportError(url.path, "", "the file cannot be read; name a JSON file, or 'nas-bench-101'")
    }
    if let problem { throw ImportError(url.path, "", problem) }
  }

  /// The first invalid value, in a sentence; `nil` if all are valid.
  public var problem: String? {
    guard let width = Self.datasets[dataset.name] else {
      return "'\(dataset.name)' is no data set; use \(Self.datasets.keys.sorted().joined(separator: " or "))"
    }
    let ranges: [(name: String, value: Int, range: ClosedRange<Int>)] = [
      ("downscale", dataset.downscale, 1...width / 4),
      ("training images", dataset.trainingImages, 1...60_000),
      ("validation images", dataset.validationImages, 0...60_000),
      ("test images", dataset.testImages, 0...10_000),
      ("channels", network.channels, 1...1_024), ("stacks", network.stacks, 1...5),
      ("cells per stack", network.cellsPerStack, 1...20),
    ]
    for (name, value, range) in ranges where !range.contains(value) {
      return "\(name) is \(value), and it should be from \(range.lowerBound) to \(range.upperBound)"
    }
    guard width % dataset.downscale == 0 else {
      return "images of \(width) pixels cannot be averaged over \(dataset.downscale); use a divisor"
    }
    guard network.batchNormMomentum > 0, network.batchNormMomentum <= 1 else {
      return "batch norm's momentum is \(network.batchNormMomentum), and it should be above 0 and at most 1"
    }
    guard network.batchNormEpsilon > 0, network.batchNormEpsilon < 1 else {
      return "batch norm's epsilon is \(network.batchNormEpsilon), and it should be between 0 and 1"
    }
    return nil
  }

  /// The task as JSON, as a table's provenance states it.
  public var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Numbers and a name: there is nothing that cannot be encoded.
    return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}

extension Error {
  fileprivate var brief: String {
    switch self as? DecodingError {
    case .keyNotFound(let key, _): "'\(key.stringValue)' is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      "'\(context.codingPath.map(\.stringValue).joined(separator: "."))' is of another kind"
    default: "it is no JSON"
    }
  }
}

/// The reason why the images and networks of a table are unknown.
public struct TaskError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String

  /// - Parameter problem: The problem with what is stated; `nil` if nothing is.
  init(_ path: String, problem: String?) {
    description =
      "\(path) does not state which images and networks it was made with"
      + (problem.map { " (\($0))" } ?? "")
      + ", and one-shot methods train a supernet for the same; state it with 'anytime table describe \(path) "
      + "--task nas-bench-101', or with --dataset, --downscale, --channels and so on: 'anytime table describe --help'"
  }
}
