import Anytime
import Experiments
import Foundation
import Reports
import SearchSpaces
import Synchronization

/// A progress display for programs: JSON objects on standard output, one per line, each with an `event`:
///
/// - `experiment`, first: `name`, `methods`, `seeds` (their number), `horizon`, `currency`, the `total` number of
///   runs, and the number of those that are `done`
/// - `began`: a run's `method` and `seed`
/// - `spent`, at most once a second in long runs: `method`, `seed`, `spent`, `horizon`
/// - `ended`: `method`, `seed`, `spent`, `evaluations`; the last incumbent's `cell`, `validationRegret` and
///   `testRegret` as fractions, absent if there is none; `failure`, the reason why a run failed, absent otherwise;
///   `done` and `total`
/// - `elsewhere`: a run of `method` and `seed` that another process has made and stored; `done` and `total`
/// - `waits`, at most once a second, when only others have something to do: `for`, the processes that make the `method`
///   and `seed`, and perhaps further runs
/// - `leaderboard`, last, from `compare` only: `metric` and `rows` by rank
final class ProgressEvents: ProgressDisplay {
  private struct Start: Encodable {
    let event = "experiment"
    let name: String
    let methods: [String]
    let seeds: Int
    let horizon: Double
    let currency: String
    let done, total: Int
  }

  private struct Event: Encodable {
    let event: String
    let method: String
    let seed: UInt64
    var spent: Double?
    var horizon: Double?
    var evaluations: Double?
    var cell: String?
    var validationRegret, testRegret: Double?
    var failure: String?
    var `for`: [String]?
    let done, total: Int
  }

  private struct Board: Encodable {
    struct Row: Encodable {
      let method: String
      let rank: Double
      let n, runs, failed: Int
      let mean, standardError, median, lowerQuartile, upperQuartile: Double?
      let evaluations: Double?
    }

    let event = "leaderboard"
    let metric: String
    let rows: [Row]
  }

  private let horizon: Double
  /// The time of each run's last `spent` event.
  private let said = Mutex<[String: ContinuousClock.Instant]>([:])

  init(_ experiment: Experiment, done: ExperimentResults) {
    horizon = experiment.horizon
    Self.say(
      Start(
        name: experiment.name, methods: experiment.methods.map(\.label), seeds: experiment.seeds.count,
        horizon: horizon, currency: experiment.policy.currency.rawValue,
        done: done.methods.reduce(0) { $0 + $1.runs.count }, total: experiment.runCount))
  }

  func show(_ progress: Runner.Progress) {
    func event(_ name: String) -> Event {
      Event(
        event: name, method: progress.label, seed: progress.seed, done: progress.done, total: progress.total)
    }
    switch progress.event {
    case .began: Self.say(event("began"))
    case .endedElsewhere: Self.say(event("elsewhere"))
    case .waits(let others):
      var event = event("waits")
      event.for = others
      Self.say(event)
    case .spent(let amount, _):
      let now = ContinuousClock.now
      let isDue = said.withLock { said in
        let run = "\(progress.seed) \(progress.label)"
        if let last = said[run], now - last < .seconds(1) { return false }
        said[run] = now
        return true
      }
      guard isDue else { return }
      var event = event("spent")
      event.spent = amount
      event.horizon = horizon
      Self.say(event)
    case .ended(let result):
      var event = event("ended")
      event.spent = result.ledger.reduce(0) { $0 + $1.amount }
      event.horizon = horizon
      event.evaluations = result.spent.evaluations
      event.cell = result.trajectory.last?.architecture.description
      event.validationRegret = result.trajectory.last?.validationRegret
      event.testRegret = result.trajectory.last?.testRegret
      event.failure = result.failure
      Self.say(event)
    }
  }

  func finish() {}

  /// Writes a leaderboard as an event.
  static func say(_ leaderboard: Leaderboard) {
    say(
      Board(
        metric: leaderboard.metric.rawValue,
        rows: leaderboard.rows.map { row in
          Board.Row(
            method: row.label, rank: row.rank, n: row.final?.n ?? 0, runs: row.runs, failed: row.failed,
            mean: row.final?.mean, standardError: row.final?.standardError, median: row.median,
            lowerQuartile: row.lowerQuartile, upperQuartile: row.upperQuartile,
            evaluations: row.evaluations)
        }))
  }

  private static func say(_ event: some Encodable) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do { Output.say(try encoder.encode(event) + Data("\n".utf8)) } catch {
      Console.say("note: an event could not be written as JSON: \(error)")
    }
  }
}
