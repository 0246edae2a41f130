import Statistics
import Testing

// Values from Tests/Peers/significance.py, by SciPy; the samples are those of SignificanceTests.
private let a = (0..<12).map { (i: Int) -> Double in Double((i * i * 37 + 11 * i) % 101) / 10 }
private let b = (0..<9).map { (i: Int) -> Double in Double((i * 53 + 29) % 103) / 10 + 1.05 }

private func isClose(_ value: Double, _ golden: Double) -> Bool { abs(value - golden) <= 1e-9 * max(1e-6, abs(golden)) }

@Suite("The least p-value of an exact test") struct LeastPValueTests {
  @Test("is that of samples of which one is all greater") func mannWhitney() {
    #expect(isClose(MannWhitney.leastPValue(3, 200), 1.4559209027291966e-06))
    #expect(isClose(MannWhitney.leastPValue(200, 1), 0.009950248756218905))
    #expect(isClose(MannWhitney.leastPValue(4, 4), 0.02857142857142857))
    #expect(MannWhitney.leastPValue(1, 1) == 1)
    for (m, n) in [(2, 5), (3, 3), (1, 30), (6, 7)] {
      let test = MannWhitney((0..<m).map(Double.init), (m..<m + n).map(Double.init))
      #expect(isClose(MannWhitney.leastPValue(m, n), test?.pValue ?? .nan))
    }
  }

  @Test("is that of differences of one sign") func wilcoxon() {
    #expect(Wilcoxon.leastPValue(6) == 0.03125 && Wilcoxon.leastPValue(0) == 1)
    let zeros = [Double](repeating: 0, count: 9)
    #expect(Wilcoxon((1...9).map(Double.init), zeros)?.pValue == Wilcoxon.leastPValue(9))
  }

  @Test("is that of a method that is always the best and one that is always the worst") func nemenyi() throws {
    #expect(isClose(Friedman.leastNemenyi(blocks: 3, methods: 5), 0.016665268430847924))
    let friedman = try #require(Friedman([[1, 2, 3, 4], [1, 3, 2, 4], [1, 2, 3, 4]]))
    #expect(isClose(Friedman.leastNemenyi(blocks: 3, methods: 4), friedman.nemenyi(0, 3)))
  }
}

@Suite("Noether's sample sizes") struct SampleSizeTests {
  @Test("of two samples of equal size") func mannWhitney() {
    #expect(MannWhitney.size(a12: 0.7, level: 0.05, power: 0.8) == 33)
    #expect(MannWhitney.size(a12: 0.3, level: 0.05, power: 0.8) == 33)
    #expect(MannWhitney.size(a12: 0.9, level: 0.05 / 105, power: 0.8) == 20)
    #expect(MannWhitney.size(a12: 0.398148148148148, level: 0.05, power: 0.8) == 127)
    #expect(MannWhitney.size(a12: 0.5, level: 0.05, power: 0.8) == nil)
  }

  @Test("are at least what the exact test needs") func least() {
    // Six by the formula; 2 of 70 ways to deal eight values are below 0.05, but no fewer than 2 of 12870 below 0.0002.
    #expect(MannWhitney.size(a12: 1, level: 0.05, power: 0.8) == 6)
    #expect(MannWhitney.size(a12: 1, level: 0.05, power: 0.01) == 4)
    #expect(MannWhitney.size(a12: 1, level: 0.0002, power: 0.0001) == 8)
  }

  @Test("of signed ranks, and of Nemenyi's test by the same reasoning") func paired() throws {
    #expect(try #require(Wilcoxon(Array(a.prefix(9)), b)).size(level: 0.05, power: 0.8) == 34)
    #expect(Wilcoxon([1, 2], [1, 2])?.size(level: 0.05, power: 0.8) == nil)
    let blocks = (0..<15).map { (i: Int) -> [Double] in
      (0..<4).map { (j: Int) -> Double in
        Double((i * i * 7 + 13 * i * (j + 1) + 5 * j * j) % 17 + (j == 3 ? 9 : 0))
      }
    }
    let friedman = try #require(Friedman(blocks))
    #expect(friedman.nemenyiSize(0, 1, level: 0.05, power: 0.8) == 156)
    #expect(friedman.nemenyiSize(1, 1, level: 0.05, power: 0.8) == nil)
  }

  @Test("give tests of about the power that they say") func power() throws {
    var random = RandomGenerator(seed: 3)
    // Uniform values, shifted so that A12 is 0.7: (1 - s)² / 2 = 0.3.
    let shift = 1 - 0.6.squareRoot()
    let size = try #require(MannWhitney.size(a12: 0.7, level: 0.05, power: 0.8))
    var significant = 0
    for _ in 0..<500 {
      let first = (0..<size).map { _ in random.uniform() + shift }
      let second = (0..<size).map { _ in random.uniform() }
      if try #require(MannWhitney(first, second)).pValue < 0.05 { significant += 1 }
    }
    // 400 expected with a standard deviation of 9.
    #expect((365...450).contains(significant), "\(significant) of 500")
  }

  @Test("search finds the least number, wherever it is") func search() {
    for least in [1, 2, 3, 7, 100, 12_345] {
      #expect(SampleSize.least(from: 1) { $0 >= least } == least)
    }
    #expect(SampleSize.least(from: 5) { $0 >= 3 } == 5)
    #expect(SampleSize.least(from: 1) { _ in false } == nil)
  }
}

@Suite("Student's interval agrees with SciPy") struct StudentTests {
  @Test("for a dozen and for three values") func intervals() throws {
    let dozen = try #require(a.meanInterval())
    #expect(isClose(dozen.lowerBound, 3.9862939773844452) && isClose(dozen.upperBound, 7.047039355948888))
    let three = try #require([1, 2, 3].meanInterval())
    #expect(isClose(three.lowerBound, -0.48413771175033027) && isClose(three.upperBound, 4.48413771175033))
    #expect([1].meanInterval() == nil)
  }
}
