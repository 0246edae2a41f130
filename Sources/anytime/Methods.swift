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
    guard let name else {
      let methods = AnytimeCommand.registry.methods.map { $0.method }
      for method in methods {
        print("\(method.name) (\(method.family.rawValue)): \(method.citation)")
        let rows = method.settings.map { ["   \($0.name)", $0.defaultValue, $0.range] }
        if !rows.isEmpty { print(aligned(rows)) }
      }
      print("\nSettings with their defaults and ranges; 'anytime methods NAME' describes one method in full.")
      return
    }
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
        "      \(setting.range)" + (setting.defaultValue.isEmpty ? "" : "; default \(setting.defaultValue)"))
    }
    if !method.presets.isEmpty { print("\nPresets:") }
    for preset in method.presets {
      print("  preset=\(preset.name): \(preset.summary)")
      print(
        "      "
          + preset.values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ", "))
    }
  }
}

struct Policies: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the budget policies: how a budget is spent and a result counted.")

  func run() throws {
    let policies = BudgetPolicy.all
    print(
      aligned(
        [[""] + policies.map(\.name)]
          + BudgetPolicy.keys.map { key in [key] + policies.map { $0.text(of: key) } }))
  }
}
