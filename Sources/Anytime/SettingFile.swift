import Foundation

/// A file as the value of a setting. Its content is part of the value: runs with a changed file are different runs.
public struct SettingFile: Hashable, Sendable {
  /// The path as it was given; empty if there is no file.
  public var path = ""
  /// The FNV-1a hash of the content, in 16 hexadecimal digits.
  public private(set) var digest = ""
  /// Where a relative path starts; the current folder if `nil`.
  private var folder: URL?

  /// Creates a value without a file.
  public init() {}

  /// Reads the file at a path; `nil` if it cannot be read.
  ///
  /// - Parameter folder: The folder in which a relative path starts; the current folder if `nil`.
  public init?(path: String, in folder: URL? = nil) {
    guard let content = FileManager.default.contents(atPath: Self.place(of: path, in: folder)) else { return nil }
    (self.path, self.folder) = (path, folder)
    digest = Self.digest(of: content)
  }

  /// Reads the content of the file.
  ///
  /// - Throws: ``SettingError`` if the file cannot be read, or has changed since the setting was read. Its digest is
  ///   part of a run's identity.
  public func content() throws(SettingError) -> Data {
    guard let content = FileManager.default.contents(atPath: Self.place(of: path, in: folder)) else {
      throw SettingError("the file '\(path)' cannot be read; check its path")
    }
    guard digest.isEmpty || Self.digest(of: content) == digest else {
      throw SettingError("the file '\(path)' has changed since its path was read; start the command again")
    }
    return content
  }

  private static func digest(of content: Data) -> String {
    let hash = content.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// A path that may be relative to a folder.
  ///
  /// - Parameter folder: The current folder if `nil`.
  package static func place(of path: String, in folder: URL?) -> String {
    guard let folder, !path.hasPrefix("/") else { return path }
    return folder.appending(path: path).path
  }

  /// A file by its ``text``.
  init?(text: String, in folder: URL? = nil) {
    guard let space = text.firstIndex(of: " "), text[..<space].count == 16, text[..<space].allSatisfy(\.isHexDigit)
    else { return nil }
    digest = String(text[..<space])
    path = String(text[text.index(after: space)...])
    self.folder = folder
  }

  /// The digest, then the path.
  var text: String { path.isEmpty ? "" : "\(digest) \(path)" }
}

extension Setting {
  /// Declares a setting whose value is a file. Users give its path, which may be relative to the registry's folder.
  public init<Root: Configurable>(
    _ name: String, _ property: WritableKeyPath<Root, SettingFile> & Sendable, _ summary: String
  ) {
    self.init(
      name, property, nil, summary, kind: .file, text: \.text,
      entered: { text, registry in SettingFile(path: text, in: registry.folder) },
      value: { text, registry in SettingFile(text: text, in: registry.folder) })
  }

  /// Declares a setting whose value is a list of files. Users give their paths, which may be relative to the registry's
  /// folder.
  public init<Root: Configurable>(
    _ name: String, _ property: WritableKeyPath<Root, [SettingFile]> & Sendable, _ summary: String
  ) {
    let read: @Sendable (String, Registry) throws -> [SettingFile]? = { text, registry in
      if text.isEmpty { return [] }
      let words: [SettingValue]
      switch SettingValue(text: text) {
      case .list(let list)?: words = list
      case .word(let word)?: words = [.word(word)]
      case .mapping?, nil: return nil
      }
      return try words.map { word in
        guard case .word(let path) = word, let file = SettingFile(path: path, in: registry.folder) else {
          throw SettingError("the file '\(word.text)' of setting '\(name)' cannot be read; check its path")
        }
        return file
      }
    }
    self.init(
      name, property, nil, summary, kind: .files,
      text: { $0.isEmpty ? "" : SettingValue.list($0.map { .word($0.text) }).text }, entered: read,
      // What is canonical has its digests: the files may have changed since.
      value: { text, registry in
        if text.isEmpty { return [] }
        guard case .list(let words)? = SettingValue(text: text) else { return nil }
        let files = words.compactMap { SettingFile(text: $0.text, in: registry.folder) }
        return files.count == words.count ? files : nil
      })
  }

  /// A value in canonical text as a user enters it: of files their paths, also of those of a method that is a value.
  package func entry(_ text: String, in registry: Registry) -> String {
    switch kind {
    case .file: return SettingFile(text: text)?.path ?? text
    case .files:
      guard case .list(let words)? = SettingValue(text: text) else { return text }
      return SettingValue.list(words.map { .word(SettingFile(text: $0.text)?.path ?? $0.text) }).text
    case .method: return SettingValue(text: text).map { registry.entry($0).text } ?? text
    case .value, .text, .structure: return text
    }
  }
}

extension Registry {
  /// A method in canonical form as a user enters it.
  fileprivate func entry(_ value: SettingValue) -> SettingValue {
    guard case .mapping(let mapping) = value, let (name, settings) = mapping.first,
      case .mapping(var values) = settings, let type = methods.first(where: { $0.method.name == name })
    else { return value }
    for setting in type.method.settings {
      guard let text = values[setting.name]?.text else { continue }
      values[setting.name] = setting.value(setting.entry(text, in: self))
    }
    return .mapping([name: .mapping(values)])
  }
}
