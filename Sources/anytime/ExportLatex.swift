import ArgumentParser
import Foundation
import Reports

struct ExportLatex: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "latex",
    abstract: "Write regret, ranks and reached targets for pgfplots, and the leaderboard with booktabs' rules.",
    discussion: """
      Makes NAME-curves.tex, NAME-ranks.tex and NAME-ecdf.tex (tikzpictures) and NAME-table.tex (a tabular), to be \
      used with \\input. Each says in its first lines which packages it needs and which experiment it is of.

      EXAMPLES
        anytime export latex first.sqlite -o paper/
        anytime export latex first.sqlite -o paper/ --center bootstrap --metric validation
      """)

  @OptionGroup var source: StoredExperiment
  @OptionGroup var counting: CountingOptions

  @Option(name: .shortAndLong, help: "A folder.")
  var output = "."

  @Option(help: ArgumentHelp("median, mean, bootstrap or runs: what lines and bands show."))
  var center: CurveCenter = .median

  func run() throws {
    let curves = Curves(
      try counting.runs(try source.results()), bootstrap: center == .bootstrap, metric: counting.metric)
    let formats = CurveExport.latex(metric: counting.metric, center: center)
    for path in try writeCurves(curves, folder: output, formats: formats, source: source.source) { print(path) }
  }
}
