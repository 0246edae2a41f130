import Anytime
import SearchSpaces
import Statistics
import Supernet
import Tensor

/// The settings by which differentiable methods learn the architecture.
public struct ArchitectSettings: Configurable {
  /// The learning rate and weight decay of the architecture's Adam.
  public var learningRate = 3e-4, weightDecay = 1e-3
  /// The number of epochs at the start in which only the network's weights learn.
  public var warmStartEpochs = 0

  public static let settings = [
    Setting(
      "arch-learning-rate", \ArchitectSettings.learningRate, 1e-9...100, log: true,
      "learning rate of the architecture's Adam"),
    Setting(
      "arch-weight-decay", \ArchitectSettings.weightDecay, 0...1,
      "L2 regularisation of the architecture's weights"),
    Setting(
      "warm-start-epochs", \ArchitectSettings.warmStartEpochs, 0...100_000,
      "epochs before the architecture begins to learn"),
  ]

  public init() {}
}

/// The architecture weights of a differentiable method, and the Adam that learns them.
///
/// As in NAS-Bench-1Shot1's `architect.py`: weights begin at 0.001 times a normal deviate; Adam has betas 0.5 and
/// 0.999.
struct Architect {
  /// One row of weights per choice, before their softmax.
  let rows: [Tensor]
  private let adam: Adam
  private let settings: ArchitectSettings
  /// The greatest joint norm of the gradients; `nil` for no limit.
  private let gradientClip: Double?

  init(_ supernet: Supernet, _ settings: ArchitectSettings, gradientClip: Double? = nil) throws {
    rows = try supernet.shape.architecture.rows.map { row in
      let weights = (0..<row.count).map { _ in Float(1e-3 * supernet.session.random.gaussian()) }
      let tensor = try Tensor(weights, shape: [row.count])
      try tensor.requireGradient()
      return tensor
    }
    adam = try Adam(rows, betas: (0.5, 0.999), weightDecay: settings.weightDecay)
    self.settings = settings
    self.gradientClip = gradientClip
  }

  /// The tensors that a checkpoint must hold.
  var state: [Tensor] { rows + adam.state }

  /// Whether the architecture learns from a batch: only after the weights' warm start.
  func learns(from batch: Supernet.Batch) -> Bool { batch.epoch >= settings.warmStartEpochs }

  /// Updates the weights from the gradients that a pass stored.
  func step() throws {
    if let gradientClip { try Tensor.clipGradients(of: rows, to: gradientClip) }
    try adam.step(learningRate: settings.learningRate)
  }

  /// Gates of all alternatives, each times the softmax of its weight.
  func softmax(_ shape: SupernetShape) throws -> CellGates {
    shape.gates(try rows.map { .weighted(try $0.softmax()) })
  }

  /// The same gates without gradients to the architecture, for steps of the network's weights.
  func fixedSoftmax(_ shape: SupernetShape) throws -> CellGates {
    try Torch.withoutGradients { try softmax(shape) }
  }

  /// Makes a step of DARTS: the architecture learns from the search half, then the weights from the other half.
  ///
  /// - Parameter gradient: Computes and stores the architecture's gradient; by default, that of first order.
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

  /// The architecture with the greatest weights.
  func configuration(_ shape: SupernetShape) throws -> Configuration {
    shape.architecture.discretise(try rows.map { try $0.doubles() })
  }
}
