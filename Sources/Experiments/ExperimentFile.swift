import Anytime
import Foundation
import SearchSpaces
import TabularBenchmark
import Yams

/// The reason why an experiment file is wrong, with its line.
public struct ExperimentFileError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String

  /// - Parameter file: The file's path; `nil` for an experiment given by flags.
  init(_ file: String?, line: Int?, _ problem: String) {
    // Flags have no lines.
    let location = file.map { [$0, line.map { "line \($0)" }].compactMap { $0 }.joined(separator: ", ") } ?? ""
    // One line, whatever words of the file are in it.
    description = (location.isEmpty ? problem : "\(location): \(problem)").inOneLine
  }

  /// Runs a body; an error of it gets a place that it does not know.
  static func located<T>(at place: String, _ body: () throws -> T) throws -> T {
    do { return try body() } catch { throw ExperimentFileError(place, line: nil, "\(error)") }
  }
}

extension Experiment {
  /// Reads an experiment file in YAML:
  ///
  ///     name: first-comparison        # used in files and captions; the file's name if absent
  ///     table: embedded               # or the path of a table, relative to this file
  ///     space: 1
  ///     policy: fair                  # or a mapping: {base: fair, charge-overhead: true}
  ///     horizon: 10min                # benchmark seconds, or with s, min, h, d; a number in other currencies
  ///     seeds: 50                     # 0 to 49; or 10-19; or [1, 2, 3]
  ///     holes: refuse                 # or skip: leave out trainings of the table that lack a number
  ///     methods:
  ///       - random-search
  ///       - regularized-evolution: {population: 20, sample: 5}
  ///       - regularized-evolution: {label: big population, population: 200}
  ///       - darts: {preset: quick, seeds: 3, correlation: {cells: 100}}
  ///       - gdas: {preset: quick, vary: {weight-decay: [1e-4, 3e-4, 9e-4]}}   # an entry per level
  ///       - restarted: {method: {darts: {preset: quick}}}                     # a method of a method
  ///
  /// `vary` combines the levels of all its factors, `vary-each` varies one at a time. `horizons: [10, 20, 30]` plans a
  /// method for each of these numbers of epochs.
  ///
  /// - Throws: ``ExperimentFileError``, which names the line and the nearest valid word.
  public init(yaml text: String, file: String, registry: Registry) throws {
    let root = try YAMLReader.root(of: text, file: file)
    let folder = URL(filePath: file).deletingLastPathComponent()
    self = try ExperimentReader(file: file, registry: registry.at(folder)).read(root)
  }

  /// Reads an experiment from the words of a command line.
  ///
  /// - Parameters:
  ///   - parts: The values by the keys of a file: `name`, `table`, `space`, `policy` (a name, perhaps followed by
  ///     `key=value` after commas), `horizon`, `seeds`, `holes`. Absent ones have their defaults.
  ///   - methods: Methods with settings, as in `tpe` or `regularized-evolution:population=20,sample=5`; or in the
  ///     words of a file, as in `restarted:{method: {darts: {preset: quick}}}`.
  /// - Throws: ``ExperimentFileError``.
  public init(parts: [String: String], methods: [String], registry: Registry) throws {
    func mapping(_ text: Substring) throws -> Node {
      Node(
        try text.split(separator: ",").map { part in
          let words = part.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
          guard words.count == 2 else { throw SettingError("'\(part)' should be written as name=value") }
          return (Node(words[0]), Node(words[1]))
        })
    }
    var pairs: [(Node, Node)] = []
    for (name, text) in parts {
      var value = Node(text)
      if name == "policy", let comma = text.firstIndex(of: ",") {
        value = try ExperimentFileError.located(at: "--policy '\(text)'") {
          try mapping("base=\(text[..<comma]),\(text[comma...].dropFirst())")
        }
      }
      pairs.append((Node(name), value))
    }
    let flags = methods.map { "--method '\($0)'" }
    let items = try zip(methods, flags).map { text, flag in
      try ExperimentFileError.located(at: flag) {
        let words = text.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
        let name = Node(words.first ?? "")
        guard words.count == 2 else { return name }
        guard words[1].hasPrefix("{") else { return Node([(name, try mapping(words[1][...]))]) }
        return try YAMLReader.root(of: words[1], file: nil).map { Node([(name, $0)]) } ?? name
      }
    }
    pairs.append((Node("methods"), Node(items)))
    self = try ExperimentReader(file: nil, flags: flags, registry: registry).read(Node(pairs))
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

  /// Reads a budget: a number in the policy's currency, or a time in `s`, `min`, `h` or `d`.
  ///
  /// - Throws: `SettingError`.
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
    let value = (Double(number) ?? .nan) * factor
    guard value > 0, value.isFinite else {
      throw SettingError(
        "'\(text)' is no horizon; write a positive number of \(currency.rawValue)"
          + (currency == .seconds ? ", or a time such as 90s, 30min, 2h or 1d" : ""))
    }
    return value
  }

  /// Reads seeds: a number of seeds, which start at 0, or a range such as `10-19`.
  ///
  /// - Throws: `SettingError`.
  public static func seeds(_ text: String) throws(SettingError) -> [UInt64] {
    if let count = Int(text), (1...1_000_000).contains(count) { return (0..<UInt64(count)).map { $0 } }
    let bounds = text.split(separator: "-").compactMap { UInt64($0) }
    if bounds.count == 2, bounds[0] <= bounds[1], bounds[1] - bounds[0] < 1_000_000 {
      return Array(bounds[0]...bounds[1])
    }
    throw SettingError("'\(text)' are no seeds; write how many, as in 50, or a range, as in 10-19")
  }
}

/// Walks the nodes of a parsed file, so that every complaint knows its line.
private struct ExperimentReader {
  /// The file's path; `nil` for an experiment given by flags.
  let file: String?
  /// The flags that gave the methods, if there is no file.
  var flags: [String] = []
  let registry: Registry

  private static let keys = ["name", "table", "space", "policy", "horizon", "seeds", "holes", "methods"]

  func read(_ root: Node?) throws -> Experiment {
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
        throw ExperimentFileError(file, line: nil, file == nil ? "--\(name) is missing" : "'\(name)' is missing")
      }
      return node
    }

    let policy = try nodes["policy"].map(readPolicy) ?? .fair
    let spaceNode = file == nil ? nodes["space"] ?? Node("1") : try required("space")
    let space = try scalar(spaceNode)
    guard SearchSpace(named: space) != nil else {
      throw failure(spaceNode, UnknownWord(space, kind: "search space", known: SearchSpace.all.map(\.name)))
    }
    let holes = try nodes["holes"].map { node in
      let word = try scalar(node)
      guard let holes = Benchmark.Holes(rawValue: word) else {
        throw failure(
          node, UnknownWord(word, kind: "value for 'holes'", known: Benchmark.Holes.allCases.map(\.rawValue)))
      }
      return holes
    }
    let horizon: Double
    if nodes["horizon"] == nil, let fixed = policy.defaultHorizon {
      horizon = fixed
    } else {
      let node = try required("horizon")
      horizon = try located(node) { try Experiment.horizon(try scalar(node), in: policy.currency) }
    }
    let url = file.map { URL(filePath: $0) }
    var table = try nodes["table"].map(scalar) ?? "embedded"
    if table != "embedded" {
      // Results can be reported on from any folder.
      table = URL(filePath: table, relativeTo: url?.deletingLastPathComponent()).standardizedFileURL.path
    }
    let experiment = Experiment(
      name: try nodes["name"].map(scalar) ?? url?.deletingPathExtension().lastPathComponent ?? "experiment",
      table: table, space: space, horizon: horizon, policy: policy, seeds: try readSeeds(try required("seeds")),
      methods: try readMethods(try required("methods")), holes: holes == .refuse ? nil : holes)
    try located(nodes["name"] ?? root) { try experiment.validate() }
    return experiment
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
    let entries = try sequence.enumerated().map { index, item in
      try given(index) {
        let entry = try readEntry(item)
        // Settings that vary contradict each other, or not, with their levels.
        if !entry.factors.isEmpty { try located(item) { _ = try Experiment.labelled([entry], registry: registry) } }
        return entry
      }
    }
    var methods: [MethodEntry] = []
    // Entries that vary have one name in common, and one each.
    var names: Set<String> = []
    for (index, group) in try Experiment.labelled(entries, registry: registry).enumerated() {
      for var entry in group {
        if let name = [entry.variation?.study, entry.label].compactMap({ $0 }).first(where: names.contains) {
          let isRepeated = methods.contains { $0.method == entry.method && $0.settings == entry.settings }
          try given(index) {
            throw failure(
              sequence[index],
              SettingError(
                file == nil && isRepeated
                  ? "the method '\(name)' is given twice with the same settings; leave one out"
                  : "two methods are called '\(name)'; give one a 'label'"))
          }
        }
        names.insert(entry.label)
        entry.place.text = place(of: sequence[index]) ?? flags[index]
        methods.append(entry)
      }
      if let study = group.first?.variation?.study { names.insert(study) }
    }
    return methods
  }

  /// Runs a body on an entry; an error of it gets the entry's flag, if there is no file with lines.
  private func given<T>(_ index: Int, _ body: () throws -> T) throws -> T {
    try file == nil ? ExperimentFileError.located(at: flags[index], body) : body()
  }

  private func readEntry(_ item: Node) throws -> Experiment.Entry {
    guard let mapping = item.mapping else {
      let method = try located(item) { try registry.method(named: try scalar(item)).method }
      return Experiment.Entry(method: method, settings: try readSettings([:], [:], of: method, item))
    }
    guard mapping.count == 1, let (nameNode, value) = mapping.first(where: { _ in true }) else {
      throw failure(item, SettingError("write one method an item, as in '- tpe: {gamma: 0.2}'"))
    }
    let method = try located(nameNode) { try registry.method(named: try scalar(nameNode)).method }
    guard let settings = value.mapping else {
      throw failure(value, SettingError("settings are a mapping, as in {population: 20}"))
    }
    var entry = Experiment.Entry(method: method, settings: try Settings(method))
    var values: [String: String] = [:]
    var lines: [String: Node] = [:]
    for (key, value) in settings {
      let name = try scalar(key)
      switch name {
      case "label", "name":
        guard entry.label == nil else { throw failure(key, SettingError("'label' and 'name' mean the same; give one")) }
        let label = try scalar(value)
        try located(value) { try Experiment.check(label, "the method's label") }
        entry.label = label
      case "seeds": entry.seeds = try readSeeds(value)
      case "vary", "vary-each", "horizons":
        guard entry.factors.isEmpty, let design = Variation.Design(rawValue: name) else {
          throw failure(key, SettingError("give one of vary, vary-each and horizons; vary takes several settings"))
        }
        entry.design = design
        entry.factors = try readFactors(value, design, of: method)
      default:
        if let parts = value.mapping, !(method.settings.first { $0.name == name }?.isStructured ?? false) {
          // correlation: {cells: 200} is short for correlation-cells: 200
          for (key, value) in parts {
            let part = "\(name)-\(try scalar(key))"
            values[part] = try scalar(value)
            lines[part] = key
          }
        } else {
          values[name] =
            method.settings.first { $0.name == name }?.isStructured ?? false
            ? try readValue(value).text : try scalar(value)
          lines[name] = key
        }
      }
    }
    for factor in entry.factors where entry.design != .each {
      // With `vary-each`, it is what the entry has while others vary.
      guard let key = lines[factor.name] else { continue }
      throw failure(
        key, SettingError("'\(factor.name)' is given, and '\(entry.design.rawValue)' varies it; leave one of them out"))
    }
    entry.settings = try readSettings(values, lines, of: method, item, isWhole: entry.factors.isEmpty)
    return entry
  }

  /// - Parameters:
  ///   - lines: Where each value is.
  ///   - item: Where the method is.
  ///   - isWhole: Whether no others are to come.
  private func readSettings(
    _ values: [String: String], _ lines: [String: Node], of method: Method, _ item: Node, isWhole: Bool = true
  ) throws -> Settings {
    // One by one, so that a complaint has the setting's own line.
    for (name, value) in values.sorted(by: { $0.key < $1.key }) {
      try located(lines[name] ?? item) { _ = try Settings(method, [name: value], in: registry) }
    }
    let settings = try Settings(method, values, in: registry)
    if isWhole { try located(item) { _ = try registry.optimizer(named: method.name, settings) } }
    return settings
  }

  /// Reads `{weight-decay: [1e-4, 3e-4], momentum: [0, 0.9]}`, or the list of `horizons`.
  private func readFactors(_ node: Node, _ design: Variation.Design, of method: Method) throws -> [Factor] {
    func levels(_ name: String, _ node: Node, of title: String, asIn example: String) throws -> [String] {
      func wrong(_ node: Node, _ what: String) -> ExperimentFileError {
        failure(node, SettingError("levels of '\(title)' are a list without repetitions, \(what)"))
      }
      guard let items = node.sequence, !items.isEmpty else { throw wrong(node, "as in \(example)") }
      let isStructured = method.settings.first { $0.name == name }?.isStructured ?? false
      var known: Set<String> = []
      return try items.map { item in
        let level = isStructured ? try readValue(item) : .word(try scalar(item))
        // Equal values have equal canonical text, whatever they were written as; that of the default is absent.
        let canonical = try located(item) { try Settings(method, [name: level.text], in: registry).values[name] ?? "" }
        guard known.insert(canonical).inserted else { throw wrong(item, "and \(level.flow) is one; leave it out") }
        return level.text
      }
    }
    if design == .horizons {
      guard method.settings.contains(where: { $0.name == "epochs" }) else {
        throw failure(node, SettingError("\(method.name) is planned for no number of epochs, so it has no 'horizons'"))
      }
      return [Factor("epochs", try levels("epochs", node, of: "horizons", asIn: "[10, 30]"))]
    }
    guard let mapping = node.mapping, !mapping.isEmpty else {
      throw failure(
        node, SettingError("write the settings that vary with their levels, as in {weight-decay: [1e-4, 1e-3]}"))
    }
    return try mapping.map { key, value in
      let name = try scalar(key)
      // A misspelt name has its own line.
      if !method.settings.contains(where: { $0.name == name }) {
        throw failure(
          key, UnknownWord(name, kind: "setting of \(method.name)", known: method.settings.map(\.name)))
      }
      return Factor(name, try levels(name, value, of: name, asIn: "[1e-4, 1e-3]"))
    }.sorted { $0.name < $1.name }
  }

  private func readValue(_ node: Node) throws -> SettingValue {
    if let sequence = node.sequence { return .list(try sequence.map(readValue)) }
    guard let mapping = node.mapping else { return .word(try scalar(node)) }
    var values: [String: SettingValue] = [:]
    for (key, value) in mapping {
      guard values.updateValue(try readValue(value), forKey: try scalar(key)) == nil else {
        throw failure(key, SettingError("'\(try scalar(key))' is given twice"))
      }
    }
    return .mapping(values)
  }

  private func scalar(_ node: Node) throws -> String {
    guard let scalar = node.scalar else {
      throw failure(node, SettingError("a single value is needed here"))
    }
    return scalar.string
  }

  /// The file with a node's line; `nil` for an experiment given by flags.
  private func place(of node: Node) -> String? {
    file.map { [$0, node.mark.map { "line \($0.line)" }].compactMap { $0 }.joined(separator: ", ") }
  }

  private func failure(_ node: Node, _ problem: some CustomStringConvertible) -> ExperimentFileError {
    ExperimentFileError(place(of: node), line: nil, problem.description)
  }

  /// Runs a body; an error of it gets the line of a node.
  private func located<T>(_ node: Node, _ body: () throws -> T) throws -> T {
    do { return try body() } catch let error as ExperimentFileError {
      throw error
    } catch { throw failure(node, "\(error)") }
  }
}
