import CellNetworks
import SearchSpaces
import Statistics
import Tensor

/// The network that holds every architecture of a space (Zela, Siems and Hutter 2020, figure 1 and section 3.2).
///
/// A 3x3 stem; stacks of cells with 2x2 max pooling and doubled channels between them; ReLU, 1x1 convolution and
/// batch norm without scale and shift; mean over the image; a dense layer. Every choice block of a cell has the
/// stack's full number of channels: it adds its inputs, of which the cell's own input is projected by a 1x1
/// conv-bn-relu, and applies a mixture of the three operations. The output is the concatenation of all choice
/// blocks plus the projected input. A ``Gate`` says how each choice enters a pass.
///
/// A difference that is inherent to the method: a stand-alone network divides the stack's channels among the vertices
/// that feed the output, a supernet gives all of them to every choice block.
///
/// Weights are drawn as PyTorch's layers draw theirs: uniformly within one over the square root of the fan-in.
package final class SupernetNetwork {
  /// The weights that gradient descent changes, in the order of ``names``.
  package let parameters: [Tensor]
  /// The names of the parameters, such as `stem.weight`, `cells.0.input.1.gamma` or `cells.0.block.1.conv3x3.beta`.
  package let names: [String]
  /// The work of forward passes over all images since this was last reset.
  package var work = Work()

  private let shape: SupernetShape
  private let stem: Unit
  /// The layers of every cell, by stack and cell.
  private let stacks: [[Layers]]
  private let final: Unit
  private let dense: (weight: Int, bias: Int)
  private let classes: Int
  private let batchNorm: (momentum: Double, epsilon: Double)
  private let padsBeforePooling: Bool
  private let partial: Int
  private let units: [Unit]

  /// The source of batch norm's statistics.
  package enum Statistics {
    /// The batch, which also updates the running statistics.
    case updating
    /// The batch; no stored statistics change.
    case batch
    /// The running statistics.
    case running
    /// The batch, which also enters the clean statistics: their mean over this many earlier batches and this one.
    case cleaning(Int)
    /// The clean statistics.
    case clean
  }

  /// A convolution with batch norm, and a rectifier except in the final one; parameters are given by their indices.
  struct Unit {
    let weight: Int
    /// The scale and shift of batch norm; `nil` if it has none.
    let gamma, beta: Int?
    let mean, variance, cleanMean, cleanVariance: Tensor
    let size, from, to: Int
  }

  struct Layers {
    /// The input's projections to the choice blocks and, last, to the output.
    let projections: [Unit]
    /// The 1x1 and the 3x3 convolution of every choice block.
    let convolutions: [(small: Unit, large: Unit)]
    let channels: Int
  }

  /// Creates a network with freshly drawn weights.
  ///
  /// - Parameters:
  ///   - padsBeforePooling: Whether pooling between stacks pads images by one pixel, as in the original code.
  ///   - partial: The number of equal parts into which channels are divided; operations see one of them, and the others
  ///     pass by (PC-DARTS).
  ///   - isDouble: Whether numbers have double precision, for checks.
  package init(
    _ shape: SupernetShape, channels: Int, stacks stackCount: Int, cellsPerStack: Int,
    imageChannels: Int, classes: Int, batchNorm: (momentum: Double, epsilon: Double), padsBeforePooling: Bool,
    partial: Int = 1, isDouble: Bool = false, random: inout RandomGenerator
  ) throws {
    self.shape = shape
    self.batchNorm = batchNorm
    self.padsBeforePooling = padsBeforePooling
    self.partial = partial
    var maker = Maker(random: random, isDouble: isDouble)
    stem = try maker.unit("stem", from: imageChannels, to: channels, size: 3)
    var stacks: [[Layers]] = []
    var (input, wide) = (channels, channels)
    for stack in 0..<stackCount {
      if stack > 0 { wide *= 2 }
      var cells: [Layers] = []
      for cell in 0..<cellsPerStack {
        let name = "cells.\(stack * cellsPerStack + cell)"
        let inner = wide / partial
        cells.append(
          Layers(
            projections: try (1...shape.blocks + 1).map { vertex in
              vertex <= shape.blocks
                ? try maker.unit("\(name).input.\(vertex)", from: input, to: wide, size: 1)
                : try maker.unit("\(name).input.output", from: input, to: wide * shape.blocks, size: 1)
            },
            convolutions: try (1...shape.blocks).map { vertex in
              (
                try maker.unit("\(name).block.\(vertex).conv1x1", from: inner, to: inner, size: 1),
                try maker.unit("\(name).block.\(vertex).conv3x3", from: inner, to: inner, size: 3)
              )
            }, channels: wide))
        input = wide * shape.blocks
      }
      stacks.append(cells)
    }
    self.stacks = stacks
    final = try maker.unit("final", from: input, to: wide, size: 1, isAffine: false)
    let limit = 1 / Double(wide).squareRoot()
    dense = (
      try maker.uniform("dense.weight", [wide, classes], limit), try maker.uniform("dense.bias", [classes], limit)
    )
    self.classes = classes
    parameters = maker.parameters
    names = maker.names
    units = maker.units
    random = maker.random
  }

  /// The tensors that a checkpoint must hold besides the parameters.
  package var buffers: [Tensor] { units.flatMap { [$0.mean, $0.variance] } }

  /// The logits `[count, classes]` of images.
  ///
  /// - Parameters:
  ///   - gates: The gates of a cell, by its number through all stacks.
  ///   - parameters: Weights to use instead of the network's own.
  ///   - dropPath: Draws the factor of a choice block's output for every image, `[count]`; `nil` for none.
  package func logits(
    _ images: Tensor, gates: (Int) throws -> CellGates, statistics: Statistics, parameters: [Tensor]? = nil,
    dropPath: ((Int) throws -> Tensor)? = nil
  ) throws -> Tensor {
    let (training, momentum, usesClean): (Bool, Double, Bool) =
      switch statistics {
      case .updating: (true, batchNorm.momentum, false)
      case .batch: (true, 0, false)
      case .running: (false, 0, false)
      case .cleaning(let batches): (true, 1 / Double(batches + 1), true)
      case .clean: (false, 0, true)
      }
    let pass = Pass(
      parameters: parameters ?? self.parameters,
      norm: BatchNorm(
        training: training, momentum: momentum, epsilon: batchNorm.epsilon, fusesMultiplyAdds: true),
      usesClean: usesClean, images: images.shape[0], dropPath: dropPath)
    let grouped = try ImageGroups(images)
    var x = try grouped.unit(prepared(stem, on: grouped, pass), pass.norm)
    var number = 0
    for (stack, cells) in stacks.enumerated() {
      if stack > 0 {
        x = try x.halved(padding: padsBeforePooling ? 1 : 0)
        count(x)
      }
      for layers in cells {
        x = try apply(layers, to: x, try gates(number), pass)
        number += 1
      }
    }
    // NAS-Bench-1Shot1 sets the momentum of all batch norms but this one, which keeps PyTorch's 0.1.
    var norm = pass.norm
    norm.rectifies = false
    if case .updating = statistics { norm.momentum = 0.1 }
    x = try x.rectified().unit(prepared(final, on: x, pass), norm)
    work.multiplyAccumulates += Double(pass.images * final.to * classes)
    return try x.mean().linear(pass.parameters[dense.weight], bias: pass.parameters[dense.bias])
  }

  private struct Pass {
    let parameters: [Tensor]
    let norm: BatchNorm
    /// Whether batch norm's clean statistics are used or made.
    let usesClean: Bool
    let images: Int
    let dropPath: ((Int) throws -> Tensor)?
  }

  /// Counts written numbers.
  private func count(_ x: ImageGroups, times factor: Int = 1) { work.elements += Double(x.count * factor) }

  /// Counts the work of a unit on some images, and looks up its tensors.
  private func prepared(_ unit: Unit, on x: ImageGroups, _ pass: Pass) -> ConvolutionUnit {
    let elements = Double(x.images * unit.to * x.height * x.width)
    work.multiplyAccumulates += elements * Double(unit.from * unit.size * unit.size)
    work.elements += elements
    return ConvolutionUnit(
      weight: pass.parameters[unit.weight], gamma: unit.gamma.map { pass.parameters[$0] },
      beta: unit.beta.map { pass.parameters[$0] }, mean: pass.usesClean ? unit.cleanMean : unit.mean,
      variance: pass.usesClean ? unit.cleanVariance : unit.variance)
  }

  private func apply(_ units: [Unit], to x: ImageGroups, _ pass: Pass) throws -> [ImageGroups] {
    try x.units(units.map { prepared($0, on: x, pass) }, pass.norm)
  }

  private func apply(
    _ layers: Layers, to input: ImageGroups, _ gates: CellGates, _ pass: Pass
  ) throws -> ImageGroups {
    let needed = shape.needed(gates)
    // The input is projected to all vertices that need it at once.
    let receivers = (1...shape.blocks + 1).filter { vertex in
      (vertex > shape.blocks || needed[vertex - 1]) && gates.parents[vertex - 1].alternatives(vertex).contains(0)
    }
    let projected =
      receivers.isEmpty ? [] : try apply(receivers.map { layers.projections[$0 - 1] }, to: input, pass)
    let projections = Dictionary(uniqueKeysWithValues: zip(receivers, projected))
    var states: [ImageGroups?] = []
    func source(_ parent: Int, of vertex: Int) -> ImageGroups {
      guard let state = parent > 0 ? states[parent - 1] : projections[vertex] else {
        preconditionFailure("a needed choice block is left out")
      }
      return state
    }
    for block in 0..<shape.blocks {
      guard needed[block] else {
        states.append(nil)
        continue
      }
      let vertex = block + 1
      let sum: ImageGroups
      switch gates.parents[block] {
      case .weighted(let weights):
        sum = try .mixture(
          source(0, of: vertex), (1..<max(1, vertex)).map { source($0, of: vertex) }, weights: weights)
        count(sum, times: vertex)
      case .selected(let parents):
        // Nobody else sees what is projected to this vertex.
        sum = try added(parents.map { source($0, of: vertex) }, reusesFirst: parents.first == 0)
      case .sampled(let parent, let weights):
        sum = try .mixture(source(parent, of: vertex), [], weights: weights.rows(parent..<parent + 1))
        count(sum)
      }
      var state = try operate(layers, block, on: sum, gates.operations[block], pass)
      if let dropPath = pass.dropPath { state = try state.scaled(dropPath(pass.images)) }
      states.append(state)
    }

    let last = shape.blocks
    if case .weighted(let weights) = gates.parents[last] {
      let result = try ImageGroups.weightedConcatenation(
        source(0, of: last + 1), states.compactMap { $0 }, weights: weights)
      count(result, times: 2)
      return result
    }
    guard case .selected(let parents) = gates.parents[last] else {
      preconditionFailure("the output has several parents")
    }
    // The channels of choice blocks that are not selected are zero.
    let blocks = parents.filter { $0 > 0 }.map { (images: source($0, of: last + 1), start: ($0 - 1) * layers.channels) }
    guard parents.contains(0) else {
      let result = try ImageGroups.placed(blocks, channels: last * layers.channels)
      count(result)
      return result
    }
    let direct = source(0, of: last + 1)
    for block in blocks { count(block.images) }
    return blocks.isEmpty
      ? direct : try .placed([(direct, 0)] + blocks, channels: direct.channels, reusesFirst: true)
  }

  private func added(_ images: [ImageGroups], reusesFirst: Bool) throws -> ImageGroups {
    guard let first = images.first else { preconditionFailure("a vertex has an input") }
    if images.count == 1 { return first }
    count(first, times: images.count - 1)
    return try .placed(images.map { ($0, 0) }, channels: first.channels, reusesFirst: reusesFirst)
  }

  private func operate(
    _ layers: Layers, _ block: Int, on input: ImageGroups, _ gate: Gate, _ pass: Pass
  ) throws -> ImageGroups {
    let chosen: [Int]
    let weights: Tensor?
    switch gate {
    case .weighted(let all): (chosen, weights) = (Array(Cell.Operation.allCases.indices), all)
    case .selected(let operations): (chosen, weights) = (operations.sorted(), nil)
    case .sampled(let operation, let all):
      (chosen, weights) = ([operation], try all.rows(operation..<operation + 1))
    }
    var units: [ConvolutionUnit] = []
    var pools = false
    for operation in chosen {
      switch Cell.Operation.allCases[operation] {
      case .conv1x1: units.append(prepared(layers.convolutions[block].small, on: input, pass))
      case .conv3x3: units.append(prepared(layers.convolutions[block].large, on: input, pass))
      case .maxpool3x3:
        pools = true
        work.elements += Double(input.count / partial)
      }
    }
    // The weighted operations that are written, or the sums of those that are selected; then the channels that pass by.
    work.elements += Double(input.count / partial * (weights == nil ? chosen.count - 1 : chosen.count))
    if partial > 1 { count(input, times: 2) }
    return try input.operations(units, pools: pools, weights: weights, parts: partial, pass.norm)
  }

  /// A maker of layers, which draws their weights.
  private struct Maker {
    var random: RandomGenerator
    let isDouble: Bool
    var parameters: [Tensor] = []
    var names: [String] = []
    var units: [Unit] = []

    func tensor(_ values: [Double], _ shape: [Int]) throws -> Tensor {
      isDouble ? try Tensor(doubles: values, shape: shape) : try Tensor(values.map { Float($0) }, shape: shape)
    }

    func constant(_ value: Double, _ count: Int) throws -> Tensor {
      try tensor([Double](repeating: value, count: count), [count])
    }

    mutating func add(_ name: String, _ parameter: Tensor) throws -> Int {
      try parameter.requireGradient()
      parameters.append(parameter)
      names.append(name)
      return parameters.count - 1
    }

    mutating func uniform(_ name: String, _ shape: [Int], _ limit: Double) throws -> Int {
      let values = (0..<shape.reduce(1, *)).map { _ in (2 * random.uniform() - 1) * limit }
      return try add(name, tensor(values, shape))
    }

    mutating func unit(
      _ name: String, from: Int, to: Int, size: Int, isAffine: Bool = true
    ) throws -> Unit {
      let limit = 1 / Double(from * size * size).squareRoot()
      let unit = Unit(
        weight: try uniform("\(name).weight", [to, from, size, size], limit),
        gamma: isAffine ? try add("\(name).gamma", constant(1, to)) : nil,
        beta: isAffine ? try add("\(name).beta", constant(0, to)) : nil, mean: try constant(0, to),
        variance: try constant(1, to), cleanMean: try constant(0, to), cleanVariance: try constant(1, to),
        size: size, from: from, to: to)
      units.append(unit)
      return unit
    }
  }
}
