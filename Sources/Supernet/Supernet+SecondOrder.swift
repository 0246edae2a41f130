import Anytime
import CellNetworks
import Foundation
import SearchSpaces
import Statistics
import Tensor

extension Supernet {
  /// Computes the gradient of the search-half loss with respect to the architecture weights, after one step of the
  /// network's weights on the other half (Liu, Simonyan and Yang, "DARTS", ICLR 2019, equations 6 to 8).
  ///
  /// With weights w, momentum buffer v and learning rate η, the weights after the step are
  /// w' = w - η (μ v + ∇L_train(w) + λ w), and the gradient is ∇α L_search(w', α) minus η times the mixed second
  /// derivative of L_train by α and w, applied to ∇w' L_search(w', α). It is stored in the architecture weights, as
  /// `backward()` does.
  ///
  /// - Parameters:
  ///   - architecture: The architecture weights of every row, before their softmax.
  ///   - batch: The images of both halves, and the learning rate η.
  ///   - exact: Whether the second derivative is exact; otherwise it is the finite difference of two gradients at w ± ε
  ///     ∇w' L_search, ε = 0.01 / norm, as in the original code.
  ///   - gates: The gates of a cell, computed from the architecture weights.
  /// - Throws: `BudgetExhausted` if the passes would end past the horizon, `TorchError`.
  public func unrolledArchitectureGradient(
    _ architecture: [Tensor], _ batch: Batch, exact: Bool, gates: (_ cell: Int) throws -> CellGates
  ) throws {
    let images = batch.images.shape[0]
    // Forward and back for the step and for the search loss, then twice to the architecture alone; or, exactly,
    // back through the first gradient. `work` is that of all these forward passes.
    let passes =
      exact
      ? (Passes.training + Passes(forward: 1, toInputs: 2, toWeights: 2)) * 0.5
      : (Passes.training + .training + .architecture + .architecture) * 0.25
    try charged(.supernet, images: (exact ? 2 : 4) * images, passes) {
      let descent = UnrolledDescent(
        network: network, velocities: velocities, momentum: settings.momentum,
        weightDecay: settings.weightDecay, learningRate: batch.learningRate)
      let gradients = try descent.gradients(
        architecture, training: (batch.images, batch.labels), search: (batch.searchImages, batch.searchLabels),
        exact: exact, gates: gates)
      for (parameter, gradient) in zip(architecture, gradients) { try parameter.setGradient(gradient) }
    }
  }

  /// The eigenvalues, ascending, of the search loss's Hessian by the architecture weights (Zela et al.,
  /// "Understanding and Robustifying Differentiable Architecture Search", ICLR 2020).
  ///
  /// The whole Hessian is computed, by central differences of the gradient: two gradients for each of a few dozen
  /// weights. Nothing of the supernet changes.
  ///
  /// - Parameters:
  ///   - images: The number of search images, always the same ones.
  ///   - gates: The gates of a cell, a smooth function of the architecture weights.
  func architectureEigenvalues(
    _ architecture: [Tensor], images: Int, gates: (Int) throws -> CellGates
  ) throws -> [Double] {
    let batch = try data.batch(data.searchIndices.sorted()[..<min(images, data.searchIndices.count)])
    let hessian = try centralHessian(architecture) {
      try network.logits(batch.images, gates: gates, statistics: .batch).crossEntropy(batch.labels)
        .gradients(of: architecture).flatMap { try $0.doubles() }
    }
    return symmetricEigenvalues(hessian)
  }
}

/// The Hessian by central differences of a gradient, made symmetric. The parameters end as they were, to the bit.
package func centralHessian(
  _ parameters: [Tensor], step: Double = 1e-2, gradient: () throws -> [Double]
) throws -> [[Double]] {
  var rows: [[Double]] = []
  for parameter in parameters {
    let before = try parameter.copy()
    for index in 0..<parameter.count {
      var unit = [Float](repeating: 0, count: parameter.count)
      unit[index] = 1
      let direction = try Tensor(unit, shape: parameter.shape)
      try parameter.increase(by: direction, times: step)
      let above = try gradient()
      try parameter.increase(by: direction, times: -2 * step)
      let below = try gradient()
      // Copied, not added back: the sum would be rounded.
      try parameter.assign(before)
      rows.append(zip(above, below).map { ($0 - $1) / (2 * step) })
    }
  }
  return rows.indices.map { row in rows.indices.map { (rows[row][$0] + rows[$0][row]) / 2 } }
}

/// The gradient of a loss by the architecture weights, after one step of the network's weights.
package struct UnrolledDescent {
  package let network: SupernetNetwork
  /// The momentum buffers of the network's weights.
  package let velocities: [Tensor]
  package let momentum, weightDecay, learningRate: Double
  /// The length of the step in weight space for the finite difference.
  package let difference: Double

  package init(
    network: SupernetNetwork, velocities: [Tensor], momentum: Double, weightDecay: Double, learningRate: Double,
    difference: Double = 0.01
  ) {
    self.difference = difference
    self.network = network
    self.velocities = velocities
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.learningRate = learningRate
  }

  package typealias Images = (images: Tensor, labels: Tensor)

  package func gradients(
    _ architecture: [Tensor], training: Images, search: Images, exact: Bool,
    gates: (Int) throws -> CellGates
  ) throws -> [Tensor] {
    func loss(_ part: Images, _ parameters: [Tensor]) throws -> Tensor {
      try network.logits(part.images, gates: gates, statistics: .batch, parameters: parameters)
        .crossEntropy(part.labels)
    }
    let weights = network.parameters
    func stepped(_ gradients: [Tensor]) throws -> [Tensor] {
      try weights.indices.map { index in
        let step = try gradients[index].adding(velocities[index], times: momentum)
          .adding(weights[index], times: weightDecay)
        return try weights[index].adding(step, times: -learningRate)
      }
    }
    if exact {
      return try Torch.twiceDifferentiable {
        let next = try stepped(try loss(training, weights).gradients(of: weights, again: true))
        return try loss(search, next).gradients(of: architecture)
      }
    }
    let gradients = try loss(training, weights).gradients(of: weights)
    let next = try Torch.withoutGradients { try stepped(gradients) }
    for parameter in next { try parameter.requireGradient() }
    let all = try loss(search, next).gradients(of: architecture + next)
    let direct = all[..<architecture.count]
    let vector = Array(all[architecture.count...])

    var squares = 0.0
    for part in vector { squares += try (part * part).sum().value() }
    let radius = difference / max(squares.squareRoot(), 1e-12)
    func shift(_ factor: Double) throws {
      for (parameter, part) in zip(weights, vector) { try parameter.increase(by: part, times: factor) }
    }
    let before = try weights.map { try $0.copy() }
    try shift(radius)
    let above = try loss(training, weights).gradients(of: architecture)
    try shift(-2 * radius)
    let below = try loss(training, weights).gradients(of: architecture)
    // Copied, not added back: the sum would be rounded, and the weights would not be the same to the bit.
    for (parameter, value) in zip(weights, before) { try parameter.assign(value) }
    return try direct.indices.map { index in
      let second = try above[index].adding(below[index], times: -1) * (1 / (2 * radius))
      return try direct[index].adding(second, times: -learningRate)
    }
  }
}
