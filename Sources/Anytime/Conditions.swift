import TabularBenchmark

/// What a run is given besides its method, as it is known before the first run.
public struct Conditions: Sendable {
  /// The table with the search space, of which methods see no more than their sessions show.
  @_spi(Instruments) public let benchmark: Benchmark
  /// The budget, in the policy's currency; of a method that another one runs, the greatest that it may get.
  public var horizon: Double

  package init(benchmark: Benchmark, horizon: Double) { (self.benchmark, self.horizon) = (benchmark, horizon) }
}
