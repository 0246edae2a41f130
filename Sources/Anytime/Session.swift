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
/// A session is a reference, so that a copy of it cannot be asked for free, and it belongs to one run on one
/// thread.
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
  package private(set) var events: [Event] = []
  package var trace: [TracePoint] = []
  /// Where a method that takes long may keep how far it is.
  package var checkpoint: URL?
  /// What part of its own plan a search has done, in 0...1, where it has one: it may end before the horizon.
  package var planned = 0.0
  package var onProgress: (@Sendable (_ spent: Double, _ part: Double) -> Void)?
  /// With `resume`: the last training of a row, which a longer one may go on from.
  private var trained: [Int: (epochs: Int, seconds: Double)] = [:]
  /// When the optimizer got its last answer, and how long it has thought so far.
  private var answered: UInt64
  private var thinking: UInt64 = 0

  /// Something that may change the incumbent.
  package struct Event: Hashable, Sendable, Codable {
    /// In every currency, at the moment when it was known.
    package let spent: Spending
    /// In the policy's currency.
    package let amount: Double
    package let row: Int
    /// The place of the epoch count and the repeat that was drawn; `nil` for a recommendation.
    package let training: Training?

    package struct Training: Hashable, Sendable, Codable {
      package let place: Int
      package let number: Int
    }
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
  /// For methods that do not train cells on their own. From the first recommendation on, evaluations no
  /// longer change the incumbent.
  ///
  /// - Throws: ``SessionError`` for a cell outside the search space, ``BudgetExhausted`` at the horizon
  ///   where the policy charges overhead.
  public func recommend(_ cell: Cell) throws {
    let row = try row(of: cell)
    try think()
    events.append(Event(spent: ledger.total, amount: ledger.spent, row: row, training: nil))
    answered = Self.now
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
    let count = table.repeatCount(row: row, epochs: place)
    let number = count > 1 ? repeats.below(count) : 0
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
      trained[row] = (epochs, seconds)
    }
    try ledger.charge(.training, cost)
    events.append(
      Event(
        spent: ledger.total, amount: ledger.spent, row: row,
        training: Event.Training(place: place, number: number)))
    let evaluation = Evaluation(
      epochs: epochs, validationAccuracy: validation,
      halfwayValidationAccuracy: table.value(
        .validationAccuracy, .halfway, row: row, epochs: place, repeat: number),
      trainAccuracy: table.value(.trainAccuracy, row: row, epochs: place, repeat: number), seconds: seconds)
    answered = Self.now
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
    onProgress?(ledger.spent, min(1, max(planned, ledger.spent / horizon)))
    return result
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

  /// Does work that nobody pays for and no method sees: probes.
  package func unchargedWork<Result>(_ body: () throws -> Result) throws -> Result {
    try think()
    defer { answered = Self.now }
    return try body()
  }

  /// All of a session that changes: with a method's own state, enough to go on after an interruption.
  package struct State: Codable {
    var random, repeats: RandomGenerator
    var ledger: Ledger
    var events: [Event]
    var trace: [TracePoint]
    var thinking: UInt64
  }

  package var state: State {
    get {
      State(
        random: random, repeats: repeats, ledger: ledger, events: events, trace: trace, thinking: thinking)
    }
    set {
      random = newValue.random
      repeats = newValue.repeats
      ledger = newValue.ledger
      events = newValue.events
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
