import Statistics
import Tensor
import Testing

@Suite("Tensor operations") struct TensorOperationTests {
  /// Values on a coarse grid, so that many are equal within a window.
  static func grid(_ shape: [Int], seed: UInt64) -> [Float] {
    var random = RandomGenerator(seed: seed)
    return (0..<shape.reduce(1, *)).map { _ in Float(random.below(7)) - 3 }
  }

  static func normal(_ count: Int, seed: UInt64) -> [Float] {
    var random = RandomGenerator(seed: seed)
    return (0..<count).map { _ in Float(random.gaussian()) }
  }

  @Test(
    "the vectorised max pool is the library's, values and gradients",
    arguments: [[1, 1, 1, 1], [2, 3, 1, 5], [2, 3, 4, 1], [3, 2, 3, 5], [4, 8, 14, 14], [2, 5, 7, 7]])
  func maxPool(shape: [Int]) throws {
    let count = shape.reduce(1, *)
    for (number, values) in [Self.grid(shape, seed: 1), Self.normal(count, seed: 2)].enumerated() {
      let (ours, theirs) = (try Tensor(values, shape: shape), try Tensor(values, shape: shape))
      try ours.requireGradient()
      try theirs.requireGradient()
      let a = try ours.maxPooled3x3()
      let b = try theirs.maxPooled(window: 3, stride: 1, padding: 1)
      #expect(try a.values() == b.values())
      // Whole numbers as incoming gradients: sums are then exact in any order.
      try Self.pull(a, Self.grid(shape, seed: 3 + UInt64(number)))
      try Self.pull(b, Self.grid(shape, seed: 3 + UInt64(number)))
      #expect(try ours.gradient().values() == theirs.gradient().values())
    }
  }

  /// Propagates given gradients back from a tensor: those of its inner product with them.
  static func pull(_ x: Tensor, _ gradients: [Float]) throws {
    let shape = x.shape
    let flat = try x.convolvedWithWhole(gradients, shape: shape)
    try flat.backward()
  }

  @Test("the max pool passes on what is no number, and is right where all is -infinity")
  func maxPoolOfOddValues() throws {
    for special in [Float.nan, -.infinity, .infinity] {
      var values = Self.normal(2 * 25, seed: 4)
      for place in [0, 12, 31] { values[place] = special }
      let x = try Tensor(values, shape: [1, 2, 5, 5])
      let a = try x.maxPooled3x3().values()
      let b = try x.maxPooled(window: 3, stride: 1, padding: 1).values()
      #expect(a.map(\.isNaN) == b.map(\.isNaN))
      #expect(zip(a, b).allSatisfy { $0 == $1 || $0.isNaN })
    }
    let low = try Tensor([Float](repeating: -.infinity, count: 9), shape: [1, 1, 3, 3])
    #expect(try low.maxPooled3x3().values().allSatisfy { $0 == -.infinity })
  }

  @Test(
    "batch norm with rectifier is the library's two: values, gradients, running statistics",
    arguments: [[2, 1, 1, 1], [3, 3, 5, 4], [4, 8, 14, 14], [2, 5, 7, 7], [5, 70, 2, 2]])
  func batchNormRelu(shape: [Int]) throws {
    let (count, channels) = (shape.reduce(1, *), shape[1])
    let start = Self.normal(count, seed: 6).map { $0 * 2 + 1 }
    func run(_ fused: Bool) throws -> [[Float]] {
      let x = try Tensor(start, shape: shape)
      let gamma = try Tensor(Self.normal(channels, seed: 7), shape: [channels])
      let beta = try Tensor(Self.normal(channels, seed: 8), shape: [channels])
      for parameter in [x, gamma, beta] { try parameter.requireGradient() }
      let mean = try Tensor.zeros([channels])
      let variance = try Tensor([Float](repeating: 1, count: channels), shape: [channels])
      func apply(_ training: Bool) throws -> Tensor {
        fused
          ? try x.batchNormalizedRelu(
            gamma: gamma, beta: beta, mean: mean, variance: variance, training: training, momentum: 0.1,
            epsilon: 1e-5)
          : try x.batchNormalized(
            gamma: gamma, beta: beta, mean: mean, variance: variance, training: training, momentum: 0.1,
            epsilon: 1e-5
          ).relu()
      }
      let y = try apply(true)
      try Self.pull(y, Self.normal(count, seed: 9))
      let evaluated = try Torch.withoutGradients { try apply(false).values() }
      return try [y, mean, variance, x.gradient(), gamma.gradient(), beta.gradient()].map { try $0.values() }
        + [evaluated]
    }
    for (ours, theirs) in zip(try run(true), try run(false)) {
      #expect(zip(ours, theirs).allSatisfy { abs($0 - $1) <= 2e-4 * max(1, abs($1)) })
    }
  }

  @Test("batch norm with rectifier passes on what is no number") func batchNormOfOddValues() throws {
    let x = try Tensor([1, .nan, 3, 4], shape: [2, 2, 1, 1])
    let zero = try Tensor.zeros([2])
    let y = try x.batchNormalizedRelu(
      gamma: try Tensor([1, 1], shape: [2]), beta: zero, mean: try Tensor.zeros([2]),
      variance: try Tensor.zeros([2]), training: true, momentum: 0.1, epsilon: 1e-5)
    #expect(try y.values().map(\.isNaN) == [false, true, false, true])
  }

  @Test("shapes that do not fit are an error that says so") func errors() throws {
    let x = try Tensor.zeros([1, 3, 4, 4])
    let weight = try Tensor.zeros([2, 5, 3, 3])
    let error = #expect(throws: TorchError.self) { try x.convolved(weight, padding: 1) }
    #expect(error?.description.contains("expected input[1, 3, 4, 4] to have 5 channels") == true)
    let short = #expect(throws: TorchError.self) { try Tensor([1, 2], shape: [3]) }
    #expect(short?.description == "2 values do not fill the shape [3]")
  }

  @Test("Nesterov's step is torch.optim.SGD's") func nesterov() throws {
    let p = try Tensor([2], shape: [1, 1])
    let descent = try GradientDescent([p], rule: .nesterov, momentum: 0.9, weightDecay: 0.1)
    var (value, velocity) = (2.0, 0.0)
    try p.requireGradient()
    for _ in 0..<3 {
      try Self.threefold(p).backward()
      try descent.step(learningRate: 0.5)
      let gradient = 3 + 0.1 * value
      velocity = 0.9 * velocity + gradient
      value -= 0.5 * (gradient + 0.9 * velocity)
      #expect(abs(Double(try p.values()[0]) - value) < 1e-5)
    }
  }

  @Test("RMSProp's step is TensorFlow's") func rmsprop() throws {
    let p = try Tensor([2], shape: [1, 1])
    let descent = try GradientDescent([p], rule: .rmsprop, momentum: 0.9, weightDecay: 0)
    var (value, velocity, square) = (2.0, 0.0, 1.0)
    try p.requireGradient()
    for _ in 0..<3 {
      try Self.threefold(p).backward()
      try descent.step(learningRate: 0.5)
      square = 0.9 * square + 0.1 * 9
      velocity = 0.9 * velocity + 0.5 * 3 / (square + 1).squareRoot()
      value -= velocity
      #expect(abs(Double(try p.values()[0]) - value) < 1e-5)
    }
  }

  /// 3 p.
  static func threefold(_ p: Tensor) throws -> Tensor {
    try Tensor([3], shape: [1, 1]).linear(p, bias: try Tensor.zeros([1]))
  }

  @Test("nothing is recorded without gradients, and the mode comes back") func withoutGradients() throws {
    let p = try Tensor([2], shape: [1, 1])
    try p.requireGradient()
    let silent = try Torch.withoutGradients { try Self.threefold(p) }
    #expect(throws: TorchError.self) { try silent.backward() }
    try Self.threefold(p).backward()
    #expect(try p.gradient().values() == [3])
  }

  @Test("rows with a logit that is no number are never right") func correctCount() throws {
    let logits = try Tensor([0, 1, .nan, 9, 5, 4], shape: [3, 2])
    #expect(try logits.correctCount(Tensor(labels: [1, 1, 0])) == 2)
    #expect(try logits.correctCount(Tensor(labels: [0, 0, 1])) == 0)
  }

  @Test("cross-entropy is the mean of -log softmax") func crossEntropy() throws {
    let logits = try Tensor([0, 0, 1, 3], shape: [2, 2])
    let loss = try logits.crossEntropy(Tensor(labels: [0, 1])).values()[0]
    #expect(abs(Double(loss) - (0.693147181 + 0.126928011) / 2) < 1e-6)
  }
}

extension Tensor {
  /// The inner product with as many numbers: one convolution whose window is the whole tensor.
  fileprivate func convolvedWithWhole(_ values: [Float], shape: [Int]) throws -> Tensor {
    // Images become channels only through the batch, so take them one at a time.
    let size = values.count / shape[0]
    var sum: Tensor?
    for image in 0..<shape[0] {
      let weight = try Tensor(
        Array(values[image * size..<(image + 1) * size]), shape: [1, shape[1], shape[2], shape[3]])
      let part = try rows(image..<image + 1).convolved(weight, padding: 0)
      sum = try sum.map { try $0 + part } ?? part
    }
    return try #require(sum)
  }
}
