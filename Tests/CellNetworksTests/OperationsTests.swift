import Tensor
import Testing

@Suite("Sums of operations on images in groups") struct OperationsTests {
  /// The operations of a sum, and what they are multiplied by.
  struct Sum: CustomTestStringConvertible, Sendable {
    enum Weights: CaseIterable, Sendable { case none, given, learnt }

    let small, large, pools: Bool
    let weights: Weights
    let parts: Int

    var count: Int { (small ? 1 : 0) + (large ? 1 : 0) + (pools ? 1 : 0) }

    var testDescription: String {
      let names = (small ? ["1x1"] : []) + (large ? ["3x3"] : []) + (pools ? ["pool"] : [])
      return "\(names.joined(separator: " + ")), weights \(weights), \(parts) parts"
    }

    func kinds(_ channels: Int) -> [UnitKind] {
      (small ? [UnitKind(out: channels, size: 1)] : []) + (large ? [UnitKind(out: channels, size: 3)] : [])
    }

    static let all = (1..<8).flatMap { subset in
      Weights.allCases.flatMap { weights in
        [1, 2, 4].map { parts in
          Sum(
            small: subset & 1 != 0, large: subset & 2 != 0, pools: subset & 4 != 0, weights: weights, parts: parts)
        }
      }
    }
  }

  /// Images, and the channels that operations see.
  static let sizes = [
    (1, 3, 4, 4), (15, 5, 7, 7), (17, 12, 5, 9), (70, 17, 4, 4), (16, 1, 14, 14), (20, 3, 1, 1), (70, 5, 1, 1),
    (33, 12, 7, 7), (1, 1, 14, 14),
  ]

  /// The sum of these operations on images, as one node or in another way.
  private func outcome(
    _ way: Way, _ sum: Sum, _ size: (Int, Int, Int, Int), norm: BatchNorm = .training(),
    _ apply: (ImageGroups, [ConvolutionUnit], Tensor?) throws -> ImageGroups
  ) throws -> Outcome {
    let (images, channels, height, width) = size
    let kinds = sum.kinds(channels)
    var leaves = [Numbers([images, channels * sum.parts, height, width], seed: 41, times: 2, plus: 0.5)]
    leaves += UnitKind.leaves(of: kinds, in: channels)
    let weights = Numbers([sum.count], seed: 42)
    if sum.weights == .learnt { leaves.append(weights) }
    var others = kinds.flatMap(\.statistics)
    if sum.weights == .given { others.append(weights) }
    return try Outcome(way, leaves, others: others) { leaves, others in
      let units = try UnitKind.units(kinds, leaves.dropFirst(), others)
      let weights: Tensor? = sum.weights == .none ? nil : sum.weights == .learnt ? leaves.last : others.last
      return [try apply(ImageGroups(leaves[0]), units, weights).ungrouped()]
    }
  }

  private func single(_ sum: Sum, _ norm: BatchNorm) -> (ImageGroups, [ConvolutionUnit], Tensor?) throws -> ImageGroups
  {
    { try $0.operations($1, pools: sum.pools, weights: $2, parts: sum.parts, norm) }
  }

  @Test("have the values, gradients and statistics of the library's in double precision", arguments: Sum.all)
  func precision(sum: Sum) throws {
    for (number, size) in Self.sizes.enumerated() {
      let norm = BatchNorm.training(fused: number % 2 == 0, rectifies: number % 3 != 2)
      let ours = try outcome(.groups, sum, size, single(sum, norm))
      ours.expectClose(to: try outcome(.double, sum, size, single(sum, norm)), 1e-5, floor: 1)
    }
  }

  /// One operation after another, and channels dealt out one by one.
  private func written(
    _ sum: Sum, _ norm: BatchNorm, mixes: Bool
  ) -> (ImageGroups, [ConvolutionUnit], Tensor?) throws -> ImageGroups {
    { images, units, weights in
      let seen = images.channels / sum.parts
      let x = sum.parts == 1 ? images : try images.channels(0..<seen)
      var results = try units.map { try x.unit($0, norm) }
      if sum.pools { results.append(try x.maxPooled3x3()) }
      let total: ImageGroups
      if let weights {
        total = try .mixture(results[0], Array(results[1...]), weights: weights)
      } else {
        total = try results[1...].reduce(results[0]) { try $0 + $1 }
      }
      guard sum.parts > 1 else { return total }
      var dealt: [ImageGroups] = []
      for channel in 0..<seen {
        dealt.append(try total.channels(channel..<channel + 1))
        for part in 1..<sum.parts {
          let from = part * seen + channel
          dealt.append(try images.channels(from..<from + 1))
        }
      }
      return try .concatenated(dealt[0], Array(dealt[1...]))
    }
  }

  @Test(
    "have the bits of one operation after another, their sum or mixture, and a shuffle written out", arguments: Sum.all)
  func bits(sum: Sum) throws {
    for (number, size) in Self.sizes.enumerated() {
      let norm = BatchNorm.training(fused: number % 2 == 1)
      let ours = try outcome(.groups, sum, size, single(sum, norm))
      let theirs = try outcome(.groups, sum, size, written(sum, norm, mixes: sum.weights != .none))
      #expect(ours.results == theirs.results && ours.others == theirs.others)
      // Gradients are multiplied by weights sooner or later, and added in another order.
      ours.expectClose(to: theirs, 1e-5, floor: 1)
      if sum.weights == .none && sum.count == 1 { #expect(ours.gradients == theirs.gradients) }
    }
  }

  @Test("are shuffled in double precision too", arguments: Sum.all.filter { $0.parts > 1 })
  func shuffle(sum: Sum) throws {
    let norm = BatchNorm.training()
    for size in Self.sizes.prefix(3) {
      try outcome(.double, sum, size, single(sum, norm)).expectClose(
        to: outcome(.double, sum, size, written(sum, norm, mixes: sum.weights != .none)), 1e-12, floor: 1)
    }
  }

  @Test("are evaluated with given statistics", arguments: Sum.all.filter { $0.small || $0.large })
  func evaluation(sum: Sum) throws {
    let norm = BatchNorm(training: false, momentum: 0.1, epsilon: 1e-5, fusesMultiplyAdds: true)
    for (images, channels, height, width) in Self.sizes {
      let kinds = sum.kinds(channels)
      func result(_ way: Way) throws -> [Double] {
        let leaves = try UnitKind.leaves(of: kinds, in: channels).map { try $0.tensor(way) }
        let statistics = try kinds.flatMap(\.statistics).map { try $0.tensor(way) }
        let units = try UnitKind.units(kinds, leaves, statistics)
        let weights = sum.weights == .none ? nil : try Numbers([sum.count], seed: 44).tensor(way)
        let x = try Numbers([images, channels * sum.parts, height, width], seed: 43).tensor(way)
        return try Torch.withoutGradients {
          try single(sum, norm)(ImageGroups(x), units, weights).ungrouped().doubles()
        }
      }
      try TensorOperationTests.expectClose(result(.groups), result(.double), 1e-6)
    }
  }

  @Test("pooling among them has the library's ties, and what is no number", arguments: [1, 2, 4])
  func pools(parts: Int) throws {
    let shape = [18, 3 * parts, 5, 6]
    var values = TensorOperationTests.grid(shape, seed: 45)
    func outcome(_ way: Way, _ values: [Float]) throws -> Outcome {
      try Outcome(way, [Numbers(values, shape)], wholeNumbers: true) { leaves, _ in
        let groups = try ImageGroups(leaves[0])
        return [try groups.operations([], pools: true, weights: nil, parts: parts, .training()).ungrouped()]
      }
    }
    #expect(try outcome(.groups, values) == outcome(.library, values))
    for (index, special) in [Float.nan, .infinity, -.infinity, .nan].enumerated() { values[7 * index] = special }
    let (ours, theirs) = (try outcome(.groups, values), try outcome(.library, values))
    #expect(zip(ours.results[0], theirs.results[0]).allSatisfy { $0 == $1 || ($0.isNaN && $1.isNaN) })
    #expect(ours.results[0].contains { $0.isNaN })
    #expect(ours.gradients == theirs.gradients)
  }

  @Test("units may change the number of channels where nothing else keeps it") func otherChannels() throws {
    let kinds = [UnitKind(out: 7, size: 1), UnitKind(out: 7, size: 3)]
    func outcome(_ way: Way) throws -> Outcome {
      try Outcome(
        way, [Numbers([18, 3, 4, 5], seed: 1)] + UnitKind.leaves(of: kinds, in: 3), others: kinds.flatMap(\.statistics)
      ) { leaves, statistics in
        let units = try UnitKind.units(kinds, leaves.dropFirst(), statistics)
        return [
          try ImageGroups(leaves[0]).operations(units, pools: false, weights: nil, .training()).ungrouped()
        ]
      }
    }
    let ours = try outcome(.groups)
    ours.expectClose(to: try outcome(.double), 1e-5, floor: 1)
    #expect(ours.results[0].count == 18 * 7 * 20)
  }

  @Test("the result says how many channels it has", arguments: [Way.groups, .double]) func channels(way: Way) throws {
    let kinds = [UnitKind(out: 7, size: 1)]
    let leaves = try UnitKind.leaves(of: kinds, in: 3).map { try $0.tensor(way) }
    let units = try UnitKind.units(kinds, leaves, kinds[0].statistics.map { try $0.tensor(way) })
    let x = try ImageGroups(Numbers([2, 3, 4, 5], seed: 1).tensor(way))
    let sum = try x.operations(units, pools: false, weights: nil, .training())
    #expect(sum.channels == 7 && sum.count == 2 * 7 * 20)
    #expect(try sum.ungrouped().shape == [2, 7, 4, 5])
  }

  @Test("what does not fit is an error that says so", arguments: [Way.groups, .double]) func errors(way: Way) throws {
    func error(out: Int = 4, pools: Bool = true, weights: Int? = nil, parts: Int = 1, units count: Int = 1) -> String {
      let error = #expect(throws: TorchError.self) {
        let kinds = [UnitKind](repeating: UnitKind(out: out, size: 3), count: count)
        let x = try ImageGroups(Numbers([2, 4, 4, 4], seed: 1).tensor(way))
        let leaves = try UnitKind.leaves(of: kinds, in: 4).map { try $0.tensor(way) }
        let statistics = try kinds.flatMap(\.statistics).map { try $0.tensor(way) }
        _ = try x.operations(
          UnitKind.units(kinds, leaves, statistics), pools: pools,
          weights: weights.map { try Numbers([$0], seed: 2).tensor(way) }, parts: parts, .training())
      }
      return error?.description ?? ""
    }
    #expect(error(weights: 1) == "1 weights of 2 operations")
    #expect(error(weights: 3) == "3 weights of 2 operations")
    #expect(error(pools: false, units: 0) == "there is no operation")
    #expect(error(parts: 3) == "4 channels have no 3 equal parts")
    #expect(error(parts: 0) == "4 channels have no 0 equal parts")
    #expect(error(out: 3) == "images of 3 channels do not add up with others")
    #expect(error(parts: 2).contains("does not fit 2 channels"))
  }
}
