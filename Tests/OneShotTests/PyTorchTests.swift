import CellNetworks
import Foundation
import OneShot
import SearchSpaces
import Statistics
import Supernet
import Tensor
import Testing

/// What `Tests/Peers/supernet.py`, an implementation in plain PyTorch, computed in double precision.
private struct Golden: Decodable {
  struct Settings: Decodable {
    let space: String
    /// `darts`, `darts-second`, `gdas` or `discrete`.
    let method: String
    let image: [Int]?
    let channels, stacks, cells, parts, padding: Int?
    let momentum, clip, shift: Double?
    /// Of a discrete path: per choice block and per row of parents.
    let operations: [Int]?
    let parents: [[Int]]?
  }

  struct Step: Decodable {
    let loss: Double
    let searchLoss, runningLoss, cleanLoss: Double?
    let gradient, exactGradient, architecture: [[Double]]?
  }

  struct Case: Decodable {
    let settings: Settings
    /// How far PyTorch itself is from these values in single precision: losses and architecture gradients, and
    /// gradients of weights.
    let deviations: [Double]
    let steps: [Step]
    /// After the first step, per parameter: of its gradient the digest (two projections) and the sum of
    /// magnitudes, then the digests of its momentum buffer and of itself.
    let parameters: [String: [Double]]
    /// Per batch norm the digests of its running mean and variance.
    let statistics: [String: [Double]]
  }

  struct Draw: Decodable {
    let operations: [Int]
    let parents: [[Int]]
    let logProbability, entropy: Double
    /// Digests and sums of magnitudes.
    let gradients: [String: [Double]]
  }

  struct Controller: Decodable {
    let draws: [Draw]
    let parameters: [String: [Double]]
  }

  let cases: [String: Case]
  let controllers: [String: Controller]

  static func read() throws -> Golden {
    let url = try #require(Bundle.module.url(forResource: "supernet-golden", withExtension: "json"))
    return try JSONDecoder().decode(Golden.self, from: Data(contentsOf: url))
  }
}

/// The inputs, by the same formulas as in the script.
private enum Formula {
  static func phase(_ name: String) -> Double { Double(name.utf8.reduce(0) { $0 + Int($1) } % 1_000) }

  static func parameter(_ name: String, _ shape: [Int]) -> [Double] {
    let wave = (0..<shape.reduce(1, *)).map { sin(0.37 * Double($0) + phase(name)) }
    if name == "dense.weight" { return wave.map { 1 / Double(shape[0]).squareRoot() * $0 } }
    if name.hasSuffix(".weight") {
      return wave.map { 1.5 / Double(shape.dropFirst().reduce(1, *)).squareRoot() * $0 }
    }
    return name.hasSuffix(".gamma") ? wave.map { 1 + 0.2 * $0 } : wave.map { 0.1 * $0 }
  }

  static func velocity(_ name: String, _ count: Int) -> [Double] {
    (0..<count).map { 0.01 * sin(0.21 * Double($0) + phase(name)) }
  }

  static func architecture(row: Int, _ count: Int) -> [Double] {
    (0..<count).map { 0.3 * sin(1.1 * Double($0) + 2.3 * Double(row) + 0.5) }
  }

  static func images(_ count: Int, shift: Double) -> [Double] {
    (0..<count).map { index in
      let wrapped = Double(index % 1_009)
      return sin(0.731 * Double(index) + 0.0037 * (wrapped * wrapped) + shift)
    }
  }

  /// Numbers in 0...1, one after another.
  struct Uniforms {
    private var k = 0.0
    mutating func next() -> Double {
      k += 1
      return min(max((0.6180339887 * k).truncatingRemainder(dividingBy: 1), 1e-9), 1 - 1e-9)
    }
  }

  /// Two projections of all numbers.
  static func digest(_ tensor: Tensor) throws -> [Double] {
    let values = try tensor.doubles()
    return [
      values.reduce(0, +), values.enumerated().reduce(0) { $0 + $1.element * cos(0.1 * Double($1.offset)) },
    ]
  }
}

/// A recorded case on this package's supernet.
private struct Replay {
  let golden: Golden.Case
  let isDouble: Bool
  let shape: SupernetShape
  let network: SupernetNetwork
  let rows: [Tensor]
  let training, search: (images: Tensor, labels: Tensor)
  let descent: GradientDescent
  let adam: Adam

  init(_ golden: Golden.Case, isDouble: Bool) throws {
    try Torch.start()
    self.golden = golden
    self.isDouble = isDouble
    let settings = golden.settings
    shape = try #require(SearchSpace(named: settings.space).flatMap { SupernetShape($0) })
    func tensor(_ values: [Double], _ shape: [Int]) throws -> Tensor {
      let rounded = values.map { Float($0) }
      return isDouble
        ? try Tensor(doubles: rounded.map { Double($0) }, shape: shape) : try Tensor(rounded, shape: shape)
    }
    let image = settings.image ?? [1, 10, 10]
    var random = RandomGenerator(seed: 0)
    network = try SupernetNetwork(
      shape, channels: settings.channels ?? 4, stacks: settings.stacks ?? 3,
      cellsPerStack: settings.cells ?? 1,
      imageChannels: image[0], classes: 10, batchNorm: (settings.momentum ?? 0.1, 1e-5),
      padsBeforePooling: settings.padding == 1, partial: settings.parts ?? 1, isDouble: isDouble,
      random: &random)
    descent = try GradientDescent(network.parameters, rule: .sgd, momentum: 0.9, weightDecay: 3e-4)
    for (index, name) in network.names.enumerated() {
      let parameter = network.parameters[index]
      try parameter.assign(tensor(Formula.parameter(name, parameter.shape), parameter.shape))
      try descent.velocities[index].assign(tensor(Formula.velocity(name, parameter.count), parameter.shape))
    }
    rows = try shape.architecture.rows.enumerated().map { number, row in
      let weights = try tensor(Formula.architecture(row: number, row.count), [row.count])
      try weights.requireGradient()
      return weights
    }
    adam = try Adam(rows, betas: (0.5, 0.999), weightDecay: 1e-3)
    func batch(shift: Double, label: Int64) throws -> (Tensor, Tensor) {
      let shape = [6] + image
      return (
        try tensor(Formula.images(shape.reduce(1, *), shift: shift), shape),
        try Tensor(labels: (0..<6).map { (3 * $0 + label) % 10 })
      )
    }
    training = try batch(shift: settings.shift ?? 0, label: 1)
    search = try batch(shift: (settings.shift ?? 0) + 1.9, label: 2)
  }

  /// Rounding alone may differ: in single precision by 1e-5, or four times as much as PyTorch's own does.
  private func tolerance(_ deviation: Int) -> Double {
    isDouble ? 1e-7 : max(1e-5, 4 * golden.deviations[deviation])
  }

  private func expect(_ ours: [Double], _ theirs: [Double], within allowed: Double, _ what: String) {
    #expect(ours.count == theirs.count, "\(what)")
    for (a, b) in zip(ours, theirs) { #expect(abs(a - b) <= allowed, "\(what): \(a) and \(b)") }
  }

  private func expectLoss(_ ours: Tensor, _ theirs: Double?, _ what: String) throws {
    guard let theirs else { return }
    expect([try ours.value()], [theirs], within: tolerance(0) * theirs, what)
  }

  /// Relative to the greatest number of all rows.
  private func expectRows(_ ours: [Tensor], _ theirs: [[Double]]?, _ what: String) throws {
    let expected = try #require(theirs).flatMap { $0 }
    let scale = expected.map(abs).max() ?? 0
    expect(try ours.flatMap { try $0.doubles() }, expected, within: tolerance(0) * scale, what)
  }

  func check() throws {
    let settings = golden.settings
    var uniforms = Formula.Uniforms()
    let fixed: CellGates? =
      if let operations = settings.operations, let parents = settings.parents {
        shape.gates(of: try shape.configuration(operations: operations, parents: parents))
      } else { nil }
    func gates(_ cell: Int) throws -> CellGates {
      if let fixed { return fixed }
      guard settings.method == "gdas" else {
        return shape.gates(try rows.map { .weighted(try $0.softmax()) })
      }
      return try gumbelGates(rows, shape: shape, temperature: 2.5) { -log(-log(uniforms.next())) }
    }
    for (number, step) in golden.steps.enumerated() {
      if settings.method != "discrete" {
        let gradients = try architectureGradients(step, gates)
        try expectRows(gradients, step.gradient, "architecture gradient \(number)")
        for (row, gradient) in zip(rows, gradients) { try row.setGradient(gradient) }
        if settings.method == "gdas" { try Tensor.clipGradients(of: rows, to: settings.clip ?? 5) }
        try adam.step(learningRate: 3e-4)
        try expectRows(rows, step.architecture, "architecture \(number)")
      }
      if number == 0 { try checkGradients(gates) }
      let (loss, _) = try network.step(
        descent, learningRate: 0.025, gradientClip: settings.clip ?? 5, images: training.images,
        labels: training.labels, gates: { cell in try Torch.withoutGradients { try gates(cell) } })
      try expectLoss(loss, step.loss, "loss \(number)")
      guard number == 0 else { continue }
      try checkWeights()
      try Torch.withoutGradients {
        func loss(_ statistics: SupernetNetwork.Statistics, _ part: (images: Tensor, labels: Tensor)) throws
          -> Tensor
        {
          try network.logits(part.images, gates: gates, statistics: statistics).crossEntropy(part.labels)
        }
        if step.runningLoss != nil {
          try expectLoss(loss(.running, search), step.runningLoss, "running loss")
        }
        if step.cleanLoss != nil {
          _ = try loss(.cleaning(0), training)
          _ = try loss(.cleaning(1), search)
          try expectLoss(loss(.clean, search), step.cleanLoss, "loss with clean statistics")
        }
      }
    }
  }

  private func architectureGradients(
    _ step: Golden.Step, _ gates: (Int) throws -> CellGates
  ) throws -> [Tensor] {
    guard golden.settings.method == "darts-second" else {
      let loss = try network.architectureGradient(
        rows, images: search.images, labels: search.labels, gates: gates)
      try expectLoss(loss, step.searchLoss, "search loss")
      return try rows.map { try $0.gradient() }
    }
    func gradients(exact: Bool) throws -> [Tensor] {
      try UnrolledDescent(
        network: network, velocities: descent.velocities, momentum: 0.9, weightDecay: 3e-4,
        learningRate: 0.025
      ).gradients(rows, training: training, search: search, exact: exact, gates: gates)
    }
    try expectRows(gradients(exact: true), step.exactGradient, "exact architecture gradient")
    return try gradients(exact: false)
  }

  /// Of the weights, before anything is changed. Not for drawn gates, which draw anew.
  private func checkGradients(_ gates: (Int) throws -> CellGates) throws {
    guard golden.settings.method != "gdas" else { return }
    let gradients = try network.logits(training.images, gates: gates, statistics: .batch)
      .crossEntropy(training.labels).gradients(of: network.parameters)
    for (name, gradient) in zip(network.names, gradients) {
      let expected = try #require(golden.parameters[name])
      expect(
        try Formula.digest(gradient), Array(expected[..<2]), within: tolerance(1) * expected[2],
        "gradient of \(name)")
    }
  }

  private func checkWeights() throws {
    #expect(Set(network.names) == Set(golden.parameters.keys))
    for (index, name) in network.names.enumerated() {
      let expected = try #require(golden.parameters[name])
      for (what, tensor, theirs) in [
        ("momentum buffer", descent.velocities[index], expected[3...4]),
        ("parameter", network.parameters[index], expected[5...6]),
      ] {
        let size = try tensor.doubles().reduce(0) { $0 + abs($1) }
        expect(
          try Formula.digest(tensor), Array(theirs), within: tolerance(1) * size + 1e-12, "\(what) \(name)")
      }
    }
    let norms = network.names.filter { $0.hasSuffix(".weight") && $0 != "dense.weight" }.map {
      $0.dropLast(7)
    }
    #expect(norms.count == golden.statistics.count)
    for (index, name) in norms.enumerated() {
      let expected = try #require(golden.statistics[String(name)])
      for part in 0..<2 {
        let tensor = network.buffers[2 * index + part]
        let size = try tensor.doubles().reduce(0) { $0 + abs($1) }
        expect(
          try Formula.digest(tensor), Array(expected[2 * part..<2 * part + 2]),
          within: tolerance(1) * size + 1e-12, "statistics of \(name)")
      }
    }
  }
}

extension SupernetShape {
  fileprivate func configuration(operations: [Int], parents: [[Int]]) throws -> Configuration {
    let chosen = operations.map { [$0] } + parents
    return Configuration(
      values: try zip(architecture.rows, chosen).map { row, selection in
        Double(try #require(row.selections.firstIndex(of: selection)))
      })
  }
}

@Suite("Numbers of PyTorch") struct PyTorchTests {
  static let names: [String] = ((try? Golden.read())?.cases.keys.sorted()) ?? []

  @Test("all cases are there") func cases() { #expect(Self.names.count == 14) }

  @Test(
    "losses, gradients and updates are PyTorch's to seven digits in double precision", arguments: names)
  func double(name: String) throws {
    try Replay(try #require(Golden.read().cases[name]), isDouble: true).check()
  }

  @Test("and to five digits in single precision, with the package's own kernels", arguments: names)
  func single(name: String) throws {
    try Replay(try #require(Golden.read().cases[name]), isDouble: false).check()
  }

  @Test("ENAS's controller draws, scores and learns as PyTorch's", arguments: ["1", "2", "3", "mini"])
  func controller(space: String) throws {
    try Torch.start()
    let golden = try #require(Golden.read().controllers[space])
    let shape = try #require(SearchSpace(named: space).flatMap { SupernetShape($0) })
    var random = RandomGenerator(seed: 0)
    let controller = try Controller(shape, hidden: 12, random: &random)
    let names = [
      "embeddings", "lstm.input", "lstm.hidden", "lstm.input.bias", "lstm.hidden.bias", "operations",
      "attention.vertex", "attention.state", "attention",
    ]
    #expect(names.count == controller.parameters.count)
    for (name, parameter) in zip(names, controller.parameters) {
      let values = (0..<parameter.count).map { Float(0.5 * sin(0.37 * Double($0) + Formula.phase(name))) }
      try parameter.assign(try Tensor(values, shape: parameter.shape))
    }
    let adam = try Adam(controller.parameters, betas: (0.1, 0.999), epsilon: 1e-3)
    var uniforms = Formula.Uniforms()
    for (number, expected) in golden.draws.enumerated() {
      let drawn = try controller.sample { weights in
        let wanted = uniforms.next() * weights.reduce(0, +)
        var below = 0.0
        return weights.firstIndex { weight in
          below += weight
          return below > wanted
        } ?? weights.count - 1
      }
      let configuration = try shape.configuration(operations: expected.operations, parents: expected.parents)
      #expect(drawn.configuration == configuration)
      #expect(abs(try drawn.logProbability.value() - expected.logProbability) < 1e-5)
      #expect(abs(drawn.entropy - expected.entropy) < 1e-5)
      try (drawn.logProbability * (0.75 - 0.5 * Double(number))).backward(to: controller.parameters)
      for (name, parameter) in zip(names, controller.parameters) {
        let theirs = try #require(expected.gradients[name])
        for (a, b) in zip(try Formula.digest(parameter.gradient()), theirs) {
          #expect(abs(a - b) <= 1e-5 * theirs[2], "draw \(number), gradient of \(name): \(a) and \(b)")
        }
      }
      try adam.step(learningRate: 0.01)
    }
    for (name, parameter) in zip(names, controller.parameters) {
      let theirs = try #require(golden.parameters[name])
      for (a, b) in zip(try Formula.digest(parameter), theirs) {
        #expect(abs(a - b) <= 1e-6 * theirs[2], "\(name)")
      }
    }
  }
}
