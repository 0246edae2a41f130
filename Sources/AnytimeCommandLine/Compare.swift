import Anytime
import ArgumentParser
import Experiments
import Reports

struct Compare: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run an experiment and print a leaderboard with tests of significance.",
    discussion: """
      Methods are ranked by mean final regret. The significance of differences is tested at 1, 10 and 100 % of the \
      budget: by Wilcoxon's signed-rank test over common seeds (by Mann and Whitney's over all runs if methods share \
      few seeds) with Holm's correction, or by Nemenyi's test after Friedman's.

      EXAMPLES
        anytime compare Examples/first.yaml
        anytime compare Examples/first.yaml --test nemenyi --metric validation
        anytime compare --space 1 --horizon 500 --seeds 50 --method random-search \\
          --method regularized-evolution
        anytime compare --space 1 --horizon 300 --seeds 3 --method random-search \\
          --method 'restarted:{method: {darts: {preset: quick}}}'
      """)

  @OptionGroup var options: ExperimentOptions

  @Option(help: ArgumentHelp("The significance test: wilcoxon-holm, mann-whitney-holm or nemenyi."))
  var test: SignificanceTable.Test?

  @Option(help: ArgumentHelp("The regret: test or validation. Default: test, if the table has test accuracies."))
  var metric: RegretMetric?

  func run() async throws {
    let leaderboard = Leaderboard(RegretRuns(try await options.run()), metric: metric, test: test)
    if options.json { ProgressEvents.say(leaderboard) } else { print(leaderboard.text) }
  }
}
