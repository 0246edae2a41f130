/// Which features a forest's predictions depend on, by functional analysis of variance (Hutter, Hoos and Leyton-Brown,
/// ICML 2014): the fractions of the variance over a product of domains that each feature explains alone, and each pair
/// beyond what its two features explain alone.
///
/// The variance is that of each tree's predictions, as if every feature were drawn uniformly from its domain,
/// independently of the others. A tree is constant on each of its leaves, so that sums over the leaves give its
/// marginals exactly.
public struct FunctionalANOVA: Hashable, Sendable {
  /// The values that a feature may take, all with the same probability.
  public enum Domain: Hashable, Sendable {
    /// Finitely many values, at least one: the levels of a factor, or the categories of a feature that has categories.
    case levels([Double])
    /// All numbers of an interval with finite bounds. A scale (a logarithm) is that of the forest's feature.
    case interval(ClosedRange<Double>)
  }

  /// What one feature, or an interaction of two, explains.
  public struct Effect: Hashable, Sendable {
    /// The indices of the features, in ascending order.
    public let features: [Int]
    /// The fraction of a tree's variance (0...1), averaged over the trees.
    public let fraction: Double
    /// The standard deviation of the fraction over the trees (`n - 1` in the denominator); `nil` for a single tree.
    public let deviation: Double?
  }

  /// The effect of each feature alone, in the order of the features.
  public let mainEffects: [Effect]
  /// The interaction of each pair of features: (0, 1), (0, 2), …, (1, 2), ….
  public let interactions: [Effect]

  /// Analyses the trees of a forest. A tree without variance, as of a single leaf, has no fractions and does not count.
  ///
  /// Optuna's evaluator grows 64 trees to the end: at least two samples to split and one in a leaf, a depth of at most
  /// 64, every split from all features, on bootstrap samples.
  ///
  /// - Parameter domains: The domain of each feature of the forest. A feature that has categories needs levels.
  /// - Returns: `nil` if no tree has any variance over the domains.
  public init?(_ forest: RandomForest, domains: [Domain]) {
    precondition(domains.count == forest.isCategorical.count)
    let features = domains.indices
    let pairs = features.flatMap { first in features[(first + 1)...].map { [first, $0] } }
    var main = [[Double]](repeating: [], count: features.count)
    var joint = [[Double]](repeating: [], count: pairs.count)
    for (tree, root) in forest.roots.enumerated() {
      let end = tree + 1 < forest.roots.count ? forest.roots[tree + 1] : forest.nodes.count
      let tree = Tree(forest, root..<end, domains)
      guard tree.variance > 0 else { continue }
      let alone = features.map { tree.variance(of: [$0]) }
      for feature in features { main[feature].append(min(1, alone[feature] / tree.variance)) }
      for (index, pair) in pairs.enumerated() {
        let interaction = tree.variance(of: pair) - pair.reduce(0) { $0 + alone[$1] }
        joint[index].append(min(1, max(0, interaction / tree.variance)))
      }
    }
    func effects(_ subsets: [[Int]], _ fractions: [[Double]]) -> [Effect] {
      zip(subsets, fractions).compactMap { features, fractions in
        fractions.mean.map { Effect(features: features, fraction: $0, deviation: fractions.standardDeviation) }
      }
    }
    mainEffects = effects(features.map { [$0] }, main)
    interactions = effects(pairs, joint)
    guard !mainEffects.isEmpty else { return nil }
  }

  /// A tree on a grid: its thresholds divide each domain into cells, and it is constant on a product of cells.
  private struct Tree {
    /// The part of a domain that no threshold divides.
    struct Cell {
      /// The greatest value: it goes where all of the cell goes.
      var value: Double
      /// The probability.
      var weight: Double
    }

    struct Leaf {
      /// The prediction, less the tree's mean.
      var value: Double
      /// By feature, the cells of the leaf.
      var cells: [[Range<Int>]]
      /// By feature, the probability of these cells.
      var weights: [Double]
      /// The probability of the leaf.
      var weight: Double { weights.reduce(1, *) }
    }

    let nodes: [RandomForest.Node]
    /// By feature, in ascending order of values.
    let cells: [[Cell]]
    private(set) var leaves: [Leaf] = []
    private(set) var variance = 0.0

    init(_ forest: RandomForest, _ tree: Range<Int>, _ domains: [Domain]) {
      nodes = forest.nodes
      cells = domains.enumerated().map { feature, domain in
        switch domain {
        case .levels(let values):
          precondition(!values.isEmpty)
          return values.sorted().map { Cell(value: $0, weight: 1 / Double(values.count)) }
        case .interval(let range):
          precondition(!forest.isCategorical[feature])
          let splits = tree.filter { forest.nodes[$0].right != $0 && forest.nodes[$0].feature == feature }
          let inside = Set(splits.map { forest.nodes[$0].threshold }).sorted().filter {
            range.lowerBound < $0 && $0 < range.upperBound
          }
          guard !inside.isEmpty else { return [Cell(value: range.upperBound, weight: 1)] }
          let width = range.upperBound - range.lowerBound
          return zip([range.lowerBound] + inside, inside + [range.upperBound]).map {
            Cell(value: $1, weight: ($1 - $0) / width)
          }
        }
      }
      visit(tree.lowerBound, cells.map { Array($0.indices) })
      // Leaves that are all alike have exactly no variance.
      let first = leaves[0].value
      let mean = first + leaves.reduce(0) { $0 + $1.weight * ($1.value - first) }
      for index in leaves.indices { leaves[index].value -= mean }
      variance = leaves.reduce(0) { $0 + $1.weight * $1.value * $1.value }
    }

    /// Collects the leaves below a node, which some cells of each feature reach.
    private mutating func visit(_ index: Int, _ reached: [[Int]]) {
      let node = nodes[index]
      guard node.right != index else {
        let weights = zip(cells, reached).map { cells, reached in reached.reduce(0) { $0 + cells[$1].weight } }
        leaves.append(Leaf(value: node.mean, cells: reached.map(Self.runs), weights: weights))
        return
      }
      let feature = Int(node.feature)
      var (left, right) = (reached, reached)
      left[feature].removeAll { !node.sendsLeft(cells[feature][$0].value) }
      right[feature].removeAll { node.sendsLeft(cells[feature][$0].value) }
      if !left[feature].isEmpty { visit(index + 1, left) }
      if !right[feature].isEmpty { visit(Int(node.right), right) }
    }

    /// Ascending numbers as ranges.
    private static func runs(_ numbers: [Int]) -> [Range<Int>] {
      var runs: [Range<Int>] = []
      for number in numbers {
        if let last = runs.last, last.upperBound == number {
          runs[runs.count - 1] = last.lowerBound..<number + 1
        } else {
          runs.append(number..<number + 1)
        }
      }
      return runs
    }

    /// The variance of the marginal of some features: of the mean prediction over all others.
    func variance(of features: [Int]) -> Double {
      let weights = features.reduce([1.0]) { rows, feature in
        rows.flatMap { row in cells[feature].map { row * $0.weight } }
      }
      var marginal = [Double](repeating: 0, count: weights.count)
      for leaf in leaves {
        var part = leaf.value
        for feature in cells.indices where !features.contains(feature) { part *= leaf.weights[feature] }
        add(part, to: &marginal, from: 0, of: leaf, features[...])
      }
      // Differences between neighbouring cells, until they are summed.
      var stride = 1
      for feature in features.reversed() {
        let count = cells[feature].count
        for index in marginal.indices where index / stride % count > 0 {
          marginal[index] += marginal[index - stride]
        }
        stride *= count
      }
      return zip(marginal, weights).reduce(0) { $0 + $1.1 * $1.0 * $1.0 }
    }

    /// Adds a leaf's part of a marginal where its ranges of cells begin, and takes it away where they have ended.
    private func add(
      _ part: Double, to marginal: inout [Double], from offset: Int, of leaf: Leaf, _ features: ArraySlice<Int>
    ) {
      guard let feature = features.first else {
        marginal[offset] += part
        return
      }
      let count = cells[feature].count
      for run in leaf.cells[feature] {
        add(part, to: &marginal, from: offset * count + run.lowerBound, of: leaf, features.dropFirst())
        if run.upperBound < count {
          add(-part, to: &marginal, from: offset * count + run.upperBound, of: leaf, features.dropFirst())
        }
      }
    }
  }
}
