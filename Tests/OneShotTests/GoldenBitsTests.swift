import Anytime
import Foundation
import OneShot
import OptimizerConformance
import Tensor
import Testing

/// Digests of short runs, so that a change of a single bit is seen in review. Whoever changes bits on purpose counts up
/// the methods' revision and writes the new digests here.
@Suite("The bits of one-shot methods") struct GoldenBitsTests {
  static let digests = [
    "darts": "9a7e023a2e3a8e1d", "enas": "e922aaa1829412dc", "gdas": "dece1b18791a121c",
    "pc-darts": "af773647165fa555", "random-search-ws": "8f26f2fffdfa5df5", "spos": "12a891851e98fda6",
  ]

  /// The 64-bit FNV-1a digest of all numbers of a trace.
  private func digest(_ trace: [TracePoint]) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    func add(_ number: Double) {
      for shift in stride(from: UInt64(0), to: 64, by: 8) {
        hash = (hash ^ (number.bitPattern >> shift & 0xff)) &* 0x100_0000_01b3
      }
    }
    for point in trace {
      for (_, value) in point.values.sorted(by: { $0.key < $1.key }) { add(value) }
      for weight in point.weights.joined() { add(weight) }
    }
    return String(hash, radix: 16)
  }

  @Test("are those that they were", arguments: digests.keys.sorted()) func golden(name: String) throws {
    try Torch.load()
    // Other libraries, and levels that a processor lacks, have bits of their own, and identities say so.
    guard Torch.version == "1.13.0", Torch.level.hasPrefix("AVX2") else { return }
    let type = try #require(oneShotMethods.first { $0.method.name == name })
    let known = Set(type.method.settings.map(\.name))
    let given = [
      "epochs": "2", "batch-size": "32", "samples": "4", "finalists": "2", "population": "4", "generations": "2",
      "controller-steps": "4", "evaluation-images": "32", "warm-start-epochs": "0",
    ].filter { known.contains($0.key) }
    let method = try type.init(
      settings: Settings(type.method, given.merging(["preset": "quick"]) { $1 }))
    let result = try run(method, on: OptimizerConformance.benchmark(), policy: .fair, horizon: 1e6, seed: 0)
    #expect(digest(result.trace) == Self.digests[name])
  }
}
