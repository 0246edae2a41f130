import Anytime
import Foundation
import OptimizerConformance
import SearchSpaces
import TabularBenchmark
import Testing

@Suite("How a supernet ranks architectures") struct RankingTests {
  /// What Tests/Peers/ranking.py computed with NumPy and SciPy.
  static let golden: [RankingMeasure: Double] = [
    .spearman: 0.8769102528480134, .kendall: 0.6926553672316385, .spearmanByLoss: 0.9130313976104476,
    .sizeBias: 0.08035565434843013, .stability: 0.5163841807909605, .precisionAtTop: 1.0 / 3,
    .precisionAtBottom: 2.0 / 3, .bestRank: 0.05, .worstRank: 7.0 / 60,
  ]

  /// The sample of that script, by the identifiers of the mini space in their order.
  private struct Sample {
    static let count = 60
    let ids: [Architecture.ID]
    let benchmark: Benchmark

    static func truth(_ n: Int) -> Double { 0.1 + 0.05 * sin(1.3 * Double(n)) + 0.001 * Double(n) }

    init(parameters: Bool = true) throws {
      let url = FileManager.default.temporaryDirectory.appending(path: "ranking-\(UUID().uuidString).table")
      defer { try? FileManager.default.removeItem(at: url) }
      let writer = try TableWriter(destination: url)
      let architectures = SearchSpace.mini.architectures().sorted { $0.id < $1.id }
      for (n, architecture) in architectures.enumerated() {
        let row = writer.add(architecture, parameters: parameters ? Int64(1_000 + 37 * n % 411) : nil)
        try writer.append(
          Measurement(final: .init(seconds: 1, validationAccuracy: Float(1 - Self.truth(n)))), row: row, epochs: 1)
      }
      try writer.finish(provenance: [:])
      benchmark = try Benchmark(table: Table(contentsOf: url), space: .mini)
      ids = architectures.prefix(Self.count).map(\.id)
    }

    func point(
      epoch: Int, losses: Bool = false, _ change: (Double) -> Double
    ) -> TracePoint {
      func values(_ value: (Int) -> Double) -> [Architecture.ID: Double] {
        Dictionary(uniqueKeysWithValues: ids.enumerated().map { ($1, value($0)) })
      }
      return TracePoint(
        epoch: epoch, amount: Double(epoch), architecture: ids[0], values: [:], weights: [],
        errors: values { Self.truth($0) + change(Double($0)) },
        losses: losses ? values { 2 * Self.truth($0) + 0.05 * cos(1.7 * Double($0)) } : nil)
    }
  }

  @Test("is measured as NumPy and SciPy do") func measures() throws {
    let sample = try Sample()
    let trace = [
      sample.point(epoch: 5) { 0.04 * sin(0.7 * $0) },
      TracePoint(epoch: 6, amount: 6, architecture: sample.ids[0], values: ["a": 1], weights: [], errors: [:]),
      sample.point(epoch: 10, losses: true) { 0.03 * sin(2.9 * $0 + 1) },
    ].ranked(by: sample.benchmark)
    for (measure, value) in Self.golden {
      let found = try #require(trace[2].values[measure.rawValue], "\(measure)")
      #expect(abs(found - value) < 1e-12, "\(measure): \(found)")
    }
    #expect(Self.golden.count == RankingMeasure.allCases.count)
    #expect(trace[1].values == ["a": 1])
    // The first probe has none before it, and this one had no losses.
    let absent: [RankingMeasure] = [.stability, .spearmanByLoss]
    #expect(trace[0].values.count == RankingMeasure.allCases.count - absent.count)
    #expect(absent.allSatisfy { trace[0].values[$0.rawValue] == nil })
  }

  @Test("has no bias by size where the table does not have all sizes") func noSizes() throws {
    let sample = try Sample(parameters: false)
    let values = try #require([sample.point(epoch: 1) { _ in 0 }].ranked(by: sample.benchmark).first).values
    #expect(values[RankingMeasure.sizeBias.rawValue] == nil)
    #expect(abs((values["spearman"] ?? 0) - 1) < 1e-12 && values["kendall"] == 1)
  }

  @Test("is as stable as can be where errors stay, and begins anew with another supernet") func stability() throws {
    let sample = try Sample()
    let trace = [1, 2, 1].map { epoch in sample.point(epoch: epoch) { _ in 0 } }.ranked(by: sample.benchmark)
    #expect(trace.map { $0.values[RankingMeasure.stability.rawValue] } == [nil, 1, nil])
  }

  @Test("of a few architectures takes one for the top and one for the bottom") func few() throws {
    let best = RankingMeasure.all(errors: [0.3, 0.1, 0.2], losses: nil, truth: [0.6, 0.4, 0.5], parameters: [3, 1, 2])
    #expect(best[.precisionAtTop] == 1 && best[.precisionAtBottom] == 1 && best[.kendall] == 1)
    #expect(abs((best[.sizeBias] ?? 0) - 1) < 1e-12)
    #expect(best[.bestRank] == 1.0 / 3 && best[.worstRank] == 1.0 / 3)
    let worst = RankingMeasure.all(errors: [0.1, 0.3], losses: [2, 1], truth: [0.6, 0.4], parameters: nil)
    #expect(worst[.precisionAtTop] == 0 && worst[.bestRank] == 1 && worst[.worstRank] == 1)
    #expect(worst[.kendall] == -1 && worst[.sizeBias] == nil)
    #expect(abs((worst[.spearmanByLoss] ?? 0) - 1) < 1e-12 && abs((worst[.spearman] ?? 0) + 1) < 1e-12)
    #expect(RankingMeasure.all(errors: [0.1], losses: nil, truth: [0.1], parameters: nil).isEmpty)
  }

  @Test("has losses in traces, which earlier versions had not") func decoding() throws {
    let sample = try Sample()
    let point = sample.point(epoch: 1, losses: true) { _ in 0 }
    let encoded = try JSONEncoder().encode(point)
    #expect(try JSONDecoder().decode(TracePoint.self, from: encoded) == point)
    let old = """
      {"amount": 1, "cell": "\(sample.ids[0])", "epoch": 1, "errors": {"\(sample.ids[0])": 0.5}, "values": {},
      "weights": []}
      """
    let decoded = try JSONDecoder().decode(TracePoint.self, from: Data(old.utf8))
    #expect(decoded.losses == nil && decoded.errors == [sample.ids[0]: 0.5])
  }
}
