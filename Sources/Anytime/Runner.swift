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

  public init(experiment: Experiment, benchmark: Benchmark, registry: Registry, store: RunStore) {
    self.experiment = experiment
    self.benchmark = benchmark
    self.registry = registry
    self.store = store
  }

  /// Runs what is missing.
  ///
  /// - Parameters:
  ///   - threads: How many runs at a time.
  ///   - progress: Called when a run begins, goes on and ends, from one thread at a time.
  /// - Throws: The first error of a run or of the store; runs that ended before are kept.
  public func run(threads: Int, progress: @escaping @Sendable (Progress) -> Void = { _ in }) async throws {
    let checksum = benchmark.table.checksum
    try store.save(experiment, tableChecksum: checksum)

    struct Job: Sendable {
      let label: String
      let optimizer: any Optimizer
      let identity: RunIdentity
      let seed: UInt64
    }
    var jobs: [Job] = []
    for entry in experiment.methods {
      let optimizer = try registry.method(named: entry.method).init(settings: entry.settings)
      let identity = experiment.identity(of: entry, tableChecksum: checksum)
      let done = try store.seeds(of: identity)
      for seed in experiment.seeds(of: entry) where !done.contains(seed) {
        jobs.append(Job(label: entry.label, optimizer: optimizer, identity: identity, seed: seed))
      }
    }

    let total = experiment.runCount
    let tally = Tally(total - jobs.count)
    let pending = jobs
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<max(1, min(threads, pending.count)) {
        group.addTask {
          while true {
            try Task.checkCancellation()
            let index = tally.next.add(1, ordering: .relaxed).oldValue
            guard index < pending.count else { return }
            let job = pending[index]
            @Sendable func report(_ event: Progress.Event) {
              tally.done.withLock { done in
                if case .ended = event { done += 1 }
                progress(
                  Progress(event: event, label: job.label, seed: job.seed, done: done, total: total))
              }
            }
            report(.began)
            let result = try Anytime.run(
              job.optimizer, on: benchmark, policy: experiment.policy, horizon: experiment.horizon,
              seed: job.seed, checkpoint: store.checkpoint(of: job.identity, seed: job.seed),
              progress: { report(.spent($0, part: $1)) })
            try store.add(result, identity: job.identity, seed: job.seed)
            report(.ended(result))
          }
        }
      }
      try await group.waitForAll()
    }
    store.removeEmptyCheckpoints()
  }
}

/// What the threads of an experiment share: the next run to do, and how many are done.
private final class Tally: Sendable {
  let next = Atomic(0)
  let done: Mutex<Int>

  init(_ done: Int) { self.done = Mutex(done) }
}
