import Foundation
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

  /// Relative to the greatest number of all.
  static func expectClose(_ ours: [Double], _ theirs: [Double], _ tolerance: Double) throws {
    let scale = try #require(theirs.map(abs).max())
    #expect(ours.count == theirs.count)
    #expect(zip(ours, theirs).allSatisfy { abs($0 - $1) <= tolerance * scale })
  }

  // MARK: Products of matrices

  /// Rows, columns in and columns out.
  static let matrices = [(1, 1, 1), (1, 7, 5), (3, 1, 4), (8, 16, 10), (70, 33, 17), (256, 64, 10)]

  @Test("x W + b has the values and gradients of double precision", arguments: matrices)
  func linear(rows: Int, columns: Int, out: Int) throws {
    func outcome(_ way: Way) throws -> Outcome {
      try Outcome(
        way, [Numbers([rows, columns], seed: 1), Numbers([columns, out], seed: 2), Numbers([out], seed: 3)]
      ) { leaves, _ in [try leaves[0].linear(leaves[1], bias: leaves[2])] }
    }
    try outcome(.groups).expectClose(to: outcome(.double), 2e-6)
    try outcome(.library).expectClose(to: outcome(.double), 2e-6)
  }

  @Test("x W + b is summed in order, from b on", arguments: matrices)
  func linearOrder(rows: Int, columns: Int, out: Int) throws {
    let x = Numbers([rows, columns], seed: 1)
    let weight = Numbers([columns, out], seed: 2)
    let bias = Numbers([out], seed: 3)
    func product(from start: [Float]) -> [Float] {
      (0..<rows * out).map { place in
        let (row, column) = (place / out, place % out)
        return (0..<columns).reduce(start[column]) {
          $0 + x.values[row * columns + $1] * weight.values[$1 * out + column]
        }
      }
    }
    let (a, w) = (try x.tensor(.groups), try weight.tensor(.groups))
    #expect(try a.linear(w, bias: bias.tensor(.groups)).values() == product(from: bias.values))
    let transposed = (0..<out * columns).map { weight.values[$0 % columns * out + $0 / columns] }
    let dense = try a.dense(Tensor(transposed, shape: [out, columns])).values()
    #expect(dense == product(from: [Float](repeating: 0, count: out)))
  }

  @Test("x Wᵀ has the values and gradients of double precision", arguments: matrices)
  func dense(rows: Int, columns: Int, out: Int) throws {
    func outcome(_ way: Way) throws -> Outcome {
      try Outcome(way, [Numbers([rows, columns], seed: 1), Numbers([out, columns], seed: 2)]) { leaves, _ in
        [try leaves[0].dense(leaves[1])]
      }
    }
    try outcome(.groups).expectClose(to: outcome(.double), 2e-6)
  }

  @Test("only x, W or b may want a gradient; parts of matrices have products", arguments: 0..<3)
  func someGradients(chosen: Int) throws {
    func gradients(_ numbers: [Int], _ way: Way) throws -> [[Double]] {
      let leaves = try [Numbers([9, 6], seed: 1), Numbers([8, 5], seed: 2), Numbers([3], seed: 3)].map {
        try $0.tensor(way)
      }
      for number in numbers { try leaves[number].requireGradient() }
      let (x, w) = (try leaves[0].channels(1..<5).rows(2..<9), try leaves[1].rows(3..<7).channels(1..<4))
      let y = try x.linear(w, bias: leaves[2])
      try (y * y).sum().backward()
      return try numbers.map { try leaves[$0].gradient().doubles() }
    }
    let all = try gradients([0, 1, 2], .groups)
    #expect(try gradients([chosen], .groups) == [all[chosen]])
    try Self.expectClose(all[chosen], gradients([chosen], .double)[0], 2e-6)
  }

  @Test("a product whose gradient is to be differentiated again is an error that says so") func linearTwice() throws {
    let x = try Numbers([3, 4], seed: 1).tensor(.groups)
    let w = try Numbers([4, 2], seed: 2).tensor(.groups)
    try w.requireGradient()
    func second() throws -> [Double] {
      let y = try x.linear(w, bias: Tensor.zeros([2]))
      let first = try (y * y).sum().gradients(of: [w], again: true)[0]
      return try first.sum().gradients(of: [w])[0].doubles()
    }
    let error = #expect(throws: TorchError.self) { try second() }
    #expect(error?.description.contains("cannot be differentiated twice") == true)
    // The first derivatives are 2 xᵀ x w, those of their sum 2 xᵀ x 1.
    let rows = (0..<3).map { row in try? x.rows(row..<row + 1).doubles() }.compactMap { $0 }
    let expected = (0..<4).flatMap { i -> [Double] in
      let sum = rows.reduce(0) { $0 + 2 * $1[i] * $1.reduce(0, +) }
      return [sum, sum]
    }
    try Self.expectClose(Torch.twiceDifferentiable { try second() }, expected, 1e-5)
  }

  // MARK: LSTM

  /// sin(0.7 i + phase)
  static func wave(_ shape: [Int], _ phase: Double) -> Numbers {
    Numbers((0..<shape.reduce(1, *)).map { Float(sin(0.7 * Double($0) + phase)) }, shape)
  }

  @Test("an LSTM's step is torch.nn.LSTMCell's: values and gradients", arguments: [Way.groups, .double])
  func lstm(way: Way) throws {
    // Computed by PyTorch 1.13 in double precision, going back from the sum of h and twice c.
    let expected: [[Double]] = [
      [0.7083772821472093, -0.428962314711953, -0.14742773159644512],
      [0.9383998483052864, -0.48698344143971845, -0.33630179079397304],
      [0.8695218026890085, 0.7608400522874212],
      [1.3379046837916484, 2.2489963088690277, 2.1023498283486104],
      [2.0778133960670524, 1.2868153681707473, 0.325830705603752],
      [
        0.03823003341583209, -0.1191837238605663, -0.5954233158298934, 0.2006324579778492, 0.6759156029935613,
        0.24318636027561358, 1.9575870347941562, 0.039340957431148314, 0.0045937618100802, 0.02518081995769594,
        -0.021700363238761226, -0.08038014714984201,
      ],
    ]
    let leaves = try [
      Self.wave([1, 2], 0.5), Self.wave([1, 3], 0.6), Self.wave([1, 3], 0.7), Self.wave([12, 2], 0.1),
      Self.wave([12, 3], 0.2), Self.wave([12], 0.3), Self.wave([12], 0.4),
    ].map { try $0.tensor(way) }
    for leaf in leaves { try leaf.requireGradient() }
    let (h, c) = try leaves[0].lstmCell(hidden: leaves[1], cell: leaves[2], weights: Array(leaves[3...]))
    try (h.sum() + c.sum() * 2).backward()
    for (ours, theirs) in zip([h, c] + (try leaves[..<3].map { try $0.gradient() }), expected) {
      try Self.expectClose(ours.doubles(), theirs, 1e-6)
    }
    let gates = expected[5]
    // The gradients of weights are those of the gates times what goes in, and those of both biases are the gates'.
    let (x, before) = (try leaves[0].doubles(), try leaves[1].doubles())
    try Self.expectClose(leaves[3].gradient().doubles(), gates.flatMap { gate in x.map { gate * $0 } }, 1e-6)
    try Self.expectClose(leaves[4].gradient().doubles(), gates.flatMap { gate in before.map { gate * $0 } }, 1e-6)
    for bias in leaves[5...] { try Self.expectClose(bias.gradient().doubles(), gates, 1e-6) }
  }

  // MARK: Gradients and steps

  @Test(
    "the norm of gradients is that of double precision, and what is too long is cut", arguments: [1, 63, 64, 65, 5_000])
  func clipping(count: Int) throws {
    func clipped(_ way: Way, to limit: Double) throws -> (norm: Double, gradients: [[Double]]) {
      let parameters = try [count, 7, 129].map { try Numbers([$0], seed: 1).tensor(way) }
      // The last one has no gradient.
      for (number, parameter) in parameters.prefix(2).enumerated() {
        try parameter.setGradient(Numbers(parameter.shape, seed: 2 + UInt64(number)).tensor(way))
      }
      let norm = try Tensor.clipGradients(of: parameters, to: limit)
      return (norm, try parameters.map { try $0.gradient().doubles() })
    }
    let gradients = [Numbers([count], seed: 2), Numbers([7], seed: 3)].map { $0.values.map { Double($0) } }
    let exact = gradients.joined().reduce(0) { $0 + $1 * $1 }.squareRoot()
    for way in [Way.groups, .double] {
      let tolerance = way == .double ? 1e-14 : 1e-6
      let short = try clipped(way, to: 2 * exact)
      #expect(abs(short.norm - exact) <= tolerance * exact)
      #expect(short.gradients == gradients + [[Double](repeating: 0, count: 129)])
      let long = try clipped(way, to: 0.5)
      #expect(abs(long.norm - exact) <= tolerance * exact)
      for (ours, whole) in zip(long.gradients, gradients) {
        try Self.expectClose(ours, whole.map { $0 * 0.5 / (exact + 1e-6) }, max(tolerance, 1e-12))
      }
    }
  }

  @Test("steps of many numbers are those of double precision", arguments: GradientDescent.Rule.allCases, [0, 0.25])
  func steps(rule: GradientDescent.Rule, weightDecay: Double) throws {
    func run(_ way: Way) throws -> [[Double]] {
      let parameters = try [1, 67, 300].map { try Numbers([$0], seed: 1).tensor(way) }
      let descent = try GradientDescent(parameters, rule: rule, momentum: 0.9, weightDecay: weightDecay)
      if way == .double {
        // Velocities and squares are of the parameters' kind, but those of RMSProp begin at one.
        for square in descent.squares { #expect(try square.doubles().allSatisfy { $0 == 1 }) }
      }
      for step in 0..<4 {
        for (number, parameter) in parameters.enumerated() where number != step {
          try parameter.setGradient(Numbers(parameter.shape, seed: 10 * UInt64(step + 1)).tensor(way))
        }
        try descent.step(learningRate: 0.1)
        // Gradients are gone.
        #expect(try parameters.allSatisfy { try $0.gradient().values().allSatisfy { $0 == 0 } })
      }
      return try (parameters + descent.velocities).map { try $0.doubles() }
    }
    for (ours, exact) in zip(try run(.groups), try run(.double)) { try Self.expectClose(ours, exact, 1e-6) }
  }

  // MARK: The rest

  @Test("shapes that do not fit are an error that says so") func errors() throws {
    let x = try Tensor.zeros([2, 3])
    let error = #expect(throws: TorchError.self) { try x.linear(Tensor.zeros([4, 5]), bias: Tensor.zeros([5])) }
    #expect(error?.description == "matrices of shapes [2, 3] and [4, 5] have no product")
    #expect(throws: TorchError.self) { try x.linear(Tensor.zeros([3, 5]), bias: Tensor.zeros([4])) }
    #expect(throws: TorchError.self) { try x.dense(Tensor.zeros([3, 5])) }
    #expect(throws: TorchError.self) { try x + Tensor.zeros([3, 2]) }
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
