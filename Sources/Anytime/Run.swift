import Foundation
import TabularBenchmark

/// Why a run came to no result: the method diverged, or an external program answered wrongly. A method throws this
/// where the cause is the run's own, so that running it again would end alike; the run is stored with its reason, and
/// others go on.
public struct RunFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// One sentence.
  public let description: String
  /// A failure with its reason, in one sentence.
  public init(_ description: String) { self.description = description }
}

/// Runs one optimizer once.
///
/// - Parameters:
///   - horizon: The budget, in the policy's currency.
///   - seed: Equal seeds, with all else equal, give equal results to the bit, on any thread, machine and day. Methods
///     that train networks keep this promise on all x86-64 processors with AVX2 and FMA, with the same version of
///     libtorch.
///   - checkpoint: A file in which a method that takes long may keep how far it is, to go on from there after an
///     interruption. It is removed in the end.
///   - progress: Called now and then by methods that take long, with what is spent and what part of the run is done.
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
