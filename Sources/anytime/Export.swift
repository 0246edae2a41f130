import ArgumentParser
import Foundation
import Reports

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write results to files.", subcommands: [ExportCurves.self, ExportTrace.self],
    defaultSubcommand: ExportCurves.self)
}

struct ExportCurves: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "curves",
    abstract: "Write regret curves as CSV and JSON, and every change of an incumbent as CSV.",
    discussion: """
      Makes NAME-curves.csv (a row per method, metric and spent budget), NAME-curves.json (the same, with \
      the experiment's identity) and NAME-events.csv (a row per change of an incumbent). Nothing is run again.

      EXAMPLE
        anytime export curves first.sqlite -o results/
      """)

  @OptionGroup var source: StoredExperiment

  @Option(name: .shortAndLong, help: "A folder.")
  var output = "."

  @Option(help: "Points on the grid of spent budget.")
  var points = 200

  func validate() throws {
    if points < 2 { throw ValidationError("--points must be at least 2") }
  }

  func run() throws {
    for url in try writeCurves(Curves(try source.results(), gridSize: points), folder: output) {
      print(url.relativePath)
    }
  }
}

/// Writes all formats into a folder and returns the files.
func writeCurves(_ curves: Curves, folder: String) throws -> [URL] {
  do { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) } catch {
    throw Failure("the folder \(folder) cannot be made: check its path and permissions")
  }
  return try CurveExport.all.map { export in
    let name = curves.results.experiment.name.replacing("/", with: "-")
    let url = URL(filePath: folder).appending(path: "\(name)-\(export.fileName)")
    try writeWhole(export.render(curves), to: url)
    return url
  }
}

struct Plot: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw regret curves.",
    discussion: """
      EXAMPLES
        anytime plot first.sqlite -o regret.svg
        anytime plot first.sqlite -o regret.pdf --metric validation --center median --linear-x
      """)

  @OptionGroup var source: StoredExperiment

  @Option(name: .shortAndLong, help: "A .svg, .pdf or .png file.")
  var output: String

  @Option(help: "test or validation. Default: test, where the table has it.")
  var metric: RegretMetric?

  @Option(help: "mean (band: standard error) or median (band: quartiles).")
  var center: RegretPlot.Center = .mean

  @Flag(help: "A linear axis of spent budget.")
  var linearX = false

  @Flag(help: "A linear axis of regret.")
  var linearY = false

  func validate() throws {
    guard ["svg", "pdf", "png"].contains(URL(filePath: output).pathExtension.lowercased()) else {
      throw ValidationError("\(output) must end in .svg, .pdf or .png")
    }
  }

  func run() throws {
    let curves = Curves(try source.results())
    try RegretPlot(
      metric: metric ?? curves.defaultMetric, center: center, logX: !linearX, logY: !linearY
    ).write(curves, to: URL(filePath: output))
    print(output)
  }
}

extension RegretMetric: ExpressibleByArgument {}
extension RegretPlot.Center: ExpressibleByArgument {}
