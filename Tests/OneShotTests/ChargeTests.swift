@_spi(Instruments) import Anytime
import Foundation
import OneShot
import SearchSpaces
import Statistics
import Supernet
import TabularBenchmark
import Tensor
import Testing

@Suite("Charges of supernets") struct ChargeTests {
  private static let isSlow = ProcessInfo.processInfo.environment["ANYTIME_SLOW_TESTS"] == "1"

  private func model(_ table: Table) throws -> CostModel? {
    try CostModel(Benchmark(table: table, space: .oneShot1), task: SearchTask(of: table))
  }

  /// The embedded table with another text, or none, as its measured passes.
  static func table(passes: String?) throws -> Table {
    let url = FileManager.default.temporaryDirectory.appending(path: "charges-\(UUID().uuidString).table")
    defer { try? FileManager.default.removeItem(at: url) }
    let embedded = try Table.embedded()
    let writer = try TableWriter(destination: url)
    try writer.add(contentsOf: embedded)
    var provenance = embedded.provenance
    provenance[PassTimings.provenanceKey] = passes
    try writer.finish(provenance: provenance)
    return try Table(contentsOf: url)
  }

  @Test("fit the passes that the embedded table has brought along") func residuals() throws {
    let model = try #require(try model(.embedded()))
    #expect(model.residuals.count == 36)
    #expect(Set(model.residuals.map(\.name)).count == 36)
    for residual in model.residuals {
      let bound = residual.name.hasSuffix("evaluation") ? 0.3 : 0.15
      #expect(abs(residual.ratio - 1) < bound, "\(residual.name): \(residual.ratio)")
    }
    // Least squares of relative deviations: on average nothing is left.
    let mean = try #require(model.residuals.map(\.ratio).mean)
    #expect(abs(mean - 1) < 0.02)
  }

  @Test("follow from the table's own trainings where it has no passes, and are refused where these are damaged")
  func provenance() throws {
    let model = try #require(try self.model(Self.table(passes: nil)))
    #expect(model.residuals.isEmpty && model.forward == model.toInputs && model.forward == model.toWeights)
    for text in ["", "{}", #"{"passes": [], "secondsPerCPUSecond": "x"}"#, "[1, 2]"] {
      let error = #expect(throws: PassTimings.Problem.self) { try self.model(Self.table(passes: text)) }
      #expect(error?.description.contains("anytime table time-supernets") == true)
    }
    let good = try #require(try Table.embedded().provenance[PassTimings.provenanceKey])
    let negative = good.replacing(#""seconds":"#, with: #""seconds":-"#)
    #expect(throws: PassTimings.Problem.self) { try self.model(Self.table(passes: negative)) }
  }

  @Test("add up: a training is an evaluation, the way back to inputs, and that to weights") func parts() throws {
    let model = try #require(try model(.embedded()))
    let pass = try #require(model.residuals.first)
    #expect(pass.ratio > 0)
    let passes = [Passes.evaluation, .architecture, .training]
    let totals: [Double] = passes.map { $0.forward + $0.toInputs + $0.toWeights }
    #expect(totals == [1, 2, 3])
    #expect(Passes.training * 0.5 + .evaluation == Passes(forward: 1.5, toInputs: 0.5, toWeights: 0.5))
  }

  /// CPU seconds of this thread.
  private static var seconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  @Test(
    "are, over the CPU seconds that passes take, within a tenth of each other for all methods",
    .enabled(if: isSlow))
  func fairness() throws {
    let benchmark = try Benchmark(table: .embedded(), space: .oneShot1)
    let methods = oneShotMethods.filter { $0.method.family == .oneShot && $0.method.name != "trace" }
    func ratio(_ type: any Optimizer.Type) throws -> Double {
      let known = type.method.settings.map(\.name)
      var given = ["preset": "quick", "epochs": "3"]
      if known.contains("warm-start-epochs") { given["warm-start-epochs"] = "0" }
      let method = try type.init(settings: Settings(type.method, given))
      let start = Self.seconds
      let result = try run(method, on: benchmark, policy: .fair, horizon: 1e6, seed: 0)
      // A method's own thinking, such as that of a controller, is told apart from the work that is charged.
      return result.spent.seconds / (Self.seconds - start - result.overheadSeconds)
    }
    _ = try ratio(methods[0])  // reads the images
    // The greatest of three: whatever disturbs a measurement makes it longer.
    let ratios = try methods.map { type in try (0..<3).map { _ in try ratio(type) }.max() ?? 0 }
    let middle = ((ratios.min() ?? 0) + (ratios.max() ?? 0)) / 2
    for (type, ratio) in zip(methods, ratios) {
      print("charged benchmark seconds per CPU second, \(type.method.name): \(ratio)")
      #expect((0.9...1.1).contains(ratio / middle), "\(type.method.name)")
    }
  }
}
