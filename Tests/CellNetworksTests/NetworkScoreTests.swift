import CellNetworks
import Foundation
import SearchSpaces
import Statistics
import Tensor
import Testing

@Suite("Scores of untrained networks") struct NetworkScoreTests {
  static let settings = {
    var settings = NetworkSettings(channels: 5, cellsPerStack: 2)
    settings.batchNormEpsilon = 1e-5
    return settings
  }()

  /// A network with the parameters of Tests/Peers/zero_cost.py: a wave of the parameter's number.
  private func network(_ text: String, isPositive: Bool = false) throws -> CellNetwork {
    try Torch.start()
    var random = RandomGenerator(seed: 0)
    let network = try CellNetwork(
      Cell(text: text), settings: Self.settings, channels: 2, height: 9, width: 9, classes: 4, isPositive: isPositive,
      random: &random)
    for (number, parameter) in network.parameters.enumerated() {
      let shape = parameter.shape
      let wave = (0..<parameter.count).map { sin(0.37 * Double($0) + 2 * Double(number)) }
      let isBeta = shape.count == 1 && (number % 3 == 2 || number == network.parameters.count - 1)
      let values =
        switch shape.count {
        case 4: wave.map { 1.5 / Double(shape.dropFirst().reduce(1, *)).squareRoot() * $0 }
        case 2: wave.map { 1 / Double(shape[0]).squareRoot() * $0 }
        default: wave.map { isBeta ? 0.1 * $0 : 1 + 0.2 * $0 }
        }
      if !isPositive {
        try parameter.assign(Tensor(values.map { Float($0) }, shape: shape))
      } else if shape.count > 1 {
        try parameter.assign(Tensor(doubles: values.map(abs), shape: shape))
      }
    }
    return network
  }

  static let line = "01|00 input,output"
  static let mixed = "01101|00110|00011|00001|00000 input,conv3x3-bn-relu,maxpool3x3,conv1x1-bn-relu,output"

  @Test(
    "are those of an implementation in plain PyTorch",
    arguments: [
      // Tests/Peers/zero_cost.py
      (line, 1_124, 82.24454944419483, 114567.65459218003), (mixed, 4_888, 93.56529321663024, 9241576506512.598),
    ])
  func golden(text: String, parameters: Int, nwot: Double, synflow: Double) throws {
    let images = try Tensor((0..<12 * 2 * 81).map { Float(sin(0.11 * pow(Double($0), 1.5))) }, shape: [12, 2, 9, 9])
    #expect(abs(try network(text).nwot(images) / nwot - 1) < 1e-12)
    let flow = try network(text, isPositive: true).synflow(channels: 2, height: 9, width: 9)
    #expect(abs(flow / synflow - 1) < 1e-12)
    let count = CellNetwork.parameterCount(of: try Cell(text: text), settings: Self.settings, channels: 2, classes: 4)
    #expect(count == parameters)
  }

  @Test("of SynFlow, in a chain of layers, are the sum of logits once for every layer") func chain() throws {
    try Torch.start()
    var random = RandomGenerator(seed: 1)
    // One pixel: of the stem's 3x3 weights only the middle one sees the image of ones.
    let network = try CellNetwork(
      Cell(text: Self.line), settings: NetworkSettings(channels: 1), channels: 1, height: 1, width: 1, classes: 2,
      isPositive: true, random: &random)
    let weights = try network.parameters.filter { $0.shape.count > 1 }.map { try $0.doubles() }
    #expect(weights.map(\.count) == [9, 1, 2, 8, 8] && weights.joined().allSatisfy { $0 >= 0 })
    /// The product of a matrix, row by row, and a vector.
    func product(_ matrix: [Double], _ vector: [Double]) -> [Double] {
      stride(from: 0, to: matrix.count, by: vector.count).map { start in
        vector.indices.reduce(0.0) { $0 + matrix[start + $1] * vector[$1] }
      }
    }
    let means = product(weights[3], product(weights[2], product(weights[1], [weights[0][4]])))
    let sum = means.indices.reduce(0.0) { $0 + means[$1] * (weights[4][2 * $1] + weights[4][2 * $1 + 1]) }
    #expect(abs(try network.synflow(channels: 1, height: 1, width: 1) / (5 * sum) - 1) < 1e-14)
  }

  @Test("of NWOT are minus infinity where two images are the same") func same() throws {
    let images = try Tensor([Float](repeating: 0.5, count: 2 * 162), shape: [2, 2, 9, 9])
    #expect(try network(Self.mixed).nwot(images) == -.infinity)
  }

  @Test("count the parameters that a network has") func parameters() throws {
    try Torch.start()
    var random = RandomGenerator(seed: 3)
    for space in [SearchSpace.mini, .oneShot1, .oneShot3] {
      for _ in 0..<5 {
        guard case .cell(let cell)? = space.architecture(space.sample(using: &random)) else { continue }
        let settings = NetworkSettings(channels: 6, cellsPerStack: 2)
        let network = try CellNetwork(
          cell, settings: settings, channels: 3, height: 9, width: 9, classes: 10, random: &random)
        #expect(
          CellNetwork.parameterCount(of: cell, settings: settings, channels: 3, classes: 10) == network.parameterCount)
      }
    }
  }
}
