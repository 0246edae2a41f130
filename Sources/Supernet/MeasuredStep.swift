import CellSpace
import Statistics
import Tensor

/// A first-order step of DARTS on random images, for measuring its time.
package struct MeasuredStep {
  private let shape: SupernetShape
  private let network: SupernetNetwork
  private let descent: GradientDescent
  private let rows: [Tensor]
  private let adam: Adam
  private let training, search: (images: Tensor, labels: Tensor)

  /// - Parameters:
  ///   - space: A space that a supernet covers.
  ///   - image: The channels, height and width of an image.
  package init(
    _ space: SearchSpace, batchSize: Int = 64, channels: Int = 16, stacks: Int = 3, cellsPerStack: Int = 1,
    image: (channels: Int, height: Int, width: Int) = (1, 28, 28), classes: Int = 10
  ) throws {
    guard let shape = SupernetShape(space) else { throw SupernetError.noSupernet(space.name) }
    try Torch.start()
    self.shape = shape
    var random = RandomGenerator(seed: 0, stream: "measured step")
    network = try SupernetNetwork(
      shape, channels: channels, stacks: stacks, cellsPerStack: cellsPerStack, imageChannels: image.channels,
      classes: classes, batchNorm: (0.1, 1e-5), padsBeforePooling: false, random: &random)
    descent = try GradientDescent(network.parameters, rule: .sgd, momentum: 0.9, weightDecay: 3e-4)
    rows = try shape.architecture.rows.map { row in
      let weights = try Tensor(
        (0..<row.count).map { _ in Float(1e-3 * random.gaussian()) }, shape: [row.count])
      try weights.requireGradient()
      return weights
    }
    adam = try Adam(rows, betas: (0.5, 0.999), weightDecay: 1e-3)
    func batch() throws -> (Tensor, Tensor) {
      let shape = [batchSize, image.channels, image.height, image.width]
      let values = (0..<shape.reduce(1, *)).map { _ in Float(random.gaussian()) }
      let labels = (0..<batchSize).map { _ in Int64(random.below(classes)) }
      return (try Tensor(values, shape: shape), try Tensor(labels: labels))
    }
    training = try batch()
    search = try batch()
  }

  /// Makes the architecture's step, then that of the weights.
  ///
  /// - Returns: The loss before the weights' step.
  @discardableResult
  package func callAsFunction() throws -> Double {
    let gates = shape.gates(try rows.map { .weighted(try $0.softmax()) })
    _ = try network.architectureGradient(rows, images: search.images, labels: search.labels) { _ in gates }
    try adam.step(learningRate: 3e-4)
    let fixed = try Torch.withoutGradients { shape.gates(try rows.map { .weighted(try $0.softmax()) }) }
    let (loss, _) = try network.step(
      descent, learningRate: 0.025, gradientClip: 5, images: training.images, labels: training.labels
    ) { _ in fixed }
    return try loss.value()
  }
}
