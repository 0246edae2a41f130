import Foundation
import SearchSpaces
import Statistics

/// A search method: anything that spends a budget to find an architecture.
///
/// Blackbox and one-shot methods conform alike. A method searches until the session says that the budget is spent,
/// which it does by throwing:
///
///     struct RandomSearch: Optimizer {
///       static let method = Method(name: "random-search", …)
///
///       func search(_ session: Session) throws {
///         while true { try session.evaluate(session.space.sample(using: &session.random)) }
///       }
///     }
///
/// Settings are stored properties with an initial value, each declared by a ``Setting``: see ``Configurable``.
///
/// A run has to be a pure function of its settings and the session: draw all randomness from
/// ``Session/random``, and let nothing depend on the order of a `Dictionary` or `Set`, which differs from
/// process to process. `OptimizerConformance` checks that.
public protocol Optimizer: Configurable {
  /// The method's description: name, source, settings and presets.
  static var method: Method { get }

  /// Whether runs with these settings depend on images. Default: whether ``Method/usesImages`` is true for this method,
  /// or a method in ``inner`` uses images.
  var usesImages: Bool { get }

  /// Searches until the budget is spent.
  ///
  /// - Throws: Whatever ``Session/evaluate(_:epochs:)-(Configuration,_)`` throws. ``BudgetExhausted`` ends the run
  ///   normally; so does returning. ``RunFailure`` marks the run as failed.
  func search(_ session: Session) throws

  /// The methods that this one runs, taken from its settings. Default: none.
  var inner: [any Optimizer] { get }
  /// Whether another method can run this one in a child session. Default: true.
  var canBeRun: Bool { get }
  /// Whether a search ends by itself, however great the budget is. Default: true for one-shot methods, whose searches
  /// end with their epochs.
  var ends: Bool { get }
}

extension Optimizer {
  public static var settings: [Setting] { method.settings }
  public var inner: [any Optimizer] { [] }
  public var canBeRun: Bool { true }
  public var ends: Bool { Self.method.family == .oneShot }

  public var usesImages: Bool { Self.method.usesImages || inner.contains(where: \.usesImages) }
  /// Whether the method, or one that it runs, benefits from trainings at several epoch counts.
  public var usesFidelities: Bool { Self.method.usesFidelities || inner.contains(where: \.usesFidelities) }

  public func validate(under conditions: Conditions) throws {
    for method in inner { try method.check(under: conditions) }
  }
}

/// A description of a search method.
public struct Method: Sendable {
  /// How a method judges architectures.
  public enum Family: String, Sendable, Codable {
    /// Each architecture is trained on its own.
    case blackbox
    /// One network is trained whose weights all architectures share.
    case oneShot = "one-shot"
    /// Other methods are run.
    case composed
  }

  /// The name on the command line and in experiment files, in kebab-case.
  public let name: String
  /// The name in captions.
  public let title: String
  /// How the method judges architectures.
  public let family: Family
  /// What the method does, in one sentence.
  public let summary: String
  /// The papers, with authors and year.
  public let citation: String
  /// Whether the method makes networks that see images: its runs then depend on the images and on how numbers are
  /// computed. See ``Optimizer/usesImages``.
  public let usesImages: Bool
  /// Whether the method benefits from trainings at several epoch counts.
  public let usesFidelities: Bool
  /// A rough estimate of a run's CPU seconds per training that it looks up, the session's included. It serves to
  /// balance the shards of an experiment, and changes no run.
  public let secondsPerTraining: Double
  /// The version of the method's behaviour, from 1. It increases with every change after which equal settings and seeds
  /// give other runs; runs of different revisions are never mixed.
  public let revision: Int
  /// The settings, in the order in which they are listed. Default: none.
  public let settings: [Setting]
  /// Named sets of settings, chosen with `preset=name`; single settings may still be given beside it.
  public let presets: [Preset]

  /// A named set of settings that differ from the method's defaults.
  public struct Preset: Sendable {
    /// The name that follows `preset=`, in kebab-case.
    public let name: String
    /// The purpose of the preset, in a few words.
    public let summary: String
    let method: any Optimizer

    /// Creates a preset.
    ///
    /// - Parameter method: The method with the preset's settings, as in `DARTS { $0.order = .second }`.
    public init(_ name: String, _ summary: String, _ method: some Optimizer) {
      self.name = name
      self.summary = summary
      self.method = method
    }

    /// The settings that differ from the method's defaults, by name, in canonical text.
    public var values: [String: String] { Settings(of: method).values }
  }

  /// Creates a description for ``Optimizer/method``. The defaults describe a blackbox method of revision 1 that needs
  /// no images, trains at the highest epoch count alone, takes about as long per training as TPE (`anytime bench`), and
  /// has no settings.
  public init(
    name: String, title: String, family: Family = .blackbox, summary: String, citation: String,
    usesImages: Bool = false, usesFidelities: Bool = false, secondsPerTraining: Double = 5e-6, revision: Int = 1,
    settings: [Setting] = [], presets: [Preset] = []
  ) {
    self.revision = revision
    self.usesImages = usesImages
    self.usesFidelities = usesFidelities
    self.secondsPerTraining = secondsPerTraining
    self.presets = presets
    self.name = name
    self.title = title
    self.family = family
    self.summary = summary
    self.citation = citation
    self.settings = settings
  }
}

/// The methods that a program knows.
public struct Registry: Sendable {
  /// The methods in the order in which they are listed.
  public let methods: [any Optimizer.Type]
  /// The folder in which relative paths in settings of methods start; the current folder if `nil`.
  public var folder: URL?

  /// Returns a registry of the same methods, with relative paths that start in another folder.
  public func at(_ folder: URL?) -> Registry {
    var registry = self
    registry.folder = folder
    return registry
  }

  /// Creates a registry of methods.
  ///
  /// - Precondition: No two methods have the same name, and ``problem(with:)`` finds nothing wrong with any of them.
  public init(_ methods: [any Optimizer.Type]) {
    self.methods = methods
    var names: Set<String> = []
    for type in methods {
      precondition(names.insert(type.method.name).inserted, "two methods are called '\(type.method.name)'")
      if let problem = Self.problem(with: type) { preconditionFailure("\(type): \(problem)") }
    }
  }

  /// What experiment files and the command line say of a method's entry, and so is no setting.
  static let entryKeys: Set = ["label", "name", "seeds", "vary", "vary-each", "horizons"]

  /// Checks a method's declarations: settings are properties of the method itself, their names differ and are not
  /// reserved, and defaults and presets are within the ranges and free of contradictions.
  ///
  /// - Returns: The first problem, in one sentence; `nil` if there is none.
  public static func problem(with type: any Optimizer.Type) -> String? {
    let method = type.method
    var names = entryKeys.union(["preset"])
    for setting in method.settings {
      guard setting.owner == type else { return "setting '\(setting.name)' is a property of \(setting.owner)" }
      guard names.insert(setting.name).inserted else { return "two settings are called '\(setting.name)'" }
      guard setting.domain != nil else { continue }
      do {
        let canonical = try setting.canonical(setting.defaultValue, Registry([]))
        guard canonical == setting.defaultValue else {
          return "the default \(setting.defaultValue) of '\(setting.name)' is not in \(setting.range)"
        }
      } catch { return "the default of '\(setting.name)': \(error)" }
    }
    for preset in method.presets {
      guard Swift.type(of: preset.method) == type else { return "preset '\(preset.name)' is of another method" }
      do { _ = try type.init(settings: Settings(method, preset.values)) } catch {
        return "preset '\(preset.name)': \(error)"
      }
    }
    guard !method.settings.contains(where: \.isRequired) else { return nil }
    do { try type.init().validate() } catch { return "the defaults: \(error)" }
    return nil
  }

  /// Finds the type of a method by the method's name.
  ///
  /// - Throws: ``UnknownWord``, with the nearest known name.
  public func method(named name: String) throws -> any Optimizer.Type {
    for type in methods where type.method.name == name { return type }
    throw UnknownWord(name, kind: "method", known: methods.map { $0.method.name })
  }

  /// Creates a method by its name, with settings.
  ///
  /// - Throws: ``UnknownWord`` for an unknown method or setting; ``SettingError`` for values that are wrong, missing or
  ///   contradict each other.
  public func optimizer(named name: String, _ settings: Settings) throws -> any Optimizer {
    try method(named: name).init(settings: settings, in: self)
  }
}
