import CTorch

/// Adam (Kingma and Ba, ICLR 2015), as `torch.optim.Adam`: weight decay is added to the gradients. A step uses
/// the gradients that `backward()` stored and clears them.
public struct Adam {
  private let parameters: [Tensor]
  private let means, squares: [Tensor]
  private let betas: (Double, Double)
  private let epsilon: Double
  private let weightDecay: Double
  /// The number of steps so far, in a tensor, so that ``state`` can include it.
  private let steps: Tensor

  public init(
    _ parameters: [Tensor], betas: (Double, Double) = (0.9, 0.999), epsilon: Double = 1e-8,
    weightDecay: Double = 0
  ) throws(TorchError) {
    self.parameters = parameters
    self.betas = betas
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    means = try parameters.map { parameter throws(TorchError) in try parameter.zeros() }
    squares = try parameters.map { parameter throws(TorchError) in try parameter.zeros() }
    steps = try Tensor.zeros([1])
  }

  /// The tensors that a checkpoint must hold besides the parameters.
  public var state: [Tensor] { means + squares + [steps] }

  /// Updates the parameters from their gradients, and clears these.
  public func step(learningRate: Double) throws(TorchError) {
    // A damaged checkpoint may have put any number there.
    guard let step = Int64(exactly: try steps.value().rounded()), (0..<1 << 24).contains(step) else {
      throw TorchError(description: "the number of Adam's steps is out of range")
    }
    try steps.assign(try Tensor([Float(step + 1)], shape: [1]))
    let handles: [OpaquePointer?] = parameters.map(\.handle)
    guard
      torch.adam_step(
        handles, means.map(\.handle), squares.map(\.handle), Int32(handles.count), step + 1, learningRate,
        betas.0, betas.1, epsilon, weightDecay) == 0
    else { throw .last() }
  }
}
