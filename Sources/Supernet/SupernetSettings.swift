import Anytime

/// How a supernet is trained: what all one-shot methods have in common.
///
/// Defaults are those of NAS-Bench-1Shot1's scripts (`optimizers/*/train_search.py`), which train nine cells of 16
/// channels. The preset `quick` has the channels and cells of the table's own networks.
public struct SupernetSettings: Sendable {
  /// Epochs over the images that weights are trained on; determines the learning rate's schedule.
  public let epochs: Int
  public let batchSize: Int
  /// The first and the last learning rate of half a cosine, epoch by epoch.
  public let learningRate, leastLearningRate: Double
  public let momentum, weightDecay: Double
  /// The greatest norm of all gradients together.
  public let gradientClip: Double
  /// Channels of the stem, and cells per stack; `nil` for those of the table's networks.
  public let channels, cellsPerStack: Int?
  /// The probability at the last epoch that a choice block's output is dropped; it grows linearly.
  public let dropPath: Double
  public let augment: Augment
  /// The edge of the square that is cut out of training images; 0 for none. Its probability grows linearly to 1.
  public let cutout: Int
  /// Whether the supernet is validated after every epoch, which is charged.
  public let validates: Bool
  /// Batches over which batch norm's statistics are averaged anew before one architecture is evaluated; 0 for the
  /// running statistics.
  public let recalibration: Int
  /// How many cells are probed, and every how many epochs.
  public let correlationCells, correlationEvery: Int
  /// Every how many epochs the architecture's Hessian is probed; 0 for never.
  public let hessianEvery: Int
  /// Where the supernet is trained: `cpu`, `cuda` or `cuda:1`.
  public let device: String

  /// How training images are changed.
  public enum Augment: String, CaseIterable, Sendable {
    /// By a random crop and flip for CIFAR-10, not at all for others.
    case auto
    case none
    case cropAndFlip = "crop-flip"
  }

  /// The settings that a one-shot method declares beside its own, with the defaults that differ between methods.
  public static func declared(
    epochs: Int, batchSize: Int, gradientClip: Double, weightDecay: Double = 3e-4, validates: Bool = true,
    recalibration: Int = 0
  ) -> [Setting] {
    [
      Setting("epochs", .integer(1...100_000, default: epochs), "of the supernet, which the schedules span"),
      Setting("batch-size", .integer(1...100_000, default: batchSize), "images per step"),
      Setting("learning-rate", .real(1e-9...100, default: 0.025), "at the first epoch"),
      Setting("learning-rate-min", .real(0...100, default: 0.001), "where its half cosine ends"),
      Setting("momentum", .real(0...0.999_999, default: 0.9), "of the weights' gradient descent"),
      Setting("weight-decay", .real(0...1, default: weightDecay), "of the weights (L2)"),
      Setting("gradient-clip", .real(1e-9...1e9, default: gradientClip), "greatest norm of the weights' gradients"),
      Setting("channels", .integer(0...1_024, default: 16), "of the stem; 0 for the table's"),
      Setting("cells-per-stack", .integer(0...16, default: 3), "in each of the stacks; 0 for the table's"),
      Setting("drop-path", .real(0...0.9, default: 0), "probability at the last epoch"),
      Setting(
        "augment", .choice(Augment.allCases.map(\.rawValue), default: Augment.auto.rawValue),
        "of training images; auto: crop-flip for CIFAR-10"),
      Setting("cutout", .integer(0...64, default: 0), "edge of the square cut out of training images"),
      Setting("validate", .flag(default: validates), "the supernet after every epoch, charged"),
      Setting(
        "recalibration", .integer(0...10_000, default: recalibration),
        "batches to average batch norm's statistics over before one architecture is evaluated"),
      Setting("correlation-cells", .integer(0...10_000, default: 0), "probed for rank correlation, not charged"),
      Setting("correlation-every", .integer(1...100_000, default: 5), "epochs between such probes"),
      Setting(
        "hessian-every", .integer(0...100_000, default: 0),
        "epochs between probes of the architecture Hessian's dominant eigenvalue, not charged"),
      Setting("device", .choice(["cpu", "cuda", "cuda:0", "cuda:1"], default: "cpu"), "that the supernet is on"),
    ]
  }

  /// The preset for the embedded benchmark: the table's own data, resolution, channels and cells.
  public static func quick(_ values: [String: String] = [:]) -> Method.Preset {
    Method.Preset(
      "quick", "for the embedded benchmark: the channels and cells of the table's networks, fewer epochs",
      ["epochs": "30", "batch-size": "64", "channels": "0", "cells-per-stack": "0"].merging(values) { $1 })
  }

  public init(_ settings: Settings) {
    epochs = settings.integer("epochs")
    batchSize = settings.integer("batch-size")
    learningRate = settings.real("learning-rate")
    leastLearningRate = settings.real("learning-rate-min")
    momentum = settings.real("momentum")
    weightDecay = settings.real("weight-decay")
    gradientClip = settings.real("gradient-clip")
    channels = settings.integer("channels") == 0 ? nil : settings.integer("channels")
    cellsPerStack = settings.integer("cells-per-stack") == 0 ? nil : settings.integer("cells-per-stack")
    dropPath = settings.real("drop-path")
    augment = settings.choice("augment", as: Augment.self)
    cutout = settings.integer("cutout")
    validates = settings.flag("validate")
    recalibration = settings.integer("recalibration")
    correlationCells = settings.integer("correlation-cells")
    correlationEvery = settings.integer("correlation-every")
    hessianEvery = settings.integer("hessian-every")
    device = settings.choice("device")
  }
}
