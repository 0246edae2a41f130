import Anytime
import Foundation
import SearchSpaces
import Statistics
import Supernet
import Tensor

/// ENAS: a recurrent controller draws architectures. In every epoch the supernet trains those it draws, then the
/// controller learns by REINFORCE from their accuracy with the shared weights.
///
/// Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", ICML 2018; in NAS-Bench-1Shot1
/// `optimizers/enas`: 300 steps of the controller per epoch, Adam with learning rate 3.5e-4, betas 0.1 and 0.999 and
/// epsilon 1e-3, reward the accuracy in percent on one batch plus 1e-4 times the entropy, baseline a moving average
/// with decay 0.99; weight decay of the supernet 1e-4, its gradients clipped to 0.25.
///
/// Differences: those of `Controller`. The baseline begins with the first reward (the script's begins
/// at zero, where every early architecture is encouraged); the supernet's learning rate falls by the epoch, not by
/// the batch; rewards come from the search half; scoring the drawn architectures is charged, and the best is chosen by
/// validation, where the script took test images. Weights that a step did not execute are left alone by weight decay
/// and momentum, where the script's `zero_grad` left zeros that both acted on.
public struct ENAS: Optimizer {
  public static let method = Method(
    name: "enas", title: "ENAS", family: .oneShot,
    summary: "A recurrent controller learns by REINFORCE which paths of a supernet are good.",
    citation: "Pham et al., ICML 2018; Zela, Siems and Hutter, ICLR 2020",
    usesImages: true, revision: 2,
    settings: SupernetSettings.settingsOfSinglePaths(at: \ENAS.supernet)
      + SampledSelection.settings(at: \ENAS.selection) + [
        Setting("controller-steps", \ENAS.controllerSteps, 0...100_000, "steps of the controller per epoch"),
        Setting(
          "controller-learning-rate", \ENAS.controllerLearningRate, 1e-9...100, log: true,
          "learning rate of the controller's Adam"),
        Setting("entropy-weight", \ENAS.entropyWeight, 0...1e3, "weight of the entropy in the reward"),
        Setting("baseline-decay", \ENAS.baselineDecay, 0...0.999_999, "decay of the reward's moving average"),
        Setting("hidden", \ENAS.hidden, 1...1_024, log: true, "size of the controller's LSTM"),
      ],
    presets: [
      SupernetSettings.quick(\ENAS.supernet) {
        ($0.selection.samples, $0.selection.finalists) = (50, 3)
        ($0.supernet.learningRate, $0.supernet.gradientClip) = (0.1, 5)
        ($0.controllerSteps, $0.controllerLearningRate) = (50, 0.0035)
      }
    ])

  /// The settings of the supernet's training.
  public var supernet = SupernetSettings {
    ($0.batchSize, $0.gradientClip, $0.weightDecay) = (64, 0.25, 1e-4)
  }
  /// The settings of how an architecture is chosen among those that the controller draws.
  public var selection = SampledSelection()
  /// The number of steps of the controller per epoch.
  public var controllerSteps = 300
  /// The learning rate of the controller's Adam.
  public var controllerLearningRate = 3.5e-4
  /// The weight of the entropy in the reward, beside the accuracy in percent.
  public var entropyWeight = 1e-4
  /// The decay of the reward's moving average, per step of the controller (0...0.999999).
  public var baselineDecay = 0.99
  /// The number of hidden units of the controller's LSTM.
  public var hidden = 64

  public init() {}

  public func search(_ session: Session) throws {
    let supernet = try Supernet(session, self.supernet)
    let controller = try Controller(supernet.shape, hidden: hidden, random: &session.random)
    let adam = try Adam(controller.parameters, betas: (0.1, 0.999), epsilon: 1e-3)
    // In a tensor, so that a checkpoint holds it: the baseline, and whether there is one.
    let baseline = try Tensor.zeros([2])

    func draw() throws -> Configuration {
      try Torch.withoutGradients { try controller.sample(using: &session.random).configuration }
    }
    func learn(_ step: Int) throws {
      let drawn = try controller.sample(using: &session.random)
      let batch = supernet.settings.batchSize
      let start = step * batch % max(1, supernet.searchImages - batch + 1)
      let accuracy = try supernet.accuracy(of: drawn.configuration, images: start..<start + batch)
      let reward = 100 * accuracy + entropyWeight * drawn.entropy
      let before = try baseline.doubles()
      let average = before[1] == 0 ? reward : baselineDecay * before[0] + (1 - baselineDecay) * reward
      try baseline.assign(try Tensor([Float(average), 1], shape: [2]))
      try (drawn.logProbability * (average - reward)).backward(to: controller.parameters)
      try adam.step(learningRate: controllerLearningRate)
    }
    try supernet.run(
      state: controller.parameters + adam.state + [baseline],
      step: { batch in
        let gates = supernet.shape.gates(of: try draw())
        try supernet.train(batch) { _ in gates }
      },
      afterEpoch: { _ in
        for step in 0..<controllerSteps { try learn(step) }
      },
      choose: { try selection.best(supernet, draw: draw) })
  }
}

/// ENAS's controller: an LSTM that chooses a vertex's parents by attention to the vertices drawn so far, then its
/// operation (Pham et al. 2018, section 2.4; NAS-Bench-1Shot1's `micro_controller.py`, temperature 5, logits of
/// parents within 2.5 and of operations within 0.5 by a hyperbolic tangent, parameters uniform within 0.1).
///
/// Differences: the states of the input and the first vertex, to which later ones attend, are the LSTM's own (the
/// script keeps zeros for them, so that whoever chooses them as parents reads nothing on); operations are those of the
/// vertex that is being drawn (the script shifts them by one), no operation is favoured (the script's bias favours the
/// first two), and the probability of several parents is that of drawing them one after another without replacement, by
/// logits of the same vertex.
package struct Controller {
  package let parameters: [Tensor]
  private let shape: SupernetShape
  private let hidden: Int
  /// The embeddings of the start, then of the operations.
  private let embeddings: Tensor
  private let lstm: [Tensor]
  private let operationWeights: Tensor
  private let attentionOfVertex, attentionOfState, attention: Tensor

  /// A drawn architecture.
  package struct Drawn {
    package let configuration: Configuration
    /// The logarithm of its probability, a single number that can be differentiated.
    package let logProbability: Tensor
    /// The sum of the entropies of all choices; of several parents the first one's, as in the script.
    package let entropy: Double
  }

  package init(_ shape: SupernetShape, hidden: Int, random: inout RandomGenerator) throws {
    self.shape = shape
    self.hidden = hidden
    func uniform(_ dimensions: [Int]) throws -> Tensor {
      let values = (0..<dimensions.reduce(1, *)).map { _ in Float(0.2 * random.uniform() - 0.1) }
      let tensor = try Tensor(values, shape: dimensions)
      try tensor.requireGradient()
      return tensor
    }
    let operations = shape.architecture.rows[0].count
    embeddings = try uniform([1 + operations, hidden])
    lstm = try [
      uniform([4 * hidden, hidden]), uniform([4 * hidden, hidden]), uniform([4 * hidden]), uniform([4 * hidden]),
    ]
    operationWeights = try uniform([operations, hidden])
    attentionOfVertex = try uniform([hidden, hidden])
    attentionOfState = try uniform([hidden, hidden])
    attention = try uniform([1, hidden])
    parameters = [embeddings] + lstm + [operationWeights, attentionOfVertex, attentionOfState, attention]
  }

  /// Draws an architecture.
  package func sample(using random: inout RandomGenerator) throws -> Drawn {
    try sample { weights in random.index(weights: weights) }
  }

  /// Draws an architecture with choices made by a function.
  ///
  /// - Parameter draw: Chooses an index by weights that need not sum to 1.
  package func sample(draw: ([Double]) -> Int) throws -> Drawn {
    let rows = shape.architecture.rows
    var values = [Double](repeating: 0, count: rows.count)
    var logProbability: Tensor?
    var entropy = 0.0
    func add(_ part: Tensor) throws { logProbability = try logProbability.map { try $0 + part } ?? part }

    let start = try embeddings.selecting([0])
    var state = (hidden: try Tensor.zeros([1, hidden]), cell: try Tensor.zeros([1, hidden]))
    /// The states that later vertices attend to, one per vertex drawn so far, the cell's input first.
    var anchors: [(state: Tensor, key: Tensor)] = []
    func read(_ input: Tensor) throws {
      state = try input.lstmCell(hidden: state.hidden, cell: state.cell, weights: lstm)
    }
    try read(start)
    anchors.append((state.hidden, try state.hidden.dense(attentionOfVertex)))

    for vertex in 1...shape.blocks + 1 {
      var input = start
      if let row = rows.indices.dropFirst(shape.blocks).first(where: { rows[$0].count == vertex }) {
        try read(input)
        let query = try state.hidden.dense(attentionOfState)
        let keys = try Tensor.concatenated(anchors.map(\.key), dimension: 0)
        let logits = try (try attention.dense((keys + query).tanh()) * (1 / 5.0)).tanh() * 2.5
        var (remaining, chosen): ([Int], [Int]) = (Array(0..<vertex), [])
        for _ in 0..<rows[row].selected {
          let open =
            chosen.isEmpty ? logits : try Tensor.concatenated(remaining.map { try logits.channels($0..<$0 + 1) })
          let (index, log, uncertainty) = try choose(open, draw)
          try add(log)
          if chosen.isEmpty { entropy += uncertainty }
          chosen.append(remaining.remove(at: index))
        }
        input = anchors[chosen[chosen.count - 1]].state
        chosen.sort()
        values[row] = Double(rows[row].selections.firstIndex(of: chosen) ?? 0)
      }
      guard vertex <= shape.blocks else { break }
      try read(input)
      let logits = try (try state.hidden.dense(operationWeights) * (1 / 5.0)).tanh() * 0.5
      let (operation, log, uncertainty) = try choose(logits, draw)
      try add(log)
      entropy += uncertainty
      values[vertex - 1] = Double(operation)
      try read(try embeddings.selecting([Int64(operation + 1)]))
      anchors.append((state.hidden, try state.hidden.dense(attentionOfVertex)))
    }
    guard let logProbability else { preconditionFailure("a space has choices") }
    return Drawn(
      configuration: Configuration(values: values), logProbability: try logProbability.sum(), entropy: entropy)
  }

  private func choose(
    _ logits: Tensor, _ draw: ([Double]) -> Int
  ) throws -> (index: Int, log: Tensor, entropy: Double) {
    let logs = try logits.logSoftmax()
    let values = try logs.doubles()
    let index = draw(values.map { exp($0) })
    return (
      index, try logs.channels(index..<index + 1), -values.reduce(0) { $0 + exp($1) * $1 }
    )
  }
}
