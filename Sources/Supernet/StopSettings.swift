import Anytime

/// The settings of early stopping by the sharpness of the search loss (R-DARTS with early stopping: Zela et al.,
/// "Understanding and Robustifying Differentiable Architecture Search", ICLR 2020, section 4.3).
///
/// The largest eigenvalue, with its sign, of the Hessian of the search loss with respect to the architecture weights is
/// probed every few epochs and smoothed by a local average. When the average has grown by a factor, the search ends,
/// and the architecture from before the growth is returned. Epochs and averages are counted as in the authors' code
/// (`EVLocalAvg` in `src/utils.py` of github.com/automl/RobustDARTS): see `returnedEpoch(eigenvalues:)`.
///
/// Differences: the Hessian is computed by finite differences of gradients, where the code differentiates them; every
/// probe takes the same batch of images of the search half, where the code takes the epoch's last batch; the term of
/// the architecture's weight decay, which shifts all eigenvalues equally, is left out of the Hessian; there is no probe
/// after the last epoch, where the code does not stop either. Probes are charged: two gradients for every architecture
/// weight.
public struct StopSettings: Configurable {
  /// The rule by which the search ends before its last epoch.
  public var rule = Rule.none
  /// The number of epochs between probes.
  public var every = 2
  /// The growth factor of the local average, since four probes before, above which the search ends.
  public var factor = 1.3
  /// The first epoch, counted from 0, whose architecture may be returned.
  public var start = 10

  /// The rule by which a search ends before its last epoch: never, or when the Hessian's largest eigenvalue has grown.
  public enum Rule: String, CaseIterable, Sendable { case none, eigenvalue }

  public static let settings = [
    Setting("stop", \StopSettings.rule, "when to stop early: never, or as the Hessian's largest eigenvalue grows"),
    Setting(
      "stop-every", \StopSettings.every, 1...100_000, log: true,
      "epochs between probes of the architecture Hessian's largest eigenvalue, charged"),
    Setting(
      "stop-factor", \StopSettings.factor, 1e-9...1e9, log: true,
      "growth of the eigenvalue's local average at which the search stops"),
    Setting(
      "stop-start", \StopSettings.start, 0...100_000, "first epoch, from 0, whose cell may be returned by stopping"),
  ]

  /// The number of probes of a whole local average, and the distance, in probes, of the two averages that are compared.
  private static let window = 5, distance = 4

  public init() {}

  /// Decides whether a search ends after its last probe.
  ///
  /// Probe `k`, from 0, is made after epoch `k * every`. Its local average is the mean of the probes `k - 2` to
  /// `k + 2`, as far as they exist: thus it is known two probes later. The newest one is compared with that of four
  /// probes before.
  ///
  /// - Parameter eigenvalues: The results of all probes so far.
  /// - Returns: The epoch, counted from 0, of the earlier average, if the newest is more than ``factor`` times as
  ///   great; `nil` if it is not, or if that epoch is before ``start``.
  package func returnedEpoch(eigenvalues: [Double]) -> Int? {
    let newest = eigenvalues.count - 1 - Self.window / 2
    let earlier = newest - Self.distance
    guard earlier >= 0, earlier * every >= start else { return nil }
    func average(_ probe: Int) -> Double {
      let values = eigenvalues[max(0, probe - Self.window / 2)...(probe + Self.window / 2)]
      return values.reduce(0, +) / Double(values.count)
    }
    return average(newest) / average(earlier) > factor ? earlier * every : nil
  }

  /// Checks that a search is long enough to be stopped.
  ///
  /// - Throws: `SettingError` if it is not.
  public func validate(epochs: Int) throws {
    guard rule == .eigenvalue else { return }
    let returned = (start + every - 1) / every
    let last = (returned + Self.distance + Self.window / 2) * every
    guard last < epochs - 1 else {
      throw SettingError(
        "a search of \(epochs) epochs cannot be stopped by its eigenvalues, of which the first that count are known "
          + "after \(last + 1); set 'epochs' to at least \(last + 2), or smaller 'stop-start' and 'stop-every'")
    }
  }
}
