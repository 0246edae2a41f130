import Anytime
import SearchSpaces
import Statistics
import Supernet
import Tensor

/// The settings of how differentiable methods learn the architecture weights.
public struct ArchitectSettings: Configurable {
  /// The learning rate and weight decay of Adam, which learns the architecture weights.
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

  /// Checks that the architecture learns in a search of some epochs.
  ///
  /// - Throws: `SettingError` if the search ends before.
  func validate(epochs: Int) throws {
    guard warmStartEpochs < epochs else {
      throw SettingError(
        "the architecture begins to learn after \(warmStartEpochs) epochs, of which there are \(epochs); set "
          + "'warm-start-epochs' to less than 'epochs'")
    }
  }
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
  private let perturb: PerturbSettings
  /// The greatest joint norm of the gradients; `nil` for no limit.
  private let gradientClip: Double?

  init(
    _ supernet: Supernet, _ settings: ArchitectSettings, perturb: PerturbSettings = PerturbSettings(),
    gradientClip: Double? = nil
  ) throws {
    rows = try supernet.shape.architecture.rows.map { row in
      let weights = (0..<row.count).map { _ in Float(1e-3 * supernet.session.random.gaussian()) }
      let tensor = try Tensor(weights, shape: [row.count])
      try tensor.requireGradient()
      return tensor
    }
    adam = try Adam(rows, betas: (0.5, 0.999), weightDecay: settings.weightDecay)
    self.settings = settings
    self.perturb = perturb
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
  ///
  /// - Parameters:
  ///   - decided: The choices that are made already; of these, what was chosen is executed, without weights.
  ///   - removed: An alternative of a row that gets weight zero. The weights of the others stay as they are.
  func softmax(
    _ shape: SupernetShape, _ decided: Decided = [:], without removed: (row: Int, alternative: Int)? = nil
  ) throws -> CellGates {
    try gates(shape, decided) { number, row in
      let weights = try row.softmax()
      guard let removed, removed.row == number else { return weights }
      let mask = (0..<row.count).map { Float($0 == removed.alternative ? 0 : 1) }
      return try weights * Tensor(mask, shape: [row.count])
    }
  }

  /// Gates of the alternatives of all choices that are not decided.
  ///
  /// - Parameter weights: Computes the weights of a row, given its number and its weights before their softmax.
  private func gates(
    _ shape: SupernetShape, _ decided: Decided, weights: (Int, Tensor) throws -> Tensor
  ) rethrows -> CellGates {
    shape.gates(
      try rows.enumerated().map { number, row in
        try decided[number].map { .selected($0) } ?? .weighted(try weights(number, row))
      })
  }

  /// Gates for a step of the network's weights: without gradients to the architecture, and perturbed if the settings
  /// say so.
  private func fixedSoftmax(
    _ supernet: Supernet, _ batch: Supernet.Batch, _ decided: Decided
  ) throws -> CellGates {
    try Torch.withoutGradients {
      guard perturb.noise == .random else { return try softmax(supernet.shape, decided) }
      let width = perturb.width(epoch: batch.epoch, of: supernet.settings.epochs)
      return try gates(supernet.shape, decided) { _, row in
        let weights = perturbed(try row.softmax().doubles(), by: width, using: &supernet.session.random)
        return try Tensor(weights.map { Float($0) }, shape: [row.count])
      }
    }
  }

  /// Makes a step of DARTS: the architecture learns from the search half, then the weights from the other half.
  ///
  /// - Parameters:
  ///   - decided: The choices that are made already.
  ///   - gradient: Computes and stores the architecture's gradient; by default, that of first order.
  func alternate(
    _ supernet: Supernet, _ batch: Supernet.Batch, _ decided: Decided = [:], gradient: (() throws -> Void)? = nil
  ) throws {
    if learns(from: batch) {
      if let gradient {
        try gradient()
      } else {
        let gates = try softmax(supernet.shape, decided)
        try supernet.architectureGradient(rows, batch) { _ in gates }
      }
      try step()
    }
    let gates = try fixedSoftmax(supernet, batch, decided)
    try supernet.train(batch) { _ in gates }
  }

  /// The architecture with the greatest weights.
  func configuration(_ shape: SupernetShape) throws -> Configuration {
    shape.architecture.discretise(try rows.map { try $0.doubles() })
  }
}
