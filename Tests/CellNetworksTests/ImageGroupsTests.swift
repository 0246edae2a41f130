import Tensor
import Testing

@Suite("Images in groups") struct ImageGroupsTests {
  typealias Making = ([Float], [Int]) throws -> Tensor

  static func single(_ values: [Float], _ shape: [Int]) throws -> Tensor { try Tensor(values, shape: shape) }

  /// What an operation on images gives, and the gradient of its inner product with some numbers.
  private func result(
    of operation: (Tensor) throws -> Tensor, _ values: [Float], _ shape: [Int], make: Making = single
  ) throws -> (values: [Double], gradient: [Double]) {
    let x = try make(values, shape)
    try x.requireGradient()
    let y = try operation(x)
    try (y * make(TensorOperationTests.grid(y.shape, seed: 5), y.shape)).sum().backward()
    return (try y.doubles(), try x.gradient().doubles())
  }

  static let shapes = [
    [1, 1, 1, 1], [2, 3, 1, 5], [2, 3, 4, 1], [3, 2, 3, 5], [4, 8, 14, 14], [2, 5, 7, 7], [3, 4, 4, 4],
    [1, 2, 40, 33], [16, 3, 4, 4], [17, 2, 3, 3], [70, 3, 5, 4],
  ]

  @Test("go there and back", arguments: shapes) func roundTrip(shape: [Int]) throws {
    let values = TensorOperationTests.normal(shape.reduce(1, *), seed: 1)
    let groups = try ImageGroups(Tensor(values, shape: shape))
    #expect(try groups.ungrouped().values() == values)
    #expect(groups.images == shape[0] && groups.values.shape[..<2] == [(shape[0] + 15) / 16, shape[1]])
  }

  @Test("are pooled as the library pools, values and gradients", arguments: shapes)
  func pooling(shape: [Int]) throws {
    let count = shape.reduce(1, *)
    for values in [TensorOperationTests.grid(shape, seed: 2), TensorOperationTests.normal(count, seed: 3)] {
      let ours = try result(of: { try ImageGroups($0).maxPooled3x3().ungrouped() }, values, shape)
      let theirs = try result(of: { try $0.maxPooled(window: 3, stride: 1, padding: 1) }, values, shape)
      // Gradients are whole numbers, so that their sums are exact in any order.
      #expect(ours == theirs)
      let half = try result(of: { try ImageGroups($0).halved().ungrouped() }, values, shape)
      let library = try result(of: { try $0.maxPooled(window: 2, stride: 2) }, values, shape)
      #expect(half == library)
    }
  }

  @Test("are pooled with what is no number") func oddValues() throws {
    for special in [Float.nan, -.infinity, .infinity] {
      var values = TensorOperationTests.normal(2 * 25, seed: 4)
      for index in [0, 12, 31, 49] { values[index] = special }
      let x = try Tensor(values, shape: [1, 2, 5, 5])
      for (ours, theirs) in [
        (try ImageGroups(x).maxPooled3x3(), try x.maxPooled(window: 3, stride: 1, padding: 1)),
        (try ImageGroups(x).halved(), try x.maxPooled(window: 2, stride: 2)),
      ] {
        let (a, b) = (try ours.ungrouped().values(), try theirs.values())
        #expect(zip(a, b).allSatisfy { $0 == $1 || ($0.isNaN && $1.isNaN) })
      }
    }
  }

  @Test("have the library's means", arguments: shapes) func means(shape: [Int]) throws {
    let values = TensorOperationTests.normal(shape.reduce(1, *), seed: 6)
    let ours = try result(of: { try ImageGroups($0).mean() }, values, shape)
    let theirs = try result(of: { try $0.globalMean() }, values, shape)
    try TensorOperationTests.expectClose(ours.values, theirs.values, 1e-6)
    try TensorOperationTests.expectClose(ours.gradient, theirs.gradient, 1e-6)
  }

  @Test("are cut, joined and added as images are") func parts() throws {
    let shape = [19, 5, 4, 6]
    let values = TensorOperationTests.normal(shape.reduce(1, *), seed: 7)
    let ours = try result(
      of: { x in
        let groups = try ImageGroups(x)
        let (a, b) = (try groups.channels(0..<2), try groups.channels(2..<5))
        return try (ImageGroups.concatenated(b, [a]) + groups).ungrouped()
      }, values, shape)
    let theirs = try result(
      of: { try Tensor.concatenated([$0.channels(2..<5), $0.channels(0..<2)]) + $0 }, values, shape)
    #expect(ours == theirs)
  }

  /// Values, gradients and running statistics of a unit.
  private func unit(
    _ shape: [Int], out: Int, size: Int, make: Making, _ apply: (Tensor, Parameters) throws -> Tensor
  ) throws -> [[Double]] {
    let parameters = Parameters(
      weight: try make(TensorOperationTests.normal(out * shape[1] * size * size, seed: 8), [out, shape[1], size, size]),
      gamma: try make(TensorOperationTests.normal(out, seed: 9), [out]),
      beta: try make(TensorOperationTests.normal(out, seed: 10), [out]),
      mean: try make([Float](repeating: 0, count: out), [out]),
      variance: try make([Float](repeating: 1, count: out), [out]))
    let x = try make(TensorOperationTests.normal(shape.reduce(1, *), seed: 11).map { $0 * 2 + 1 }, shape)
    let leaves = [x, parameters.weight, parameters.gamma, parameters.beta]
    for leaf in leaves { try leaf.requireGradient() }
    let y = try apply(x, parameters)
    try (y * make(TensorOperationTests.normal(y.count, seed: 12), y.shape)).sum().backward()
    return try ([y, parameters.mean, parameters.variance] + leaves.map { try $0.gradient() }).map { try $0.doubles() }
  }

  struct Parameters {
    let weight, gamma, beta, mean, variance: Tensor
  }

  private func library(_ x: Tensor, _ p: Parameters, training: Bool = true) throws -> Tensor {
    try x.convolved(p.weight, padding: p.weight.shape[2] / 2).batchNormalized(
      gamma: p.gamma, beta: p.beta, mean: p.mean, variance: p.variance, training: training, momentum: 0.1,
      epsilon: 1e-5
    ).relu()
  }

  private func groups(_ x: Tensor, _ p: Parameters, training: Bool = true) throws -> Tensor {
    try ImageGroups(x).unit(
      p.weight, gamma: p.gamma, beta: p.beta, mean: p.mean, variance: p.variance, training: training, momentum: 0.1,
      epsilon: 1e-5
    ).ungrouped()
  }

  @Test(
    "have units with the values, gradients and statistics of the library's in double precision",
    arguments: [
      ([2, 2, 3, 3], 8), ([3, 3, 5, 4], 2), ([4, 8, 14, 14], 15), ([2, 5, 7, 7], 1), ([5, 17, 4, 4], 12),
      ([1, 2, 20, 33], 4), ([16, 3, 4, 4], 7), ([37, 6, 5, 4], 9), ([80, 3, 2, 6], 3), ([20, 2, 16, 12], 8),
    ], [1, 3])
  func units(sizes: (shape: [Int], out: Int), size: Int) throws {
    let ours = try unit(sizes.shape, out: sizes.out, size: size, make: Self.single) { try groups($0, $1) }
    let exact = try unit(sizes.shape, out: sizes.out, size: size, make: TensorOperationTests.double) {
      try library($0, $1)
    }
    for (a, b) in zip(ours, exact) { try TensorOperationTests.expectClose(a, b, 1e-5) }
  }

  @Test("are evaluated with running statistics") func evaluation() throws {
    let p = Parameters(
      weight: try Tensor(TensorOperationTests.normal(3 * 2 * 9, seed: 13), shape: [3, 2, 3, 3]),
      gamma: try Tensor([1, -2, 0.5], shape: [3]), beta: try Tensor([0.1, 0.2, -0.3], shape: [3]),
      mean: try Tensor([0.5, -0.5, 1], shape: [3]), variance: try Tensor([2, 0.5, 1], shape: [3]))
    let x = try Tensor(TensorOperationTests.normal(2 * 2 * 25, seed: 14), shape: [2, 2, 5, 5])
    try Torch.withoutGradients {
      let (ours, theirs) = (try groups(x, p, training: false), try library(x, p, training: false))
      try TensorOperationTests.expectClose(try ours.doubles(), try theirs.doubles(), 1e-6)
    }
    #expect(try p.mean.values() == [0.5, -0.5, 1])
  }

  @Test("of another number of channels are an error that says so") func errors() throws {
    let x = try Tensor.zeros([1, 3, 4, 4])
    let p = Parameters(
      weight: try Tensor.zeros([2, 5, 3, 3]), gamma: try Tensor.zeros([2]), beta: try Tensor.zeros([2]),
      mean: try Tensor.zeros([2]), variance: try Tensor.zeros([2]))
    let error = #expect(throws: TorchError.self) { try groups(x, p) }
    #expect(error?.description.contains("does not fit 3 channels") == true)
    #expect(throws: TorchError.self) { try ImageGroups(Tensor.zeros([3, 4])) }
  }
}
