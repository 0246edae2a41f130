import Anytime
import CellSpace
import Supernet
import Tensor

/// DARTS: every choice is a softmax over all its alternatives, whose weights learn by gradient descent on images
/// that the network's weights do not see.
///
/// Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", ICLR 2019; in NAS-Bench-1Shot1's spaces
/// Zela, Siems and Hutter, ICLR 2020, `optimizers/darts/train_search.py`. At every step the architecture learns
/// first, by Adam, then the weights. `order=second` looks one step of the weights ahead (equations 6 to 8).
///
/// Differences: the order of updates and all constants are the scripts', but the cell is read off after the epoch's
/// updates, not before; a last batch that is not full is left out; passes for the architecture leave batch norm's
/// running statistics alone (the loss does not depend on them); images that architectures are chosen by are not
/// augmented.
public struct DARTS: Optimizer {
  public static let method = Method(
    name: "darts", title: "DARTS", family: .oneShot,
    summary: "Learns a softmax over the alternatives of every choice by gradient descent.",
    citation: "Liu, Simonyan and Yang, ICLR 2019; Zela, Siems and Hutter, ICLR 2020",
    settings: SupernetSettings.declared(epochs: 50, batchSize: 96, gradientClip: 5) + Architect.declared() + [
      Setting("order", .choice(["first", "second"], default: "first"), "of the architecture's gradient"),
      Setting(
        "hessian", .choice(["finite-difference", "exact"], default: "finite-difference"),
        "how the second order's Hessian-vector product is computed"),
    ],
    presets: [SupernetSettings.quick(["arch-learning-rate": "0.003"])])

  private let settings: Settings

  public init(settings: Settings) { self.settings = settings }

  public func search(_ session: Session) throws {
    let supernet = try Supernet(session, SupernetSettings(settings))
    let shape = supernet.shape
    let architect = try Architect(supernet, settings)
    let isSecondOrder = settings.choice("order") == "second"
    let isExact = settings.choice("hessian") == "exact"
    try supernet.run(
      architecture: architect.rows, state: architect.state,
      step: { batch in
        guard isSecondOrder else { return try architect.alternate(supernet, batch) }
        try architect.alternate(supernet, batch) {
          try supernet.unrolledArchitectureGradient(architect.rows, batch, exact: isExact) { _ in
            try architect.softmax(shape)
          }
        }
      },
      gates: { _ in try architect.softmax(shape) },
      choose: { try architect.configuration(shape) })
  }
}
