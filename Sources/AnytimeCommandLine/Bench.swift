import Anytime
import ArgumentParser
import Foundation
import Reports
import SearchSpaces
import Statistics
import TabularBenchmark

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure the time of look-ups, of opening a table, and of the methods' suggestions.",
    discussion: """
      A suggestion is a method's choice of its next training: a configuration and its epochs, promotions \
      included. Each method makes 280 suggestions with each of 50 seeds. The medians of the method's own time \
      and of the time of the whole run, with session and ledger, are printed. Where './anytime peers' has installed \
      the reference implementations, './anytime bench' also times one run of each, by its process's own time on the \
      processor, without the objective and the pipe to it; SMAC3 takes minutes.

      EXAMPLES
        anytime bench
        anytime bench nasbench.table --space nas-bench-101
        anytime bench --no-peers
      """)

  @OptionGroup var source: TableOption

  @Option(help: "A search space whose cells the table holds.")
  var space = "1"

  @Flag(help: "Time the training steps of one-shot methods instead.")
  var supernet = false

  @Option(help: "The number of rounds of ten steps with --supernet.")
  var rounds = 10

  @Option(help: "The Python with PyTorch that --supernet times the peer in.")
  var python = "python3"

  @Flag(inversion: .prefixedNo, help: "Time the reference implementations too, where they are installed.")
  var peers = true

  private static let suggestions = 280

  func run() throws {
    if supernet { return try SupernetBench(rounds: max(1, rounds), python: python).run() }
    let space = try searchSpace(named: space)
    let path = try source.open().path
    let opening = try time(100) { _ = try Table(contentsOf: URL(filePath: path)) }
    let table = try source.open()
    let benchmark = try Benchmark(table: table, space: space)
    var random = RandomGenerator(seed: 0, stream: "bench")

    let queries = (0..<10_000).map { _ in
      switch space.architecture(space.sample(using: &random)) ?? table.architecture(0) {
      case .cell(let cell): (cell.adjacency, cell.operations)
      }
    }
    var found = 0
    let byMatrix = try time(20) {
      for (adjacency, operations) in queries {
        found += table.row(of: .cell(try Cell(adjacency: adjacency, operations: operations))) == nil ? 0 : 1
      }
    }
    guard found > 0 else { throw Failure("no cell was found") }
    let lookups = [
      ["", "each"],
      ["open a table of \(Numbers.grouped(table.rowCount)) cells", Numbers.decimals(opening * 1e6, 1) + " µs"],
      ["row of adjacency and operations", Numbers.decimals(byMatrix / Double(queries.count) * 1e9, 0) + " ns"],
    ]
    print(aligned(lookups + (try indexRow(benchmark, &random))) + "\n")
    print(aligned(try methodRows(benchmark, references: peers ? try Self.timePeers(path, space.name) : [:])))
    print(
      "(µs per suggestion, over \(Self.suggestions) on space \(space.name); own: the method's time alone, "
        + "whole: with session and ledger)")
  }

  private func indexRow(_ benchmark: Benchmark, _ random: inout RandomGenerator) throws -> [[String]] {
    guard let count = benchmark.space.parameters.count, count < 1 << 22 else { return [] }
    let indices = (0..<10_000).map { _ in random.below(count) }
    var sum = 0
    let seconds = try time(100) {
      for index in indices { sum &+= benchmark.row(ofConfigurationAt: index) ?? 0 }
    }
    guard sum >= 0 else { return [] }
    return [["row of a configuration's index", Numbers.decimals(seconds / 10_000 * 1e9, 1) + " ns"]]
  }

  private func methodRows(_ benchmark: Benchmark, references: [String: Reference]) throws -> [[String]] {
    var policy = BudgetPolicy.fair
    policy.currency = .evaluations
    var header = ["method", "own µs", "whole µs"]
    if !references.isEmpty { header += ["reference", "own µs", "times as much"] }
    return [header]
      + (try AnytimeCommand.registry.methods.filter {
        $0.method.family == .blackbox && !$0.method.usesImages && !$0.method.settings.contains(where: \.isRequired)
      }.map { type in
        let optimizer = try type.init(settings: Settings(type.method))
        let count = Double(Self.suggestions)
        var seed: UInt64 = 0
        var thinking: [Double] = []
        let seconds = try time(50) {
          let result = try Anytime.run(optimizer, on: benchmark, policy: policy, horizon: count, seed: seed)
          thinking.append(result.overheadSeconds)
          seed += 1
        }
        let own = (thinking.median ?? 0) / count * 1e6
        var row = [type.method.name, Numbers.decimals(own, 2), Numbers.decimals(seconds / count * 1e6, 2)]
        if let reference = references[type.method.name] {
          row += [
            reference.name, Numbers.grouped(Int(reference.microseconds.rounded())),
            Numbers.grouped(Int((reference.microseconds / own).rounded())),
          ]
        } else if !references.isEmpty {
          row += ["-", "-", "-"]
        }
        return row
      })
  }

  /// A reference implementation and its own time per suggestion.
  private struct Reference {
    let name: String
    let microseconds: Double
  }

  /// Times the reference implementations in the folder that the launcher names. The keys are our methods' names.
  private static func timePeers(_ table: String, _ space: String) throws -> [String: Reference] {
    guard let root = ProcessInfo.processInfo.environment["ANYTIME_PEERS"] else { return [:] }
    let process = Process()
    process.executableURL = URL(filePath: root + "/.venv/bin/python")
    process.arguments = [
      root + "/Tests/Peers/peers.py", "--anytime", "/proc/\(getpid())/exe", "--table", table,
      "--space", space, "--speed", String(suggestions),
    ]
    let pipe = Pipe()
    process.standardOutput = pipe
    do { try process.run() } catch {
      throw Failure("\(root)/.venv is broken; remove it and run './anytime peers'")
    }
    let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Failure("the reference implementations failed, see above; --no-peers leaves them out")
    }
    var references: [String: Reference] = [:]
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: ",").map(String.init)
      guard fields.count == 3, let microseconds = Double(fields[2]) else { continue }
      references[fields[0]] = Reference(name: fields[1], microseconds: microseconds)
    }
    return references
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
