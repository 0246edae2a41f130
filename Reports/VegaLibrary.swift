import Foundation

/// Vega's JavaScript, read where it is installed, to be put into a page.
public struct VegaLibrary: Sendable {
  /// A script that defines `vegaModules`, from which the page's script assembles Vega, or `vega` itself.
  package let script: String
  /// Whether the script makes functions out of text, as Vega's bundle does. Modules come with an interpreter.
  package let evaluatesText: Bool

  /// The folder of the modules of Debian's package `libjs-vega`.
  public static let standardPath = "/usr/share/javascript/vega"

  /// The modules that lines and their axes need.
  private static let modules = [
    "canvas", "dataflow", "encode", "event-selector", "expression", "format", "functions", "interpreter",
    "loader", "parser", "runtime", "scale", "scenegraph", "selection", "statistics", "time", "transforms",
    "util", "view", "view-transforms",
  ]

  private static let notice = """
    /* Vega (https://vega.github.io), copyright 2015-2021, UW Interactive Data Lab, BSD-3-Clause: redistribution
       and use in source and binary forms, with or without modification, are permitted provided that this
       copyright notice, these conditions and this disclaimer are retained, and that neither the name of the
       University nor the names of its contributors are used to endorse products derived from this software
       without permission. Provided "as is", without any warranty; in no event shall the holders or contributors
       be liable for any damages arising from its use.
       Parts: D3 (https://d3js.org), copyright Mike Bostock, ISC; Esprima, copyright Ariya Hidayat and others,
       BSD-2-Clause. */

    """

  /// Reads Vega.
  ///
  /// - Parameter path: The folder of `libjs-vega`, or a bundle such as `vega.min.js`.
  /// - Throws: ``ReportError``, which says how to install it.
  public init(path: String = standardPath) throws(ReportError) {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw ReportError(
        "plots need Vega, which is not in \(path); install it with 'apt-get install libjs-vega', or name its file")
    }
    if !isFolder.boolValue {
      script = Self.notice + (try Self.read(path))
      evaluatesText = true
      return
    }
    var text = Self.notice + "const vegaModules = {\n"
    for module in Self.modules {
      let source = try Self.read("\(path)/vega-\(module).min.js")
      text += "\"vega-\(module)\": (module, exports, require) => {\n\(source)\n},\n"
    }
    script = text + "};\n"
    evaluatesText = false
  }

  /// A script without the address of its source map, and without what would end a script in a page.
  private static func read(_ path: String) throws(ReportError) -> String {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw ReportError(
        "plots need Vega, whose file \(path) cannot be read; install it anew with 'apt-get install libjs-vega'")
    }
    return text.split(separator: "\n", omittingEmptySubsequences: false)
      .filter { !$0.hasPrefix("//# sourceMappingURL=") }.joined(separator: "\n")
      .replacing("</script", with: "<\\/script").replacing("<!--", with: "<\\!--")
  }
}
