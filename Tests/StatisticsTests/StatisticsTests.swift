import Foundation
import Statistics
import Testing

@Suite("Determinants") struct DeterminantTests {
  @Test("are those of small matrices, by hand") func small() {
    #expect(abs(logDeterminant([[2, 1], [1, 3]]) - log(5)) < 1e-15)
    #expect(abs(logDeterminant([[0, 2], [3, 0]]) - log(6)) < 1e-15, "of its magnitude")
    #expect(logDeterminant([]) == 0)
    // The determinant of the Hilbert matrix of order 5 is 1 / 266,716,800,000.
    let hilbert = (1...5).map { row in (0..<5).map { 1 / Double(row + $0) } }
    #expect(abs(logDeterminant(hilbert) + log(266_716_800_000)) < 1e-9)
  }

  @Test("of singular matrices are zero", arguments: [2, 3, 40]) func singular(size: Int) {
    #expect(logDeterminant((0..<size).map { _ in (0..<size).map { Double($0 + 1) } }) == -.infinity)
    #expect(logDeterminant([[Double]](repeating: [Double](repeating: 7, count: size), count: size)) == -.infinity)
  }
}

@Suite("Random generator") struct RandomGeneratorTests {
  @Test("is xoshiro256**, whatever the platform") func golden() {
    // Computed with an independent Python implementation: Tests/Peers/xoshiro.py.
    var random = RandomGenerator(seed: 7, stream: "optimizer")
    #expect(
      (0..<4).map { _ in random.next() } == [
        0x214d_3c52_361f_760e, 0x5ee5_9a13_e3ed_f6d4, 0xeecc_8835_44db_8d4e, 0x090e_3444_1677_7ec6,
      ])
  }

  @Test("streams of one seed differ, equal streams agree") func streams() {
    var a = RandomGenerator(seed: 1, stream: "a")
    var again = RandomGenerator(seed: 1, stream: "a")
    var b = RandomGenerator(seed: 1, stream: "b")
    let draws = (0..<100).map { _ in a.next() }
    #expect(draws == (0..<100).map { _ in again.next() })
    #expect(draws != (0..<100).map { _ in b.next() })
  }

  @Test("a copy continues like the original") func values() {
    var a = RandomGenerator(seed: 3)
    _ = a.gaussian()
    var copy = a
    #expect(a.gaussian() == copy.gaussian() && a.below(1_000) == copy.below(1_000))
  }

  @Test("integers below a bound are uniform") func below() {
    var random = RandomGenerator(seed: 4)
    var hits = [Int](repeating: 0, count: 7)
    for _ in 0..<70_000 { hits[random.below(7)] += 1 }
    // Expected 10,000 each, standard deviation 93.
    #expect(hits.allSatisfy { abs($0 - 10_000) < 500 })
  }

  @Test("normal deviates have mean 0 and variance 1") func gaussian() throws {
    var random = RandomGenerator(seed: 5)
    let draws = (0..<100_000).map { _ in random.gaussian() }
    #expect(abs(try #require(draws.mean)) < 0.016)  // five standard errors
    #expect(abs(try #require(draws.standardDeviation) - 1) < 0.012)
  }
}

@Suite("Descriptive statistics agree with NumPy and SciPy") struct DescriptiveTests {
  // Values from Tests/Peers/descriptive.py.
  let sample: [Double] = [3, 1, 4, 1, 5, 9, 2, 6]
  let other: [Double] = [2, 7, 1, 8, 2, 8, 1, 8]

  @Test func moments() throws {
    #expect(sample.mean == 3.875)
    #expect(abs(try #require(sample.standardDeviation) - 2.748376143938713) < 1e-14)
    #expect(abs(try #require(sample.standardError) - 0.9716977043151993) < 1e-14)
  }

  @Test func quantiles() {
    #expect(sample.quantiles([0, 0.25, 0.5, 0.75, 1]) == [1, 1.75, 3.5, 5.25, 9])
  }

  @Test func spearman() throws {
    #expect(abs(try #require(sample.spearman(other)) - 0.19885368120992467) < 1e-14)
  }

  @Test func kendall() throws {
    #expect(abs(try #require(sample.kendall(other)) - 0.16051447078102563) < 1e-14)
    let long = (0..<500).map { (i: Int) in Double((i * i * 7 + 13 * i) % 31) }
    let there = (0..<500).map { (i: Int) in Double((i * i * 3 + 5 * i) % 47) }
    #expect(abs(try #require(long.kendall(there)) + 0.008961720896415625) < 1e-14)
    #expect(long.kendall(long) == 1 && long.kendall(long.map { -$0 }) == -1)
    #expect([1.0, 1, 1].kendall([1, 2, 3]) == nil && [1.0, .nan].kendall([1, 2]) == nil)
  }

  @Test func linearFit() throws {
    let fit = try #require(LinearFit(x: sample, y: other))
    #expect(abs(fit.intercept - 3.6264775413711585) < 1e-12)
    #expect(abs(fit.slope - 0.2576832151300236) < 1e-12)
  }

  @Test("are absent where they are undefined") func undefined() {
    #expect([Double]().mean == nil && [1.0].standardDeviation == nil && [Double]().median == nil)
    #expect([1.0, 1, 1].spearman([1, 2, 3]) == nil)
    #expect(LinearFit(x: [1, 1], y: [1, 2]) == nil)
  }
}
