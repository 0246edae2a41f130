import Foundation

/// The path of a file that is a setting. Its content belongs to the value: a changed file makes other runs.
public struct SettingFile: Hashable, Sendable {
  /// The path as it was given; empty if none was.
  public var path = ""
  /// The FNV-1a hash of the content, in 16 hexadecimal digits.
  public private(set) var digest = ""

  /// No file.
  public init() {}

  /// A file by its path; `nil` if it cannot be read.
  public init?(path: String) {
    guard let content = FileManager.default.contents(atPath: path) else { return nil }
    self.path = path
    let hash = content.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    let digits = String(hash, radix: 16)
    digest = String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// A file by its ``text``.
  init?(text: String) {
    guard let space = text.firstIndex(of: " "), text[..<space].count == 16, text[..<space].allSatisfy(\.isHexDigit)
    else { return nil }
    digest = String(text[..<space])
    path = String(text[text.index(after: space)...])
  }

  /// The digest, then the path.
  var text: String { path.isEmpty ? "" : "\(digest) \(path)" }
}

extension Setting {
  /// A file, given by its path.
  public init<Root: Configurable>(
    _ name: String, _ property: WritableKeyPath<Root, SettingFile> & Sendable, _ summary: String
  ) {
    self.init(
      name, property, nil, summary, kind: .file, text: \.text,
      // The value of a method inside another one comes back as canonical text.
      entered: { text, _ in SettingFile(path: text) ?? SettingFile(text: text) },
      value: { SettingFile(text: $0) })
  }

  /// A value in canonical text as a user enters it: of a file its path.
  package func entry(_ text: String) -> String {
    kind == .file ? SettingFile(text: text)?.path ?? text : text
  }
}
