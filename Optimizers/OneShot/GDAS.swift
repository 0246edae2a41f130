import Anytime
import CellSpace
import Foundation
import Statistics
import Supernet
import Tensor

/// GDAS: every choice block executes one operation per pass, drawn by a hard Gumbel-softmax that passes gradients
/// on to all; edges are soft.
///
/// Dong and Yang, "Searching for a Robust Neural Architecture in Four GPU Hours", CVPR 2019; in NAS-Bench-1Shot1
/// `optimizers/gdas`: operations are drawn hard and edges soft ("hard very quickly gave exploding gradients"), anew
/// for every cell of the network; the temperature falls linearly over the epochs from 10 to 1; the architecture's
/// gradients are clipped like the weights'.
///
/// Differences: those of ``DARTS``; the unrolled variant, whose momentum was silently zero, is left out.
public struct GDAS: Optimizer {
  public static let method = Method(
    name: "gdas", title: "GDAS", family: .oneShot,
    summary: "Learns like DARTS, but executes one drawn operation per choice block.",
    citation: "Dong and Yang, CVPR 2019; Zela, Siems and Hutter, ICLR 2020",
    settings: SupernetSettings.declared(epochs: 100, batchSize: 96, gradientClip: 5) + Architect.declared() + [
      Setting("tau-max", .real(1e-3...1e3, default: 10), "temperature at the first epoch"),
      Setting("tau-min", .real(1e-3...1e3, default: 1), "temperature at the last epoch"),
    ],
    presets: [SupernetSettings.quick(["arch-learning-rate": "0.003"])])

  private let settings: Settings

  public init(settings: Settings) { self.settings = settings }

  public func search(_ session: Session) throws {
    let common = SupernetSettings(settings)
    let supernet = try Supernet(session, common)
    let shape = supernet.shape
    let architect = try Architect(supernet, settings, gradientClip: common.gradientClip)
    let (highest, lowest) = (settings.real("tau-max"), settings.real("tau-min"))
    var temperature = highest
    func gates(_ cell: Int) throws -> CellGates {
      try gumbelGates(architect.rows, shape: shape, temperature: temperature) {
        -log(-log(max(session.random.uniform(), 0x1p-53)))
      }
    }
    try supernet.run(
      architecture: architect.rows, state: architect.state,
      step: { batch in
        temperature = highest + (lowest - highest) * Double(batch.epoch) / Double(common.epochs)
        if architect.learns(from: batch) {
          try supernet.architectureGradient(architect.rows, batch, gates: gates)
          try architect.step()
        }
        try supernet.train(batch) { cell in try Torch.withoutGradients { try gates(cell) } }
      },
      gates: gates,
      choose: { try architect.configuration(shape) })
  }
}

/// Hard Gumbel-softmax over operations, soft over parents.
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
