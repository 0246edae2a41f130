import SearchSpaces

/// A value whose properties can be set by name: a search method, a part that several methods share, or a budget
/// policy.
///
/// A setting needs a property with an initial value, and one ``Setting`` that declares it:
///
///     struct DEHB: Optimizer {
///       var mutationFactor = 0.5
///       static let method = Method(…, settings: [
///         Setting("mutation-factor", \DEHB.mutationFactor, 0...2, "length of the difference that is added")
///       ])
///     }
///
/// Settings that several methods share form a part with declarations of its own, which each method holds in a property:
///
///     var brackets = Brackets()
///     static let method = Method(…, settings: Brackets.settings(at: \DEHB.brackets))
public protocol Configurable: Sendable {
  /// A value with every setting at its default.
  init()

  /// The settings, in the order in which they are listed.
  static var settings: [Setting] { get }

  /// Checks settings against each other after they were read from text. By default, nothing is checked.
  ///
  /// - Throws: ``SettingError``: one sentence that names the settings that contradict each other.
  func validate() throws

  /// Checks settings against the benchmark and the budget of the runs, before the first run. By default, a method
  /// checks the methods that it runs, and other values check nothing.
  ///
  /// - Throws: An error with one sentence that names the setting and the remedy.
  func validate(under conditions: Conditions) throws
}

extension Configurable {
  /// The defaults with changes, checked by the compiler: `TPE { $0.startup = 5 }`.
  public init(_ change: (inout Self) -> Void) {
    self.init()
    change(&self)
  }

  public func validate() throws {}
  public func validate(under conditions: Conditions) throws {}

  /// Returns the settings of this part, for a method that holds the part in a property.
  ///
  /// - Parameters:
  ///   - part: The method's property. Its values in a newly made method are the defaults.
  ///   - absent: The part's properties that have no meaning for the method and are left out.
  public static func settings<Whole: Configurable>(
    at part: WritableKeyPath<Whole, Self> & Sendable, without absent: [PartialKeyPath<Self>] = []
  ) -> [Setting] {
    settings.filter { setting in !absent.contains { ($0 as AnyKeyPath) == (setting.property as AnyKeyPath) } }
      .map { Setting($0, at: part) }
  }
}

/// The name, values and summary of a property that can be set.
public struct Setting: Sendable {
  /// The name on the command line, in experiment files and in run stores, in kebab-case.
  public let name: String
  /// The allowed values as a dimension that can be searched; `nil` for kinds other than ``Kind/value``.
  ///
  /// `Parameter.text(of:)` gives the canonical text of a sampled value.
  public let domain: Parameter.Domain?
  /// The kind of values.
  public let kind: Kind
  /// The effect of the setting, in a few words.
  public let summary: String
  /// The initial value of the property, in canonical text.
  public let defaultValue: String
  /// The shared part that declares the setting; `nil` if the method itself does.
  public let part: (any Configurable.Type)?

  /// The kinds of values.
  public enum Kind: Hashable, Sendable {
    /// A word or a number within ``Setting/domain``.
    case value
    /// A text of any form, with its description in a few words. It must be given if there is no default.
    case text(String)
    /// The path of a file.
    case file
    /// A list of paths of files.
    case files
    /// A method with its settings; there is no default.
    case method
    /// A list or mapping, with its description in a few words.
    case structure(String)
  }

  let property: AnyKeyPath & Sendable
  /// The type that has the property.
  let owner: any Configurable.Type
  /// The canonical text of a value as a user enters it; `nil` if it is none. The registry knows the methods that are
  /// values.
  let canonical: @Sendable (String, Registry) throws -> String?
  private let read: @Sendable (any Configurable) -> String
  /// Sets the property to a value in canonical text, and says whether it is one.
  private let write: @Sendable (inout any Configurable, String, Registry) throws -> Bool
  /// Checks the part that declares the setting: against itself, or against conditions.
  let validatePart: (@Sendable (any Configurable, Conditions?) throws -> Void)?

  // MARK: Declarations

  /// Declares a setting whose value is a whole number.
  ///
  /// - Parameter log: Whether searches for a good value should use a logarithmic scale.
  public init<Root: Configurable>(
    _ name: String, _ property: WritableKeyPath<Root, Int> & Sendable, _ range: ClosedRange<Int>, log: Bool = false,
    _ summary: String
  ) {
    self.init(name, property, .integer(range, log: log), summary, text: { String($0) }) { text in
      Int(text).flatMap { range.contains($0) ? $0 : nil }
    }
  }

  /// Declares a setting whose value is a real number.
  ///
  /// - Parameter log: Whether searches for a good value should use a logarithmic scale.
  public init<Root: Configurable>(
    _ name: String, _ property: WritableKeyPath<Root, Double> & Sendable, _ range: ClosedRange<Double>,
    log: Bool = false, _ summary: String
  ) {
    self.init(name, property, .real(range, log: log), summary, text: { String($0) }) { text in
      // Adding zero turns -0 into 0: equal values have equal text.
      Double(text).flatMap { range.contains($0) ? $0 + 0 : nil }
    }
  }

  /// Declares a setting whose value is a case of an enumeration. Users write its raw values.
  public init<Root: Configurable, Choice: RawRepresentable<String> & CaseIterable & Sendable>(
    _ name: String, _ property: WritableKeyPath<Root, Choice> & Sendable, _ summary: String
  ) {
    self.init(name, property, .categorical(Choice.allCases.map(\.rawValue)), summary, text: \.rawValue) {
      Choice(rawValue: $0)
    }
  }

  /// Declares a setting whose value is `true` or `false`.
  public init<Root: Configurable>(
    _ name: String, _ property: WritableKeyPath<Root, Bool> & Sendable, _ summary: String
  ) {
    self.init(name, property, .categorical(["true", "false"]), summary, text: { String($0) }) { Bool($0) }
  }

  /// Declares a setting whose value is a text of any form, such as a command or a name. Also for values that nobody
  /// would search, such as a time limit.
  ///
  /// - Parameters:
  ///   - description: What is written, in a few words. If the property is initially without a text, a value has to be
  ///     given.
  ///   - text: The canonical text of a value.
  ///   - value: The value of a text; `nil` if it has none. The registry knows the folder of relative paths.
  package init<Root: Configurable, Value>(
    _ name: String, _ property: WritableKeyPath<Root, Value> & Sendable, _ description: String, _ summary: String,
    text: @escaping @Sendable (Value) -> String, value: @escaping @Sendable (String, Registry) throws -> Value?
  ) {
    self.init(
      name, property, nil, summary, kind: .text(description), text: text, entered: value, value: value)
  }

  /// A value of any kind.
  ///
  /// - Parameters:
  ///   - text: The canonical text of a value.
  ///   - value: The value of a canonical text; `nil` if it has none.
  ///   - entered: The value of a text as a user enters it, where that is not the canonical one.
  init<Root: Configurable, Value>(
    _ name: String, _ property: WritableKeyPath<Root, Value> & Sendable, _ domain: Parameter.Domain?,
    _ summary: String, kind: Kind = .value, text: @escaping @Sendable (Value) -> String,
    entered: (@Sendable (String, Registry) throws -> Value?)? = nil, value: @escaping @Sendable (String) -> Value?
  ) {
    self.init(
      name, property, domain, summary, kind: kind, text: text, entered: entered ?? { text, _ in value(text) },
      value: { text, _ in value(text) })
  }

  /// A value of any kind, of which a registry may have to know the methods.
  init<Root: Configurable, Value>(
    _ name: String, _ property: WritableKeyPath<Root, Value> & Sendable, _ domain: Parameter.Domain?,
    _ summary: String, kind: Kind, text: @escaping @Sendable (Value) -> String,
    entered: @escaping @Sendable (String, Registry) throws -> Value?,
    value: @escaping @Sendable (String, Registry) throws -> Value?
  ) {
    self.name = name
    self.domain = domain
    self.kind = kind
    self.summary = summary
    self.property = property
    defaultValue = text(Root()[keyPath: property])
    owner = Root.self
    part = nil
    validatePart = nil
    canonical = { try entered($0, $1).map(text) }
    read = { text(Self.cast($0, to: Root.self)[keyPath: property]) }
    write = { root, canonical, registry in
      guard let value = try value(canonical, registry) else { return false }
      var changed = Self.cast(root, to: Root.self)
      changed[keyPath: property] = value
      root = changed
      return true
    }
  }

  /// The setting of a part, in a whole that holds one.
  fileprivate init<Whole: Configurable, Part: Configurable>(
    _ inner: Setting, at part: WritableKeyPath<Whole, Part> & Sendable
  ) {
    name = inner.name
    domain = inner.domain
    kind = inner.kind
    summary = inner.summary
    property = part
    defaultValue = inner.text(in: Whole()[keyPath: part])
    owner = Whole.self
    self.part = Part.self
    canonical = inner.canonical
    validatePart = { whole, conditions in
      let part = Self.cast(whole, to: Whole.self)[keyPath: part]
      if let conditions { try part.validate(under: conditions) } else { try part.validate() }
    }
    read = { inner.text(in: Self.cast($0, to: Whole.self)[keyPath: part]) }
    write = { whole, text, registry in
      var changed = Self.cast(whole, to: Whole.self)
      let isValue = try inner.set(text, in: &changed[keyPath: part], registry)
      whole = changed
      return isValue
    }
  }

  private static func cast<Root>(_ value: any Configurable, to type: Root.Type) -> Root {
    guard let root = value as? Root else {
      preconditionFailure("a setting of \(type) was asked of a \(Swift.type(of: value))")
    }
    return root
  }

  // MARK: Values

  /// Returns the setting's value in a method, part or policy, as canonical text.
  public func text(in root: some Configurable) -> String { read(root) }

  /// Sets the property to a value that is given as canonical text.
  ///
  /// - Returns: Whether the text is an allowed value; if not, nothing is changed.
  public func set<Root: Configurable>(_ text: String, in root: inout Root) -> Bool {
    // Without a registry no method is known, and methods alone make this throw.
    do { return try set(text, in: &root, Registry([])) } catch { return false }
  }

  /// Sets the property.
  ///
  /// - Parameter registry: Knows the methods that are values.
  /// - Returns: Whether the text is a value; if not, nothing is changed.
  /// - Throws: ``UnknownWord`` or ``SettingError`` for a value that is a method with wrong settings.
  func set<Root: Configurable>(_ text: String, in root: inout Root, _ registry: Registry) throws -> Bool {
    var value: any Configurable = root
    guard try write(&value, text, registry) else { return false }
    root = Self.cast(value, to: Root.self)
    return true
  }

  /// Whether a value must be given because there is no default.
  public var isRequired: Bool {
    switch kind {
    case .method, .text: defaultValue.isEmpty
    case .value, .file, .files, .structure: false
    }
  }

  /// The allowed texts of a choice or flag; empty for all other settings.
  public var choices: [String] { if case .categorical(let choices)? = domain { choices } else { [] } }

  /// A description of the allowed values, such as `1 to 9`.
  public var range: String {
    switch domain {
    case .integer(let range, _)?: "\(range.lowerBound) to \(range.upperBound)"
    case .real(let range, _)?: "\(plain(range.lowerBound)) to \(plain(range.upperBound))"
    case .categorical(let choices)?, .ordinal(let choices)?: choices.joined(separator: " | ")
    case nil:
      switch kind {
      case .value, .file: "the path of a file"
      case .files: "paths of files, as in [search.py, space.json]"
      case .method: "a method, as in tpe or {tpe: {gamma: 0.2}}"
      case .structure(let description), .text(let description): description
      }
    }
  }

  /// A number without a fraction that is zero.
  private func plain(_ value: Double) -> String {
    Int(exactly: value).map { String($0) } ?? String(value)
  }
}
