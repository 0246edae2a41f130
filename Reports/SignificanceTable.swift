import Anytime
import Experiments
import Statistics

/// Significant differences between methods at pre-stated budgets.
///
/// At each budget the runs of common seeds are compared: pairs of methods by Wilcoxon's signed-rank test with
/// Holm's correction over all pairs of that budget, or by Nemenyi's test after Friedman's. Where methods have few
/// seeds in common, all their runs are compared instead, by Mann and Whitney's test with Holm's correction. A run
/// without an incumbent counts as worse than any with one; nothing is left out.
public struct SignificanceTable: Sendable {
  /// 1 %, 10 % and all of the horizon.
  public static let budgets = [0.01, 0.1, 1]
  /// A difference is significant if its p-value is less.
  public static let level = 0.05

  /// The test of a pair, with its correction for many pairs.
  public enum Test: String, CaseIterable, Sendable, Codable {
    case wilcoxonHolm = "wilcoxon-holm"
    case mannWhitneyHolm = "mann-whitney-holm"
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

  public let runs: RegretRuns
  public let metric: RegretMetric
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
    labels = runs.compared.map(\.label)
    let common = Set(runs.commonSeeds)
    seeds = common.count
    let curves = runs.compared.map { method in
      method.runs.filter { !test.isPaired || common.contains($0.seed) }.map { $0.curve(metric) }
    }
    rows = budgets.compactMap { fraction in
      let amount = fraction * runs.end
      let values = curves.map { $0.map { $0?.value(at: amount) ?? .infinity } }
      guard test.isPaired else {
        guard values.count > 1, values.allSatisfy({ !$0.isEmpty }) else { return nil }
        return Row(
          fraction: fraction, amount: amount, averageRanks: values.drawnRanks.map { $0.mean ?? 1 },
          friedman: nil,
          pairs: Self.pairs(values, test: test))
      }
      let blocks = (0..<common.count).map { seed in values.map { $0[seed] } }
      guard let friedman = Friedman(blocks) else { return nil }
      return Row(
        fraction: fraction, amount: amount, averageRanks: friedman.averageRanks, friedman: friedman,
        pairs: Self.pairs(values, friedman: friedman, test: test))
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
        better: pValue < level ? (firstIsBetter ? first : second) : nil)
    }
  }
}

/// Average ranks with bars over methods that cannot be told apart: Demšar's diagram (JMLR 2006).
public struct CriticalDifferences: Sendable {
  public let table: SignificanceTable
  /// The comparison at one of the table's budgets.
  public let row: SignificanceTable.Row
  /// Indices of the table's ``SignificanceTable/labels``, by ascending average rank.
  public let order: [Int]
  /// Average ranks in that order.
  public let ranks: [Double]
  /// Nemenyi's critical difference; `nil` where pairs are tested one by one.
  public let criticalDifference: Double?
  /// Groups of neighbours in ``order`` of which no two differ significantly: none within another, each of two or
  /// more.
  public let groups: [ClosedRange<Int>]

  /// - Parameter budget: An index of the table's rows; by default the last.
  /// - Returns: `nil` if there is no such row.
  public init?(_ table: SignificanceTable, budget: Int? = nil) {
    let index = budget ?? table.rows.count - 1
    guard table.rows.indices.contains(index) else { return nil }
    let row = table.rows[index]
    self.table = table
    self.row = row
    let averages = row.averageRanks
    let order = averages.indices.sorted { (averages[$0], $0) < (averages[$1], $1) }
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
