import Anytime
import Experiments
import Statistics

/// The average rank of every method over spent budget, on one grid.
///
/// At every amount the methods' runs of each common seed are ranked by regret, 1 for the least; ties share their
/// mean rank, and runs without an incumbent share the last ranks. Where methods have few seeds in common, it is the
/// rank that a run is expected to have among one of each other method, drawn at random from all its runs.
public struct RankCurves: Sendable {
  /// The runs that are ranked.
  public let runs: RegretRuns
  /// The accuracy whose regret is ranked.
  public let metric: RegretMetric
  /// Amounts of the currency, ascending.
  public let grid: [Double]
  /// The number of seeds whose runs all of these methods have.
  public let seeds: Int
  /// Whether the runs of common seeds are ranked.
  public let isPaired: Bool
  /// In the experiment's order, without methods that have no run; empty if there is nothing to rank.
  public let curves: [Curve]

  /// One method's ranks.
  public struct Curve: Sendable {
    /// The method's label.
    public let label: String
    /// The method's name.
    public let method: String
    /// The mean rank at each point of the grid, and its standard error over the method's runs, 0 for one.
    public let points: [(mean: Double, standardError: Double)]
  }

  /// - Parameter grid: Amounts, ascending; by default `gridSize` of them, spaced by the scale.
  public init(
    _ runs: RegretRuns, metric: RegretMetric? = nil, gridSize: Int = 200, scale: StepCurve.Scale = .log,
    grid: [Double]? = nil
  ) {
    let metric = metric ?? runs.defaultMetric
    let grid = grid ?? runs.grid(gridSize, scale: scale)
    let common = Set(runs.commonSeeds)
    let isPaired = runs.isPaired
    self.runs = runs
    self.metric = metric
    self.grid = grid
    self.isPaired = isPaired
    seeds = common.count
    // By method and run, the values on the grid; infinite before the first incumbent.
    let values = runs.compared.map { method in
      method.runs.filter { !isPaired || common.contains($0.seed) }.map { run in
        run.curve(metric)?.values(at: grid).map { $0 ?? .infinity }
          ?? [Double](repeating: .infinity, count: grid.count)
      }
    }
    guard !values.isEmpty, values.allSatisfy({ !$0.isEmpty }) else {
      curves = []
      return
    }
    var points = runs.compared.map { _ in [(mean: Double, standardError: Double)]() }
    for index in grid.indices {
      let here = values.map { $0.map { $0[index] } }
      for (method, ranks) in (isPaired ? here.pairedRanks : here.drawnRanks).enumerated() {
        points[method].append((ranks.mean ?? 0, ranks.standardError ?? 0))
      }
    }
    curves = zip(runs.compared, points).map { Curve(label: $0.label, method: $0.method, points: $1) }
  }
}

extension [[Double]] {
  /// By sample and value, the rank of the value among those with the same index in all samples.
  fileprivate var pairedRanks: [[Double]] {
    var ranks = map { _ in [Double]() }
    for index in (first ?? []).indices {
      for (sample, rank) in map({ $0[index] }).ranks.enumerated() { ranks[sample].append(rank) }
    }
    return ranks
  }

  /// By sample and value, the rank that the value is expected to have among one value of each other sample, drawn
  /// at random: 1 and the parts of their values that are less, equal ones counting half.
  var drawnRanks: [[Double]] {
    let sorted = map { $0.sorted() }
    return indices.map { own in
      self[own].map { value in
        var rank = 1.0
        for other in indices where other != own {
          let (less, notGreater) = (sorted[other].leading { $0 < value }, sorted[other].leading { $0 <= value })
          rank += Double(less + notGreater) / 2 / Double(sorted[other].count)
        }
        return rank
      }
    }
  }
}

extension [Double] {
  /// The number of elements before the first that does not satisfy a condition.
  fileprivate func leading(_ condition: (Double) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if condition(self[middle]) { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
