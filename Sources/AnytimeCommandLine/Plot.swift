import ArgumentParser
import Experiments
import Foundation
import Reports
import Statistics

struct Plot: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw regret curves, ranks, reached targets or critical differences.",
    discussion: """
      Several stores, or several experiments of a store, are drawn side by side. A method has the same colour and \
      dash everywhere.

      EXAMPLES
        anytime plot first.sqlite -o regret.svg
        anytime plot first.sqlite -o regret.pdf --metric validation --center mean --linear-x
        anytime plot first.sqlite -o charged.svg --accounting final-training-charged
        anytime plot s1.sqlite s2.sqlite s3.sqlite -o spaces.pdf
        anytime plot first.sqlite -o rank.svg --kind rank
        anytime plot first.sqlite -o ecdf.svg --kind ecdf
        anytime plot first.sqlite -o cd.svg --kind critical-difference --budget 10 --test nemenyi
      """)

  enum Kind: String, CaseIterable, ExpressibleByArgument {
    case regret, rank, ecdf
    case criticalDifference = "critical-difference"
  }

  @OptionGroup var sources: StoredExperiments
  @OptionGroup var counting: CountingOptions

  @Option(name: .shortAndLong, help: "The .svg, .pdf or .png file to write.")
  var output: String

  @Option(help: ArgumentHelp("The kind of plot: regret, rank, ecdf or critical-difference."))
  var kind: Kind = .regret

  @Option(
    help: ArgumentHelp(
      "The lines of regret: median (band: quartiles), mean (standard error), bootstrap (interval of the mean) or runs.")
  )
  var center: CurveCenter = .median

  @Option(help: "The spent part of the budget in percent, for critical differences.")
  var budget = 100.0

  @Option(help: ArgumentHelp("The test for critical differences: wilcoxon-holm, mann-whitney-holm or nemenyi."))
  var test: SignificanceTable.Test?

  @Flag(inversion: .prefixedNo, help: "Draw bands, in plots of regret and rank. Default: for at most 8 methods.")
  var bands: Bool?

  @Flag(help: "Use a linear axis of spent budget.")
  var linearX = false

  @Flag(help: "Use a linear axis of regret.")
  var linearY = false

  func validate() throws {
    guard Figure.formats.contains(URL(filePath: output).pathExtension.lowercased()) else {
      throw ValidationError("\(output) must end in .svg, .pdf or .png")
    }
    guard budget > 0, budget <= 100 else { throw ValidationError("--budget must be in 0 to 100 percent") }
  }

  func run() async throws {
    try refuse(output: output, among: sources.sources.flatMap { inputs($0) })
    let results = try sources.results()
    try refuse(output: output, among: results.map(\.experiment.table))
    try await figure(try results.map(counting.runs)).write(to: URL(filePath: output))
    printWritten(output)
  }

  private func figure(_ experiments: [RegretRuns]) throws -> Figure {
    let x: StepCurve.Scale = linearX ? .linear : .log
    switch kind {
    case .regret:
      let curves = experiments.map {
        Curves($0, scale: x, bootstrap: center == .bootstrap, metric: counting.metric)
      }
      // All share an axis title, so test regret is drawn only if all have it.
      let metric = curves.allSatisfy { $0.defaultMetric == .test } ? RegretMetric.test : .validation
      return Figure(
        try curves.map {
          try Chart.regret($0, metric: metric, center: center, x: x, y: linearY ? .linear : .log, bands: bands)
        })
    case .rank:
      return Figure(
        try experiments.map { try Chart.ranks(RankCurves($0, metric: counting.metric, scale: x), x: x, bands: bands) })
    case .ecdf:
      return Figure(try experiments.map { try Chart.targets(TargetDistribution($0, metric: counting.metric), x: x) })
    case .criticalDifference:
      return try CriticalDifferencePlot().figure(
        experiments.compactMap {
          CriticalDifferences(
            SignificanceTable($0, metric: counting.metric, test: test, budgets: [budget / 100]))
        })
    }
  }
}
