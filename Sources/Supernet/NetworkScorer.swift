@_spi(Instruments) import Anytime
import CellNetworks
import SearchSpaces
import Statistics
import TabularBenchmark
import Tensor

/// A score of architectures that needs no training (a zero-cost proxy). A greater score predicts a better architecture.
public enum NetworkScore: String, CaseIterable, Sendable {
  /// The number of trainable parameters.
  case parameters
  /// The multiply-accumulates of one forward pass of one image.
  case multiplyAccumulates = "multiply-accumulates"
  /// `CellNetwork.nwot(_:)`: how well the rectifiers of a fresh network tell images apart.
  case nwot
  /// `CellNetwork.synflow(channels:height:width:)`: the flow through a fresh network.
  case synflow

  /// Whether the score runs networks; the other scores are counts, for which no network is made.
  public var runsNetworks: Bool {
    switch self {
    case .parameters, .multiplyAccumulates: false
    case .nwot, .synflow: true
    }
  }
}

/// Scores architectures by their untrained stand-alone networks. The session that it is opened with is charged for
/// every pass, by the work of the architecture's network: for NWOT a forward pass over a minibatch, for SynFlow a
/// forward and a backward pass over one image. Counts are free.
///
/// Networks are built as for the table's trainings, and images are those that train a supernet's weights. Counts need
/// no images; if a table does not state its networks, NAS-Bench-101's are counted.
public final class NetworkScorer {
  private let session: Session
  private let score: NetworkScore
  private let batchSize: Int
  private let network: NetworkSettings
  private let image: (channels: Int, height: Int, width: Int)
  /// What scores that run networks need.
  private let running: (data: SearchData, cost: CostModel, calibration: Double?)?
  /// The generator of minibatches and weights.
  private var random: RandomGenerator

  private static let classes = 10

  /// Opens a scorer with a session.
  ///
  /// - Parameter batchSize: The number of images of NWOT's minibatch.
  /// - Throws: ``SupernetError`` if the space has no architectures. If the score runs networks, also ``SupernetError``
  ///   if there are fewer images than a batch has or the table has no training seconds, ``PassTimings/Problem``,
  ///   `TaskError` if the table does not state its task, `DataError` if images are missing, `TorchError`.
  public init(_ session: Session, _ score: NetworkScore, batchSize: Int) throws {
    guard session.space.hasArchitectures else { throw SupernetError.noArchitectures(session.space.name) }
    let benchmark = session.benchmark
    var random = RandomGenerator(seed: session.random.next(), stream: "network scores")
    let task: SearchTask?
    do { task = try SearchTask(of: benchmark.table) } catch {
      guard !score.runsNetworks else { throw error }
      task = nil
    }
    network = task?.network ?? .nasBench101
    image = task?.imageShape ?? (3, 32, 32)
    if let task, score.runsNetworks {
      try Torch.start()
      try Torch.use(device: SupernetSettings.Device.cpu.rawValue)
      guard let cost = try CostModel(benchmark, task: task) else { throw SupernetError.noCosts }
      let data = try SearchData(task, random: &random)
      let indices = data.weightIndices
      guard indices.count >= batchSize else { throw SupernetError.fewImages(indices.count, batch: batchSize) }
      running = (
        data, cost,
        session.policy.clock == .measured
          ? try cost.calibration(benchmark, task: task, batch: data.batch(indices[..<batchSize])) : nil
      )
    } else {
      running = nil
    }
    self.session = session
    self.score = score
    self.batchSize = batchSize
    self.random = random
  }

  /// Scores architectures. All see the same minibatch, which every call draws anew; every network has fresh weights.
  ///
  /// - Throws: `BudgetExhausted` if a pass would end past the horizon, `TorchError`.
  /// - Returns: The scores, in the order of the architectures.
  public func scores(of architectures: [Architecture]) throws -> [Double] {
    guard let running else { return architectures.map { count($0.cell) } }
    running.data.shuffle(using: &random)
    let images = try running.data.batch(running.data.weightIndices[..<batchSize]).images
    return try architectures.map { try score($0.cell, images, running.cost, running.calibration) }
  }

  private func work(_ cell: Cell) -> Work {
    Work(
      of: cell, settings: network, channels: image.channels, height: image.height, width: image.width,
      classes: Self.classes)
  }

  private func count(_ cell: Cell) -> Double {
    switch score {
    case .parameters:
      Double(
        CellNetwork.parameterCount(of: cell, settings: network, channels: image.channels, classes: Self.classes))
    default: work(cell).multiplyAccumulates
    }
  }

  private func score(_ cell: Cell, _ images: Tensor, _ cost: CostModel, _ calibration: Double?) throws -> Double {
    let (count, passes) = score == .nwot ? (batchSize, Passes.evaluation) : (1, .training)
    let modelled = cost.seconds(work(cell) * Double(count), images: count, passes)
    return try session.work(
      .validation, cost: { measured in cost.spending(seconds: calibration.map { $0 * measured } ?? modelled) }
    ) {
      let fresh = try CellNetwork(
        cell, settings: network, channels: image.channels, height: image.height, width: image.width,
        classes: Self.classes, isPositive: score == .synflow, random: &random)
      return score == .synflow
        ? try fresh.synflow(channels: image.channels, height: image.height, width: image.width)
        : try fresh.nwot(images)
    }
  }
}

extension Architecture {
  fileprivate var cell: Cell {
    switch self {
    case .cell(let cell): cell
    }
  }
}
