import Anytime
import SearchSpaces

/// The hyperparameters of a method with the ranges in which they are searched: one of the named spaces, or any list.
///
///     space: cs2
///     space: {learning-rate: {log: [1e-3, 1]}, momentum: [0, 0.99], batch-size: {integer: [16, 128]}}
///
/// The named spaces are those of NAS-Bench-1Shot1 (Zela, Siems and Hutter, ICLR 2020, appendix;
/// `optimizers/bohb_one_shot`): `cs1`, `cs2` and `cs3` as its code states them. `cs1-as-run`, `cs2-as-run` and
/// `cs3-as-run` have only the hyperparameters that its code passed on: its searches received neither `--cutout` nor the
/// last four hyperparameters of `cs3`.
public struct HyperparameterSpace: Hashable, Sendable {
  /// The name of a named space; `hyperparameters` for any other.
  public let name: String
  /// The hyperparameters, named as the method's settings, in the order in which configurations hold their values.
  public let parameters: [Parameter]
  /// Settings that a named space needs and that differ from a method's defaults.
  let fixed: [String: String]

  /// Creates a space without hyperparameters.
  public init() { self.init(name: "hyperparameters", []) }

  /// Creates a space of any hyperparameters.
  public init(_ parameters: [Parameter]) { self.init(name: "hyperparameters", parameters) }

  private init(name: String, _ parameters: [Parameter], fixed: [String: String] = [:]) {
    (self.name, self.parameters, self.fixed) = (name, parameters, fixed)
  }

  /// The named spaces. Sides of cutouts are in pixels, for images with a side of 32 pixels.
  public static let named: [HyperparameterSpace] = {
    let weightDecay = Parameter("weight-decay", .real(1e-5...1e-3, log: true))
    let cutout = Parameter("cutout-probability", .real(0...1))
    let learningRate = Parameter("learning-rate", .real(1e-3...1, log: true))
    let descent = [Parameter("momentum", .real(0...0.99)), Parameter("batch-size", .integer(16...128))]
    let rest = [
      Parameter("arch-learning-rate", .real(1e-5...1e-2, log: true)),
      Parameter("arch-weight-decay", .real(1e-4...1e-1, log: true)),
      Parameter("cutout", .integer(2...32, log: true)),
      Parameter("gradient-clip", .integer(1...9)),
    ]
    return [
      .init(name: "cs1", [weightDecay, cutout], fixed: ["cutout": "16"]),
      .init(name: "cs2", [weightDecay, cutout, learningRate], fixed: ["cutout": "16"]),
      .init(name: "cs3", [weightDecay, cutout, learningRate] + descent + rest),
      .init(name: "cs1-as-run", [weightDecay]),
      .init(name: "cs2-as-run", [weightDecay, learningRate]),
      .init(name: "cs3-as-run", [weightDecay, learningRate] + descent),
    ]
  }()

  /// Finds a named space; `nil` if no space has this name.
  public init?(named name: String) {
    guard let space = Self.named.first(where: { $0.name == name }) else { return nil }
    self = space
  }

  /// Returns the space for images of another size, in which cutouts cover the same part of an image.
  ///
  /// - Parameter side: The side of an image, in pixels.
  package func scaled(to side: Int) -> Self {
    guard Self.named.contains(self) else { return self }
    func scaled(_ cutout: Int) -> Int { max(1, (cutout * side + 16) / 32) }
    return Self(
      name: name,
      parameters.map { parameter in
        guard parameter.name == "cutout", case .integer(let range, let log) = parameter.domain else { return parameter }
        return Parameter(parameter.name, .integer(scaled(range.lowerBound)...scaled(range.upperBound), log: log))
      }, fixed: fixed.mapValues { Int($0).map { String(scaled($0)) } ?? $0 })
  }

  /// Checks the hyperparameters, each for itself, against a method's settings.
  ///
  /// - Throws: `UnknownWord` for one that the method does not have, `SettingError` for a range that is not within the
  ///   setting's own.
  func validate(for optimizer: any Optimizer) throws {
    guard !parameters.isEmpty else {
      throw SettingError("'space' names no hyperparameter; give one, as in cs2 or {learning-rate: {log: [1e-3, 1]}}")
    }
    let method = type(of: optimizer).method
    for parameter in parameters {
      guard let setting = method.settings.first(where: { $0.name == parameter.name }) else {
        throw UnknownWord(parameter.name, kind: "setting of \(method.name)", known: method.settings.map(\.name))
      }
      switch setting.kind {
      case .method:
        throw SettingError("a method is no hyperparameter; take '\(setting.name)' out of 'space' and 'vary' it instead")
      case .file, .files:
        throw SettingError("a file is no hyperparameter; take '\(setting.name)' out of 'space' and 'vary' it instead")
      case .value, .text, .structure: break
      }
      if case .integer? = setting.domain, case .real(let range, let log) = parameter.domain {
        throw SettingError(
          "'\(setting.name)' of \(method.name) is a whole number; write its range as in "
            + "{\(log ? "log-integer" : "integer"): [\(range.lowerBound.whole), \(range.upperBound.whole)]}")
      }
      var texts: Set<String> = []
      for text in parameter.ends {
        // Equal values have equal canonical text, whatever they were written as; that of the default is absent.
        let canonical = try Settings(method, [setting.name: text]).values[setting.name] ?? ""
        guard texts.insert(canonical).inserted else {
          throw SettingError("the values of '\(setting.name)' in 'space' repeat '\(text)'; leave one out")
        }
      }
    }
  }

  /// The points at which ranges are checked together, as settings: all combinations of their ends and choices where
  /// these are a hundred at most; otherwise each of them with the first, and with the last, of all others.
  var corners: [[String: String]] {
    let count = parameters.reduce(1.0) { $0 * Double($1.ends.count) }
    guard count > 100 else {
      return parameters.reduce([fixed]) { known, parameter in
        known.flatMap { corner in parameter.ends.map { corner.merging([parameter.name: $0]) { $1 } } }
      }
    }
    let (first, last) = parameters.reduce(into: (fixed, fixed)) { ends, parameter in
      (ends.0[parameter.name], ends.1[parameter.name]) = (parameter.ends.first, parameter.ends.last)
    }
    return parameters.flatMap { parameter in
      parameter.ends.flatMap { end in [first, last].map { $0.merging([parameter.name: end]) { $1 } } }
    }
  }

  /// The settings at a point of the space, in text.
  func values(of point: Configuration) -> [String: String] {
    var values = fixed
    for (parameter, value) in zip(parameters, point.values) { values[parameter.name] = parameter.text(of: value) }
    return values
  }
}

extension Parameter {
  /// The least and the greatest value, or all choices, as text.
  fileprivate var ends: [String] {
    switch domain {
    case .categorical(let choices), .ordinal(let choices): choices
    case .integer(let range, _): Set([range.lowerBound, range.upperBound]).sorted().map { "\($0)" }
    case .real(let range, _): Set([range.lowerBound, range.upperBound]).sorted().map { "\($0)" }
    }
  }
}

extension Double {
  /// Without a fraction.
  fileprivate var whole: String { Int(exactly: rounded()).map { "\($0)" } ?? "\(self)" }
}

// MARK: Text

extension HyperparameterSpace {
  /// The setting of a method that searches hyperparameters.
  static func setting<Root: Configurable>(
    _ name: String, _ property: WritableKeyPath<Root, HyperparameterSpace> & Sendable, _ summary: String
  ) -> Setting {
    Setting(
      name, property,
      "\(named.map(\.name).joined(separator: " | ")), or a list as in {learning-rate: {log: [1e-3, 1]}}", summary,
      value: \.value, entered: { try HyperparameterSpace($0) })
  }

  private var value: SettingValue {
    if Self.named.contains(self) { return .word(name) }
    if parameters.isEmpty { return .word("") }
    return .mapping(
      Dictionary(parameters.map { ($0.name, Self.value(of: $0.domain)) }, uniquingKeysWith: { $1 }))
  }

  private static func value(of domain: Parameter.Domain) -> SettingValue {
    func pair(_ low: some LosslessStringConvertible, _ high: some LosslessStringConvertible) -> SettingValue {
      .list([.word(String(low)), .word(String(high))])
    }
    return switch domain {
    case .categorical(let words): .list(words.map(SettingValue.word))
    case .ordinal(let words): .mapping(["levels": .list(words.map(SettingValue.word))])
    case .integer(let range, let log):
      .mapping([log ? "log-integer" : "integer": pair(range.lowerBound, range.upperBound)])
    case .real(let range, let log): .mapping([log ? "log" : "linear": pair(range.lowerBound, range.upperBound)])
    }
  }

  /// Reads a space; `nil` if the value is empty.
  ///
  /// - Throws: `UnknownWord`, `SettingError`.
  package init?(_ value: SettingValue) throws {
    switch value {
    case .word(let word) where word.isEmpty: return nil
    case .word(let word):
      guard let space = Self(named: word) else {
        throw UnknownWord(word, kind: "space of hyperparameters", known: Self.named.map(\.name))
      }
      self = space
    case .list: return nil
    case .mapping(let mapping):
      guard !mapping.isEmpty else { return nil }
      self.init(
        try mapping.sorted { $0.key < $1.key }.map { name, value in
          guard let domain = Self.domain(value) else {
            throw SettingError(
              "'\(value.flow)' is no range for '\(name)'; write {linear: [0, 1]}, {log: [1e-3, 1]}, {integer: [1, 9]}, "
                + "{log-integer: [2, 32]}, {levels: [1, 2, 4]} in order, or a list of words")
          }
          return Parameter(name, domain)
        })
    }
  }

  private static func domain(_ value: SettingValue) -> Parameter.Domain? {
    switch value {
    case .word(let word): return .ordinal([word])
    case .list(let list):
      guard let words = words(list) else { return nil }
      // Two numbers are a range, as an experiment's author means it; words are choices.
      if words.count == 2, let low = Double(words[0]), let high = Double(words[1]) {
        return real(low, high, log: false)
      }
      return .categorical(words)
    case .mapping(let mapping):
      guard case (let scale, .list(let list))? = mapping.first, mapping.count == 1, let words = words(list) else {
        return nil
      }
      if scale == "levels" { return .ordinal(words) }
      guard words.count == 2 else { return nil }
      switch scale {
      case "linear", "log":
        guard let low = Double(words[0]), let high = Double(words[1]) else { return nil }
        return real(low, high, log: scale == "log")
      case "integer", "log-integer":
        guard let low = Int(words[0]), let high = Int(words[1]), low <= high, scale == "integer" || low > 0 else {
          return nil
        }
        return .integer(low...high, log: scale == "log-integer")
      default: return nil
      }
    }
  }

  private static func real(_ low: Double, _ high: Double, log: Bool) -> Parameter.Domain? {
    low.isFinite && high.isFinite && low <= high && (!log || low > 0) ? .real(low...high, log: log) : nil
  }

  /// The words of a list; `nil` if it has none, something else, or a word twice.
  private static func words(_ list: [SettingValue]) -> [String]? {
    let words = list.compactMap { if case .word(let word) = $0 { word } else { nil } }
    return words.count == list.count && !words.isEmpty && Set(words).count == words.count ? words : nil
  }
}
