import Anytime
import Experiments

/// An estimate of the time that an experiment still takes, from the runs that ended since it was started and those in
/// progress. It is made method by method, as a run may take a microsecond or an hour.
struct TimeLeft: Sendable {
  private struct Line {
    /// The number of runs that are neither done nor in progress.
    var waiting: Int
    var ended = 0
    var took = Duration.zero
    /// The start of each run in progress and the fraction of it that is done, by seed.
    var running: [UInt64: (start: ContinuousClock.Instant, part: Double)] = [:]

    /// The estimated time of a run; `nil` as long as nothing is known.
    func duration(at now: ContinuousClock.Instant) -> Duration? {
      if ended > 0 { return took / ended }
      guard let furthest = running.values.max(by: { $0.part < $1.part }), furthest.part > 0.01 else { return nil }
      return (now - furthest.start) / furthest.part
    }
  }

  private let start: ContinuousClock.Instant
  private var lines: [String: Line]

  /// Begins an estimate.
  ///
  /// - Parameter done: The number of runs that are in the store, by label.
  init(_ experiment: Experiment, done: [String: Int], at now: ContinuousClock.Instant = .now) {
    start = now
    lines = Dictionary(
      experiment.methods.map { ($0.label, Line(waiting: experiment.seeds(of: $0).count - (done[$0.label] ?? 0))) },
      uniquingKeysWith: { first, _ in first })
  }

  /// Takes an event into account.
  mutating func take(_ progress: Runner.Progress, at now: ContinuousClock.Instant = .now) {
    guard var line = lines[progress.label] else { return }
    switch progress.event {
    case .began:
      line.waiting -= 1
      line.running[progress.seed] = (now, 0)
    case .spent(_, let part):
      line.running[progress.seed]?.part = part
    case .endedElsewhere: line.waiting -= 1
    case .waits: break
    case .ended:
      if let run = line.running.removeValue(forKey: progress.seed) {
        line.ended += 1
        line.took += now - run.start
      }
    }
    lines[progress.label] = line
  }

  /// The fraction that is done of a method's furthest run in progress.
  func part(of label: String) -> Double? { lines[label]?.running.values.map(\.part).max() }

  /// The time left as text. It begins with `at least` while some method's time is unknown, and is `nil` as long as
  /// hardly any is known.
  func text(at now: ContinuousClock.Instant = .now) -> String? {
    var left = Duration.zero
    var worked = Duration.zero
    var (knows, isWhole) = (false, true)
    for line in lines.values {
      worked += line.took + line.running.values.reduce(.zero) { $0 + (now - $1.start) }
      guard line.waiting > 0 || !line.running.isEmpty else { continue }
      guard let duration = line.duration(at: now) else {
        isWhole = false
        continue
      }
      knows = true
      left += duration * line.waiting
      for run in line.running.values { left += max(.zero, duration - (now - run.start)) }
    }
    guard knows, worked > .zero, now > start else { return nil }
    // Assumes that as many runs are in progress at a time as so far.
    left = left * ((now - start) / worked)
    // The known part is no estimate if it is small and the rest is unknown.
    guard isWhole || left > (now - start) / 2 else { return nil }
    return (isWhole ? "" : "at least ") + ProgressLine.text(left) + " left"
  }
}
