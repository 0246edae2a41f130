import Statistics
import Tensor
import Testing

/// How an operation on images is done.
enum Way {
  /// Images in groups, with this package's own loops.
  case groups
  /// The library's own operations, in single precision.
  case library
  /// The library's own operations in double precision: the reference.
  case double
}

/// The numbers of a tensor.
struct Numbers {
  let values: [Float]
  let shape: [Int]

  init(_ values: [Float], _ shape: [Int]) {
    self.values = values
    self.shape = shape
  }

  /// Drawn from a normal distribution.
  init(_ shape: [Int], seed: UInt64, times factor: Float = 1, plus shift: Float = 0) {
    self.init(TensorOperationTests.normal(shape.reduce(1, *), seed: seed).map { $0 * factor + shift }, shape)
  }

  func tensor(_ way: Way) throws -> Tensor {
    switch way {
    case .groups, .library: try Tensor(values, shape: shape)
    case .double: try Tensor(doubles: values.map { Double($0) }, shape: shape)
    }
  }
}

/// What an operation gives, and what comes back through it.
struct Outcome: Equatable {
  var results: [[Double]]
  /// Of the leaves.
  var gradients: [[Double]]
  /// What the operation left in the tensors that are no leaves, such as running statistics.
  var others: [[Double]]

  /// Does an operation one way, and goes back from the inner products of its results with some numbers.
  ///
  /// - Parameters:
  ///   - wholeNumbers: Whether these numbers are small integers: sums of gradients are then exact in any order.
  ///   - operation: Takes the leaves, and the others.
  init(
    _ way: Way, _ leaves: [Numbers], others: [Numbers] = [], wholeNumbers: Bool = false,
    _ operation: ([Tensor], [Tensor]) throws -> [Tensor]
  ) throws {
    func run() throws -> Self {
      let leaves = try leaves.map { try $0.tensor(way) }
      let others = try others.map { try $0.tensor(way) }
      for leaf in leaves { try leaf.requireGradient() }
      let results = try operation(leaves, others)
      var loss: Tensor?
      for (number, result) in results.enumerated() {
        let seed = 1_000 + UInt64(number)
        let factors =
          wholeNumbers
          ? Numbers(TensorOperationTests.grid(result.shape, seed: seed), result.shape)
          : Numbers(result.shape, seed: seed)
        let part = try (result * factors.tensor(way)).sum()
        loss = try loss.map { try $0 + part } ?? part
      }
      try #require(loss).backward()
      return Self(
        results: try results.map { try $0.doubles() }, gradients: try leaves.map { try $0.gradient().doubles() },
        others: try others.map { try $0.doubles() })
    }
    self = way == .library ? try Torch.twiceDifferentiable(run) : try run()
  }

  private init(results: [[Double]], gradients: [[Double]], others: [[Double]]) {
    self.results = results
    self.gradients = gradients
    self.others = others
  }

  /// Compares with a reference, relative to its greatest number in every tensor.
  ///
  /// - Parameter floor: The least number that gradients are compared relative to: where all of them cancel out, what
  ///   is left are errors of rounding.
  func expectClose(
    to reference: Self, _ tolerance: Double, floor: Double = 0, _ location: SourceLocation = #_sourceLocation
  ) {
    func compare(_ name: String, _ ours: [[Double]], _ theirs: [[Double]], _ floor: Double) {
      #expect(ours.map(\.count) == theirs.map(\.count), "\(name)", sourceLocation: location)
      for (number, (a, b)) in zip(ours, theirs).enumerated() {
        let scale = max(floor, b.map(abs).max() ?? 0)
        let error = zip(a, b).map { ($0 - $1).magnitude }.reduce(0) { $0 >= $1 ? $0 : $1 }
        #expect(
          error <= tolerance * scale, "\(name) \(number): off by \(error) of \(scale)", sourceLocation: location)
      }
    }
    compare("result", results, reference.results, 0)
    compare("gradient", gradients, reference.gradients, floor)
    compare("other", others, reference.others, 0)
  }
}

/// A unit to be made, and the tensors that it needs.
struct UnitKind {
  let out, size: Int
  var scales = true
  var shifts = true

  /// Its weight, then gamma and beta if it has them.
  func leaves(in channels: Int, seed: UInt64) -> [Numbers] {
    let deviation = 1 / Float(channels * size * size).squareRoot()
    var leaves = [Numbers([out, channels, size, size], seed: seed, times: deviation)]
    if scales { leaves.append(Numbers([out], seed: seed + 1, times: 0.5, plus: 1)) }
    if shifts { leaves.append(Numbers([out], seed: seed + 2, times: 0.3)) }
    return leaves
  }

  /// Its running mean and variance.
  var statistics: [Numbers] {
    [
      Numbers([Float](repeating: 0.25, count: out), [out]), Numbers([Float](repeating: 1.5, count: out), [out]),
    ]
  }

  static func leaves(of kinds: [Self], in channels: Int) -> [Numbers] {
    kinds.enumerated().flatMap { $1.leaves(in: channels, seed: 100 + 10 * UInt64($0)) }
  }

  /// Makes units of their leaves and statistics.
  static func units(_ kinds: [Self], _ leaves: some Sequence<Tensor>, _ statistics: [Tensor]) throws
    -> [ConvolutionUnit]
  {
    let leaves = Array(leaves)
    var next = 0
    func leaf() throws -> Tensor {
      defer { next += 1 }
      try #require(next < leaves.count)
      return leaves[next]
    }
    return try kinds.enumerated().map { number, kind in
      ConvolutionUnit(
        weight: try leaf(), gamma: kind.scales ? try leaf() : nil, beta: kind.shifts ? try leaf() : nil,
        mean: statistics[2 * number], variance: statistics[2 * number + 1])
    }
  }
}

extension BatchNorm {
  static func training(fused: Bool = true, rectifies: Bool = true, momentum: Double = 0.1) -> Self {
    var norm = Self(training: true, momentum: momentum, epsilon: 1e-5, fusesMultiplyAdds: fused)
    norm.rectifies = rectifies
    return norm
  }
}
