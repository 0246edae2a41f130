@_spi(Instruments) import Anytime
import CellNetworks
import Foundation
import SearchSpaces
import Statistics
import TabularBenchmark
import Tensor

/// A weight-sharing network. The session that it is opened with is charged for every pass.
///
/// A one-shot method opens a supernet and calls `run` to train it, with one function that makes a training step and one
/// that chooses an architecture:
///
///     let supernet = try Supernet(session, SupernetSettings { $0.epochs = 20 })
///     try supernet.run(
///       step: { batch in try supernet.train(batch) { _ in gates } },
///       choose: { best })
///
/// Weights are trained on one half of the table's training and validation images, by gradient descent with
/// momentum; architectures are chosen by the other half, which is never augmented. Test images are never read.
public final class Supernet {
  /// The session that is charged.
  public let session: Session
  /// The settings of the supernet's training.
  public let settings: SupernetSettings
  /// The choices of the session's space.
  public let shape: SupernetShape
  /// The model by which passes are charged.
  public let cost: CostModel
  /// The task that the table's architectures were trained for.
  public let task: SearchTask

  let network: SupernetNetwork
  let data: SearchData
  private let descent: GradientDescent
  /// The momentum buffers of the weights.
  var velocities: [Tensor] { descent.velocities }
  /// The generator of weights, halves, orders and augmentations.
  var random: RandomGenerator
  /// The benchmark seconds per CPU second of this machine, if the policy's clock is measured.
  private var calibration: Double?
  var epoch = 0
  /// The sum of the losses of an epoch's steps.
  private var lossSum = 0.0
  /// The number of the epoch's images that were classified correctly.
  private var correct = 0
  /// The number of images seen in the epoch.
  private var seen = 0
  private var notes: [String: Double] = [:]
  /// The number of epochs of the whole search, fine-tuning included.
  private var plannedEpochs = 1

  /// Opens a supernet of the session's space, with fresh weights.
  ///
  /// - Parameter partial: The number of equal parts into which channels are divided; operations see one of them
  ///   (PC-DARTS). Default: 1, all channels.
  /// - Throws: ``SupernetError`` if the space, the table or the settings allow no supernet, `TaskError` if the table
  ///   does not state its task, ``PassTimings/Problem``, `DataError` if images are missing, `TorchError`.
  public init(_ session: Session, _ settings: SupernetSettings, partial: Int = 1) throws {
    guard let shape = SupernetShape(session.space) else { throw SupernetError.noSupernet(session.space.name) }
    try Torch.start()
    guard settings.device == .cpu || session.policy.clock != .measured else {
      throw SupernetError.clock(device: settings.device.rawValue)
    }
    try Torch.use(device: settings.device.rawValue)
    let task = try SearchTask(of: session.benchmark.table)
    guard let cost = try CostModel(session.benchmark, task: task) else { throw SupernetError.noCosts }
    var random = RandomGenerator(seed: session.random.next(), stream: "supernet")
    let asPublished = session.policy.supernet == .asPublished
    let whole = try settings.network(of: task, partial: partial)
    let network = try SupernetNetwork(
      shape, channels: whole.channels, stacks: whole.stacks, cellsPerStack: whole.cellsPerStack,
      imageChannels: task.imageShape.channels, classes: 10,
      batchNorm: (asPublished ? 0.997 : 0.1, task.network.batchNormEpsilon), padsBeforePooling: asPublished,
      partial: partial, random: &random)
    data = try SearchData(task, device: settings.device, random: &random)
    guard data.weightIndices.count >= settings.batchSize else {
      throw SupernetError.fewImages(data.weightIndices.count, batch: settings.batchSize)
    }
    self.session = session
    self.settings = settings
    self.shape = shape
    self.cost = cost
    self.task = task
    self.network = network
    self.random = random
    descent = try GradientDescent(
      network.parameters, rule: .sgd, momentum: settings.momentum, weightDecay: settings.weightDecay)
    if session.policy.clock == .measured {
      calibration = try cost.calibration(
        session.benchmark, task: task, batch: data.batch(data.weightIndices[..<settings.batchSize]))
    }
  }

  // MARK: Passes

  /// The images of one step.
  public struct Batch {
    /// Images that train weights, possibly augmented, and their labels.
    public let images, labels: Tensor
    /// Images that choose architectures, and their labels.
    public let searchImages, searchLabels: Tensor
    /// The learning rate of the weights.
    public let learningRate: Double
    /// The number of finished epochs, from 0.
    public let epoch: Int
  }

  /// Charges a body's forward passes and the backward passes that belong to them.
  ///
  /// - Parameter passes: The parts of the passes over the work, on average.
  func charged<Result>(
    _ kind: Ledger.Kind, images: Int, _ passes: Passes, _ body: () throws -> Result
  ) throws -> Result {
    try session.work(
      kind,
      cost: { measured in
        cost.spending(seconds: calibration.map { $0 * measured } ?? cost.seconds(network.work, images: images, passes))
      }
    ) {
      network.work = Work()
      return try body()
    }
  }

  /// Makes one step of gradient descent on the weights.
  ///
  /// - Parameter gates: The gates of a cell, given its index among the cells of all stacks, from 0. Architecture
  ///   weights in them do not change.
  /// - Returns: The loss before the step.
  /// - Throws: `BudgetExhausted` if the step would end past the horizon, `RunFailure` if the loss is infinite or not a
  ///   number, `TorchError`.
  @discardableResult
  public func train(_ batch: Batch, gates: (_ cell: Int) throws -> CellGates) throws -> Double {
    try charged(.supernet, images: batch.images.shape[0], .training) {
      let (loss, logits) = try network.step(
        descent, learningRate: batch.learningRate, gradientClip: settings.gradientClip, images: batch.images,
        labels: batch.labels, dropPath: settings.dropPath > 0 ? { try self.dropPath(images: $0) } : nil,
        gates: gates)
      let value = try loss.value()
      guard value.isFinite else { throw diverged(value.isNaN ? "its loss is not a number" : "its loss is infinite") }
      lossSum += value
      correct += try logits.correctCount(batch.labels)
      seen += batch.images.shape[0]
      return value
    }
  }

  /// Computes the first-order gradient of the search-half loss with respect to the architecture weights, and stores it
  /// as `backward()` does.
  ///
  /// - Parameter gates: The gates of a cell, computed from the architecture weights.
  public func architectureGradient(
    _ architecture: [Tensor], _ batch: Batch, gates: (_ cell: Int) throws -> CellGates
  ) throws {
    try charged(.supernet, images: batch.searchImages.shape[0], .architecture) {
      _ = try network.architectureGradient(
        architecture, images: batch.searchImages, labels: batch.searchLabels, gates: gates)
    }
  }

  /// Measures the accuracy (0...1) on images of the search half.
  ///
  /// - Parameters:
  ///   - images: The number of images, taken from the start of the epoch's random order; all if `nil`.
  ///   - usesBatchStatistics: Whether batch norm uses the statistics of every batch of 250 images, for gates that the
  ///     supernet was not trained with; otherwise it uses the running ones.
  public func accuracy(
    images: Int? = nil, usesBatchStatistics: Bool = false, gates: (_ cell: Int) throws -> CellGates
  ) throws -> Double {
    let indices = data.searchIndices[..<min(images ?? .max, data.searchIndices.count)]
    return try charged(.validation, images: indices.count, .evaluation) {
      try scores(indices, usesBatchStatistics ? .batch : .running, gates).accuracy
    }
  }

  /// Measures the accuracy (0...1) of one architecture on images of the search half. Batch norm's statistics are
  /// averaged anew before if ``SupernetSettings/recalibration`` says so.
  ///
  /// - Parameter images: The images, as a range of the epoch's random order; all if `nil`.
  public func accuracy(of configuration: Configuration, images: Range<Int>? = nil) throws -> Double {
    let range = (images ?? 0..<data.searchIndices.count).clamped(to: 0..<data.searchIndices.count)
    let clean = settings.recalibration * settings.batchSize
    return try charged(.validation, images: range.count + clean, .evaluation) {
      try scores(of: configuration, data.searchIndices[range], recalibration: settings.recalibration).accuracy
    }
  }

  /// The number of images of the search half.
  public var searchImages: Int { data.searchIndices.count }

  /// - Parameter needsLoss: Whether the mean cross-entropy is computed too; it is no number otherwise.
  private func scores(
    of configuration: Configuration, _ indices: ArraySlice<Int64>, recalibration: Int, needsLoss: Bool = false
  ) throws -> (accuracy: Double, loss: Double) {
    let gates = shape.gates(of: configuration)
    if recalibration > 0 {
      try Torch.withoutGradients {
        for number in 0..<recalibration {
          let start = number * settings.batchSize % (data.weightIndices.count - settings.batchSize + 1)
          let batch = try data.batch(data.weightIndices[start..<start + settings.batchSize])
          _ = try network.logits(batch.images, gates: { _ in gates }, statistics: .cleaning(number))
        }
      }
    }
    return try scores(indices, recalibration > 0 ? .clean : .running, needsLoss: needsLoss) { _ in gates }
  }

  private func scores(
    _ indices: ArraySlice<Int64>, _ statistics: SupernetNetwork.Statistics, needsLoss: Bool = false,
    _ gates: (Int) throws -> CellGates
  ) throws -> (accuracy: Double, loss: Double) {
    try Torch.withoutGradients {
      var correct = 0
      var loss = needsLoss ? 0 : Double.nan
      for start in stride(from: indices.startIndex, to: indices.endIndex, by: 250) {
        let range = start..<min(start + 250, indices.endIndex)
        let batch = try data.batch(indices[range])
        let logits = try network.logits(batch.images, gates: gates, statistics: statistics)
        correct += try logits.correctCount(batch.labels)
        if needsLoss { loss += try logits.crossEntropy(batch.labels).value() * Double(range.count) }
      }
      let count = Double(max(1, indices.count))
      return (Double(correct) / count, loss / count)
    }
  }

  private func diverged(_ sign: String) -> RunFailure {
    RunFailure("the supernet diverged in epoch \(epoch + 1): \(sign); a smaller 'learning-rate' may help")
  }

  private func dropPath(images: Int) throws -> Tensor {
    // Epochs of fine-tuning are like the last one.
    let last = max(1, settings.epochs - 1)
    let keep = 1 - settings.dropPath * Double(min(epoch, last)) / Double(last)
    return try Tensor(
      (0..<images).map { _ in random.chance(keep) ? Float(1 / keep) : 0 }, shape: [images])
  }

  // MARK: The loop

  /// Adds a named value to the trace of this epoch.
  public func note(_ name: String, _ value: Double) { notes[name] = value }

  /// Trains until the epochs are done or the budget is spent, and recommends an architecture after every epoch. If the
  /// session has a checkpoint, the run goes on from it and updates it after every epoch.
  ///
  /// - Parameters:
  ///   - architecture: The architecture weights of every row, before their softmax, for traces and probes.
  ///   - state: All tensors that the method changes, architecture weights included, for the checkpoint.
  ///   - step: Makes one training step.
  ///   - afterEpoch: Does further work after an epoch (counted from 0), before an architecture is chosen; its passes
  ///     are charged too.
  ///   - gates: The gates of the whole supernet, to validate it; `nil` for methods that only train single
  ///     architectures.
  ///   - relaxation: The gates as a smooth function of the architecture weights, without noise, for the Hessian's
  ///     eigenvalues; those of the whole supernet if `nil`.
  ///   - stop: The rule for ending early. The search then returns, with budget left.
  ///   - furtherEpochs: The number of epochs of fine-tuning that will follow, for the progress that is shown.
  ///   - choose: Returns the architecture that the method would return now.
  /// - Throws: `BudgetExhausted` at the horizon, `RunFailure` if the supernet diverges, ``CheckpointError`` if the
  ///   checkpoint cannot be written, `TorchError`, and whatever the given functions throw.
  public func run(
    architecture: [Tensor] = [], state: [Tensor] = [], step: (Batch) throws -> Void,
    afterEpoch: (_ epoch: Int) throws -> Void = { _ in }, gates: ((_ cell: Int) throws -> CellGates)? = nil,
    relaxation: ((_ cell: Int) throws -> CellGates)? = nil, stop: StopSettings = StopSettings(),
    furtherEpochs: Int = 0, choose: () throws -> Configuration
  ) throws {
    plannedEpochs = settings.epochs + furtherEpochs
    let checkpoint = Checkpoint(
      session: session, tensors: network.parameters + network.buffers + descent.velocities + state)
    do {
      if let found = try checkpoint.read() { (epoch, random) = (found.epoch, found.random) }
    } catch let error as CheckpointError { try error.setAside() }
    while epoch < settings.epochs {
      let rate =
        settings.leastLearningRate + 0.5 * (settings.learningRate - settings.leastLearningRate)
        * (1 + cos(.pi * Double(epoch) / Double(settings.epochs)))
      try makeSteps(learningRate: rate, step)
      try afterEpoch(epoch)
      if let gates, settings.validates { note("validation accuracy", try accuracy(gates: gates)) }
      let configuration = try choose()
      guard var chosen = session.space.architecture(configuration) else { throw SessionError.noArchitecture }
      let returned = try returnedEpoch(stop, architecture, relaxation ?? gates)
      if let returned { chosen = recommendation(after: returned) ?? chosen }
      try session.recommend(chosen)
      epoch += 1
      let (errors, losses) = try session.unchargedWork { try probe(architecture, relaxation ?? gates) }
      try record(chosen, weights: architecture.map { try $0.softmax().doubles() }, errors: errors, losses: losses)
      // Started again, a search that has stopped makes its last epoch anew, and stops again.
      if returned != nil { return }
      try checkpoint.write(epoch: epoch, random: random)
    }
  }

  /// Makes the steps of one epoch, with the images of both halves in a new random order.
  private func makeSteps(learningRate: Double, _ step: (Batch) throws -> Void) throws {
    data.sort()
    data.shuffle(using: &random)
    forgetEpoch()
    let steps = data.weightIndices.count / settings.batchSize
    let augmentation = SearchData.Augmentation(
      cropsAndFlips: settings.augment == .cropAndFlip
        || settings.augment == .auto && task.dataset.name == .cifar10,
      cutout: settings.cutout, cutoutProbability: settings.cutoutProbability(epoch: epoch))
    for number in 0..<steps {
      session.planned = (Double(epoch) + Double(number) / Double(steps)) / Double(plannedEpochs)
      let range = number * settings.batchSize..<(number + 1) * settings.batchSize
      let search = range.clamped(to: 0..<data.searchIndices.count)
      let (images, labels) = try data.batch(data.weightIndices[range], augmentation, using: &random)
      let (searchImages, searchLabels) = try data.batch(data.searchIndices[search])
      try step(
        Batch(
          images: images, labels: labels, searchImages: searchImages, searchLabels: searchLabels,
          learningRate: learningRate, epoch: epoch))
    }
  }

  /// Forgets what was seen and noted in the last epoch.
  private func forgetEpoch() { (lossSum, correct, seen, notes) = (0, 0, 0, [:]) }

  /// Adds what the supernet is like now to the trace.
  private func record(
    _ chosen: Architecture, weights: [[Double]], errors: [Architecture.ID: Double] = [:],
    losses: [Architecture.ID: Double]? = nil
  ) throws {
    if seen > 0 {
      note("supernet loss", lossSum / Double(seen / settings.batchSize))
      note("supernet accuracy", Double(correct) / Double(seen))
    }
    guard weights.joined().allSatisfy(\.isFinite), notes.values.allSatisfy(\.isFinite) else {
      throw diverged("its architecture weights are no numbers")
    }
    session.trace.append(
      TracePoint(
        epoch: epoch, amount: session.spent, architecture: chosen.id, values: notes, weights: weights,
        errors: errors, losses: losses))
  }

  // MARK: The early end

  private static let probedEigenvalue = "largest eigenvalue"

  /// Probes the Hessian's largest eigenvalue for early stopping, if it is due, and notes it.
  ///
  /// The trace is all that the rule remembers, so that a run that goes on from a checkpoint stops where an unbroken
  /// one does.
  ///
  /// - Returns: The epoch, from 0, whose architecture is returned, if the search ends here; `nil` if it goes on.
  private func returnedEpoch(
    _ stop: StopSettings, _ architecture: [Tensor], _ gates: ((Int) throws -> CellGates)?
  ) throws -> Int? {
    guard stop.rule == .eigenvalue, let gates, !architecture.isEmpty, epoch % stop.every == 0,
      epoch < settings.epochs - 1
    else { return nil }
    let images = min(settings.batchSize, data.searchIndices.count)
    let gradients = 2 * architecture.map(\.count).reduce(0, +)
    let eigenvalue = try charged(.validation, images: gradients * images, .architecture) {
      try architectureEigenvalues(architecture, images: images, gates: gates).last ?? 0
    }
    note(Self.probedEigenvalue, eigenvalue)
    let earlier = session.trace.suffix(epoch).compactMap { $0.values[Self.probedEigenvalue] }
    return stop.returnedEpoch(eigenvalues: earlier + [eigenvalue])
  }

  /// The architecture that was recommended after an epoch, counted from 0.
  private func recommendation(after epoch: Int) -> Architecture? {
    let table = session.benchmark.table
    return session.trace.suffix(self.epoch).dropFirst(epoch).first.flatMap { table.row(of: $0.architecture) }
      .map { table.architecture($0) }
  }

  // MARK: Fine-tuning

  /// Begins the fine-tuning of weights after `run`: sets their momentum to zero, and the images to an order that does
  /// not depend on the last epoch. A run that is killed during fine-tuning begins here again, from the checkpoint of
  /// the last epoch.
  public func beginTuning() throws {
    for velocity in velocities { try velocity.assign(try velocity.zeros()) }
    data.sort()
    forgetEpoch()
  }

  /// Trains for one epoch beyond those of the settings. The probabilities of dropped paths and of cutout are those of
  /// the last epoch.
  ///
  /// - Parameters:
  ///   - learningRate: The learning rate of the weights in all steps.
  ///   - step: Makes one training step.
  public func tune(learningRate: Double, step: (Batch) throws -> Void) throws {
    try makeSteps(learningRate: learningRate, step)
    epoch += 1
  }

  /// Recommends the architecture that was chosen during fine-tuning, and adds it to the trace.
  ///
  /// - Parameter weights: The architecture weights of every row, each row summing to 1.
  public func finishTuning(_ configuration: Configuration, weights: [[Double]]) throws {
    guard let chosen = session.space.architecture(configuration) else { throw SessionError.noArchitecture }
    try session.recommend(chosen)
    try record(chosen, weights: weights)
  }

  // MARK: Diagnostics

  /// Probes the Hessian's eigenvalue and the one-shot errors and losses of a fixed sample of architectures, each if it
  /// is due; returns errors and losses. Losses that JSON cannot hold are left out.
  private func probe(
    _ architecture: [Tensor], _ gates: ((Int) throws -> CellGates)?
  ) throws -> (errors: [Architecture.ID: Double], losses: [Architecture.ID: Double]?) {
    let isLast = epoch == settings.epochs
    if let gates, !architecture.isEmpty, settings.hessianEvery > 0,
      isLast || epoch % settings.hessianEvery == 0
    {
      let eigenvalues = try architectureEigenvalues(architecture, images: 250, gates: gates)
      note("eigenvalue", eigenvalues.max { abs($0) < abs($1) } ?? 0)
    }
    guard settings.correlationCells > 0, isLast || epoch % settings.correlationEvery == 0 else {
      return ([:], nil)
    }
    var sample = RandomGenerator(seed: 0, stream: "probed cells")
    let indices = data.searchIndices.sorted()[...]
    var (errors, losses): ([Architecture.ID: Double], [Architecture.ID: Double]) = ([:], [:])
    while errors.count < min(settings.correlationCells, session.benchmark.rows.count) {
      let configuration = session.space.sample(using: &sample)
      guard let id = session.space.architecture(configuration)?.id, errors[id] == nil else { continue }
      let recalibration = max(2, settings.recalibration)
      let scores = try scores(of: configuration, indices, recalibration: recalibration, needsLoss: true)
      errors[id] = 1 - scores.accuracy
      if scores.loss.isFinite { losses[id] = scores.loss }
    }
    return (errors, losses)
  }
}

/// An error in opening a supernet, or in scoring networks.
public enum SupernetError: Error, Hashable, Sendable, CustomStringConvertible {
  /// No supernet covers the search space of this name.
  case noSupernet(String)
  /// The table has no training seconds, from which costs could be computed.
  case noCosts
  /// The channels cannot be cut into equal parts.
  case channels(Int, parts: Int)
  /// There are fewer training images than a batch has.
  case fewImages(Int, batch: Int)
  /// The policy's measured clock charges CPU seconds, but the supernet is to be trained on another device.
  case clock(device: String)
  /// The network is too large; the text says in what.
  case network(String)
  /// The search space of this name has no architectures to score.
  case noArchitectures(String)

  public var description: String {
    switch self {
    case .noSupernet(let space):
      "no supernet covers the space \(space); use mini, 1, 2 or 3 for one-shot methods"
    case .noCosts:
      "the table has no training seconds, from which a supernet's cost follows; use a table that has them"
    case .channels(let channels, let parts):
      "\(channels) channels cannot be cut into \(parts) equal parts; set 'channels' to a multiple of \(parts)"
    case .clock(let device):
      "the policy's measured clock counts CPU seconds, which mean nothing on \(device); use 'clock: model'"
    case .network(let problem): "\(problem); set fewer 'channels' or 'cells-per-stack'"
    case .noArchitectures(let space):
      "the space \(space) has no architectures, whose networks could be scored; use another method"
    case .fewImages(let images, let batch):
      "weights are trained on \(images) images, fewer than the batch of \(batch); set a smaller 'batch-size'"
    }
  }
}
