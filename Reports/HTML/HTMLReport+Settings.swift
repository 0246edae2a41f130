import Anytime
import Experiments
import Foundation
import TabularBenchmark

/// The settings, the table, and the commands that make the results again.
extension HTMLReport {
  var settings: HTML? {
    let policy = HTMLTable(
      caption: "Budget policy \(experiment.policy)", columns: ["Part", "Value", "In policy fair"],
      rows: BudgetPolicy.settings.map { field in
        ("\(field.name)", ["\(field.text(in: experiment.policy))", "\(field.defaultValue)"])
      }, isWords: true)
    let methods = experiment.methods.enumerated().map { index, entry in
      methodSettings(entry, after: experiment.methods[..<index].first { $0.method == entry.method })
    }
    return "\(methods)\(policy.html)"
  }

  /// - Parameter first: The first entry of the same method: of later ones, only what differs from it is shown.
  private func methodSettings(_ entry: MethodEntry, after first: MethodEntry?) -> HTML {
    let method = try? registry.method(named: entry.method).method
    let values = entry.settings.values
    let shown = (method?.settings ?? []).filter { setting in
      first.map { $0.settings.values[setting.name] != values[setting.name] } ?? true
    }
    let about: HTML
    switch first {
    case let first?: about = "As \(name(first.label))\(shown.isEmpty ? "." : ", but for:")"
    case nil: about = "\(method.map { "\($0.title): \($0.summary) \($0.citation)." } ?? entry.method)"
    }
    let rows = shown.sorted { $0.name < $1.name }.map { setting -> (name: HTML, cells: [HTML]) in
      let given: HTML = values[setting.name].map { "<strong>\($0)</strong>" } ?? "\(setting.defaultValue)"
      return ("\(setting.name)", [given, "\(setting.defaultValue)", "\(setting.summary)"])
    }
    let table: HTML =
      rows.isEmpty
      ? (first == nil ? "<p>There is nothing to set.</p>\n" : "")
      : HTMLTable(
        caption: "Settings of \(entry.label)", columns: ["Setting", "Value", "Default", "What it does"], rows: rows,
        isWords: true
      ).html
    return "<h3>\(name(entry.label))</h3>\n<p>\(about)</p>\n\(table)"
  }

  var provenance: HTML? {
    var rows: [(name: HTML, cells: [HTML])] = [
      ("Table", ["\(experiment.table)"]), ("Checksum", ["<code>\(results.tableChecksum)</code>"]),
    ]
    if let table = benchmark?.table {
      rows.append(("Cells", ["\(table.rowCount)"]))
      rows.append(("Epochs", ["\(table.epochs.map(String.init).joined(separator: ", "))"]))
      rows.append(("Trainings per cell and epoch count", ["at most \(table.repeats)"]))
      rows += table.provenance.sorted { $0.key < $1.key }.map { ("\($0.key)", ["\($0.value)"]) }
    }
    let note: HTML =
      benchmark == nil
      ? """
      <p>The table itself was not at hand when this page was written: its own record of where it comes from is \
      absent.</p>

      """
      : ""
    return """
      \(note)\(HTMLTable(
        caption: "The table that every training was looked up in", columns: ["", "Value"], rows: rows, isWords: true
      ).html)
      """
  }

  var reproduction: HTML? {
    let file = "\(FileNames.name(experiment.name)).yaml"
    let exceptions = [
      experiment.policy.chargeOverhead ? "charged own time is measured" : nil, results.numericsText,
    ].compactMap { $0 }.joined(separator: ", and ")
    return """
      <p>Save this as <code>\(file)</code>:</p>
      <pre tabindex="0"><code>\(experiment.yaml(registry: registry))</code></pre>
      <p>and run:</p>
      <pre tabindex="0"><code>./anytime compare \(Self.shell(file))
      ./anytime report \(Self.shell(file))</code></pre>
      <p>A run is a function of its method, settings, space, table, policy, horizon and seed: the same table, whose \
      checksum is <code>\(results.tableChecksum)</code>, gives the same numbers on any machine and any number of \
      threads\(exceptions.isEmpty ? "" : ", except that " + exceptions).</p>

      """
  }

  /// A word for a shell.
  private static func shell(_ word: String) -> String {
    let plain = word.utf8.allSatisfy { byte in
      byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
    return plain && !word.hasPrefix("-") ? word : "'" + word.replacing("'", with: "'\\''") + "'"
  }
}
