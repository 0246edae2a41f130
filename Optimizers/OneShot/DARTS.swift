import Anytime
import SearchSpaces
import Supernet
import Tensor

/// DARTS: every choice is a softmax over all its alternatives, and the weights of the softmax are learnt by gradient
/// descent on images that the network's weights are not trained on.
///
/// Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", ICLR 2019; in NAS-Bench-1Shot1's spaces
/// Zela, Siems and Hutter, ICLR 2020, `optimizers/darts/train_search.py`. At every step the architecture learns
/// first, by Adam, then the weights. `order=second` looks one step of the weights ahead (equations 6 to 8).
///
/// Remedies of later papers are available as settings: early stopping of R-DARTS (`StopSettings`), random smoothing of
/// SDARTS-RS (``PerturbSettings``), and the selection of DARTS-PT (``SelectSettings``).
///
/// Differences: the order of updates and all constants are the scripts', but the cell is read off after the epoch's
/// updates, not before; a last batch that is not full is left out; passes for the architecture do not change batch
/// norm's running statistics (the loss does not depend on them); images that choose architectures are not augmented;
/// the halves of the images are drawn, where the scripts always take the first half for the weights; the learning rate
/// begins at the start of its cosine, where `train_search.py`, which steps the schedule before the first epoch, begins
/// one epoch further on with newer PyTorch.
public struct DARTS: Optimizer {
  public static let method = Method(
    name: "darts", title: "DARTS", family: .oneShot,
    summary: "Learns a softmax over the alternatives of every choice by gradient descent.",
    citation: "Liu, Simonyan and Yang, ICLR 2019; Zela, Siems and Hutter, ICLR 2020",
    usesImages: true, revision: 2,
    settings: SupernetSettings.settings(at: \DARTS.supernet) + ArchitectSettings.settings(at: \DARTS.architect) + [
      Setting("order", \DARTS.order, "order of the architecture's gradient"),
      Setting("hessian", \DARTS.hessian, "how the second order's Hessian-vector product is computed"),
    ] + StopSettings.settings(at: \DARTS.stop) + PerturbSettings.settings(at: \DARTS.perturb)
      + SelectSettings.settings(at: \DARTS.select),
    presets: [SupernetSettings.quick(\DARTS.supernet) { $0.architect.learningRate = 0.003 }])

  /// The order of the architecture's gradient: first, or second with one step of the network's weights unrolled.
  public enum Order: String, CaseIterable, Sendable { case first, second }

  /// The computation of the Hessian-vector product in the second-order gradient.
  public enum HessianProduct: String, CaseIterable, Sendable {
    /// The difference of two gradients at slightly shifted weights, as in the authors' code.
    case finiteDifference = "finite-difference"
    /// The derivative of the gradient, without approximation.
    case exact
  }

  /// The settings of the supernet's training.
  public var supernet = SupernetSettings()
  /// The settings of how the architecture weights are learnt.
  public var architect = ArchitectSettings()
  /// The order of the architecture's gradient.
  public var order = Order.first
  /// The computation of the Hessian-vector product if ``order`` is second.
  public var hessian = HessianProduct.finiteDifference
  /// The settings of early stopping.
  public var stop = StopSettings()
  /// The settings of noise on the architecture weights while the network's weights learn.
  public var perturb = PerturbSettings()
  /// The settings of how the final architecture is chosen.
  public var select = SelectSettings()

  public init() {}

  public func validate() throws {
    try architect.validate(epochs: supernet.epochs)
    try stop.validate(epochs: supernet.epochs)
    try select.validate(beside: stop)
  }

  public func search(_ session: Session) throws {
    let supernet = try Supernet(session, self.supernet)
    let shape = supernet.shape
    let architect = try Architect(supernet, self.architect, perturb: perturb)
    func step(_ batch: Supernet.Batch, _ decided: Decided) throws {
      guard order == .second else { return try architect.alternate(supernet, batch, decided) }
      try architect.alternate(supernet, batch, decided) {
        try supernet.unrolledArchitectureGradient(architect.rows, batch, exact: hessian == .exact) { _ in
          try architect.softmax(shape, decided)
        }
      }
    }
    try supernet.run(
      architecture: architect.rows, state: architect.state,
      step: { try step($0, [:]) },
      gates: { _ in try architect.softmax(shape) },
      stop: stop, furtherEpochs: select.epochs(shape),
      choose: { try architect.configuration(shape) })
    try select.select(supernet, architect, step: step)
  }
}
