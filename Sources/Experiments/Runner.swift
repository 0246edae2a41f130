import Anytime
import Foundation
import Synchronization
import TabularBenchmark

/// Does the runs of an experiment that are not done yet, over all cores.
///
/// Each run is a pure function of its identity and seed, and is stored in one transaction when it ends. So
/// the results do not depend on the number of threads, and an experiment that was killed goes on with the
/// runs that are missing.
public struct Runner: Sendable {
  /// What happened to a run, and how far the experiment is.
  public struct Progress: Sendable {
    public enum Event: Sendable {
      /// The run began.
      case began
      /// The run goes on and has spent so much, in the policy's currency; about this part of it, in 0...1, is done.
      /// Long runs say so all the time, short ones never.
      case spent(Double, part: Double)
      /// The run has ended and is in the store.
      case ended(RunResult)
    }

    public let event: Event
    /// The label of the run's method.
    public let label: String
    public let seed: UInt64
    /// Runs in the store, and runs that the experiment asks for.
    public let done, total: Int
  }

  public let experiment: Experiment
  public let benchmark: Benchmark
  public let registry: Registry
  public let store: RunStore
  /// Of the runs, by label.
  public let identities: [String: RunIdentity]

  /// - Parameter numerics: Of methods that train on images.
  /// - Throws: ``UnknownWord`` for a method that the registry does not have.
  public init(
    experiment: Experiment, benchmark: Benchmark, registry: Registry, store: RunStore, numerics: Numerics? = nil
  ) throws {
    identities = try experiment.identities(
      tableChecksum: benchmark.table.checksum, registry: registry, numerics: numerics)
    self.experiment = experiment
    self.benchmark = benchmark
    self.registry = registry
    self.store = store
  }

  /// The experiment's runs that are done.
  public func results() throws -> ExperimentResults {
    try store.results(
      of: experiment, tableChecksum: benchmark.table.checksum, identities: identities, registry: registry)
  }

  /// Runs what is missing, on threads of its own.
  ///
  /// A run that fails is stored as such. Where something outside the runs is wrong (images are missing, say), the other
  /// methods' runs go on.
  ///
  /// - Parameters:
  ///   - threads: How many runs at a time.
  ///   - retryFailed: Whether runs that are stored as failed are made again.
  ///   - progress: Called when a run begins, goes on and ends, from any thread.
  /// - Throws: Before the first run, what is wrong with the experiment; after the last one, the first error that was no
  ///   run's own. Runs that ended before are kept.
  public func run(
    threads: Int, retryFailed: Bool = false, progress: @escaping @Sendable (Progress) -> Void = { _ in }
  ) async throws {
    try experiment.validate()
    try experiment.checkHorizon(benchmark)
    let checksum = benchmark.table.checksum
    var byMethod: [[Job]] = []
    for entry in experiment.methods {
      let optimizer = try registry.method(named: entry.method).init(settings: entry.settings)
      guard let identity = identities[entry.label] else { continue }
      let done = try store.seeds(of: identity, failed: !retryFailed)
      byMethod.append(
        experiment.seeds(of: entry).filter { !done.contains($0) }.map { seed in
          Job(
            label: entry.label, optimizer: optimizer, identity: identity, seed: seed,
            checkpoint: store.checkpoint(of: identity, seed: seed))
        })
    }
    try store.save(experiment, tableChecksum: checksum, identities: identities)
    // A run of every method first: then it is known how long the others take.
    let work = Work(
      self, byMethod.compactMap(\.first) + byMethod.flatMap { $0.dropFirst() }, progress: progress)
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

/// The runs of an experiment that are being made, shared by the threads that make them.
private final class Work: Sendable {
  private struct State {
    var next = 0
    var done: Int
    var error: (any Error)?
    var isStopped = false
    /// Methods that cannot be run here.
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
    total = runner.experiment.runCount
    state = Mutex(State(done: total - jobs.count))
  }

  /// The first error that was no run's own.
  var error: (any Error)? { state.withLock { $0.error } }

  func stop(_ error: any Error) {
    state.withLock { state in
      state.error = state.error ?? error
      state.isStopped = true
    }
  }

  /// Makes all runs and returns when the last one has ended.
  func perform(threads: Int) async {
    // Threads, not tasks: a run computes for minutes and would hold the few threads that all tasks share.
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<max(1, min(threads, jobs.count)) {
        group.addTask {
          await withCheckedContinuation { continuation in
            let thread = Thread {
              while let job = self.take() { self.perform(job) }
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
