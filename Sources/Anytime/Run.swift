import Foundation
import TabularBenchmark

/// The failure of a run: for instance, a supernet diverged, or an external program answered wrongly. A method throws it
/// if the cause lies in the run itself, so that repeating the run would fail again. The run is stored with this reason,
/// and other runs go on.
public struct RunFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// The reason, in one sentence.
  public let description: String
  /// A failure with its reason, in one sentence.
  public init(_ description: String) { self.description = description }
}

/// Runs one optimizer once.
///
/// - Parameters:
///   - horizon: The budget, in the policy's currency.
///   - seed: The seed of all random numbers. Equal seeds, with all else equal, give equal results to the bit, on any
///     thread and machine; for methods that train networks, on all x86-64 processors with AVX2 and FMA, with the same
///     version of libtorch.
///   - checkpoint: A file in which a slow method may save its state, to resume after an interruption. It is removed
///     when the run has ended.
///   - progress: Called from time to time in long runs, with the budget spent, in the policy's currency, and the part
///     of the run that is done (0...1).
/// - Returns: The run's result; one with a ``RunResult/failure`` if the optimizer threw ``RunFailure``.
/// - Throws: Whatever else the optimizer throws, except ``BudgetExhausted``, which ends a run.
public func run(
  _ optimizer: any Optimizer, on benchmark: Benchmark, policy: BudgetPolicy, horizon: Double, seed: UInt64,
  checkpoint: URL? = nil, progress: (@Sendable (_ spent: Double, _ part: Double) -> Void)? = nil
) throws -> RunResult {
  let session = Session(
    benchmark: benchmark, policy: policy, horizon: horizon, seed: seed, checkpoint: checkpoint, onProgress: progress)
  var failure: String?
  do { try optimizer.search(session) } catch is BudgetExhausted {
  } catch let error as RunFailure { failure = error.description }
  if let checkpoint { removeCheckpoints(checkpoint) }
  return RunResult(
    trajectory: session.trajectory(), spent: session.ledger.total, ledger: session.ledger.summary,
    overheadSeconds: session.overheadSeconds, trace: session.trace.ranked(by: benchmark),
    failure: failure, children: session.children)
}

/// Removes what a run, or a child, kept of itself, of its other supernets and of its children. What cannot be removed
/// stays: a result is not lost for that.
///
/// - Parameter kept: A file among them that stays.
func removeCheckpoints(_ checkpoint: URL, keeping kept: URL? = nil) {
  let folder = checkpoint.deletingLastPathComponent()
  let name = checkpoint.lastPathComponent
  let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
  for file in names where (file == name || file.hasPrefix(name + ".")) && file != kept?.lastPathComponent {
    // A damaged file that was set aside is the user's to look at.
    if !file.hasSuffix(".damaged") { try? FileManager.default.removeItem(at: folder.appending(path: file)) }
  }
}
