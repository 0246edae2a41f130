import Crypto
import Foundation
import TabularBenchmark

/// A method with its settings, under the name that curves show.
public struct MethodEntry: Hashable, Sendable, Codable {
  /// The name in leaderboards and captions, unique in an experiment.
  public var label: String
  public var method: String
  public var settings: Settings
  /// Seeds of its own, where a method should have fewer runs than others; the experiment's if `nil`.
  public var seeds: [UInt64]?

  public init(label: String, method: String, settings: Settings, seeds: [UInt64]? = nil) {
    self.label = label
    self.method = method
    self.settings = settings
    self.seeds = seeds
  }
}

/// All that determines a run except its seed. A run is a pure function of this and the seed.
public struct RunIdentity: Hashable, Sendable, Codable {
  public var method: String
  public var settings: Settings
  public var space: String
  public var tableChecksum: String
  /// The budget, in the policy's currency.
  public var horizon: Double
  public var policy: BudgetPolicy

  public init(
    method: String, settings: Settings, space: String, tableChecksum: String, horizon: Double,
    policy: BudgetPolicy
  ) {
    self.method = method
    self.settings = settings
    self.space = space
    self.tableChecksum = tableChecksum
    self.horizon = horizon
    self.policy = policy
  }

  /// SHA-256 of the canonical JSON of all fields, in 64 hexadecimal digits.
  public var digest: String {
    SHA256.hash(data: Data(canonicalJSON(self).utf8)).hexadecimal
  }
}

extension Sequence<UInt8> {
  /// Two digits a byte.
  var hexadecimal: String { map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
}

/// JSON with sorted keys: equal values give equal text.
func canonicalJSON(_ value: some Encodable) -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  // Only plain structures of numbers, text and flags are ever encoded here.
  return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? ""
}

/// Runs one optimizer once.
///
/// - Parameters:
///   - horizon: The budget, in the policy's currency.
///   - seed: Equal seeds, with all else equal, give equal results on any machine, thread and day.
///   - checkpoint: A file in which a method that takes long may keep how far it is, to go on from there after an
///     interruption. It is removed in the end.
///   - progress: Called now and then by methods that take long, with what is spent and what part of the run is done.
/// - Throws: What the optimizer throws, except ``BudgetExhausted``, which ends a run.
public func run(
  _ optimizer: any Optimizer, on benchmark: Benchmark, policy: BudgetPolicy, horizon: Double, seed: UInt64,
  checkpoint: URL? = nil, progress: (@Sendable (_ spent: Double, _ part: Double) -> Void)? = nil
) throws -> RunResult {
  let session = Session(benchmark: benchmark, policy: policy, horizon: horizon, seed: seed)
  session.checkpoint = checkpoint
  session.onProgress = progress
  do { try optimizer.search(session) } catch is BudgetExhausted {}
  if let checkpoint { try? FileManager.default.removeItem(at: checkpoint) }
  let builder = TrajectoryBuilder(benchmark: benchmark, policy: policy, horizon: horizon)
  return RunResult(
    trajectory: builder.trajectory(session.events), spent: session.ledger.total,
    ledger: Ledger.Kind.allCases.compactMap { kind in
      let (amount, count) = session.ledger.total(of: kind)
      return count > 0 ? RunResult.LedgerTotal(kind: kind, amount: amount, count: count) : nil
    }, overheadSeconds: session.overheadSeconds, trace: builder.correlated(session.trace))
}
