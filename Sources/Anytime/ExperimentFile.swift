import CellSpace
import Foundation
import Yams

/// What is wrong with an experiment file, and on which line.
public struct ExperimentFileError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String

  init(_ file: String, line: Int?, _ problem: String) {
    description = line.map { "\(file), line \($0): \(problem)" } ?? "\(file): \(problem)"
  }
}

extension Experiment {
  /// Reads an experiment file in YAML:
  ///
  ///     name: first-comparison        # of files and captions; the file's name if absent
  ///     table: embedded               # or the path of a table, relative to this file
  ///     space: 1
  ///     policy: fair                  # or a mapping: {base: fair, charge-overhead: true}
  ///     horizon: 10min                # benchmark seconds, or with s, min, h, d; a number in other currencies
  ///     seeds: 50                     # 0 to 49; or 10-19; or [1, 2, 3]
  ///     methods:
  ///       - random-search
  ///       - regularized-evolution: {population: 20, sample: 5}
  ///       - regularized-evolution: {label: big population, population: 200}
  ///       - darts: {preset: quick, seeds: 3, correlation: {cells: 100}}
  ///
  /// - Throws: ``ExperimentFileError``, which names the line and the nearest valid word.
  public init(yaml text: String, file: String, registry: Registry) throws {
    let reader = ExperimentReader(file: file, registry: registry)
    self = try reader.read(text)
  }

  /// Reads an experiment file by its path.
  public init(contentsOf url: URL, registry: Registry) throws {
    let text: String
    do { text = try String(contentsOf: url, encoding: .utf8) } catch {
      throw ExperimentFileError(
        url.path, line: nil,
        (try? Data(contentsOf: url)) == nil
          ? "the file cannot be read; check its path" : "this is no experiment file: it is no text in UTF-8")
    }
    try self.init(yaml: text, file: url.path, registry: registry)
  }

  /// A budget as text: a number in the policy's currency, or in `s`, `min`, `h`, `d` for seconds.
  ///
  /// - Throws: ``SettingError``.
  public static func horizon(_ text: String, in currency: BudgetPolicy.Currency) throws(SettingError)
    -> Double
  {
    let units: [(suffix: String, seconds: Double)] = [("min", 60), ("s", 1), ("h", 3_600), ("d", 86_400)]
    var number = text
    var factor = 1.0
    if let unit = units.first(where: { text.hasSuffix($0.suffix) }) {
      guard currency == .seconds else {
        throw SettingError("the horizon '\(text)' is a time, but the policy counts \(currency.rawValue)")
      }
      number = String(text.dropLast(unit.suffix.count)).trimmingCharacters(in: .whitespaces)
      factor = unit.seconds
    }
    guard let value = Double(number), value > 0, value.isFinite else {
      throw SettingError(
        "'\(text)' is no horizon; write a positive number of \(currency.rawValue)"
          + (currency == .seconds ? ", or a time such as 90s, 30min, 2h or 1d" : ""))
    }
    return value * factor
  }

  /// Seeds as text: a number of seeds from 0 on, or a range such as `10-19`.
  ///
  /// - Throws: ``SettingError``.
  public static func seeds(_ text: String) throws(SettingError) -> [UInt64] {
    if let count = Int(text), (1...1_000_000).contains(count) { return (0..<UInt64(count)).map { $0 } }
    let bounds = text.split(separator: "-").compactMap { UInt64($0) }
    if bounds.count == 2, bounds[0] <= bounds[1], bounds[1] - bounds[0] < 1_000_000 {
      return Array(bounds[0]...bounds[1])
    }
    throw SettingError("'\(text)' are no seeds; write how many, as in 50, or a range, as in 10-19")
  }

  /// The entries of methods that were given without labels: a method's name, and its settings too if the
  /// method occurs twice.
  public static func labelled(_ entries: [Entry]) -> [MethodEntry] {
    var methods: [MethodEntry] = []
    for entry in entries {
      let (method, settings) = (entry.method, entry.settings)
      var name = entry.label ?? method.name
      if entry.label == nil, entries.count(where: { $0.method.name == method.name }) > 1 {
        let changed = method.settings.filter { settings.values[$0.name] != nil }
        let text = changed.map { "\($0.name) \(settings.values[$0.name] ?? "")" }.joined(separator: ", ")
        if !text.isEmpty { name += " (\(text))" }
      }
      methods.append(
        MethodEntry(label: name, method: method.name, settings: settings, seeds: entry.seeds))
    }
    return methods
  }

  /// A method as it was given, perhaps without a label.
  public struct Entry: Sendable {
    public var label: String?
    public var method: Method
    public var settings: Settings
    public var seeds: [UInt64]?

    public init(label: String? = nil, method: Method, settings: Settings, seeds: [UInt64]? = nil) {
      self.label = label
      self.method = method
      self.settings = settings
      self.seeds = seeds
    }
  }
}

extension YamlError {
  /// The line, and what is wrong there in one line.
  fileprivate var place: (line: Int?, problem: String) {
    switch self {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      (mark.line, problem)
    case .duplicatedKeysInMapping(let keys, let context):
      (context.mark.line, "'\(keys.joined(separator: "', '"))' is given twice")
    default: (nil, "\(self)".split(separator: "\n").joined(separator: " "))
    }
  }
}

/// Walks the nodes of a parsed file, so that every complaint knows its line.
private struct ExperimentReader {
  let file: String
  let registry: Registry

  private static let keys = ["name", "table", "space", "policy", "horizon", "seeds", "methods"]

  func read(_ text: String) throws -> Experiment {
    let root: Node?
    do { root = try Yams.compose(yaml: text) } catch let error as YamlError {
      let (line, problem) = error.place
      throw ExperimentFileError(file, line: line, "this is not YAML: \(problem)")
    }
    guard let root, let mapping = root.mapping else {
      throw ExperimentFileError(
        file, line: nil, "an experiment needs 'space', 'horizon', 'seeds' and 'methods'")
    }
    var nodes: [String: Node] = [:]
    for (key, value) in mapping {
      let name = try scalar(key)
      guard Self.keys.contains(name) else {
        throw failure(key, UnknownWord(name, kind: "part of an experiment", known: Self.keys))
      }
      guard nodes.updateValue(value, forKey: name) == nil else {
        throw failure(key, SettingError("'\(name)' is given twice"))
      }
    }
    func required(_ name: String) throws -> Node {
      guard let node = nodes[name] else {
        throw ExperimentFileError(file, line: nil, "'\(name)' is missing")
      }
      return node
    }

    let policy = try nodes["policy"].map(readPolicy) ?? .fair
    let spaceNode = try required("space")
    let space = try scalar(spaceNode)
    guard SearchSpace(named: space) != nil else {
      throw failure(spaceNode, UnknownWord(space, kind: "search space", known: SearchSpace.all.map(\.name)))
    }
    let horizon: Double
    if nodes["horizon"] == nil, let fixed = policy.defaultHorizon {
      horizon = fixed
    } else {
      let node = try required("horizon")
      horizon = try located(node) { try Experiment.horizon(try scalar(node), in: policy.currency) }
    }
    let url = URL(filePath: file)
    var table = try nodes["table"].map(scalar) ?? "embedded"
    if table != "embedded" {
      table = URL(filePath: table, relativeTo: url.deletingLastPathComponent()).standardizedFileURL.path
    }
    return Experiment(
      name: try nodes["name"].map(scalar) ?? url.deletingPathExtension().lastPathComponent, table: table,
      space: space, horizon: horizon, policy: policy, seeds: try readSeeds(try required("seeds")),
      methods: try readMethods(try required("methods")))
  }

  private func readPolicy(_ node: Node) throws -> BudgetPolicy {
    guard let mapping = node.mapping else {
      return try located(node) { try BudgetPolicy.named(try scalar(node)) }
    }
    var policy = BudgetPolicy.fair
    if let base = mapping["base"] { policy = try located(base) { try BudgetPolicy.named(try scalar(base)) } }
    for (key, value) in mapping {
      let name = try scalar(key)
      if name != "base" { try located(value) { try policy.set(name, to: try scalar(value)) } }
    }
    return policy
  }

  private func readSeeds(_ node: Node) throws -> [UInt64] {
    guard let sequence = node.sequence else {
      return try located(node) { try Experiment.seeds(try scalar(node)) }
    }
    let seeds = try sequence.map { item in
      guard let seed = UInt64(try scalar(item)) else {
        throw failure(item, SettingError("a seed is a whole number from 0 on"))
      }
      return seed
    }
    guard !seeds.isEmpty, Set(seeds).count == seeds.count else {
      throw failure(node, SettingError("seeds must be at least one, and no seed twice"))
    }
    return seeds
  }

  private func readMethods(_ node: Node) throws -> [MethodEntry] {
    guard let sequence = node.sequence, !sequence.isEmpty else {
      throw failure(node, SettingError("methods must be a list, an item as in '- random-search'"))
    }
    let entries = try sequence.map { item -> Experiment.Entry in
      let nameNode: Node
      var values: [String: String] = [:]
      var lines: [String: Node] = [:]
      var label: String?
      var seeds: [UInt64]?
      if let mapping = item.mapping {
        guard mapping.count == 1, let (key, value) = mapping.first(where: { _ in true }) else {
          throw failure(item, SettingError("write one method an item, as in '- tpe: {gamma: 0.2}'"))
        }
        nameNode = key
        guard let settings = value.mapping else {
          throw failure(value, SettingError("settings are a mapping, as in {population: 20}"))
        }
        for (key, value) in settings {
          let name = try scalar(key)
          if name == "label" {
            label = try scalar(value)
          } else if name == "seeds" {
            seeds = try readSeeds(value)
          } else if let parts = value.mapping {
            // correlation: {cells: 200} is short for correlation-cells: 200
            for (key, value) in parts {
              let part = "\(name)-\(try scalar(key))"
              values[part] = try scalar(value)
              lines[part] = key
            }
          } else {
            values[name] = try scalar(value)
            lines[name] = key
          }
        }
      } else {
        nameNode = item
      }
      let type = try located(nameNode) { try registry.method(named: try scalar(nameNode)) }
      // One by one, so that a complaint has the setting's own line.
      for (name, value) in values.sorted(by: { $0.key < $1.key }) {
        try located(lines[name] ?? item) { _ = try Settings(type.method, [name: value]) }
      }
      let settings = try Settings(type.method, values)
      try located(item) { _ = try type.init(settings: settings) }
      return Experiment.Entry(label: label, method: type.method, settings: settings, seeds: seeds)
    }
    let methods = Experiment.labelled(entries)
    for (place, entry) in methods.enumerated()
    where methods[..<place].contains(where: { $0.label == entry.label }) {
      throw failure(
        sequence[place], SettingError("two methods are called '\(entry.label)'; give one a 'label'"))
    }
    return methods
  }

  private func scalar(_ node: Node) throws -> String {
    guard let scalar = node.scalar else {
      throw failure(node, SettingError("a single value is needed here"))
    }
    return scalar.string
  }

  private func failure(_ node: Node, _ problem: some CustomStringConvertible) -> ExperimentFileError {
    ExperimentFileError(file, line: node.mark?.line, problem.description)
  }

  /// Gives an error of the body the line of a node.
  private func located<T>(_ node: Node, _ body: () throws -> T) throws -> T {
    do { return try body() } catch let error as ExperimentFileError {
      throw error
    } catch { throw ExperimentFileError(file, line: node.mark?.line, "\(error)") }
  }
}
