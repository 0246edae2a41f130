/// An error for a wrong value or a wrong combination of settings.
public struct SettingError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String
  /// Creates an error from one sentence, which names the setting and its allowed values.
  public init(_ description: String) { self.description = description }
}

/// The settings of a method that differ from its defaults. They are stored with a run and are part of its identity.
public struct Settings: Hashable, Sendable, Codable {
  /// The values by the settings' names, in canonical text: equal values have equal text.
  public let values: [String: String]

  /// Reads values as users write them. The value of `preset` names a preset, whose settings hold where no other value
  /// is given.
  ///
  /// Contradictions between settings are found only when a method is made of them, by `Optimizer.init(settings:)`.
  ///
  /// - Parameter registry: The registry that knows the methods that are values of settings.
  /// - Throws: ``UnknownWord`` for a setting or preset that the method does not have, ``SettingError`` for a value out
  ///   of range.
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

  /// Collects the settings of a method, part or policy that differ from the defaults.
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

  /// Converts settings from a run store of the first version, which kept a value for every setting. The result lacks
  /// values that are the default, and settings that the method no longer has because they had no effect.
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
  /// Creates the method with settings that were read from text.
  ///
  /// - Parameter registry: The registry that knows the methods that are values of settings.
  /// - Throws: ``UnknownWord`` for a stored setting that the method no longer has; ``SettingError`` for a wrong value,
  ///   for settings that contradict each other, and for a required one that is missing.
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

  /// Returns a copy of the method with other values of some settings.
  ///
  /// - Parameters:
  ///   - changes: Values by the settings' names, as a user writes them.
  ///   - registry: The registry that knows the methods that are values of settings.
  /// - Throws: ``UnknownWord`` for a setting that the method does not have; ``SettingError`` for a wrong value, or
  ///   settings that contradict each other.
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

  /// Checks the settings of this method, and of the methods that it runs, against the benchmark and the budget of its
  /// runs.
  ///
  /// - Throws: An error with one sentence that names the setting and the remedy.
  public func check(under conditions: Conditions) throws {
    for setting in Self.settings { try setting.validatePart?(self, conditions) }
    try validate(under: conditions)
  }
}
