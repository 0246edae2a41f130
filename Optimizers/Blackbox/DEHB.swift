import Anytime
import SearchSpaces
import Statistics

/// DEHB: Hyperband's brackets over one population per epoch count, evolved by differential evolution.
///
/// Awad, Mallik and Hutter, "DEHB: Evolutionary Hyperband for Scalable, Robust and Efficient Hyperparameter
/// Optimization", IJCAI 2021, with the defaults of the authors' code (`dehb.py`): rand/1 mutation with
/// factor 0.5, binomial crossover with probability 0.5, coordinates outside 0...1 drawn anew, brackets rounded
/// as in HpBandSter. Only the first round of brackets promotes; later rungs mutate the best of the rung below.
///
/// Configurations are points of the unit cube: a categorical parameter's side is cut into equal parts.
///
/// Differences: a random choice begins in the middle of its part of the side; the original puts it on the lower
/// edge, so that half of the mutants fall into the part below (`encoding: edge` does the same). A point without an
/// architecture (only in NAS-Bench-101's whole space) is replaced by a random one.
public struct DEHB: Optimizer {
  public static let method = Method(
    name: "dehb", title: "DEHB",
    summary: "Hyperband's brackets over populations evolved by differential evolution.",
    citation: "Awad, Mallik and Hutter, IJCAI 2021",
    usesFidelities: true,
    settings: Brackets.settings(at: \DEHB.brackets) + [
      Setting("mutation-factor", \DEHB.mutationFactor, 0...2, "length of the difference that is added"),
      Setting("crossover", \DEHB.crossover, 0...1, "probability of a mutant's coordinate"),
      Setting("encoding", \DEHB.encoding, "where a choice lies in its part of a side; the original has the lower edge"),
    ])

  /// Where a random choice lies in its part of a side of the unit cube: in the middle, or at the lower edge as in the
  /// original.
  public enum Encoding: String, CaseIterable, Sendable { case middle, edge }

  /// The schedule; by default rounded as in HpBandSter.
  public var brackets = Brackets { $0.rounding = .hpbandster }
  /// The factor of the difference that is added to a point, 0...2.
  public var mutationFactor = 0.5
  /// The probability that a coordinate is the mutant's, 0...1.
  public var crossover = 0.5
  /// Where a random choice lies in its part of a side.
  public var encoding = Encoding.middle

  public init() {}

  private struct Population {
    private(set) var points: [[Double]]
    /// Infinite where nothing is trained yet.
    private(set) var losses: [Double]
    /// The members from the best to the worst.
    private(set) var ranking: [Int]
    /// The next target of evolution.
    var next = 0
    /// Points of the epoch count below that wait to be trained at this one.
    var promoted: [[Double]] = []

    init(points: [[Double]]) {
      self.points = points
      losses = [Double](repeating: .infinity, count: points.count)
      ranking = Array(points.indices)
    }

    /// The number of members that are ahead of one with a loss.
    private func rank(_ member: Int, _ loss: Double) -> Int {
      var (low, high) = (0, ranking.count)
      while low < high {
        let middle = (low + high) / 2
        if (losses[ranking[middle]], ranking[middle]) < (loss, member) { low = middle + 1 } else { high = middle }
      }
      return low
    }

    mutating func replace(_ member: Int, by point: [Double], loss: Double) {
      ranking.remove(at: rank(member, losses[member]))
      ranking.insert(member, at: rank(member, loss))
      points[member] = point
      losses[member] = loss
    }
  }

  public func search(_ session: Session) throws {
    let schedule = brackets.schedule(fidelities: session.fidelities.count)
    let parameters = session.space.parameters.parameters
    func configuration(_ point: [Double]) -> Configuration {
      Configuration(values: zip(parameters, point).map { $0.value(unit: $1) })
    }
    func randomPoint() -> [Double] {
      zip(parameters, session.space.sample(using: &session.random).values).map { parameter, value in
        if encoding == .edge, let categories = parameter.categories { return value / Double(categories) }
        return parameter.unit(value)
      }
    }
    let sizes = session.fidelities.indices.map { fidelity in
      schedule.joined().filter { $0.fidelity == fidelity }.map(\.configurations).max() ?? 1
    }
    let members = sizes.reduce(0, +)
    guard members <= 10_000 else {
      throw SettingError(
        "with eta \(brackets.eta) and \(sizes.count) epoch counts dehb's populations would have \(members) members, "
          + "more than 10000; set a smaller 'eta'")
    }
    var populations = sizes.map { size in Population(points: (0..<size).map { _ in randomPoint() }) }

    for round in 0... {
      for bracket in schedule {
        for (level, rung) in bracket.enumerated() {
          let below = level == 0 ? rung.fidelity : rung.fidelity - 1
          for _ in 0..<rung.configurations {
            let target = populations[rung.fidelity].next
            populations[rung.fidelity].next = (target + 1) % populations[rung.fidelity].points.count
            var point =
              round == 0 && level > 0
              ? promotion(from: below, to: rung, &populations)
              : evolve(target, at: rung, from: below, populations, &session.random)
            if !session.space.isValid(configuration(point)) { point = randomPoint() }
            let epochs = session.fidelities[rung.fidelity]
            let loss =
              1 - (try session.evaluate(configuration(point), epochs: epochs).validationAccuracy)
            if loss <= populations[rung.fidelity].losses[target] {
              populations[rung.fidelity].replace(target, by: point, loss: loss)
            }
          }
        }
      }
    }
  }

  /// The best point of the epoch count below that this one's population lacks.
  private func promotion(
    from below: Int, to rung: Brackets.Rung, _ populations: inout [Population]
  ) -> [Double] {
    let lower = populations[below]
    let ranking = lower.ranking.filter { lower.losses[$0] < .infinity }
    if populations[rung.fidelity].promoted.isEmpty {
      let present = populations[rung.fidelity].points
      populations[rung.fidelity].promoted = Array(
        ranking.map { lower.points[$0] }.filter { !present.contains($0) }.prefix(rung.configurations))
    }
    guard !populations[rung.fidelity].promoted.isEmpty else { return lower.points[ranking.first ?? 0] }
    return populations[rung.fidelity].promoted.removeFirst()
  }

  /// Mutation among the best of the population below, and crossover with the target.
  private func evolve(
    _ target: Int, at rung: Brackets.Rung, from below: Int, _ populations: [Population],
    _ random: inout RandomGenerator
  ) -> [Double] {
    let lower = populations[below]
    var point = populations[rung.fidelity].points[target]
    var parents = lower.ranking.prefix(rung.configurations).map { lower.points[$0] }
    if parents.count < 3 {
      let everyone = populations.flatMap(\.points)
      for _ in 0..<4 - parents.count { parents.append(mutant(everyone, except: point, &random)) }
    }
    let mutant = mutant(parents, except: point, &random)
    var crosses = point.map { _ in random.chance(crossover) }
    if !crosses.contains(true) { crosses[random.below(point.count)] = true }
    for index in point.indices where crosses[index] { point[index] = mutant[index] }
    for index in point.indices where !(0...1).contains(point[index]) { point[index] = random.uniform() }
    return point
  }

  /// a + F (b - c) for three members other than the target; random points stand in for missing ones.
  private func mutant(
    _ members: [[Double]], except target: [Double], _ random: inout RandomGenerator
  ) -> [Double] {
    var members = members
    if let own = members.firstIndex(of: target), members.count > 1 { members.remove(at: own) }
    while members.count < 3 { members.append(target.map { _ in random.uniform() }) }
    // The first three of a shuffled order.
    for index in 0..<3 { members.swapAt(index, index + random.below(members.count - index)) }
    return target.indices.map { members[0][$0] + mutationFactor * (members[1][$0] - members[2][$0]) }
  }
}
