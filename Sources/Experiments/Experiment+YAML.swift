import Anytime
extension Experiment {
  /// Writes the experiment as YAML that ``init(yaml:file:registry:)`` reads as the same experiment.
  ///
  /// - Parameter registry: Tells which settings are files, for which paths are written instead of digests.
  public func yaml(registry: Registry) -> String {
    var lines = [
      "name: \(Self.quoted(name))", "table: \(Self.quoted(table))", "space: \(Self.quoted(space))",
      "policy: \(policyText)", "horizon: \(horizon)", "seeds: \(Self.text(of: seeds))", "methods:",
    ]
    for entry in methods {
      let known = (try? registry.method(named: entry.method))?.method.settings ?? []
      let settings = entry.settings.values.sorted { $0.key < $1.key }.map { name, value in
        "\(name): \(Self.quoted(known.first { $0.name == name }?.entry(value) ?? value))"
      }
      let own = entry.seeds.map { ["seeds: \(Self.text(of: $0))"] } ?? []
      let parts = ["label: \(Self.quoted(entry.label))"] + own + settings
      lines.append("  - \(entry.method): {\(parts.joined(separator: ", "))}")
    }
    return lines.joined(separator: "\n") + "\n"
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
