import Foundation
import Statistics
import Testing

// Values from Tests/Peers/significance.py, by SciPy, statsmodels and scikit-posthocs. The samples are congruences on
// both sides.
private func congruence(_ count: Int, _ a: Int, _ b: Int, modulo: Int) -> [Double] {
  (0..<count).map { i in Double((i * i * a + b * i) % modulo) }
}
private let a = congruence(12, 37, 11, modulo: 101).map { $0 / 10 }
private let b = (0..<9).map { (i: Int) -> Double in Double((i * 53 + 29) % 103) / 10 + 1.05 }
private let tied = congruence(10, 7, 3, modulo: 8)
private let other = congruence(10, 5, 1, modulo: 9)
private let longA = congruence(80, 37, 11, modulo: 101)
private let longB = congruence(80, 53, 29, modulo: 97).map { $0 + 4 }

private func isClose(_ value: Double?, _ golden: Double, _ tolerance: Double = 1e-12) -> Bool {
  value.map { abs($0 - golden) <= tolerance * max(1, abs(golden)) } ?? false
}

@Suite("Mann-Whitney U agrees with SciPy") struct MannWhitneyTests {
  @Test("exact, with and without ties") func exact() throws {
    let test = try #require(MannWhitney(a, b))
    #expect(test.isExact && test.u == 43 && isClose(test.pValue, 0.4639131766066751))
    let ties = try #require(MannWhitney(Array(tied.prefix(7)), Array(other.prefix(6))))
    #expect(ties.isExact && ties.u == 18 && isClose(ties.pValue, 0.7156177156177156))
  }

  @Test("approximate, with a correction for ties") func approximate() throws {
    let test = try #require(MannWhitney(longA, longB))
    #expect(!test.isExact && test.u == 2811 && isClose(test.pValue, 0.18485536511524014))
    let few = try #require(MannWhitney(tied, other, exact: false))
    #expect(few.u == 44.5 && isClose(few.pValue, 0.6977780680817234))
  }

  @Test("a few values against many are tested exactly") func lopsided() throws {
    // Two of all ways to choose 3 of 203 are as extreme.
    let many = (0..<200).map { Double($0 / 3) + 10 }
    let test = try #require(MannWhitney([1, 2, 2], many))
    #expect(test.isExact && test.u == 0 && isClose(test.pValue, 2 / 1_373_701))
    #expect(isClose(MannWhitney(many, [1, 2, 2])?.pValue, 2 / 1_373_701))
  }

  @Test("is symmetric, and sees no difference between equal values") func symmetric() throws {
    let (one, two) = (try #require(MannWhitney(a, b)), try #require(MannWhitney(b, a)))
    #expect(one.u + two.u == Double(a.count * b.count) && isClose(one.pValue, two.pValue))
    #expect(MannWhitney([1, 1], [1, 1, 1])?.pValue == 1)
    #expect(MannWhitney([1, 1], [1, 1, 1], exact: false)?.pValue == 1)
    #expect(MannWhitney([], [1]) == nil && MannWhitney([.nan], [1]) == nil)
  }
}

@Suite("Wilcoxon's signed ranks agree with SciPy") struct WilcoxonTests {
  @Test("exact, with and without ties and zeros") func exact() throws {
    let test = try #require(Wilcoxon(Array(a.prefix(9)), b))
    #expect(test.isExact && min(test.positive, test.negative) == 10 && test.pValue == 0.1640625)
    let ties = try #require(Wilcoxon(tied, other))
    #expect(ties.isExact && min(ties.positive, ties.negative) == 14 && ties.pValue == 0.640625)
  }

  @Test("approximate, with ties and both rules for zeros") func approximate() throws {
    let test = try #require(Wilcoxon(longA, longB))
    #expect(!test.isExact && isClose(test.pValue, 0.17705711140980873))
    #expect(min(test.positive, test.negative) == 1269.5)
    #expect(isClose(Wilcoxon(tied, other, exact: false)?.pValue, 0.5716076449533316))
    let pratt = try #require(Wilcoxon(tied, other, zeros: .pratt, exact: false))
    #expect(min(pratt.positive, pratt.negative) == 22 && isClose(pratt.pValue, 0.6799227850521523))
  }

  @Test("infinite values rank above all others, and equal ones do not differ") func infinite() throws {
    let test = try #require(Wilcoxon([.infinity, .infinity, 3, 4], [.infinity, 1, 1, 5]))
    #expect(test.count == 3 && test.positive == 5 && test.negative == 1)
    #expect(Wilcoxon([1, 2], [1, 2])?.pValue == 1)
    #expect(Wilcoxon([], []) == nil && Wilcoxon([1], [1, 2]) == nil)
  }
}

@Suite("Friedman's test agrees with SciPy and scikit-posthocs") struct FriedmanTests {
  let friedman: Friedman

  init() throws {
    let blocks = (0..<15).map { (i: Int) -> [Double] in
      (0..<4).map { (j: Int) -> Double in
        let term = i * i * 7 + 13 * i * (j + 1) + 5 * j * j
        return Double(term % 17 + (j == 3 ? 9 : 0))
      }
    }
    friedman = try #require(Friedman(blocks))
  }

  @Test("statistic, p-values and ranks, with ties") func test() {
    #expect(isClose(friedman.chiSquared, 17.609589041095905))
    #expect(isClose(friedman.pValue, 0.0005293960812084102))
    #expect(isClose(friedman.imanDavenportPValue, 0.00010097231932899915))
    let ranks = [1.7666666666666666, 2.2666666666666666, 2.3333333333333335, 3.6333333333333333]
    #expect(zip(friedman.averageRanks, ranks).allSatisfy { isClose($0, $1) })
  }

  @Test("Nemenyi's and Holm's comparisons of all pairs") func pairs() {
    let pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    let nemenyi = [
      0.7135085867927518, 0.6255047759166935, 0.0004358093217303738, 0.9989916864685192, 0.01958368984901737,
      0.029698861675532706,
    ]
    #expect(zip(pairs, nemenyi).allSatisfy { isClose(friedman.nemenyi($0.0, $0.1), $1, 1e-9) })
    let holm = [
      0.687995827174942, 0.687995827174942, 0.00045007916799275343, 0.8875370839817147, 0.018709519777715605,
      0.023282665631243548,
    ]
    let adjusted = pairs.map { friedman.pairPValue($0.0, $0.1) }.holmAdjusted
    #expect(zip(adjusted, holm).allSatisfy { isClose($0, $1) })
    #expect(isClose(friedman.criticalDifference(), 1.211053191634209, 1e-9))
  }

  @Test("studentized ranges, far into the tail") func range() {
    #expect(isClose(StudentizedRange.upperTail(3.5, groups: 3), 0.03555704186316039, 1e-11))
    let tail = StudentizedRange.upperTail(9, groups: 10)
    #expect(abs(tail / 8.835407447449605e-09 - 1) < 1e-9)
    #expect(isClose(StudentizedRange.upperTail(0.5, groups: 2), 0.7236736098317632, 1e-11))
    #expect(isClose(StudentizedRange.upperQuantile(0.05, groups: 10), 4.474124221725907, 1e-9))
  }

  @Test("is absent where it is undefined") func undefined() {
    #expect(Friedman([[1, 2]]) == nil && Friedman([[1], [2]]) == nil && Friedman([[1, 2], [1]]) == nil)
    #expect(Friedman([[1, 1], [2, 2]])?.pValue == 1)
  }
}

@Suite("Jonckheere and Terpstra's test is Kendall's, by SciPy") struct JonckheereTerpstraTests {
  @Test("approximate, with and without ties") func approximate() throws {
    // `kendalltau(method="asymptotic")` between level and value.
    let test = try #require(
      JonckheereTerpstra([Array(a.prefix(4)), Array(a[4..<9]), Array(b.prefix(6))], exact: false))
    #expect(!test.isExact && test.statistic == 50 && test.z > 0)
    #expect(isClose(test.tau, 0.29495980573848873) && isClose(test.pValue, 0.1674065874044971))
    let ties = try #require(
      JonckheereTerpstra([Array(tied.prefix(5)), Array(other.prefix(7)), tied.dropFirst(5).map { $0 + 2 }]))
    #expect(!ties.isExact && ties.statistic == 75.5)
    #expect(isClose(ties.tau, 0.5266871754703675) && isClose(ties.pValue, 0.011878400639729845))
  }

  @Test("exact, by all ways to deal values") func exact() throws {
    let test = try #require(
      JonckheereTerpstra([Array(a.prefix(3)), b.prefix(2).map { $0 + 3 }, a[3..<6].map { $0 + 5 }]))
    #expect(test.isExact && test.statistic == 18 && isClose(test.pValue, 0.060714285714285714))
    // `kendalltau(method="exact")`, and the test of two samples.
    #expect(isClose(JonckheereTerpstra(a.prefix(7).map { [$0] })?.pValue, 0.06904761904761905))
    let two = try #require(JonckheereTerpstra([b, a]))
    let u = try #require(MannWhitney(a, b))
    #expect(two.isExact && two.statistic == u.u && isClose(two.pValue, u.pValue))
  }

  @Test("the reverse order has the opposite trend") func reverse() throws {
    let groups = [Array(tied.prefix(5)), Array(other.prefix(7)), Array(longA.prefix(6))]
    let (up, down) = (
      try #require(JonckheereTerpstra(groups)), try #require(JonckheereTerpstra(groups.reversed()))
    )
    #expect(isClose(up.z, -down.z) && isClose(up.tau, -down.tau) && isClose(up.pValue, down.pValue))
  }

  @Test("too many ways are approximated, and infinite values rank above all others") func large() throws {
    let many = try #require(JonckheereTerpstra([(0..<33).map(Double.init), (33..<66).map(Double.init)]))
    #expect(!many.isExact && many.statistic == 33 * 33 && many.pValue < 1e-10)
    let few = try #require(JonckheereTerpstra([(0..<32).map(Double.init), (32..<64).map(Double.init)]))
    // Two of all ways to choose 32 of 64.
    #expect(few.isExact && abs(few.pValue * 1.8326241409425905e18 / 2 - 1) < 1e-12)
    #expect(JonckheereTerpstra([[1], [2], [.infinity]]) == JonckheereTerpstra([[1], [2], [3]]))
  }

  @Test("is absent where it is undefined") func undefined() {
    for groups: [[Double]] in [[], [[1, 2]], [[1, 2], []], [[1, 1], [1]], [[1, .nan], [2]]] {
      #expect(JonckheereTerpstra(groups) == nil && KruskalWallis(groups) == nil)
    }
    #expect(JonckheereTerpstra([[1], [2]])?.pValue == 1)
  }
}

@Suite("Kruskal and Wallis' test and Spearman's agree with SciPy") struct KruskalWallisTests {
  @Test("H and its p-value, with and without ties") func groups() throws {
    let test = try #require(KruskalWallis([Array(a.prefix(4)), Array(a[4..<9]), Array(b.prefix(6))]))
    #expect(isClose(test.statistic, 1.3275000000000006) && isClose(test.pValue, 0.5149167715599177))
    #expect(isClose(test.epsilonSquared, 1.3275000000000006 / 14))
    let ties = try #require(
      KruskalWallis([Array(tied.prefix(5)), Array(other.prefix(7)), tied.dropFirst(5).map { $0 + 2 }]))
    #expect(isClose(ties.statistic, 5.922655122655128) && isClose(ties.pValue, 0.051750170025374964))
    #expect(KruskalWallis([[1, 1], [2, 2, 2], [.infinity]])?.epsilonSquared == 1)
  }

  @Test("Spearman's correlation and its p-value") func spearman() throws {
    for (first, second, rho, pValue) in [
      (Array(a.prefix(9)), b, 0.5333333333333333, 0.13922686754397814),
      (tied, other, 0.2903225806451613, 0.4157957573877449),
      (longA, longB, 0.08841806590218025, 0.4354392135606499),
    ] {
      let test = try #require(Spearman(first, second))
      #expect(isClose(test.rho, rho) && isClose(test.pValue, pValue))
    }
    #expect(try #require(Spearman(longA, longA)).pValue < 1e-100)
    #expect(Spearman([1, 2], [1, 2]) == nil && Spearman([1, 1, 1], [1, 2, 3]) == nil)
    #expect(Spearman([1, 2, .nan], [1, 2, 3]) == nil && Spearman([1, 2, 3], [1, 2]) == nil)
  }
}

@Suite("Effect sizes, bootstrap and distributions") struct EffectTests {
  @Test("A12 and Cliff's delta count pairs") func effects() throws {
    let effect = try #require(EffectSize(a, b))
    #expect(isClose(effect.a12, 0.39814814814814814) && isClose(effect.cliffsDelta, -0.2037037037037037))
    #expect(effect.magnitude == "small")
    let ties = try #require(EffectSize(tied, other))
    #expect(isClose(ties.a12, 0.445) && isClose(ties.cliffsDelta, -0.11))
    #expect(EffectSize([.infinity], [1])?.a12 == 1 && EffectSize([], [1]) == nil)
  }

  @Test("eta squared is the part of the variance between samples") func eta() {
    // SciPy's f_oneway, F = 21.266666666666637: 2 F / (2 F + 6).
    #expect(isClose([[1, 2, 3], [2, 4], [7, 7, 8, 10]].etaSquared, 0.8763736263736264))
    #expect([[1, 1], [2]].etaSquared == 1 && [[1, 2], [2, 1], []].etaSquared == 0)
    #expect([[1.0], [1]].etaSquared == nil && [[Double]]().etaSquared == nil)
  }

  @Test("bootstrap intervals of given resamples are SciPy's") func bootstrap() throws {
    func interval(_ kind: Bootstrap.Kind, _ statistic: @escaping ([Double]) -> Double?) throws -> ClosedRange<Double> {
      var random = RandomGenerator(seed: 11, stream: "bootstrap")
      return try #require(
        Bootstrap.interval(a, kind: kind, resamples: 999, using: &random, statistic: statistic))
    }
    let percentile = try interval(.percentile, \.mean)
    #expect(isClose(percentile.lowerBound, 4.107916666666667))
    #expect(isClose(percentile.upperBound, 6.792083333333333))
    let bca = try interval(.bca, \.mean)
    #expect(isClose(bca.lowerBound, 3.883333333333333) && isClose(bca.upperBound, 6.699999999999999))
    for kind in Bootstrap.Kind.allCases {
      let median = try interval(kind, \.median)
      #expect(isClose(median.lowerBound, 4.0) && isClose(median.upperBound, 7.15))
    }
  }

  @Test("without a statistic, an interval is the mean's") func mean() throws {
    let sample = a.map { 0.1 * $0 }
    for kind in Bootstrap.Kind.allCases {
      var (first, second) = (RandomGenerator(seed: 3), RandomGenerator(seed: 3))
      let passes = try #require(Bootstrap.interval(sample, kind: kind, using: &first, statistic: \.mean))
      let mean = try #require(Bootstrap.interval(sample, kind: kind, using: &second))
      #expect(isClose(passes.lowerBound, mean.lowerBound) && isClose(passes.upperBound, mean.upperBound))
      #expect(first == second)
    }
  }

  @Test("equal values have no BCa interval, and one of no width by percentiles") func equal() {
    var random = RandomGenerator(seed: 0)
    for value in [2, 0.1] {
      #expect(Bootstrap.interval([value, value, value], kind: .bca, using: &random) == nil)
    }
    #expect(Bootstrap.interval([2, 2, 2], kind: .percentile, using: &random) == 2...2)
    #expect(Bootstrap.interval([2], using: &random) == nil)
  }

  @Test("a bootstrap interval of the mean covers it as often as it says") func coverage() throws {
    var random = RandomGenerator(seed: 12)
    var covered = 0
    for _ in 0..<400 {
      // Exponential deviates with mean 1: skewed.
      let sample = (0..<60).map { _ in -log(1 - random.uniform()) }
      let interval = try #require(
        Bootstrap.interval(sample, level: 0.9, resamples: 400, using: &random))
      if interval.contains(1) { covered += 1 }
    }
    // 360 expected; the standard deviation is 6, and BCa is a little short for 60 skewed values.
    #expect((330...380).contains(covered), "\(covered) of 400")
  }

  @Test("empirical distributions step at their values and never reach what is missing") func empirical() {
    let distribution = EmpiricalDistribution(tied)
    #expect([2.5, 3, 7].map(distribution.cumulative) == [0.6, 0.6, 1.0])
    #expect([0.1, 0.5, 0.95].map(distribution.quantile) == [0, 2, 6])
    let half = EmpiricalDistribution([1, nil])
    #expect(half.cumulative(100) == 0.5 && half.quantile(0.5) == 1 && half.quantile(0.6) == nil)
  }

  @Test("the mean height of a step curve is exact, linear and logarithmic") func area() {
    let curve = StepCurve(positions: [1, 4, 10, 10, 30], values: [0.5, 0.25, 0.2, 0.125, 0.0625])
    #expect(isClose(curve.meanHeight(over: 2...50, scale: .linear), 0.1302083333333138))
    #expect(isClose(curve.meanHeight(over: 2...50, scale: .log), 0.2314160133365699))
    #expect(curve.meanHeight(over: 0.5...50, scale: .linear) == nil)
    #expect(curve.value(at: 0.9) == nil && curve.value(at: 10) == 0.125)
    #expect(curve.values(at: [0.5, 1, 9, 10, 99]) == [nil, 0.5, 0.25, 0.125, 0.0625])
    #expect(curve.firstPosition(atMost: 0.125) == 10 && curve.firstPosition(atMost: 0.01) == nil)
  }

  @Test("expected running times count what failures spent") func runningTime() {
    let time = RunningTime(times: [3, nil, 5], ends: [10, 10, 10])
    #expect(time.expected == 9 && time.successes == 2 && time.successRate == 2.0 / 3)
    #expect(RunningTime(times: [nil], ends: [10]).expected == nil)
    #expect(RunningTime(times: [], ends: []).successRate == nil)
  }
}
