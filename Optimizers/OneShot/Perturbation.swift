import Anytime
import Statistics

/// The settings of random smoothing (SDARTS-RS: Chen and Hsieh, "Stabilizing Differentiable Architecture Search via
/// Perturbation-based Regularization", ICML 2020, section 3.1).
///
/// Whenever the network's weights learn, uniform noise is added to the softmax of every row of architecture weights. It
/// is drawn anew for each step, so that the network's weights learn to serve a neighbourhood of the architecture. The
/// architecture itself learns without noise. Widths, their growth and the clipping are those of the authors' code
/// (`optimizers/darts` and `attacker/perturb.py` in github.com/xiangning-chen/SmoothDARTS).
///
/// Difference: PC-DARTS has these settings too; its script in that repository has none.
public struct PerturbSettings: Configurable {
  /// The kind of noise.
  public var noise = Noise.none
  /// The greatest absolute noise at the first epoch, and at the end of its linear growth, one epoch after the last
  /// (0...1).
  public var firstWidth = 0.03, lastWidth = 0.3

  /// The noise on the softmaxed architecture weights while the network's weights learn: none, or uniform random noise.
  public enum Noise: String, CaseIterable, Sendable { case none, random }

  public static let settings = [
    Setting("perturb", \PerturbSettings.noise, "noise on the softmaxed architecture while the network's weights learn"),
    Setting("perturb-epsilon", \PerturbSettings.lastWidth, 0...1, "greatest noise at the end of its growth"),
    Setting("perturb-epsilon-start", \PerturbSettings.firstWidth, 0...1, "greatest noise at the first epoch"),
  ]

  public init() {}

  /// The greatest noise in an epoch.
  ///
  /// - Parameter epoch: The number of epochs before this one; fine-tuning, beyond the last, has ``lastWidth``.
  package func width(epoch: Int, of epochs: Int) -> Double {
    firstWidth + (lastWidth - firstWidth) * Double(min(epoch, epochs)) / Double(epochs)
  }
}

/// Weights that sum to 1 with uniform noise in `-width...width` on each; they are limited to 0...1 and divided by their
/// sum. If all would be zero, the one that was greatest is 1.
package func perturbed(_ weights: [Double], by width: Double, using random: inout RandomGenerator) -> [Double] {
  let noisy = weights.map { $0 + width * (2 * random.uniform() - 1) }
  var limited = noisy.map { min(max($0, 0), 1) }
  // Of equal ones the first, as in the code.
  if limited.allSatisfy({ $0 == 0 }), let greatest = noisy.max().flatMap({ noisy.firstIndex(of: $0) }) {
    limited[greatest] = 1
  }
  let sum = limited.reduce(0, +)
  return limited.map { $0 / sum }
}
