import Anytime
import Experiments
import Foundation
import Statistics

/// The settings that vary: what depends on each, and on each pair.
extension HTMLReport {
  /// The studies that vary settings one by one or in a grid. Horizons are among the curves of regret.
  private var studies: [Study] { results.studies.filter { $0.design != .horizons } }

  var factors: HTML? {
    let studies = studies
    guard !studies.isEmpty else { return nil }
    let parts = studies.map { study -> HTML in
      let effects = StudyEffects(study, results, registry: registry)
      return "\(study.factors.map { factor($0, of: effects) })\(analysis(effects))"
    }
    return """
      <p>Each figure has the runs of all entries with a level, whatever the levels of other factors. A dot is a run, \
      the bar the mean with its 95 % interval by Student's t distribution, both over the means of each seed's runs, as \
      those with other levels of other factors are repeats. Runs of one seed are alike at all levels, which the tests \
      for a trend and for any difference do not know: they take all runs as independent. Where all levels have the \
      same seeds, Friedman's test compares them seed by seed. The curves of all entries are \
      <a href="#regret">among the methods'</a>. P-values are of each test alone, without a correction for the number \
      of factors.</p>
      \(parts)
      """
  }

  /// Style of the figures, on pages that have any.
  var factorStyle: HTML? {
    guard !studies.isEmpty else { return nil }
    return HTML(
      markup: """
        .factor line { stroke: var(--line); }
        .factor .axis { stroke: var(--soft); }
        .factor circle { fill: var(--soft); fill-opacity: .5; }
        .factor .mean { stroke: var(--accent); stroke-width: 3; }
        .factor text { fill: var(--ink); font-size: 12px; }
        @media print { .factor { max-width: 100%; height: auto; } }

        """)
  }

  private func title(_ measure: StudyEffects.Measure) -> String {
    switch measure {
    case .regret(let metric): "final \(metric.rawValue) regret"
    case .supernetAccuracy: "validation accuracy of the supernet"
    }
  }

  private func unit(_ measure: StudyEffects.Measure) -> String {
    switch measure {
    case .regret: "percent points"
    case .supernetAccuracy: "%"
    }
  }

  /// One factor of a study.
  private func factor(_ factor: Study.Factor, of effects: StudyEffects) -> HTML {
    let all = [.regret(metric), .supernetAccuracy].compactMap { effects.effect(of: factor, on: $0) }
    let name = "\(effects.study.name): \(factor.name)"
    guard !all.isEmpty else {
      let failed = effects.study.entries.reduce(0) { $0 + results.methods[$1].failedRuns.count }
      let reason: HTML = failed > 0 ? "No run has a result: \(failed) failed." : "No run has a result yet."
      return "<h3>\(name)</h3>\n<p>\(reason)</p>\n"
    }
    return """
      <h3>\(name)</h3>
      \(all.map(figure))\(all.map { levelTable($0).html })\(testTable(all)?.html)
      """
  }

  private func figure(_ effect: StudyEffects.Effect) -> HTML {
    let drawing = FactorDrawing(effect, title: "\(title(effect.measure)) [\(unit(effect.measure))]")
    let missing = effect.groups.reduce(0) { sum, group in sum + group.count { !$0.isFinite } }
    let empty: HTML =
      missing > 0 ? " \(Numbers.count(missing, "run", "runs")) without a result: not drawn, and last in the tests." : ""
    let edge: HTML = drawing.hasZeros ? " The lower edge stands for zero." : ""
    return """
      <figure>
      <div class="wide" role="region" aria-label="Diagram" tabindex="0">\(drawing.svg)</div>
      <figcaption>\(title(effect.measure).capitalizedFirst) by \(effect.factor.name).\(edge)\(empty)</figcaption>
      </figure>

      """
  }

  private func levelTable(_ effect: StudyEffects.Effect) -> HTMLTable {
    HTMLTable(
      caption: "\(title(effect.measure).capitalizedFirst) by \(effect.factor.name), in \(unit(effect.measure))",
      columns: [effect.factor.name, "Runs", "Mean", "95 % interval", "Median", "Quartiles"],
      rows: effect.factor.levels.indices.map { level in
        let (values, seeds) = (effect.finite(level), effect.seedMeans(level))
        let runs =
          "\(values.count)" + (seeds.count < values.count ? " of \(Numbers.count(seeds.count, "seed", "seeds"))" : "")
          + (effect.failed[level] > 0 ? ", \(effect.failed[level]) failed" : "")
        guard let summary = Curves.Summary(values), let mean = seeds.mean else {
          return ("\(effect.levels[level])", ["\(runs)"] + [HTML](repeating: "–", count: 4))
        }
        let interval = seeds.meanInterval().map { Numbers.interval($0, of: seeds) }
        let cells = [
          runs, Numbers.percent(mean), interval ?? "–", Numbers.percent(summary.median),
          "\(Numbers.percent(summary.lowerQuartile)) to \(Numbers.percent(summary.upperQuartile))",
        ]
        return ("\(effect.levels[level])", cells.map { "\($0)" })
      })
  }

  private func testTable(_ effects: [StudyEffects.Effect]) -> HTMLTable? {
    guard effects.contains(where: { $0.trend != nil || $0.differences != nil }), let factor = effects.first?.factor
    else { return nil }
    let trend =
      factor.isOrdered
      ? "Jonckheere and Terpstra's test for a trend, with Kendall's tau-b from -1 (falls as \(factor.name) rises) to "
        + "1, and " : ""
    return HTMLTable(
      caption: "Tests over the levels of \(factor.name): \(trend)Kruskal and Wallis' test for any difference, with the "
        + "part of the variance of ranks between levels, and Friedman's over seeds",
      columns: ["Of", "Runs"] + (factor.isOrdered ? ["z", "p, trend", "tau-b"] : [])
        + ["H", "p, any difference", "epsilon²", "p, seed by seed"],
      rows: effects.map { effect in
        var cells = ["\(effect.groups.reduce(0) { $0 + $1.count })"]
        if factor.isOrdered {
          cells += [
            effect.trend.map { Numbers.decimals($0.z, 2) }, effect.trend.map { Numbers.probability($0.pValue) },
            effect.trend.map { Numbers.decimals($0.tau, 2) },
          ].map { $0 ?? "–" }
        }
        cells += [
          effect.differences.map { Numbers.decimals($0.statistic, 2) },
          effect.differences.map { Numbers.probability($0.pValue) },
          effect.differences.map { Numbers.decimals($0.epsilonSquared, 2) },
          effect.bySeed.map { Numbers.probability($0.pValue) },
        ].map { $0 ?? "–" }
        return ("\(title(effect.measure).capitalizedFirst)", cells.map { "\($0)" })
      })
  }

  /// What each factor of several, and each pair, explains.
  private func analysis(_ effects: StudyEffects) -> HTML? {
    let analyses = [StudyEffects.Measure.regret(metric), .supernetAccuracy].compactMap { measure in
      effects.analysis(of: measure).map { (measure, $0) }
    }
    guard !analyses.isEmpty else { return nil }
    let tables = analyses.map { measure, analysis -> HTML in
      func name(_ effect: FunctionalANOVA.Effect) -> String {
        effect.features.map { analysis.factors[$0].name }.joined(separator: " × ")
      }
      let runs = analysis.groups.reduce(0) { $0 + $1.count }
      let chance = Double(analysis.groups.count - 1) / Double(max(1, runs - 1))
      let part = analysis.groups.etaSquared ?? 0
      let table = HTMLTable(
        caption: "Parts of the variance of the forest's predictions of \(title(measure)) between combinations of "
          + "levels; differences between seeds are no part",
        columns: ["Factor or pair", "Part ± standard deviation over trees"],
        rows: (analysis.anova.mainEffects + analysis.anova.interactions).map { effect in
          let deviation = effect.deviation.map { " ± " + Numbers.decimals(100 * $0, 1) } ?? ""
          return ("\(name(effect))", ["\(Numbers.decimals(100 * effect.fraction, 1))\(deviation) %"])
        })
      return """
        <p>Of the variance of \(title(measure)) of all \(Numbers.count(runs, "run", "runs")), \
        \(Numbers.decimals(100 * part, 1)) % lies between the \(analysis.groups.count) combinations of levels (eta²); \
        chance alone gives \(Numbers.decimals(100 * chance, 1)) % on average.</p>
        \(table.html)
        """
    }
    let each: HTML =
      effects.study.design == .each
      ? " As one factor varied at a time, no run has two changed levels: of interactions the forest can only guess."
      : ""
    return """
      <h3>\(effects.study.name): importance</h3>
      <p>A functional analysis of variance (Hutter, Hoos and Leyton-Brown, ICML 2014) of a forest of \
      \(StudyEffects.trees) regression trees, grown to the end on the single runs: the part of the variance of its \
      predictions over all combinations of levels that each factor explains alone, and each pair beyond that. These \
      parts come to about 100 % even where no setting matters.\(each)</p>
      \(tables)
      """
  }
}

extension String {
  /// With its first letter in upper case.
  fileprivate var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}

/// Single runs over the levels of a factor, with the mean and its interval.
struct FactorDrawing {
  private let effect: StudyEffects.Effect
  private let title: String
  private let axis: Chart.Axis
  /// Whether any run lies on the lower edge of a logarithmic axis.
  let hasZeros: Bool

  private static let left = 64.0
  private static let top = 14.0
  private static let height = 240.0
  private static let width = 680.0

  init(_ effect: StudyEffects.Effect, title: String) {
    self.effect = effect
    self.title = title
    let levels = effect.levels.indices
    let values = levels.flatMap(effect.finite).map { 100 * $0 }
    let intervals = levels.compactMap { effect.seedMeans($0).meanInterval() }.flatMap { [$0.lowerBound, $0.upperBound] }
    let all = values + intervals.map { min(max(100 * $0, 0), 100) }
    switch effect.measure {
    case .regret: axis = Chart.Axis(regret: title, of: all, scale: .log)
    case .supernetAccuracy:
      let (low, high) = (all.min() ?? 0, all.max() ?? 100)
      let margin = high > low ? 0.05 * (high - low) : 0.5
      axis = Chart.Axis(title: title, low - margin...high + margin)
    }
    let lowest = axis.range.lowerBound
    hasZeros = axis.scale == .log && values.contains { $0 < lowest }
  }

  private var column: Double { (Self.width - Self.left - 10) / Double(max(1, effect.factor.levels.count)) }

  private func text(_ value: Double) -> String { Numbers.decimals(value, 1) }

  /// The height of a value in percent.
  private func y(_ value: Double) -> Double {
    Self.top + Self.height * (1 - min(max(axis.fraction(value), 0), 1))
  }

  private func line(_ name: String, _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double) -> HTML {
    """
    <line class="\(name)" x1="\(text(x1))" y1="\(text(y1))" x2="\(text(x2))" y2="\(text(y2))"/>
    """
  }

  var svg: HTML {
    let bottom = Self.top + Self.height
    let ticks = axis.ticks.map { tick -> HTML in
      """
      \(line("tick", Self.left, y(tick), Self.width - 10, y(tick)))<text x="\(text(Self.left - 8))" \
      y="\(text(y(tick) + 4))" text-anchor="end">\(Numbers.digits(tick))</text>
      """
    }
    let letters = max(3, Int(column / 7))
    let levels = effect.factor.levels.indices.map { index -> HTML in
      let x = Self.left + column * (Double(index) + 0.5)
      let name = effect.levels[index].onOneLine
      return """
        \(dots(index, x))\(mean(index, x))<text x="\(text(x))" y="\(text(bottom + 20))" text-anchor="middle">\
        \(name.count > letters ? "\(name.prefix(letters - 1))…" : name)</text>
        """
    }
    let factor = effect.factor.name.shownInFigures
    return """
      <svg class="factor" role="img" aria-label="\(description)" width="\(text(Self.width))" \
      height="\(text(bottom + 48))" viewBox="0 0 \(text(Self.width)) \(text(bottom + 48))">\(ticks)\
      \(line("axis", Self.left, bottom, Self.width - 10, bottom))\(levels)<text \
      x="\(text((Self.left + Self.width - 10) / 2))" y="\(text(bottom + 40))" text-anchor="middle">\(factor)</text>\
      <text x="14" y="\(text(Self.top + Self.height / 2))" text-anchor="middle" \
      transform="rotate(-90 14 \(text(Self.top + Self.height / 2)))">\(title)</text></svg>
      """
  }

  /// Side by side, so that few cover each other: multiples of the golden ratio are spread evenly.
  private func dots(_ level: Int, _ x: Double) -> [HTML] {
    effect.finite(level).enumerated().map { index, value in
      let part = (Double(index + 1) * 0.618_033_988_749_895).truncatingRemainder(dividingBy: 1) - 0.5
      return "<circle cx=\"\(text(x + 0.55 * column * part))\" cy=\"\(text(y(100 * value)))\" r=\"3\"/>"
    }
  }

  private func mean(_ level: Int, _ x: Double) -> HTML? {
    let values = effect.seedMeans(level)
    guard let mean = values.mean else { return nil }
    let half = min(18, 0.3 * column)
    let interval = values.meanInterval().map {
      line("mean", x, y(100 * $0.lowerBound), x, y(100 * $0.upperBound))
    }
    return "\(interval)\(line("mean", x - half, y(100 * mean), x + half, y(100 * mean)))"
  }

  private var description: String {
    let parts = effect.factor.levels.indices.map { index in
      let values = effect.finite(index)
      let runs = Numbers.count(values.count, "run", "runs")
      return "\(effect.levels[index]): "
        + (effect.seedMeans(index).mean.map { "mean \(Numbers.percent($0)) of \(runs)" } ?? "no run")
    }
    return "\(title) by \(effect.factor.name). \(parts.joined(separator: "; "))"
  }
}
