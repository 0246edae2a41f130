@_spi(Instruments) import Anytime
import CellNetworks
import Foundation
import SearchSpaces
import Statistics
import TabularBenchmark
import Tensor

/// Measured seconds of passes through supernets, from which a ``CostModel`` is fitted. A table holds them in its
/// provenance, so that charges are the same on every machine.
public struct PassTimings: Hashable, Sendable, Codable {
  /// A measured pass through a supernet, with all numbers per image.
  public struct Pass: Hashable, Sendable, Codable {
    /// The name of the supernet: its gates and channels.
    public var name: String
    /// The purpose of the pass.
    public var kind: Kind
    /// The multiply-accumulates and written numbers of the forward pass, per image.
    public var multiplyAccumulates, elements: Double
    /// The benchmark seconds of the pass, per image.
    public var seconds: Double

    var work: Work { Work(multiplyAccumulates: multiplyAccumulates, elements: elements) }
  }

  /// The purpose of a pass.
  public enum Kind: String, CaseIterable, Sendable, Codable {
    /// An evaluation, a gradient of the architecture weights, or a training step of the network's weights.
    case evaluation, architecture, training

    var passes: Passes {
      switch self {
      case .evaluation: .evaluation
      case .architecture: .architecture
      case .training: .training
      }
    }
  }

  /// The measured passes.
  public var passes: [Pass]
  /// The benchmark seconds per CPU second of the machine on which passes were measured, determined from training steps
  /// of the table's own networks that were timed together with the passes.
  public var secondsPerCPUSecond: Double

  /// The key under which a table's provenance holds measured passes.
  public static let provenanceKey = "supernet passes"

  /// The passes that a table has brought along.
  ///
  /// - Throws: ``Problem`` if they cannot be read.
  /// - Returns: `nil` if there are none.
  init?(of table: Table) throws(Problem) {
    guard let text = table.provenance[Self.provenanceKey] else { return nil }
    do { self = try JSONDecoder().decode(Self.self, from: Data(text.utf8)) } catch {
      throw Problem(table: table.path)
    }
    let numbers = passes.flatMap { [$0.multiplyAccumulates, $0.elements, $0.seconds] }
    guard numbers.allSatisfy({ $0.isFinite && $0 > 0 }) else { throw Problem(table: table.path) }
  }

  /// An error in a table's measured passes.
  public struct Problem: Error, Hashable, Sendable, CustomStringConvertible {
    let table: String

    public var description: String {
      "\(table): '\(PassTimings.provenanceKey)' in its provenance are no measured passes; measure them with "
        + "'anytime table time-supernets'"
    }
  }

  /// Encodes the timings as JSON, for a table's provenance.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  /// Measures passes of supernets of a benchmark's space on this machine. The result for each pass is its least time
  /// over several rounds. Every round also times training steps of the table's own networks, whose benchmark seconds
  /// are known.
  ///
  /// - Parameters:
  ///   - rounds: The number of rounds.
  ///   - progress: Called with the number of finished measurements and the number of all.
  /// - Throws: ``SupernetError`` if the space or the table allows no supernet, `DataError`, `TorchError`.
  public init(
    measuring benchmark: Benchmark, task: SearchTask, rounds: Int, progress: (Int, Int) -> Void = { _, _ in }
  ) throws {
    try Torch.start()
    guard let shape = SupernetShape(benchmark.space) else { throw SupernetError.noSupernet(benchmark.space.name) }
    let setups = try Setup.all(shape, space: benchmark.space, task: task)
    let standAlone = try StandAlone(benchmark, task: task)
    var least = [Double](repeating: .infinity, count: setups.count)
    let total = rounds * setups.count
    for round in 0..<rounds {
      try standAlone.measure()
      for (index, setup) in setups.enumerated() {
        least[index] = min(least[index], try setup.secondsPerImage())
        progress(round * setups.count + index + 1, total)
      }
    }
    let factor = standAlone.secondsPerCPUSecond
    secondsPerCPUSecond = factor
    passes = zip(setups, least).map { setup, seconds in
      Pass(
        name: setup.name, kind: setup.kind, multiplyAccumulates: setup.work.multiplyAccumulates,
        elements: setup.work.elements, seconds: seconds * factor)
    }
  }

  /// Training steps of some of a table's cells, from the cheapest to the dearest.
  private final class StandAlone {
    private let trainer: Trainer
    /// The cells with the table's seconds per image.
    private var cells: [(cell: Cell, seconds: Double)] = []
    private var least: [Double]
    private let batch: Int

    init(_ benchmark: Benchmark, task: SearchTask) throws {
      let table = benchmark.table
      let top = table.epochs.count - 1
      let ranked = benchmark.rows.compactMap { row in
        table.mean(.seconds, row: row, epochs: top).map { (row: row, seconds: $0) }
      }.sorted { $0.seconds < $1.seconds }
      guard !ranked.isEmpty else { throw SupernetError.noCosts }
      let images = Double(task.dataset.trainingImages * table.epochs[top])
      let count = min(9, ranked.count)
      for number in 0..<count {
        let (row, seconds) = ranked[(2 * number + 1) * ranked.count / (2 * count)]
        switch table.architecture(row) {
        case .cell(let cell): cells.append((cell, seconds / images))
        }
      }
      least = [Double](repeating: .infinity, count: cells.count)
      let training = TrainingSettings()
      batch = training.batchSize
      trainer = try Trainer(dataset: Dataset(task.dataset), network: task.network, training: training)
    }

    func measure() throws {
      for (index, cell) in cells.enumerated() {
        least[index] = min(least[index], try trainer.secondsPerStep(cell.cell, steps: 7) / Double(batch))
      }
    }

    var secondsPerCPUSecond: Double {
      cells.reduce(0) { $0 + $1.seconds } / least.reduce(0, +)
    }
  }

  /// A supernet whose passes of one kind are measured.
  private final class Setup {
    let name: String
    let kind: Kind
    private(set) var work = Work()
    private let network: SupernetNetwork
    private let descent: GradientDescent
    private let rows: [Tensor]
    private let images, labels: Tensor
    private let gates: (_ step: Int) throws -> CellGates

    static let batch = 64
    private static let steps = 5

    static func all(_ shape: SupernetShape, space: SearchSpace, task: SearchTask) throws -> [Setup] {
      let own = task.network.channels
      var setups: [Setup] = []
      for channels in [own, 2 * own] {
        for kind in Kind.allCases {
          setups.append(try Setup("all operations on", kind, shape, space, task, channels: channels))
          for parts in [2, 4] where channels % parts == 0 {
            setups.append(
              try Setup("all operations on 1/\(parts) of", kind, shape, space, task, channels: channels, parts: parts))
          }
          setups.append(
            try Setup("one operation per block of", kind, shape, space, task, channels: channels, drawn: true))
          // Single architectures have no architecture weights.
          guard kind != .architecture else { continue }
          for seed in 0..<3 {
            setups.append(
              try Setup(
                "architecture \(seed) of", kind, shape, space, task, channels: channels, architecture: UInt64(seed)))
          }
        }
      }
      return setups
    }

    private init(
      _ name: String, _ kind: Kind, _ shape: SupernetShape, _ space: SearchSpace, _ task: SearchTask, channels: Int,
      parts: Int = 1, drawn: Bool = false, architecture: UInt64? = nil
    ) throws {
      self.name = "\(name) \(channels) channels"
      self.kind = kind
      var random = RandomGenerator(seed: 0, stream: "passes")
      let image = task.imageShape
      network = try SupernetNetwork(
        shape, channels: channels, stacks: task.network.stacks, cellsPerStack: task.network.cellsPerStack,
        imageChannels: image.channels, classes: 10, batchNorm: (0.1, task.network.batchNormEpsilon),
        padsBeforePooling: false, partial: parts, random: &random)
      descent = try GradientDescent(network.parameters, rule: .sgd, momentum: 0.9, weightDecay: 3e-4)
      let pixels = Self.batch * image.channels * image.height * image.width
      images = try Tensor(
        (0..<pixels).map { _ in Float(random.gaussian()) },
        shape: [Self.batch, image.channels, image.height, image.width])
      labels = try Tensor(labels: (0..<Self.batch).map { Int64($0 % 10) })
      let rows = try shape.architecture.rows.map { row in
        let tensor = try Tensor([Float](repeating: 0, count: row.count), shape: [row.count])
        try tensor.requireGradient()
        return tensor
      }
      self.rows = rows
      if let architecture {
        var generator = RandomGenerator(seed: architecture, stream: "passes of an architecture")
        let configuration = space.sample(using: &generator)
        gates = { _ in shape.gates(of: configuration) }
      } else {
        let learns = kind == .architecture
        gates = { step in
          func weights() throws -> [Gate] {
            try rows.enumerated().map { index, row in
              let soft = try row.softmax()
              // Operations in turn, so that all have their share.
              let isDrawn = drawn && index < shape.blocks
              return isDrawn ? .sampled((step + index) % row.count, weights: soft) : .weighted(soft)
            }
          }
          return shape.gates(learns ? try weights() : try Torch.withoutGradients { try weights() })
        }
      }
    }

    /// The mean CPU seconds per image of some steps, after one to warm up.
    func secondsPerImage() throws -> Double {
      var seconds: [Double] = []
      var total = Work()
      for step in 0...Self.steps {
        network.work = Work()
        let start = Session.threadSeconds
        let gates = try gates(step)
        switch kind {
        case .training:
          _ = try network.step(
            descent, learningRate: 1e-3, gradientClip: 5, images: images, labels: labels, gates: { _ in gates })
        case .architecture:
          _ = try network.architectureGradient(rows, images: images, labels: labels, gates: { _ in gates })
        case .evaluation:
          _ = try Torch.withoutGradients {
            try network.logits(images, gates: { _ in gates }, statistics: .running).correctCount(labels)
          }
        }
        guard step > 0 else { continue }
        seconds.append((Session.threadSeconds - start) / Double(Self.batch))
        total += network.work
      }
      work = total * (1 / Double(Self.steps * Self.batch))
      return seconds.reduce(0, +) / Double(seconds.count)
    }
  }
}
