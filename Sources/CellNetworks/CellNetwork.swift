import SearchSpaces
import Statistics
import Tensor

/// The parts of a network that all cells share.
public struct NetworkSettings: Hashable, Sendable, Codable {
  /// Channels of the stem and the first stack; each later stack has twice as many as the one before.
  public var channels: Int
  /// The number of stacks; a 2 x 2 max-pool between them halves height and width, rounding up.
  public var stacks = 3
  /// The number of cells in each stack.
  public var cellsPerStack: Int
  /// The weight of a new batch in batch norm's running statistics. NAS-Bench-101 has 0.003 (0.997 in
  /// TensorFlow's convention), for trainings of tens of thousands of steps; the default 0.1 suits hundreds.
  public var batchNormMomentum = 0.1
  /// The number added to variances in batch norm.
  public var batchNormEpsilon = 1e-5

  public init(channels: Int = 8, cellsPerStack: Int = 1) {
    self.channels = channels
    self.cellsPerStack = cellsPerStack
  }

  /// NAS-Bench-101's own network: 128 channels, three stacks of three cells.
  public static var nasBench101: NetworkSettings {
    var settings = NetworkSettings(channels: 128, cellsPerStack: 3)
    settings.batchNormMomentum = 0.003
    return settings
  }
}

extension NetworkSettings {
  /// Checks that a network can have these settings, which may come from a file.
  ///
  /// - Throws: ``DataError/settings(_:)``.
  public func check() throws(DataError) {
    for (setting, value, range) in [
      ("channels", channels, 1...4_096), ("stacks", stacks, 1...8), ("cellsPerStack", cellsPerStack, 1...64),
    ] where !range.contains(value) {
      throw .settings("\(setting) is \(value), and can be \(range.lowerBound) to \(range.upperBound)")
    }
    guard (0...1).contains(batchNormMomentum) else {
      throw .settings("batchNormMomentum is \(batchNormMomentum), and can be 0 to 1")
    }
    guard batchNormEpsilon > 0, batchNormEpsilon <= 1 else {
      throw .settings("batchNormEpsilon is \(batchNormEpsilon), and can be more than 0 and at most 1")
    }
    // At most five vertices, each with a 3x3 convolution and a projection as wide as the stack.
    let numbers = (0..<stacks).reduce(0.0) { sum, stack in
      let wide = Double(channels << stack)
      return sum + Double(cellsPerStack) * 50 * wide * wide
    }
    guard numbers <= 1e9 else {
      throw .settings(
        "\(channels) channels, \(stacks) stacks and \(cellsPerStack) cells per stack are more weights than a "
          + "computer's memory holds")
    }
  }
}

/// The number of channels of every vertex of a cell (`compute_vertex_channels` in NAS-Bench-101's
/// `model_builder.py`).
///
/// The output's channels are divided among the vertices that feed it, the remainder going to the first ones;
/// any other interior vertex has as many channels as the widest vertex that it feeds.
public func vertexChannels(of cell: Cell, input: Int, output: Int) -> [Int] {
  let last = cell.vertexCount - 1
  var channels = [Int](repeating: 0, count: cell.vertexCount)
  channels[0] = input
  channels[last] = output
  guard last > 1 else { return channels }
  let feeding = (1..<last).filter { cell.hasEdge($0, last) }
  var remainder = output % feeding.count
  for vertex in feeding {
    channels[vertex] = output / feeding.count + (remainder > 0 ? 1 : 0)
    remainder = max(0, remainder - 1)
  }
  for vertex in stride(from: last - 2, to: 0, by: -1) where !cell.hasEdge(vertex, last) {
    for target in vertex + 1..<last where cell.hasEdge(vertex, target) {
      channels[vertex] = max(channels[vertex], channels[target])
    }
  }
  return channels
}

/// A stand-alone network of one cell, by NAS-Bench-101's rules (Ying et al. 2019, section 2.2, and
/// `model_builder.py`): a 3x3 stem, stacks of cells, global mean, one dense layer.
///
/// Within a cell, an edge from the input is projected by a 1x1 conv-bn-relu, any other edge is cut to the
/// receiver's channels; a vertex applies its operation to the sum of its inputs. The vertices that feed the
/// output are concatenated, and the projected input is added if there is an edge from input to output.
///
/// One difference: where channels do not divide evenly, the remainder goes to the first vertices in the order
/// of `Cell`, not in that of a record.
public final class CellNetwork {
  /// The tensors that training changes.
  public let parameters: [Tensor]
  /// The number of trainable weights.
  public let parameterCount: Int
  /// Multiply-accumulates of the convolutions and the dense layer in one forward pass of one image.
  public let multiplyAccumulates: Int

  private let settings: NetworkSettings
  private let cell: Cell
  private let stem: ConvolutionUnit
  /// `[stack][cell]`
  private let stacks: [[CellLayers]]
  private let dense: (weight: Tensor, bias: Tensor)

  fileprivate struct CellLayers {
    let channels: [Int]
    /// The projections of the input, by the vertex that receives them.
    let projections: [Int: ConvolutionUnit]
    /// The convolutions, by vertex; a vertex with another operation has none.
    let operations: [Int: ConvolutionUnit]
  }

  /// Creates a network with freshly drawn weights.
  ///
  /// - Parameters:
  ///   - channels, height, width: The size of an image.
  ///   - isPositive: Whether weights are the magnitudes of what is drawn, and of double precision: what
  ///     ``synflow(channels:height:width:)`` needs.
  ///   - random: Draws the weights: truncated normal of variance 1 / fan-in for convolutions, uniform by
  ///     Glorot's rule for the dense layer, as in NAS-Bench-101.
  /// - Throws: `TorchError`.
  public init(
    _ cell: Cell, settings: NetworkSettings, channels: Int, height: Int, width: Int, classes: Int,
    isPositive: Bool = false, random: inout RandomGenerator
  ) throws {
    self.settings = settings
    self.cell = cell
    var maker = LayerMaker(random: random, isPositive: isPositive)
    var (height, width) = (height, width)
    var wide = settings.channels
    stem = try maker.unit(from: channels, to: wide, size: 3, area: height * width)
    var input = wide
    var stacks: [[CellLayers]] = []
    for stack in 0..<settings.stacks {
      if stack > 0 {
        height = (height + 1) / 2
        width = (width + 1) / 2
        wide *= 2
      }
      var cells: [CellLayers] = []
      for _ in 0..<settings.cellsPerStack {
        cells.append(try maker.layers(of: cell, input: input, output: wide, area: height * width))
        input = wide
      }
      stacks.append(cells)
    }
    self.stacks = stacks
    dense = try maker.dense(from: wide, to: classes)
    parameters = maker.parameters
    parameterCount = maker.parameterCount
    multiplyAccumulates = maker.multiplyAccumulates
    random = maker.random
  }

  /// The logits `[count, classes]` of images `[count, channels, height, width]`.
  ///
  /// - Parameter training: Whether batch norm uses the batch's own statistics and updates the running ones.
  public func callAsFunction(_ images: Tensor, training: Bool) throws -> Tensor {
    try logits(images, Pass(norm: norm(training: training)))
  }

  /// How a pass is made.
  struct Pass {
    let norm: BatchNorm
    /// Called with what every rectifier gives, in the order of computation.
    var rectified: (ImageGroups) throws -> Void = { _ in }
  }

  /// The network's own batch norm.
  func norm(training: Bool) -> BatchNorm {
    // Not fused: the embedded table's trainings come out to the bit.
    BatchNorm(
      training: training, momentum: settings.batchNormMomentum, epsilon: settings.batchNormEpsilon,
      fusesMultiplyAdds: false)
  }

  func logits(_ images: Tensor, _ pass: Pass) throws -> Tensor {
    var x = try apply(stem, to: ImageGroups(images), pass)
    for (number, cells) in stacks.enumerated() {
      if number > 0 { x = try x.halved() }
      for layers in cells { x = try apply(layers, to: x, pass) }
    }
    return try x.mean().linear(dense.weight, bias: dense.bias)
  }

  private func apply(_ unit: ConvolutionUnit, to x: ImageGroups, _ pass: Pass) throws -> ImageGroups {
    let result = try x.unit(unit, pass.norm)
    try pass.rectified(result)
    return result
  }

  private func apply(_ layers: CellLayers, to input: ImageGroups, _ pass: Pass) throws -> ImageGroups {
    let last = cell.vertexCount - 1
    var values = [input]
    for vertex in 1..<last {
      var sum: ImageGroups?
      for source in 1..<vertex where cell.hasEdge(source, vertex) {
        let wide = layers.channels[vertex]
        let part = wide == layers.channels[source] ? values[source] : try values[source].channels(0..<wide)
        sum = try sum.map { try $0 + part } ?? part
      }
      if let projection = layers.projections[vertex] {
        let part = try apply(projection, to: input, pass)
        sum = try sum.map { try $0 + part } ?? part
      }
      guard let sum else { preconditionFailure("every vertex of a pruned cell has an input") }
      values.append(
        try layers.operations[vertex].map { try apply($0, to: sum, pass) } ?? sum.maxPooled3x3())
    }
    let feeding = (1..<last).filter { cell.hasEdge($0, last) }.map { values[$0] }
    let direct = try layers.projections[last].map { try apply($0, to: input, pass) }
    guard let first = feeding.first else {
      guard let direct else { preconditionFailure("the output of a cell has an input") }
      return direct
    }
    let joined = feeding.count == 1 ? first : try ImageGroups.concatenated(first, Array(feeding.dropFirst()))
    return try direct.map { try joined + $0 } ?? joined
  }
}

/// Draws weights and counts them.
private struct LayerMaker {
  var random: RandomGenerator
  let isPositive: Bool
  var parameters: [Tensor] = []
  var parameterCount = 0
  var multiplyAccumulates = 0

  func tensor(_ values: [Float], _ shape: [Int]) throws -> Tensor {
    isPositive ? try Tensor(doubles: values.map { Double(abs($0)) }, shape: shape) : try Tensor(values, shape: shape)
  }

  mutating func parameter(_ values: [Float], _ shape: [Int]) throws -> Tensor {
    let tensor = try tensor(values, shape)
    try tensor.requireGradient()
    parameters.append(tensor)
    parameterCount += values.count
    return tensor
  }

  mutating func unit(
    from: Int, to: Int, size: Int, area: Int
  ) throws -> ConvolutionUnit {
    let fanIn = from * size * size
    // The standard deviation of a normal distribution cut off at two is 0.8796.
    let scale = (1 / Double(fanIn)).squareRoot() / 0.87962566103423978
    let weight = (0..<to * fanIn).map { _ -> Float in
      while true {
        let deviate = random.gaussian()
        if abs(deviate) <= 2 { return Float(deviate * scale) }
      }
    }
    multiplyAccumulates += to * fanIn * area
    return ConvolutionUnit(
      weight: try parameter(weight, [to, from, size, size]),
      gamma: try parameter([Float](repeating: 1, count: to), [to]),
      beta: try parameter([Float](repeating: 0, count: to), [to]),
      mean: try tensor([Float](repeating: 0, count: to), [to]),
      variance: try tensor([Float](repeating: 1, count: to), [to]))
  }

  mutating func dense(from: Int, to: Int) throws -> (weight: Tensor, bias: Tensor) {
    let limit = (6 / Double(from + to)).squareRoot()
    let weight = (0..<from * to).map { _ in Float((2 * random.uniform() - 1) * limit) }
    multiplyAccumulates += from * to
    return (
      try parameter(weight, [from, to]), try parameter([Float](repeating: 0, count: to), [to])
    )
  }

  mutating func layers(
    of cell: Cell, input: Int, output: Int, area: Int
  ) throws -> CellNetwork.CellLayers {
    let channels = vertexChannels(of: cell, input: input, output: output)
    let last = cell.vertexCount - 1
    var projections: [Int: ConvolutionUnit] = [:]
    var operations: [Int: ConvolutionUnit] = [:]
    for vertex in 1...last {
      if cell.hasEdge(0, vertex) {
        projections[vertex] = try unit(from: input, to: channels[vertex], size: 1, area: area)
      }
      guard vertex < last, cell.operation(of: vertex) != .maxpool3x3 else { continue }
      operations[vertex] = try unit(
        from: channels[vertex], to: channels[vertex], size: cell.operation(of: vertex) == .conv3x3 ? 3 : 1,
        area: area)
    }
    return CellNetwork.CellLayers(channels: channels, projections: projections, operations: operations)
  }
}
