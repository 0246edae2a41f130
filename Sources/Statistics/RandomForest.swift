/// A forest of regression trees (Breiman 2001), as SMAC grows them (Hutter, Hoos and Leyton-Brown 2011,
/// section 4.1): each tree is grown on a bootstrap sample, each split chooses from a random subset of the
/// features, and a prediction is the mean and the variance of the trees' predictions.
public struct RandomForest: Sendable {
  /// The values that a feature takes.
  public enum Feature: Hashable, Sendable {
    /// Any number: a split sends what is at most a threshold to the left.
    case number
    /// One of 0, 1, …, at most 63, which have no order: a split sends any set of them to the left.
    case categories
  }

  /// How a forest grows.
  public struct Settings: Hashable, Sendable {
    /// The number of trees.
    public var trees = 10
    /// The fraction of the features that a split chooses from.
    public var featureFraction = 5.0 / 6
    /// The least number of samples that are split further.
    public var leastToSplit = 3
    /// The least number of samples on each side of a split.
    public var leastInLeaf = 3
    /// The greatest number of splits between the root and a leaf.
    public var maximumDepth = 20
    /// Whether a tree grows on samples drawn with replacement; otherwise on all.
    public var bootstrap = true

    public init() {}
  }

  /// A node of a tree. The left child is the next node; the right child comes after the whole left branch. A leaf
  /// is its own right child, so that a walk stays there.
  package struct Node {
    var feature: Int32 = 0
    var right: Int32
    /// The greatest value of a number that goes to the left.
    var threshold = -Double.infinity
    /// The categories that go to the left, as bits.
    var categories: UInt64 = 0
    var mean: Double

    /// A leaf.
    ///
    /// - Parameters:
    ///   - index: Its own index among the nodes.
    ///   - mean: The prediction.
    package init(index: Int, mean: Double) {
      right = Int32(index)
      self.mean = mean
    }

    /// A split of a number.
    package init(feature: Int, threshold: Double, right: Int) {
      self.feature = Int32(feature)
      self.right = Int32(right)
      self.threshold = threshold
      mean = 0
    }

    /// Whether a split sends a value of its feature to the left.
    func sendsLeft(_ value: Double) -> Bool {
      categories != 0 ? categories >> UInt64(UInt8(value)) & 1 == 1 : value <= threshold
    }

    /// 1 if a sample goes to the left, else 0.
    fileprivate func goesLeft(
      _ sample: UnsafeBufferPointer<Double>, _ codes: UnsafeMutableBufferPointer<UInt64>
    ) -> Int {
      // One of them at most: a number has no category, and nothing is below a threshold that is not set.
      let isIn = Int(truncatingIfNeeded: categories &>> codes[Int(feature)] & 1)
      let isAbove = Int(truncatingIfNeeded: (threshold - sample[Int(feature)]).bitPattern &>> 63)
      return isIn | (isAbove ^ 1)
    }

    /// The index of the node that a sample visits after this one, whose index is given.
    fileprivate func next(
      _ index: Int, _ sample: UnsafeBufferPointer<Double>, _ codes: UnsafeMutableBufferPointer<UInt64>
    ) -> Int {
      goesLeft(sample, codes) == 1 ? index &+ 1 : Int(right)
    }
  }

  private(set) var nodes: [Node] = []
  private(set) var roots: [Int] = []
  let isCategorical: [Bool]

  /// Grows a forest.
  ///
  /// - Parameters:
  ///   - values: The features, sample after sample.
  ///   - targets: The value to predict for each sample; at least one.
  public init(
    values: [Double], targets: [Double], features: [Feature], settings: Settings = Settings(),
    using random: inout RandomGenerator
  ) {
    isCategorical = features.map { $0 == .categories }
    let isCategorical = isCategorical
    let count = targets.count
    precondition(count > 0 && values.count == count * features.count)
    nodes.reserveCapacity(settings.trees * (2 * count / max(1, settings.leastInLeaf) + 1))
    values.withUnsafeBufferPointer { values in
      targets.withUnsafeBufferPointer { targets in
        var grower = Grower(
          values: values, targets: targets, isCategorical: isCategorical, settings: settings)
        for _ in 0..<settings.trees {
          roots.append(nodes.count)
          grower.growTree(into: &nodes, using: &random)
        }
      }
    }
  }

  /// Takes trees as they are.
  ///
  /// - Parameters:
  ///   - nodes: The nodes of one tree after another; the left child of a split is the next node.
  ///   - roots: The index of each tree's first node.
  package init(nodes: [Node], roots: [Int], features: [Feature]) {
    self.nodes = nodes
    self.roots = roots
    isCategorical = features.map { $0 == .categories }
  }

  /// The mean and the variance (divided by the number of trees) of the trees' predictions.
  public func predict(_ sample: [Double]) -> (mean: Double, variance: Double) {
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: isCategorical.count) { codes in
      withUnsafeTemporaryAllocation(of: Int.self, capacity: roots.count) { indices in
        fill(codes, sample)
        return nodes.withUnsafeBufferPointer { nodes in
          sample.withUnsafeBufferPointer { sample in
            for tree in 0..<roots.count { indices[tree] = roots[tree] }
            // A step in every tree, until all are at a leaf: one walk does not wait for another, and nothing
            // branches on the sample, as a processor would guess wrong half of the time.
            var moved = 0
            repeat {
              moved = 0
              for tree in 0..<roots.count {
                let index = indices[tree]
                let right = Int(nodes[index].right)
                let next = right &- (right &- index &- 1) &* nodes[index].goesLeft(sample, codes)
                indices[tree] = next
                moved |= next ^ index
              }
            } while moved != 0
            var sum = 0.0
            var squares = 0.0
            for index in indices {
              sum += nodes[index].mean
              squares += nodes[index].mean * nodes[index].mean
            }
            return moments(sum, squares)
          }
        }
      }
    }
  }

  /// The category of each feature that has categories.
  fileprivate func fill(_ codes: UnsafeMutableBufferPointer<UInt64>, _ sample: [Double]) {
    for feature in 0..<isCategorical.count {
      codes[feature] = isCategorical[feature] ? UInt64(UInt8(sample[feature])) : 0
    }
  }

  fileprivate func moments(_ sum: Double, _ squares: Double) -> (mean: Double, variance: Double) {
    let mean = sum / Double(roots.count)
    return (mean, max(0, squares / Double(roots.count) - mean * mean))
  }

  /// Grows one tree after another.
  private struct Grower: ~Copyable {
    let values: UnsafeBufferPointer<Double>
    let targets: UnsafeBufferPointer<Double>
    let isCategorical: [Bool]
    let settings: Settings
    let width: Int
    /// The number of features that a split chooses from: the first of ``order``, which is shuffled for every split.
    let triedCount: Int
    var order: [Int]
    /// The categories, sample after sample, and the number of categories of each feature, 0 of numbers.
    private let codes: [UInt8]
    private let levels: [Int]

    /// Some samples: how often they were drawn altogether, and the sum of their targets.
    private typealias Tally = SIMD2<Double>
    /// Each sample's own tally in the tree that grows.
    private let weights: UnsafeMutableBufferPointer<Tally>
    /// The tally of each category of each feature that a split may choose.
    private let tallies: UnsafeMutableBufferPointer<Tally>
    /// For the feature at hand, by category that samples have: the mean and its rank; the tally and the bit;
    /// tally and bit again, in the order of means.
    private let categories: UnsafeMutableBufferPointer<(mean: Double, rank: Int)>
    private let present: UnsafeMutableBufferPointer<(tally: Tally, bit: UInt64)>
    private let ordered: UnsafeMutableBufferPointer<(tally: Tally, bit: UInt64)>

    init(
      values: UnsafeBufferPointer<Double>, targets: UnsafeBufferPointer<Double>, isCategorical: [Bool],
      settings: Settings
    ) {
      self.values = values
      self.targets = targets
      self.isCategorical = isCategorical
      self.settings = settings
      order = Array(isCategorical.indices)
      width = isCategorical.count
      triedCount = max(1, Int(settings.featureFraction * Double(order.count)))
      var codes = [UInt8](repeating: 0, count: values.count)
      var levels = [Int](repeating: 0, count: isCategorical.count)
      for sample in 0..<targets.count {
        for feature in 0..<width where isCategorical[feature] {
          let code = UInt8(values[sample * width + feature])
          codes[sample * width + feature] = code
          levels[feature] = max(levels[feature], Int(code) + 1)
        }
      }
      self.codes = codes
      self.levels = levels
      weights = .allocate(capacity: targets.count)
      tallies = .allocate(capacity: levels.reduce(0, +))
      categories = .allocate(capacity: 64)
      present = .allocate(capacity: 64)
      ordered = .allocate(capacity: 64)
    }

    deinit {
      weights.deallocate()
      tallies.deallocate()
      categories.deallocate()
      present.deallocate()
      ordered.deallocate()
    }

    private func value(_ sample: Int, _ feature: Int) -> Double {
      values[sample &* width &+ feature]
    }

    /// The best way to divide samples, by the sum of squares that the two means explain.
    private struct Split {
      var score = -Double.infinity
      var feature = -1
      var threshold = -Double.infinity
      var categories: UInt64 = 0
    }

    /// The sum of squares that the means of two parts explain.
    private static func score(_ left: Tally, _ right: Tally) -> Double {
      let sums = SIMD2(left.y, right.y)
      let explained = sums * sums / SIMD2(left.x, right.x)
      return explained.x + explained.y
    }

    mutating func growTree(into nodes: inout [Node], using random: inout RandomGenerator) {
      let count = targets.count
      weights.initialize(repeating: Tally(settings.bootstrap ? 0 : 1, 0))
      if settings.bootstrap {
        for _ in 0..<count { weights[random.below(count)].x += 1 }
      }
      var samples: [Int] = []
      samples.reserveCapacity(count)
      for sample in 0..<count where weights[sample].x > 0 {
        weights[sample].y = weights[sample].x * targets[sample]
        samples.append(sample)
      }
      samples.withUnsafeMutableBufferPointer {
        grow($0, weight: Double(count), depth: 0, into: &nodes, using: &random)
      }
    }

    /// - Parameter weight: How often the samples were drawn altogether.
    private mutating func grow(
      _ samples: UnsafeMutableBufferPointer<Int>, weight: Double, depth: Int, into nodes: inout [Node],
      using random: inout RandomGenerator
    ) {
      let index = nodes.count
      guard weight >= Double(max(settings.leastToSplit, 2 * settings.leastInLeaf)),
        depth < settings.maximumDepth
      else {
        var sum = 0.0
        for sample in samples { sum += weights[sample].y }
        nodes.append(Node(index: index, mean: sum / weight))
        return
      }
      for number in 0..<triedCount {
        order.swapAt(number, number + random.below(order.count - number))
      }
      let whole = tally(samples)
      nodes.append(Node(index: index, mean: whole.y / whole.x))

      var best = Split()
      var start = 0
      for feature in order.prefix(triedCount) {
        if isCategorical[feature] {
          let end = start + levels[feature]
          splitCategories(feature, .init(rebasing: tallies[start..<end]), whole, &best)
          start = end
        } else {
          splitNumber(samples, feature, whole, &best, &random)
        }
      }
      // Nothing is explained where all targets are alike.
      let base = whole.y * whole.y / whole.x
      guard best.feature >= 0, best.score > base * (1 + 1e-12) + 1e-300 else { return }
      let (left, leftWeight) = divide(samples, best)
      nodes[index].feature = Int32(best.feature)
      nodes[index].threshold = best.threshold
      nodes[index].categories = best.categories
      grow(
        .init(rebasing: samples[..<left]), weight: leftWeight, depth: depth + 1, into: &nodes, using: &random)
      nodes[index].right = Int32(nodes.count)
      grow(
        .init(rebasing: samples[left...]), weight: weight - leftWeight, depth: depth + 1, into: &nodes,
        using: &random)
    }

    /// Fills ``tallies`` for the features that may be chosen; returns the tally of all samples.
    private func tally(_ samples: UnsafeMutableBufferPointer<Int>) -> Tally {
      typealias Column = (feature: Int, start: Int)
      return withUnsafeTemporaryAllocation(of: Column.self, capacity: triedCount) { columns in
        var count = 0
        var end = 0
        for feature in order.prefix(triedCount) where isCategorical[feature] {
          columns[count] = (feature, end)
          end += levels[feature]
          count += 1
        }
        for index in 0..<end { tallies[index] = .zero }
        var whole = Tally.zero
        codes.withUnsafeBufferPointer { codes in
          for sample in samples {
            let weight = weights[sample]
            let row = sample &* width
            whole += weight
            for column in 0..<count {
              let (feature, start) = columns[column]
              tallies[start &+ Int(codes[row &+ feature])] += weight
            }
          }
        }
        return whole
      }
    }

    /// Puts the samples that a split sends to the left before the others; returns how many these are, and how
    /// often they were drawn.
    private func divide(
      _ samples: UnsafeMutableBufferPointer<Int>, _ split: Split
    ) -> (count: Int, weight: Double) {
      var left = 0
      var weight = 0.0
      codes.withUnsafeBufferPointer { codes in
        for index in 0..<samples.count {
          let (sample, first) = (samples[index], samples[left])
          let goesLeft =
            split.categories != 0
            ? split.categories >> UInt64(codes[sample &* width &+ split.feature]) & 1 == 1
            : value(sample, split.feature) <= split.threshold
          // Exchanged or not, without a branch.
          let one = goesLeft ? 1 : 0
          let change = (first ^ sample) & (0 &- one)
          samples[index] = sample ^ change
          samples[left] = first ^ change
          weight += Double(one) * weights[sample].x
          left &+= one
        }
      }
      return (left, weight)
    }

    /// Categories in the order of their means: the best of all sets is a beginning of it (Breiman et al.
    /// 1984).
    ///
    /// Nothing here branches on the data: a processor guesses such branches wrong half of the time.
    private func splitCategories(
      _ feature: Int, _ tallies: UnsafeMutableBufferPointer<Tally>, _ whole: Tally, _ best: inout Split
    ) {
      var count = 0
      for level in 0..<tallies.count {
        let tally = tallies[level]
        categories[count] = (tally.y / tally.x, 0)
        present[count] = (tally, 1 &<< UInt64(level))
        count &+= tally.x > 0 ? 1 : 0
      }
      for later in 0..<count {
        let mean = categories[later].mean
        var rank = later
        for earlier in 0..<later {
          let isLess = mean < categories[earlier].mean ? 1 : 0
          categories[earlier].rank &+= isLess
          rank &-= isLess
        }
        categories[later].rank = rank
      }
      for index in 0..<count { ordered[categories[index].rank] = present[index] }
      let least = Double(max(1, settings.leastInLeaf))
      var left = Tally.zero
      var bits: UInt64 = 0
      var found = best
      for rank in 0..<count &- 1 {
        left += ordered[rank].tally
        bits |= ordered[rank].bit
        let score = Self.score(left, whole - left)
        let isBetter = min(left.x, whole.x - left.x) >= least && score > found.score
        found.score = isBetter ? score : found.score
        found.feature = isBetter ? feature : found.feature
        found.categories = isBetter ? bits : found.categories
        found.threshold = isBetter ? -.infinity : found.threshold
      }
      best = found
    }

    /// Thresholds between neighbouring values, each drawn uniformly between the two.
    private func splitNumber(
      _ samples: UnsafeMutableBufferPointer<Int>, _ feature: Int, _ whole: Tally, _ best: inout Split,
      _ random: inout RandomGenerator
    ) {
      var samples = samples
      samples.sort { (value($0, feature), $0) < (value($1, feature), $1) }
      let least = Double(max(1, settings.leastInLeaf))
      var left = Tally.zero
      for index in 0..<samples.count - 1 {
        left += weights[samples[index]]
        let (low, high) = (value(samples[index], feature), value(samples[index + 1], feature))
        guard low < high, min(left.x, whole.x - left.x) >= least else { continue }
        let score = Self.score(left, whole - left)
        guard score > best.score else { continue }
        // The drawn threshold may round up to the higher value, which belongs to the right.
        let threshold = low + (high - low) * random.uniform()
        best = Split(score: score, feature: feature, threshold: threshold < high ? threshold : low)
      }
    }
  }
}

extension RandomForest {
  /// The predictions around a sample: those where one feature has another category.
  ///
  /// They equal those of ``predict(_:)`` but are faster: all categories of a feature go down a tree together, and only
  /// from the first node that splits by the feature.
  public struct Neighbourhood {
    private let forest: RandomForest
    /// The indices of each feature's categories in ``predictions``.
    private let ranges: [Range<Int>]
    private var predictions: [(mean: Double, variance: Double)]
    private var isKnown: [Bool]
    private var sample: [Double] = []
    private var codes: [UInt64]
    /// By feature and tree, the first node on the sample's path that splits by the feature; by tree, the leaf at
    /// the end of the path.
    private var firsts: [Int]
    private var leaves: [Int]

    /// - Parameter categories: The number of categories of each feature, at most 64; 0 of numbers.
    public init(_ forest: RandomForest, categories: [Int]) {
      self.forest = forest
      var end = 0
      ranges = categories.map { count in
        precondition(count <= 64)
        defer { end += count }
        return end..<end + count
      }
      predictions = Array(repeating: (0, 0), count: end)
      isKnown = Array(repeating: false, count: categories.count)
      codes = Array(repeating: 0, count: categories.count)
      firsts = Array(repeating: -1, count: categories.count * forest.roots.count)
      leaves = Array(repeating: 0, count: forest.roots.count)
    }

    /// Makes a sample the centre. Must be called before any prediction.
    public mutating func move(to sample: [Double]) {
      self.sample = sample
      for feature in isKnown.indices { isKnown[feature] = false }
      let trees = forest.roots.count
      let forest = forest
      codes.withUnsafeMutableBufferPointer { forest.fill($0, sample) }
      for index in firsts.indices { firsts[index] = -1 }
      forest.nodes.withUnsafeBufferPointer { nodes in
        sample.withUnsafeBufferPointer { sample in
          codes.withUnsafeMutableBufferPointer { codes in
            for (tree, root) in forest.roots.enumerated() {
              var index = root
              while true {
                let next = nodes[index].next(index, sample, codes)
                guard next != index else { break }
                let entry = Int(nodes[index].feature) &* trees &+ tree
                if firsts[entry] < 0 { firsts[entry] = index }
                index = next
              }
              leaves[tree] = index
            }
          }
        }
      }
    }

    /// The prediction for the sample with another category of one feature.
    public mutating func predict(_ feature: Int, category: Int) -> (mean: Double, variance: Double) {
      if !isKnown[feature] {
        isKnown[feature] = true
        predict(feature)
      }
      return predictions[ranges[feature].lowerBound + category]
    }

    private mutating func predict(_ feature: Int) {
      let range = ranges[feature]
      let trees = leaves.count
      let forest = forest
      typealias Group = (index: Int, categories: UInt64)
      withUnsafeTemporaryAllocation(of: Group.self, capacity: range.count) { waiting in
        predictions.withUnsafeMutableBufferPointer { all in
          let predictions = UnsafeMutableBufferPointer(rebasing: all[range])
          predictions.update(repeating: (0, 0))
          forest.nodes.withUnsafeBufferPointer { nodes in
            sample.withUnsafeBufferPointer { sample in
              codes.withUnsafeMutableBufferPointer { codes in
                for tree in 0..<trees {
                  let first = firsts[feature &* trees &+ tree]
                  if first < 0 {
                    let mean = nodes[leaves[tree]].mean
                    for category in 0..<predictions.count { Self.add(mean, &predictions[category]) }
                    continue
                  }
                  // Categories that part from the others wait, with the node where they go on.
                  waiting[0] = (first, .max >> UInt64(64 - range.count))
                  var count = 1
                  while count > 0 {
                    count &-= 1
                    var (index, categories) = waiting[count]
                    while nodes[index].right != index {
                      let node = nodes[index]
                      guard node.feature == feature else {
                        index = node.next(index, sample, codes)
                        continue
                      }
                      let others = categories & ~node.categories
                      if others == categories {
                        index = Int(node.right)
                      } else {
                        if others != 0 {
                          waiting[count] = (Int(node.right), others)
                          count &+= 1
                          categories &= node.categories
                        }
                        index &+= 1
                      }
                    }
                    let mean = nodes[index].mean
                    while categories != 0 {
                      Self.add(mean, &predictions[categories.trailingZeroBitCount])
                      categories &= categories &- 1
                    }
                  }
                }
              }
            }
          }
          for category in 0..<predictions.count {
            predictions[category] = forest.moments(predictions[category].mean, predictions[category].variance)
          }
        }
      }
    }

    /// Sums, before they become moments.
    private static func add(_ mean: Double, _ sums: inout (mean: Double, variance: Double)) {
      sums.mean += mean
      sums.variance += mean * mean
    }
  }
}
