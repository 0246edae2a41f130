import Anytime
import Foundation

/// The words of a command, and the folder in which it runs.
struct Command: Hashable, Sendable {
  /// As the user wrote it.
  let text: String
  /// The program and its arguments; none without a text.
  let words: [String]
  /// The current folder if `nil`.
  let folder: URL?

  /// No command.
  init() { (text, words, folder) = ("", [], nil) }

  /// Splits a text into words as a shell does: at spaces that are not in quotation marks or behind a backslash. Nothing
  /// else has a meaning, neither `$` nor `*` nor `~`.
  ///
  /// - Returns: `nil` for a text without a word.
  /// - Throws: ``SettingError``.
  init?(_ text: String, in folder: URL?) throws(SettingError) {
    var words: [String] = []
    var word: String?
    var quote: Character?
    var rest = text[...]
    while let letter = rest.popFirst() {
      if letter == "\\", quote != "'" {
        guard let next = rest.popFirst() else { throw SettingError("the command '\(text)' ends with a backslash") }
        // In double quotation marks a backslash is one, unless it stands before something that has a meaning there.
        word = (word ?? "") + (quote == nil || next == "\"" || next == "\\" ? "\(next)" : "\\\(next)")
      } else if letter == quote {
        quote = nil
      } else if quote == nil, letter == "'" || letter == "\"" {
        quote = letter
        word = word ?? ""
      } else if quote == nil, letter.isWhitespace {
        if let word { words.append(word) }
        word = nil
      } else {
        word = (word ?? "") + String(letter)
      }
    }
    guard quote == nil else { throw SettingError("a quotation mark of the command '\(text)' is not closed") }
    if let word { words.append(word) }
    guard !words.isEmpty else { return nil }
    guard !text.unicodeScalars.contains("\0") else { throw SettingError("the command has a NUL character") }
    (self.text, self.words, self.folder) = (text, words, folder)
  }

  /// Checks that the program is there, so that a misspelt one is seen before the first run.
  ///
  /// - Throws: ``SettingError``.
  func checkProgram() throws(SettingError) {
    guard let program = words.first else { return }
    let files = FileManager.default
    func isFile(_ path: String) -> Bool {
      var isFolder: ObjCBool = false
      return files.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue
    }
    if program.contains("/") {
      let path = SettingFile.place(of: program, in: folder)
      guard isFile(path) else { throw SettingError("the program \(path) of the command '\(text)' is not there") }
      guard files.isExecutableFile(atPath: path) else {
        throw SettingError("the program \(path) of the command '\(text)' may not be executed; 'chmod +x' allows it")
      }
    } else {
      let paths = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(program)" }
      guard paths.contains(where: { isFile($0) && files.isExecutableFile(atPath: $0) }) else {
        throw SettingError("there is no program '\(program)', with which the command '\(text)' begins, in PATH")
      }
    }
  }
}
