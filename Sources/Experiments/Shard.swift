import Anytime
import TabularBenchmark

/// One of several equal parts of an experiment's runs, for machines that each make one: the third of twenty is `3/20`.
public struct Shard: Hashable, Sendable, CustomStringConvertible {
  /// The shard's number, from 1 to ``count``.
  public let index: Int
  /// The number of shards.
  public let count: Int

  /// The greatest number of shards.
  public static let most = 1_000_000

  /// - Precondition: `index` is within `1...count`, and `count` is at most ``most``.
  public init(index: Int, count: Int) {
    precondition((1...Self.most).contains(count) && (1...count).contains(index), "there is no shard \(index)/\(count)")
    (self.index, self.count) = (index, count)
  }

  /// Reads a shard such as `3/20`.
  ///
  /// - Throws: `SettingError`.
  public init(_ text: String) throws(SettingError) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { part in
      part.allSatisfy { $0.isASCII && $0.isNumber } ? Int(part) : nil
    }
    guard parts.count == 2, let index = parts[0], let count = parts[1] else {
      throw SettingError("'\(text)' is no shard; write 3/20 for the third of twenty")
    }
    guard (1...Self.most).contains(count) else {
      throw SettingError("'\(text)' is no shard: there may be 1 to \(Self.most) shards")
    }
    guard (1...count).contains(index) else {
      throw SettingError(
        "there is no shard \(index) of \(count); the first is 1/\(count), and the last \(count)/\(count)")
    }
    self.init(index: index, count: count)
  }

  /// As in `3/20`.
  public var description: String { "\(index)/\(count)" }
}

extension Experiment {
  /// The processor seconds that one run of each method takes, roughly, by label. Equal on all machines: they say which
  /// runs are dear, and balance shards; they are no promise.
  ///
  /// A run that trains networks takes about as long as its horizon in benchmark seconds. Others only look trainings up:
  /// they take `Method.secondsPerTraining` for each that the horizon buys at the highest epoch count.
  ///
  /// - Throws: `UnknownWord` or `SettingError` for a method or setting that the registry does not have.
  public func estimatedSeconds(on benchmark: Benchmark, registry: Registry) throws -> [String: Double] {
    let table = benchmark.table
    let top = table.epochs.count - 1
    // Some thousand architectures say what a training takes on average.
    let stride = max(1, benchmark.rows.count / 4_096)
    let sample = Swift.stride(from: 0, to: benchmark.rows.count, by: stride).compactMap {
      table.mean(.seconds, row: benchmark.rows[$0], epochs: top)
    }
    let training = sample.isEmpty ? 1 : sample.reduce(0, +) / Double(sample.count)
    let trainings =
      switch policy.currency {
      case .seconds: horizon / training
      case .epochs: horizon / Double(table.epochs[top])
      case .evaluations: horizon
      }
    var seconds: [String: Double] = [:]
    for entry in methods {
      let optimizer = try registry.optimizer(named: entry.method, entry.settings)
      seconds[entry.label] =
        optimizer.usesImages ? trainings * training : Self.storing + trainings * optimizer.secondsPerTraining
    }
    return seconds
  }

  /// The processor seconds that it takes to store a run, roughly.
  private static let storing = 1e-4

  /// The runs of a shard in the order in which to make them: the dearest first, then as in the experiment. All shards
  /// of one count have all runs, and none twice.
  ///
  /// The dearest run goes to the shard that has least to do, then the next one (Graham, "Bounds on multiprocessing
  /// timing anomalies", SIAM J. Appl. Math. 1969: longest processing time first). What is in a store is of no account.
  ///
  /// - Parameter seconds: What one run of each method takes, by label; see ``estimatedSeconds(on:registry:)``.
  public func runs(of shard: Shard, seconds: [String: Double]) -> [(label: String, seed: UInt64)] {
    var runs: [(label: String, seed: UInt64)] = []
    distribute(among: shard.count, seconds: seconds) { index, label, seed in
      if index == shard.index { runs.append((label, seed)) }
    }
    return runs
  }

  /// Gives every run to the number of its shard, as in ``runs(of:seconds:)``.
  package func distribute(
    among count: Int, seconds: [String: Double], _ body: (_ shard: Int, _ label: String, _ seed: UInt64) -> Void
  ) {
    func cost(_ entry: MethodEntry) -> Double { seconds[entry.label] ?? 0 }
    let entries = methods.enumerated().sorted {
      (cost($1.element), $0.offset) < (cost($0.element), $1.offset)
    }
    var loads = Loads(count: count)
    for (_, entry) in entries {
      for seed in seeds(of: entry) { body(loads.add(cost(entry)) + 1, entry.label, seed) }
    }
  }

  /// The experiment with the runs of a shard alone, by seeds of each method's own. Methods of which the shard has no
  /// run are absent.
  func part(_ runs: [(label: String, seed: UInt64)]) -> Experiment {
    var own: [String: Set<UInt64>] = [:]
    for (label, seed) in runs { own[label, default: []].insert(seed) }
    var part = self
    part.methods = methods.compactMap { entry in
      guard let wanted = own[entry.label] else { return nil }
      var entry = entry
      entry.seeds = seeds(of: entry).filter { wanted.contains($0) }
      return entry
    }
    return part
  }
}

extension Optimizer {
  /// The greatest `Method.secondsPerTraining` of the method and of those that it runs.
  fileprivate var secondsPerTraining: Double {
    inner.map(\.secondsPerTraining).reduce(Self.method.secondsPerTraining, max)
  }
}

/// What each shard has to do: a binary heap by load, ties by index.
private struct Loads {
  private var heap: [(load: Double, index: Int)]

  init(count: Int) { heap = (0..<count).map { (0, $0) } }

  /// Adds to the least load.
  ///
  /// - Returns: Its index.
  mutating func add(_ cost: Double) -> Int {
    let index = heap[0].index
    heap[0].load += cost
    var (parent, child) = (0, 1)
    while child < heap.count {
      if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
      guard heap[child] < heap[parent] else { break }
      heap.swapAt(parent, child)
      (parent, child) = (child, 2 * child + 1)
    }
    return index
  }
}
