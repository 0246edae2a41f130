import Anytime
import TabularBenchmark

extension Experiment {
  /// Writes the experiment as YAML that ``init(yaml:file:registry:)`` reads as the same experiment.
  ///
  /// - Parameter registry: Tells which settings are files, for which paths are written instead of digests.
  public func yaml(registry: Registry) -> String {
    var lines = [
      "name: \(Self.quoted(name))", "table: \(Self.quoted(table))", "space: \(Self.quoted(space))",
      "policy: \(policyText)", "horizon: \(horizon)", "seeds: \(Self.text(of: seeds))",
    ]
    lines += (holes.map { ["holes: \($0.rawValue)"] } ?? []) + ["methods:"]
    for (label, group) in groups {
      guard let first = group.first else { continue }
      let known = (try? registry.method(named: first.method))?.method.settings ?? []
      func quoted(_ value: String, of name: String) -> String {
        let setting = known.first { $0.name == name }
        let entry = setting?.entry(value, in: registry) ?? value
        if setting?.isStructured ?? false, let value = SettingValue(text: entry) { return value.flow }
        return Self.quoted(entry)
      }
      let settings = Self.common(group).sorted { $0.key < $1.key }.map { "\($0): \(quoted($1, of: $0))" }
      var parts = ["label: \(Self.quoted(label))"] + (first.seeds.map { ["seeds: \(Self.text(of: $0))"] } ?? [])
      if let design = first.variation?.design {
        let factors = Self.factors(group).map { factor in
          (factor.name, "[\(factor.levels.map { quoted($0, of: factor.name) }.joined(separator: ", "))]")
        }
        parts.append(
          design == .horizons
            ? "horizons: \(factors.first?.1 ?? "[]")"
            : "\(design.rawValue): {\(factors.map { "\($0): \($1)" }.joined(separator: ", "))}")
      }
      lines.append("  - \(first.method): {\((parts + settings).joined(separator: ", "))}")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// The entries that were given as one, with the label that they have in common.
  private var groups: [(label: String, entries: [MethodEntry])] {
    var groups: [(label: String, entries: [MethodEntry])] = []
    for entry in methods {
      if let variation = entry.variation, let last = groups.last?.entries.last?.variation,
        (last.study, last.design) == (variation.study, variation.design)
      {
        groups[groups.count - 1].entries.append(entry)
      } else {
        groups.append((entry.variation?.study ?? entry.label, [entry]))
      }
    }
    return groups
  }

  /// The settings that entries have in common: of a factor, the value of those that do not show it.
  private static func common(_ group: [MethodEntry]) -> [String: String] {
    guard let first = group.first, first.variation != nil else { return group.first?.settings.values ?? [:] }
    var common = first.settings.values
    for name in Set(group.flatMap { $0.variation?.levels.keys.map { $0 } ?? [] }) {
      common[name] = group.first { $0.variation?.levels[name] == nil }?.settings.values[name]
    }
    return common
  }

  /// The factors of a group with their levels, in the order in which they came.
  package static func factors(_ group: [MethodEntry]) -> [Factor] {
    var factors: [Factor] = []
    for entry in group {
      for (name, level) in (entry.variation?.levels ?? [:]).sorted(by: { $0.key < $1.key }) {
        if let index = factors.firstIndex(where: { $0.name == name }) {
          if !factors[index].levels.contains(level) { factors[index].levels.append(level) }
        } else {
          factors.append(Factor(name, [level]))
        }
      }
    }
    return factors
  }

  private var policyText: String {
    let named = try? BudgetPolicy.named(policy.name)
    let changes =
      named.map(policy.differences) ?? BudgetPolicy.settings.map { ($0.name, $0.text(in: policy)) }
    guard !changes.isEmpty else { return policy.name }
    let parts = changes.map { "\($0.name): \($0.value)" }
    return "{base: \(policy.name), \(parts.joined(separator: ", "))}"
  }

  private static func text(of seeds: [UInt64]) -> String {
    guard let first = seeds.first, let last = seeds.last, last >= first,
      last - first == UInt64(seeds.count - 1), seeds.elementsEqual(first...last)
    else { return "[\(seeds.map(String.init).joined(separator: ", "))]" }
    return first == 0 ? String(seeds.count) : seeds.count == 1 ? "[\(first)]" : "\(first)-\(last)"
  }

  /// A YAML scalar: plain where it cannot be misread, quoted otherwise.
  private static func quoted(_ text: String) -> String {
    let plain = text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "/"), UInt8(ascii: "_"),
        UInt8(ascii: "-"):
        true
      default: false
      }
    }
    let start = text.utf8.first
    if plain, let start, start != UInt8(ascii: "-"), start != UInt8(ascii: ".") { return text }
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case "\r": result += "\\r"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
