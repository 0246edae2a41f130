import TabularBenchmark

/// The benchmark and the budget of runs, as they are known before the first run.
public struct Conditions: Sendable {
  /// The table and the search space. Methods see no more of them than their sessions show.
  @_spi(Instruments) public let benchmark: Benchmark
  /// The budget of a run, in the policy's currency; for a method that another one runs, the most that it may get.
  public var horizon: Double

  package init(benchmark: Benchmark, horizon: Double) { (self.benchmark, self.horizon) = (benchmark, horizon) }
}
