import Statistics

/// The points that a search can evaluate: parameters and, for architectures, a map from configurations to them.
///
/// Several configurations may give the same architecture (a cell after pruning, or by isomorphism); in
/// NAS-Bench-101's whole space, most configurations give none.
///
///     let space = SearchSpace.oneShot1
///     var random = RandomGenerator(seed: 0)
///     let configuration = space.sample(using: &random)
///     print(space.architecture(configuration)!)
///
/// Other parameters, such as hyperparameters, form a space too. Its configurations give no architecture:
///
///     let tuning = SearchSpace(name: "tuning", parameters: ParameterSpace([
///       Parameter("learning-rate", .real(1e-4...1, log: true))
///     ]))
public struct SearchSpace: Sendable {
  /// A short name for files and the command line: `1`, `2`, `3`, `mini`, `nas-bench-101`, or that of another
  /// space.
  public let name: String
  /// A one-line description.
  public let summary: String
  /// The parameters of a configuration.
  public let parameters: ParameterSpace
  let wiring: Wiring

  /// The way in which the parameters describe a graph.
  enum Wiring: Sendable {
    /// Every interior vertex, and the output last, has a fixed number of parents (NAS-Bench-1Shot1).
    case fixedParents(OneShotWiring)
    /// One parameter per edge of a graph of seven vertices, then one operation per interior vertex.
    case everyEdge
    /// The parameters describe no graph.
    case none
  }

  /// All spaces of architectures, by growing size.
  public static let all: [SearchSpace] = [.mini, .oneShot1, .oneShot2, .oneShot3, .nasBench101]

  /// Finds a space of architectures by its name; `nil` if there is none.
  public init?(named name: some StringProtocol) {
    guard let space = Self.all.first(where: { $0.name == name }) else { return nil }
    self = space
  }

  /// Search space 1 of NAS-Bench-1Shot1 (Zela, Siems and Hutter, ICLR 2020): four choice blocks with
  /// 1, 2, 2 and 2 parents, output with 2.
  public static let oneShot1 = SearchSpace(
    name: "1", summary: "NAS-Bench-1Shot1, search space 1", parents: [1, 2, 2, 2], outputParents: 2)

  /// Search space 2 of NAS-Bench-1Shot1: four choice blocks with 1, 1, 2 and 2 parents, output with 3.
  public static let oneShot2 = SearchSpace(
    name: "2", summary: "NAS-Bench-1Shot1, search space 2", parents: [1, 1, 2, 2], outputParents: 3)

  /// Search space 3 of NAS-Bench-1Shot1: five choice blocks with 1, 1, 1, 2 and 2 parents, output with 2.
  public static let oneShot3 = SearchSpace(
    name: "3", summary: "NAS-Bench-1Shot1, search space 3", parents: [1, 1, 1, 2, 2], outputParents: 2)

  /// A small space for quick work: search space 1 without its last choice block. Blocks have 1, 2 and 2 parents,
  /// the output has 2.
  public static let mini = SearchSpace(
    name: "mini", summary: "search space 1 with three choice blocks", parents: [1, 2, 2], outputParents: 2)

  /// The whole of NAS-Bench-101: all edges among seven vertices and all operations that make a cell.
  ///
  /// The parameters are those of `nas_cifar10a` in the authors' scripts: 21 binary edges (upper triangle,
  /// row by row), then five operations.
  public static let nasBench101 = SearchSpace(
    name: "nas-bench-101", summary: "all cells of at most 7 vertices and 9 edges",
    parameters: ParameterSpace(
      (0..<6).flatMap { from in
        (from + 1..<7).map { Parameter("edge-\(from)-\($0)", .categorical(["absent", "present"])) }
      } + (1...5).map { operationParameter($0) }),
    wiring: .everyEdge)

  private static func operationParameter(_ vertex: Int) -> Parameter {
    Parameter("operation-\(vertex)", .categorical(Cell.Operation.allCases.map(\.name)))
  }

  /// Makes a space of any parameters. All configurations are valid, and none gives an architecture.
  public init(name: String, summary: String = "", parameters: ParameterSpace) {
    self.init(name: name, summary: summary, parameters: parameters, wiring: .none)
  }

  private init(name: String, summary: String, parameters: ParameterSpace, wiring: Wiring) {
    self.name = name
    self.summary = summary
    self.parameters = parameters
    self.wiring = wiring
  }

  private init(name: String, summary: String, parents: [Int], outputParents: Int) {
    let wiring = OneShotWiring(parents: parents + [outputParents])
    self.init(
      name: name, summary: summary,
      parameters: ParameterSpace(
        (1...wiring.blocks).map { Self.operationParameter($0) }
          + wiring.choices.map { choice in
            Parameter(
              choice.vertex > wiring.blocks ? "parents-output" : "parents-\(choice.vertex)",
              .categorical(choice.combinations.map { $0.map(String.init).joined(separator: "+") }))
          }),
      wiring: .fixedParents(wiring))
  }

  /// Whether configurations give architectures.
  public var hasArchitectures: Bool { if case .none = wiring { false } else { true } }

  /// The architecture of a configuration; `nil` if its graph is no cell (only in NAS-Bench-101's whole space), or if
  /// the space has no architectures.
  public func architecture(_ configuration: Configuration) -> Architecture? {
    switch wiring {
    case .fixedParents, .everyEdge: cell(configuration).map(Architecture.cell)
    case .none: nil
    }
  }

  /// The architecture of a configuration as NAS-Bench-101's kind.
  package func cell(_ configuration: Configuration) -> Cell? {
    switch wiring {
    case .fixedParents(let wiring):
      return wiring.cell(configuration)
    case .everyEdge:
      var edges: UInt32 = 0
      var labels: UInt32 = 0
      for bit in 0..<21 { edges |= UInt32(configuration[choice: bit]) << UInt32(bit) }
      for vertex in 0..<5 { labels |= UInt32(configuration[choice: 21 + vertex]) << UInt32(2 * vertex) }
      return try? Cell(edges: edges, labels: labels, vertexCount: 7)
    case .none:
      return nil
    }
  }

  /// Whether a configuration can be evaluated: always, except where a graph of NAS-Bench-101's whole space is no cell.
  public func isValid(_ configuration: Configuration) -> Bool {
    if case .everyEdge = wiring { return cell(configuration) != nil }
    return true
  }

  /// The first suggestion that is valid; after a hundred that are not, a random configuration.
  ///
  /// Meant for methods whose models do not know which graphs are cells.
  public func firstValid(
    using random: inout RandomGenerator, _ suggest: (inout RandomGenerator) -> Configuration
  ) -> Configuration {
    for _ in 0..<100 {
      let configuration = suggest(&random)
      if isValid(configuration) { return configuration }
    }
    return sample(using: &random)
  }

  /// Draws a configuration uniformly from the valid ones.
  ///
  /// Invalid ones are drawn again, as in `random_spec` of the notebook of NAS-Bench-101's authors.
  public func sample(using random: inout RandomGenerator) -> Configuration {
    while true {
      let configuration = parameters.sample(using: &random)
      if isValid(configuration) { return configuration }
    }
  }
}

/// The wiring of a NAS-Bench-1Shot1 space: vertex `v` takes a fixed number of the vertices before it as
/// parents.
struct OneShotWiring: Sendable {
  /// A vertex that has a choice of parents, and its possible parents in lexicographic order.
  struct Choice: Sendable {
    let vertex: Int
    let combinations: [[Int]]
    /// The edges of each combination, as bits of ``Cell/edgeBit(_:_:)``.
    let edges: [UInt32]
  }

  /// The number of choice blocks, that is interior vertices.
  let blocks: Int
  let choices: [Choice]
  /// The edges of the vertices that have no choice.
  private let fixedEdges: UInt32

  /// - Parameter parents: The number of parents of vertices 1, 2, …, the output last.
  init(parents: [Int]) {
    blocks = parents.count - 1
    let all = parents.enumerated().map { index, count in
      let combinations = (0...index).combinations(ofCount: count)
      return Choice(
        vertex: index + 1, combinations: combinations,
        edges: combinations.map { parents in
          parents.reduce(0) { $0 | 1 << UInt32(Cell.edgeBit($1, index + 1)) }
        })
    }
    choices = all.filter { $0.combinations.count > 1 }
    fixedEdges = all.filter { $0.combinations.count == 1 }.reduce(0) { $0 | $1.edges[0] }
  }

  func cell(_ configuration: Configuration) -> Cell? {
    var labels: UInt32 = 0
    for block in 0..<blocks { labels |= UInt32(configuration[choice: block]) << UInt32(2 * block) }
    var edges = fixedEdges
    for (index, choice) in choices.enumerated() {
      edges |= choice.edges[configuration[choice: blocks + index]]
    }
    return try? Cell(edges: edges, labels: labels, vertexCount: blocks + 2)
  }
}

extension ClosedRange<Int> {
  /// All ascending selections of `count` elements, in lexicographic order.
  fileprivate func combinations(ofCount count: Int) -> [[Int]] {
    guard count > 0 else { return [[]] }
    return flatMap { first in
      first < upperBound
        ? ((first + 1)...upperBound).combinations(ofCount: count - 1).map { [first] + $0 }
        : count == 1 ? [[first]] : []
    }
  }
}
