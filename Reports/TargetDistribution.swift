import Anytime
import Experiments
import Foundation
import Statistics

/// When runs first reach fixed targets of regret: the empirical distribution of running times over all pairs of a
/// run and a target, as COCO shows it (Hansen et al. 2016), without simulated restarts, and the expected running
/// time to every target.
///
/// A target is reached when regret is first at most the target; a test curve that rises later does not undo it.
/// The targets are the same for all tables, so that pictures of different experiments can be compared.
public struct TargetDistribution: Sendable {
  /// 31 regrets from 10 to 0.01 percent points, evenly spaced in the logarithm, as fractions.
  public static let fixedTargets = (0...30).map { pow(10, -1 - Double($0) / 10) }

  /// The runs that are timed.
  public let runs: RegretRuns
  /// The accuracy whose regret has targets.
  public let metric: RegretMetric
  /// As fractions, descending.
  public let targets: [Double]
  /// In the experiment's order.
  public let methods: [MethodTimes]

  /// One method's running times.
  public struct MethodTimes: Sendable {
    /// The method's label.
    public let label: String
    /// The method's name.
    public let method: String
    /// One per target.
    public let times: [RunningTime]
    /// Over all pairs of a run and a target.
    public let distribution: EmpiricalDistribution
  }

  /// Times every run of every method.
  ///
  /// - Parameters:
  ///   - metric: By default test, if any run has it.
  ///   - targets: Regrets as fractions, descending.
  public init(
    _ runs: RegretRuns, metric: RegretMetric? = nil, targets: [Double] = TargetDistribution.fixedTargets
  ) {
    let metric = metric ?? runs.defaultMetric
    self.runs = runs
    self.metric = metric
    self.targets = targets
    methods = runs.methods.map { method in
      let reached = targets.map { target in
        method.runs.map { $0.curve(metric)?.firstPosition(atMost: target) }
      }
      return MethodTimes(
        label: method.label, method: method.method,
        times: reached.map { RunningTime(times: $0, ends: method.runs.map(\.end)) },
        distribution: EmpiricalDistribution(reached.flatMap { $0 }))
    }
  }

  /// The part of pairs that were reached at each point of a grid.
  public func curve(_ method: Int, on grid: [Double]) -> [Double] {
    grid.map(methods[method].distribution.cumulative)
  }
}
