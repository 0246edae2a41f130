import Anytime
import Experiments
import Statistics

/// The regret of what a one-shot method recommended over the last epochs of its runs. The selection of a cell after the
/// last epoch, by removal, is none of them.
///
/// Some methods recommend another architecture after every epoch. Their final regret is then that of a single draw; the
/// mean over several epochs says what a run may be expected to return when it is stopped about there.
public struct LastEpochs: Hashable, Sendable {
  /// The greatest number of epochs.
  public static let count = 10

  /// The least and the greatest number of epochs over which a run's mean is taken: fewer than ``count`` where runs had
  /// fewer.
  public let epochs: ClosedRange<Int>
  /// Over runs, the mean regret of a run's last recommendations, as a fraction.
  public let mean: Double
  /// `nil` for a single run.
  public let standardError: Double?
  /// The 95 % interval of the mean over runs by Student's t distribution, cut at zero, as no recommendation's regret is
  /// below; `nil` for a single run.
  public let interval: ClosedRange<Double>?
  /// The number of runs.
  public let n: Int
  /// The mean number of different architectures among a run's last recommendations.
  public let architectures: Double

  /// - Returns: `nil` if no run that ended well has a trace whose regret is known.
  init?(_ method: MethodResults, metric: RegretMetric, policy: BudgetPolicy) {
    let runs = method.endedRuns.compactMap { run -> (regrets: [Double], architectures: Int)? in
      let trace = run.result.trace
      // A selection is not recorded one epoch after another, but after those of its fine-tuning.
      let isSelected = trace.count > 1 && trace[trace.count - 1].epoch != trace[trace.count - 2].epoch + 1
      let last = zip(trace, run.result.recommendedRegrets(metric, policy)).dropLast(isSelected ? 1 : 0)
        .suffix(Self.count)
      let regrets = last.compactMap(\.1)
      guard !regrets.isEmpty, regrets.count == last.count else { return nil }
      return (regrets, Set(last.map(\.0.architecture)).count)
    }
    let means = runs.compactMap(\.regrets.mean)
    let counts = runs.map(\.regrets.count)
    guard let mean = means.mean, mean.isFinite, let architectures = runs.map({ Double($0.architectures) }).mean,
      let least = counts.min(), let most = counts.max()
    else { return nil }
    self.mean = mean
    self.architectures = architectures
    epochs = least...most
    n = means.count
    standardError = means.standardError
    interval = means.meanInterval().map { max($0.lowerBound, 0)...max($0.upperBound, 0) }
  }

  /// Numbers of epochs: `10`, `1 to 4`.
  static func text(_ epochs: ClosedRange<Int>) -> String {
    epochs.count == 1 ? "\(epochs.upperBound)" : "\(epochs.lowerBound) to \(epochs.upperBound)"
  }
  /// The mean with its standard error, in percent points.
  var meanText: String { Numbers.percent(mean, error: standardError) }
  /// The interval in percent points; `at most` where it begins at zero, the least possible regret.
  var intervalText: String? {
    interval.map { Numbers.interval($0, of: [mean]) }
  }
}

extension RunResult {
  /// The regret of what was recommended after each epoch of the trace, from the trajectory, which has every
  /// recommendation that became the incumbent; `nil` where that is not known.
  func recommendedRegrets(_ metric: RegretMetric, _ policy: BudgetPolicy) -> [Double?] {
    // A running minimum is not the regret of the architecture beside it.
    if metric == .test, policy.testCurve == .runningMinimum { return trace.map { _ in nil } }
    let known = Dictionary(trajectory.filter { $0.epochs == 0 }.map { ($0.architecture, $0) }) { first, _ in first }
    return trace.map { point in
      known[point.architecture]?.regret(metric)
    }
  }
}
