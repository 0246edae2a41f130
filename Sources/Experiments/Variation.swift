import Anytime

/// The place of a method's entry among those that differ in some settings only.
public struct Variation: Hashable, Sendable, Codable {
  /// The way in which levels are combined.
  public enum Design: String, Hashable, Sendable, Codable {
    /// Every level of every factor with every level of the others (`vary`).
    case grid = "vary"
    /// One factor at a time, the others at the entry's own values (`vary-each`).
    case each = "vary-each"
    /// Numbers of epochs for which a method with a schedule is planned (`horizons`).
    case horizons
  }

  /// The label that all entries have in common.
  public var study: String
  /// The way in which levels are combined.
  public var design: Design
  /// The levels of the factors by the settings' names, in canonical text. With ``Design/each`` only of factors that the
  /// entry shows: those whose others are at the entry's own values.
  public var levels: [String: String]

  /// The place of an entry in a study.
  public init(study: String, design: Design, levels: [String: String]) {
    (self.study, self.design, self.levels) = (study, design, levels)
  }
}

/// A setting that varies, with its levels as a user writes them.
public struct Factor: Hashable, Sendable {
  /// The setting's name.
  public var name: String
  /// The levels, as a user writes them.
  public var levels: [String]

  /// A setting with its levels.
  public init(_ name: String, _ levels: [String]) { (self.name, self.levels) = (name, levels) }
}

extension Experiment {
  /// A method as the user gave it, perhaps without a label, perhaps with settings that vary.
  public struct Entry: Sendable {
    /// The label; by default the method's name, with the settings if several entries have the same.
    public var label: String?
    /// The method.
    public var method: Method
    /// The method's settings, without those that vary.
    public var settings: Settings
    /// The method's own seeds; the experiment's if `nil`.
    public var seeds: [UInt64]?
    /// The settings that vary; none for a single entry.
    public var factors: [Factor]
    /// The way in which levels of several factors are combined.
    public var design: Variation.Design

    /// A method as the user gave it.
    public init(
      label: String? = nil, method: Method, settings: Settings, seeds: [UInt64]? = nil, factors: [Factor] = [],
      design: Variation.Design = .grid
    ) {
      self.label = label
      self.method = method
      self.settings = settings
      self.seeds = seeds
      self.factors = factors
      self.design = design
    }
  }

  /// Labels the methods that were given without a label: by the method's name, and by its settings too if the method
  /// occurs more than once. An entry whose settings vary becomes several.
  ///
  /// - Throws: `SettingError` or `UnknownWord` for a level that is no value of its setting, or contradicts other
  ///   settings.
  public static func labelled(_ entries: [Entry], registry: Registry) throws -> [[MethodEntry]] {
    func baseName(_ entry: Entry) -> String {
      // What is restarted, verified or tuned belongs to the name.
      let inner = entry.method.settings.last { $0.kind == .method }.flatMap { entry.settings.values[$0.name] }
      guard let inner, case .mapping(let mapping)? = SettingValue(text: inner) else { return entry.method.name }
      return ([entry.method.name] + mapping.keys).joined(separator: " ")
    }
    let names = entries.map(baseName)
    return try entries.indices.map { index in
      let entry = entries[index]
      let (method, settings) = (entry.method, entry.settings)
      var name = entry.label ?? names[index]
      if entry.label == nil, names.count(where: { $0 == names[index] }) > 1 {
        let words = registry.shown(settings.values, of: method)
        if !words.isEmpty { name += " (\(words.joined(separator: ", ")))" }
      }
      let whole = MethodEntry(label: name, method: method.name, settings: settings, seeds: entry.seeds)
      return entry.factors.isEmpty ? [whole] : try vary(whole, entry, registry)
    }
  }

  private static func vary(_ whole: MethodEntry, _ entry: Entry, _ registry: Registry) throws -> [MethodEntry] {
    let method = entry.method
    /// What each entry changes of the entry's own settings, which need not be valid without a level.
    var combinations: [[String: String]] = entry.design == .each ? [] : [[:]]
    for factor in entry.factors {
      if entry.design == .each {
        combinations += factor.levels.map { [factor.name: $0] }
      } else {
        combinations = combinations.flatMap { known in
          factor.levels.map { level in known.merging([factor.name: level]) { $1 } }
        }
      }
    }
    var entries: [MethodEntry] = []
    for combination in combinations {
      let changed = try registry.optimizer(
        named: method.name, entry.settings.with(combination, of: method, in: registry))
      let settings = Settings(of: changed)
      var levels: [String: String] = [:]
      for setting in method.settings where combination[setting.name] != nil {
        levels[setting.name] = setting.text(in: changed)
      }
      // The base itself may be a level of several factors.
      if let index = entries.firstIndex(where: { $0.settings == settings }) {
        entries[index].variation?.levels.merge(levels) { $1 }
        continue
      }
      entries.append(
        MethodEntry(
          label: whole.label, method: method.name, settings: settings, seeds: whole.seeds,
          variation: Variation(study: whole.label, design: entry.design, levels: levels)))
    }
    for index in entries.indices {
      let text = entry.factors.compactMap { factor in
        entries[index].variation?.levels[factor.name].map { level in
          let setting = method.settings.first { $0.name == factor.name }
          return "\(factor.name) \(setting.map { registry.shown(level, of: $0) } ?? level)"
        }
      }
      let levels = text.joined(separator: ", ")
      // Also of a label that was given: it may be that of a study as it is written again.
      let isOpen = whole.label.contains(" (") && whole.label.hasSuffix(")")
      entries[index].label = isOpen ? "\(whole.label.dropLast()), \(levels))" : "\(whole.label) (\(levels))"
    }
    return entries
  }
}

extension Registry {
  /// A setting's value for people: of a method its name, its preset if it has one, and what differs.
  package func shown(_ text: String, of setting: Setting) -> String {
    let entry = setting.entry(text, in: self)
    guard setting.isStructured, let value = SettingValue(text: entry) else { return entry }
    return shown(value, isMethod: setting.kind == .method)
  }

  private func shown(_ value: SettingValue, isMethod: Bool) -> String {
    guard isMethod, case .mapping(let mapping) = value, let (name, settings) = mapping.first,
      case .mapping(let values) = settings, let method = methods.first(where: { $0.method.name == name })?.method
    else { return value.flow }
    return ([name] + shown(values.mapValues(\.text), of: method)).joined(separator: " ")
  }

  /// Settings that differ from a method's defaults, for people: the preset that they contain, and what else there is.
  func shown(_ values: [String: String], of method: Method) -> [String] {
    let preset = method.presets.first { preset in
      !preset.values.isEmpty && preset.values.allSatisfy { values[$0.key] != nil }
        && 2 * preset.values.count { values[$0.key] == $0.value } >= preset.values.count
    }
    // A value of the preset that was changed is said; one that was changed back to the default cannot be seen.
    let others = method.settings.compactMap { setting -> String? in
      guard let value = values[setting.name], value != preset?.values[setting.name] else { return nil }
      return "\(setting.name) \(shown(value, of: setting))"
    }
    return (preset.map { [$0.name] } ?? []) + others
  }
}
