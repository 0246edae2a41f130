import Crypto
import Foundation

/// Something that can be set about a method: its name, range and default.
public struct Setting: Sendable {
  /// The values that a setting takes.
  public enum Domain: Sendable {
    case integer(ClosedRange<Int>, default: Int)
    case real(ClosedRange<Double>, default: Double)
    case choice([String], default: String)
    case flag(default: Bool)
    /// The path of a file. Its content belongs to the value: a changed file makes other runs.
    case file
  }

  public let name: String
  public let domain: Domain
  /// What it does, in a few words.
  public let summary: String

  public init(_ name: String, _ domain: Domain, _ summary: String) {
    self.name = name
    self.domain = domain
    self.summary = summary
  }

  /// The default, as text.
  public var defaultValue: String {
    switch domain {
    case .integer(_, let value): String(value)
    case .real(_, let value): String(value)
    case .choice(_, let value): value
    case .flag(let value): String(value)
    case .file: ""
    }
  }

  /// The range, as text.
  public var range: String {
    switch domain {
    case .integer(let range, _): "\(range.lowerBound) to \(range.upperBound)"
    case .real(let range, _): "\(plain(range.lowerBound)) to \(plain(range.upperBound))"
    case .choice(let choices, _): choices.joined(separator: " | ")
    case .flag: "true | false"
    case .file: "the path of a file"
    }
  }

  /// A number without a fraction that is zero.
  private func plain(_ value: Double) -> String {
    Int(exactly: value).map { String($0) } ?? String(value)
  }

  /// The canonical text of a value given as text.
  func canonical(_ text: String, method: String) throws(SettingError) -> String {
    switch domain {
    case .integer(let range, _):
      if let value = Int(text), range.contains(value) { return String(value) }
    case .real(let range, _):
      if let value = Double(text), range.contains(value) { return String(value) }
    case .choice(let choices, _):
      if choices.contains(text) { return text }
    case .flag:
      if let value = Bool(text) { return String(value) }
    case .file:
      guard let content = FileManager.default.contents(atPath: text) else {
        throw SettingError("the file '\(text)' of setting '\(name)' of \(method) cannot be read; check its path")
      }
      return "\(SHA256.hash(data: content).prefix(8).hexadecimal) \(text)"
    }
    throw SettingError(
      "'\(text)' is no value for setting '\(name)' of \(method): use \(range)")
  }
}

/// A wrong value or combination of settings.
public struct SettingError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

/// A value for every setting of a method.
public struct Settings: Hashable, Sendable, Codable {
  /// By name, in canonical text: equal settings have equal text.
  public let values: [String: String]

  /// Defaults, except where values are given; those of a preset, if `preset` is among them.
  ///
  /// - Throws: ``UnknownWord`` for a name that the method does not have, ``SettingError`` for a value out of
  ///   range.
  public init(_ method: Method, _ given: [String: String] = [:]) throws {
    var values: [String: String] = [:]
    for setting in method.settings { values[setting.name] = setting.defaultValue }
    var given = given
    if let name = given.removeValue(forKey: "preset") {
      guard let preset = method.presets.first(where: { $0.name == name }) else {
        throw UnknownWord(name, kind: "preset of \(method.name)", known: method.presets.map(\.name))
      }
      given.merge(preset.values) { given, _ in given }
    }
    for (name, text) in given.sorted(by: { $0.key < $1.key }) {
      guard let setting = method.settings.first(where: { $0.name == name }) else {
        throw UnknownWord(name, kind: "setting of \(method.name)", known: method.settings.map(\.name))
      }
      values[name] = try setting.canonical(text, method: method.name)
    }
    self.values = values
  }

  /// - Precondition: The method declares an integer setting of this name.
  public func integer(_ name: String) -> Int { required(name, Int.init) }

  /// - Precondition: The method declares a real setting of this name.
  public func real(_ name: String) -> Double { required(name, Double.init) }

  /// - Precondition: The method declares a flag of this name.
  public func flag(_ name: String) -> Bool { required(name, Bool.init) }

  /// - Precondition: The method declares a file of this name.
  public func file(_ name: String) -> String {
    // After the digest of its content.
    required(name) { String($0.drop { $0 != " " }.dropFirst()) }
  }

  /// - Precondition: The method declares a choice of this name.
  public func choice(_ name: String) -> String { required(name) { $0 } }

  /// A choice as the case of an enumeration whose raw values are the choices.
  ///
  /// - Precondition: The method declares such a choice of this name.
  public func choice<Choice: RawRepresentable<String>>(_ name: String, as type: Choice.Type) -> Choice {
    required(name, Choice.init(rawValue:))
  }

  private func required<Value>(_ name: String, _ read: (String) -> Value?) -> Value {
    guard let value = values[name].flatMap(read) else {
      preconditionFailure("the method declares no such setting as '\(name)'")
    }
    return value
  }
}
