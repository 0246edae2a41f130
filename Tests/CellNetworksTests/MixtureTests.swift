import Tensor
import Testing

@Suite("Weighted sums of images in groups") struct MixtureTests {
  typealias Combining = ([ImageGroups], Tensor) throws -> ImageGroups

  static func mixture(_ images: [ImageGroups], _ weights: Tensor) throws -> ImageGroups {
    try .mixture(images[0], Array(images[1...]), weights: weights)
  }

  static func concatenation(_ images: [ImageGroups], _ weights: Tensor) throws -> ImageGroups {
    try .weightedConcatenation(images[0], Array(images[1...]), weights: weights)
  }

  /// Products and sums written out.
  static func writtenMixture(_ images: [Tensor], _ weights: Tensor) throws -> Tensor {
    let parts = try images.enumerated().map { try $1 * weights.rows($0..<$0 + 1) }
    return try parts[1...].reduce(parts[0]) { try $0 + $1 }
  }

  static func writtenConcatenation(_ images: [Tensor], _ weights: Tensor) throws -> Tensor {
    let parts = try images.enumerated().map { try $1 * weights.rows($0..<$0 + 1) }
    return try parts[0] + Tensor.concatenated(Array(parts[1...]))
  }

  private func outcome(
    _ way: Way, _ shapes: [[Int]], learns: Bool = true, _ combine: ([Tensor], Tensor) throws -> Tensor
  ) throws -> Outcome {
    let images = shapes.enumerated().map { Numbers($1, seed: 20 + UInt64($0)) }
    let weights = Numbers([shapes.count], seed: 40)
    return try Outcome(way, images + (learns ? [weights] : []), others: learns ? [] : [weights]) { leaves, others in
      [try combine(Array(leaves.prefix(shapes.count)), (learns ? leaves : others).last!)]
    }
  }

  private func grouped(_ combine: @escaping Combining) -> ([Tensor], Tensor) throws -> Tensor {
    { try combine($0.map { try ImageGroups($0) }, $1).ungrouped() }
  }

  /// Values and gradients of images bit for bit; gradients of weights, sums in another order, to six digits.
  private func expectEqual(
    _ combine: @escaping Combining, _ written: ([Tensor], Tensor) throws -> Tensor, _ shapes: [[Int]]
  ) throws {
    for learns in [true, false] {
      let ours = try outcome(.groups, shapes, learns: learns, grouped(combine))
      let theirs = try outcome(.library, shapes, learns: learns, written)
      #expect(ours.results == theirs.results)
      #expect(ours.gradients.prefix(shapes.count) == theirs.gradients.prefix(shapes.count))
      guard learns else { continue }
      let exact = try outcome(.double, shapes, written)
      let scale = Double(ours.results[0].count).squareRoot()
      for (a, b) in zip(ours.gradients[shapes.count], exact.gradients[shapes.count]) {
        #expect(abs(a - b) <= 1e-6 * max(scale, abs(b)))
      }
    }
  }

  static let sizes = [
    [1, 1, 1, 1], [2, 3, 5, 7], [15, 5, 1, 2], [17, 8, 13, 13], [70, 1, 5, 9], [16, 67, 3, 3], [33, 12, 4, 4],
  ]

  @Test("a mixture has the bits of products and sums written out", arguments: 1...7) func mixture(count: Int) throws {
    for size in Self.sizes {
      try expectEqual(Self.mixture, Self.writtenMixture, [[Int]](repeating: size, count: count))
    }
  }

  @Test("a weighted concatenation has the bits of products, sum and concatenation written out", arguments: 1...6)
  func weightedConcatenation(count: Int) throws {
    for size in Self.sizes {
      let parts = (0..<count).map { [size[0], size[1] + $0 % 3, size[2], size[3]] }
      let whole = [size[0], parts.reduce(0) { $0 + $1[1] }, size[2], size[3]]
      try expectEqual(Self.concatenation, Self.writtenConcatenation, [whole] + parts)
    }
  }

  @Test("only some of the images, or the weights, may want gradients", arguments: 0..<4)
  func someGradients(chosen: Int) throws {
    let shapes = [[18, 5, 3, 4], [18, 2, 3, 4], [18, 3, 3, 4]]
    func gradient(_ numbers: [Int]) throws -> [[Double]] {
      let leaves = try (shapes + [[3]]).enumerated().map { try Numbers($1, seed: 20 + UInt64($0)).tensor(.groups) }
      for number in numbers { try leaves[number].requireGradient() }
      let result = try grouped(Self.concatenation)(Array(leaves[..<3]), leaves[3])
      try (result * Numbers(result.shape, seed: 5).tensor(.groups)).sum().backward()
      return try numbers.map { try leaves[$0].gradient().doubles() }
    }
    #expect(try gradient([chosen]) == [gradient([0, 1, 2, 3])[chosen]])
  }

  @Test("ranges of channels, and what comes out of units and pools, can be mixed and joined", arguments: [16, 19, 40])
  func otherLayouts(images: Int) throws {
    let kind = UnitKind(out: 3, size: 1)
    func outcome(_ way: Way, _ combine: ([ImageGroups], Tensor) throws -> ImageGroups) throws -> Outcome {
      try Outcome(
        way, [Numbers([images, 9, 5, 4], seed: 50), Numbers([3], seed: 51)] + kind.leaves(in: 9, seed: 52),
        others: kind.statistics
      ) { leaves, statistics in
        let x = try ImageGroups(leaves[0])
        let units = try UnitKind.units([kind], leaves[2...], statistics)
        let parts = [
          try x.channels(2..<5), try x.unit(units[0], .training()), try x.channels(6..<9).maxPooled3x3(),
        ]
        let mixed = try combine(parts, leaves[1])
        let joined = try combine([x.channels(1..<7), x.channels(3..<6), mixed], leaves[1])
        return [try mixed.ungrouped(), try joined.ungrouped()]
      }
    }
    func fused(_ images: [ImageGroups], _ weights: Tensor) throws -> ImageGroups {
      images[0].channels == 3 ? try Self.mixture(images, weights) : try Self.concatenation(images, weights)
    }
    func written(_ images: [ImageGroups], _ weights: Tensor) throws -> ImageGroups {
      let plain = try images.map { try $0.ungrouped() }
      return try ImageGroups(
        images[0].channels == 3 ? Self.writtenMixture(plain, weights) : Self.writtenConcatenation(plain, weights))
    }
    let ours = try outcome(.groups, fused)
    #expect(try ours.results == outcome(.groups, written).results)
    ours.expectClose(to: try outcome(.double, written), 1e-5, floor: 1)
    try outcome(.double, fused).expectClose(to: outcome(.double, written), 1e-14, floor: 1)
  }

  @Test("weights may be a part of others") func rows() throws {
    func outcome(_ way: Way, _ combine: ([Tensor], Tensor) throws -> Tensor) throws -> Outcome {
      try Outcome(way, [Numbers([17, 2, 3, 3], seed: 1), Numbers([5], seed: 2)]) { leaves, _ in
        [try combine([leaves[0]], leaves[1].softmax().rows(3..<4))]
      }
    }
    let ours = try outcome(.groups, grouped(Self.mixture))
    ours.expectClose(to: try outcome(.double, Self.writtenMixture), 1e-6)
    #expect(try ours.results == outcome(.library, Self.writtenMixture).results)
  }

  @Test("in double precision they are the library's products and sums") func doublePrecision() throws {
    let shapes = [[Int]](repeating: [2, 3, 5, 7], count: 3)
    #expect(
      try outcome(.double, shapes, grouped(Self.mixture)) == outcome(.double, shapes, Self.writtenMixture))
    let parts = [[2, 7, 5, 4], [2, 3, 5, 4], [2, 4, 5, 4]]
    #expect(
      try outcome(.double, parts, grouped(Self.concatenation))
        == outcome(.double, parts, Self.writtenConcatenation))
  }

  @Test("a mixture that can be differentiated twice has the right second derivatives") func twice() throws {
    let shape = [2, 2, 3, 3]
    let values = (0..<3).map { TensorOperationTests.normal(36, seed: 60 + UInt64($0)) }
    let weights = try Tensor([0.5, -0.25, 1.5], shape: [3])
    try weights.requireGradient()
    func mixed() throws -> Tensor {
      try grouped(Self.mixture)(values.map { try Tensor($0, shape: shape) }, weights)
    }
    let second = try Torch.twiceDifferentiable {
      let mixed = try mixed()
      // The first derivatives of Σ y², y = Σ w x, are 2 Σ y x; the second ones of their sum 2 Σ x Σ x.
      let first = try (mixed * mixed).sum().gradients(of: [weights], again: true)[0]
      return try first.sum().gradients(of: [weights])[0].doubles()
    }
    let total = (0..<36).map { index in values.reduce(0) { $0 + Double($1[index]) } }
    let expected = values.map { x in 2 * zip(x, total).reduce(0) { $0 + Double($1.0) * $1.1 } }
    try TensorOperationTests.expectClose(second, expected, 1e-5)
    // Groups are back afterwards.
    #expect(try ImageGroups(Tensor.zeros(shape)).values.shape == [1, 2, 9 * 16])
    #expect(throws: TorchError.self) { _ = try mixed().sum().gradients(of: [weights], again: true) }
  }

  @Test("what does not fit is an error that says so, not a wrong sum", arguments: [Way.groups, .double])
  func errors(way: Way) throws {
    func error(_ combine: Combining, _ shapes: [[Int]], weights: Int) -> String {
      let error = #expect(throws: TorchError.self) {
        let images = try shapes.map { try ImageGroups(Numbers($0, seed: 1).tensor(way)) }
        _ = try combine(images, Numbers([weights], seed: 2).tensor(way))
      }
      return error?.description ?? ""
    }
    let same = [[17, 4, 3, 3], [17, 4, 3, 3]]
    for weights in [1, 3] {
      #expect(error(Self.mixture, same, weights: weights) == "\(weights) weights of 2 images")
      #expect(error(Self.concatenation, same, weights: weights) == "\(weights) weights of 2 images")
    }
    for other in [[17, 3, 3, 3], [17, 1, 3, 3], [17, 4, 3, 2], [33, 4, 3, 3]] {
      #expect(error(Self.mixture, [same[0], other], weights: 2).contains("do not fit"))
      #expect(error(Self.concatenation, [same[0], other], weights: 2).contains("do not fit"))
    }
    #expect(error(Self.concatenation, [same[0]], weights: 1).contains("no images to concatenate"))
    let many = [[Int]](repeating: [1, 1, 2, 2], count: 8)
    if way == .groups { #expect(error(Self.mixture, many, weights: 8) == "at most 7 images can be added") }
  }
}
