/// A forest of regression trees (Breiman 2001), as SMAC grows them (Hutter, Hoos and Leyton-Brown 2011,
/// section 4.1): every tree on a bootstrap sample, every split among a random part of the features, and a
/// prediction that is the mean and the variance of the trees' own.
public struct RandomForest: Sendable {
  /// What values a feature takes.
  public enum Feature: Hashable, Sendable {
    case number
    /// 0, 1, …, at most 63, without order: a split sends any set of them to the left.
    case categories
  }

  public struct Settings: Hashable, Sendable {
    public var trees = 10
    /// The part of the features that a split chooses from.
    public var featureFraction = 5.0 / 6
    /// Fewer samples are not split further.
    public var leastToSplit = 3
    /// On each side of a split.
    public var leastInLeaf = 3
    public var maximumDepth = 20
    /// Whether a tree grows on samples drawn with replacement, or on all.
    public var bootstrap = true

    public init() {}
  }

  /// A node of a tree; a leaf where `feature` is negative.
  private struct Node {
    var feature: Int32 = -1
    /// The right child comes after the whole left branch.
    var right: Int32 = 0
    /// A number's upper bound on the left.
    var threshold = 0.0
    /// The categories on the left, as bits.
    var categories: UInt64 = 0
    var mean = 0.0
  }

  private var nodes: [Node] = []
  private var roots: [Int] = []
  private let isCategorical: [Bool]

  /// Grows a forest.
  ///
  /// - Parameters:
  ///   - values: The features, sample after sample.
  ///   - targets: At least one.
  public init(
    values: [Double], targets: [Double], features: [Feature], settings: Settings = Settings(),
    using random: inout RandomGenerator
  ) {
    isCategorical = features.map { $0 == .categories }
    let isCategorical = isCategorical
    let count = targets.count
    precondition(count > 0 && values.count == count * features.count)
    var samples = [Int](repeating: 0, count: count)
    values.withUnsafeBufferPointer { values in
      targets.withUnsafeBufferPointer { targets in
        var grower = Grower(
          values: values, targets: targets, isCategorical: isCategorical, settings: settings)
        for _ in 0..<settings.trees {
          for place in 0..<count { samples[place] = settings.bootstrap ? random.below(count) : place }
          roots.append(nodes.count)
          samples.withUnsafeMutableBufferPointer {
            grower.grow($0, depth: 0, into: &nodes, using: &random)
          }
        }
      }
    }
  }

  /// The mean and the variance (divided by the number of trees) of the trees' predictions.
  public func predict(_ sample: [Double]) -> (mean: Double, variance: Double) {
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: isCategorical.count) { bits in
      for feature in 0..<isCategorical.count {
        bits[feature] = isCategorical[feature] ? 1 << UInt64(UInt8(sample[feature])) : 0
      }
      return nodes.withUnsafeBufferPointer { nodes in
        sample.withUnsafeBufferPointer { predict($0, UnsafeBufferPointer(bits), nodes) }
      }
    }
  }

  /// - Parameter bits: Per feature with categories, the category's bit.
  private func predict(
    _ sample: UnsafeBufferPointer<Double>, _ bits: UnsafeBufferPointer<UInt64>,
    _ nodes: UnsafeBufferPointer<Node>
  ) -> (mean: Double, variance: Double) {
    var sum = 0.0
    var squares = 0.0
    for root in roots {
      var place = root
      while nodes[place].feature >= 0 {
        let feature = Int(nodes[place].feature)
        // A set of categories on the left is never empty.
        let categories = nodes[place].categories
        let goesLeft =
          categories != 0 ? categories & bits[feature] != 0 : sample[feature] <= nodes[place].threshold
        place = goesLeft ? place &+ 1 : Int(nodes[place].right)
      }
      sum += nodes[place].mean
      squares += nodes[place].mean * nodes[place].mean
    }
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
    var order: [Int]
    /// The categories, feature after feature, and the number of categories of each.
    private let codes: [UInt8]
    private let levels: [Int]
    /// By category of the feature at hand, the number of samples and the sum of their targets; four times over,
    /// so that samples that follow each other need not wait for one another.
    private let tallies = UnsafeMutablePointer<SIMD2<Double>>.allocate(capacity: 4 * 64)

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
      let samples = targets.count
      var codes = [UInt8](repeating: 0, count: samples * isCategorical.count)
      var levels = [Int](repeating: 0, count: isCategorical.count)
      for (feature, isCategorical) in isCategorical.enumerated() where isCategorical {
        for sample in 0..<samples {
          let code = UInt8(values[sample * width + feature])
          codes[feature * samples + sample] = code
          levels[feature] = max(levels[feature], Int(code) + 1)
        }
      }
      self.codes = codes
      self.levels = levels
    }

    deinit {
      tallies.deallocate()
    }

    private func value(_ sample: Int, _ feature: Int) -> Double {
      values[sample &* width &+ feature]
    }

    /// The best way to divide samples, by the sum of squares that the two means explain.
    private struct Split {
      var score = -Double.infinity
      var feature = -1
      var threshold = 0.0
      var categories: UInt64 = 0
    }

    mutating func grow(
      _ samples: UnsafeMutableBufferPointer<Int>, depth: Int, into nodes: inout [Node],
      using random: inout RandomGenerator
    ) {
      var sum = 0.0
      for sample in samples { sum += targets[sample] }
      let place = nodes.count
      nodes.append(Node(mean: sum / Double(samples.count)))
      guard samples.count >= max(settings.leastToSplit, 2 * settings.leastInLeaf),
        depth < settings.maximumDepth
      else { return }

      // A random part of the features: the first of a shuffled order.
      let tried = max(1, Int(settings.featureFraction * Double(order.count)))
      var best = Split()
      let base = sum * sum / Double(samples.count)
      for number in 0..<tried {
        order.swapAt(number, number + random.below(order.count - number))
        let feature = order[number]
        if isCategorical[feature] {
          splitCategories(samples, feature, sum, &best)
        } else {
          splitNumber(samples, feature, sum, &best, &random)
        }
      }
      // Nothing is explained where all targets are alike.
      guard best.feature >= 0, best.score > base * (1 + 1e-12) + 1e-300 else { return }
      var left = 0
      let column = best.feature * targets.count
      for place in 0..<samples.count {
        let goesLeft =
          best.categories != 0
          ? best.categories >> UInt64(codes[column + samples[place]]) & 1 == 1
          : value(samples[place], best.feature) <= best.threshold
        if goesLeft {
          samples.swapAt(left, place)
          left += 1
        }
      }
      nodes[place].feature = Int32(best.feature)
      nodes[place].threshold = best.threshold
      nodes[place].categories = best.categories
      grow(.init(rebasing: samples[..<left]), depth: depth + 1, into: &nodes, using: &random)
      nodes[place].right = Int32(nodes.count)
      grow(.init(rebasing: samples[left...]), depth: depth + 1, into: &nodes, using: &random)
    }

    /// Categories in the order of their means: the best of all sets is a beginning of it (Breiman et al. 1984).
    private mutating func splitCategories(
      _ samples: UnsafeMutableBufferPointer<Int>, _ feature: Int, _ sum: Double, _ best: inout Split
    ) {
      let levels = levels[feature]
      for level in 0..<levels {
        for lane in 0..<4 { tallies[64 * lane + level] = .zero }
      }
      codes.withUnsafeBufferPointer { codes in
        let codes = UnsafeBufferPointer(rebasing: codes[(feature * targets.count)...])
        for place in 0..<samples.count {
          let sample = samples[place]
          tallies[64 * (place & 3) + Int(codes[sample])] += SIMD2(1, targets[sample])
        }
      }
      var rest: UInt64 = 0
      for level in 0..<levels {
        tallies[level] += tallies[64 + level] + tallies[128 + level] + tallies[192 + level]
        if tallies[level].x > 0 { rest |= 1 << UInt64(level) }
      }
      var left: UInt64 = 0
      var (leftCount, leftSum) = (0.0, 0.0)
      while rest & (rest &- 1) != 0 {
        var least = rest.trailingZeroBitCount
        var others = rest & (rest &- 1)
        while others != 0 {
          let category = others.trailingZeroBitCount
          if tallies[category].y * tallies[least].x < tallies[least].y * tallies[category].x {
            least = category
          }
          others &= others &- 1
        }
        rest &= ~(1 << UInt64(least))
        left |= 1 << UInt64(least)
        leftCount += tallies[least].x
        leftSum += tallies[least].y
        consider(leftCount, leftSum, Double(samples.count), sum, &best) {
          Split(score: $0, feature: feature, categories: left)
        }
      }
    }

    /// Thresholds between neighbouring values, each drawn uniformly between the two.
    private func splitNumber(
      _ samples: UnsafeMutableBufferPointer<Int>, _ feature: Int, _ sum: Double, _ best: inout Split,
      _ random: inout RandomGenerator
    ) {
      var samples = samples
      samples.sort { (value($0, feature), $0) < (value($1, feature), $1) }
      var leftSum = 0.0
      for place in 0..<samples.count - 1 {
        leftSum += targets[samples[place]]
        let (low, high) = (value(samples[place], feature), value(samples[place + 1], feature))
        guard low < high else { continue }
        consider(Double(place + 1), leftSum, Double(samples.count), sum, &best) { score in
          // The drawn place may round up to the higher value, which belongs to the right.
          let threshold = low + (high - low) * random.uniform()
          return Split(score: score, feature: feature, threshold: threshold < high ? threshold : low)
        }
      }
    }

    private func consider(
      _ leftCount: Double, _ leftSum: Double, _ count: Double, _ sum: Double, _ best: inout Split,
      _ make: (Double) -> Split
    ) {
      let least = Double(settings.leastInLeaf)
      guard leftCount >= least, count - leftCount >= least else { return }
      let rightSum = sum - leftSum
      let score = leftSum * leftSum / leftCount + rightSum * rightSum / (count - leftCount)
      if score > best.score { best = make(score) }
    }
  }
}
