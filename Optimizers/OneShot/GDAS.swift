import Anytime
import Foundation
import SearchSpaces
import Statistics
import Supernet
import Tensor

/// GDAS: every choice block executes one operation per pass, drawn by a hard Gumbel-softmax whose gradients reach all
/// operations; edges are soft.
///
/// Dong and Yang, "Searching for a Robust Neural Architecture in Four GPU Hours", CVPR 2019; in NAS-Bench-1Shot1
/// `optimizers/gdas`: operations are drawn hard and edges soft ("hard very quickly gave exploding gradients"), anew for
/// every cell of the network; the temperature falls linearly over the epochs from 10 to 1; the architecture's gradients
/// are clipped like the weights'. The temperature falls by an equal part before every epoch but the first, so that it
/// would reach 1 only one epoch after the last: of 30 epochs, the last has 1.3.
///
/// Differences: those of ``DARTS``; the unrolled variant, whose momentum was silently zero, is left out. Weight decay
/// and momentum do not change the weights of operations that a step did not draw, as in Li and Talwalkar's code; in
/// NAS-Bench-1Shot1's, whose gradients of them are zero, both do. Cutout's probability grows over the epochs, as in the
/// script for tuning (`train_search_bohb.py`); in `train_search.py` it is constant (`cutout-ramp=constant`).
///
/// The Hessian, whose eigenvalues can end a search early (`StopSettings`), is that of the mixture without noise. Its
/// weights are the probabilities with which operations are drawn; a loss with drawn operations is no smooth function of
/// the architecture. Two settings of ``DARTS`` are missing. Noise on the softmaxed weights (``PerturbSettings``): steps
/// of the network's weights already execute operations that noise has chosen. Selection by removal
/// (``SelectSettings``): it takes an alternative out of a mixture, and GDAS never trains one.
public struct GDAS: Optimizer {
  public static let method = Method(
    name: "gdas", title: "GDAS", family: .oneShot,
    summary: "Learns like DARTS, but executes one drawn operation per choice block.",
    citation: "Dong and Yang, CVPR 2019; Zela, Siems and Hutter, ICLR 2020",
    usesImages: true, revision: 2,
    settings: SupernetSettings.settings(at: \GDAS.supernet) + ArchitectSettings.settings(at: \GDAS.architect) + [
      Setting("tau-max", \GDAS.highestTemperature, 1e-3...1e3, log: true, "temperature at the first epoch"),
      Setting(
        "tau-min", \GDAS.lowestTemperature, 1e-3...1e3, log: true,
        "temperature at the end of its fall, after the last epoch"),
    ] + StopSettings.settings(at: \GDAS.stop),
    presets: [SupernetSettings.quick(\GDAS.supernet) { $0.architect.learningRate = 0.01 }])

  /// The settings of the supernet's training.
  public var supernet = SupernetSettings { $0.epochs = 100 }
  /// The settings of how the architecture weights are learnt.
  public var architect = ArchitectSettings()
  /// The temperature of the Gumbel-softmax at the first epoch.
  public var highestTemperature = 10.0
  /// The temperature of the Gumbel-softmax at the end of its linear fall, which is one epoch after the last.
  public var lowestTemperature = 1.0
  /// The settings of early stopping.
  public var stop = StopSettings()

  public init() {}

  public func validate() throws {
    guard lowestTemperature <= highestTemperature else {
      throw SettingError(
        "the temperature cannot fall from \(highestTemperature) to \(lowestTemperature); set 'tau-min' to at most "
          + "'tau-max'")
    }
    try architect.validate(epochs: supernet.epochs)
    try stop.validate(epochs: supernet.epochs)
  }

  public func search(_ session: Session) throws {
    let supernet = try Supernet(session, self.supernet)
    let shape = supernet.shape
    let architect = try Architect(supernet, self.architect, gradientClip: self.supernet.gradientClip)
    let (highest, lowest) = (highestTemperature, lowestTemperature)
    var temperature = highest
    func gates(_ cell: Int) throws -> CellGates {
      try gumbelGates(architect.rows, shape: shape, temperature: temperature) {
        -log(-log(max(session.random.uniform(), 0x1p-53)))
      }
    }
    try supernet.run(
      architecture: architect.rows, state: architect.state,
      step: { batch in
        temperature = highest + (lowest - highest) * Double(batch.epoch) / Double(self.supernet.epochs)
        if architect.learns(from: batch) {
          try supernet.architectureGradient(architect.rows, batch, gates: gates)
          try architect.step()
        }
        try supernet.train(batch) { cell in try Torch.withoutGradients { try gates(cell) } }
      },
      gates: gates, relaxation: { _ in try architect.softmax(shape) }, stop: stop,
      choose: { try architect.configuration(shape) })
  }
}

/// The gates of a Gumbel-softmax that is hard over operations and soft over parents.
///
/// - Parameter noise: Draws a standard Gumbel deviate; called weight by weight, row by row.
package func gumbelGates(
  _ rows: [Tensor], shape: SupernetShape, temperature: Double, noise: () -> Double
) throws -> CellGates {
  shape.gates(
    try rows.enumerated().map { number, row in
      let deviates = try Tensor((0..<row.count).map { _ in Float(noise()) }, shape: [row.count])
      let soft = try ((row + deviates) * (1 / temperature)).softmax()
      guard number < shape.blocks else { return .weighted(soft) }
      let hard = try soft.straightThrough()
      let values = try hard.doubles()
      return .sampled(values.indices.max { values[$0] < values[$1] } ?? 0, weights: hard)
    })
}
