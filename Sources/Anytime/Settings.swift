/// A wrong value or combination of settings.
public struct SettingError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String
  /// An error with its sentence, which names the setting and what it may be.
  public init(_ description: String) { self.description = description }
}

/// The settings of a method that differ from its defaults: what is stored, and a part of a run's identity.
public struct Settings: Hashable, Sendable, Codable {
  /// By name, in canonical text: equal settings have equal text.
  public let values: [String: String]

  /// Reads values as a user gives them; those of a preset too, if `preset` is among them.
  ///
  /// Whether they contradict each other is seen when a method is made of them: `Optimizer.init(settings:)`.
  ///
  /// - Parameter registry: Knows the methods that are values of settings.
  /// - Throws: ``UnknownWord`` for a name that the method does not have, ``SettingError`` for a value out of
  ///   range.
  public init(_ method: Method, _ given: [String: String] = [:], in registry: Registry = Registry([])) throws {
    var given = given
    var values: [String: String] = [:]
    if let name = given.removeValue(forKey: "preset") {
      guard let preset = method.presets.first(where: { $0.name == name }) else {
        throw UnknownWord(name, kind: "preset of \(method.name)", known: method.presets.map(\.name))
      }
      values = preset.values
    }
    for (name, text) in given.sorted(by: { $0.key < $1.key }) {
      let setting = try method.setting(named: name)
      guard let value = try setting.canonical(text, registry) else { throw setting.error(text, of: method) }
      values[name] = value == setting.defaultValue ? nil : value
    }
    self.values = values
  }

  /// The settings of a method, part or policy.
  public init<Root: Configurable>(of root: Root) {
    var values: [String: String] = [:]
    for setting in Root.settings {
      let value = setting.text(in: root)
      if value != setting.defaultValue { values[setting.name] = value }
    }
    self.values = values
  }

  /// Settings that differ from the defaults, in canonical text.
  init(canonical values: [String: String]) { self.values = values }

  /// The same settings with others in their place.
  ///
  /// - Parameter changes: Values as a user gives them.
  /// - Throws: ``UnknownWord``, ``SettingError``, as for single settings.
  package func with(_ changes: [String: String], of method: Method, in registry: Registry) throws -> Settings {
    let changed = try Settings(method, changes, in: registry).values
    return Settings(canonical: values.filter { changes[$0.key] == nil }.merging(changed) { $1 })
  }

  /// The same settings from a store of the first version, which kept a value for every setting: without those that
  /// are the default, and without those that had no effect on the method and are gone.
  public func migrated(to method: Method) -> Settings {
    Settings(
      canonical: values.filter { name, value in
        method.settings.contains { $0.name == name && $0.defaultValue != value }
      })
  }
}

extension Method {
  /// - Throws: ``UnknownWord``, with the nearest known name.
  func setting(named name: String) throws(UnknownWord) -> Setting {
    guard let setting = settings.first(where: { $0.name == name }) else {
      throw UnknownWord(name, kind: "setting of \(self.name)", known: settings.map(\.name))
    }
    return setting
  }
}

extension Setting {
  /// Says that a text is no value.
  fileprivate func error(_ text: String, of method: Method) -> SettingError {
    if kind == .file {
      return SettingError("the file '\(text)' of setting '\(name)' of \(method.name) cannot be read; check its path")
    }
    let shown =
      switch value(text) {
      case .word: text
      case .list, .mapping: value(text).flow
      }
    return SettingError("'\(shown)' is no value for setting '\(name)' of \(method.name): use \(range)")
  }
}

extension Optimizer {
  /// The method with settings that were read from text.
  ///
  /// - Parameter registry: Knows the methods that are values of settings.
  /// - Throws: ``UnknownWord`` or ``SettingError`` for stored settings that the method does not have any more, for
  ///   settings that contradict each other, and for one that is missing.
  public init(settings: Settings, in registry: Registry = Registry([])) throws {
    self.init()
    for (name, text) in settings.values.sorted(by: { $0.key < $1.key }) {
      let setting = try Self.method.setting(named: name)
      guard try setting.set(text, in: &self, registry) else { throw setting.error(text, of: Self.method) }
    }
    for setting in Self.settings where setting.isRequired && settings.values[setting.name] == nil {
      throw SettingError("\(Self.method.name) needs the setting '\(setting.name)': \(setting.range)")
    }
    try check()
  }

  /// The same method with other values of some settings.
  ///
  /// - Parameters:
  ///   - changes: Values by the settings' names, as a user writes them.
  ///   - registry: Knows the methods that are values of settings.
  /// - Throws: ``UnknownWord`` or ``SettingError``.
  public func with(_ changes: [String: String], in registry: Registry = Registry([])) throws -> Self {
    var changed = self
    for (name, text) in changes.sorted(by: { $0.key < $1.key }) {
      let setting = try Self.method.setting(named: name)
      guard let value = try setting.canonical(text, registry), try setting.set(value, in: &changed, registry) else {
        throw setting.error(text, of: Self.method)
      }
    }
    try changed.check()
    return changed
  }

  /// Checks the settings against each other.
  private func check() throws {
    for setting in Self.settings { try setting.validatePart?(self, nil) }
    try validate()
  }

  /// Checks the settings, and those of the methods that this one runs, against what its runs will be given.
  ///
  /// - Throws: An error with one sentence that names the setting and the remedy.
  public func check(under conditions: Conditions) throws {
    for setting in Self.settings { try setting.validatePart?(self, conditions) }
    try validate(under: conditions)
  }
}
