import Statistics
import Testing

/// Values by Optuna 5.0.0 with scikit-learn 1.9.1, and by statsmodels 0.15.0: `Tests/Peers/fanova.py`.
@Suite("Functional ANOVA") struct FunctionalANOVATests {
  typealias Node = (feature: Int, threshold: Double, right: Int, mean: Double)

  /// `DecisionTreeRegressor(max_depth=3, min_samples_leaf=2, random_state=0)` on both halves of ``samples``.
  static let trees: [[Node]] = [
    [
      (0, 43, 8, 3.0441699999999994), (0, 1.5, 5, 1.6902352941176473), (1, 30, 4, 0.44495), (-1, 0, 3, 0.14475),
      (-1, 0, 4, 0.74515), (1, 51, 7, 2.0734), (-1, 0, 6, 1.8299777777777777), (-1, 0, 7, 2.6211),
      (1, 57.5, 12, 4.8147), (0, 70.5, 11, 3.5760333333333336), (-1, 0, 10, 3.325625), (-1, 0, 11, 4.07685),
      (0, 70.5, 14, 5.876414285714286), (-1, 0, 13, 5.027425000000001), (-1, 0, 14, 7.008399999999999),
    ],
    [
      (0, 32.5, 6, 3.6990499999999993), (2, 51.5, 5, 1.3490571428571427), (0, 7, 4, 0.73948),
      (-1, 0, 3, 0.38075000000000003), (-1, 0, 4, 0.9786333333333334), (-1, 0, 5, 2.8729999999999998),
      (1, 55.5, 10, 4.414265217391304), (2, 19.5, 9, 3.666733333333333), (-1, 0, 8, 5.1145000000000005),
      (-1, 0, 9, 3.4440000000000004), (2, 77, 12, 5.815887499999999), (-1, 0, 11, 5.145716666666666),
      (-1, 0, 12, 7.8264),
    ],
  ]
  static let domains: [FunctionalANOVA.Domain] = [.interval(0...101), .interval(-10...120), .interval(2.5...100)]
  /// By Optuna's `_FanovaTree.get_marginal_variance`: features 0, 1, 2, then pairs (0, 1), (0, 2), (1, 2).
  static let fractions: [[Double]] = [
    [0.6902168676652372, 0.2324241121067287, 0, 0.07735902022803436, 0, 0],
    [
      0.5313609311974351, 0.13926245239990376, 0.09633668880149247, 0.06607342632112197, 0.06533990028604496,
      0.06892497196127864,
    ],
  ]
  static let samples: [[Double]] = (0..<60).map { i in
    (0..<3).map { j -> Double in
      let term = 7 * i * i + 13 * i * (j + 1)
      return Double((term + 5 * j) % 101)
    }
  }

  func forest(_ trees: [[Node]]) -> RandomForest {
    var nodes: [RandomForest.Node] = []
    var roots: [Int] = []
    for tree in trees {
      let root = nodes.count
      roots.append(root)
      for (index, node) in tree.enumerated() {
        nodes.append(
          node.feature < 0
            ? .init(index: root + index, mean: node.mean)
            : .init(feature: node.feature, threshold: node.threshold, right: root + node.right))
      }
    }
    return RandomForest(nodes: nodes, roots: roots, features: [.number, .number, .number])
  }

  /// A tree that is grown to the end.
  func fullTree(_ values: [[Double]], _ targets: [Double], _ features: [RandomForest.Feature]) -> RandomForest {
    var settings = RandomForest.Settings()
    settings.trees = 1
    settings.featureFraction = 1
    settings.leastToSplit = 2
    settings.leastInLeaf = 1
    settings.bootstrap = false
    var random = RandomGenerator(seed: 3)
    return RandomForest(
      values: values.flatMap { $0 }, targets: targets, features: features, settings: settings, using: &random)
  }

  func expectClose(_ effects: [FunctionalANOVA.Effect], _ golden: some Collection<Double>) {
    #expect(effects.count == golden.count)
    for (effect, golden) in zip(effects, golden) { #expect(abs(effect.fraction - golden) < 1e-9, "\(effect)") }
  }

  @Test("fractions of a tree are Optuna's", arguments: [0, 1]) func tree(_ tree: Int) throws {
    let anova = try #require(FunctionalANOVA(forest([Self.trees[tree]]), domains: Self.domains))
    expectClose(anova.mainEffects, Self.fractions[tree][..<3])
    expectClose(anova.interactions, Self.fractions[tree][3...])
    #expect(anova.mainEffects.map(\.features) == [[0], [1], [2]])
    #expect(anova.interactions.map(\.features) == [[0, 1], [0, 2], [1, 2]])
    #expect(anova.mainEffects.allSatisfy { $0.deviation == nil })
  }

  @Test("fractions of a forest are the mean over trees that vary") func mean() throws {
    let anova = try #require(
      FunctionalANOVA(forest(Self.trees + [[(-1, 0, 0, 5)]]), domains: Self.domains))
    for (index, effect) in (anova.mainEffects + anova.interactions).enumerated() {
      let both = Self.fractions.map { $0[index] }
      #expect(abs(effect.fraction - (try #require(both.mean))) < 1e-9)
      #expect(abs((try #require(effect.deviation)) - (try #require(both.standardDeviation))) < 1e-9)
    }
  }

  @Test("over a balanced design, a full tree gives the sums of squares of the analysis of variance")
  func balanced() throws {
    var values: [[Double]] = []
    var targets: [Double] = []
    for i in 0..<3 {
      for j in 0..<4 {
        for k in 0..<2 {
          values.append([i, j, k].map(Double.init))
          let squares = 37 * i * i + 11 * j * j + 29 * k
          targets.append(Double((squares + 17 * i * j + 5 * j * k + 7 * i * k) % 103))
        }
      }
    }
    let domains: [FunctionalANOVA.Domain] = [.levels([0, 1, 2]), .levels([3, 2, 1, 0]), .levels([0, 1])]
    for feature in [RandomForest.Feature.number, .categories] {
      let tree = fullTree(values, targets, [feature, feature, feature])
      for (sample, target) in zip(values, targets) { #expect(tree.predict(sample).mean == target) }
      let anova = try #require(FunctionalANOVA(tree, domains: domains))
      expectClose(anova.mainEffects, [0.03571651553019479, 0.10457836613685341, 9.270628567536344e-05])
      expectClose(anova.interactions, [0.23088405849199034, 0.01630495448878163, 0.1708425487795878])
    }
  }

  @Test("fractions are those of the definition, whatever levels and categories") func definition() throws {
    var random = RandomGenerator(seed: 4)
    let levels: [[Double]] = [[0, 1, 2, 3, 4, 5, 6], [-1, 0.25, 0.5, 3], [0, 1, 2], [0.5]]
    for _ in 0..<20 {
      let values = (0..<40).map { _ in
        [Double(random.below(6)), 2 * random.uniform(), Double(random.below(3)), random.uniform()]
      }
      let targets = values.map { x -> Double in x[0] * x[1] - x[2] * x[3] + 0.3 * random.gaussian() }
      var settings = RandomForest.Settings()
      settings.trees = 1
      let tree = RandomForest(
        values: values.flatMap { $0 }, targets: targets, features: [.categories, .number, .categories, .number],
        settings: settings, using: &random)
      let anova = try #require(FunctionalANOVA(tree, domains: levels.map { .levels($0) }))

      let grid = levels.reduce([[]]) { rows, levels in rows.flatMap { row in levels.map { row + [$0] } } }
      let predictions = grid.map { tree.predict($0).mean }
      /// The variance of means over all samples that agree in some features.
      func variance(_ features: [Int]) -> Double {
        var groups: [[Double]: [Double]] = [:]
        for (sample, prediction) in zip(grid, predictions) {
          groups[features.map { sample[$0] }, default: []].append(prediction)
        }
        let means = groups.values.compactMap(\.mean)
        let centre = means.mean ?? 0
        return means.map { ($0 - centre) * ($0 - centre) }.mean ?? 0
      }
      let total = variance([0, 1, 2, 3])
      expectClose(anova.mainEffects, (0..<4).map { variance([$0]) / total })
      expectClose(
        anova.interactions,
        anova.interactions.map { effect in
          (variance(effect.features) - effect.features.reduce(0) { $0 + variance([$1]) }) / total
        })
    }
  }

  @Test("a forest ranks factors as Optuna's evaluator does") func evaluator() throws {
    let targets = Self.samples.map { sample -> Double in
      let (a, b, c) = (sample[0] / 100, sample[1] / 100, sample[2] / 100)
      let main = 4 * a + 2 * b * b
      return main + 3 * a * b + c / 2
    }
    var settings = RandomForest.Settings()
    settings.trees = 64
    settings.featureFraction = 1
    settings.leastToSplit = 2
    settings.leastInLeaf = 1
    settings.maximumDepth = 64
    var random = RandomGenerator(seed: 5)
    let forest = RandomForest(
      values: Self.samples.flatMap { $0 }, targets: targets, features: [.number, .number, .number],
      settings: settings, using: &random)
    let domain = FunctionalANOVA.Domain.interval(0...100)
    let anova = try #require(FunctionalANOVA(forest, domains: [domain, domain, domain]))
    // `FanovaImportanceEvaluator(seed=0)`; five seeds differ by at most 0.034.
    for (effect, golden) in zip(anova.mainEffects, [0.6650900066035024, 0.21315153336489412, 0.01265160710906581]) {
      #expect(abs(effect.fraction - golden) < 0.05, "\(effect)")
    }
    #expect((anova.mainEffects + anova.interactions).reduce(0) { $0 + $1.fraction } <= 1)
    #expect(anova.interactions[0].fraction > anova.interactions[1].fraction)
  }

  @Test("is absent where nothing varies") func undefined() {
    let number = FunctionalANOVA.Domain.interval(0...1)
    #expect(FunctionalANOVA(fullTree([[0], [1]], [0.1, 0.1], [.number]), domains: [number]) == nil)
    let step = fullTree([[0], [1]], [2, 3], [.number])
    #expect(FunctionalANOVA(step, domains: [.levels([0])]) == nil)
    #expect(FunctionalANOVA(step, domains: [.interval(0.5...0.5)]) == nil)
    #expect(FunctionalANOVA(step, domains: [number])?.mainEffects.map(\.fraction) == [1])
    #expect(FunctionalANOVA(step, domains: [number])?.interactions.isEmpty == true)
  }
}
