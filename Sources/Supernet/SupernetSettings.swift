import Anytime

/// How a supernet is trained: what all one-shot methods have in common.
///
/// Defaults are those of NAS-Bench-1Shot1's scripts (`optimizers/*/train_search.py`), which train nine cells of 16
/// channels. The preset `quick` has the channels and cells of the table's own networks.
public struct SupernetSettings: Configurable {
  /// Epochs over the images that weights are trained on; determines the learning rate's schedule.
  public var epochs = 50
  public var batchSize = 96
  /// The first and the last learning rate of half a cosine, epoch by epoch.
  public var learningRate = 0.025, leastLearningRate = 0.001
  public var momentum = 0.9, weightDecay = 3e-4
  /// The greatest norm of all gradients together.
  public var gradientClip = 5.0
  /// Channels of the stem, and cells per stack; 0 for those of the table's networks.
  public var channels = 16, cellsPerStack = 3
  /// The probability at the last epoch that a choice block's output is dropped; it grows linearly.
  public var dropPath = 0.0
  public var augment = Augment.auto
  /// The edge of the square that is cut out of training images; 0 for none. Its probability grows linearly to 1.
  public var cutout = 0
  /// Whether the supernet is validated after every epoch, which is charged.
  public var validates = true
  /// Batches over which batch norm's statistics are averaged anew before one architecture is evaluated; 0 for the
  /// running statistics.
  public var recalibration = 0
  /// How many cells are probed, and every how many epochs.
  public var correlationCells = 0, correlationEvery = 5
  /// Every how many epochs the architecture's Hessian is probed; 0 for never.
  public var hessianEvery = 0
  public var device = Device.cpu

  /// How training images are changed.
  public enum Augment: String, CaseIterable, Sendable {
    /// By a random crop and flip for CIFAR-10, not at all for others.
    case auto
    case none
    case cropAndFlip = "crop-flip"
  }

  /// Where a supernet is trained.
  public enum Device: String, CaseIterable, Sendable {
    case cpu, cuda
    case cuda0 = "cuda:0"
    case cuda1 = "cuda:1"
  }

  public static let settings = [
    Setting("epochs", \SupernetSettings.epochs, 1...100_000, log: true, "of the supernet, which the schedules span"),
    Setting("batch-size", \SupernetSettings.batchSize, 1...10_000, log: true, "images per step"),
    Setting("learning-rate", \SupernetSettings.learningRate, 1e-9...100, log: true, "at the first epoch"),
    Setting("learning-rate-min", \SupernetSettings.leastLearningRate, 0...100, "where its half cosine ends"),
    Setting("momentum", \SupernetSettings.momentum, 0...0.999_999, "of the weights' gradient descent"),
    Setting("weight-decay", \SupernetSettings.weightDecay, 0...1, "of the weights (L2)"),
    Setting(
      "gradient-clip", \SupernetSettings.gradientClip, 1e-9...1e9, log: true,
      "greatest norm of the weights' gradients"),
    Setting("channels", \SupernetSettings.channels, 0...256, "of the stem; 0 for the table's"),
    Setting("cells-per-stack", \SupernetSettings.cellsPerStack, 0...16, "in each of the stacks; 0 for the table's"),
    Setting("drop-path", \SupernetSettings.dropPath, 0...0.9, "probability at the last epoch"),
    Setting("augment", \SupernetSettings.augment, "of training images; auto: crop-flip for CIFAR-10"),
    Setting("cutout", \SupernetSettings.cutout, 0...64, "edge of the square cut out of training images"),
    Setting("validate", \SupernetSettings.validates, "the supernet after every epoch, charged"),
    Setting(
      "recalibration", \SupernetSettings.recalibration, 0...10_000,
      "batches to average batch norm's statistics over before one architecture is evaluated"),
    Setting(
      "correlation-cells", \SupernetSettings.correlationCells, 0...10_000, "probed for rank correlation, not charged"),
    Setting("correlation-every", \SupernetSettings.correlationEvery, 1...100_000, "epochs between such probes"),
    Setting(
      "hessian-every", \SupernetSettings.hessianEvery, 0...100_000,
      "epochs between probes of the architecture Hessian's dominant eigenvalue, not charged"),
    Setting("device", \SupernetSettings.device, "that the supernet is on"),
  ]

  public init() {}

  public func validate() throws {
    guard leastLearningRate <= learningRate else {
      throw SettingError(
        "the learning rate cannot fall from \(learningRate) to \(leastLearningRate); set 'learning-rate-min' to at "
          + "most 'learning-rate'")
    }
  }

  /// The settings of a method that trains single architectures: there is nothing to validate the whole supernet by,
  /// and no architecture weights whose Hessian could be probed.
  public static func settingsOfSinglePaths<Searcher: Optimizer>(
    at supernet: WritableKeyPath<Searcher, SupernetSettings> & Sendable
  ) -> [Setting] {
    settings(at: supernet, without: [\.validates, \.hessianEvery])
  }

  /// The preset for the embedded benchmark: the table's own data, resolution, channels and cells.
  ///
  /// - Parameter change: What else the preset sets.
  public static func quick<Searcher: Optimizer>(
    _ supernet: WritableKeyPath<Searcher, SupernetSettings>, _ change: (inout Searcher) -> Void
  ) -> Method.Preset {
    Method.Preset(
      "quick", "for the embedded benchmark: the channels and cells of the table's networks, fewer epochs",
      Searcher {
        $0[keyPath: supernet].epochs = 30
        $0[keyPath: supernet].batchSize = 64
        $0[keyPath: supernet].channels = 0
        $0[keyPath: supernet].cellsPerStack = 0
        change(&$0)
      })
  }
}
