import Foundation

/// The value of a setting that is more than a word: a list, a mapping, or a method with settings. Its canonical text is
/// JSON with sorted keys, without white space.
package enum SettingValue: Hashable, Sendable, Codable {
  case word(String)
  case list([SettingValue])
  case mapping([String: SettingValue])

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let word = try? container.decode(String.self) {
      self = .word(word)
    } else if let list = try? container.decode([SettingValue].self) {
      self = .list(list)
    } else {
      self = .mapping(try container.decode([String: SettingValue].self))
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .word(let word): try container.encode(word)
    case .list(let list): try container.encode(list)
    case .mapping(let mapping): try container.encode(mapping)
    }
  }

  /// Reads a text: JSON that begins with a bracket, else a word.
  ///
  /// - Returns: `nil` if brackets hold no JSON.
  package init?(text: String) {
    guard text.hasPrefix("{") || text.hasPrefix("[") else {
      self = .word(text)
      return
    }
    do { self = try JSONDecoder().decode(Self.self, from: Data(text.utf8)) } catch { return nil }
  }

  /// The canonical text.
  package var text: String {
    if case .word(let word) = self { return word }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do { return String(decoding: try encoder.encode(self), as: UTF8.self) } catch {
      preconditionFailure("words, lists and mappings are JSON: \(error)")
    }
  }

  /// The text as one writes it in an experiment file: `{darts: {epochs: 30}}`.
  package var flow: String {
    switch self {
    case .word(let word):
      word.isEmpty || word.contains { ",:{}[]\"'#".contains($0) || $0.isWhitespace }
        ? "\"\(word.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\"" : word
    case .list(let list): "[\(list.map(\.flow).joined(separator: ", "))]"
    case .mapping(let mapping):
      "{" + mapping.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value.flow)" }.joined(separator: ", ") + "}"
    }
  }
}

extension Setting {
  /// Declares a setting whose value is another method, with its settings, that this method runs. There is no default:
  /// users must name one.
  public init<Root: Configurable>(
    _ name: String, _ property: WritableKeyPath<Root, (any Optimizer)?> & Sendable, _ summary: String
  ) {
    self.init(
      name, property, nil, summary, kind: .method, text: { $0.map(SettingValue.init)?.text ?? "" },
      entered: { text, registry in
        guard let value = SettingValue(text: text) else { return nil }
        let optimizer = try registry.optimizer(value)
        guard optimizer.canBeRun else {
          throw SettingError(
            "\(type(of: optimizer).method.name) is driven from outside, so no method can run it; give '\(name)' "
              + "another method, as in tpe")
        }
        return .some(optimizer)
      },
      value: { text, registry in
        guard let value = SettingValue(text: text) else { return nil }
        return .some(try registry.optimizer(value, isCanonical: true))
      })
  }

  /// Declares a setting whose value is a list of whole numbers within a range, in ascending order without repetition.
  public init<Root: Configurable>(
    _ name: String, _ property: WritableKeyPath<Root, [Int]> & Sendable, _ range: ClosedRange<Int>, _ summary: String
  ) {
    self.init(
      name, property, nil, summary,
      kind: .structure("ascending whole numbers from \(range.lowerBound) to \(range.upperBound), as in [1, 3, 9]"),
      text: { numbers in
        numbers.isEmpty ? "" : SettingValue.list(numbers.map { .word(String($0)) }).text
      },
      value: { text in
        if text.isEmpty { return [] }
        let words: [SettingValue]
        switch SettingValue(text: text) {
        case .list(let list)?: words = list
        case .word(let word)?: words = [.word(word)]
        case .mapping?, nil: return nil
        }
        var numbers: [Int] = []
        for case .word(let word) in words {
          guard let number = Int(word), range.contains(number), number > numbers.last ?? .min else { return nil }
          numbers.append(number)
        }
        return numbers.count == words.count && !numbers.isEmpty ? numbers : nil
      })
  }

  /// Declares a setting whose value is a list or mapping.
  ///
  /// - Parameters:
  ///   - description: The form of the value, in a few words with an example.
  ///   - value: Converts the property to a value, whose ``SettingValue/text`` is the canonical text.
  ///   - entered: Converts a value that a user entered, or one read from canonical text, to the property; `nil` if it
  ///     is not allowed.
  package init<Root: Configurable, Value>(
    _ name: String, _ property: WritableKeyPath<Root, Value> & Sendable, _ description: String, _ summary: String,
    value: @escaping @Sendable (Value) -> SettingValue,
    entered: @escaping @Sendable (SettingValue) throws -> Value?
  ) {
    let read: @Sendable (String, Registry) throws -> Value? = { text, _ in
      try SettingValue(text: text).flatMap { try entered($0) }
    }
    self.init(
      name, property, nil, summary, kind: .structure(description), text: { value($0).text }, entered: read, value: read)
  }
}

extension SettingValue {
  /// A method with the settings that differ from its defaults.
  package init(_ optimizer: any Optimizer) {
    let type = type(of: optimizer)
    let values = Settings(of: optimizer).values
    var settings: [String: SettingValue] = [:]
    for setting in type.method.settings {
      guard let text = values[setting.name] else { continue }
      settings[setting.name] = setting.value(text)
    }
    self = .mapping([type.method.name: .mapping(settings)])
  }
}

extension Setting {
  /// Whether its values may be lists, mappings or methods.
  package var isStructured: Bool {
    switch kind {
    case .value, .text, .file: false
    case .files, .method, .structure: true
    }
  }

  /// The value that a text of this setting stands for.
  func value(_ text: String) -> SettingValue {
    isStructured ? SettingValue(text: text) ?? .word(text) : .word(text)
  }
}

extension Registry {
  /// The method that a value names, as in `tpe` or `{tpe: {gamma: 0.2}}`.
  ///
  /// - Parameter isCanonical: Whether its settings are in canonical text: files have the digests that they had when
  ///   they were entered.
  /// - Throws: ``UnknownWord`` or ``SettingError``.
  package func optimizer(_ value: SettingValue, isCanonical: Bool = false) throws -> any Optimizer {
    switch value {
    case .word(let name): return try optimizer(named: name, Settings(method(named: name).method, in: self))
    case .mapping(let mapping):
      guard let (name, settings) = mapping.first, mapping.count == 1, case .mapping(let values) = settings else {
        throw SettingError("'\(value.flow)' is no method with settings; write one as in {tpe: {gamma: 0.2}}")
      }
      let method = try method(named: name).method
      if isCanonical { return try optimizer(named: name, Settings(canonical: values.mapValues(\.text))) }
      if let key = values.keys.sorted().first(where: Self.entryKeys.contains) {
        let varies = key.hasPrefix("vary") || key == "horizons"
        throw SettingError(
          "'\(key)' belongs to the outer entry, and not to \(name) inside it; "
            + (varies
              ? "vary the method as a whole, as in vary: {method: [tpe, {tpe: {gamma: 0.2}}]}" : "move it there"))
      }
      return try optimizer(named: name, Settings(method, Self.texts(values, of: method), in: self))
    case .list: throw SettingError("'\(value.flow)' is no method; write one as in {tpe: {gamma: 0.2}}")
    }
  }

  /// The values of a method's settings as text. `correlation: {cells: 200}` is short for `correlation-cells: 200`.
  ///
  /// - Throws: ``SettingError`` for a list or mapping where a word is due.
  package static func texts(
    _ values: [String: SettingValue], of method: Method
  ) throws(SettingError) -> [String: String] {
    var texts: [String: String] = [:]
    for (name, value) in values {
      let isStructured = method.settings.first { $0.name == name }?.isStructured ?? false
      if case .mapping(let parts) = value, !isStructured {
        for (part, value) in parts {
          guard case .word(let word) = value else { throw SettingError("'\(name)-\(part)' needs a single value") }
          texts["\(name)-\(part)"] = word
        }
      } else if case .list = value, !isStructured {
        throw SettingError("'\(name)' needs a single value, and not '\(value.flow)'")
      } else {
        texts[name] = value.text
      }
    }
    return texts
  }
}
