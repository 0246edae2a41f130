import Anytime
import Foundation
import Synchronization
import TabularBenchmark

/// Makes the missing runs of an experiment, on several threads.
///
/// Each run is a pure function of its identity and seed, and is stored in one transaction when it ends. So the results
/// do not depend on the number of threads, and an experiment that was killed continues with the missing runs.
public struct Runner: Sendable {
  /// An event of a run, with the progress of the experiment.
  public struct Progress: Sendable {
    /// What happened in a run.
    public enum Event: Sendable {
      /// The run began.
      case began
      /// The run has spent an amount in the policy's currency; `part`, in 0...1, is roughly its progress. Only long
      /// runs report it, again and again.
      case spent(Double, part: Double)
      /// The run has ended and is in the store.
      case ended(RunResult)
    }

    /// What happened.
    public let event: Event
    /// The label of the run's method.
    public let label: String
    /// The run's seed.
    public let seed: UInt64
    /// The number of stored runs, and of all runs of ``Runner/part``.
    public let done, total: Int
  }

  /// The experiment that is run.
  public let experiment: Experiment
  /// The table and the search space of all runs.
  public let benchmark: Benchmark
  /// The methods that entries name.
  public let registry: Registry
  /// The store that finished runs go to.
  public let store: RunStore
  /// The identities of the runs, by label.
  public let identities: [String: RunIdentity]
  /// The experiment with the runs that are made alone: all of them, or those of a shard.
  public let part: Experiment
  /// The labels of ``part`` in the order in which their runs are made, for a shard.
  private let order: [String]?

  /// - Parameters:
  ///   - numerics: The numerics of methods that train on images.
  ///   - shard: The shard whose runs are made; all runs if `nil`.
  /// - Throws: ``UnknownWord`` for a method that the registry does not have.
  public init(
    experiment: Experiment, benchmark: Benchmark, registry: Registry, store: RunStore, numerics: Numerics? = nil,
    shard: Shard? = nil
  ) throws {
    identities = try experiment.identities(
      tableChecksum: benchmark.table.checksum, registry: registry, numerics: numerics)
    if let shard {
      let runs = experiment.runs(
        of: shard, seconds: try experiment.estimatedSeconds(on: benchmark, registry: registry))
      part = experiment.part(runs)
      order = runs.reduce(into: []) { order, run in if order.last != run.label { order.append(run.label) } }
    } else {
      (part, order) = (experiment, nil)
    }
    self.experiment = experiment
    self.benchmark = benchmark
    self.registry = registry
    self.store = store
  }

  /// The finished runs of ``part``.
  public func results() throws -> ExperimentResults {
    try store.results(
      of: part, tableChecksum: benchmark.table.checksum, identities: identities, registry: registry)
  }

  /// Makes the missing runs, on threads of its own.
  ///
  /// A run that fails is stored as such. If something outside the runs is wrong (images are missing, say), the runs of
  /// other methods continue.
  ///
  /// - Parameters:
  ///   - threads: The number of runs at a time.
  ///   - retryFailed: Whether failed runs are made again.
  ///   - progress: Called from any thread when a run begins, proceeds and ends.
  /// - Throws: Before the first run, an error of the experiment; after the last one, the first error that was not a
  ///   run's own. Finished runs are kept.
  public func run(
    threads: Int, retryFailed: Bool = false, progress: @escaping @Sendable (Progress) -> Void = { _ in }
  ) async throws {
    try experiment.validate()
    try experiment.checkHorizon(benchmark)
    let checksum = benchmark.table.checksum
    var byMethod: [[Job]] = []
    let rank = Dictionary(
      (order ?? []).enumerated().map { ($0.element, $0.offset) }, uniquingKeysWith: { first, _ in first })
    for entry in part.methods.sorted(by: { rank[$0.label] ?? 0 < rank[$1.label] ?? 0 }) {
      let optimizer = try registry.optimizer(named: entry.method, entry.settings)
      guard let identity = identities[entry.label] else { continue }
      let done = try store.seeds(of: identity, failed: !retryFailed)
      byMethod.append(
        part.seeds(of: entry).filter { !done.contains($0) }.map { seed in
          Job(
            label: entry.label, optimizer: optimizer, identity: identity, seed: seed,
            checkpoint: store.checkpoint(of: identity, seed: seed))
        })
    }
    try store.save(experiment, tableChecksum: checksum, identities: identities)
    // A run of every method first: then it is known how long the others take. A shard has its dear ones first, so that
    // its threads end together.
    let jobs =
      order == nil ? byMethod.compactMap(\.first) + byMethod.flatMap { $0.dropFirst() } : byMethod.flatMap { $0 }
    let work = Work(self, jobs, progress: progress)
    await withTaskCancellationHandler {
      await work.perform(threads: threads)
    } onCancel: {
      work.stop(CancellationError())
    }
    if let error = work.error { throw error }
    store.removeEmptyCheckpoints()
  }

  fileprivate struct Job: Sendable {
    let label: String
    let optimizer: any Optimizer
    let identity: RunIdentity
    let seed: UInt64
    let checkpoint: URL
  }
}

/// Work in the hands of a thread, which lets go of it before it says that it is done: whoever waits for that may want
/// to close the store.
private final class Loan: Sendable {
  private let work: Mutex<Work?>

  init(_ work: Work) { self.work = Mutex(work) }

  func useUp(_ body: (Work) -> Void) {
    let taken = work.withLock { work in
      defer { work = nil }
      return work
    }
    if let taken { body(taken) }
  }
}

/// The runs that are being made, shared by the threads that make them.
private final class Work: Sendable {
  private struct State {
    var next = 0
    var done: Int
    var error: (any Error)?
    var isStopped = false
    /// The methods that cannot be run here.
    var broken: Set<String> = []
  }

  private let runner: Runner
  private let jobs: [Runner.Job]
  private let progress: @Sendable (Runner.Progress) -> Void
  private let total: Int
  private let state: Mutex<State>

  init(_ runner: Runner, _ jobs: [Runner.Job], progress: @escaping @Sendable (Runner.Progress) -> Void) {
    self.runner = runner
    self.jobs = jobs
    self.progress = progress
    total = runner.part.runCount
    state = Mutex(State(done: total - jobs.count))
  }

  /// The first error that was not a run's own.
  var error: (any Error)? { state.withLock { $0.error } }

  func stop(_ error: any Error) {
    state.withLock { state in
      state.error = state.error ?? error
      state.isStopped = true
    }
  }

  /// Makes all runs; returns when the last one has ended.
  func perform(threads: Int) async {
    // Threads, not tasks: a run computes for minutes and would hold the few threads that all tasks share.
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<max(1, min(threads, jobs.count)) {
        group.addTask {
          await withCheckedContinuation { continuation in
            let loan = Loan(self)
            let thread = Thread {
              loan.useUp { work in while let job = work.take() { work.perform(job) } }
              continuation.resume()
            }
            thread.stackSize = 8 << 20
            thread.start()
          }
        }
      }
    }
  }

  private func take() -> Runner.Job? {
    state.withLock { state in
      while !state.isStopped, state.next < jobs.count {
        defer { state.next += 1 }
        if !state.broken.contains(jobs[state.next].label) { return jobs[state.next] }
      }
      return nil
    }
  }

  private func perform(_ job: Runner.Job) {
    @Sendable func report(_ event: Runner.Progress.Event) {
      let done = state.withLock { state in
        if case .ended = event { state.done += 1 }
        return state.done
      }
      progress(Runner.Progress(event: event, label: job.label, seed: job.seed, done: done, total: total))
    }
    report(.began)
    let result: RunResult
    do {
      result = try Anytime.run(
        job.optimizer, on: runner.benchmark, policy: runner.experiment.policy, horizon: runner.experiment.horizon,
        seed: job.seed, checkpoint: job.checkpoint, progress: { report(.spent($0, part: $1)) })
    } catch {
      state.withLock { state in
        state.error = state.error ?? error
        state.broken.insert(job.label)
      }
      return
    }
    do {
      try runner.benchmark.table.checkUnchanged()
      try runner.store.add(result, identity: job.identity, seed: job.seed)
    } catch {
      return stop(error)
    }
    report(.ended(result))
  }
}
