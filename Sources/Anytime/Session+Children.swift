import Foundation
import SearchSpaces
import TabularBenchmark

/// The result of a method that ran in a child session, and its cost.
public struct ChildRun: Hashable, Sendable, Codable {
  /// Why a run ended.
  public enum End: String, Sendable, Codable {
    /// The method returned by itself.
    case finished
    /// The child's own limit was spent.
    case limit
    /// The parent's remaining budget was spent: the child had no limit, or a greater one.
    case budget
    /// The method failed; see ``ChildRun/failure``.
    case failed
  }

  /// An architecture that was recommended.
  public struct Recommendation: Hashable, Sendable, Codable {
    /// The architecture.
    public let architecture: Architecture
    /// How often the run recommended it.
    public let count: Int

    private enum CodingKeys: String, CodingKey {
      case architecture = "cell"
      case count
    }
  }

  /// The architecture or point that a run returns.
  public struct Incumbent: Hashable, Sendable, Codable {
    /// The architecture; `nil` if points of another objective were searched.
    public let architecture: Architecture?
    /// The point of another objective; `nil` if architectures were searched.
    public let point: Configuration?
    /// The epoch count of the evaluation that made it the incumbent; 0 for a recommendation.
    public let epochs: Int
    /// The validation accuracy that this evaluation showed (0...1, or the value of another objective); `nil` for a
    /// recommendation, which is no evidence.
    public let validationAccuracy: Double?

    private enum CodingKeys: String, CodingKey {
      case architecture = "cell"
      case point, epochs, validationAccuracy
    }
  }

  /// The child's name in the parent's session.
  public let name: String
  /// The method's name.
  public let method: String
  /// The method's settings that differ from its defaults, by name, in canonical text; `nil` in runs stored by early
  /// versions, which did not keep them.
  public internal(set) var settings: [String: String]?
  /// Why the run ended.
  public let end: End
  /// The reason of a failed run, in one sentence; `nil` for others.
  public let failure: String?
  /// The architecture or point that the run returns; `nil` if nothing was evaluated or recommended.
  public let incumbent: Incumbent?
  /// The architectures that the run recommended, the latest first; `nil` if it recommended none.
  public let recommendations: [Recommendation]?
  /// The amount spent of the child's budget, in the policy's currency, lost budget included.
  public let amount: Double
  /// The amounts charged, in every currency, without lost budget.
  public let spent: Spending
  /// The sum, in the policy's currency, and the number of the charges of each kind.
  public let ledger: [RunResult.LedgerTotal]
  /// The results of the child sessions of this run.
  public let children: [ChildRun]

  /// The same without its settings, for comparisons of what they lead to.
  package var withoutSettings: ChildRun {
    var run = self
    run.settings = nil
    return run
  }
}

extension Session {
  /// Runs another method in a child session, which has a budget within this session's, its own random numbers, and its
  /// own incumbents.
  ///
  /// Every charge of the child is also a charge of this session. The child's incumbents also compete to be this
  /// session's, from the moment when the child found them: a run returns the best of all its trainings, and its last
  /// recommendation until there is a training.
  ///
  /// After an interruption, a child that had ended before is not run again: its stored result is used.
  ///
  /// - Parameters:
  ///   - objective: What the method searches; the architectures of this run's table if `nil`.
  ///   - limit: The child's budget, in the policy's currency; all that is left if `nil`.
  ///   - name: The child's name, which must be unique in this session. The child's random numbers are derived from this
  ///     session's seed and the name.
  /// - Throws: ``BudgetExhausted`` if nothing of this session's budget is left; ``SessionError`` for a name that is
  ///   taken, a wrong limit or wrong fidelities; and whatever the method throws, except ``BudgetExhausted`` and
  ///   ``RunFailure``, which end the child alone.
  /// - Returns: The child's result. Its ``ChildRun/end`` says whether this session's budget has ended too.
  @discardableResult
  public func run(
    _ optimizer: any Optimizer, on objective: (any Objective)? = nil, limit: Double? = nil, name: String
  ) throws -> ChildRun {
    if let fidelities = objective?.fidelities {
      guard let least = fidelities.first, least > 0, zip(fidelities, fidelities.dropFirst()).allSatisfy(<) else {
        throw SessionError.wrongFidelities(fidelities)
      }
    }
    if let limit, !(limit >= 0) { throw SessionError.wrongLimit(limit) }
    guard names.insert(name).inserted else { throw SessionError.nameTaken(name) }
    try think()
    // A method that spends by children alone learns here that there is nothing left.
    guard spent < horizon, !endedInChild else { throw BudgetExhausted() }
    defer { resumeThinking() }
    let base = checkpoint?.appendingPathExtension("c\(names.count)")
    let child = Session(child: name, of: self, objective: objective, limit: limit, checkpoint: base)
    let method = type(of: optimizer).method.name
    let settings = Settings(of: optimizer).values
    let before = (spent, ledger.total)
    if let base, let record = try ChildRecord(at: base), record.isOf(child, name, method, settings, in: account),
      record.events.allSatisfy({ $0.isOf(benchmark) })
    {
      account.ledgers = record.ledgers
      thinking = record.thinking
      return took(record.child, record.events, before: before)
    }
    var end = ChildRun.End.finished
    var failure: String?
    do {
      try answering {
        do { try optimizer.search(child) } catch let error as RunFailure {
          (end, failure) = (.failed, error.description)
        }
        // What it thought after its last call is paid too.
        try child.think()
      }
    } catch is BudgetExhausted {
      if end == .finished { end = isWhole(child, limit: limit) ? .limit : .budget }
    }
    thinking &+= child.thinking
    let result = ChildRun(
      name: name, method: method, settings: settings, end: end, failure: failure, incumbent: child.incumbent,
      recommendations: child.recommendations, amount: child.spent, spent: child.ledger.total,
      ledger: child.ledger.summary, children: child.children)
    let events = child.incumbents.events
    if let base {
      try ChildRecord(
        child: result, events: events, seed: child.seed, ledgers: account.ledgers, thinking: thinking
      ).write(at: base)
      // What the child kept of itself is of no use any more.
      removeCheckpoints(base, keeping: ChildRecord.url(at: base))
    }
    return took(result, events, before: before)
  }

  private func took(
    _ child: ChildRun, _ events: [Incumbents.Event], before: (amount: Double, total: Spending)
  ) -> ChildRun {
    adopt(events, before: before)
    if child.end == .budget { endedInChild = true }
    children.append(child)
    return child
  }

  /// Whether a child had as much as its limit says, but for rounding.
  private func isWhole(_ child: Session, limit: Double?) -> Bool {
    limit.map { $0 <= child.horizon + 1e-9 * horizon } ?? false
  }

  /// The architectures that were recommended, the last one first.
  private var recommendations: [ChildRun.Recommendation]? {
    var rows: [Int] = []
    var counts: [Int: Int] = [:]
    for row in recommended.reversed() {
      if counts[row] == nil { rows.append(row) }
      counts[row, default: 0] += 1
    }
    if rows.isEmpty { return nil }
    return rows.map { .init(architecture: benchmark.table.architecture($0), count: counts[$0] ?? 0) }
  }

  /// What the run would return now.
  private var incumbent: ChildRun.Incumbent? {
    if objective != nil {
      return best.map { .init(architecture: nil, point: $0.point, epochs: $0.epochs, validationAccuracy: $0.accuracy) }
    }
    return incumbents.current.map { event in
      .init(
        architecture: benchmark.table.architecture(event.row), point: nil,
        epochs: event.fidelity.map { benchmark.table.epochs[$0] } ?? 0,
        validationAccuracy: event.fidelity.flatMap {
          benchmark.table.value(.validationAccuracy, row: event.row, epochs: $0, repeat: event.number)
        })
    }
  }
}

/// What is kept of a child that has ended, until the whole run has.
private struct ChildRecord: Codable {
  let child: ChildRun
  /// What made its incumbents.
  let events: [Incumbents.Event]
  /// The child's, which is derived from the run's and from the names of all sessions in between.
  let seed: UInt64
  /// The ledgers of the parent and of those above as the child left them, to the bit.
  let ledgers: [Ledger]
  /// The parent's, in nanoseconds.
  let thinking: UInt64

  static func url(at base: URL) -> URL { base.appendingPathExtension("done") }

  init(child: ChildRun, events: [Incumbents.Event], seed: UInt64, ledgers: [Ledger], thinking: UInt64) {
    (self.child, self.events, self.seed, self.ledgers, self.thinking) = (child, events, seed, ledgers, thinking)
  }

  /// Whether this is what became of a child that is about to run: a file may be another run's.
  func isOf(
    _ session: Session, _ name: String, _ method: String, _ settings: [String: String], in account: Account
  ) -> Bool {
    func budget(_ ledger: Ledger) -> [String] { ["\(ledger.horizon)", ledger.currency.rawValue] }
    return child.name == name && child.method == method && child.settings == settings && seed == session.seed
      && ledgers.map(budget) == account.ledgers.map(budget)
  }

  /// A checksum, a line break, and JSON.
  func write(at base: URL) throws {
    let text = try JSONEncoder().encode(self)
    let data = Data("\(text.withUnsafeBytes { crc32c($0) })\n".utf8) + text
    try FileManager.default.createDirectory(at: base.deletingLastPathComponent(), withIntermediateDirectories: true)
    try data.write(to: Self.url(at: base), options: .atomic)
  }

  /// - Returns: `nil` if there is none, or one that is damaged or of another version: the child is then run again, and
  ///   ends alike.
  init?(at base: URL) throws {
    let url = Self.url(at: base)
    guard FileManager.default.fileExists(atPath: url.path) else { return nil }
    let data = try Data(contentsOf: url)
    guard let end = data.firstIndex(of: UInt8(ascii: "\n")),
      let checksum = UInt32(String(decoding: data[..<end], as: UTF8.self))
    else { return nil }
    let text = Data(data[(end + 1)...])
    guard text.withUnsafeBytes({ crc32c($0) }) == checksum else { return nil }
    do { self = try JSONDecoder().decode(Self.self, from: text) } catch is DecodingError { return nil }
  }
}

extension Ledger {
  /// The kinds that there are charges of.
  var summary: [RunResult.LedgerTotal] {
    Kind.allCases.compactMap { kind in
      let total = total(of: kind)
      return total.count > 0 ? RunResult.LedgerTotal(kind: kind, amount: total.amount, count: total.count) : nil
    }
  }
}
