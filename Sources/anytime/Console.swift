import Foundation
import Synchronization

/// What the program says beside its results: everything here goes to standard error.
enum Console {
  static let isTerminal = isatty(STDERR_FILENO) == 1
  private static let usesColours = isTerminal && ProcessInfo.processInfo.environment["NO_COLOR"] == nil

  /// The terminal's columns and lines; 80 and 24 where it does not say.
  static var size: (width: Int, height: Int) {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
      return (80, 24)
    }
    return (Int(size.ws_col), Int(size.ws_row))
  }

  static func say(_ text: String) {
    FileHandle.standardError.write(Data((text + "\n").utf8))
  }

  static func complain(_ text: String) {
    say((usesColours ? "\u{1b}[31manytime:\u{1b}[0m " : "anytime: ") + text)
  }
}

/// Progress of something that may take longer than two seconds: one changing line on a terminal, a plain line
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

  /// - Parameters:
  ///   - before: How much was done when this began, for the time left.
  ///   - note: A few words on what is done now.
  ///   - left: The time left as text, where it is known better than by what is done.
  func show(
    done: Int, of total: Int, before: Int = 0, unit: String = "", note: String = "", left: String? = nil
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
    let left =
      left ?? (done > before ? "\(Self.text(elapsed / (done - before) * (total - done))) left" : nil)
    var text = "\(title): \(done) of \(total)\(unit.isEmpty ? "" : " " + unit) (\(100 * done / total) %)"
    if let left { text += ", \(left)" }
    if !note.isEmpty { text += ", \(note)" }
    if Console.isTerminal {
      FileHandle.standardError.write(Data("\r\u{1b}[K\(text)".utf8))
    } else {
      Console.say(text)
    }
  }

  /// Ends the line and says how long it took, if it was ever shown.
  func finish() {
    guard !isQuiet, lastShown.withLock({ $0 }) != nil else { return }
    let text = "\(title): done in \(Self.text(ContinuousClock.now - start))"
    FileHandle.standardError.write(Data(((Console.isTerminal ? "\r\u{1b}[K" : "") + text + "\n").utf8))
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

/// Columns of text, aligned: the first to the left, the others to the right.
func aligned(_ rows: [[String]]) -> String {
  let widths = (0..<(rows.first?.count ?? 0)).map { column in rows.map { $0[column].count }.max() ?? 0 }
  return rows.map { row in
    row.enumerated().map { column, text in
      let padding = String(repeating: " ", count: widths[column] - text.count)
      return column == 0 ? text + padding : padding + text
    }.joined(separator: "  ")
  }.map { $0.replacing(/\ +$/, with: "") }.joined(separator: "\n")
}

/// A number with commas between groups of three digits.
func grouped(_ number: Int) -> String {
  var digits = Substring(String(abs(number)))
  var groups: [Substring] = []
  while digits.count > 3 {
    groups.insert(digits.suffix(3), at: 0)
    digits = digits.dropLast(3)
  }
  return (number < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
}

/// A number with a fixed number of decimals.
func decimals(_ value: Double, _ count: Int) -> String { String(format: "%.\(count)f", value) }
