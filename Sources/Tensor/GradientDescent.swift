import CTorch

/// An optimizer of network weights. A step uses the gradients that `backward()` stored and clears them.
public struct GradientDescent {
  /// The rule by which gradients change parameters.
  public enum Rule: String, CaseIterable, Sendable, Codable {
    /// Stochastic gradient descent with Nesterov momentum, as `torch.optim.SGD`.
    case nesterov
    /// Stochastic gradient descent with momentum, as `torch.optim.SGD`.
    case sgd
    /// RMSProp with momentum, decay 0.9 and epsilon 1.0, as NAS-Bench-101 trained (TensorFlow's
    /// `RMSPropOptimizer`).
    case rmsprop
  }

  private let parameters: [Tensor]
  /// The running sum of gradients of each parameter; with the parameters and ``squares``, the whole state.
  public let velocities: [Tensor]
  /// The running mean of squared gradients of each parameter; empty unless the rule is RMSProp.
  public let squares: [Tensor]
  private let rule: Rule
  private let momentum: Double
  private let weightDecay: Double

  /// - Parameter weightDecay: The multiple of the parameters that is added to their gradients (L2).
  public init(
    _ parameters: [Tensor], rule: Rule, momentum: Double, weightDecay: Double
  ) throws(TorchError) {
    self.parameters = parameters
    self.rule = rule
    self.momentum = momentum
    self.weightDecay = weightDecay
    func zeros() throws(TorchError) -> [Tensor] {
      try parameters.map { parameter throws(TorchError) in try parameter.zeros() }
    }
    velocities = try zeros()
    // TensorFlow's accumulators begin at one.
    squares =
      rule == .rmsprop
      ? try parameters.map { parameter throws(TorchError) in
        let ones = try parameter.zeros()
        try ones.assign(Tensor([Float](repeating: 1, count: parameter.count), shape: parameter.shape))
        return ones
      } : []
  }

  /// Updates the parameters from their gradients, and clears these.
  public func step(learningRate: Double) throws(TorchError) {
    let handles: [OpaquePointer?] = parameters.map(\.handle)
    let moving: [OpaquePointer?] = velocities.map(\.handle)
    let scale: [OpaquePointer?] = squares.map(\.handle)
    let status: Int32
    switch rule {
    case .nesterov, .sgd:
      status = torch.sgd_step(
        handles, moving, Int32(handles.count), learningRate, momentum, weightDecay, rule == .nesterov ? 1 : 0)
    case .rmsprop:
      status = torch.rmsprop_step(
        handles, scale, moving, Int32(handles.count), learningRate, 0.9, momentum, 1.0,
        weightDecay)
    }
    guard status == 0 else { throw .last() }
  }
}
