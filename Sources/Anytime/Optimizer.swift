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
/// What can be set about it are stored properties with an initial value, each with a ``Setting``: see
/// ``Configurable``.
///
/// A run has to be a pure function of its settings and the session: draw all randomness from
/// ``Session/random``, and let nothing depend on the order of a `Dictionary` or `Set`, which differs from
/// process to process. `OptimizerConformance` checks that.
public protocol Optimizer: Configurable {
  /// What the method is called, where it comes from, and what can be set.
  static var method: Method { get }

  /// Whether runs with these settings depend on images. By default, as ``Method/usesImages`` of the method, or of one
  /// that it runs, says.
  var usesImages: Bool { get }

  /// Searches until the budget is spent.
  ///
  /// - Throws: Whatever ``Session/evaluate(_:epochs:)-(Configuration,_)`` throws. ``BudgetExhausted`` ends the run
  ///   normally; so does returning.
  func search(_ session: Session) throws

  /// The methods that this one runs, as its settings say.
  var inner: [any Optimizer] { get }
  /// Whether another method can run this one. By default it can.
  var canBeRun: Bool { get }
  /// Whether a search ends by itself, however great the budget is. By default, those of one-shot methods do, when
  /// their epochs are over.
  var ends: Bool { get }
}

extension Optimizer {
  public static var settings: [Setting] { method.settings }
  public var inner: [any Optimizer] { [] }
  public var canBeRun: Bool { true }
  public var ends: Bool { Self.method.family == .oneShot }

  public var usesImages: Bool { Self.method.usesImages || inner.contains(where: \.usesImages) }
  /// Whether the method, or one that it runs, gains by trainings of several epoch counts.
  public var usesFidelities: Bool { Self.method.usesFidelities || inner.contains(where: \.usesFidelities) }

  public func validate(under conditions: Conditions) throws {
    for method in inner { try method.check(under: conditions) }
  }
}

/// A description of a search method.
public struct Method: Sendable {
  /// How a method judges architectures.
  public enum Family: String, Sendable, Codable {
    /// By training each on its own.
    case blackbox
    /// By training one network that shares the weights of all.
    case oneShot = "one-shot"
    /// By running other methods.
    case composed
  }

  /// The name on the command line and in experiment files, in kebab-case.
  public let name: String
  /// The name in captions.
  public let title: String
  /// How the method judges architectures.
  public let family: Family
  /// One sentence.
  public let summary: String
  /// The papers, with authors and year.
  public let citation: String
  /// Whether the method makes networks that see images: its runs then depend on the images and on how numbers are
  /// computed. See ``Optimizer/usesImages``.
  public let usesImages: Bool
  /// Whether the method gains by trainings of several epoch counts.
  public let usesFidelities: Bool
  /// The processor seconds that a run takes per training that is looked up, roughly: the method's own, and the
  /// session's. It balances the shards of an experiment, and changes no run.
  public let secondsPerTraining: Double
  /// Counts the changes after which equal settings and seeds give other runs. Runs of another revision are other runs.
  public let revision: Int
  /// What can be set, in the order in which it is listed; by default nothing.
  public let settings: [Setting]
  /// Named sets of settings, chosen with `preset=name`; single settings may still be given beside it.
  public let presets: [Preset]

  /// A method with other settings than the defaults, under a name.
  public struct Preset: Sendable {
    /// The name that follows `preset=`, in kebab-case.
    public let name: String
    /// What it is for, in a few words.
    public let summary: String
    let method: any Optimizer

    /// - Parameter method: As in `DARTS { $0.order = .second }`.
    public init(_ name: String, _ summary: String, _ method: some Optimizer) {
      self.name = name
      self.summary = summary
      self.method = method
    }

    /// What differs from the defaults: by name, in canonical text.
    public var values: [String: String] { Settings(of: method).values }
  }

  /// A description for ``Optimizer/method``. By default, of a blackbox method of revision 1 that needs no images,
  /// trains at the highest epoch count alone, thinks about as long as TPE (`anytime bench`), and has no settings.
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
  /// Where relative paths in settings of methods start; the current folder if `nil`.
  public var folder: URL?

  /// The same methods, with relative paths that start in another folder.
  public func at(_ folder: URL?) -> Registry {
    var registry = self
    registry.folder = folder
    return registry
  }

  /// - Precondition: The methods have names of their own. Every method declares its settings soundly: as properties of
  ///   its own, under names of their own, with defaults and presets that are within the ranges.
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

  /// What is wrong with a method's declarations, in one sentence; `nil` if nothing is.
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

  /// The method of a name.
  ///
  /// - Throws: ``UnknownWord``, with the nearest known name.
  public func method(named name: String) throws -> any Optimizer.Type {
    for type in methods where type.method.name == name { return type }
    throw UnknownWord(name, kind: "method", known: methods.map { $0.method.name })
  }

  /// The method of a name, with settings.
  ///
  /// - Throws: ``UnknownWord`` or ``SettingError``.
  public func optimizer(named name: String, _ settings: Settings) throws -> any Optimizer {
    try method(named: name).init(settings: settings, in: self)
  }
}
