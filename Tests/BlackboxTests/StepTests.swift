@_spi(Instruments) import Anytime
import Blackbox
import Foundation
import OptimizerConformance
import SearchSpaces
import Statistics
import TabularBenchmark
import Testing

/// A landscape made for a test, which logs what is asked. Every evaluation costs one.
private final class Landscape: Objective {
  struct Entry: Equatable {
    let point: Configuration
    let epochs: Int
  }

  let space: SearchSpace
  let fidelities: [Int]
  private(set) var log: [Entry] = []
  private let height: (Landscape, Entry) -> Double

  /// - Parameter height: How good a point is, given what was asked before.
  init(
    _ domains: [Parameter.Domain], fidelities: [Int] = [1],
    height: @escaping (_ landscape: Landscape, _ entry: Entry) -> Double
  ) {
    space = SearchSpace(
      name: "landscape",
      parameters: ParameterSpace(domains.enumerated().map { Parameter("x\($0)", $1) }))
    self.fidelities = fidelities
    self.height = height
  }

  func evaluate(_ point: Configuration, epochs: Int, in session: Session) throws -> Evaluation {
    let entry = Entry(point: point, epochs: epochs)
    let height = height(self, entry)
    let cost = Spending(seconds: 1, epochs: Double(epochs), evaluations: 1)
    try session.work(.training, cost: { _ in cost }) {}
    log.append(entry)
    return Evaluation(epochs: epochs, validationAccuracy: height)
  }

  /// Lets a method ask so often.
  ///
  /// - Returns: The generator that the method began with.
  @discardableResult
  func explore(_ method: some Optimizer, _ count: Int, seed: UInt64 = 0) throws -> RandomGenerator {
    let session = Session(
      benchmark: try AnyParameterTests.benchmark.get(), policy: .fair, horizon: 1e9, seed: seed)
    let first = First(method)
    try session.run(first, on: self, limit: Double(count), name: "method")
    return first.seen.random ?? RandomGenerator(seed: 0)
  }

  /// The values of a log's points.
  var points: [[Double]] { log.map(\.point.values) }

  /// Sees the generator that a method begins with.
  private struct First: Optimizer {
    static let method = Method(name: "first", title: "", summary: "", citation: "")
    final class Seen: @unchecked Sendable { var random: RandomGenerator? }
    private var inner: (any Optimizer)?
    let seen = Seen()

    init() {}
    init(_ inner: some Optimizer) { self.inner = inner }
    func search(_ session: Session) throws {
      seen.random = session.random
      try inner?.search(session)
    }
  }
}

/// The number of coordinates in which two points differ.
private func distance(_ one: [Double], _ other: [Double]) -> Int { zip(one, other).count { $0 != $1 } }

@Suite("A step of random search") struct RandomSearchStepTests {
  @Test("is a uniform draw, whatever was seen") func draws() throws {
    let landscape = Landscape([.integer(0...99), .real(0...1)]) { _, entry in entry.point.values[0] }
    var random = try landscape.explore(RandomSearch(), 50)
    #expect(landscape.log.map(\.point) == (0..<50).map { _ in landscape.space.sample(using: &random) })
  }
}

@Suite("A step of regularized evolution") struct EvolutionStepTests {
  private let many = [Parameter.Domain](repeating: .integer(0...999), count: 12)

  @Test("replaces the oldest member, however good it is") func deaths() throws {
    for seed in UInt64(0)..<60 {
      // The last of the first three outshines all.
      let landscape = Landscape(many) { landscape, _ in landscape.log.count == 2 ? 1 : 0 }
      try landscape.explore(
        RegularizedEvolution { ($0.population, $0.sample, $0.mutation) = (3, 3, .oneParameter) }, 12, seed: seed)
      for index in 3..<12 {
        // The parent is one of the three before.
        let alive = landscape.points[index - 3..<index]
        #expect(alive.contains { distance($0, landscape.points[index]) == 1 }, "child \(index) of run \(seed)")
      }
    }
  }

  @Test("mutates the best of a sample that is drawn with replacement") func parents() throws {
    var children = 0
    let runs = 400
    for seed in 0..<runs {
      let landscape = Landscape(many) { landscape, _ in landscape.log.count == 2 ? 1 : 0 }
      try landscape.explore(RegularizedEvolution { ($0.population, $0.sample) = (3, 2) }, 4, seed: UInt64(seed))
      if distance(landscape.points[2], landscape.points[3]) == 1 { children += 1 }
    }
    // With probability 1 - (2/3)^2 the best is among the two.
    let expected = 5.0 / 9 * Double(runs)
    #expect(abs(Double(children) - expected) < 4 * (expected * 4 / 9).squareRoot())
  }

  @Test("changes one parameter by every rule where there is no cell", arguments: MutationRule.allCases)
  func rules(rule: MutationRule) throws {
    let domains: [Parameter.Domain] = [
      .real(0...1), .integer(1...9), .categorical(["a", "b"]), .ordinal(["c", "d", "e"]),
    ]
    let space = SearchSpace(name: "mixed", parameters: ParameterSpace(domains.map { Parameter("x\($0)", $0) }))
    var random = RandomGenerator(seed: 1)
    var hits = [Int](repeating: 0, count: domains.count)
    for _ in 0..<400 {
      let parent = space.sample(using: &random)
      let child = space.mutate(parent, rule: rule, using: &random)
      let changed = child.values.indices.filter { child.values[$0] != parent.values[$0] }
      #expect(changed.count == 1 && space.parameters.problem(with: child) == nil && space.isValid(child))
      for index in changed { hits[index] += 1 }
    }
    #expect(hits.allSatisfy { (60...140).contains($0) })  // 100 each; deviation 8.7
    #expect(space.architectures().isEmpty && space.architecture(space.sample(using: &random)) == nil)
  }

  @Test("changes nothing about a parameter with one value") func constant() {
    let space = ParameterSpace([
      Parameter("a", .real(2...2)), Parameter("b", .integer(3...3)), Parameter("c", .real(0.1...0.1, log: true)),
    ])
    var random = RandomGenerator(seed: 1)
    let point = space.sample(using: &random)
    for index in 0..<3 { #expect(space.resampledValue(of: index, in: point, using: &random) == point.values[index]) }
  }
}

@Suite("A step of local search") struct LocalSearchStepTests {
  private static func height(_ point: Configuration) -> Double {
    // Two hills, one higher, on a grid of 5 x 4 x 3.
    let x = point.values
    return max(3 - abs(x[0] - 1) - abs(x[1] - 1), 2 - abs(x[0] - 4) - abs(x[1] - 3)) - 0.1 * x[2]
  }

  private static func neighbours(_ point: [Double]) -> Set<[Double]> {
    var all: Set<[Double]> = []
    for (index, count) in [5, 4, 3].enumerated() {
      for value in 0..<count where Double(value) != point[index] {
        var neighbour = point
        neighbour[index] = Double(value)
        all.insert(neighbour)
      }
    }
    return all
  }

  private func explored(_ move: LocalSearch.Move) throws -> [[Double]] {
    let landscape = Landscape([
      .integer(0...4), .ordinal(["a", "b", "c", "d"]), .categorical(["a", "b", "c"]),
    ]) { _, entry in Self.height(entry.point) }
    try landscape.explore(LocalSearch { $0.move = move }, 400, seed: 2)
    return landscape.points
  }

  private func height(_ point: [Double]) -> Double { Self.height(Configuration(values: point)) }

  @Test("trains all neighbours, moves to the best, and starts anew where none is better") func best() throws {
    let asked = try explored(.best)
    var (current, index, starts, moves) = (asked[0], 1, 1, 0)
    while index + 9 < asked.count {
      let around = Array(asked[index..<index + 9])
      #expect(Set(around) == Self.neighbours(current) && around.count == 9)
      index += 9
      let best = try #require(around.max { height($0) < height($1) })
      if height(best) > height(current) {
        current = best
        moves += 1
      } else {
        (current, index, starts) = (asked[index], index + 1, starts + 1)
      }
    }
    #expect(starts > 5 && moves > 5)
  }

  @Test("with 'first' moves on to the first neighbour that is better") func first() throws {
    let asked = try explored(.first)
    var (current, index, starts, moves) = (asked[0], 1, 1, 0)
    while index + 9 < asked.count {
      let around = asked[index..<index + 9]
      if let better = around.firstIndex(where: { height($0) > height(current) }) {
        #expect(Self.neighbours(current).isSuperset(of: asked[index...better]))
        (current, index, moves) = (asked[better], better + 1, moves + 1)
      } else {
        #expect(Set(around) == Self.neighbours(current))
        (current, index, starts) = (asked[index + 9], index + 10, starts + 1)
      }
    }
    #expect(starts > 5 && moves > 5)
  }

  @Test("has 'steps' neighbours along a parameter with more values, or real ones") func steps() throws {
    let landscape = Landscape([.real(0...1), .integer(1...100, log: true)]) { landscape, _ in
      -Double(landscape.log.count)
    }
    try landscape.explore(LocalSearch { $0.steps = 4 }, 18)
    for start in [0, 9] {
      let around = landscape.points[start + 1..<start + 9]
      #expect(around.count { $0[0] != landscape.points[start][0] } == 4)
      #expect(around.count { $0[1] != landscape.points[start][1] } == 4)
      #expect(around.allSatisfy { distance($0, landscape.points[start]) == 1 })
    }
  }
}

@Suite("A round of Hyperband") struct HyperbandStepTests {
  @Test(
    "trains its brackets' configurations, and promotes the best of each rung",
    arguments: [(Brackets.Rounding.paper, [[9, 3, 1], [5, 1], [3]]), (.hpbandster, [[9, 3, 1], [3, 1], [3]])])
  func promotions(rounding: Brackets.Rounding, brackets: [[Int]]) throws {
    // Every fidelity has its own order.
    func height(_ entry: Landscape.Entry) -> Double { sin(100 * entry.point.values[0] * Double(entry.epochs)) }
    let landscape = Landscape([.real(0...1)], fidelities: [1, 5, 20]) { _, entry in height(entry) }
    let round = brackets.joined().reduce(0, +)
    try landscape.explore(Hyperband { $0.brackets.rounding = rounding }, 2 * round)
    var rest = landscape.log[...]
    for bracket in brackets + brackets {
      var survivors: [Landscape.Entry]?
      for (level, count) in bracket.enumerated() {
        let epochs = [1, 5, 20][3 - bracket.count + level]
        let rung = Array(rest.prefix(count))
        rest = rest.dropFirst(count)
        #expect(rung.count == count && rung.allSatisfy { $0.epochs == epochs })
        if let survivors { #expect(rung.map(\.point) == survivors.prefix(count).map(\.point)) }
        survivors = rung.sorted { height($0) > height($1) }
      }
    }
    #expect(Set(landscape.log.filter { $0.epochs == 1 }.map(\.point)).count == landscape.log.count { $0.epochs == 1 })
  }
}

@Suite("A step of DEHB") struct DEHBStepTests {
  private let cube = [Parameter.Domain](repeating: .real(0...1), count: 6)
  private let fidelities = [1, 3, 9]
  /// Evaluations of the first round: 9, 3, 1; 3, 1; 3.
  private let round = 20

  private func explored(_ count: Int, _ change: (inout DEHB) -> Void = { _ in }) throws -> Landscape {
    let landscape = Landscape(cube, fidelities: fidelities) { _, entry in -entry.point.values.reduce(0, +) }
    try landscape.explore(DEHB(change), count, seed: 4)
    return landscape
  }

  private func sorted(_ points: some Sequence<[Double]>) -> [[Double]] {
    points.sorted { $0.reduce(0, +) < $1.reduce(0, +) }
  }

  @Test("in the first round promotes the best of the epoch count below") func promotions() throws {
    let landscape = try explored(round)
    #expect(landscape.log.map(\.epochs) == [1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 3, 9, 3, 3, 3, 9, 9, 9, 9])
    let points = landscape.points
    #expect(Array(points[9..<12]) == Array(sorted(points[0..<9]).prefix(3)))
    #expect(points[12] == sorted(points[9..<12])[0])
    // The second bracket promotes what the epoch count above lacks.
    #expect(sorted(points[9..<12] + points[13..<16]).first { $0 != points[12] } == points[16])
  }

  @Test("crosses a target with a mutant: in one coordinate at least, and a target gives way to what is no worse")
  func crossover() throws {
    let landscape = try explored(6 * round) { $0.crossover = 0 }
    // The population of the lowest epoch count: nine targets, one after another.
    let asked = landscape.log.filter { $0.epochs == 1 }.map(\.point.values)
    var members = Array(asked.prefix(9))
    for (index, child) in asked.enumerated().dropFirst(9) {
      #expect(distance(child, members[index % 9]) == 1)
      if child.reduce(0, +) <= members[index % 9].reduce(0, +) { members[index % 9] = child }
    }
    #expect(asked.count >= 45)
  }

  @Test("mutates members among the best of the epoch count below") func mutation() throws {
    // Without a difference, and with all coordinates crossed, a mutant is one of those.
    let landscape = try explored(2 * round) { ($0.mutationFactor, $0.crossover) = (0, 1) }
    let points = landscape.points
    let second = Array(points[round...])
    #expect(second.prefix(9).allSatisfy { points[0..<9].contains($0) })
    var members = Array(points[0..<9])
    for (index, child) in second.prefix(9).enumerated() where child.reduce(0, +) <= members[index].reduce(0, +) {
      members[index] = child
    }
    #expect(second[9..<12].allSatisfy { sorted(members).prefix(3).contains($0) })
  }

  @Test("stays in the cube: what leaves it is drawn anew") func cubeSides() throws {
    let landscape = try explored(200) { ($0.mutationFactor, $0.crossover) = (2, 1) }
    let coordinates = landscape.points.joined()
    #expect(coordinates.allSatisfy { (0...1).contains($0) })
    #expect(coordinates.allSatisfy { $0 != 0 && $0 != 1 })
  }
}

@Suite("A step of REINFORCE") struct ReinforceStepTests {
  @Test("follows the gradient against a moving average that is corrected for its start") func formula() throws {
    let rewards = [[0.1, 0.9, 0.4], [0.5, 0.2]]
    let landscape = Landscape([.categorical(["a", "b", "c"]), .ordinal(["d", "e"])]) { _, entry in
      rewards[0][entry.point[choice: 0]] + rewards[1][entry.point[choice: 1]]
    }
    let (rate, momentum) = (0.7, 0.8)
    var random = try landscape.explore(Reinforce { ($0.learningRate, $0.momentum) = (rate, momentum) }, 120)

    var logits = [[0.0, 0, 0], [0.0, 0]]
    var averages: [Double] = []
    for entry in landscape.log {
      let probabilities = logits.map { row in row.map { exp($0) / row.reduce(0) { $0 + exp($1) } } }
      let choices = probabilities.map { random.index(weights: $0) }
      #expect(entry.point.values == choices.map(Double.init))
      let reward = rewards[0][choices[0]] + rewards[1][choices[1]]
      averages.append(reward)
      // The baseline: weights 1, 0.8, 0.64, … from the newest reward on.
      let weights = averages.indices.map { pow(momentum, Double(averages.count - 1 - $0)) }
      let baseline = zip(weights, averages).reduce(0) { $0 + $1.0 * $1.1 } / weights.reduce(0, +)
      for (row, choice) in choices.enumerated() {
        for column in logits[row].indices {
          logits[row][column] +=
            rate * (reward - baseline) * ((column == choice ? 1 : 0) - probabilities[row][column])
        }
      }
    }
    #expect(logits[0][1] > logits[0][0] + 1, "it has learnt something")
  }

  @Test("cuts numbers into bins, and draws within them") func bins() throws {
    let landscape = Landscape([.real(1e-4...1, log: true), .integer(1...100)]) { _, _ in 0 }
    try landscape.explore(Reinforce { $0.bins = 4 }, 800)
    for index in 0..<2 {
      let parameter = landscape.space.parameters.parameters[index]
      let quarters = landscape.points.map { Int(4 * parameter.unit($0[index])) }
      for quarter in 0..<4 { #expect((140...260).contains(quarters.count { $0 == quarter })) }  // five deviations
      #expect(Set(landscape.points.map { $0[index] }).count > 60)
    }
  }
}

@Suite("A step of TPE") struct TPEStepTests {
  @Test("takes the best ceil(gamma sqrt(n)) trainings for good ones", arguments: [(16, 1), (64, 2), (65, 3), (100, 3)])
  func split(trainings: Int, good: Int) {
    // Every training has a choice of its own, the later the worse.
    let space = ParameterSpace([Parameter("x", .categorical((0..<trainings).map(String.init)))])
    var model = TPEModel(space, TPE { ($0.priorWeight, $0.forgetting) = (0.001, 1_000) })
    for training in 0..<trainings { model.add(Configuration(values: [Double(training)]), loss: Double(training)) }
    var random = RandomGenerator(seed: 1)
    let suggested = Set((0..<200).map { _ in model.suggest(using: &random).values[0] })
    #expect(suggested == Set((0..<good).map(Double.init)))
  }

  @Test("begins with random trainings, and models from then on") func startup() throws {
    let landscape = Landscape([.integer(0...999), .integer(0...999)]) { _, entry in -abs(entry.point.values[0] - 500) }
    var random = try landscape.explore(TPE { $0.startup = 12 }, 40)
    #expect(landscape.log.prefix(12).map(\.point) == (0..<12).map { _ in landscape.space.sample(using: &random) })
    var model = TPEModel(landscape.space.parameters, TPE { $0.startup = 12 })
    for (index, entry) in landscape.log.enumerated() {
      if index >= 12 { #expect(entry.point == model.suggest(using: &random)) }
      model.add(entry.point, loss: 1 + abs(entry.point.values[0] - 500))
    }
  }
}

@Suite("A step of BOHB") struct BOHBStepTests {
  @Test("asks the model of the highest epoch count that has enough trainings") func model() throws {
    // At the lowest epoch count the left is good, at the highest the right.
    let landscape = Landscape([.real(0...1)], fidelities: [1, 9]) { _, entry in
      entry.epochs == 1 ? -entry.point.values[0] : entry.point.values[0]
    }
    try landscape.explore(BOHB { ($0.randomFraction, $0.bandwidthFactor) = (0, 1) }, 200)
    let fresh = landscape.log.enumerated().filter { index, entry in
      entry.epochs == 1
        || index > 0 && !landscape.log[..<index].contains { $0.point == entry.point && $0.epochs == 1 }
    }
    // From the fourth training at the lowest on, until the highest has four, its model rules.
    let turn = try #require(
      landscape.log.indices.filter { landscape.log[$0].epochs == 9 }.dropFirst(3).first)
    let late = fresh.filter { $0.offset > turn + 20 }.map { $0.element.point.values[0] }
    #expect(try #require(late.median) > 0.8)
  }

  @Test("draws at random as often as it is told", arguments: [0, 0.5, 1.0]) func fraction(part: Double) {
    let space = ParameterSpace([Parameter("x", .real(0...1))])
    var model = BOHBModel(space, BOHB { $0.randomFraction = part })
    var random = RandomGenerator(seed: 1)
    #expect(model.suggest(using: &random) == nil, "there is nothing to model yet")
    for number in 0..<20 { model.add(Configuration(values: [Double(number) / 20]), fidelity: 0, loss: Double(number)) }
    let modelled = (0..<1_000).count { _ in model.suggest(using: &random) != nil }
    #expect(abs(Double(modelled) - 1_000 * (1 - part)) < 80)
  }
}

@Suite("A step of SMAC") struct SMACStepTests {
  /// The number of each point in the order of their first trainings.
  private func order(_ log: [Landscape.Entry]) -> [Int] {
    var seen: [Configuration] = []
    return log.map { entry in
      if let index = seen.firstIndex(of: entry.point) { return index }
      seen.append(entry.point)
      return seen.count - 1
    }
  }

  /// - Parameter sign: 1 if every new point is better than all before it, -1 if it is worse.
  private func explored(_ count: Int, sign: Double, _ change: (inout SMAC) -> Void = { _ in }) throws -> [Int] {
    let landscape = Landscape([.real(0...1)]) { landscape, entry in
      let before = landscape.log.map(\.point)
      return sign * Double(before.firstIndex(of: entry.point).map { Set(before[..<$0]).count } ?? Set(before).count)
    }
    try landscape.explore(SMAC(change), count)
    return order(landscape.log)
  }

  @Test("gives the incumbent one more training, and drops a challenger at its first defeat") func defeats() throws {
    #expect(try explored(10, sign: -1) == [0, 0, 1, 0, 2, 0, 3, 4, 5, 6])
    #expect(try explored(6, sign: -1) { $0.maxRuns = 1 } == [0, 1, 2, 3, 4, 5])
  }

  @Test("trains a winner until it has as many trainings as the incumbent, and puts it there") func victories() throws {
    #expect(try explored(17, sign: 1) == [0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4])
  }

  @Test("interleaves random points with those of the model") func interleaving() throws {
    func near(_ part: Double) throws -> Int {
      let landscape = Landscape([.real(0...1), .real(0...1)]) { _, entry in
        -pow(entry.point.values[0] - 0.3, 2) - pow(entry.point.values[1] - 0.6, 2)
      }
      var random = try landscape.explore(SMAC { ($0.randomFraction, $0.maxRuns) = (part, 1) }, 60)
      if part == 1 {
        var expected = [landscape.space.sample(using: &random)]
        while expected.count < 60 {
          _ = random.chance(1)
          expected.append(landscape.space.sample(using: &random))
        }
        #expect(landscape.log.map(\.point) == expected)
      }
      return landscape.points.dropFirst(20).count { abs($0[0] - 0.3) < 0.1 && abs($0[1] - 0.6) < 0.1 }
    }
    let counts = try [0, 0.5, 1].map { try near($0) }
    #expect(counts[0] > counts[1] && counts[1] > counts[2], "\(counts)")
  }
}
