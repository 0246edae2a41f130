import Foundation
import SearchSpaces
import Statistics
import Tensor

/// The settings of a network's training.
public struct TrainingSettings: Hashable, Sendable, Codable {
  /// The number of images per step.
  public var batchSize: Int
  public var rule: GradientDescent.Rule
  /// The learning rate at the first step; it falls to zero along half a cosine, step by step.
  public var learningRate: Double
  public var momentum: Double
  /// The strength of L2 regularisation, on all parameters.
  public var weightDecay: Double

  public init(
    batchSize: Int = 64, rule: GradientDescent.Rule = .nesterov, learningRate: Double = 0.03,
    momentum: Double = 0.9, weightDecay: Double = 1e-4
  ) {
    self.batchSize = batchSize
    self.rule = rule
    self.learningRate = learningRate
    self.momentum = momentum
    self.weightDecay = weightDecay
  }

  /// The number of batches per epoch. A last batch that is not full is left out, unless it is the only one.
  public func stepsPerEpoch(images: Int) -> Int { max(1, images / batchSize) }
}

/// The time and accuracies of a training at one moment.
public struct TrainingPoint: Hashable, Sendable, Codable {
  /// CPU seconds of the training steps so far, evaluations excluded.
  public var seconds: Double
  /// Accuracies in 0...1. Training accuracy is measured on the first quarter of the training images, as
  /// NAS-Bench-101 takes 10,000 of its 40,000.
  public var train, validation, test: Double
}

/// The result of a training.
public struct TrainingOutcome: Hashable, Sendable {
  /// The points in the middle and at the end of the training.
  public var halfway, final: TrainingPoint
  /// Whether the loss ever became infinite or not a number. Accuracies are recorded all the same.
  public var diverged: Bool
  public var parameterCount, multiplyAccumulates: Int
}

/// Trains networks of cells on one data set.
///
/// A training is a function of cell, epochs, settings and seed: on one thread, it gives the same bits in any process
/// and in any order. Only its seconds are measured.
public final class Trainer {
  private let network: NetworkSettings
  private let training: TrainingSettings
  private let dataset: Dataset
  private let train, validation, test: (images: Tensor, labels: Tensor)

  /// Creates a trainer, which copies the images into tensors.
  ///
  /// - Throws: `TorchError`.
  public init(dataset: Dataset, network: NetworkSettings, training: TrainingSettings) throws {
    try Torch.start()
    self.dataset = dataset
    self.network = network
    self.training = training
    func tensors(_ part: LabelledImages) throws -> (Tensor, Tensor) {
      (
        try Tensor(part.values, shape: [part.count, part.channels, part.height, part.width]),
        try Tensor(labels: part.labels)
      )
    }
    train = try tensors(dataset.training)
    validation = try tensors(dataset.validation)
    test = try tensors(dataset.test)
  }

  /// Trains a cell's network from scratch.
  ///
  /// Each epoch visits the training images in a new random order; a last batch that is not full is left out.
  ///
  /// - Parameters:
  ///   - epochs: The number of epochs, at least 1.
  ///   - seed: The seed of the weights and of the order of images.
  public func train(_ cell: Cell, epochs: Int, seed: UInt64) throws -> TrainingOutcome {
    var random = RandomGenerator(seed: seed, stream: "training")
    let part = dataset.training
    let (net, descent) = try fresh(cell, &random)

    let steps = training.stepsPerEpoch(images: part.count)
    let total = steps * epochs
    var order = (0..<Int64(part.count)).map { $0 }
    var seconds = 0.0
    var diverged = false
    var halfway: TrainingPoint?
    var number = 0
    for _ in 0..<epochs {
      random.shuffle(&order)
      for batch in 0..<steps {
        let start = Self.threadSeconds
        let indices = order[(batch * training.batchSize)..<min((batch + 1) * training.batchSize, order.count)]
        let rate = training.learningRate * 0.5 * (1 + cos(.pi * Double(number) / Double(total)))
        let loss = try step(net, descent, indices, learningRate: rate)
        seconds += Self.threadSeconds - start
        if let value = try loss.values().first, !value.isFinite { diverged = true }
        number += 1
        if number == (total + 1) / 2 { halfway = try evaluate(net, seconds) }
      }
    }
    let final = try evaluate(net, seconds)
    return TrainingOutcome(
      halfway: halfway ?? final, final: final, diverged: diverged, parameterCount: net.parameterCount,
      multiplyAccumulates: net.multiplyAccumulates)
  }

  /// The CPU seconds of a training step of a cell's network: the median over some steps, after three to warm up.
  ///
  /// - Parameter steps: The number of measured steps, at least 1.
  public func secondsPerStep(_ cell: Cell, steps: Int) throws -> Double {
    var random = RandomGenerator(seed: 0, stream: "timing")
    let part = dataset.training
    let (net, descent) = try fresh(cell, &random)
    let indices = (0..<min(training.batchSize, part.count)).map { _ in Int64(random.below(part.count)) }
    let seconds = try (0..<steps + 3).map { _ in
      let start = Self.threadSeconds
      _ = try step(net, descent, indices[...], learningRate: training.learningRate)
      return Self.threadSeconds - start
    }
    return seconds.dropFirst(3).sorted()[steps / 2]
  }

  /// A network with freshly drawn weights, and its optimizer.
  private func fresh(_ cell: Cell, _ random: inout RandomGenerator) throws -> (CellNetwork, GradientDescent) {
    let part = dataset.training
    let net = try CellNetwork(
      cell, settings: network, channels: part.channels, height: part.height, width: part.width,
      classes: dataset.classes, random: &random)
    let descent = try GradientDescent(
      net.parameters, rule: training.rule, momentum: training.momentum, weightDecay: training.weightDecay)
    return (net, descent)
  }

  /// Makes one training step and returns the loss before it.
  private func step(
    _ net: CellNetwork, _ descent: GradientDescent, _ indices: ArraySlice<Int64>, learningRate: Double
  ) throws -> Tensor {
    let loss = try net(train.images.selecting(indices), training: true).crossEntropy(train.labels.selecting(indices))
    try loss.backward()
    try descent.step(learningRate: learningRate)
    return loss
  }

  private func evaluate(_ net: CellNetwork, _ seconds: Double) throws -> TrainingPoint {
    let limit = (dataset.training.count + 3) / 4
    return TrainingPoint(
      seconds: seconds, train: try accuracy(net, train, count: limit),
      validation: try accuracy(net, validation, count: dataset.validation.count),
      test: try accuracy(net, test, count: dataset.test.count))
  }

  /// The fraction of the first `count` images that is classified correctly, with batch norm's running statistics.
  private func accuracy(
    _ net: CellNetwork, _ part: (images: Tensor, labels: Tensor), count: Int
  ) throws -> Double {
    try Torch.withoutGradients {
      let batch = 64  // four groups of images, whose activations fit the second-level cache
      var correct = 0
      for start in stride(from: 0, to: count, by: batch) {
        let rows = start..<min(start + batch, count)
        correct += try net(part.images.rows(rows), training: false).correctCount(part.labels.rows(rows))
      }
      return Double(correct) / Double(count)
    }
  }

  /// The CPU seconds that this thread has used.
  private static var threadSeconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
