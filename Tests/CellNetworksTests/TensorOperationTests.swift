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
      for index in [0, 12, 31] { values[index] = special }
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

  @Test(
    "batch norm with rectifier is as good as the library's in double precision",
    arguments: [[2, 1, 3, 3], [3, 3, 5, 4], [4, 8, 14, 14], [5, 70, 2, 2]])
  func batchNormPrecision(shape: [Int]) throws {
    let (count, channels) = (shape.reduce(1, *), shape[1])
    func run(_ tensor: ([Float], [Int]) throws -> Tensor) throws -> [[Double]] {
      let x = try tensor(Self.normal(count, seed: 6).map { $0 * 2 + 1 }, shape)
      let gamma = try tensor(Self.normal(channels, seed: 7), [channels])
      let beta = try tensor(Self.normal(channels, seed: 8), [channels])
      let mean = try tensor([Float](repeating: 0, count: channels), [channels])
      let variance = try tensor([Float](repeating: 1, count: channels), [channels])
      for parameter in [x, gamma, beta] { try parameter.requireGradient() }
      let y = try x.batchNormalizedRelu(
        gamma: gamma, beta: beta, mean: mean, variance: variance, training: true, momentum: 0.1, epsilon: 1e-5
      )
      try (y * tensor(Self.normal(count, seed: 9), shape)).sum().backward()
      return try [y, mean, variance, x.gradient(), gamma.gradient(), beta.gradient()].map { try $0.doubles() }
    }
    let ours = try run { try Tensor($0, shape: $1) }
    let theirs = try run(Self.double)
    for (a, b) in zip(ours, theirs) { try Self.expectClose(a, b, 2e-6) }
  }

  static func double(_ values: [Float], _ shape: [Int]) throws -> Tensor {
    try Tensor(doubles: values.map { Double($0) }, shape: shape)
  }

  /// Relative to the greatest number of all.
  static func expectClose(_ ours: [Double], _ theirs: [Double], _ tolerance: Double) throws {
    let scale = try #require(theirs.map(abs).max())
    #expect(ours.count == theirs.count)
    #expect(zip(ours, theirs).allSatisfy { abs($0 - $1) <= tolerance * scale })
  }

  // MARK: Mixtures

  /// By the library's own products and sums.
  static func libraryMixture(_ tensors: [Tensor], weights: Tensor) throws -> Tensor {
    var parts = try tensors.enumerated().map { try $1 * weights.rows($0..<$0 + 1) }[...]
    let first = parts.removeFirst()
    return try parts.reduce(first) { try $0 + $1 }
  }

  static func libraryConcatenation(_ tensors: [Tensor], weights: Tensor) throws -> Tensor {
    let parts = try tensors.enumerated().map { try $1 * weights.rows($0..<$0 + 1) }
    return try parts[0] + Tensor.concatenated(Array(parts[1...]))
  }

  typealias Combining = ([Tensor], Tensor) throws -> Tensor

  /// Values, gradients of the tensors, and gradient of the weights after propagating given numbers back.
  static func combined(
    _ combine: Combining, _ shapes: [[Int]], learns: Bool,
    _ tensor: ([Float], [Int]) throws -> Tensor = { try Tensor($0, shape: $1) }
  ) throws -> (values: [Double], gradients: [[Double]], weights: [Double]) {
    let tensors = try shapes.enumerated().map { number, shape in
      try tensor(normal(shape.reduce(1, *), seed: 20 + UInt64(number)), shape)
    }
    let weights = try tensor(normal(shapes.count, seed: 40), [shapes.count])
    for leaf in tensors + (learns ? [weights] : []) { try leaf.requireGradient() }
    let result = try combine(tensors, weights)
    try (result * tensor(normal(result.count, seed: 41), result.shape)).sum().backward()
    return (
      try result.doubles(), try tensors.map { try $0.gradient().doubles() }, try weights.gradient().doubles()
    )
  }

  static let sizes = [
    [1, 1, 1, 1], [2, 3, 5, 7], [3, 5, 1, 2], [2, 8, 13, 13], [4, 1, 23, 23], [1, 67, 3, 3],
  ]

  static func expectEqual(_ fused: @escaping Combining, _ library: @escaping Combining, _ shapes: [[Int]])
    throws
  {
    for learns in [true, false] {
      let ours = try combined(fused, shapes, learns: learns)
      let theirs = try combined(library, shapes, learns: learns)
      #expect(ours.values == theirs.values)
      #expect(ours.gradients == theirs.gradients)
      if learns {
        // Sums of many products: in another order.
        let exact = try combined(library, shapes, learns: true, double)
        let scale = Double(ours.values.count).squareRoot()
        for (a, b) in zip(ours.weights, exact.weights) { #expect(abs(a - b) <= 1e-6 * max(scale, abs(b))) }
      } else {
        #expect(ours.weights.allSatisfy { $0 == 0 })
      }
    }
  }

  @Test(
    "the fused mixture is the library's products and sums, bit for bit; gradients of weights to six digits",
    arguments: 1...7)
  func mixture(count: Int) throws {
    for size in Self.sizes {
      try Self.expectEqual(
        { try Tensor.mixture($0, weights: $1) }, { try Self.libraryMixture($0, weights: $1) },
        [[Int]](repeating: size, count: count))
    }
  }

  @Test(
    "the fused weighted concatenation is the library's products, sum and concatenation, bit for bit",
    arguments: 1...6)
  func weightedConcatenation(count: Int) throws {
    for size in Self.sizes {
      let parts = (0..<count).map { [size[0], size[1] + $0 % 3, size[2], size[3]] }
      let whole = [size[0], parts.reduce(0) { $0 + $1[1] }, size[2], size[3]]
      try Self.expectEqual(
        { try Tensor.weightedConcatenation($0, weights: $1) },
        { try Self.libraryConcatenation($0, weights: $1) }, [whole] + parts)
    }
  }

  @Test("more tensors than seven are an error, not a wrong sum") func manyTensors() throws {
    let tensors = try (0..<8).map { _ in try Tensor.zeros([1, 1, 2, 2]) }
    #expect(throws: TorchError.self) { try Tensor.mixture(tensors, weights: Tensor.zeros([8])) }
  }

  @Test("what comes out of convolutions and slices of channels can be mixed") func mixtureOfOtherLayouts()
    throws
  {
    let x = try Tensor(Self.normal(2 * 6 * 5 * 5, seed: 50), shape: [2, 6, 5, 5])
    let kernel = try Tensor(Self.normal(3 * 6, seed: 51), shape: [3, 6, 1, 1])
    let weights = try Tensor([0.3, -1.7], shape: [2])
    func inputs() throws -> [Tensor] { [try x.channels(2..<5), try x.convolved(kernel, padding: 0)] }
    let ours = try Tensor.mixture(inputs(), weights: weights).values()
    #expect(try ours == Self.libraryMixture(inputs(), weights: weights).values())
  }

  @Test("numbers of double precision are left to the library, by all fused operations") func doublePrecision()
    throws
  {
    let shapes = [[Int]](repeating: [2, 3, 5, 7], count: 3)
    let ours = try Self.combined({ try Tensor.mixture($0, weights: $1) }, shapes, learns: true, Self.double)
    let theirs = try Self.combined(
      { try Self.libraryMixture($0, weights: $1) }, shapes, learns: true, Self.double)
    #expect(ours.values == theirs.values)
    #expect(ours.gradients == theirs.gradients)
    #expect(ours.weights == theirs.weights)
    let parts = [[2, 7, 5, 4], [2, 3, 5, 4], [2, 4, 5, 4]]
    let joined = try Self.combined(
      { try Tensor.weightedConcatenation($0, weights: $1) }, parts, learns: true, Self.double)
    let library = try Self.combined(
      { try Self.libraryConcatenation($0, weights: $1) }, parts, learns: true, Self.double)
    #expect(joined.values == library.values)
    #expect(joined.gradients == library.gradients)
    #expect(joined.weights == library.weights)
    let x = try Self.double(Self.normal(50, seed: 3), [1, 2, 5, 5])
    #expect(try x.maxPooled3x3().doubles() == x.maxPooled(window: 3, stride: 1, padding: 1).doubles())
  }

  @Test("what can be differentiated twice has the right second derivatives") func twice() throws {
    let shape = [2, 2, 3, 3]
    let values = (0..<3).map { Self.normal(36, seed: 60 + UInt64($0)) }
    let weights = try Tensor([0.5, -0.25, 1.5], shape: [3])
    try weights.requireGradient()
    let second = try Torch.twiceDifferentiable {
      let tensors = try values.map { try Tensor($0, shape: shape) }
      let mixed = try Tensor.mixture(tensors, weights: weights)
      // The first derivatives of Σ y², y = Σ w x, are 2 Σ y x; the second ones of their sum 2 Σ x Σ x.
      let first = try (mixed * mixed).sum().gradients(of: [weights], again: true)[0]
      return try first.sum().gradients(of: [weights])[0].doubles()
    }
    let total = (0..<36).map { index in values.reduce(0) { $0 + Double($1[index]) } }
    let expected = values.map { x in 2 * zip(x, total).reduce(0) { $0 + Double($1.0) * $1.1 } }
    try Self.expectClose(second, expected, 1e-5)
    // The fused node is back afterwards.
    let tensors = try values.map { try Tensor($0, shape: shape) }
    #expect(
      try Tensor.mixture(tensors, weights: weights).values()
        == Self.libraryMixture(tensors, weights: weights).values())
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
