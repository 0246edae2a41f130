import CellSpace
import Statistics

/// A search method: anything that spends a budget to find an architecture.
///
/// Blackbox and one-shot methods conform alike. A method reads its settings, then searches until the
/// session says that the budget is spent, which it does by throwing:
///
///     struct RandomSearch: Optimizer {
///       static let method = Method(name: "random-search", …)
///       init(settings: Settings) {}
///
///       func search(_ session: Session) throws {
///         while true { try session.evaluate(session.space.sample(using: &session.random)) }
///       }
///     }
///
/// A run has to be a pure function of its settings and the session: draw all randomness from
/// ``Session/random``, and let nothing depend on the order of a `Dictionary` or `Set`, which differs from
/// process to process. ``OptimizerConformance`` checks that.
public protocol Optimizer: Sendable {
  /// What the method is called, where it comes from, and what can be set.
  static var method: Method { get }

  /// - Parameter settings: A value for every setting that ``method`` declares, in its range.
  /// - Throws: If settings contradict each other; say which in one sentence.
  init(settings: Settings) throws

  /// Searches until the budget is spent.
  ///
  /// - Throws: Whatever ``Session/evaluate(_:epochs:)`` throws. ``BudgetExhausted`` ends the run
  ///   normally; so does returning.
  func search(_ session: Session) throws
}

/// A description of a search method.
public struct Method: Sendable {
  /// How a method judges architectures.
  public enum Family: String, Sendable, Codable {
    /// By training each on its own.
    case blackbox
    /// By training one network that shares the weights of all.
    case oneShot = "one-shot"
  }

  /// The name on the command line and in experiment files, in kebab-case.
  public let name: String
  /// The name in captions.
  public let title: String
  public let family: Family
  /// One sentence.
  public let summary: String
  /// The papers, with authors and year.
  public let citation: String
  public let settings: [Setting]
  /// Named sets of settings, chosen with `preset=name`; single settings may still be given beside it.
  public let presets: [Preset]

  /// Values for some settings, under one name.
  public struct Preset: Sendable {
    public let name: String
    /// What it is for, in a few words.
    public let summary: String
    public let values: [String: String]

    public init(_ name: String, _ summary: String, _ values: [String: String]) {
      self.name = name
      self.summary = summary
      self.values = values
    }
  }

  public init(
    name: String, title: String, family: Family = .blackbox, summary: String, citation: String,
    settings: [Setting] = [], presets: [Preset] = []
  ) {
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
  public let methods: [any Optimizer.Type]

  public init(_ methods: [any Optimizer.Type]) { self.methods = methods }

  /// The method of a name.
  ///
  /// - Throws: ``UnknownWord``, with the nearest known name.
  public func method(named name: String) throws -> any Optimizer.Type {
    for type in methods where type.method.name == name { return type }
    throw UnknownWord(name, kind: "method", known: methods.map { $0.method.name })
  }
}
