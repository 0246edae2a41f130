import ArgumentParser
import Foundation
import Reports

struct ExportLatex: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "latex",
    abstract: "Write regret, ranks and reached targets for pgfplots, and the leaderboard with booktabs' rules.",
    discussion: """
      Writes NAME-curves.tex, NAME-ranks.tex and NAME-ecdf.tex (tikzpictures) and NAME-table.tex (a tabular), to be \
      used with \\input. The first lines of each name the packages that it needs and its experiment.

      EXAMPLES
        anytime export latex first.sqlite -o paper/
        anytime export latex first.sqlite -o paper/ --center bootstrap --metric validation
      """)

  @OptionGroup var source: StoredExperiment
  @OptionGroup var counting: CountingOptions

  @Option(name: .shortAndLong, help: "The folder to write into.")
  var output = "."

  @Option(help: ArgumentHelp("The meaning of lines and bands: median, mean, bootstrap or runs."))
  var center: CurveCenter = .median

  func run() throws {
    let curves = Curves(
      try counting.runs(try source.results()), bootstrap: center == .bootstrap, metric: counting.metric)
    let formats = CurveExport.latex(metric: counting.metric, center: center)
    for path in try writeCurves(curves, folder: output, formats: formats, source: source.source) { print(path) }
  }
}
