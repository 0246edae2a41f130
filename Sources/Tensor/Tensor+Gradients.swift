import CTorch

extension Tensor {
  /// Marks a parameter: its ``gradient()`` is wanted.
  public func requireGradient() throws(TorchError) {
    guard torch.require_gradient(handle) == 0 else { throw .last() }
  }

  /// What ``backward()`` left for a parameter; zeros if nothing.
  public func gradient() throws(TorchError) -> Tensor { try Tensor(owning: torch.gradient(handle)) }

  /// Leaves a gradient, as ``backward()`` does.
  public func setGradient(_ gradient: Tensor) throws(TorchError) {
    guard torch.set_gradient(handle, gradient.handle) == 0 else { throw .last() }
  }

  /// Computes the gradients of all parameters that this single number depends on.
  public func backward() throws(TorchError) {
    guard torch.backward(handle) == 0 else { throw .last() }
  }

  /// Computes the gradients of some parameters alone. What only others need is not computed.
  public func backward(to parameters: [Tensor]) throws(TorchError) {
    guard torch.backward_to(handle, parameters.map(\.handle), Int32(parameters.count)) == 0 else {
      throw .last()
    }
  }

  /// The gradients of this single number with respect to some tensors; zeros where it does not depend on one.
  ///
  /// - Parameter again: Whether the gradients will themselves be differentiated: then compute this number
  ///   within ``Torch/twiceDifferentiable(_:)``.
  public func gradients(of tensors: [Tensor], again: Bool = false) throws(TorchError) -> [Tensor] {
    var results = [OpaquePointer?](repeating: nil, count: tensors.count)
    guard
      torch.gradients(handle, tensors.map(\.handle), Int32(tensors.count), again ? 1 : 0, &results) == 0
    else { throw .last() }
    return try results.map { result throws(TorchError) in try Tensor(owning: result) }
  }

  /// Scales the gradients that ``backward()`` left so that the norm of all together is at most `limit`, as
  /// `torch.nn.utils.clip_grad_norm_`.
  ///
  /// - Returns: The norm before.
  @discardableResult
  public static func clipGradients(of tensors: [Tensor], to limit: Double) throws(TorchError) -> Double {
    var norm = 0.0
    guard torch.clip_gradients(tensors.map(\.handle), Int32(tensors.count), limit, &norm) == 0 else {
      throw .last()
    }
    return norm
  }
}
