import Anytime
import CellSpace
import Statistics
import Supernet
import Tensor

/// The architecture weights of a differentiable method, and the Adam that learns them.
///
/// As in NAS-Bench-1Shot1's `architect.py`: weights begin at 0.001 times a normal deviate; Adam has betas 0.5 and
/// 0.999.
struct Architect {
  /// A row of weights per choice, before their softmax.
  let rows: [Tensor]
  private let adam: Adam
  private let learningRate: Double
  private let warmStart: Int
  /// The greatest norm of all gradients together; `nil` for no limit.
  private let gradientClip: Double?

  /// The settings that differentiable methods declare beside the supernet's.
  static func declared(warmStart: Int = 0) -> [Setting] {
    [
      Setting("arch-learning-rate", .real(1e-9...100, default: 3e-4), "of the architecture's Adam"),
      Setting("arch-weight-decay", .real(0...1, default: 1e-3), "of the architecture's weights (L2)"),
      Setting(
        "warm-start-epochs", .integer(0...100_000, default: warmStart),
        "epochs before the architecture begins to learn"),
    ]
  }

  init(_ supernet: Supernet, _ settings: Settings, gradientClip: Double? = nil) throws {
    rows = try supernet.shape.architecture.rows.map { row in
      let weights = (0..<row.count).map { _ in Float(1e-3 * supernet.session.random.gaussian()) }
      let tensor = try Tensor(weights, shape: [row.count])
      try tensor.requireGradient()
      return tensor
    }
    adam = try Adam(rows, betas: (0.5, 0.999), weightDecay: settings.real("arch-weight-decay"))
    learningRate = settings.real("arch-learning-rate")
    warmStart = settings.integer("warm-start-epochs")
    self.gradientClip = gradientClip
  }

  /// What a checkpoint must hold.
  var state: [Tensor] { rows + adam.state }

  /// Whether the architecture learns already, while the weights have warmed up.
  func learns(from batch: Supernet.Batch) -> Bool { batch.epoch >= warmStart }

  /// Learns from the gradients that a pass left.
  func step() throws {
    if let gradientClip { try Tensor.clipGradients(of: rows, to: gradientClip) }
    try adam.step(learningRate: learningRate)
  }

  /// All alternatives, each times the softmax of its weight.
  func softmax(_ shape: SupernetShape) throws -> CellGates {
    shape.gates(try rows.map { .weighted(try $0.softmax()) })
  }

  /// The same for steps of the network's weights, through which nothing goes back to the architecture.
  func fixedSoftmax(_ shape: SupernetShape) throws -> CellGates {
    try Torch.withoutGradients { try softmax(shape) }
  }

  /// DARTS' step: the architecture learns from the search half, then the weights from theirs.
  ///
  /// - Parameter gradient: Leaves the architecture's gradient; by default that of the first order.
  func alternate(_ supernet: Supernet, _ batch: Supernet.Batch, gradient: (() throws -> Void)? = nil) throws {
    if learns(from: batch) {
      if let gradient {
        try gradient()
      } else {
        let gates = try softmax(supernet.shape)
        try supernet.architectureGradient(rows, batch) { _ in gates }
      }
      try step()
    }
    let gates = try fixedSoftmax(supernet.shape)
    try supernet.train(batch) { _ in gates }
  }

  /// The architecture of the greatest weights.
  func configuration(_ shape: SupernetShape) throws -> Configuration {
    shape.architecture.discretise(try rows.map { try $0.doubles() })
  }
}
