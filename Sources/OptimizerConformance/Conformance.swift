import Anytime
import CellSpace
import Crypto
import Experiments
import Foundation
import Statistics
import TabularBenchmark

/// The checks that every search method must pass, for any test framework:
///
///     let failures = try OptimizerConformance(HillClimbing.self).failures()
///     #expect(failures.isEmpty)
///
/// They run the method on a made-up table of the mini space: budgets are never exceeded, the same seed gives
/// the same run on any number of threads, interrupted experiments end like unbroken ones, only cells of the
/// space are incumbents, trajectories ascend, and nothing is learnt from test data. To check that another
/// process gives the same run too, compare ``fingerprint()`` there.
public struct OptimizerConformance: Sendable {
  private let type: any Optimizer.Type
  private let make: @Sendable () throws -> any Optimizer

  /// - Parameter settings: Values that differ from the method's defaults, for instance to make it quicker.
  public init(_ type: any Optimizer.Type, settings: [String: String] = [:]) {
    self.type = type
    make = { try type.init(settings: Settings(type.method, settings)) }
  }

  /// Checks a method with other settings than the defaults, as in `OptimizerConformance(TPE { $0.startup = 5 })`.
  public init(_ optimizer: some Optimizer) {
    type = Swift.type(of: optimizer)
    make = { optimizer }
  }

  /// What the method does wrong, a sentence each; empty if it conforms. Settings that are declared wrongly are the
  /// only failure, as nothing else can be checked then.
  ///
  /// - Throws: If the made-up table cannot be written, or the method fails.
  public func failures() async throws -> [String] {
    if let problem = Registry.problem(with: type) { return ["its declarations are wrong: \(problem)"] }
    let benchmark = try Self.benchmark()
    let poisoned = try Self.benchmark(testAccuracy: { 1 - $0 })
    let optimizer = try make()
    var failures: [String] = []
    let cells = Set(benchmark.rows.map { benchmark.table.hash($0).description })

    for currency in BudgetPolicy.Currency.allCases {
      var policy = BudgetPolicy.fair
      policy.currency = currency
      for budget in [1.0, 7.5, 150] {
        let horizon = currency == .evaluations ? budget : budget * 20
        let result = try run(optimizer, on: benchmark, policy: policy, horizon: horizon, seed: 1)
        let amounts = result.trajectory.map(\.amount)
        if result.spent[currency] > horizon || amounts.contains(where: { $0 > horizon }) {
          failures.append("it spends more than \(horizon) \(currency.rawValue)")
        }
        if amounts != amounts.sorted() { failures.append("its trajectory goes back in time") }
        if result.trajectory.contains(where: { !cells.contains($0.cell) }) {
          failures.append("it recommends a cell outside the search space")
        }
        let again = try run(optimizer, on: benchmark, policy: policy, horizon: horizon, seed: 1)
        if result.trajectory != again.trajectory || result.ledger != again.ledger {
          failures.append("the same seed gives another run (\(horizon) \(currency.rawValue))")
        }
        let blind = try run(optimizer, on: poisoned, policy: policy, horizon: horizon, seed: 1)
        if result.trajectory.map(\.cell) != blind.trajectory.map(\.cell) {
          failures.append("its choices depend on test accuracy")
        }
      }
    }
    failures += try await resumptionFailures(benchmark)
    return failures
  }

  /// An experiment on one thread, whole, against one on four threads in two halves.
  private func resumptionFailures(_ benchmark: Benchmark) async throws -> [String] {
    let folder = FileManager.default.temporaryDirectory.appending(path: "conformance-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let registry = Registry([type])
    let entry = MethodEntry(
      label: type.method.name, method: type.method.name, settings: Settings(of: try make()))
    let experiment = Experiment(
      name: "conformance", space: benchmark.space.name, horizon: 1_500, seeds: [0, 1, 2, 3, 4, 5],
      methods: [entry])
    var half = experiment
    half.seeds = [1, 4, 5]

    let whole = try RunStore(path: folder.appending(path: "whole.sqlite").path, registry: registry)
    let parts = try RunStore(path: folder.appending(path: "parts.sqlite").path, registry: registry)
    func runner(_ experiment: Experiment, _ store: RunStore) throws -> Runner {
      try Runner(experiment: experiment, benchmark: benchmark, registry: registry, store: store)
    }
    try await runner(experiment, whole).run(threads: 1)
    try await runner(half, parts).run(threads: 2)
    try await runner(experiment, parts).run(threads: 4)
    let results = try [whole, parts].map { store -> [(UInt64, [TrajectoryPoint])] in
      try runner(experiment, store).results().methods[0].runs.map { ($0.seed, $0.result.trajectory) }
    }
    let agree =
      results[0].count == experiment.seeds.count
      && results[0].elementsEqual(results[1]) { $0.0 == $1.0 && $0.1 == $1.1 }
    return agree ? [] : ["an interrupted experiment on several threads ends otherwise than an unbroken one"]
  }

  /// A digest of a few runs, in 64 hexadecimal digits: equal in every process, on every machine.
  public func fingerprint() throws -> String {
    let benchmark = try Self.benchmark()
    let optimizer = try make()
    var text = ""
    for seed in UInt64(0)..<3 {
      let result = try run(optimizer, on: benchmark, policy: .fair, horizon: 3_000, seed: seed)
      for point in result.trajectory { text += "\(point.amount) \(point.cell) \(point.validationRegret)\n" }
    }
    return SHA256.hash(data: Data(text.utf8)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  /// The mini space with made-up numbers (three fidelities, two repeats): deeper cells and 3x3 convolutions
  /// are better and slower, plus noise.
  ///
  /// - Parameter testAccuracy: The test accuracy as a function of the honest one.
  package static func benchmark(testAccuracy: (Float) -> Float = { $0 }) throws -> Benchmark {
    let url = FileManager.default.temporaryDirectory.appending(path: "conformance-\(UUID().uuidString).table")
    defer { try? FileManager.default.removeItem(at: url) }
    let space = SearchSpace.mini
    var noise = RandomGenerator(seed: 0, stream: "conformance")
    let writer = try TableWriter(destination: url)
    for cell in space.uniqueCells() {
      let row = writer.add(cell: cell)
      let convolutions = (1...max(cell.interiorCount, 1)).count {
        $0 <= cell.interiorCount && cell.operation(of: $0) == .conv3x3
      }
      let quality = 0.6 + 0.05 * Double(convolutions) + 0.03 * Double(cell.depth)
      for epochs in [2, 6, 18] {
        for _ in 0..<2 {
          let seconds = Double(epochs) * (1 + Double(convolutions)) * (0.9 + 0.2 * noise.uniform())
          let accuracy = quality * (1 - 1 / Double(epochs + 1)) + 0.01 * noise.gaussian()
          let test = testAccuracy(Float(accuracy + 0.005 * noise.gaussian()))
          try writer.append(
            Measurement(
              final: .init(
                seconds: Float(seconds), trainAccuracy: Float(accuracy), validationAccuracy: Float(accuracy),
                testAccuracy: test)),
            row: row, epochs: epochs)
        }
      }
    }
    // A small task, for methods that train a supernet.
    let task = """
      {"dataset": {"downscale": 4, "name": "fashion-mnist", "seed": 0, "testImages": 64, "trainingImages": 96,
      "validationImages": 96}, "network": {"batchNormEpsilon": 1e-5, "batchNormMomentum": 0.1, "cellsPerStack": 1,
      "channels": 4, "stacks": 3}}
      """
    try writer.finish(provenance: ["source": "made up for conformance checks", "settings": task])
    return try Benchmark(table: Table(contentsOf: url), space: space)
  }
}
