import Anytime
import Experiments
import Statistics

/// Significant differences between methods at pre-stated budgets.
///
/// At each budget the runs of common seeds are compared: pairs of methods by Wilcoxon's signed-rank test with
/// Holm's correction over all pairs of that budget, or by Nemenyi's test after Friedman's. Where methods have few
/// seeds in common, all their runs are compared instead, by Mann and Whitney's test with Holm's correction. A run
/// without an incumbent counts as worse than any with one.
///
/// A method with so few runs that no difference could be significant is not shown among those that cannot be told
/// apart: see ``Row/tooFew``. Where runs of common seeds are compared, such a method would take seeds from all others;
/// it is left out there.
public struct SignificanceTable: Sendable {
  /// 1 %, 10 % and all of the horizon.
  public static let budgets = [0.01, 0.1, 1]
  /// A difference is significant if its p-value is less.
  public static let level = 0.05
  /// The probability with which ``Pair/runsNeeded`` runs show a difference.
  public static let power = 0.8

  /// The test of a pair, with its correction for many pairs.
  public enum Test: String, CaseIterable, Sendable, Codable {
    /// Wilcoxon's signed-rank test of common seeds, corrected by Holm.
    case wilcoxonHolm = "wilcoxon-holm"
    /// Mann and Whitney's test of all runs, corrected by Holm.
    case mannWhitneyHolm = "mann-whitney-holm"
    /// Friedman's test with Nemenyi's critical difference, on common seeds.
    case nemenyi

    /// Whether the runs of common seeds are compared, not all runs.
    public var isPaired: Bool { self != .mannWhitneyHolm }

    /// The name in captions.
    public var text: String {
      switch self {
      case .wilcoxonHolm: "Wilcoxon signed-rank, Holm"
      case .mannWhitneyHolm: "Mann-Whitney, Holm"
      case .nemenyi: "Friedman, Nemenyi"
      }
    }
  }

  /// The runs that are compared.
  public let runs: RegretRuns
  /// The accuracy whose regret is compared.
  public let metric: RegretMetric
  /// The test of every pair.
  public let test: Test
  /// The methods that are compared: those with a run that ended well.
  public let labels: [String]
  /// The number of common seeds.
  public let seeds: Int
  /// Comparisons by ascending budget; empty for fewer than two methods, or fewer than two common seeds if the test is
  /// paired.
  public let rows: [Row]

  /// All comparisons at one budget.
  public struct Row: Sendable {
    /// The part of the whole budget, in 0...1.
    public let fraction: Double
    /// The budget in the currency.
    public let amount: Double
    /// The average rank of every method over common seeds, 1 for the best; if the test is not paired, the expected
    /// rank of one run among one of each other method, drawn at random.
    public let averageRanks: [Double]
    /// Friedman's test over all methods, if the test is paired.
    public let friedman: Friedman?
    /// Every pair once, in the order of methods.
    public let pairs: [Pair]
    /// The methods whose number of runs is too small for any significant difference, in the order of methods.
    public let tooFew: [TooFew]

    /// The pair of two methods, in any order.
    public func pair(_ first: Int, _ second: Int) -> Pair? {
      pairs.first { ($0.first, $0.second) == (min(first, second), max(first, second)) }
    }

    /// The methods that `method` significantly outperforms.
    public func wins(_ method: Int) -> [Int] {
      pairs.compactMap { $0.better == method ? $0.first + $0.second - method : nil }
    }

    /// The methods that significantly outperform `method`.
    public func losses(_ method: Int) -> [Int] {
      pairs.compactMap { pair in
        guard let better = pair.better, better != method, [pair.first, pair.second].contains(method) else {
          return nil
        }
        return better
      }
    }
  }

  /// A method that could not differ significantly from any other at a budget, even if all its runs were the worst or
  /// the best: the least p-values that the exact test has for its number of runs are too great, corrected as the
  /// table's p-values are, with the other pairs' as they are.
  public struct TooFew: Hashable, Sendable {
    /// The method's label.
    public let label: String
    /// The number of runs that are compared.
    public let runs: Int
    /// The least number of runs with which a difference could be significant, if the other methods' runs stay.
    public let needed: Int

    /// `darts (1 run, needs 2)`.
    public var text: String { "\(label) (\(Numbers.count(runs, "run", "runs")), needs \(needed))" }
  }

  /// A comparison of two methods.
  public struct Pair: Sendable {
    /// Indices of ``SignificanceTable/labels``; the first is less.
    public let first, second: Int
    /// Wilcoxon's or Mann and Whitney's p-value, alone and with Holm's correction.
    public let alone, holm: Double
    /// Nemenyi's p-value; `nil` where the test is not paired.
    public let nemenyi: Double?
    /// Vargha and Delaney's A12 that the first method's regret is less, over all pairs of runs.
    public let a12: Double
    /// The median over seeds of the first method's regret minus the second's, or the difference of the two
    /// medians where the test is not paired; `nil` if one of the runs has no incumbent.
    public let medianDifference: Double?
    /// The p-value of the table's test.
    public let pValue: Double
    /// The method whose regret is less, if that is significant.
    public let better: Int?

    /// The number of runs of each method, or of common seeds, with which a difference of the size that was seen would
    /// be significant with probability ``SignificanceTable/power``: by Noether's sample sizes at the table's level,
    /// divided by the number of pairs as in Holm's first step, or by the same reasoning for Nemenyi's test. `nil` where
    /// the difference is significant already, or where there is none.
    public let runsNeeded: Int?

    /// Cliff's delta, in -1...1, positive if the first method's regret tends to be less.
    public var cliffsDelta: Double { 2 * a12 - 1 }
  }

  /// - Parameter test: By default Wilcoxon's where methods can be compared seed by seed, else Mann and
  ///   Whitney's.
  public init(
    _ runs: RegretRuns, metric: RegretMetric? = nil, test: Test? = nil,
    budgets: [Double] = SignificanceTable.budgets
  ) {
    let metric = metric ?? runs.defaultMetric
    let test = test ?? (runs.isPaired ? .wilcoxonHolm : .mannWhitneyHolm)
    self.runs = runs
    self.metric = metric
    self.test = test
    let (compared, few) = Self.enough(runs.compared, test)
    labels = compared.map(\.label)
    let common = Set(compared.commonSeeds)
    seeds = common.count
    let curves = compared.map { method in
      method.runs.filter { !test.isPaired || common.contains($0.seed) }.map { $0.curve(metric) }
    }
    rows = budgets.compactMap { fraction in
      let amount = fraction * runs.end
      let values = curves.map { $0.map { $0?.value(at: amount) ?? .infinity } }
      guard test.isPaired else {
        guard values.count > 1, values.allSatisfy({ !$0.isEmpty }) else { return nil }
        let pairs = Self.pairs(values, test: test)
        return Row(
          fraction: fraction, amount: amount, averageRanks: values.drawnRanks.map { $0.mean ?? 1 },
          friedman: nil, pairs: pairs, tooFew: Self.tooFew(compared, pairs))
      }
      let blocks = (0..<common.count).map { seed in values.map { $0[seed] } }
      guard let friedman = Friedman(blocks) else { return nil }
      return Row(
        fraction: fraction, amount: amount, averageRanks: friedman.averageRanks, friedman: friedman,
        pairs: Self.pairs(values, friedman: friedman, test: test),
        tooFew: few + Self.tooFew(compared, seeds: common.count, of: compared.count, test))
    }
  }

  /// The least p-value of any pair of several methods in a paired test, corrected for all pairs. The methods have equal
  /// numbers of runs, so no pair has a smaller one, and Holm's first step is the only one that counts.
  private static func least(_ test: Test, seeds: Int, of methods: Int) -> Double {
    if test == .nemenyi { return seeds < 2 ? 1 : Friedman.leastNemenyi(blocks: seeds, methods: methods) }
    return min(1, Wilcoxon.leastPValue(seeds) * Double(methods * (methods - 1) / 2))
  }

  /// The methods of a paired test that are too few, all of them or none.
  private static func tooFew(
    _ methods: [RegretRuns.MethodRuns], seeds: Int, of count: Int, _ test: Test
  ) -> [TooFew] {
    guard count > 1, least(test, seeds: seeds, of: count) >= level,
      let needed = SampleSize.least(from: seeds, where: { least(test, seeds: $0, of: count) < level })
    else { return [] }
    return methods.map { TooFew(label: $0.label, runs: seeds, needed: needed) }
  }

  /// Leaves methods out of a paired test whose own runs are too few for it, unless fewer than two remain.
  private static func enough(
    _ methods: [RegretRuns.MethodRuns], _ test: Test
  ) -> (enough: [RegretRuns.MethodRuns], few: [TooFew]) {
    guard test.isPaired else { return (methods, []) }
    let few = methods.flatMap { tooFew([$0], seeds: $0.runs.count, of: methods.count, test) }
    guard methods.count - few.count > 1 else { return (methods, []) }
    return (methods.filter { method in !few.contains { $0.label == method.label } }, few)
  }

  /// The methods that are too few for Mann and Whitney's test.
  private static func tooFew(_ methods: [RegretRuns.MethodRuns], _ pairs: [Pair]) -> [TooFew] {
    methods.indices.compactMap { own in
      func canDiffer(_ runs: Int) -> Bool {
        let values = pairs.map { pair in
          guard pair.first == own || pair.second == own else { return pair.alone }
          return MannWhitney.leastPValue(runs, methods[pair.first + pair.second - own].runs.count)
        }
        return zip(pairs, values.holmAdjusted).contains { pair, value in
          (pair.first == own || pair.second == own) && value < level
        }
      }
      let runs = methods[own].runs.count
      guard !canDiffer(runs), let needed = SampleSize.least(from: runs, where: canDiffer) else { return nil }
      return TooFew(label: methods[own].label, runs: runs, needed: needed)
    }
  }

  private static func pairs(_ values: [[Double]], friedman: Friedman? = nil, test: Test) -> [Pair] {
    let pairs = values.indices.flatMap { first in ((first + 1)..<values.count).map { (first, $0) } }
    let wilcoxon = pairs.map { test.isPaired ? Wilcoxon(values[$0.0], values[$0.1]) : nil }
    let alone = pairs.indices.map { index in
      let (first, second) = pairs[index]
      return wilcoxon[index]?.pValue
        ?? (test.isPaired ? 1 : MannWhitney(values[first], values[second])?.pValue ?? 1)
    }
    let holm = alone.holmAdjusted
    // Of common seeds, some may show no difference.
    func needed(_ index: Int, a12: Double) -> Int? {
      let (first, second) = pairs[index]
      let each = level / Double(pairs.count)
      switch test {
      case .mannWhitneyHolm: return MannWhitney.size(a12: a12, level: each, power: power)
      case .nemenyi: return friedman?.nemenyiSize(first, second, level: level, power: power)
      case .wilcoxonHolm:
        guard let wilcoxon = wilcoxon[index], let size = wilcoxon.size(level: each, power: power) else { return nil }
        return Int((Double(size) * Double(values[first].count) / Double(wilcoxon.count)).rounded(.up))
      }
    }
    return pairs.indices.map { index in
      let (first, second) = pairs[index]
      let nemenyi = friedman?.nemenyi(first, second)
      let pValue = test == .nemenyi ? nemenyi ?? 1 : holm[index]
      let a12 = EffectSize(values[second], values[first])?.a12 ?? 0.5
      let firstIsBetter =
        switch test {
        // Fewer and smaller positive differences: the first method's regret is less.
        case .wilcoxonHolm: (wilcoxon[index]?.positive ?? 0) < (wilcoxon[index]?.negative ?? 0)
        case .mannWhitneyHolm: a12 > 0.5
        case .nemenyi: friedman.map { $0.averageRanks[first] < $0.averageRanks[second] } ?? false
        }
      let differences =
        test.isPaired
        ? zip(values[first], values[second]).map { $0 - $1 }
        : [(values[first].median ?? .infinity) - (values[second].median ?? .infinity)]
      return Pair(
        first: first, second: second, alone: alone[index], holm: holm[index], nemenyi: nemenyi, a12: a12,
        medianDifference: differences.allSatisfy(\.isFinite) ? differences.median : nil, pValue: pValue,
        better: pValue < level ? (firstIsBetter ? first : second) : nil,
        runsNeeded: pValue < level ? nil : needed(index, a12: a12))
    }
  }
}

/// Average ranks with bars over methods that cannot be told apart: Demšar's diagram (JMLR 2006).
public struct CriticalDifferences: Sendable {
  /// The comparisons.
  public let table: SignificanceTable
  /// The comparison at one of the table's budgets.
  public let row: SignificanceTable.Row
  /// Indices of the table's ``SignificanceTable/labels``, by ascending average rank.
  public let order: [Int]
  /// Average ranks in that order.
  public let ranks: [Double]
  /// Nemenyi's critical difference; `nil` where pairs are tested one by one.
  public let criticalDifference: Double?
  /// The methods that are left out, as they have too few runs for any significant difference.
  public let tooFew: [SignificanceTable.TooFew]
  /// Groups of neighbours in ``order`` of which no two differ significantly: none within another, each of two or
  /// more.
  public let groups: [ClosedRange<Int>]

  /// - Parameter budget: An index of the table's rows; by default the last.
  /// - Returns: `nil` if there is no such row, or if fewer than two methods have enough runs.
  public init?(_ table: SignificanceTable, budget: Int? = nil) {
    let index = budget ?? table.rows.count - 1
    guard table.rows.indices.contains(index) else { return nil }
    let row = table.rows[index]
    self.table = table
    self.row = row
    tooFew = row.tooFew
    let shown = table.labels.indices.filter { index in !row.tooFew.contains { $0.label == table.labels[index] } }
    guard shown.count > 1 else { return nil }
    var averages = row.averageRanks
    if shown.count < averages.count {
      // Ranks among those that are shown: of runs drawn at random, 1 and the parts of their values that are less.
      for own in shown {
        averages[own] = shown.reduce(1) { sum, other in
          guard let pair = row.pair(own, other) else { return sum }
          return sum + (pair.first == own ? 1 - pair.a12 : pair.a12)
        }
      }
    }
    let order = shown.sorted { (averages[$0], $0) < (averages[$1], $1) }
    self.order = order
    ranks = order.map { averages[$0] }
    criticalDifference =
      table.test == .nemenyi ? row.friedman?.criticalDifference(level: SignificanceTable.level) : nil
    func areAlike(_ range: ClosedRange<Int>) -> Bool {
      range.allSatisfy { a in
        range.allSatisfy { b in a >= b || row.pair(order[a], order[b])?.better == nil }
      }
    }
    var groups: [ClosedRange<Int>] = []
    for start in order.indices {
      var end = start
      while end + 1 < order.count, areAlike(start...(end + 1)) { end += 1 }
      if end > start, end > groups.last?.upperBound ?? -1 { groups.append(start...end) }
    }
    self.groups = groups
  }
}
