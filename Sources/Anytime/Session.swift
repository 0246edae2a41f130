import Foundation
import SearchSpaces
import Statistics
import TabularBenchmark

/// The result of one training of an architecture, or of one evaluation of another objective.
public struct Evaluation: Hashable, Sendable {
  /// The training's number of epochs.
  public let epochs: Int
  /// Accuracy on the validation images at the end of the training (0...1); for another objective, the point's value,
  /// where greater is better.
  public let validationAccuracy: Double
  /// Accuracy on the validation images after half of the epochs, if the table has it.
  public let halfwayValidationAccuracy: Double?
  /// Accuracy on the training images at the end, if the table has it.
  public let trainAccuracy: Double?
  /// Duration of the training in benchmark seconds, whatever part of it was charged.
  public let seconds: Double

  /// Creates a result, with accuracies in 0...1 and the duration in benchmark seconds.
  public init(
    epochs: Int, validationAccuracy: Double, halfwayValidationAccuracy: Double? = nil, trainAccuracy: Double? = nil,
    seconds: Double = 0
  ) {
    self.epochs = epochs
    self.validationAccuracy = validationAccuracy
    self.halfwayValidationAccuracy = halfwayValidationAccuracy
    self.trainAccuracy = trainAccuracy
    self.seconds = seconds
  }
}

/// A wrong call of a session.
public enum SessionError: Error, Hashable, Sendable, CustomStringConvertible {
  /// A configuration that gives no architecture was evaluated or recommended.
  case noArchitecture
  /// A configuration is not a point of the search space; the text says why.
  case notAPoint(String)
  /// An architecture outside the search space was evaluated or recommended.
  case notInTheTable(Architecture)
  /// An epoch count was asked for that no training has; `available` lists those that exist.
  case noSuchFidelity(Int, available: [Int])
  /// Two children of one session have the same name.
  case nameTaken(String)
  /// An evaluation of an objective cost nothing in the budget's currency, so that a search might never end.
  case notCharged(BudgetPolicy.Currency)
  /// Work was charged an amount that is negative, infinite or not a number.
  case wrongCharge(Spending)
  /// An evaluation of an objective returned a value that is infinite or not a number.
  case notANumber(Double)
  /// An objective's fidelities are not positive and ascending, or there are none.
  case wrongFidelities([Int])
  /// A child was given a budget that is negative or not a number.
  case wrongLimit(Double)

  public var description: String {
    switch self {
    case .noArchitecture:
      "the configuration gives no architecture; draw and mutate configurations with the search space"
    case .notInTheTable(let architecture): "the architecture \(architecture) is not in the search space"
    case .noSuchFidelity(let epochs, let available):
      "there are no trainings of \(epochs) epochs, only of \(available.map(String.init).joined(separator: ", "))"
    case .nameTaken(let name): "the session has a child '\(name)' already; give every child a name of its own"
    case .notAPoint(let problem): "the configuration is no point of the search space: \(problem)"
    case .notCharged(let currency):
      "an evaluation of the objective was charged no \(currency.rawValue), so that the search would never end"
    case .wrongCharge(let cost):
      "\(cost.seconds) seconds, \(cost.epochs) epochs and \(cost.evaluations) evaluations are no charge; charge finite "
        + "amounts that are not negative"
    case .notANumber(let value): "an evaluation of the objective showed \(value), which is no finite number"
    case .wrongLimit(let limit): "a child's budget cannot be \(limit); give a limit that is not negative"
    case .wrongFidelities(let fidelities):
      "the objective's fidelities are \(fidelities); give at least one epoch count, from 1, ascending"
    }
  }
}

/// An optimizer's only access to a benchmark: every call is accounted for in the session's ledger.
///
/// An optimizer can train an architecture and see what one training shows, recommend an architecture, and run other
/// optimizers in child sessions. It never sees test accuracy, another repeat of a training, or any architecture that it
/// has not paid for.
///
/// A class, so that copying a session cannot duplicate its budget. It belongs to one run on one thread.
public final class Session {
  /// The space of architectures, or of other points, to search.
  public let space: SearchSpace
  /// The epoch counts at which an architecture can be trained, ascending.
  public let fidelities: [Int]
  /// The run's random number generator: the only source of randomness that an optimizer may use.
  public var random: RandomGenerator
  /// The budget, in ``currency``.
  public var horizon: Double { ledger.horizon }
  /// The unit of the budget.
  public var currency: BudgetPolicy.Currency { ledger.currency }
  /// The amount spent so far, in ``currency``; at most ``horizon``.
  public var spent: Double { ledger.spent }

  let account: Account
  var ledger: Ledger { account.ledger }
  /// What evaluations buy; look-ups in the benchmark's table if `nil`.
  let objective: (any Objective)?
  @_spi(Instruments) public let benchmark: Benchmark
  @_spi(Instruments) public let policy: BudgetPolicy
  /// The run's seed; in a child session, a seed derived from the parent's and the child's name. Meant for programs that
  /// draw their own random numbers.
  package let seed: UInt64
  private let parent: Session?
  /// Draws which repeat of a training an evaluation sees.
  private var repeats: RandomGenerator
  private(set) var incumbents = Incumbents()
  /// The rows of all recommendations, in order.
  private(set) var recommended: [Int] = []
  /// The best evaluation of another objective: at the highest fidelity seen, as rule 8 has it.
  private(set) var best: (point: Configuration, epochs: Int, accuracy: Double)?
  /// Diagnostics of supernets, one point per epoch.
  @_spi(Instruments) public var trace: [TracePoint] = []
  /// Names of children.
  var names: Set<String> = []
  /// The results of the child sessions that have ended, in order.
  public internal(set) var children: [ChildRun] = []
  /// Whether a child ended because all that was left here was spent.
  var endedInChild = false
  /// Whether an objective is evaluating a point: its calls are then not the optimizer's.
  private var isAnswering = false
  /// Where a run that takes long may keep how far it is: the path of a file, and the beginning of others'.
  let checkpoint: URL?
  private var checkpointCount = 0
  /// Progress through the method's own schedule (0...1), if it has one that may finish before the budget.
  @_spi(Instruments) public var planned = 0.0
  private let onProgress: (@Sendable (_ spent: Double, _ part: Double) -> Void)?
  /// Called before every call of this session or of its children is answered. If it throws, the call throws that error.
  @_spi(Instruments) public var onCall: (() throws -> Void)?
  /// With `resume`: the last training of a row, which a longer one may go on from.
  private var trained: [Int: Trained] = [:]
  /// When the optimizer got its last answer, and how long it has thought so far, in nanoseconds.
  private var answered: UInt64
  var thinking: UInt64 = 0
  /// When progress was last told.
  private var told: UInt64

  fileprivate struct Trained: Codable {
    let epochs: Int
    let seconds: Double
  }

  /// Creates the session of a run.
  @_spi(Instruments) public init(
    benchmark: Benchmark, policy: BudgetPolicy, horizon: Double, seed: UInt64, checkpoint: URL? = nil,
    onProgress: (@Sendable (_ spent: Double, _ part: Double) -> Void)? = nil
  ) {
    self.benchmark = benchmark
    self.policy = policy
    self.seed = seed
    self.checkpoint = checkpoint
    self.onProgress = onProgress
    parent = nil
    objective = nil
    space = benchmark.space
    fidelities = benchmark.table.epochs
    account = Account(horizon: horizon, currency: policy.currency)
    random = RandomGenerator(seed: seed, stream: "optimizer")
    repeats = RandomGenerator(seed: seed, stream: "repeats")
    answered = Self.now
    told = answered
  }

  init(child name: String, of parent: Session, objective: (any Objective)?, limit: Double?, checkpoint: URL?) {
    benchmark = parent.benchmark
    policy = parent.policy
    var seeds = RandomGenerator(seed: parent.seed, stream: "child \(name)")
    seed = seeds.next()
    self.checkpoint = checkpoint
    self.parent = parent
    self.objective = objective
    onProgress = nil
    onCall = parent.onCall
    space = objective?.space ?? parent.benchmark.space
    fidelities = objective?.fidelities ?? parent.benchmark.table.epochs
    account = Account(of: parent.account, limit: limit)
    random = RandomGenerator(seed: seed, stream: "optimizer")
    repeats = RandomGenerator(seed: seed, stream: "repeats")
    answered = Self.now
    told = answered
  }

  /// Trains the architecture of a configuration from scratch; in a child session with an ``Objective``, evaluates the
  /// point by that objective.
  ///
  /// A training costs its seconds in the table, and training the same architecture again costs again. One of the
  /// table's repeats is drawn at random. With the policy's `resume`, a training for more epochs than the architecture's
  /// last one costs the difference.
  ///
  /// - Parameter epochs: One of ``fidelities``; the highest if `nil`.
  /// - Throws: ``BudgetExhausted`` if the training would end past the horizon, and for every evaluation after that;
  ///   ``SessionError`` for a configuration without an architecture, one that is not a point of ``space``, or an
  ///   unknown epoch count.
  /// - Returns: The result of the training.
  @discardableResult
  public func evaluate(_ configuration: Configuration, epochs: Int? = nil) throws -> Evaluation {
    if let problem = space.parameters.problem(with: configuration) { throw SessionError.notAPoint(problem) }
    if let objective { return try evaluate(configuration, epochs: epochs, by: objective) }
    guard let row = benchmark.row(of: configuration) else { throw SessionError.noArchitecture }
    return try evaluate(row: row, epochs: epochs)
  }

  /// Trains an architecture from scratch. See ``evaluate(_:epochs:)``.
  @discardableResult
  public func evaluate(_ architecture: Architecture, epochs: Int? = nil) throws -> Evaluation {
    try evaluate(row: try row(of: architecture), epochs: epochs)
  }

  /// Makes an architecture the incumbent if the run has no stand-alone training yet. Looking up its accuracy for the
  /// curve is free.
  ///
  /// Meant for methods that do not train architectures on their own. A stand-alone training outranks every
  /// recommendation, which is no evidence, so recommendations count only until the first training has ended.
  ///
  /// - Throws: ``SessionError`` for an architecture outside the search space, ``BudgetExhausted`` if the policy charges
  ///   overhead and it would end past the horizon.
  public func recommend(_ architecture: Architecture) throws {
    let row = try row(of: architecture)
    try think()
    recommended.append(row)
    incumbents.add(.init(spent: ledger.total, amount: ledger.spent, row: row), benchmark, policy)
    resumeThinking()
  }

  /// Takes up what a child found: a run would return the best of all its trainings, whichever session made them.
  ///
  /// - Parameter before: What was spent here when the child began; events have what the child had spent.
  func adopt(_ events: [Incumbents.Event], before: (amount: Double, total: Spending)) {
    for var event in events {
      event.amount = min(before.amount + event.amount, ledger.spent)
      event.spent += before.total
      incumbents.add(event, benchmark, policy)
    }
  }

  /// The highest epoch count of stand-alone trainings.
  package var fullEpochs: Int { benchmark.table.epochs.last ?? 0 }

  /// The side of the images that the table's architectures were trained on, in pixels; `nil` if it does not say.
  package var imageSide: Int? {
    do {
      let images = try StatedTask(of: benchmark.table).dataset
      return StatedTask.datasets[images.name].map { $0 / images.downscale }
    } catch { return nil }
  }

  /// The median benchmark seconds of a training at each of ``fidelities``; empty if another objective is searched,
  /// whose costs are not known. In large spaces, it is taken over a thousand architectures at equal distances in the
  /// table.
  package var medianSeconds: [Double] {
    guard objective == nil else { return [] }
    let table = benchmark.table
    let rows = benchmark.rows
    let sample = rows.count <= 1_000 ? rows : (0..<1_000).map { rows[$0 * rows.count / 1_000] }
    return fidelities.indices.map { fidelity in
      sample.flatMap { row in
        (0..<table.repeats).compactMap { table.value(.seconds, row: row, epochs: fidelity, repeat: $0) }
      }.median ?? 0
    }
  }

  /// Checks that an architecture can be evaluated here.
  ///
  /// - Throws: ``SessionError``.
  package func check(_ architecture: Architecture) throws { _ = try row(of: architecture) }

  private func row(of architecture: Architecture) throws -> Int {
    // An objective may train architectures to answer with; an optimizer that searches one may not.
    guard objective == nil || isAnswering, let row = benchmark.table.row(of: architecture),
      benchmark.contains(row: row)
    else { throw SessionError.notInTheTable(architecture) }
    return row
  }

  /// The index of an epoch count among some, the last one for `nil`.
  private func fidelity(of epochs: Int?, in fidelities: [Int]) throws -> Int {
    guard let epochs else { return fidelities.count - 1 }
    guard let fidelity = fidelities.firstIndex(of: epochs) else {
      throw SessionError.noSuchFidelity(epochs, available: fidelities)
    }
    return fidelity
  }

  private func evaluate(row: Int, epochs: Int?) throws -> Evaluation {
    try think()
    let table = benchmark.table
    let fidelity = try fidelity(of: epochs, in: table.epochs)
    let number = benchmark.drawRepeat(row: row, fidelity: fidelity, using: &repeats)
    let epochs = table.epochs[fidelity]
    guard let seconds = table.value(.seconds, row: row, epochs: fidelity, repeat: number),
      let validation = table.value(.validationAccuracy, row: row, epochs: fidelity, repeat: number)
    else { throw SessionError.notInTheTable(table.architecture(row)) }

    var cost = Spending(seconds: seconds, epochs: Double(epochs), evaluations: 1)
    if policy.resume, let earlier = trained[row], earlier.epochs < epochs {
      cost.seconds = max(0, seconds - earlier.seconds)
      cost.epochs -= Double(earlier.epochs)
    }
    try account.charge(.training, cost)
    if policy.resume { trained[row] = Trained(epochs: epochs, seconds: seconds) }
    incumbents.add(
      .init(spent: ledger.total, amount: ledger.spent, row: row, fidelity: fidelity, number: number), benchmark, policy)
    let evaluation = Evaluation(
      epochs: epochs, validationAccuracy: validation,
      halfwayValidationAccuracy: table.value(
        .validationAccuracy, .halfway, row: row, epochs: fidelity, repeat: number),
      trainAccuracy: table.value(.trainAccuracy, row: row, epochs: fidelity, repeat: number), seconds: seconds)
    resumeThinking()
    // A long run shows that it lives.
    if answered &- told > 500_000_000 { tell() }
    return evaluation
  }

  private func evaluate(_ point: Configuration, epochs: Int?, by objective: any Objective) throws -> Evaluation {
    try think()
    defer { resumeThinking() }
    let epochs = fidelities[try fidelity(of: epochs, in: fidelities)]
    let before = spent
    let evaluation = try answering { try objective.evaluate(point, epochs: epochs, in: self) }
    // An evaluation that did not end by the horizon reveals nothing.
    if endedInChild { throw BudgetExhausted() }
    guard spent > before else { throw SessionError.notCharged(currency) }
    let accuracy = evaluation.validationAccuracy
    guard accuracy.isFinite else { throw SessionError.notANumber(accuracy) }
    let isBest =
      best.map { best in
        switch policy.incumbent {
        case .highestFidelity: (best.epochs, best.accuracy) < (epochs, accuracy)
        case .anyFidelity: best.accuracy < accuracy
        }
      } ?? true
    if isBest { best = (point, epochs, accuracy) }
    return evaluation
  }

  /// Calls an objective or a child, whose own time and calls are not this optimizer's thinking.
  func answering<Result>(_ body: () throws -> Result) rethrows -> Result {
    let before = isAnswering
    isAnswering = true
    defer { isAnswering = before }
    return try body()
  }

  /// The incumbents so far, when they count by the policy.
  func trajectory() -> [TrajectoryPoint] {
    guard policy.chargeFinalTraining else { return incumbents.points }
    return incumbents.points.chargingFinalTraining(
      in: policy.currency, epochs: Double(fidelities.last ?? 0), horizon: horizon)
  }

  // MARK: Work of one's own

  /// Runs and charges work other than the look-up of a training. Its time does not count as the optimizer's own
  /// thinking.
  ///
  /// - Parameters:
  ///   - kind: The purpose of the charge.
  ///   - cost: Computes the cost, given the CPU seconds that the body took.
  ///   - body: The work.
  /// - Throws: Whatever the body throws; ``BudgetExhausted`` if the work would end past the horizon, and its result is
  ///   lost; ``SessionError/wrongCharge(_:)`` for a cost that is negative, infinite or not a number.
  /// - Returns: The body's result.
  public func work<Result>(
    _ kind: Ledger.Kind, cost: (_ seconds: Double) -> Spending, _ body: () throws -> Result
  ) throws -> Result {
    try think()
    defer { resumeThinking() }
    let start = Self.threadSeconds
    let result = try body()
    let cost = cost(Self.threadSeconds - start)
    for amount in [cost.seconds, cost.epochs, cost.evaluations] where !(amount >= 0 && amount.isFinite) {
      throw SessionError.wrongCharge(cost)
    }
    try account.charge(kind, cost)
    tell()
    return result
  }

  /// Charges the benchmark seconds of a search that was made elsewhere, as ``Ledger/Kind/supernet``.
  ///
  /// - Throws: ``BudgetExhausted`` if they would end past the horizon; ``SessionError/wrongCharge(_:)`` for seconds
  ///   that are negative, infinite or not a number.
  public func spend(seconds: Double) throws {
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

  private func tell() {
    told = Self.now
    if let parent { return parent.tell() }
    onProgress?(ledger.spent, min(1, max(planned, ledger.spent / horizon)))
  }

  // MARK: The optimizer's own time

  /// In measured seconds.
  var overheadSeconds: Double { Double(thinking) * 1e-9 }

  /// Counts the time since the last answer as the optimizer's, and charges it if the policy says so.
  func think() throws {
    try onCall?()
    if isAnswering { return }
    let elapsed = Self.now &- answered
    thinking &+= elapsed
    if policy.chargeOverhead { try account.charge(.overhead, Spending(seconds: Double(elapsed) * 1e-9)) }
  }

  func resumeThinking() { answered = Self.now }

  /// Excludes the time since the last answer from the optimizer's own thinking.
  package func restartClock() { resumeThinking() }

  /// The CPU seconds that the calling thread has used.
  @_spi(Instruments) public static var threadSeconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  private static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }
}

// What supernets need beside, for those who ask for it by name (`@_spi(Instruments) import Anytime`).
@_spi(Instruments) extension Session {
  /// Runs diagnostics: not charged, results hidden from the method.
  public func unchargedWork<Result>(_ body: () throws -> Result) throws -> Result {
    try think()
    defer { resumeThinking() }
    return try body()
  }

  /// Returns the checkpoint file of the next supernet that is opened; `nil` if the run keeps no checkpoints. Every
  /// supernet of a session has its own file, which is kept until the run has ended.
  public func nextCheckpoint() -> URL? {
    checkpointCount += 1
    return checkpointCount == 1 ? checkpoint : checkpoint?.appendingPathExtension("\(checkpointCount)")
  }

  /// The part of a session that changes: together with the method's own state, enough to resume after an interruption.
  public struct State: Codable {
    fileprivate var random, repeats: RandomGenerator
    /// This session's and those above.
    fileprivate var ledgers: [Ledger]
    fileprivate var incumbents: Incumbents
    fileprivate var recommended: [Int]
    fileprivate var trained: [Int: Trained]
    fileprivate var trace: [TracePoint]
    fileprivate var thinking: UInt64
    /// Of this session, those that have ended.
    fileprivate var children: [ChildRun]

    /// Whether all rows and indices exist in a benchmark. To be checked for a state that comes from a file.
    public func isOf(_ benchmark: Benchmark) -> Bool {
      incumbents.isOf(benchmark) && recommended.allSatisfy { benchmark.contains(row: $0) }
        && trained.allSatisfy {
          benchmark.contains(row: $0.key) && benchmark.table.epochs.contains($0.value.epochs)
            && $0.value.seconds.isFinite
        }
    }
  }

  public var state: State {
    get {
      State(
        random: random, repeats: repeats, ledgers: account.ledgers, incumbents: incumbents,
        recommended: recommended, trained: trained, trace: trace, thinking: thinking,
        children: children)
    }
    set {
      random = newValue.random
      repeats = newValue.repeats
      account.ledgers = newValue.ledgers
      incumbents = newValue.incumbents
      recommended = newValue.recommended
      trained = newValue.trained
      trace = newValue.trace
      thinking = newValue.thinking
      children = newValue.children
      names = Set(children.map(\.name))
      resumeThinking()
    }
  }
}

/// An empty mirror, so that reflection shows nothing of a session's contents.
extension Session: CustomReflectable {
  public var customMirror: Mirror { Mirror(self, children: []) }
}
