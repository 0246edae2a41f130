import Foundation
import Statistics
import Testing

/// Values by statsmodels, hyperopt and SciPy: `Tests/Peers/density.py`.
@Suite("Densities") struct DensityTests {
  static let observations: [[Double]] = [
    [0, 1, 0.10], [1, 0, 0.35], [2, 1, 0.40], [0, 0, 0.80], [1, 1, 0.55], [0, 1, 0.95], [2, 0, 0.05],
  ]
  static let variables: [KernelDensity.Variable] = [.unordered(levels: 3), .unordered(levels: 2), .real]

  func expectClose(_ a: [Double], _ b: [Double], _ tolerance: Double = 1e-12) {
    #expect(a.count == b.count)
    for (a, b) in zip(a, b) { #expect(abs(a - b) <= tolerance * max(1, abs(b))) }
  }

  @Test("normal-reference bandwidths are those of statsmodels") func bandwidths() {
    expectClose(
      KernelDensity.normalReference(Self.observations),
      [0.668681013969529, 0.397255717810248, 0.249671347187677])
  }

  @Test("product kernels give statsmodels' density") func density() {
    let kde = KernelDensity(Self.observations, variables: Self.variables, bandwidths: [0.4, 0.35, 0.3])
    expectClose(
      [[0, 1, 0.2], [2, 0, 0.6], [1, 1, 1.0]].map(kde.density),
      [0.134490864070221, 0.106136336809695, 0.0665776052299709])
  }

  @Test("a density over levels sums to one, seen or not") func total() {
    let kde = KernelDensity(
      [[0, 1], [0, 0], [1, 1]], variables: [.unordered(levels: 4), .unordered(levels: 2)],
      bandwidths: [0.3, 0.2])
    let sum = (0..<4).flatMap { a in (0..<2).map { kde.density(at: [Double(a), Double($0)]) } }.reduce(0, +)
    #expect(abs(sum - 1) < 1e-12)
    let observedOnly = KernelDensity(
      [[0], [0]], variables: [.unordered(levels: 4)], bandwidths: [0.3], observedLevelsOnly: true)
    #expect(observedOnly.density(at: [2]) == .infinity)
  }

  @Test("old observations are forgotten as in hyperopt") func forgetting() {
    expectClose(
      ParzenEstimator.forgettingWeights(12, 5),
      [
        0.0833333333333333, 0.236111111111111, 0.388888888888889, 0.541666666666667, 0.694444444444444,
        0.847222222222222, 1, 1, 1, 1, 1, 1,
      ])
    #expect(ParzenEstimator.forgettingWeights(3, 5) == [1, 1, 1])
    #expect(ParzenEstimator.forgettingWeights(0, 5).isEmpty)
  }

  @Test(
    "Parzen estimators are those of hyperopt",
    arguments: [
      (
        [], 25, [1], [1], [2], [0.47075411031314, 0.520263752282658, 0.504887634669892]
      ),
      (
        [0.9], 25, [0.5, 0.5], [0.9, 1], [1, 2], [0.442019932837508, 0.562608115539948, 0.495258923226363]
      ),
      (
        [0.2, 1.7, 0.25, 0.9, 1.0], 25, [Double](repeating: 1 / 6.0, count: 6), [0.2, 0.25, 0.9, 1, 1, 1.7],
        [0.285714285714286, 0.65, 0.65, 2, 0.7, 0.7],
        [0.641268043206877, 0.508031657842008, 0.403349774432641]
      ),
      (
        [0.2, 1.7, 0.25, 0.9, 1.0], 2,
        [
          0.0416666666666667, 0.208333333333333, 0.208333333333333, 0.208333333333333, 0.208333333333333,
          0.125,
        ],
        [0.2, 0.25, 0.9, 1, 1, 1.7], [0.285714285714286, 0.65, 0.65, 2, 0.7, 0.7],
        [0.486554939159161, 0.589286822376649, 0.443398463449997]
      ),
    ] as [([Double], Int, [Double], [Double], [Double], [Double])])
  func parzen(
    observations: [Double], forgetting: Int, weights: [Double], means: [Double], deviations: [Double],
    density: [Double]
  ) {
    let estimator = ParzenEstimator(observations, range: 0...2, forgetting: forgetting)
    expectClose(estimator.components.map(\.weight), weights)
    expectClose(estimator.components.map(\.mean), means)
    expectClose(estimator.components.map(\.deviation), deviations)
    expectClose([0.1, 0.9, 1.5].map(estimator.density), density, 1e-9)
  }

  @Test("whole numbers have the probability of their interval, as in hyperopt") func quantised() {
    let estimator = ParzenEstimator([3, 1, 4], range: -0.5...5.5)
    let whole = (0...5).map { estimator.probability(of: Double($0) - 0.5...Double($0) + 0.5) }
    expectClose(
      [0, 1, 3, 5].map { whole[$0] },
      [0.0937134108544775, 0.138650429202223, 0.236675705137773, 0.125684465125849], 1e-9)
    #expect(abs(whole.reduce(0, +) - 1) < 1e-12)
  }

  @Test("samples follow the density") func samples() {
    let estimator = ParzenEstimator([0.2, 1.7, 0.25], range: 0...2)
    var random = RandomGenerator(seed: 1)
    let values = (0..<20_000).map { _ in estimator.sample(using: &random) }
    for (low, high) in [(0.0, 0.3), (0.3, 1.2), (1.2, 2.0)] {
      let part = Double(values.count { (low..<high).contains($0) }) / 20_000
      #expect(abs(part - estimator.probability(of: low...high)) < 0.015)
    }
  }

  @Test("truncated normal deviates have SciPy's quantiles") func truncated() {
    var random = RandomGenerator(seed: 2)
    let values = (0..<20_000).map { _ in random.gaussian(mean: 0.2, deviation: 0.2, in: 0...1) }
    #expect(values.allSatisfy { (0...1).contains($0) })
    for (p, q) in [(0.1, 0.0605265919472206), (0.5, 0.240026637807248), (0.9, 0.47552055905234)] {
      #expect(abs((values.quantile(p) ?? 0) - q) < 0.01)
    }
  }
}

@Suite("Random forests") struct RandomForestTests {
  @Test("a tree on all samples and features is scikit-learn's") func tree() {
    // `Tests/Peers/forest.py`
    let values: [[Double]] = (0..<24).map { i in
      (0..<3).map { j -> Double in
        let square = 7 * i * i
        return Double((square + 13 * i * (j + 1) + 5 * j) % 101)
      }
    }
    let targets = values.map { x -> Double in 3 * x[0] - 2 * x[1] + x[0] * x[2] / 10 }
    var settings = RandomForest.Settings()
    settings.trees = 1
    settings.featureFraction = 1
    settings.bootstrap = false
    var random = RandomGenerator(seed: 0)
    let forest = RandomForest(
      values: values.flatMap { $0 }, targets: targets, features: [.number, .number, .number],
      settings: settings, using: &random)
    let expected: [Double] = [
      196.333333333, 67.44, 220, 67.44, 674, 443.933333333, 196.333333333, 67.44, 220, 243.3, 116.333333333,
      674, 443.933333333, 443.933333333, 67.44, 220, 243.3, 116.333333333, 674, 220, 116.333333333,
      196.333333333, 67.44, 243.3,
    ]
    for (sample, value) in zip(values, expected) {
      let (mean, variance) = forest.predict(sample)
      #expect(abs(mean - value) < 1e-9 * max(1, abs(value)) && variance < 1e-9)
    }
  }

  @Test("a split of categories is the best of all sets") func categories() {
    var random = RandomGenerator(seed: 5)
    for _ in 0..<50 {
      let categories = (0..<30).map { _ in random.below(5) }
      let targets = categories.map { Double($0 * $0 % 5) + random.gaussian() }
      var settings = RandomForest.Settings()
      settings.trees = 1
      settings.bootstrap = false
      settings.maximumDepth = 1
      settings.leastInLeaf = 1
      let forest = RandomForest(
        values: categories.map(Double.init), targets: targets, features: [.categories], settings: settings,
        using: &random)
      func error(_ predictions: [Double]) -> Double {
        var sum = 0.0
        for (prediction, target) in zip(predictions, targets) {
          sum += (prediction - target) * (prediction - target)
        }
        return sum
      }
      var best = Double.infinity
      for set in 1..<31 {
        let isLeft = categories.map { set >> $0 & 1 == 1 }
        func mean(_ side: Bool) -> Double {
          zip(isLeft, targets).filter { $0.0 == side }.map { $0.1 }.mean ?? 0
        }
        let (left, right) = (mean(true), mean(false))
        best = min(best, error(isLeft.map { $0 ? left : right }))
      }
      let ours = error(categories.map { forest.predict([Double($0)]).mean })
      #expect(abs(ours - best) < 1e-9)
    }
  }

  @Test("around a sample, predictions are those at its neighbours") func neighbourhood() {
    var random = RandomGenerator(seed: 8)
    let categories = [5, 0, 3, 2]
    func sample() -> [Double] { categories.map { $0 > 0 ? Double(random.below($0)) : random.uniform() } }
    let values = (0..<60).map { _ in sample() }
    let targets = values.map { x -> Double in x[0] * x[3] - x[1] * x[2] + 0.1 * random.gaussian() }
    let forest = RandomForest(
      values: values.flatMap { $0 }, targets: targets,
      features: categories.map { $0 > 0 ? .categories : .number }, using: &random)
    var neighbourhood = RandomForest.Neighbourhood(forest, categories: categories)
    for _ in 0..<20 {
      let centre = sample()
      neighbourhood.move(to: centre)
      for (feature, count) in categories.enumerated() {
        for category in 0..<count {
          var neighbour = centre
          neighbour[feature] = Double(category)
          #expect(neighbourhood.predict(feature, category: category) == forest.predict(neighbour))
        }
      }
    }
  }

  @Test("mean and variance are those of the trees, and the same seed gives the same forest") func variance() {
    var random = RandomGenerator(seed: 6)
    let values = (0..<120).map { _ in Double(random.below(4)) }
    let targets = (0..<40).map { sample -> Double in values[3 * sample] + 0.1 * random.gaussian() }
    func forest(_ trees: Int) -> RandomForest {
      var settings = RandomForest.Settings()
      settings.trees = trees
      var random = RandomGenerator(seed: 7)
      return RandomForest(
        values: values, targets: targets, features: [.categories, .number, .categories], settings: settings,
        using: &random)
    }
    let sample: [Double] = [2, 1, 3]
    let (one, two) = (forest(1).predict(sample), forest(2).predict(sample))
    #expect(one.variance == 0)
    // Two trees a and b: mean (a + b) / 2, variance ((a - b) / 2)^2; a is the first tree's.
    let half = one.mean - two.mean
    #expect(abs(two.variance - half * half) < 1e-12)
    #expect(forest(10).predict(sample) == forest(10).predict(sample))
    #expect(abs(forest(50).predict(sample).mean - 2) < 0.3)
  }
}
