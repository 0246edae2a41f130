import CellSpace
import Foundation
import Statistics
import TabularBenchmark

/// What one training of a cell showed.
public struct Evaluation: Hashable, Sendable {
  /// The training's number of epochs.
  public let epochs: Int
  /// Accuracy on the validation images at the end, in 0...1.
  public let validationAccuracy: Double
  /// Accuracy on the validation images after half of the epochs, if the table has it.
  public let halfwayValidationAccuracy: Double?
  /// Accuracy on the training images at the end, if the table has it.
  public let trainAccuracy: Double?
  /// What the training took, in benchmark seconds, whatever of it was charged.
  public let seconds: Double
}

/// A wrong call of a session.
public enum SessionError: Error, Hashable, Sendable, CustomStringConvertible {
  case notACell
  case notInTheTable(Cell)
  case noSuchFidelity(Int, available: [Int])

  public var description: String {
    switch self {
    case .notACell: "the configuration gives no cell; draw and mutate configurations with the search space"
    case .notInTheTable(let cell): "the cell \(cell) is not in the search space"
    case .noSuchFidelity(let epochs, let available):
      "there are no trainings of \(epochs) epochs, only of \(available.map(String.init).joined(separator: ", "))"
    }
  }
}

/// The only door between an optimizer and a benchmark: every call goes through the ledger.
///
/// An optimizer can train a cell and see what one training shows, and recommend a cell. It never sees test
/// accuracy, another repeat of a training, or any cell that it has not paid for.
///
/// A class, so that copying a session cannot duplicate its budget. It belongs to one run on one thread.
public final class Session {
  /// The architectures to search.
  public let space: SearchSpace
  /// The epoch counts at which a cell can be trained, ascending.
  public let fidelities: [Int]
  /// The run's randomness: the only source that an optimizer may use.
  public var random: RandomGenerator
  /// The budget and its unit.
  public var horizon: Double { ledger.horizon }
  public var currency: BudgetPolicy.Currency { ledger.currency }
  /// What is spent so far, at most ``horizon``.
  public var spent: Double { ledger.spent }

  package let benchmark: Benchmark
  package let policy: BudgetPolicy
  /// Draws which repeat of a training an evaluation sees.
  private var repeats: RandomGenerator
  package private(set) var ledger: Ledger
  private var incumbents = Incumbents()
  package var trace: [TracePoint] = []
  /// Where a method that takes long may keep how far it is.
  package var checkpoint: URL?
  /// Progress through the method's own schedule (0...1), if it has one that may finish before the budget.
  package var planned = 0.0
  package var onProgress: (@Sendable (_ spent: Double, _ part: Double) -> Void)?
  /// With `resume`: the last training of a row, which a longer one may go on from.
  private var trained: [Int: Trained] = [:]
  /// When the optimizer got its last answer, and how long it has thought so far, in nanoseconds.
  private var answered: UInt64
  private var thinking: UInt64 = 0
  /// When progress was last told.
  private var told: UInt64

  fileprivate struct Trained: Codable {
    let epochs: Int
    let seconds: Double
  }

  package init(benchmark: Benchmark, policy: BudgetPolicy, horizon: Double, seed: UInt64) {
    self.benchmark = benchmark
    self.policy = policy
    space = benchmark.space
    fidelities = benchmark.table.epochs
    ledger = Ledger(horizon: horizon, currency: policy.currency)
    random = RandomGenerator(seed: seed, stream: "optimizer")
    repeats = RandomGenerator(seed: seed, stream: "repeats")
    answered = Self.now
    told = answered
  }

  /// Trains the cell of a configuration from scratch and returns what the training showed.
  ///
  /// The training costs its seconds in the table, every time anew. One of the table's repeats is drawn.
  ///
  /// - Parameter epochs: One of ``fidelities``; the highest if `nil`.
  /// - Throws: ``BudgetExhausted`` if the training would end past the horizon, and from then on for every
  ///   call; ``SessionError`` for a configuration without a cell or an unknown epoch count.
  @discardableResult
  public func evaluate(_ configuration: Configuration, epochs: Int? = nil) throws -> Evaluation {
    guard let row = benchmark.row(of: configuration) else { throw SessionError.notACell }
    return try evaluate(row: row, epochs: epochs)
  }

  /// Trains a cell from scratch. See ``evaluate(_:epochs:)``.
  @discardableResult
  public func evaluate(_ cell: Cell, epochs: Int? = nil) throws -> Evaluation {
    try evaluate(row: try row(of: cell), epochs: epochs)
  }

  /// Makes a cell the incumbent. Looking it up for the curve is free.
  ///
  /// For methods that do not train cells on their own: a stand-alone training outranks a recommendation, which is no
  /// evidence, so recommendations count until the first training has ended.
  ///
  /// - Throws: ``SessionError`` for a cell outside the search space, ``BudgetExhausted`` at the horizon
  ///   where the policy charges overhead.
  public func recommend(_ cell: Cell) throws {
    let row = try row(of: cell)
    try think()
    incumbents.add(.init(spent: ledger.total, amount: ledger.spent, row: row), benchmark, policy)
    answered = Self.now
  }

  /// The incumbents so far, when they count by the policy.
  func trajectory() -> [TrajectoryPoint] {
    guard policy.chargeFinalTraining else { return incumbents.points }
    return incumbents.points.chargingFinalTraining(
      in: policy.currency, epochs: Double(fidelities.last ?? 0), horizon: horizon)
  }

  /// The optimizer's own time so far, in measured seconds.
  package var overheadSeconds: Double { Double(thinking) * 1e-9 }

  private func row(of cell: Cell) throws -> Int {
    guard let row = benchmark.table.row(of: cell), benchmark.contains(row: row) else {
      throw SessionError.notInTheTable(cell)
    }
    return row
  }

  private func evaluate(row: Int, epochs: Int?) throws -> Evaluation {
    try think()
    let table = benchmark.table
    let place: Int
    if let epochs {
      guard let found = fidelities.firstIndex(of: epochs) else {
        throw SessionError.noSuchFidelity(epochs, available: fidelities)
      }
      place = found
    } else {
      place = fidelities.count - 1
    }
    let number = benchmark.drawRepeat(row: row, fidelity: place, using: &repeats)
    let epochs = fidelities[place]
    guard let seconds = table.value(.seconds, row: row, epochs: place, repeat: number),
      let validation = table.value(.validationAccuracy, row: row, epochs: place, repeat: number)
    else { throw SessionError.notInTheTable(table.cell(row)) }

    var cost = Spending(seconds: seconds, epochs: Double(epochs), evaluations: 1)
    if policy.resume {
      if let earlier = trained[row], earlier.epochs < epochs {
        cost.seconds = max(0, seconds - earlier.seconds)
        cost.epochs -= Double(earlier.epochs)
      }
      trained[row] = Trained(epochs: epochs, seconds: seconds)
    }
    try ledger.charge(.training, cost)
    incumbents.add(
      .init(spent: ledger.total, amount: ledger.spent, row: row, fidelity: place, number: number), benchmark, policy)
    let evaluation = Evaluation(
      epochs: epochs, validationAccuracy: validation,
      halfwayValidationAccuracy: table.value(
        .validationAccuracy, .halfway, row: row, epochs: place, repeat: number),
      trainAccuracy: table.value(.trainAccuracy, row: row, epochs: place, repeat: number), seconds: seconds)
    answered = Self.now
    // A long run shows that it lives.
    if answered &- told > 500_000_000 { tell() }
    return evaluation
  }

  /// Counts the time since the last answer as the optimizer's, and charges it if the policy says so.
  private func think() throws(BudgetExhausted) {
    let elapsed = Self.now &- answered
    thinking &+= elapsed
    if policy.chargeOverhead { try ledger.charge(.overhead, Spending(seconds: Double(elapsed) * 1e-9)) }
  }

  /// Does work that is not a stand-alone training, and charges it. Its time is not the optimizer's own.
  ///
  /// - Parameter cost: From the CPU seconds that the body took.
  /// - Throws: ``BudgetExhausted`` if the work ended past the horizon; what it showed is lost.
  package func work<Result>(
    _ kind: Ledger.Kind, cost: (_ seconds: Double) -> Spending, _ body: () throws -> Result
  ) throws -> Result {
    try think()
    defer { answered = Self.now }
    let start = Self.threadSeconds
    let result = try body()
    try ledger.charge(kind, cost(Self.threadSeconds - start))
    tell()
    return result
  }

  private func tell() {
    told = Self.now
    onProgress?(ledger.spent, min(1, max(planned, ledger.spent / horizon)))
  }

  /// Spends benchmark seconds on a search whose work was done elsewhere.
  ///
  /// - Throws: ``BudgetExhausted`` if they end past the horizon.
  package func spend(seconds: Double) throws {
    let table = benchmark.table
    let top = table.epochs.count - 1
    let training = benchmark.rows.compactMap { table.mean(.seconds, row: $0, epochs: top) }.mean ?? 1
    let trainings = seconds / training
    try work(
      .supernet,
      cost: { _ in
        Spending(seconds: seconds, epochs: trainings * Double(table.epochs[top]), evaluations: trainings)
      }
    ) {}
  }

  /// CPU seconds of this thread.
  package static var threadSeconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// Runs diagnostics: not charged, results hidden from the method.
  package func unchargedWork<Result>(_ body: () throws -> Result) throws -> Result {
    try think()
    defer { answered = Self.now }
    return try body()
  }

  /// All of a session that changes: with a method's own state, enough to go on after an interruption.
  package struct State: Codable {
    fileprivate var random, repeats: RandomGenerator
    fileprivate var ledger: Ledger
    fileprivate var incumbents: Incumbents
    fileprivate var trained: [Int: Trained]
    fileprivate var trace: [TracePoint]
    fileprivate var thinking: UInt64

    /// Whether all rows and indices are a benchmark's: a state may come from a file.
    package func isOf(_ benchmark: Benchmark) -> Bool {
      incumbents.isOf(benchmark)
        && trained.allSatisfy {
          benchmark.contains(row: $0.key) && benchmark.table.epochs.contains($0.value.epochs)
            && $0.value.seconds.isFinite
        }
    }
  }

  package var state: State {
    get {
      State(
        random: random, repeats: repeats, ledger: ledger, incumbents: incumbents, trained: trained, trace: trace,
        thinking: thinking)
    }
    set {
      random = newValue.random
      repeats = newValue.repeats
      ledger = newValue.ledger
      incumbents = newValue.incumbents
      trained = newValue.trained
      trace = newValue.trace
      thinking = newValue.thinking
      answered = Self.now
    }
  }

  private static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }
}

/// A session shows nothing of its inside to reflection either.
extension Session: CustomReflectable {
  public var customMirror: Mirror { Mirror(self, children: []) }
}
