import Anytime
import Experiments
import Foundation
import Reports
import Statistics
import Synchronization

/// A display of a running experiment's progress.
protocol ProgressDisplay: Sendable {
  func show(_ progress: Runner.Progress)
  /// Ends the display.
  func finish()
}

/// The kind of progress display.
enum ProgressStyle {
  /// No display.
  case quiet
  /// One line per method on a terminal, plain lines now and then elsewhere.
  case text
  /// JSON objects on standard output, one per line.
  case json
}

extension ProgressStyle {
  /// A display of this style.
  ///
  /// - Parameters:
  ///   - done: The runs that are in the store already.
  ///   - metric: The regret to show.
  func display(
    of experiment: Experiment, done: ExperimentResults, metric: RegretMetric
  ) -> any ProgressDisplay {
    switch self {
    case .quiet: ProgressLines(experiment, done: done, quiet: true)
    case .text:
      // Characters that are not one column wide would break the dashboard.
      Console.isTerminal && experiment.names.allSatisfy(\.isOfSingleWidth)
        ? Dashboard(DashboardState(experiment, done: done, metric: metric))
        : ProgressLines(experiment, done: done, quiet: false)
    case .json: ProgressEvents(experiment, done: done)
    }
  }
}

extension Experiment {
  fileprivate var names: [String] { [name] + methods.map(\.label) }
}

extension String {
  /// Whether every character takes one column of a terminal for certain, as Latin, Greek and Cyrillic ones do.
  fileprivate var isOfSingleWidth: Bool {
    allSatisfy { letter in
      letter.unicodeScalars.count == 1
        && letter.unicodeScalars.allSatisfy { (0x20..<0x7f).contains($0.value) || (0xa1..<0x530).contains($0.value) }
        && !letter.unicodeScalars.contains { (0x300..<0x370).contains($0.value) || $0.value == 0xad }
    }
  }
}

extension ExperimentResults {
  fileprivate var runsDone: [String: Int] {
    Dictionary(methods.map { ($0.entry.label, $0.runs.count) }, uniquingKeysWith: { first, _ in first })
  }
}

extension Runner.Progress {
  /// What is waited for, in a few words.
  fileprivate static func waitingText(_ others: [String]) -> String {
    let more = others.count > 2 ? ["\(others.count - 2) more"] : []
    return "waits for \((others.prefix(2) + more).joined(separator: " and "))"
  }
}

/// A display of plain lines.
private final class ProgressLines: ProgressDisplay {
  private let line: ProgressLine
  private let timeLeft: Mutex<TimeLeft>

  init(_ experiment: Experiment, done: ExperimentResults, quiet: Bool) {
    line = ProgressLine(experiment.name, quiet: quiet)
    timeLeft = Mutex(TimeLeft(experiment, done: done.runsDone))
  }

  func show(_ progress: Runner.Progress) {
    let (left, part) = timeLeft.withLock { timeLeft in
      timeLeft.take(progress)
      return (timeLeft.text(), timeLeft.part(of: progress.label))
    }
    if case .waits(let others) = progress.event {
      return line.show(
        done: progress.done, of: progress.total, before: nil, unit: "runs",
        note: Runner.Progress.waitingText(others), left: left)
    }
    let note = part.map { $0 > 0 ? "\(progress.label) at \(Int(100 * $0)) %" : progress.label } ?? progress.label
    line.show(done: progress.done, of: progress.total, before: nil, unit: "runs", note: note, left: left)
  }

  func finish() { line.finish() }
}

/// The state behind a dashboard.
struct DashboardState: Sendable {
  private struct Line {
    let label: String
    /// Regret of the runs that ended well.
    var finals: [Double] = []
    var done = 0
    var failed = 0
    var spent = 0.0
    /// The amounts that runs in progress have spent, by seed.
    var running: [UInt64: Double] = [:]

    var best: Double? { finals.min() }
    var total: Double { running.values.reduce(spent, +) }
  }

  private let experiment: Experiment
  private let metric: RegretMetric
  private var lines: [Line]
  private var done = 0
  private var timeLeft: TimeLeft
  /// The processes that this one waits for, as it has nothing else to do.
  private var waiting: [String] = []
  private let start: ContinuousClock.Instant

  init(_ experiment: Experiment, done results: ExperimentResults, metric: RegretMetric) {
    self.experiment = experiment
    self.metric = metric
    start = .now
    timeLeft = TimeLeft(experiment, done: results.runsDone)
    lines = experiment.methods.map { Line(label: $0.label) }
    for (index, method) in results.methods.enumerated() {
      for run in method.runs { end(run.result, index) }
    }
    done = results.methods.reduce(0) { $0 + $1.runs.count }
  }

  private mutating func end(_ result: RunResult, _ index: Int) {
    lines[index].done += 1
    lines[index].spent += result.ledger.reduce(0) { $0 + $1.amount }
    guard result.failure == nil else {
      lines[index].failed += 1
      return
    }
    if let point = result.trajectory.last,
      let regret = metric == .test ? point.testRegret : point.validationRegret
    {
      lines[index].finals.append(regret)
    }
  }

  mutating func take(_ progress: Runner.Progress) {
    guard let index = lines.firstIndex(where: { $0.label == progress.label }) else { return }
    done = max(done, progress.done)
    timeLeft.take(progress)
    switch progress.event {
    case .began:
      waiting = []
      lines[index].running[progress.seed] = 0
    case .spent(let amount, _): lines[index].running[progress.seed] = amount
    case .endedElsewhere: lines[index].done += 1
    case .waits(let others): waiting = others
    case .ended(let result):
      lines[index].running[progress.seed] = nil
      end(result, index)
    }
  }

  /// The lines to draw: one on the whole experiment and one per method, none wider than the terminal.
  func picture(width: Int, height: Int, at now: ContinuousClock.Instant = .now) -> [String] {
    let shown = lines.count + 1 <= height ? lines.count : max(0, height - 2)
    var picture = [head(at: now)] + lines.prefix(shown).map { row($0, isNarrow: width < 105) }
    if shown < lines.count { picture.append("… and \(lines.count - shown) more methods") }
    return picture.map { $0.count > width ? String($0.prefix(max(1, width - 1))) + "…" : $0 }
  }

  private func head(at now: ContinuousClock.Instant) -> String {
    let total = experiment.runCount
    var head = "\(experiment.name): \(done) of \(total) runs"
    if done == total {
      head += ", done in \(ProgressLine.text(now - start))"
    } else if !waiting.isEmpty {
      head += ", \(Runner.Progress.waitingText(waiting))"
    } else if let left = timeLeft.text(at: now) {
      head += ", \(left)"
    }
    return "\(head); \(metric.rawValue) regret, \(experiment.policy.currency.unit)"
  }

  private func row(_ line: Line, isNarrow: Bool) -> String {
    let entry = experiment.methods.first { $0.label == line.label }
    let seeds = entry.map { experiment.seeds(of: $0).count } ?? experiment.seeds.count
    let budget = Double(seeds) * experiment.horizon
    let labelWidth = min(isNarrow ? 20 : 28, lines.map(\.label.count).max() ?? 0)
    let label = line.label.count > labelWidth ? line.label.prefix(labelWidth - 1) + "…" : line.label[...]
    let barWidth = isNarrow ? 6 : 10
    let part = line.done == seeds ? 1 : min(1, line.total / budget)
    let filled = Int((Double(barWidth) * part).rounded(.down))
    func percent(_ value: Double?) -> String {
      value.map { Self.padded(Numbers.percent($0), 6) + " %" } ?? "       -"
    }
    var parts = [
      label + String(repeating: " ", count: labelWidth - label.count),
      String(repeating: "━", count: filled) + String(repeating: "╌", count: barWidth - filled),
      Self.padded("\(line.done)/\(seeds)", 2 * String(seeds).count + 1), "best \(percent(line.best))",
    ]
    if !isNarrow { parts.append("mean \(percent(line.finals.mean))") }
    let whole = Self.amount(budget)
    parts.append("spent \(Self.padded(Self.amount(line.total), whole.count)) of \(whole)")
    if line.failed > 0 { parts.append("\(line.failed) failed") }
    if let longest = line.running.values.max(), longest > 0 {
      parts.append("running \(Int(100 * longest / experiment.horizon)) %")
    }
    return parts.joined(separator: "  ")
  }

  private static func padded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  private static func amount(_ value: Double) -> String {
    value < 100 ? Numbers.digits(value, 3) : Numbers.grouped(Int(min(value, 1e15)))
  }
}

/// A display that redraws the lines of a ``DashboardState`` at most ten times a second.
private final class Dashboard: ProgressDisplay {
  private struct Drawn {
    var state: DashboardState
    var height = 0
    var last: ContinuousClock.Instant?
  }

  private let drawn: Mutex<Drawn>

  init(_ state: DashboardState) {
    drawn = Mutex(Drawn(state: state))
  }

  func show(_ progress: Runner.Progress) {
    drawn.withLock { drawn in
      drawn.state.take(progress)
      let now = ContinuousClock.now
      if drawn.last.map({ now - $0 > .milliseconds(100) }) ?? true { Self.draw(&drawn, now) }
    }
  }

  /// Draws the last state and an empty line, if anything was drawn before.
  func finish() {
    drawn.withLock { drawn in
      guard drawn.height > 0 else { return }
      Self.draw(&drawn, .now)
      Console.say("")
    }
  }

  private static func draw(_ drawn: inout Drawn, _ now: ContinuousClock.Instant) {
    let (width, height) = Console.size
    let picture = drawn.state.picture(width: width, height: height - 1)
    // Moves up to the first line of the last drawing, redraws line by line, and clears what is left below.
    let up = drawn.height > 0 ? "\u{1b}[\(drawn.height)F" : ""
    let text = up + picture.map { $0 + "\u{1b}[K\n" }.joined() + "\u{1b}[J"
    Console.show(text)
    drawn.height = picture.count
    drawn.last = now
  }
}
