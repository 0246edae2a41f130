import Anytime
import ArgumentParser
import CellSpace
import Foundation
import Statistics
import TabularBenchmark

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure look-ups, opening a table, and the methods' own time.",
    discussion: "EXAMPLES\n  anytime bench\n  anytime bench nasbench.table --space nas-bench-101")

  @OptionGroup var source: TableOption

  @Option(help: "A search space that the table holds.")
  var space = "mini"

  @Flag(help: .hidden)
  var supernet = false

  @Option(help: .hidden)
  var rounds = 10

  func run() throws {
    if supernet {
      #if Torch
        return try SupernetBench(rounds: max(1, rounds)).run()
      #else
        throw Failure("this program was built without libtorch")
      #endif
    }
    guard let space = SearchSpace(named: space) else { throw UsageError("'\(space)' is no search space") }
    let path = try source.open().path
    let opening = try time(100) { _ = try Table(contentsOf: URL(filePath: path)) }
    let table = try source.open()
    let benchmark = try Benchmark(table: table, space: space)
    var random = RandomGenerator(seed: 0, stream: "bench")

    let queries = (0..<10_000).map { _ in
      let cell = space.cell(space.sample(using: &random)) ?? table.cell(0)
      return (cell.adjacency, cell.operations)
    }
    var found = 0
    let byMatrix = try time(20) {
      for (adjacency, operations) in queries {
        found += table.row(of: try Cell(adjacency: adjacency, operations: operations)) == nil ? 0 : 1
      }
    }
    guard found > 0 else { throw Failure("no cell was found") }
    print(
      aligned(
        [
          ["", "each"],
          ["open a table of \(grouped(table.rowCount)) cells", String(format: "%.1f µs", opening * 1e6)],
          [
            "row of adjacency and operations",
            String(format: "%.0f ns", byMatrix / Double(queries.count) * 1e9),
          ],
        ] + (try indexRow(benchmark, &random)) + (try methodRows(benchmark))))
  }

  private func indexRow(_ benchmark: Benchmark, _ random: inout RandomGenerator) throws -> [[String]] {
    guard let count = benchmark.space.parameters.count, count < 1 << 22 else { return [] }
    let indices = (0..<10_000).map { _ in random.below(count) }
    var sum = 0
    let seconds = try time(100) {
      for index in indices { sum &+= benchmark.row(ofConfigurationAt: index) ?? 0 }
    }
    guard sum >= 0 else { return [] }
    return [["row of a configuration's index", String(format: "%.1f ns", seconds / 10_000 * 1e9)]]
  }

  private func methodRows(_ benchmark: Benchmark) throws -> [[String]] {
    try AnytimeCommand.registry.methods.map { type in
      let optimizer = try type.init(settings: Settings(type.method))
      var policy = BudgetPolicy.fair
      policy.currency = .evaluations
      var seed: UInt64 = 0
      let seconds = try time(50) {
        _ = try Anytime.run(optimizer, on: benchmark, policy: policy, horizon: 280, seed: seed)
        seed += 1
      }
      return [
        "\(type.method.name), a run of 280 trainings, whole, per training",
        String(format: "%.3f µs", seconds / 280 * 1e6),
      ]
    }
  }

  /// The median time of a body over some rounds, in seconds.
  private func time(_ rounds: Int, _ body: () throws -> Void) throws -> Double {
    let clock = ContinuousClock()
    let times = try (0..<rounds).map { _ -> Double in
      let duration = try clock.measure(body)
      return Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
    }
    return times.median ?? 0
  }
}
