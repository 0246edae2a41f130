import Statistics

/// The way in which regularized evolution changes a configuration. In a space without architectures, every rule acts as
/// ``oneParameter``.
public enum MutationRule: String, CaseIterable, Sendable {
  /// NAS-Bench-1Shot1's `mutate_arch`: with probability 1/3 each, nothing changes, one parent of one vertex
  /// that has a choice is replaced by a vertex that is no parent, or one operation becomes another one.
  /// (In NAS-Bench-101's whole space one edge is flipped instead of a parent replaced.)
  case oneShot1 = "1shot1"
  /// NAS-Bench-101's `mutate_spec`: every parameter changes with a probability of its own, 1/7 per edge and
  /// 1/5 per operation, so that one operation is resampled in expectation. In the 1Shot1 spaces, one
  /// operation and one set of parents are resampled in expectation.
  case nasBench101 = "nas-bench-101"
  /// One parameter, drawn uniformly, takes another value: `mutate_arch` of the scripts in
  /// `automl/nas_benchmarks`, for any parameters.
  case oneParameter = "one-parameter"
}

extension SearchSpace {
  /// Mutates a configuration. Mutants that are not valid are drawn again.
  public func mutate(
    _ parent: Configuration, rule: MutationRule, using random: inout RandomGenerator
  ) -> Configuration {
    var rule = rule
    if case .none = wiring { rule = .oneParameter }
    while true {
      var child = parent
      switch rule {
      case .oneShot1: mutateParentOrOperation(&child, using: &random)
      case .nasBench101: mutateEveryParameter(&child, using: &random)
      case .oneParameter: resample(random.below(parameters.parameters.count), of: &child, using: &random)
      }
      if isValid(child) { return child }
    }
  }

  private func resample(_ index: Int, of child: inout Configuration, using random: inout RandomGenerator) {
    child.values[index] = parameters.resampledValue(of: index, in: child, using: &random)
  }

  private func mutateEveryParameter(_ child: inout Configuration, using random: inout RandomGenerator) {
    let operations = operationParameters
    let others = parameters.parameters.count - operations.count
    let wiringProbability: Double =
      switch wiring {
      case .everyEdge: 1 / Double(Cell.maximumVertices)
      case .fixedParents, .none: 1 / Double(others)
      }
    for index in child.values.indices {
      let probability = operations.contains(index) ? 1 / Double(operations.count) : wiringProbability
      if random.chance(probability) { resample(index, of: &child, using: &random) }
    }
  }

  private func mutateParentOrOperation(_ child: inout Configuration, using random: inout RandomGenerator) {
    let operations = operationParameters
    switch (random.below(3), wiring) {
    case (0, _):
      break
    case (1, _):
      resample(operations.lowerBound + random.below(operations.count), of: &child, using: &random)
    case (_, .everyEdge):
      resample(random.below(operations.lowerBound), of: &child, using: &random)
    case (_, .fixedParents(let wiring)):
      let choice = random.below(wiring.choices.count)
      let index = wiring.blocks + choice
      child[choice: index] =
        wiring.choices[choice].replacingOneParent(of: child[choice: index], using: &random)
    case (_, .none):
      resample(random.below(parameters.parameters.count), of: &child, using: &random)
    }
  }

  /// The indices of the parameters that choose an operation.
  var operationParameters: Range<Int> {
    switch wiring {
    case .everyEdge: 21..<26
    case .fixedParents(let wiring): 0..<wiring.blocks
    case .none: 0..<0
    }
  }
}

extension OneShotWiring.Choice {
  /// The index of a combination that differs from the one at `index` in one parent; the old and the new parent are
  /// drawn uniformly.
  fileprivate func replacingOneParent(of index: Int, using random: inout RandomGenerator) -> Int {
    let parents = combinations[index]
    let dropped = parents[random.below(parents.count)]
    // The n-th vertex that is no parent yet.
    var added = random.below(vertex - parents.count)
    for parent in parents where parent <= added { added += 1 }
    let changed =
      edges[index] & ~(1 << UInt32(Cell.edgeBit(dropped, vertex))) | 1 << UInt32(Cell.edgeBit(added, vertex))
    return edges.firstIndex(of: changed) ?? index
  }
}
