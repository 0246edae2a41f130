import Anytime
import Foundation
import Synchronization
import TabularBenchmark

/// Makes the missing runs of an experiment, on several threads.
///
/// Each run is a pure function of its identity and seed, and is stored in one transaction when it ends. So the results
/// do not depend on the number of threads, and an experiment that was killed continues with the missing runs.
///
/// Several processes may work on one store at a time: each claims runs before it begins them, takes over what dead ones
/// had claimed, and waits in the end for those that others still make.
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
      /// The run is in the store: another process has made it, or another method of the same settings.
      case endedElsewhere
      /// Nothing is left to begin here: other processes, of these names, still make this run and perhaps more.
      case waits(for: [String])
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
  /// - Throws: `UnknownWord` for a method that the registry does not have.
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
  ///   run's own. Finished runs are kept, and claims released.
  public func run(
    threads: Int, retryFailed: Bool = false, progress: @escaping @Sendable (Progress) -> Void = { _ in }
  ) async throws {
    try experiment.check(on: benchmark, registry: registry)
    let checksum = benchmark.table.checksum
    try store.save(experiment, tableChecksum: checksum, identities: identities)
    let claims = try Claims(store)
    defer { claims.end() }
    let isShared = try !claims.others().isEmpty
    var byMethod: [[Job]] = []
    let rank = Dictionary(
      (order ?? []).enumerated().map { ($0.element, $0.offset) }, uniquingKeysWith: { first, _ in first })
    for entry in part.methods.sorted(by: { rank[$0.label] ?? 0 < rank[$1.label] ?? 0 }) {
      let optimizer = try registry.optimizer(named: entry.method, entry.settings)
      guard let identity = identities[entry.label] else { continue }
      let stored = try StoredIdentity(identity)
      let done = try store.seeds(of: identity, failed: !retryFailed)
      let jobs = part.seeds(of: entry).filter { !done.contains($0) }.map { seed in
        Job(
          label: entry.label, optimizer: optimizer, identity: stored,
          key: Claims.Key(digest: stored.digest, seed: seed, countsFailed: !retryFailed),
          checkpoint: store.checkpoint(of: stored.digest, seed: seed))
      }
      byMethod.append(isShared ? jobs.rotatedAtRandom() : jobs)
    }
    // A run of every method first: then it is known how long the others take. A shard has its dear ones first, so that
    // its threads end together.
    let jobs =
      order == nil ? byMethod.compactMap(\.first) + byMethod.flatMap { $0.dropFirst() } : byMethod.flatMap { $0 }
    let work = Work(self, jobs, claims, threads: threads, progress: progress)
    await withTaskCancellationHandler {
      await work.perform()
    } onCancel: {
      work.stop(CancellationError())
    }
    if let error = work.error { throw error }
    store.removeEmptyCheckpoints()
  }

  fileprivate struct Job: Sendable {
    let label: String
    let optimizer: any Optimizer
    let identity: StoredIdentity
    var key: Claims.Key
    let checkpoint: URL

    var seed: UInt64 { key.seed }
  }
}

extension RangeReplaceableCollection where Self: RandomAccessCollection {
  /// The elements from a random one on, then those before it: processes that begin at different ones meet rarely.
  fileprivate func rotatedAtRandom() -> Self {
    guard let start = indices.randomElement() else { return self }
    return Self(self[start...]) + self[..<start]
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
    var done: Int
    var error: (any Error)?
    var isStopped = false
    /// The methods that cannot be run here.
    var broken: Set<String> = []
    /// The number of runs that ended here and the seconds that they took, by label.
    var pace: [String: (count: Int, seconds: Double)] = [:]
  }

  /// The runs that no thread has yet.
  private struct Plan {
    var open: [Runner.Job]
    var next = 0
    /// Those that other processes had claimed.
    var foreign: [Runner.Job] = []
    /// The last look at them.
    var looked: ContinuousClock.Instant?
    /// Events that are to be told.
    var events: [(event: Runner.Progress.Event, job: Runner.Job)] = []
  }

  /// Results that are to be stored.
  private struct Pending {
    var results: [(result: RunResult, job: Runner.Job)] = []
    /// Whether a thread is storing, and will take these too.
    var isStoring = false
  }

  private enum Step {
    case make([Runner.Job]), wait, end
  }

  private let runner: Runner
  private let claims: Claims
  private let threads: Int
  private let progress: @Sendable (Runner.Progress) -> Void
  private let total: Int
  private let state: Mutex<State>
  private let plan: Mutex<Plan>
  private let pending = Mutex(Pending())

  /// The seconds that the runs take which a thread claims at a time: many times what a claim costs, little beside what
  /// the last thread may keep others waiting for.
  private static let batchSeconds = 0.3
  /// The greatest number of runs that a thread claims at a time.
  private static let longestBatch = 500

  init(
    _ runner: Runner, _ jobs: [Runner.Job], _ claims: Claims, threads: Int,
    progress: @escaping @Sendable (Runner.Progress) -> Void
  ) {
    self.runner = runner
    self.claims = claims
    self.threads = max(1, min(threads, jobs.count))
    self.progress = progress
    total = runner.part.runCount
    state = Mutex(State(done: total - jobs.count))
    plan = Mutex(Plan(open: jobs))
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
  func perform() async {
    // Threads, not tasks: a run computes for minutes and would hold the few threads that all tasks share.
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<threads {
        group.addTask {
          await withCheckedContinuation { continuation in
            let loan = Loan(self)
            let thread = Thread {
              loan.useUp { $0.work() }
              continuation.resume()
            }
            thread.stackSize = 8 << 20
            thread.start()
          }
        }
      }
    }
  }

  /// The work of a thread.
  private func work() {
    while !state.withLock({ $0.isStopped }) {
      let step: Step
      do { step = try nextStep() } catch { return stop(error) }
      switch step {
      case .end: return
      case .wait: usleep(100_000)
      case .make(let jobs):
        for (index, job) in jobs.enumerated() {
          let (isStopped, isBroken) = state.withLock { ($0.isStopped, $0.broken.contains(job.label)) }
          if isStopped { return }
          if isBroken {
            release(Array(jobs[index...]))
            break
          }
          perform(job)
        }
      }
    }
  }

  // MARK: Claims

  /// Claims the next runs: as many as take a fraction of a second, all of one method.
  private func nextStep() throws -> Step {
    let (step, events) = try plan.withLock { plan in
      let step = try nextStep(&plan)
      defer { plan.events = [] }
      return (step, plan.events)
    }
    for (event, job) in events { report(event, job) }
    return step
  }

  private func nextStep(_ plan: inout Plan) throws -> Step {
    while true {
      while plan.next < plan.open.count {
        let (isStopped, broken) = state.withLock { ($0.isStopped, $0.broken) }
        if isStopped { return .end }
        let label = plan.open[plan.next].label
        if broken.contains(label) {
          plan.next += 1
          continue
        }
        let rest = plan.open[plan.next...]
        let candidates = Array(rest.prefix(batchSize(label, of: rest.count)).prefix { $0.label == label })
        plan.next += candidates.count
        let claimed = try sort(candidates, limit: candidates.count, &plan)
        if claimed.count < candidates.count { try goElsewhere(label, &plan) }
        if !claimed.isEmpty { return .make(claimed) }
      }
      let broken = state.withLock { $0.broken }
      plan.foreign.removeAll { broken.contains($0.label) }
      guard let first = plan.foreign.first else { return .end }
      let now = ContinuousClock.now
      if let looked = plan.looked, now - looked < .seconds(1) { return .wait }
      plan.looked = now
      let others = try claims.others()
      let candidates = plan.foreign
      plan.foreign = []
      _ = try sort(candidates, limit: 0, &plan)
      if plan.next == plan.open.count, !plan.foreign.isEmpty {
        if !others.isEmpty { plan.events.append((.waits(for: others), plan.foreign.first ?? first)) }
        return .wait
      }
    }
  }

  private func batchSize(_ label: String, of left: Int) -> Int {
    guard let pace = state.withLock({ $0.pace[label] }), pace.count > 0 else { return 1 }
    let most = Self.batchSeconds * Double(pace.count) / max(1e-9, pace.seconds)
    // Towards the end, every thread should have some.
    return max(1, min(Int(min(most, Double(Self.longestBatch))), left / (2 * threads)))
  }

  /// Claims runs, and notes what others have of them.
  private func sort(_ jobs: [Runner.Job], limit: Int, _ plan: inout Plan) throws -> [Runner.Job] {
    var claimed: [Runner.Job] = []
    for (var job, answer) in zip(jobs, try claims.take(jobs.map(\.key), limit: limit)) {
      switch answer {
      case .claimed: claimed.append(job)
      case .free: plan.open.append(job)
      case .stored: plan.events.append((.endedElsewhere, job))
      case .taken:
        // If it fails there, it has been tried again.
        job.key.countsFailed = true
        plan.foreign.append(job)
      }
    }
    return claimed
  }

  /// Goes on with other runs of a method, where another process has made or claimed the next ones.
  private func goElsewhere(_ label: String, _ plan: inout Plan) throws {
    let rest = plan.open[plan.next...].prefix { $0.label == label }
    guard rest.count > 8, let job = rest.first else { return }
    let stored = try runner.store.seeds(of: job.identity.digest, failed: job.key.countsFailed)
    var left: [Runner.Job] = []
    for job in rest {
      if stored.contains(job.seed) { plan.events.append((.endedElsewhere, job)) } else { left.append(job) }
    }
    plan.open.replaceSubrange(rest.indices, with: left.rotatedAtRandom())
  }

  private func release(_ jobs: [Runner.Job]) {
    do { try claims.release(jobs.map(\.key)) } catch { stop(error) }
  }

  // MARK: Runs

  private func report(_ event: Runner.Progress.Event, _ job: Runner.Job) {
    let done = state.withLock { state in
      switch event {
      case .ended, .endedElsewhere: state.done += 1
      case .began, .spent, .waits: break
      }
      return state.done
    }
    progress(Runner.Progress(event: event, label: job.label, seed: job.seed, done: done, total: total))
  }

  private func perform(_ job: Runner.Job) {
    report(.began, job)
    let start = ContinuousClock.now
    let result: RunResult
    do {
      result = try Anytime.run(
        job.optimizer, on: runner.benchmark, policy: runner.experiment.policy, horizon: runner.experiment.horizon,
        seed: job.seed, checkpoint: job.checkpoint, progress: { self.report(.spent($0, part: $1), job) })
    } catch {
      state.withLock { state in
        state.error = state.error ?? error
        state.broken.insert(job.label)
      }
      return release([job])
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    state.withLock { state in
      state.pace[job.label, default: (0, 0)].count += 1
      state.pace[job.label, default: (0, 0)].seconds += seconds
    }
    do {
      try runner.benchmark.table.checkUnchanged()
      try keep(result, job)
    } catch { stop(error) }
  }

  /// Stores a result at once; or leaves it to a thread that is storing others, which may have to wait for another
  /// process: then all that have come together are stored in one transaction.
  private func keep(_ result: RunResult, _ job: Runner.Job) throws {
    let isMine = pending.withLock { pending in
      pending.results.append((result, job))
      // A thread that would leave too many waits for its turn.
      if pending.isStoring, pending.results.count < 4 * threads { return false }
      pending.isStoring = true
      return true
    }
    while isMine {
      let results = pending.withLock { pending in
        defer { pending.results = [] }
        pending.isStoring = !pending.results.isEmpty
        return pending.results
      }
      if results.isEmpty { return }
      try runner.store.add(results.map { ($0.result, $0.job.identity, $0.job.seed) })
      for (result, job) in results { report(.ended(result), job) }
    }
  }
}
