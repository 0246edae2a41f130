@_spi(Instruments) import Anytime
import CellNetworks
import Foundation
import SearchSpaces
import Statistics
import TabularBenchmark
import Tensor

/// The amount of computation in passes through a network, in three parts, each in units of one such pass over the same
/// work.
public struct Passes: Hashable, Sendable {
  /// The number of forward passes, of backward passes to the inputs of all operations, and of backward passes to their
  /// weights.
  public var forward, toInputs, toWeights: Double

  /// Creates an amount from the numbers of passes of each part, none of them negative.
  public init(forward: Double, toInputs: Double = 0, toWeights: Double = 0) {
    self.forward = forward
    self.toInputs = toInputs
    self.toWeights = toWeights
  }

  /// One evaluation: a forward pass.
  public static let evaluation = Passes(forward: 1)
  /// One gradient with respect to the architecture weights: a forward pass and a backward pass to inputs.
  public static let architecture = Passes(forward: 1, toInputs: 1)
  /// One training step of the network's weights: a forward pass, and backward passes to inputs and to weights.
  public static let training = Passes(forward: 1, toInputs: 1, toWeights: 1)

  /// Adds two amounts of computation.
  public static func + (a: Passes, b: Passes) -> Passes {
    Passes(
      forward: a.forward + b.forward, toInputs: a.toInputs + b.toInputs, toWeights: a.toWeights + b.toWeights)
  }

  /// Multiplies passes by a factor: how often they are made, or the fraction of the work that they cover.
  public static func * (passes: Passes, factor: Double) -> Passes {
    Passes(
      forward: passes.forward * factor, toInputs: passes.toInputs * factor, toWeights: passes.toWeights * factor)
  }

  /// The three parts.
  var parts: [Double] { [forward, toInputs, toWeights] }
}

/// The cost of a network's passes in a table's benchmark seconds, the same on every machine.
///
/// The cost of every part of a pass (forward, backward to inputs, backward to weights) is the sum of a cost per image,
/// one per multiply-accumulate and one per written number (`Work`) of what is executed. Written numbers count because
/// small networks spend their time on them.
///
/// Coefficients are fitted by least squares to measured passes of supernets in the table's provenance
/// (``PassTimings``). For a table without these, they are fitted to its own trainings at the highest epoch count, and
/// each part gets a third of a training's cost.
public struct CostModel: Hashable, Sendable {
  /// The benchmark seconds of one part of a pass, per unit of work.
  public struct Coefficients: Hashable, Sendable {
    /// Benchmark seconds per image, per multiply-accumulate, and per written number.
    public var perImage, perMultiplyAccumulate, perElement: Double

    func seconds(_ work: Work, images: Double) -> Double {
      perImage * images + perMultiplyAccumulate * work.multiplyAccumulates + perElement * work.elements
    }
  }

  /// The coefficients of forward passes, of backward passes to inputs, and of backward passes to weights.
  public let forward, toInputs, toWeights: Coefficients
  /// The fit to the table's own trainings: the fraction of the variance of training seconds between architectures that
  /// their work explains, and the standard deviation of the residuals, in benchmark seconds per image.
  public let rSquared, residualDeviation: Double
  /// The number of the table's architectures that have training seconds.
  public let cells: Int
  /// The deviations of the model from the measured passes of supernets that it was fitted to; empty for a table without
  /// measured passes.
  public let residuals: [Residual]
  /// The mean benchmark seconds of an epoch and of a whole training at the highest epoch count.
  public let secondsPerEpoch, secondsPerTraining: Double

  /// The deviation of the model from one measured pass of a supernet.
  public struct Residual: Hashable, Sendable {
    /// The name of the supernet and the kind of pass.
    public let name: String
    /// The model's seconds divided by the measured ones: 1 for a perfect fit.
    public let ratio: Double
  }

  /// Fits the model to a benchmark's trainings and to the measured passes in its table's provenance.
  ///
  /// - Throws: ``PassTimings/Problem`` if the measured passes cannot be read.
  /// - Returns: `nil` if no architecture has training seconds.
  public init?(_ benchmark: Benchmark, task: SearchTask) throws {
    let table = benchmark.table
    let top = table.epochs.count - 1
    let images = Double(task.dataset.trainingImages)
    let shape = task.imageShape
    var (ones, macs, elements, seconds): ([Double], [Double], [Double], [Double]) = ([], [], [], [])
    for row in benchmark.rows {
      guard let mean = table.mean(.seconds, row: row, epochs: top) else { continue }
      let work =
        switch table.architecture(row) {
        case .cell(let cell):
          Work(
            of: cell, settings: task.network, channels: shape.channels, height: shape.height, width: shape.width,
            classes: 10)
        }
      ones.append(1)
      macs.append(work.multiplyAccumulates)
      elements.append(work.elements)
      seconds.append(mean / (Double(table.epochs[top]) * images))
    }
    guard let mean = seconds.mean, let meanWork = macs.mean, meanWork > 0 else { return nil }
    cells = seconds.count
    secondsPerEpoch = mean * images
    secondsPerTraining = secondsPerEpoch * Double(table.epochs[top])

    let own = PositiveLeastSquares([ones, macs, elements], y: seconds)
    rSquared = own?.fit.rSquared ?? 0
    residualDeviation = own?.fit.residualDeviation ?? seconds.standardDeviation ?? 0
    if let timings = try PassTimings(of: table), let fitted = Self.fit(timings.passes) {
      (forward, toInputs, toWeights) = (fitted[0], fitted[1], fitted[2])
      residuals = timings.passes.map { pass in
        let predicted = zip(pass.kind.passes.parts, fitted).reduce(0) { sum, part in
          sum + part.0 * part.1.seconds(pass.work, images: 1)
        }
        return Residual(name: "\(pass.name), \(pass.kind.rawValue)", ratio: predicted / pass.seconds)
      }
    } else {
      let whole = own?.coefficients ?? [0, mean / meanWork, 0]
      forward = Coefficients(
        perImage: whole[0] / 3, perMultiplyAccumulate: whole[1] / 3, perElement: whole[2] / 3)
      (toInputs, toWeights) = (forward, forward)
      residuals = []
    }
  }

  /// Nine coefficients, by the smallest squares of relative deviations.
  private static func fit(_ passes: [PassTimings.Pass]) -> [Coefficients]? {
    var columns = [[Double]](repeating: [], count: 9)
    for pass in passes {
      let regressors = [1, pass.work.multiplyAccumulates, pass.work.elements]
      for (part, factor) in pass.kind.passes.parts.enumerated() {
        for (index, value) in regressors.enumerated() {
          columns[3 * part + index].append(factor * value / pass.seconds)
        }
      }
    }
    return PositiveLeastSquares(columns, y: passes.map { _ in 1 }).map { fit in
      (0..<3).map { part in
        Coefficients(
          perImage: fit.coefficients[3 * part], perMultiplyAccumulate: fit.coefficients[3 * part + 1],
          perElement: fit.coefficients[3 * part + 2])
      }
    }
  }

  /// Computes the benchmark seconds of passes over images.
  ///
  /// - Parameters:
  ///   - work: The work of the forward passes, summed over all images.
  ///   - images: The number of images.
  ///   - passes: The passes, in units of one pass over `work`.
  public func seconds(_ work: Work, images: Int, _ passes: Passes) -> Double {
    zip(passes.parts, [forward, toInputs, toWeights]).reduce(0) { sum, part in
      sum + part.0 * part.1.seconds(work, images: Double(images))
    }
  }

  /// Benchmark seconds in all currencies.
  func spending(seconds: Double) -> Spending {
    Spending(seconds: seconds, epochs: seconds / secondsPerEpoch, evaluations: seconds / secondsPerTraining)
  }

  /// The benchmark seconds per CPU second of this machine, by a few training steps of a stand-alone network of the
  /// table. Nothing of a search depends on it: its generator is its own.
  func calibration(
    _ benchmark: Benchmark, task: SearchTask, batch: (images: Tensor, labels: Tensor)
  ) throws -> Double {
    let rows = benchmark.rows
    let cell =
      switch benchmark.table.architecture(rows[rows.count / 2]) {
      case .cell(let cell): cell
      }
    let image = task.imageShape
    var random = RandomGenerator(seed: 0, stream: "calibration")
    let net = try CellNetwork(
      cell, settings: task.network, channels: image.channels, height: image.height, width: image.width,
      classes: 10, random: &random)
    let descent = try GradientDescent(net.parameters, rule: .nesterov, momentum: 0.9, weightDecay: 1e-4)
    func step() throws {
      try net(batch.images, training: true).crossEntropy(batch.labels).backward()
      try descent.step(learningRate: 1e-3)
    }
    for _ in 0..<3 { try step() }
    let start = Session.threadSeconds
    for _ in 0..<20 { try step() }
    let here = (Session.threadSeconds - start) / Double(20 * batch.images.shape[0])
    let work = Work(
      of: cell, settings: task.network, channels: image.channels, height: image.height, width: image.width,
      classes: 10)
    return seconds(work, images: 1, .training) / here
  }
}

/// Least squares with coefficients that are not negative: regressors whose coefficients would be are left out, the most
/// negative ones first.
private struct PositiveLeastSquares {
  let coefficients: [Double]
  let fit: LeastSquares

  init?(_ columns: [[Double]], y: [Double]) {
    // Regressors differ by orders of magnitude: each is measured in units of its mean.
    let units = columns.map { max($0.mean ?? 0, .leastNormalMagnitude) }
    var kept = Array(columns.indices)
    while !kept.isEmpty {
      let scaled = kept.map { index in columns[index].map { $0 / units[index] } }
      guard let fit = LeastSquares(scaled, y: y) else { return nil }
      guard let worst = kept.indices.min(by: { fit.coefficients[$0] < fit.coefficients[$1] }),
        fit.coefficients[worst] < 0
      else {
        var coefficients = [Double](repeating: 0, count: columns.count)
        for (index, value) in zip(kept, fit.coefficients) { coefficients[index] = value / units[index] }
        self.coefficients = coefficients
        self.fit = fit
        return
      }
      kept.remove(at: worst)
    }
    return nil
  }
}
