@_spi(Instruments) import Anytime
import CellNetworks
import SearchSpaces
import TabularBenchmark

/// The settings of a supernet's training, which all one-shot methods share.
///
/// Defaults are those of NAS-Bench-1Shot1's scripts (`optimizers/*/train_search.py`), which train nine cells with 16
/// channels. The preset `quick` has the channels and cells of the table's own networks.
public struct SupernetSettings: Configurable {
  /// The number of epochs over the images that train weights; the learning rate's schedule spans them.
  public var epochs = 50
  /// The number of images per step.
  public var batchSize = 96
  /// The learning rate at the first epoch, and the one at the end of its fall along half a cosine, epoch by epoch.
  public var learningRate = 0.025, leastLearningRate = 0.001
  /// The momentum and the weight decay of the weights' gradient descent.
  public var momentum = 0.9, weightDecay = 3e-4
  /// The greatest joint norm of the weights' gradients; greater gradients are scaled down to it.
  public var gradientClip = 5.0
  /// The channels of the stem, and the cells per stack; 0 for those of the table's networks.
  public var channels = 16, cellsPerStack = 3
  /// The probability that a choice block's output is dropped; it grows linearly from zero to this at the last epoch.
  public var dropPath = 0.0
  /// The random changes of training images.
  public var augment = Augment.auto
  /// The side, in pixels, of the square that is cut out of training images; 0 for none.
  public var cutout = 0
  /// The probability that a square is cut out of a training image, and its growth over the epochs.
  public var cutoutProbability = 1.0, cutoutRamp = CutoutRamp.linear
  /// Whether the supernet is validated after every epoch, which is charged.
  public var validates = true
  /// The number of batches over which batch norm's statistics are averaged anew before an architecture is evaluated; 0
  /// for the running statistics.
  public var recalibration = 0
  /// The number of cells probed for rank correlation (0 for no probes), and the number of epochs between probes.
  public var correlationCells = 0, correlationEvery = 5
  /// The number of epochs between probes of the architecture's Hessian; 0 for no probes.
  public var hessianEvery = 0
  /// The device that the supernet is trained on.
  public var device = Device.cpu

  /// The random changes of training images.
  public enum Augment: String, CaseIterable, Sendable {
    /// Random crops and flips for CIFAR-10, no changes for other data sets.
    case auto
    /// No changes.
    case none
    /// A random crop of the image with a border of four pixels, and a flip with probability 1/2.
    case cropAndFlip = "crop-flip"
  }

  /// The growth of cutout's probability over the epochs.
  public enum CutoutRamp: String, CaseIterable, Sendable {
    /// Grows linearly from zero at the first epoch to the whole probability at the last, as in NAS-Bench-1Shot1's
    /// scripts for tuning, and in its script for DARTS.
    case linear
    /// The whole probability in every epoch, as in NAS-Bench-1Shot1's other scripts.
    case constant
  }

  /// The probability that a square is cut out of a training image.
  ///
  /// - Parameter epoch: The number of epochs before this one; those beyond the last are like it.
  package func cutoutProbability(epoch: Int) -> Double {
    switch cutoutRamp {
    case .linear: cutoutProbability * progress(epoch: epoch)
    case .constant: cutoutProbability
    }
  }

  /// The part of linear schedules that is done in an epoch: 0 in the first, 1 in the last and in those beyond it.
  func progress(epoch: Int) -> Double { min(1, Double(epoch) / Double(max(1, epochs - 1))) }

  /// The device that a supernet is trained on.
  public enum Device: String, CaseIterable, Sendable {
    /// The processor, or the first accelerator that libtorch finds.
    case cpu, cuda
    /// The first accelerator.
    case cuda0 = "cuda:0"
    /// The second accelerator.
    case cuda1 = "cuda:1"
  }

  public static let settings = [
    Setting(
      "epochs", \SupernetSettings.epochs, 1...100_000, log: true,
      "epochs that the supernet is trained; schedules span them"),
    Setting("batch-size", \SupernetSettings.batchSize, 1...10_000, log: true, "images per step"),
    Setting("learning-rate", \SupernetSettings.learningRate, 1e-9...100, log: true, "learning rate at the first epoch"),
    Setting(
      "learning-rate-min", \SupernetSettings.leastLearningRate, 0...100, "learning rate at the end of its half cosine"),
    Setting("momentum", \SupernetSettings.momentum, 0...0.999_999, "momentum of the weights' gradient descent"),
    Setting("weight-decay", \SupernetSettings.weightDecay, 0...1, "L2 regularisation of the weights"),
    Setting(
      "gradient-clip", \SupernetSettings.gradientClip, 1e-9...1e9, log: true,
      "greatest joint norm of the weights' gradients"),
    Setting("channels", \SupernetSettings.channels, 0...256, "channels of the stem; 0 for the table's"),
    Setting("cells-per-stack", \SupernetSettings.cellsPerStack, 0...16, "cells in each stack; 0 for the table's"),
    Setting("drop-path", \SupernetSettings.dropPath, 0...0.9, "probability at the last epoch of dropping a block"),
    Setting("augment", \SupernetSettings.augment, "changes of training images; auto: crop-flip for CIFAR-10"),
    Setting("cutout", \SupernetSettings.cutout, 0...64, "side of the square cut out of training images; 0 for none"),
    Setting(
      "cutout-probability", \SupernetSettings.cutoutProbability, 0...1,
      "probability that a square is cut out of a training image"),
    Setting(
      "cutout-ramp", \SupernetSettings.cutoutRamp,
      "growth of cutout's probability: linear from 0 to its value at the last epoch, or none"),
    Setting("validate", \SupernetSettings.validates, "whether to validate the supernet after every epoch, charged"),
    Setting(
      "recalibration", \SupernetSettings.recalibration, 0...10_000,
      "batches to average batch norm's statistics over before one architecture is evaluated"),
    Setting(
      "correlation-cells", \SupernetSettings.correlationCells, 0...10_000,
      "cells probed for rank correlation, not charged"),
    Setting(
      "correlation-every", \SupernetSettings.correlationEvery, 1...100_000,
      "epochs between probes for rank correlation"),
    Setting(
      "hessian-every", \SupernetSettings.hessianEvery, 0...100_000,
      "epochs between probes of the architecture Hessian's dominant eigenvalue, not charged"),
    Setting("device", \SupernetSettings.device, "device that the supernet is trained on"),
  ]

  public init() {}

  public func validate() throws {
    guard leastLearningRate <= learningRate else {
      throw SettingError(
        "the learning rate cannot fall from \(learningRate) to \(leastLearningRate); set 'learning-rate-min' to at "
          + "most 'learning-rate'")
    }
  }

  public func validate(under conditions: Conditions) throws { try check(under: conditions) }

  /// Checks that a supernet with these settings can be opened.
  ///
  /// - Parameter partial: The number of equal parts into which channels are divided; operations see one of them.
  /// - Throws: ``SupernetError``.
  package func check(under conditions: Conditions, partial: Int = 1) throws(SupernetError) {
    let space = conditions.benchmark.space
    guard SupernetShape(space) != nil else { throw .noSupernet(space.name) }
    guard let task = SearchTask(under: conditions) else { return }
    _ = try network(of: task, partial: partial)
    try task.checkBatch(of: batchSize)
  }

  /// The network with the channels and cells of these settings.
  func network(of task: SearchTask, partial: Int) throws(SupernetError) -> NetworkSettings {
    var network = task.network
    if channels > 0 { network.channels = channels }
    guard network.channels % partial == 0 else { throw .channels(network.channels, parts: partial) }
    if cellsPerStack > 0 { network.cellsPerStack = cellsPerStack }
    do { try network.check() } catch { throw .network(error.description) }
    return network
  }

  /// Returns the settings of a method that trains single architectures: all but ``validates`` and ``hessianEvery``,
  /// since it has no gates of the whole supernet that could be validated, and no architecture weights whose Hessian
  /// could be probed.
  public static func settingsOfSinglePaths<Searcher: Optimizer>(
    at supernet: WritableKeyPath<Searcher, SupernetSettings> & Sendable
  ) -> [Setting] {
    settings(at: supernet, without: [\.validates, \.hessianEvery])
  }

  /// Returns the preset for the embedded benchmark, with the channels and cells of the table's own networks.
  ///
  /// - Parameter change: Changes further settings of the preset.
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
