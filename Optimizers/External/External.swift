import Anytime
import Foundation
import SearchSpaces
import Synchronization

/// A search method in any language: a program that asks for trainings over its standard output and reads answers from
/// its standard input, as `Documentation/Protocol.md` describes. Solvers of kurobako are such programs too.
///
/// Every program is started in a process group of its own and is always ended: by closing its input, then by SIGTERM,
/// then by SIGKILL. A program that says that it can make many runs is kept for further ones, until the last copy of
/// this method is gone.
public struct External: Optimizer {
  public static let method = Method(
    name: "external", title: "External", summary: "Runs a program that searches.", citation: "the program's author",
    secondsPerTraining: 1e-3,
    settings: [
      Setting(
        "command", \External.command, "a command, as in \"python3 my_search.py\"", "program with its arguments",
        text: \.text, value: { try Command($0, in: $1.folder) }),
      Setting(
        "settings", \External.passed, "a mapping, as in {population: 20}", "settings that are passed to the program",
        value: { $0 }, entered: { if case .mapping = $0 { $0 } else { nil } }),
      Setting("files", \External.files, "files whose content is a part of the method"),
      Setting(
        "timeout", \External.timeout, "seconds from 0.01 to 86400",
        "longest time between an answer and the next question", text: \.plain,
        value: { text, _ in Double(text).flatMap { (0.01...86_400).contains($0) ? $0 : nil } }),
      Setting(
        "protocol", \External.language, Language.allCases.map(\.rawValue).joined(separator: " | "),
        "protocol that the program speaks", text: \.rawValue, value: { text, _ in Language(rawValue: text) }),
    ])

  /// The protocol that a program speaks.
  public enum Language: String, CaseIterable, Sendable {
    /// The package's own protocol.
    case anytime
    /// The protocol of kurobako's solvers (https://github.com/optuna/kurobako).
    case kurobako
  }

  /// The program with its arguments.
  var command = Command()
  /// What the program is told.
  var passed = SettingValue.mapping([:])
  /// Files whose content is a part of the method: runs with changed files are different runs.
  public var files: [SettingFile] = []
  /// The longest time between an answer and the next question, in seconds (0.01...86,400).
  public var timeout = 600.0
  /// The protocol that the program speaks.
  public var language = Language.anytime

  private let guests = Guests()

  public init() {}

  /// Checks, before the first run, that the program exists and may be executed.
  ///
  /// - Throws: `SettingError` if not.
  public func validate() throws { try command.checkProgram() }

  public func search(_ session: Session) throws {
    var guest = try guests.take(command, speaking: language)
    var isDone = false
    defer {
      if isDone, guest.makesMany {
        guests.keep(guest)
      } else {
        guest.end(within: isDone ? 5 : 0)
      }
    }
    switch language {
    case .anytime: try converse(with: &guest, session)
    case .kurobako: try solve(with: &guest, session)
    }
    guest.runs += 1
    isDone = true
  }

  /// Questions in a row that may cost nothing.
  private static let patience = (before: 1_000_000, after: 1_000)

  /// Answers a guest's questions until it is done.
  private func converse(with guest: inout Guest, _ session: Session) throws {
    var responder = Responder(session)
    try send(responder.run(guest.runs, settings: JSON(passed)), to: &guest)
    while true {
      guard let line = try line(of: &guest, isSpent: responder.isSpent) else {
        if responder.isSpent {
          guest.makesMany = false
          return
        }
        throw ended(&guest)
      }
      switch try responder.answer(line) {
      case .ready(let makesMany): guest.makesMany = makesMany
      case .answer(let answer):
        // One that wrote its questions ahead, up to 'end', may have gone without reading.
        try send(answer, to: &guest)
      case .ended(let answer):
        if try !send(answer, to: &guest) { guest.makesMany = false }
        return
      case .refused(let reason, _): throw failure("wrote a wrong message: \(reason)", &guest, line)
      }
      guard responder.idleQuestions < (responder.isSpent ? Self.patience.after : Self.patience.before) else {
        throw failure(
          responder.isSpent
            ? "asked \(Self.patience.after) questions after the end of its budget"
            : "asked \(Self.patience.before) questions in a row that cost nothing", &guest)
      }
    }
  }

  // MARK: Lines

  /// - Returns: Whether anybody will read it.
  @discardableResult
  func send(_ line: [UInt8], to guest: inout Guest) throws -> Bool {
    do { return try guest.send(line, within: timeout) } catch { throw failure(error, &guest, isWriting: true) }
  }

  /// - Parameter isSpent: Whether the guest is to end.
  /// - Returns: `nil` if the guest writes no more.
  func line(of guest: inout Guest, isSpent: Bool = false) throws -> [UInt8]? {
    do { return try guest.line(within: timeout) } catch {
      if isSpent, error == .silent {
        throw failure("did not end within \(timeout.plain) s after the end of its budget", &guest)
      }
      throw failure(error, &guest, isWriting: false)
    }
  }

  // MARK: Failures

  private func failure(_ trouble: Guest.Trouble, _ guest: inout Guest, isWriting: Bool) -> RunFailure {
    switch trouble {
    case .silent where isWriting: failure("did not read an answer for \(timeout.plain) s", &guest)
    case .silent: failure("was silent for \(timeout.plain) s", &guest)
    case .longLine(let beginning): failure("wrote a line of more than a million bytes", &guest, beginning)
    case .flood: failure("asks and asks, and reads no answer", &guest)
    }
  }

  /// The failure of a guest that ended too early, or closed a pipe.
  func ended(_ guest: inout Guest) -> RunFailure {
    let before = "before its budget was spent, and without 'end'"
    return switch guest.end(within: 1) {
    case .exited(let status): failure("ended with status \(status) \(before)", &guest)
    case .signalled(let signal):
      failure("was ended by signal \(signal) (\(String(cString: strsignal(signal)))) \(before)", &guest)
    case .ended: failure("closed its standard input or output \(before)", &guest)
    }
  }

  /// Ends a guest, and says why.
  ///
  /// - Parameter line: What it wrote.
  func failure(_ what: String, _ guest: inout Guest, _ line: [UInt8]? = nil) -> RunFailure {
    guest.end(within: 0)
    var text = "'\(command.text)' \(what)"
    if let line { text += ", in '\(Self.quoted(line))'" }
    if let errors = guest.lastErrors { text += "; its standard error ends with '\(errors)'" }
    Guest.stopIfEnding()
    return RunFailure(text.inOneLine)
  }

  /// The beginning of a line.
  private static func quoted(_ line: [UInt8]) -> String {
    let text = String(decoding: line.prefix(1_000), as: UTF8.self)
    return text.count > 200 || line.count > 1_000 ? text.prefix(200) + "…" : text
  }
}

extension Double {
  /// A number without a fraction that is zero.
  fileprivate var plain: String { Int(exactly: self).map { String($0) } ?? String(self) }
}

extension JSON {
  /// A setting's value. Words that JSON has too (numbers, `true`, `false`, `null`) are what they are there.
  init(_ value: SettingValue) {
    switch value {
    case .word("true"): self = .flag(true)
    case .word("false"): self = .flag(false)
    case .word("null"): self = .null
    case .word(let word):
      let isNumber = word.wholeMatch(of: /-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/) != nil
      if isNumber, let number = Double(word), number.isFinite { self = .number(number) } else { self = .text(word) }
    case .list(let list): self = .list(list.map { JSON($0) })
    case .mapping(let mapping):
      self = .object(mapping.sorted { $0.key < $1.key }.map { Member($0.key, JSON($0.value)) })
    }
  }
}

/// Processes that wait for another run, for all copies of a method.
private final class Guests: Sendable {
  private let idle = Mutex<[Guest]>([])

  /// A process that waits, or a new one.
  func take(_ command: Command, speaking language: External.Language) throws -> Guest {
    while true {
      let waiting = idle.withLock { idle in
        idle.lastIndex { $0.command == command && ($0.specification != nil) == (language == .kurobako) }
          .map { idle.remove(at: $0) }
      }
      guard var guest = waiting else { return try Guest(command) }
      if !guest.hasUnread() { return guest }
      // It has ended, or says what nobody asked for.
      guest.end(within: 0)
    }
  }

  func keep(_ guest: Guest) { idle.withLock { $0.append(guest) } }

  deinit {
    var guests = idle.withLock { $0 }
    for index in guests.indices { guests[index].closeInput() }
    for index in guests.indices { guests[index].end(within: 5) }
  }
}
