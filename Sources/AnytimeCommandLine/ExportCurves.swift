import ArgumentParser
import Foundation
import Reports
import Statistics

struct ExportCurves: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "curves",
    abstract: "Write curves, raw events, ranks, targets and tests as CSV and JSON.",
    discussion: """
      Writes these files, each with the experiment's name in front. Regrets are fractions. CSV follows RFC 4180, \
      with labels as they are: import them as text into a spreadsheet.

        curves.csv, .json   a row per method, metric and spent budget: mean, standard error, quartiles
        events.csv, .json   a row per method, seed and change of the incumbent: the raw data
        ranks.csv           average rank by method and spent budget: over common seeds, whose number is 'seeds', or of
                            a run among one of each other method where few are common; 'seeds' is empty then
        ecdf.csv            the fraction of runs and targets reached by method and spent budget
        targets.csv         success rate and expected running time by method and target
        leaderboard.csv     a row per method: final regret (mean, error and BCa interval of the n runs with a result,
                            median and quartiles of all runs), areas under the curve
        significance.csv    a row per budget (1, 10, 100 %) and pair of methods: p-values, effect sizes
        experiment.json     all that determines the runs (table checksum, horizon, seeds, policy, settings, version),
                            and the failed runs with their reasons, which are in no other file

      Methods with 'horizons' have one more curve, 'LABEL, envelope': at each budget the final results of the entry \
      planned for the most epochs that has ended by then.

      EXAMPLES
        anytime export curves first.sqlite -o results/
        anytime export curves first.sqlite --accounting final-training-charged --bootstrap -o charged/
        anytime export curves first.sqlite --currency evaluations -o by-evaluations/
      """)

  @OptionGroup var source: StoredExperiment
  @OptionGroup var counting: CountingOptions

  @Option(name: .shortAndLong, help: "The folder to write into.")
  var output = "."

  @Option(help: "The number of points on the grid of spent budget.")
  var points = 200

  @Flag(help: "Space the points evenly in the budget instead of in its logarithm.")
  var linear = false

  @Flag(help: "Add a 95 % bootstrap interval of the mean.")
  var bootstrap = false

  func validate() throws {
    if points < 2 { throw ValidationError("--points must be at least 2") }
  }

  func run() throws {
    let curves = Curves(
      try counting.runs(try source.results()), gridSize: points, scale: linear ? .linear : .log,
      bootstrap: bootstrap, metric: counting.metric)
    for path in try writeCurves(curves, folder: output, source: source.source) { print(path) }
  }
}
