import Tensor
import Testing

@Suite("Units on images in groups") struct UnitTests {
  /// Some of each size and of every combination of scale and shift; numbers of channels that fill no block.
  static let kinds = [
    UnitKind(out: 12, size: 1), UnitKind(out: 5, size: 3), UnitKind(out: 1, size: 3, scales: false, shifts: false),
    UnitKind(out: 17, size: 1, scales: false), UnitKind(out: 3, size: 3, shifts: false), UnitKind(out: 8, size: 3),
  ]

  static let shapes = [
    [1, 3, 4, 4], [2, 2, 3, 3], [15, 5, 7, 7], [16, 17, 4, 4], [17, 12, 1, 1], [70, 1, 5, 9], [20, 8, 14, 14],
    [33, 3, 1, 5], [35, 6, 5, 1], [1, 2, 20, 33], [18, 40, 3, 13],
  ]

  private func outcome(
    _ way: Way, _ shape: [Int], _ kinds: [UnitKind], _ norm: BatchNorm,
    using chosen: ([ImageGroups]) -> [ImageGroups] = { $0 }
  ) throws -> Outcome {
    try Outcome(
      way, [Numbers(shape, seed: 11, times: 2, plus: 1)] + UnitKind.leaves(of: kinds, in: shape[1]),
      others: kinds.flatMap(\.statistics)
    ) { leaves, statistics in
      let units = try UnitKind.units(kinds, leaves.dropFirst(), statistics)
      return try chosen(ImageGroups(leaves[0]).units(units, norm)).map { try $0.ungrouped() }
    }
  }

  @Test(
    "several of the same images: values, gradients and running statistics of the library's in double precision",
    arguments: shapes, [true, false])
  func several(shape: [Int], fused: Bool) throws {
    for rectifies in [true, false] {
      let norm = BatchNorm.training(fused: fused, rectifies: rectifies)
      let ours = try outcome(.groups, shape, Self.kinds, norm)
      ours.expectClose(to: try outcome(.double, shape, Self.kinds, norm), 1e-5, floor: 1)
      #expect(ours.others.first != Self.kinds[0].statistics[0].values.map { Double($0) })
    }
  }

  @Test("each alone gives the same bits as among others", arguments: shapes) func alone(shape: [Int]) throws {
    let norm = BatchNorm.training()
    let together = try outcome(.groups, shape, Self.kinds, norm)
    let first = try outcome(.groups, shape, [Self.kinds[0]], norm)
    #expect(first.results[0] == together.results[0])
    #expect(first.others[...] == together.others[..<2])
    #expect(first.gradients[1...] == together.gradients[1..<4])
    let x = try Numbers(shape, seed: 11, times: 2, plus: 1).tensor(.groups)
    let leaves = try Self.kinds[0].leaves(in: shape[1], seed: 100).map { try $0.tensor(.groups) }
    let statistics = try Self.kinds[0].statistics.map { try $0.tensor(.groups) }
    let unit = try UnitKind.units([Self.kinds[0]], leaves, statistics)[0]
    #expect(try ImageGroups(x).unit(unit, norm).ungrouped().doubles() == first.results[0])
  }

  @Test("outputs that nobody uses change nothing", arguments: shapes) func unused(shape: [Int]) throws {
    let norm = BatchNorm.training()
    // Of units of both sizes; of the 1x1 ones all.
    for used in [[1, 3], [4, 1, 2]] {
      let ours = try outcome(.groups, shape, Self.kinds, norm) { results in used.map { results[$0] } }
      let exact = try outcome(.double, shape, Self.kinds, norm) { results in used.map { results[$0] } }
      ours.expectClose(to: exact, 1e-5, floor: 1)
      #expect(ours.gradients[1].allSatisfy { $0 == 0 } && ours.gradients[2].allSatisfy { $0 == 0 })
    }
  }

  @Test(
    "a unit whose output nobody uses has no gradient: weight decay leaves it alone", arguments: [Way.groups, .double])
  func noGradient(way: Way) throws {
    let kinds = [UnitKind(out: 2, size: 1), UnitKind(out: 2, size: 1)]
    let leaves = try UnitKind.leaves(of: kinds, in: 3).map { try $0.tensor(way) }
    for leaf in leaves { try leaf.requireGradient() }
    let units = try UnitKind.units(kinds, leaves, kinds.flatMap(\.statistics).map { try $0.tensor(way) })
    let before = try leaves.map { try $0.doubles() }
    let x = try Numbers([4, 3, 2, 2], seed: 1).tensor(way)
    let results = try ImageGroups(x).units(units, .training())
    try results[1].ungrouped().sum().backward()
    try GradientDescent(leaves, rule: .sgd, momentum: 0.9, weightDecay: 0.5).step(learningRate: 0.1)
    let after = try leaves.map { try $0.doubles() }
    #expect(after[..<3] == before[..<3])
    #expect(zip(after[3...], before[3...]).allSatisfy { $0 != $1 })
  }

  @Test("gradients of some leaves are those of all", arguments: [0, 1, 2, 3, 4, 5])
  func someGradients(index: Int) throws {
    let kinds = [UnitKind(out: 5, size: 3), UnitKind(out: 3, size: 1, shifts: false)]
    let shape = [18, 4, 5, 6]
    func gradients(_ chosen: [Int]) throws -> [[Double]] {
      let leaves = try ([Numbers(shape, seed: 11)] + UnitKind.leaves(of: kinds, in: 4)).map { try $0.tensor(.groups) }
      for leaf in leaves { try leaf.requireGradient() }
      let statistics = try kinds.flatMap(\.statistics).map { try $0.tensor(.groups) }
      let units = try UnitKind.units(kinds, leaves.dropFirst(), statistics)
      let results = try ImageGroups(leaves[0]).units(units, .training())
      let both = try ImageGroups.concatenated(results[0], [results[1]]).ungrouped()
      let factors = try Numbers(both.shape, seed: 3).tensor(.groups)
      try (both * factors).sum().backward(to: chosen.map { leaves[$0] })
      return try chosen.map { try leaves[$0].gradient().doubles() }
    }
    let all = try gradients(Array(0..<6))
    #expect(try gradients([index]) == [all[index]])
    #expect(all[index].contains { $0 != 0 })
  }

  @Test("gradients go on to what images, weights, scales and shifts are made of") func goingOn() throws {
    let kinds = [UnitKind(out: 4, size: 3), UnitKind(out: 3, size: 1)]
    let leaves = [Numbers([19, 3, 4, 5], seed: 1)] + UnitKind.leaves(of: kinds, in: 3)
    func outcome(_ way: Way) throws -> Outcome {
      try Outcome(way, leaves, others: kinds.flatMap(\.statistics)) { leaves, statistics in
        let made = try leaves.map { try $0.tanh() * 3 }
        let units = try UnitKind.units(kinds, made.dropFirst(), statistics)
        let results = try ImageGroups(made[0]).units(units, .training())
        // One after another.
        let more = ConvolutionUnit(
          weight: try made[1].rows(0..<2).channels(0..<3), gamma: nil, beta: nil,
          mean: try statistics[0].rows(0..<2), variance: try statistics[1].rows(0..<2))
        return try results.map { try $0.ungrouped() } + [results[1].unit(more, .training()).ungrouped()]
      }
    }
    try outcome(.groups).expectClose(to: outcome(.double), 2e-5, floor: 1)
  }

  /// Sums of products over windows, in the documented order: window by window, then channel by channel.
  private func sums(_ x: Numbers, _ weight: Numbers, fused: Bool) -> [Float] {
    let (out, size, reach) = (weight.shape[0], weight.shape[2], weight.shape[2] / 2)
    let (channels, height, width) = (x.shape[1], x.shape[2], x.shape[3])
    var result: [Float] = []
    for image in 0..<x.shape[0] {
      for o in 0..<out {
        for row in 0..<height {
          for column in 0..<width {
            var sum: Float = 0
            for k in 0..<size * size {
              let (y, z) = (row + k / size - reach, column + k % size - reach)
              guard (0..<height).contains(y), (0..<width).contains(z) else { continue }
              for c in 0..<channels {
                let w = weight.values[(o * channels + c) * size * size + k]
                let value = x.values[((image * channels + c) * height + y) * width + z]
                if fused { sum.addProduct(w, value) } else { sum += w * value }
              }
            }
            result.append(sum)
          }
        }
      }
    }
    return result
  }

  @Test("sums of products have a fixed order, with and without fused multiply-adds", arguments: shapes, [true, false])
  func order(shape: [Int], fused: Bool) throws {
    let x = Numbers(shape, seed: 21)
    var norm = BatchNorm(training: false, momentum: 0, epsilon: 0, fusesMultiplyAdds: fused)
    norm.rectifies = false
    for (out, size) in [(12, 1), (5, 3), (15, 3), (17, 1), (1, 3)] {
      let weight = Numbers([out, shape[1], size, size], seed: 22)
      // Nothing is left of batch norm.
      let unit = ConvolutionUnit(
        weight: try weight.tensor(.groups), gamma: nil, beta: nil, mean: try Tensor.zeros([out]),
        variance: try Tensor([Float](repeating: 1, count: out), shape: [out]))
      let ours = try ImageGroups(x.tensor(.groups)).unit(unit, norm).ungrouped().values()
      #expect(ours == sums(x, weight, fused: fused))
    }
  }

  @Test("momentum 0 leaves running statistics alone, momentum 1 replaces them", arguments: [Way.groups, .double])
  func momentum(way: Way) throws {
    let norms = [0.0, 1, 0.25].map { BatchNorm.training(momentum: $0) }
    let outcomes = try norms.map { try outcome(way, [17, 3, 4, 5], Self.kinds, $0) }
    #expect(outcomes[0].others == Self.kinds.flatMap(\.statistics).map { $0.values.map { Double($0) } })
    #expect(outcomes[0].results == outcomes[1].results && outcomes[0].gradients == outcomes[1].gradients)
    for (start, (whole, part)) in zip(outcomes[0].others, zip(outcomes[1].others, outcomes[2].others)) {
      for (a, (b, c)) in zip(start, zip(whole, part)) { #expect(abs(0.75 * a + 0.25 * b - c) < 1e-6) }
    }
  }

  @Test("are evaluated with given statistics, image by image", arguments: shapes, [true, false])
  func evaluation(shape: [Int], fused: Bool) throws {
    let norm = BatchNorm(training: false, momentum: 0.1, epsilon: 1e-5, fusesMultiplyAdds: fused)
    func results(_ way: Way, images: Range<Int>) throws -> [[Double]] {
      let x = try Numbers(shape, seed: 31).tensor(way).rows(images)
      let leaves = try UnitKind.leaves(of: Self.kinds, in: shape[1]).map { try $0.tensor(way) }
      let statistics = Self.kinds.flatMap { kind in
        [Numbers([kind.out], seed: 32), Numbers([kind.out], seed: 33, times: 0.1, plus: 1.2)]
      }
      let given = try statistics.map { try $0.tensor(way) }
      let units = try UnitKind.units(Self.kinds, leaves, given)
      let results = try Torch.withoutGradients { try ImageGroups(x).units(units, norm).map { try $0.ungrouped() } }
      #expect(try given.map { try $0.values() } == statistics.map(\.values))
      return try results.map { try $0.doubles() }
    }
    let all = try results(.groups, images: 0..<shape[0])
    for (ours, exact) in zip(all, try results(.double, images: 0..<shape[0])) {
      try TensorOperationTests.expectClose(ours, exact, 1e-6)
    }
    // An image's results do not depend on its neighbours.
    let last = try results(.groups, images: shape[0] - 1..<shape[0])
    for (alone, among) in zip(last, all) { #expect(alone == Array(among.suffix(alone.count))) }
  }

  @Test("what is no number is passed on, in its channel and to its image") func oddValues() throws {
    let kind = UnitKind(out: 2, size: 1)
    func unit() throws -> ConvolutionUnit {
      ConvolutionUnit(
        weight: try Tensor([1, -1], shape: [2, 1, 1, 1]), gamma: nil, beta: nil,
        mean: try kind.statistics[0].tensor(.groups), variance: try kind.statistics[1].tensor(.groups))
    }
    let x = try ImageGroups(Tensor([1, .nan, 3], shape: [3, 1, 1, 1]))
    let batch = try x.unit(unit(), .training()).ungrouped().values()
    #expect(batch.allSatisfy { $0.isNaN })
    let norm = BatchNorm(training: false, momentum: 0, epsilon: 1e-5, fusesMultiplyAdds: true)
    let given = try x.unit(unit(), norm).ungrouped().values()
    #expect(given.map(\.isNaN) == [false, false, true, true, false, false])
    let infinite = try ImageGroups(Tensor([.infinity, 2], shape: [2, 1, 1, 1])).unit(unit(), norm).ungrouped()
    #expect(try infinite.values()[..<2] == [.infinity, 0])
    #expect(abs(Double(try infinite.values()[2]) - (2 - 0.25) / (1.5 + 1e-5).squareRoot()) < 1e-6)
  }

  @Test("what does not fit is an error that says so", arguments: [Way.groups, .double]) func errors(way: Way) throws {
    let x = try ImageGroups(Numbers([2, 3, 4, 4], seed: 1).tensor(way))
    func error(weight: [Int], parameters: Int, statistics: Int) -> String {
      let error = #expect(throws: TorchError.self) {
        func tensor(_ shape: [Int]) throws -> Tensor { try Numbers(shape, seed: 2).tensor(way) }
        _ = try x.unit(
          ConvolutionUnit(
            weight: tensor(weight), gamma: tensor([parameters]), beta: tensor([parameters]),
            mean: tensor([statistics]), variance: tensor([statistics])), .training())
      }
      return error?.description ?? ""
    }
    #expect(error(weight: [2, 5, 3, 3], parameters: 2, statistics: 2).contains("does not fit 3 channels"))
    #expect(error(weight: [2, 3, 5, 5], parameters: 2, statistics: 2).contains("windows are 1x1 or 3x3"))
    #expect(error(weight: [4, 3, 3, 3], parameters: 2, statistics: 4).contains("2 numbers for 4 channels"))
    #expect(error(weight: [4, 3, 3, 3], parameters: 4, statistics: 5).contains("5 numbers for 4 channels"))
  }
}
