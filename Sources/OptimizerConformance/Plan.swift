@_spi(Instruments) import Anytime
import Foundation
import Synchronization
import TabularBenchmark

/// One run of a check.
struct Plan: Sendable {
  var currency = BudgetPolicy.Currency.seconds
  var horizon = 1_500.0
  var seed: UInt64 = 1
  /// Whether made-up hyperparameters are searched, in a child session, and not the table's architectures.
  var isOnPoints = false
  /// Whether calls of the session take long.
  var isSlow = false
  /// The call of the session at which the run is killed.
  var kill: Int?
  var checkpoint: URL?

  init(_ change: (inout Plan) -> Void = { _ in }) { change(&self) }

  /// - Parameter stop: Ends the waiting for this run, if it never ends.
  func run(_ optimizer: any Optimizer, on benchmark: Benchmark, stop: @escaping @Sendable () -> Void) throws -> Seen {
    var policy = BudgetPolicy.fair
    policy.currency = currency
    let watched = Watched(optimizer, plan: self, stop: stop)
    var result = try Anytime.run(
      watched, on: benchmark, policy: policy, horizon: horizon, seed: seed, checkpoint: checkpoint)
    guard !watched.watch.isEndless else { throw Trouble.endless }
    result.overheadSeconds = 0
    // That settings differ is no effect of theirs.
    if isOnPoints { result.children = result.children.map(\.withoutSettings) }
    return Seen(result: result, calls: watched.watch.calls)
  }
}

/// All of a run that must not differ from time to time.
struct Seen: Equatable, Sendable {
  let result: RunResult
  /// Calls of the session, of children's too.
  let calls: Int

  static func == (one: Self, other: Self) -> Bool { one.result == other.result }
}

/// Why a run has no result, apart from the method's own reasons.
enum Trouble: Error {
  case killed
  case endless
}

/// A method whose every call of its session is seen.
private struct Watched: Optimizer {
  static let method = Method(name: "watched", title: "", summary: "", citation: "")
  private var inner: (any Optimizer)?
  private var plan = Plan()
  private var stop: @Sendable () -> Void = {}
  let watch = Watch()

  init() {}

  init(_ inner: any Optimizer, plan: Plan, stop: @escaping @Sendable () -> Void) {
    self.inner = inner
    self.plan = plan
    self.stop = stop
  }

  func search(_ session: Session) throws {
    guard let inner else { return }
    session.onCall = { [unowned session, plan, watch, stop] in
      switch watch.called(spent: session.spent, of: session.horizon) {
      case .isWell: break
      case .isEndless: throw Trouble.endless
      case .isDeaf:
        // It does not heed the error either, and a thread cannot be ended: let it sleep.
        stop()
        while true { Thread.sleep(forTimeInterval: 3_600) }
      }
      if let kill = plan.kill, watch.calls >= kill { throw Trouble.killed }
      if plan.isSlow, watch.calls <= 40 { Thread.sleep(forTimeInterval: 0.005) }
    }
    if plan.isOnPoints {
      try session.run(inner, on: MadeUpPoints(), name: "points")
    } else {
      try inner.search(session)
    }
  }
}

/// Counts calls, and sees whether they lead anywhere.
private final class Watch: Sendable {
  enum State { case isWell, isEndless, isDeaf }

  private struct Counts {
    var calls = 0
    /// Calls since something was spent.
    var idle = 0
    var spent = 0.0
    var isEndless = false
  }
  private let counts = Mutex(Counts())

  var calls: Int { counts.withLock { $0.calls } }
  var isEndless: Bool { counts.withLock { $0.isEndless } }

  /// Calls that may follow each other without spending anything: recommendations are free.
  private static let patience = (before: 100_000, after: 1_000)

  func called(spent: Double, of horizon: Double) -> State {
    counts.withLock { counts in
      counts.calls += 1
      counts.idle = spent > counts.spent ? 0 : counts.idle + 1
      counts.spent = spent
      let most = spent < horizon ? Self.patience.before : Self.patience.after
      guard counts.idle > most else { return .isWell }
      counts.isEndless = true
      return counts.idle > most + 1_000 ? .isDeaf : .isEndless
    }
  }
}

/// Does something on a thread of its own.
///
/// - Parameter body: Is given what ends the waiting for it.
/// - Throws: What the body throws; ``Trouble/endless`` if it does not end.
func onThread<Value: Sendable>(
  patience: Duration, _ body: @escaping @Sendable (_ stop: @escaping @Sendable () -> Void) throws -> Value
) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    let waiting = Waiting(continuation)
    let stop: @Sendable () -> Void = { waiting.end(with: .failure(Trouble.endless)) }
    let thread = Thread { waiting.end(with: Result { try body(stop) }) }
    thread.stackSize = 8 << 20
    thread.start()
    let milliseconds = patience / .milliseconds(1)
    DispatchQueue.global().asyncAfter(deadline: .now() + milliseconds / 1_000, execute: stop)
  }
}

/// A continuation that goes on once, at the first of several ends.
private final class Waiting<Value: Sendable>: Sendable {
  private let continuation: Mutex<CheckedContinuation<Value, any Error>?>

  init(_ continuation: CheckedContinuation<Value, any Error>) { self.continuation = Mutex(continuation) }

  func end(with result: Result<Value, any Error>) {
    let waiting = continuation.withLock { continuation in
      defer { continuation = nil }
      return continuation
    }
    waiting?.resume(with: result)
  }
}
