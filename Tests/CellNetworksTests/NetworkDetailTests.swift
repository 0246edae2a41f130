import CellNetworks
import SearchSpaces
import Statistics
import Tensor
import Testing

@Suite("Networks in detail") struct NetworkDetailTests {
  /// Every operation, a direct edge, truncation (three vertices feed the output) and a sum.
  static let rich = "01111|00101|00011|00001|00000 input,conv3x3-bn-relu,maxpool3x3,conv1x1-bn-relu,output"

  static func network(
    _ cell: Cell, _ settings: NetworkSettings, channels: Int, side: Int, seed: UInt64 = 0
  ) throws -> CellNetwork {
    var random = RandomGenerator(seed: seed)
    return try CellNetwork(
      cell, settings: settings, channels: channels, height: side, width: side, classes: 10, random: &random)
  }

  static func cell(_ adjacency: String) throws -> Cell {
    let count = adjacency.split(separator: "|").count
    let operations = ["input"] + [String](repeating: "conv3x3-bn-relu", count: count - 2) + ["output"]
    return try Cell(adjacencyText: adjacency, operations: operations.joined(separator: ","))
  }

  @Test(
    "channels are divided as in nasbench/tests/model_builder_test.py",
    arguments: [
      ("0100|0010|0001|0000", 8, 8, [8, 8, 8, 8]), ("0100|0010|0001|0000", 8, 16, [8, 16, 16, 16]),
      ("0100|0010|0001|0000", 16, 8, [16, 8, 8, 8]), ("01|00", 1, 5, [1, 5]), ("01|00", 5, 1, [5, 1]),
      ("01100|00010|00010|00001|00000", 8, 16, [8, 16, 16, 16, 16]),
      ("0110|0001|0001|0000", 8, 8, [8, 4, 4, 8]), ("0110|0001|0001|0000", 8, 15, [8, 8, 7, 15]),
      ("01110|00001|00001|00001|00000", 8, 8, [8, 3, 3, 2, 8]),
      ("01110|00001|00001|00001|00000", 8, 15, [8, 5, 5, 5, 15]),
      ("01000|00110|00001|00001|00000", 8, 9, [8, 5, 5, 4, 9]),
      ("01010|00101|00010|00001|00000", 8, 15, [8, 8, 7, 7, 15]),
    ])
  func channels(adjacency: String, input: Int, output: Int, expected: [Int]) throws {
    #expect(vertexChannels(of: try Self.cell(adjacency), input: input, output: output) == expected)
  }

  @Test("no receiver is wider than what it is cut from") func truncation() throws {
    for cell in try #require(SearchSpace(named: "mini")).uniqueCells() {
      for output in [8, 16, 31] {
        let channels = vertexChannels(of: cell, input: 8, output: output)
        let last = cell.vertexCount - 1
        for to in 2..<max(2, last) {
          for from in 1..<to where cell.hasEdge(from, to) { #expect(channels[from] >= channels[to]) }
        }
        let feeding = (0..<last).dropFirst().filter { cell.hasEdge($0, last) }
        #expect(feeding.isEmpty || feeding.map { channels[$0] }.reduce(0, +) == output)
      }
    }
  }

  // NAS-Bench-101's own records.
  @Test(
    "parameters are counted as in NAS-Bench-101",
    arguments: [
      (
        "0100000|0010010|0001001|0000100|0000010|0000001|0000000 input,conv1x1-bn-relu,maxpool3x3,"
          + "conv1x1-bn-relu,conv1x1-bn-relu,conv1x1-bn-relu,output", 1_488_650
      ),
      (
        "0101000|0010001|0001000|0000100|0000010|0000001|0000000 input,conv1x1-bn-relu,conv1x1-bn-relu,"
          + "maxpool3x3,maxpool3x3,conv1x1-bn-relu,output", 1_664_778
      ),
      (
        "0101000|0010000|0001001|0000101|0000010|0000001|0000000 input,conv1x1-bn-relu,maxpool3x3,"
          + "conv1x1-bn-relu,maxpool3x3,conv1x1-bn-relu,output", 942_106
      ),
    ])
  func parameterCount(text: String, expected: Int) throws {
    let net = try Self.network(try Cell(text: text), .nasBench101, channels: 3, side: 32)
    #expect(net.parameterCount == expected)
    #expect(net.parameters.map(\.count).reduce(0, +) == expected)
  }

  @Test("multiply-accumulates and parameters by hand") func counts() throws {
    let settings = NetworkSettings(channels: 2, cellsPerStack: 1)
    let cell = try Cell(text: "011|001|000 input,conv3x3-bn-relu,output")
    let net = try Self.network(cell, settings, channels: 1, side: 8)
    // Stem; then per stack two projections and a 3x3; 8 x 8, 4 x 4 and 2 x 2 pixels; the dense layer.
    let stem = 1 * 2 * 9 * 64
    let first = (2 * 2 + 2 * 2 + 2 * 2 * 9) * 64
    let second = (2 * 4 + 2 * 4 + 4 * 4 * 9) * 16
    let third = (4 * 8 + 4 * 8 + 8 * 8 * 9) * 4
    #expect(net.multiplyAccumulates == stem + first + second + third + 80)
    let weights = 18 + (4 + 4 + 36) + (8 + 8 + 144) + (32 + 32 + 576)
    #expect(net.parameterCount == weights + 2 * (2 + 3 * 2 + 3 * 4 + 3 * 8) + 90)
  }

  @Test("pooling between stacks rounds up, as NAS-Bench-101's padding does") func oddImages() throws {
    let cell = try Cell(text: "01|00 input,output")
    let net = try Self.network(cell, NetworkSettings(channels: 2), channels: 1, side: 7)
    // 7 x 7, 4 x 4 and 2 x 2 pixels: the stem, a projection per stack, the dense layer.
    #expect(net.multiplyAccumulates == 18 * 49 + 4 * 49 + 8 * 16 + 32 * 4 + 80)
    let x = try ImageGroups(Tensor((0..<9).map { Float($0) }, shape: [1, 1, 3, 3]))
    #expect(try x.halved().ungrouped().values() == [4, 5, 7, 8])
  }

  @Test("logits have a row per image, for every cell of the smallest space") func shapes() throws {
    let images = try Tensor(TensorOperationTests.normal(3 * 49, seed: 1), shape: [3, 1, 7, 7])
    for cell in try #require(SearchSpace(named: "mini")).uniqueCells() {
      let net = try Self.network(cell, NetworkSettings(channels: 5), channels: 1, side: 7)
      #expect(try net(images, training: true).shape == [3, 10])
    }
  }

  @Test("the same seed gives the same bits, another seed others") func seeds() throws {
    let images = try Tensor(TensorOperationTests.normal(2 * 64, seed: 1), shape: [2, 1, 8, 8])
    let cell = try Cell(text: Self.rich)
    func logits(_ seed: UInt64) throws -> [Float] {
      try Self.network(cell, NetworkSettings(), channels: 1, side: 8, seed: seed)(images, training: true)
        .values()
    }
    #expect(try logits(1) == logits(1))
    #expect(try logits(1) != logits(2))
  }

  // Along a parameter's own gradient g the loss changes by |g| per unit. Rectifiers and maxima have kinks,
  // which spoil the difference of a parameter at one point, not at all of three; a wrong gradient is wrong at
  // every point.
  @Test("gradients are those of finite differences, parameter by parameter") func gradients() throws {
    let images = try Tensor(TensorOperationTests.normal(8 * 144, seed: 3), shape: [8, 1, 12, 12])
    let labels = try Tensor(labels: [0, 1, 2, 3, 4, 5, 6, 7])
    let settings = NetworkSettings(channels: 6)
    let cell = try Cell(text: Self.rich)
    let count = try Self.network(cell, settings, channels: 1, side: 12).parameters.count
    let distance = 1e-3
    for index in 0..<count {
      let errors = try (0..<3).map { seed in
        /// The loss after a step along the parameter's gradient, and the gradient's length.
        func moved(by distance: Double) throws -> (loss: Double, length: Double) {
          let net = try Self.network(cell, settings, channels: 1, side: 12, seed: UInt64(seed))
          try net(images, training: true).crossEntropy(labels).backward()
          let parameter = net.parameters[index]
          let gradient = try parameter.gradient().values()
          let length = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
          try GradientDescent([parameter], rule: .nesterov, momentum: 0, weightDecay: 0)
            .step(learningRate: -distance / length)
          return (Double(try net(images, training: true).crossEntropy(labels).values()[0]), length)
        }
        let (up, length) = try moved(by: distance)
        let slope = (up - (try moved(by: -distance).loss)) / (2 * distance)
        return length > 0 ? abs(slope / length - 1) : .infinity
      }
      #expect(try #require(errors.min()) < 0.02, "parameter \(index)")
    }
  }

  @Test("evaluation uses the running statistics and does not change them") func evaluation() throws {
    let images = try Tensor(TensorOperationTests.normal(4 * 64, seed: 5), shape: [4, 1, 8, 8])
    let net = try Self.network(try Cell(text: Self.rich), NetworkSettings(), channels: 1, side: 8)
    let before = try net(images, training: false).values()
    #expect(try net(images, training: false).values() == before)
    // Alone or in a batch, an image is judged alike.
    #expect(
      try zip(net(images.rows(0..<1), training: false).values(), before).allSatisfy { abs($0 - $1) < 1e-5 })
    _ = try net(images, training: true)
    #expect(try net(images, training: false).values() != before)
  }
}
