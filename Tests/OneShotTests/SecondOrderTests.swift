import CellNetworks
import SearchSpaces
import Statistics
import Supernet
import Tensor
import Testing

/// A small supernet in double precision with one batch for each half.
private struct Small {
  let shape: SupernetShape
  let network: SupernetNetwork
  let architecture: [Tensor]
  let training, search: (images: Tensor, labels: Tensor)

  init(_ space: SearchSpace = .mini) throws {
    try Torch.start()
    shape = try #require(SupernetShape(space))
    var random = RandomGenerator(seed: 5)
    network = try SupernetNetwork(
      shape, channels: 2, stacks: 2, cellsPerStack: 1, imageChannels: 1, classes: 3, batchNorm: (0.1, 1e-5),
      padsBeforePooling: false, isDouble: true, random: &random)
    architecture = try shape.architecture.rows.map { row in
      let tensor = try Tensor(doubles: (0..<row.count).map { _ in 0.3 * random.gaussian() }, shape: [row.count])
      try tensor.requireGradient()
      return tensor
    }
    func batch() throws -> (Tensor, Tensor) {
      (
        try Tensor(doubles: (0..<8 * 36).map { _ in random.gaussian() }, shape: [8, 1, 6, 6]),
        try Tensor(labels: (0..<8).map { Int64($0 % 3) })
      )
    }
    training = try batch()
    search = try batch()
  }

  func gates(_ cell: Int) throws -> CellGates { shape.gates(try architecture.map { .weighted(try $0.softmax()) }) }

  func loss(_ part: (images: Tensor, labels: Tensor), _ parameters: [Tensor]? = nil) throws -> Tensor {
    try network.logits(part.images, gates: gates, statistics: .batch, parameters: parameters)
      .crossEntropy(part.labels)
  }

  func descent(difference: Double = 0.01) throws -> UnrolledDescent {
    let velocities = try network.parameters.enumerated().map { number, parameter in
      try Tensor(
        doubles: (0..<parameter.count).map { 0.01 * Double(($0 + number) % 7 - 3) }, shape: parameter.shape)
    }
    return UnrolledDescent(
      network: network, velocities: velocities, momentum: 0.9, weightDecay: 3e-4, learningRate: 0.1,
      difference: difference)
  }

  /// The loss on the search half after one step of the weights: what second order differentiates.
  func unrolledLoss() throws -> Double {
    let descent = try descent()
    let gradients = try loss(training).gradients(of: network.parameters)
    let next = try Torch.withoutGradients {
      try network.parameters.indices.map { index in
        let step = try gradients[index].adding(descent.velocities[index], times: descent.momentum)
          .adding(network.parameters[index], times: descent.weightDecay)
        return try network.parameters[index].adding(step, times: -descent.learningRate)
      }
    }
    return try loss(search, next).value()
  }
}

@Suite("Second-order architecture gradients") struct SecondOrderTests {
  @Test("the exact one is that of finite differences of the loss after a step, in double precision")
  func exactIsRight() throws {
    let small = try Small()
    let exact = try small.descent().gradients(
      small.architecture, training: small.training, search: small.search, exact: true, gates: small.gates
    ).map { try $0.doubles() }
    for (row, parameter) in small.architecture.enumerated() {
      for index in 0..<parameter.count {
        let unit = try Tensor(
          doubles: (0..<parameter.count).map { $0 == index ? 1 : 0 }, shape: parameter.shape)
        let step = 1e-5
        try parameter.increase(by: unit, times: step)
        let above = try small.unrolledLoss()
        try parameter.increase(by: unit, times: -2 * step)
        let below = try small.unrolledLoss()
        try parameter.increase(by: unit, times: step)
        let measured = (above - below) / (2 * step)
        #expect(abs(exact[row][index] - measured) < 1e-6, "row \(row), index \(index)")
      }
    }
  }

  @Test("the finite-difference one agrees with it, and differs from the first order")
  func finiteDifferencesAgree() throws {
    let small = try Small()
    func gradients(exact: Bool) throws -> [Double] {
      // A short step: the network has kinks.
      try small.descent(difference: 1e-6).gradients(
        small.architecture, training: small.training, search: small.search, exact: exact, gates: small.gates
      ).flatMap { try $0.doubles() }
    }
    let before = try small.network.parameters.map { try $0.doubles() }
    let (exact, approximate) = (try gradients(exact: true), try gradients(exact: false))
    #expect(try small.network.parameters.map { try $0.doubles() } == before, "weights are as before")
    let first = try small.loss(small.search).gradients(of: small.architecture).flatMap { try $0.doubles() }
    func distance(_ a: [Double], _ b: [Double]) -> Double {
      zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
    }
    #expect(distance(exact, approximate) < 1e-4 * distance(exact, first))
  }

  @Test("the Hessian's central differences are the exact second derivatives")
  func hessian() throws {
    // f(x) = Σ (i + 1) x_i² + x_0 x_1
    let x = try Tensor(doubles: [0.3, -0.2, 0.5], shape: [3])
    try x.requireGradient()
    let hessian = try centralHessian([x]) {
      let v = try x.doubles()
      return [2 * v[0] + v[1], 4 * v[1] + v[0], 6 * v[2]]
    }
    for (row, expected) in [[2.0, 1, 0], [1, 4, 0], [0, 0, 6]].enumerated() {
      for column in 0..<3 { #expect(abs(hessian[row][column] - expected[column]) < 1e-6) }
    }
    let values = symmetricEigenvalues([[2, 1, 0], [1, 4, 0], [0, 0, 6]])
    for (value, expected) in zip(values, [3 - 2.0.squareRoot(), 3 + 2.0.squareRoot(), 6]) {
      #expect(abs(value - expected) < 1e-12)
    }
  }
}
