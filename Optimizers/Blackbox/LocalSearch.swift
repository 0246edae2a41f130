import Anytime
import SearchSpaces
import Statistics

/// Local search: trains all neighbours of a configuration, moves to the best, and starts anew where none is
/// better.
///
/// White, Nolen and Savani, "Exploring the Loss Landscape in Neural Architecture Search", UAI 2021, algorithm
/// 1. Neighbours differ in the value of one parameter.
///
/// Differences: their neighbourhood on NAS-Bench-101 is one edge or one operation, which is one parameter here
/// too in its whole space. A numeric parameter with more than `steps` values has so many neighbours, drawn at
/// random. `move: first` goes on with the first neighbour that is better ("query until improvement" there).
public struct LocalSearch: Optimizer {
  public static let method = Method(
    name: "local-search", title: "Local search",
    summary: "Moves to the best neighbour, and starts anew where none is better.",
    citation: "White, Nolen and Savani, UAI 2021",
    settings: [
      Setting("move", \LocalSearch.move, "to which better neighbour"),
      Setting("steps", \LocalSearch.steps, 1...1_000, "neighbours along a numeric parameter"),
    ])

  /// The neighbour to go on with: the best of all, or the first that is better.
  public enum Move: String, CaseIterable, Sendable { case best, first }

  /// The neighbour to go on with.
  public var move = Move.best
  /// The number of neighbours along a numeric parameter with more values than these.
  public var steps = 10

  public init() {}

  public func search(_ session: Session) throws {
    while true {
      var current = session.space.sample(using: &session.random)
      var accuracy = try session.evaluate(current).validationAccuracy
      while true {
        var best: (configuration: Configuration, accuracy: Double)?
        for neighbour in neighbours(of: current, in: session.space, using: &session.random) {
          let value = try session.evaluate(neighbour).validationAccuracy
          if value > best?.accuracy ?? accuracy { best = (neighbour, value) }
          if move == .first, best != nil { break }
        }
        guard let best else { break }
        (current, accuracy) = best
      }
    }
  }

  /// In random order, as a budget may end among them.
  private func neighbours(
    of current: Configuration, in space: SearchSpace, using random: inout RandomGenerator
  ) -> [Configuration] {
    var result: [Configuration] = []
    for (index, parameter) in space.parameters.parameters.enumerated() {
      var values: [Double] = []
      if let count = parameter.count, parameter.categories != nil || count <= steps + 1 {
        let least = if case .integer(let range, _) = parameter.domain { range.lowerBound } else { 0 }
        values = (least..<least + count).map(Double.init).filter { $0 != current.values[index] }
      } else {
        for _ in 0..<steps {
          values.append(space.parameters.resampledValue(of: index, in: current, using: &random))
        }
      }
      for value in values {
        var neighbour = current
        neighbour.values[index] = value
        if space.isValid(neighbour) { result.append(neighbour) }
      }
    }
    random.shuffle(&result)
    return result
  }
}
