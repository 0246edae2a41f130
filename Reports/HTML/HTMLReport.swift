import Anytime
import Experiments
import Foundation
import SearchSpaces
import TabularBenchmark

/// An experiment as one page that needs nothing else: no network, no other file. The same results give the same
/// bytes.
///
/// Every plot has its numbers in a table behind it; without scripts the tables are what there is. The markup is HTML
/// and, but for the text of scripts and styles, well-formed XML.
public struct HTMLReport: Sendable {
  let results: ExperimentResults
  /// Regret in the policy's accounting, and with final trainings charged where that makes a difference.
  let variants: [Curves]
  let leaderboard: Leaderboard
  var significance: SignificanceTable { leaderboard.significance }
  /// Explains methods and settings.
  let registry: Registry
  /// The experiment's table; `nil` if it is not available.
  let benchmark: Benchmark?
  /// `nil` leaves the plots out.
  let vega: VegaLibrary?
  /// The program and its version.
  let generator: String

  var experiment: Experiment { results.experiment }
  var curves: Curves { variants[0] }
  var metric: RegretMetric { leaderboard.metric }
  var unit: String { experiment.policy.currency.unit }

  private static let gridSize = 150

  /// - Parameters:
  ///   - table: The experiment's table. One with another checksum is not used.
  ///   - vega: Draws the plots; without it the page has tables alone.
  ///   - generator: The program and its version.
  public init(
    _ results: ExperimentResults, registry: Registry, table: Table?, vega: VegaLibrary?,
    generator: String = "AnytimeNAS \(anytimeVersion)"
  ) {
    self.results = results
    self.registry = registry
    self.vega = vega
    self.generator = generator
    let experiment = results.experiment
    let benchmark = table.flatMap { table -> Benchmark? in
      guard table.checksum == results.tableChecksum else { return nil }
      return SearchSpace(named: experiment.space).flatMap { try? Benchmark(table: table, space: $0) }
    }
    self.benchmark = benchmark
    let reference = benchmark.flatMap { SpaceReference($0, policy: experiment.policy) }
    let runs = RegretRuns(results, reference: reference)
    var accountings = [runs]
    let hasFinalTrainings = results.methods.contains { method in
      method.endedRuns.contains { $0.result.trajectory.contains { $0.finalTrainingSeconds > 0 } }
    }
    if runs.accounting == .recommendedNow, hasFinalTrainings,
      let charged = try? RegretRuns(
        results, currency: nil, accounting: .finalTrainingCharged, reference: reference)
    {
      accountings.append(charged)
    }
    variants = accountings.map { Curves($0, gridSize: Self.gridSize) }
    leaderboard = Leaderboard(runs)
  }

  /// A section of the page.
  struct Section {
    let id: String
    let title: String
    let body: HTML
  }

  /// The page, in UTF-8.
  ///
  /// - Throws: ``ReportError`` if a file of the package is missing.
  public func render() throws(ReportError) -> Data {
    let sections = try self.sections()
    let style = String(decoding: try resource("report.css"), as: UTF8.self)
    let links = sections.map { section -> HTML in
      "<li><a href=\"#\(section.id)\">\(section.title)</a></li>\n"
    }
    let bodies = sections.map { section -> HTML in
      """
      <section id="\(section.id)" aria-labelledby="\(section.id)-title">
      <h2 id="\(section.id)-title">\(section.title)</h2>
      \(section.body)</section>

      """
    }
    let evaluation: HTML = vega?.evaluatesText == true ? " 'unsafe-eval'" : ""
    let warning = results.missingText.map { text -> HTML in
      """
      <p class="warning" role="note"><strong>Not finished.</strong> \(text). Everything below is of the runs that are \
      done.</p>

      """
    }
    let others = results.otherRunTexts.map { text -> HTML in
      "<p class=\"warning\" role=\"note\"><strong>Other runs.</strong> \(text).</p>\n"
    }
    let failures = results.failureTexts.map { text -> HTML in
      """
      <p class="warning" role="note"><strong>Failed runs.</strong> \(text). They are in no statistic; \
      see <a href="#failures">all of them</a>.</p>

      """
    }
    let page: HTML = """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
      script-src 'unsafe-inline'\(evaluation); img-src data:" />
      <meta name="color-scheme" content="light dark" />
      <meta name="generator" content="\(generator)" />
      <title>\(experiment.name): \(Numbers.count(results.methods.count, "method", "methods")), space \
      \(experiment.space)</title>
      <style>
      \(HTML(markup: style))\(HTML(markup: Self.darkColours))\(factorStyle)</style>
      </head>
      <body>
      <a class="skip" href="#main">Skip to the results</a>
      <header>
      <h1>\(experiment.name)</h1>
      <p class="caption">\(curves.runs.caption)</p>
      \(warning)\(failures)\(others)</header>
      <nav aria-label="On this page"><ul>
      \(links)</ul></nav>
      <main id="main">
      \(bodies)</main>
      <footer><p>Written by \(generator).</p></footer>
      \(try scripts())</body>
      </html>

      """
    return Data(page.text.utf8)
  }

  /// The methods' colours on the dark page, where they are lighter.
  private static let darkColours = """
    @media screen and (prefers-color-scheme: dark) {
      :root { \(MethodStyle.colours.map { "--series-\($0.light): #\($0.dark);" }.joined(separator: " ")) }
    }

    """

  /// All parts that are not empty, in their order.
  private func sections() throws(ReportError) -> [Section] {
    let parts = [
      ("summary", "Summary", summary), ("leaderboard", "Leaderboard", leaderboardTable),
      ("failures", "Failed runs", failures),
      ("regret", "Regret over budget", try regretPlot()), ("ranks", "Rank over budget", try rankPlot()),
      ("targets", "Targets reached", try targetPlot()),
      ("significance", "Critical differences", significanceTables), ("factors", "Settings that vary", factors),
      ("supernet", "Supernets over epochs", try supernets()), ("cells", "Cells that were found", cells),
      ("ledger", "Where the budget went", ledger), ("settings", "Settings", settings),
      ("provenance", "Provenance", provenance), ("reproduce", "How to reproduce", reproduction),
    ]
    return parts.compactMap { id, title, body in body.map { Section(id: id, title: title, body: $0) } }
  }

  private func scripts() throws(ReportError) -> HTML? {
    guard let vega else { return nil }
    let behaviour = String(decoding: try resource("report.js"), as: UTF8.self)
    return """
      <script>
      \(HTML(markup: vega.script))</script>
      <script>
      \(HTML(markup: behaviour))</script>

      """
  }
}
