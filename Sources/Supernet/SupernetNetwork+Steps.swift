import Tensor

extension SupernetNetwork {
  /// Makes one step of gradient descent, with gradients clipped to a joint norm.
  ///
  /// - Parameters:
  ///   - descent: The optimizer of ``parameters``.
  ///   - dropPath: The factors of choice blocks, as in ``logits(_:gates:statistics:parameters:dropPath:)``.
  /// - Returns: The loss and the logits before the step.
  package func step(
    _ descent: GradientDescent, learningRate: Double, gradientClip: Double, images: Tensor, labels: Tensor,
    dropPath: ((Int) throws -> Tensor)? = nil, gates: (_ cell: Int) throws -> CellGates
  ) throws -> (loss: Tensor, logits: Tensor) {
    let logits = try logits(images, gates: gates, statistics: .updating, dropPath: dropPath)
    let loss = try logits.crossEntropy(labels)
    try loss.backward(to: parameters)
    try Tensor.clipGradients(of: parameters, to: gradientClip)
    try descent.step(learningRate: learningRate)
    return (loss, logits)
  }

  /// Computes the gradient of the loss with respect to the architecture weights, with the network's weights fixed, and
  /// stores it as `backward()` does.
  ///
  /// - Returns: The loss.
  package func architectureGradient(
    _ architecture: [Tensor], images: Tensor, labels: Tensor, gates: (_ cell: Int) throws -> CellGates
  ) throws -> Tensor {
    let loss = try logits(images, gates: gates, statistics: .batch).crossEntropy(labels)
    try loss.backward(to: architecture)
    return loss
  }
}
