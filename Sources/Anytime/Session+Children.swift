import CellSpace
import Foundation
import TabularBenchmark

/// What a method that ran in a child session came to, and what that cost.
public struct ChildRun: Hashable, Sendable, Codable {
  /// Why a run ended.
  public enum End: String, Sendable, Codable {
    /// The method was done.
    case finished
    /// The child's budget was spent: its limit, or all that its parent had left.
    case budget
    /// The method failed; see ``ChildRun/failure``.
    case failed
  }

  /// What a run would return.
  public struct Incumbent: Hashable, Sendable, Codable {
    /// The cell; `nil` where points of another objective were searched.
    public let cell: Cell?
    /// The point of another objective.
    public let point: Configuration?
    /// The epoch count of the evaluation that made it the incumbent; 0 for a recommendation.
    public let epochs: Int
    /// What that evaluation showed; `nil` for a recommendation, which is no evidence.
    public let validationAccuracy: Double?
  }

  /// Its name in the parent's session.
  public let name: String
  /// The method's name.
  public let method: String
  public let end: End
  /// Why it came to no result, in one sentence.
  public let failure: String?
  /// `nil` if nothing was evaluated or recommended.
  public let incumbent: Incumbent?
  /// What was spent of the child's budget, in the policy's currency.
  public let amount: Double
  /// What was really spent, in every currency.
  public let spent: Spending
  /// Amounts in the policy's currency and numbers of entries, by kind.
  public let ledger: [RunResult.LedgerTotal]
  /// The runs inside this one.
  public let children: [ChildRun]
}

extension Session {
  /// Runs another method in a child session, with a budget within this one's, random numbers of its own, and incumbents
  /// of its own. What it spends is spent here too, entry by entry.
  ///
  /// A child that ended before an interruption is not run again afterwards: what it came to is taken up.
  ///
  /// - Parameters:
  ///   - objective: What the method searches; the architectures of this run's table if `nil`.
  ///   - limit: The child's budget, in the policy's currency; all that is left if `nil`.
  ///   - name: Names the child, once in a session. Its random numbers are derived from this session's seed and the name.
  /// - Throws: ``SessionError/nameTaken(_:)``, and whatever the method throws but ``BudgetExhausted`` and ``RunFailure``:
  ///   the end of a child's budget ends the child alone. If this session's budget has ended with it, the next call says
  ///   so.
  @discardableResult
  public func run(
    _ optimizer: any Optimizer, on objective: (any Objective)? = nil, limit: Double? = nil, name: String
  ) throws -> ChildRun {
    guard names.insert(name).inserted else { throw SessionError.nameTaken(name) }
    try think()
    defer { resumeThinking() }
    let base = checkpoint?.appendingPathExtension("c\(names.count)")
    if let base, let record = try ChildRecord(at: base) {
      account.ledgers = record.ledgers
      thinking = record.thinking
      children.append(record.child)
      return record.child
    }
    let child = Session(child: name, of: self, objective: objective, limit: limit, checkpoint: base)
    var end = ChildRun.End.finished
    var failure: String?
    do { try optimizer.search(child) } catch is BudgetExhausted { end = .budget } catch let error as RunFailure {
      (end, failure) = (.failed, error.description)
    }
    thinking &+= child.thinking
    let result = ChildRun(
      name: name, method: type(of: optimizer).method.name, end: end, failure: failure, incumbent: child.incumbent,
      amount: child.spent, spent: child.ledger.total, ledger: child.ledger.summary, children: child.children)
    children.append(result)
    if let base {
      try ChildRecord(child: result, ledgers: account.ledgers, thinking: thinking).write(at: base)
    }
    return result
  }

  /// What the run would return now.
  private var incumbent: ChildRun.Incumbent? {
    if objective != nil {
      return best.map { .init(cell: nil, point: $0.point, epochs: $0.epochs, validationAccuracy: $0.accuracy) }
    }
    return incumbents.current.map { event in
      .init(
        cell: benchmark.table.cell(event.row), point: nil, epochs: event.fidelity.map { fidelities[$0] } ?? 0,
        validationAccuracy: event.fidelity.flatMap {
          benchmark.table.value(.validationAccuracy, row: event.row, epochs: $0, repeat: event.number)
        })
    }
  }
}

/// What is kept of a child that has ended, until the whole run has.
private struct ChildRecord: Codable {
  let child: ChildRun
  /// The ledgers of the parent and of those above as the child left them, to the bit.
  let ledgers: [Ledger]
  /// The parent's, in nanoseconds.
  let thinking: UInt64

  /// A checksum, a line break, and JSON.
  func write(at base: URL) throws {
    let text = try JSONEncoder().encode(self)
    let data = Data("\(text.withUnsafeBytes { crc32c($0) })\n".utf8) + text
    try FileManager.default.createDirectory(at: base.deletingLastPathComponent(), withIntermediateDirectories: true)
    try data.write(to: base.appendingPathExtension("done"), options: .atomic)
  }

  init(child: ChildRun, ledgers: [Ledger], thinking: UInt64) {
    (self.child, self.ledgers, self.thinking) = (child, ledgers, thinking)
  }

  /// - Returns: `nil` if there is none, or a damaged one: the child is then run again, and ends alike.
  init?(at base: URL) throws {
    guard let data = FileManager.default.contents(atPath: base.appendingPathExtension("done").path),
      let end = data.firstIndex(of: UInt8(ascii: "\n")),
      let checksum = UInt32(String(decoding: data[..<end], as: UTF8.self))
    else { return nil }
    let text = Data(data[(end + 1)...])
    guard text.withUnsafeBytes({ crc32c($0) }) == checksum else { return nil }
    self = try JSONDecoder().decode(Self.self, from: text)
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
