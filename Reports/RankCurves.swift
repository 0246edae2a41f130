import Anytime
import Statistics

/// The average rank of every method over spent budget, on one grid.
///
/// At every amount the methods' runs of each common seed are ranked by regret, 1 for the least; ties share their
/// mean rank, and runs without an incumbent share the last ranks.
public struct RankCurves: Sendable {
  public let runs: RegretRuns
  public let metric: RegretMetric
  public let grid: [Double]
  /// The number of seeds whose runs all methods have.
  public let seeds: Int
  /// In the experiment's order; empty without a common seed.
  public let curves: [Curve]

  /// One method's ranks.
  public struct Curve: Sendable {
    public let label: String
    public let method: String
    /// The mean rank at each point of the grid, and its standard error, 0 for one seed.
    public let points: [(mean: Double, standardError: Double)]
  }

  public init(
    _ runs: RegretRuns, metric: RegretMetric? = nil, gridSize: Int = 200, scale: StepCurve.Scale = .log
  ) {
    let metric = metric ?? runs.defaultMetric
    let grid = runs.grid(gridSize, scale: scale)
    let common = Set(runs.commonSeeds)
    self.runs = runs
    self.metric = metric
    self.grid = grid
    seeds = common.count
    // By method and seed, the values on the grid; infinite before the first incumbent.
    let values = runs.methods.map { method in
      method.runs.filter { common.contains($0.seed) }.map { run in
        run.curve(metric)?.values(at: grid).map { $0 ?? .infinity }
          ?? [Double](repeating: .infinity, count: grid.count)
      }
    }
    var points = runs.methods.map { _ in [(mean: Double, standardError: Double)]() }
    for place in grid.indices where !common.isEmpty {
      var ranks = runs.methods.map { _ in [Double]() }
      for seed in 0..<common.count {
        for (method, rank) in values.map({ $0[seed][place] }).ranks.enumerated() {
          ranks[method].append(rank)
        }
      }
      for (method, ranks) in ranks.enumerated() {
        points[method].append((ranks.mean ?? 0, ranks.standardError ?? 0))
      }
    }
    curves =
      common.isEmpty
      ? []
      : zip(runs.methods, points).map { Curve(label: $0.label, method: $0.method, points: $1) }
  }
}
