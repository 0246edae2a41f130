import CTorch

extension Tensor {
  /// Marks this tensor as a parameter: ``backward()`` computes its ``gradient()``.
  public func requireGradient() throws(TorchError) {
    guard torch.require_gradient(handle) == 0 else { throw .last() }
  }

  /// The gradient that ``backward()`` stored for this parameter; zeros if there is none.
  public func gradient() throws(TorchError) -> Tensor { try Tensor(owning: torch.gradient(handle)) }

  /// Stores a gradient, as ``backward()`` does.
  public func setGradient(_ gradient: Tensor) throws(TorchError) {
    guard torch.set_gradient(handle, gradient.handle) == 0 else { throw .last() }
  }

  /// Computes the gradients of all parameters that this single number depends on.
  public func backward() throws(TorchError) {
    guard torch.backward(handle) == 0 else { throw .last() }
  }

  /// Computes the gradients of the given parameters only, without the work that only other parameters need.
  public func backward(to parameters: [Tensor]) throws(TorchError) {
    guard torch.backward_to(handle, parameters.map(\.handle), Int32(parameters.count)) == 0 else {
      throw .last()
    }
  }

  /// The gradients of this single number with respect to some tensors; zeros where it does not depend on one.
  ///
  /// - Parameter again: Whether the gradients will themselves be differentiated; if so, compute this number
  ///   within ``Torch/twiceDifferentiable(_:)``.
  public func gradients(of tensors: [Tensor], again: Bool = false) throws(TorchError) -> [Tensor] {
    var results = [OpaquePointer?](repeating: nil, count: tensors.count)
    guard
      torch.gradients(handle, tensors.map(\.handle), Int32(tensors.count), again ? 1 : 0, &results) == 0
    else { throw .last() }
    return try results.map { result throws(TorchError) in try Tensor(owning: result) }
  }

  /// Scales the gradients that ``backward()`` stored so that their joint norm is at most `limit`, as
  /// `torch.nn.utils.clip_grad_norm_`.
  ///
  /// - Returns: The joint norm before scaling.
  @discardableResult
  public static func clipGradients(of tensors: [Tensor], to limit: Double) throws(TorchError) -> Double {
    var norm = 0.0
    guard torch.clip_gradients(tensors.map(\.handle), Int32(tensors.count), limit, &norm) == 0 else {
      throw .last()
    }
    return norm
  }
}
