import Tensor
import Testing

@Suite("Images in groups") struct ImageGroupsTests {
  static let shapes = [
    [1, 1, 1, 1], [2, 3, 1, 5], [2, 3, 4, 1], [3, 2, 3, 5], [15, 8, 14, 14], [17, 5, 7, 7], [3, 4, 4, 4],
    [1, 2, 40, 33], [16, 3, 4, 4], [17, 12, 3, 3], [70, 3, 5, 9], [70, 17, 1, 1], [1, 4, 28, 28],
  ]

  /// What an operation gives and what comes back through it, in groups and by the library in single precision.
  private func expectEqual(
    _ values: [Float], _ shape: [Int], _ operation: (ImageGroups) throws -> ImageGroups
  ) throws {
    func outcome(_ way: Way) throws -> Outcome {
      // Gradients are whole numbers, so that their sums are exact in any order.
      try Outcome(way, [Numbers(values, shape)], wholeNumbers: true) { leaves, _ in
        let result = try operation(ImageGroups(leaves[0]))
        let images = try result.ungrouped()
        #expect([result.images, result.channels, result.height, result.width] == images.shape)
        return [images]
      }
    }
    let (ours, theirs) = (try outcome(.groups), try outcome(.library))
    #expect(
      zip(ours.results[0], theirs.results[0]).allSatisfy { $0 == $1 || ($0.isNaN && $1.isNaN) }
        && ours.results[0].count == theirs.results[0].count)
    #expect(ours.gradients == theirs.gradients)
  }

  @Test("go there and back", arguments: shapes) func roundTrip(shape: [Int]) throws {
    let values = TensorOperationTests.normal(shape.reduce(1, *), seed: 1)
    let groups = try ImageGroups(Tensor(values, shape: shape))
    #expect(try groups.ungrouped().values() == values)
    #expect(groups.values.shape == [(shape[0] + 15) / 16, shape[1], shape[2] * shape[3] * 16])
    #expect(groups.count == values.count)
    try expectEqual(values, shape) { $0 }
  }

  @Test("lie side by side at every pixel") func layout() throws {
    let shape = [18, 2, 2, 3]
    let values = (0..<18 * 12).map { Float($0) }
    let grouped = try ImageGroups(Tensor(values, shape: shape)).values.values()
    for image in 0..<18 {
      for channel in 0..<2 {
        for pixel in 0..<6 {
          let place = ((image / 16 * 2 + channel) * 6 + pixel) * 16 + image % 16
          #expect(grouped[place] == values[(image * 2 + channel) * 6 + pixel])
        }
      }
    }
  }

  @Test("stay as they are in double precision, and where they can be differentiated twice") func plain() throws {
    let numbers = Numbers([17, 2, 3, 4], seed: 1)
    #expect(try ImageGroups(numbers.tensor(.double)).values.shape == numbers.shape)
    let twice = try Torch.twiceDifferentiable { try ImageGroups(numbers.tensor(.groups)) }
    #expect(twice.values.shape == numbers.shape)
    #expect(try twice.ungrouped().values() == numbers.values)
  }

  // MARK: Pooling

  static let pools: [@Sendable (ImageGroups) throws -> ImageGroups] = [
    { try $0.maxPooled3x3() }, { try $0.halved() }, { try $0.halved(padding: 1) },
  ]

  @Test("are pooled as the library pools, values and gradients, also with ties", arguments: shapes, pools.indices)
  func pooling(shape: [Int], pool: Int) throws {
    let count = shape.reduce(1, *)
    for values in [TensorOperationTests.grid(shape, seed: 2), TensorOperationTests.normal(count, seed: 3)] {
      try expectEqual(values, shape, Self.pools[pool])
    }
  }

  @Test(
    "are pooled with what is no number or infinite",
    arguments: [[2, 2, 5, 5], [1, 1, 4, 4], [18, 3, 5, 6]], pools.indices)
  func oddValues(shape: [Int], pool: Int) throws {
    for special in [Float.nan, -.infinity, .infinity] {
      var values = TensorOperationTests.normal(shape.reduce(1, *), seed: 4)
      for index in stride(from: 0, to: values.count, by: 7) { values[index] = special }
      try expectEqual(values, shape, Self.pools[pool])
      try expectEqual([Float](repeating: special, count: values.count), shape, Self.pools[pool])
      // One after another in a window: the last one that is no number, the first of equal ones.
      for index in 0..<min(6, values.count) { values[index] = special }
      try expectEqual(values, shape, Self.pools[pool])
    }
  }

  @Test("are pooled to the sizes that the original's padding gives") func poolSizes() throws {
    let x = try Tensor((0..<9).map { Float($0) }, shape: [1, 1, 3, 3])
    #expect(try ImageGroups(x).halved().ungrouped().values() == [4, 5, 7, 8])
    #expect(try ImageGroups(x).halved(padding: 1).ungrouped().values() == [0, 2, 6, 8])
    #expect(try ImageGroups(x).maxPooled3x3().ungrouped().values() == [4, 5, 5, 7, 8, 8, 7, 8, 8])
  }

  @Test("are pooled again and again", arguments: [[17, 3, 14, 14], [3, 2, 7, 5]])
  func repeatedPooling(shape: [Int]) throws {
    try expectEqual(TensorOperationTests.grid(shape, seed: 5), shape) {
      try $0.maxPooled3x3().halved(padding: 1).maxPooled3x3().halved().channels(1..<2).maxPooled3x3()
    }
  }

  // MARK: Other operations

  @Test("have the library's means", arguments: shapes) func means(shape: [Int]) throws {
    func outcome(_ way: Way) throws -> Outcome {
      try Outcome(way, [Numbers(shape, seed: 6)]) { leaves, _ in [try ImageGroups(leaves[0]).mean()] }
    }
    try outcome(.groups).expectClose(to: outcome(.double), 1e-6)
    try outcome(.groups).expectClose(to: outcome(.library), 1e-6)
  }

  @Test("are rectified as the library does", arguments: shapes) func rectified(shape: [Int]) throws {
    var values = TensorOperationTests.grid(shape, seed: 7)
    try expectEqual(values, shape) { try $0.rectified() }
    values[0] = .nan
    try expectEqual(values, shape) { try $0.rectified() }
  }

  @Test("have factors of their own, bit for bit", arguments: shapes) func scaled(shape: [Int]) throws {
    func outcome(_ way: Way) throws -> Outcome {
      try Outcome(way, [Numbers(shape, seed: 8)], others: [Numbers([shape[0]], seed: 9)]) { leaves, others in
        [try ImageGroups(leaves[0]).scaled(others[0]).ungrouped()]
      }
    }
    #expect(try outcome(.groups) == outcome(.library))
    let factors = try Tensor((0..<shape[0]).map { Float($0) }, shape: [shape[0]])
    let ones = try Tensor([Float](repeating: 1, count: shape.reduce(1, *)), shape: shape)
    let result = try ImageGroups(ones).scaled(factors).ungrouped().values()
    let size = result.count / shape[0]
    #expect(result.indices.allSatisfy { result[$0] == Float($0 / size) })
  }

  @Test("are cut, joined and added as images are", arguments: [1, 15, 16, 19, 70]) func parts(images: Int) throws {
    let shape = [images, 5, 4, 6]
    let values = TensorOperationTests.grid(shape, seed: 10)
    func outcome(_ way: Way, _ operation: (Tensor) throws -> Tensor) throws -> Outcome {
      try Outcome(way, [Numbers(values, shape)], wholeNumbers: true) { leaves, _ in [try operation(leaves[0])] }
    }
    let ours = try outcome(.groups) { x in
      let groups = try ImageGroups(x)
      let (a, b) = (try groups.channels(0..<2), try groups.channels(2..<5))
      #expect(a.channels == 2 && b.channels == 3)
      let joined = try ImageGroups.concatenated(b, [a])
      #expect(joined.channels == 5)
      return try (joined + groups).ungrouped()
    }
    let theirs = try outcome(.library) { try Tensor.concatenated([$0.channels(2..<5), $0.channels(0..<2)]) + $0 }
    #expect(ours == theirs)
  }

  @Test("are placed and added as concatenations with zeros are", arguments: [1, 16, 19], [false, true])
  func places(images: Int, reuses: Bool) throws {
    let shape = [images, 6, 4, 3]
    let values = TensorOperationTests.grid(shape, seed: 20)
    func outcome(_ way: Way, _ operation: (Tensor) throws -> Tensor) throws -> Outcome {
      try Outcome(way, [Numbers(values, shape)], wholeNumbers: true) { leaves, _ in [try operation(leaves[0] * 2)] }
    }
    for hasFirst in [true, false] {
      let ours = try outcome(.groups) { x in
        let groups = try ImageGroups(x)
        let parts = [(try groups.channels(0..<2), 4), (try groups.channels(3..<5), 1), (try groups.channels(5..<6), 1)]
        let first = try ImageGroups.concatenated(groups, [])
        return try ImageGroups.placed((hasFirst ? [(first, 0)] : []) + parts, channels: 6, reusesFirst: reuses)
          .ungrouped()
      }
      let theirs = try outcome(.library) { x in
        let none = try (x * 0).channels(0..<1)
        let sum = try Tensor.concatenated([none, x.channels(3..<5), none, x.channels(0..<2)])
          + Tensor.concatenated([none, x.channels(5..<6), none, none, none, none])
        return try hasFirst ? sum + x : sum
      }
      #expect(ours == theirs)
    }
  }

  @Test("parts of the channels can be whatever whole images can", arguments: [1, 17]) func slices(images: Int) throws {
    let kind = UnitKind(out: 3, size: 3)
    func outcome(_ way: Way) throws -> Outcome {
      try Outcome(
        way, [Numbers([images, 7, 4, 5], seed: 11)] + kind.leaves(in: 4, seed: 12),
        others: kind.statistics + [Numbers([images], seed: 13)]
      ) { leaves, others in
        let x = try ImageGroups(leaves[0]).channels(2..<6)
        let unit = try UnitKind.units([kind], leaves[1...], others)[0]
        return [
          try x.ungrouped(), try x.mean(), try x.maxPooled3x3().ungrouped(), try x.halved(padding: 1).ungrouped(),
          try x.rectified().ungrouped(), try x.scaled(others[2]).ungrouped(), try x.unit(unit, .training()).ungrouped(),
        ]
      }
    }
    try outcome(.groups).expectClose(to: outcome(.double), 1e-5)
  }

  // MARK: Errors

  /// Every operation that records itself as a node of its own.
  static let nodes: [(name: String, apply: @Sendable (ImageGroups) throws -> Tensor)] = [
    ("unit", { try $0.unit(OneUnit.make(), .training()).ungrouped() }),
    ("operations", { try $0.operations([OneUnit.make()], pools: true, weights: nil, .training()).ungrouped() }),
    ("pool", { try $0.maxPooled3x3().ungrouped() }),
    ("halved", { try $0.halved().ungrouped() }),
    ("mixture", { try ImageGroups.mixture($0, [$0], weights: Tensor([1, 2], shape: [2])).ungrouped() }),
    (
      "weighted concatenation",
      { try ImageGroups.weightedConcatenation($0, [$0], weights: Tensor([1, 2], shape: [2])).ungrouped() }
    ),
    ("mean", { try $0.mean() }),
  ]

  enum OneUnit {
    static func make() throws -> ConvolutionUnit {
      let kind = UnitKind(out: 2, size: 3)
      return try UnitKind.units(
        [kind], kind.leaves(in: 2, seed: 14).map { try $0.tensor(.groups) },
        kind.statistics.map { try $0.tensor(.groups) })[0]
    }
  }

  @Test("gradients that are to be differentiated again are an error that says so", arguments: nodes.indices)
  func differentiatedTwice(node: Int) throws {
    func gradients(again: Bool) throws {
      let x = try Numbers([17, 2, 4, 4], seed: 15).tensor(.groups)
      try x.requireGradient()
      let y = try Self.nodes[node].apply(ImageGroups(x))
      let first = try (y * y).sum().gradients(of: [x], again: again)[0]
      if again { _ = try first.sum().gradients(of: [x]) }
    }
    try gradients(again: false)
    let error = #expect(throws: TorchError.self) { try gradients(again: true) }
    #expect(error?.description.contains("cannot be differentiated twice") == true, "\(Self.nodes[node].name)")
    try Torch.twiceDifferentiable { try gradients(again: true) }
  }

  @Test("going back twice through the same graph is an error", arguments: nodes.indices)
  func backTwice(node: Int) throws {
    let x = try Numbers([17, 2, 4, 4], seed: 15).tensor(.groups)
    try x.requireGradient()
    let loss = try Self.nodes[node].apply(ImageGroups(x).rectified()).sum()
    try loss.backward()
    let before = try x.gradient().values()
    #expect(throws: TorchError.self) { try loss.backward() }
    #expect(try x.gradient().values() == before)
  }

  @Test("a unit that is gone back through twice says so") func unitTwice() throws {
    let x = try Numbers([17, 2, 4, 4], seed: 15).tensor(.groups)
    try x.requireGradient()
    let y = try ImageGroups(x).unit(OneUnit.make(), .training()).ungrouped()
    try y.sum().backward()
    let error = #expect(throws: TorchError.self) { try y.sum().backward() }
    #expect(error?.description.contains("back through") == true)
  }

  @Test("units with given statistics have no gradients, and say so") func givenStatistics() throws {
    let x = try Numbers([17, 2, 4, 4], seed: 15).tensor(.groups)
    try x.requireGradient()
    let norm = BatchNorm(training: false, momentum: 0, epsilon: 1e-5, fusesMultiplyAdds: true)
    let y = try ImageGroups(x).unit(OneUnit.make(), norm).ungrouped()
    let error = #expect(throws: TorchError.self) { try y.sum().backward() }
    #expect(error?.description.contains("given statistics cannot be differentiated") == true)
  }

  @Test("what does not fit is an error that says so") func errors() throws {
    let error = #expect(throws: TorchError.self) { try ImageGroups(Tensor.zeros([3, 4])) }
    #expect(error?.description == "images are [count, channels, height, width], not [3, 4]")
    let none = #expect(throws: TorchError.self) { try ImageGroups(Tensor.zeros([0, 3, 4, 4])) }
    #expect(none?.description.contains("no images") == true)
    let x = try ImageGroups(Tensor.zeros([17, 3, 4, 4]))
    #expect(throws: TorchError.self) { try x.scaled(Tensor.zeros([16])) }
    #expect(throws: TorchError.self) { try x.scaled(Tensor.zeros([32])) }
    #expect(throws: TorchError.self) { try x + ImageGroups(Tensor.zeros([17, 3, 4, 3])) }
    #expect(throws: TorchError.self) { try ImageGroups.concatenated(x, [ImageGroups(Tensor.zeros([17, 3, 4, 3]))]) }
  }
  @Test("are added and concatenated with as many of the same size alone, whatever the shape of their groups")
  func others() throws {
    let weights = try Tensor([1, 2], shape: [2])
    func expectRefusals() throws {
      let x = try ImageGroups(Tensor.zeros([17, 3, 3, 4]))
      for (shape, reason) in [
        ([18, 3, 3, 4], "17 images of 3x4 pixels and 18 of 3x4 do not fit"),
        ([17, 3, 4, 3], "17 images of 3x4 pixels and 17 of 4x3 do not fit"),
        ([1, 3, 3, 4], "17 images of 3x4 pixels and 1 of 3x4 do not fit"),
      ] {
        let other = try ImageGroups(Tensor.zeros(shape))
        for combined in [
          { try x + other }, { try .mixture(x, [other], weights: weights) }, { try .concatenated(x, [x, other]) },
          { try .weightedConcatenation(x, [other], weights: weights) },
          { try .placed([(x, 0), (other, 0)], channels: 3) },
        ] as [() throws -> ImageGroups] {
          #expect(#expect(throws: TorchError.self) { try combined() }?.description == reason)
        }
      }
      let one = try ImageGroups(Tensor.zeros([17, 1, 3, 4]))
      let error = #expect(throws: TorchError.self) { try x + one }
      #expect(error?.description == "images of 3 and of 1 channels do not fit")
      #expect(throws: TorchError.self) { try ImageGroups.mixture(x, [one], weights: weights) }
      #expect(throws: TorchError.self) { try ImageGroups.weightedConcatenation(x, [one], weights: weights) }
      for start in [-1, 3] {
        let error = #expect(throws: TorchError.self) { try ImageGroups.placed([(x, 0), (one, start)], channels: 3) }
        #expect(error?.description.contains("images of 1 channels do not fit into 3 from \(start) on") == true)
      }
      #expect(throws: TorchError.self) { try ImageGroups.placed([], channels: 3) }
      #expect(try (x + x).channels == 3)
      #expect(try ImageGroups.concatenated(x, [one]).channels == 4)
    }
    try expectRefusals()
    try Torch.twiceDifferentiable { try expectRefusals() }
  }
}
