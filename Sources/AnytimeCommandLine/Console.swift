import Foundation
import Synchronization

/// Messages other than results, on standard error. A failure to write them (a closed terminal, a full disk under a log)
/// does not stop the program.
enum Console {
  /// Whether standard error is a terminal on which lines can be redrawn; a dumb one, such as an editor's, is not.
  static let isTerminal = isatty(STDERR_FILENO) == 1 && (environment["TERM"] ?? "dumb") != "dumb"
  private static let usesColours = isTerminal && environment["NO_COLOR"] == nil
  private static let environment = ProcessInfo.processInfo.environment

  /// The terminal's columns and lines; 80 and 24 if unknown.
  static var size: (width: Int, height: Int) {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
      return (80, 24)
    }
    return (Int(size.ws_col), Int(size.ws_row))
  }

  /// Writes text, or as much of it as can be written.
  static func show(_ text: String) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
      guard count > 0 || errno == EINTR else { return }
      bytes = bytes.dropFirst(max(0, count))
    }
  }

  /// Writes a line.
  static func say(_ text: String) { show(text + "\n") }

  /// Writes an error message.
  static func complain(_ text: String) {
    say((usesColours ? "\u{1b}[31manytime:\u{1b}[0m " : "anytime: ") + text)
  }
}

/// Results, on standard output.
enum Output {
  private static let failure = Mutex<Int32>(0)

  /// Writes a line at once, as another program may wait for it. ``finish()`` reports what could not be written.
  static func say(_ line: Data) {
    var bytes = line[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      guard count > 0 || errno == EINTR else {
        failure.withLock { $0 = errno }
        return
      }
      bytes = bytes.dropFirst(max(0, count))
    }
  }

  /// Flushes all output.
  ///
  /// - Throws: ``Failure`` if some output could not be written.
  static func finish() throws {
    let flushed = fflush(nil) == 0 ? 0 : errno
    let code = failure.withLock { $0 != 0 ? $0 : flushed }
    guard code != 0 else { return }
    // A reader of only the beginning, such as `head`, has what it wants.
    if code == EPIPE { Foundation.exit(128 + SIGPIPE) }
    throw Failure("the output cannot be written: \(String(cString: strerror(code)))")
  }
}

/// A progress display for tasks that may take longer than two seconds: one changing line on a terminal, a plain line
/// now and then elsewhere.
final class ProgressLine: Sendable {
  private let title: String
  private let isQuiet: Bool
  private let start = ContinuousClock.now
  private let lastShown = Mutex<ContinuousClock.Instant?>(nil)

  init(_ title: String, quiet: Bool = false) {
    self.title = title
    isQuiet = quiet
  }

  /// Shows progress, if it is due.
  ///
  /// - Parameters:
  ///   - before: The number that was done when this display began, for the time left; `nil` if that cannot be told
  ///     from numbers, as one may take an hour and another no time.
  ///   - note: A few words on the current work.
  ///   - left: The time left as text, if it is known better than from the number done.
  func show(
    done: Int, of total: Int, before: Int? = 0, unit: String = "", note: String = "", left: String? = nil
  ) {
    guard !isQuiet, total > 0 else { return }
    let now = ContinuousClock.now
    let elapsed = now - start
    guard elapsed > .seconds(2) else { return }
    let due = lastShown.withLock { last in
      let pause: Duration = Console.isTerminal ? .milliseconds(100) : .seconds(15)
      guard last.map({ now - $0 > pause }) ?? true else { return false }
      last = now
      return true
    }
    guard due else { return }
    let counted = before.flatMap { done > $0 ? "\(Self.text(elapsed / (done - $0) * (total - done))) left" : nil }
    var text = "\(title): \(done) of \(total)\(unit.isEmpty ? "" : " " + unit) (\(100 * done / total) %)"
    if let left = left ?? counted { text += ", \(left)" }
    if !note.isEmpty { text += ", \(note)" }
    if Console.isTerminal {
      Console.show("\r\u{1b}[K\(text)")
    } else {
      Console.say(text)
    }
  }

  /// Ends the line and says how long the task took, if the line was ever shown.
  func finish() {
    guard !isQuiet, lastShown.withLock({ $0 }) != nil else { return }
    let text = "\(title): done in \(Self.text(ContinuousClock.now - start))"
    Console.say((Console.isTerminal ? "\r\u{1b}[K" : "") + text)
  }

  static func text(_ duration: Duration) -> String {
    let seconds = Int(duration.components.seconds)
    switch seconds {
    case ..<100: return "\(seconds) s"
    case ..<6_000: return "\(seconds / 60) min \(seconds % 60) s"
    default: return "\(seconds / 3_600) h \(seconds % 3_600 / 60) min"
    }
  }
}

/// A table of aligned columns, the first to the left, the others to the right.
func aligned(_ rows: [[String]]) -> String {
  let widths = (0..<(rows.first?.count ?? 0)).map { column in rows.map { $0[column].count }.max() ?? 0 }
  return rows.map { row in
    row.enumerated().map { column, text in
      let padding = String(repeating: " ", count: widths[column] - text.count)
      return column == 0 ? text + padding : padding + text
    }.joined(separator: "  ")
  }.map { $0.replacing(/\ +$/, with: "") }.joined(separator: "\n")
}
