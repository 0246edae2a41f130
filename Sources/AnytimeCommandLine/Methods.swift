import Anytime
import ArgumentParser
import OptimizerConformance

struct Methods: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the search methods, or describe one.",
    discussion: """
      EXAMPLES
        anytime methods
        anytime methods regularized-evolution
      """)

  @Argument(help: "A method's name.")
  var name: String?

  @Flag(help: "Print a digest of a few runs, which is the same in every process and on every machine.")
  var fingerprint = false

  func run() throws {
    guard let name else { return list(AnytimeCommand.registry.methods.map { $0.method }) }
    let type: any Optimizer.Type
    do { type = try AnytimeCommand.registry.method(named: name) } catch { throw UsageError("\(error)") }
    if fingerprint {
      print(try OptimizerConformance(type).fingerprint())
      return
    }
    let method = type.method
    print("\(method.title) (\(method.family.rawValue))\n\(method.summary)\n\(method.citation)")
    if !method.settings.isEmpty { print("\nSettings:") }
    for setting in method.settings {
      print("  \(setting.name): \(setting.summary)")
      print(
        "      \(setting.range)"
          + (setting.isRequired
            ? "; has to be given" : setting.defaultValue.isEmpty ? "" : "; default \(setting.defaultValue)"))
    }
    if !method.presets.isEmpty { print("\nPresets:") }
    for preset in method.presets {
      print("  preset=\(preset.name): \(preset.summary)")
      print(
        "      "
          + preset.values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ", "))
    }
  }

  /// Prints all methods with their settings. Settings that several methods share are printed once, with the defaults
  /// that differ.
  private func list(_ methods: [Method]) {
    struct Part {
      let name: String
      var methods: [Method] = []
      var settings: [Setting] = []
    }
    var parts: [Part] = []
    for method in methods {
      for setting in method.settings {
        guard let name = setting.part.map({ "\($0)" }) else { continue }
        let index = parts.firstIndex { $0.name == name } ?? parts.count
        if index == parts.count { parts.append(Part(name: name)) }
        if parts[index].methods.last?.name != method.name { parts[index].methods.append(method) }
        if !parts[index].settings.contains(where: { $0.name == setting.name }) {
          parts[index].settings.append(setting)
        }
      }
    }
    let shared = parts.filter { $0.methods.count > 1 }
    for method in methods {
      print("\(method.name) (\(method.family.rawValue)): \(method.citation)")
      let own = method.settings.filter { setting in
        !shared.contains { part in setting.part.map { "\($0)" } == part.name }
      }
      if !own.isEmpty { print(aligned(own.map { ["   \($0.name)", $0.defaultValue, $0.range] })) }
    }
    for part in shared {
      print("\nShared by \(part.methods.map(\.name).joined(separator: ", ")):")
      let lines = aligned(part.settings.map { ["   \($0.name)", $0.defaultValue, $0.range] })
      for (line, setting) in zip(lines.split(separator: "\n"), part.settings) {
        print(line + Self.exceptions(to: setting, in: part.methods))
      }
    }
    print("\nSettings with their defaults and ranges; 'anytime methods NAME' describes one method in full.")
  }

  /// A text, in brackets, on the methods that have another default for a shared setting or lack it.
  private static func exceptions(to setting: Setting, in methods: [Method]) -> String {
    var exceptions: [(value: String, methods: [String])] = []
    for method in methods {
      let own = method.settings.first { $0.name == setting.name }
      let value = own?.defaultValue ?? "absent"
      if value == setting.defaultValue { continue }
      if let index = exceptions.firstIndex(where: { $0.value == value }) {
        exceptions[index].methods.append(method.name)
      } else {
        exceptions.append((value, [method.name]))
      }
    }
    let text = exceptions.map { "\($0.value) in \($0.methods.joined(separator: ", "))" }.joined(separator: "; ")
    return text.isEmpty ? "" : "  (\(text))"
  }
}

struct Policies: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the budget policies: how a budget is spent and a result counted.")

  func run() throws {
    let policies = BudgetPolicy.all
    let rows = BudgetPolicy.settings.map { field in [field.name] + policies.map { field.text(in: $0) } }
    print(aligned([[""] + policies.map(\.name)] + rows))
    print()
    for field in BudgetPolicy.settings { print("\(field.name): \(field.summary) (\(field.range))") }
  }
}
