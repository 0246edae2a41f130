import SearchSpaces
import Statistics
import TabularBenchmark

/// Statistics of the architectures in a table, as NAS-Bench-101's paper describes its own data (Ying et al.
/// 2019, section 4): how epoch counts agree, what depth and operations do, how smooth the space is.
///
/// All accuracies are means over repeats on the validation images, at the highest epoch count where nothing else
/// is said.
public struct Landscape: Sendable {
  /// Architectures with the same depth or number of an operation.
  public struct Group: Hashable, Sendable {
    /// The depth, or the number of vertices with the operation.
    public let count: Int
    /// The number of architectures.
    public let architectures: Int
    /// The mean validation accuracy at the highest epoch count, in 0...1.
    public let accuracy: Double
    /// Mean seconds of a training at the highest epoch count; `nil` if the table has none.
    public let seconds: Double?
  }

  /// Spearman's correlation over architectures between two epoch counts.
  public let fidelityCorrelations: [(low: Int, high: Int, correlation: Double)]
  /// Architectures by the number of edges on the longest path from input to output.
  public let depths: [Group]
  /// Architectures by the number of vertices with each operation.
  public let operations: [(operation: Cell.Operation, groups: [Group])]
  /// Rows, the best first.
  public let best: [Int]

  /// Describes a table's architectures.
  public init(_ table: Table) {
    let top = table.epochs.count - 1
    let rows = 0..<table.rowCount
    func accuracy(_ row: Int, _ fidelity: Int) -> Double? {
      table.mean(.validationAccuracy, row: row, epochs: fidelity)
    }
    var correlations: [(low: Int, high: Int, correlation: Double)] = []
    for high in table.epochs.indices {
      for low in 0..<high {
        let pairs = rows.compactMap { row in
          accuracy(row, low).flatMap { a in accuracy(row, high).map { (a, $0) } }
        }
        if let rho = pairs.map(\.0).spearman(pairs.map(\.1)) {
          correlations.append((table.epochs[low], table.epochs[high], rho))
        }
      }
    }
    fidelityCorrelations = correlations

    func groups(_ key: (Architecture) -> Int) -> [Group] {
      var members: [Int: [Int]] = [:]
      for row in rows where accuracy(row, top) != nil {
        members[key(table.architecture(row)), default: []].append(row)
      }
      return members.sorted { $0.key < $1.key }.map { count, rows in
        Group(
          count: count, architectures: rows.count, accuracy: rows.compactMap { accuracy($0, top) }.mean ?? 0,
          seconds: rows.compactMap { table.mean(.seconds, row: $0, epochs: top) }.mean)
      }
    }
    depths = groups(\.depth)
    operations = Cell.Operation.allCases.map { operation in
      (operation, groups { $0.count(of: operation) })
    }
    best = rows.filter { accuracy($0, top) != nil }
      .sorted { (accuracy($0, top) ?? 0, $1) > (accuracy($1, top) ?? 0, $0) }
  }

  /// The autocorrelation of validation accuracy along a random walk whose every step gives one parameter another value,
  /// at some distances: how long neighbours stay alike.
  ///
  /// - Parameter steps: The walk's length.
  public static func autocorrelation(
    _ benchmark: Benchmark, distances: [Int], steps: Int = 100_000, seed: UInt64 = 0
  ) -> [(distance: Int, correlation: Double)] {
    var random = RandomGenerator(seed: seed, stream: "random walk")
    var configuration = benchmark.space.sample(using: &random)
    let top = benchmark.table.epochs.count - 1
    var accuracies: [Double] = []
    for _ in 0..<steps {
      if let row = benchmark.row(of: configuration),
        let accuracy = benchmark.table.mean(.validationAccuracy, row: row, epochs: top)
      {
        accuracies.append(accuracy)
      }
      configuration = benchmark.space.mutate(configuration, rule: .oneParameter, using: &random)
    }
    return distances.compactMap { distance in
      accuracies.autocorrelation(lag: distance).map { (distance, $0) }
    }
  }
}

extension Architecture {
  /// The number of edges on the longest path from input to output.
  fileprivate var depth: Int {
    switch self {
    case .cell(let cell): cell.depth
    }
  }

  /// The number of vertices with an operation.
  func count(of operation: Cell.Operation) -> Int {
    switch self {
    case .cell(let cell): (1..<1 + cell.interiorCount).count { cell.operation(of: $0) == operation }
    }
  }
}
