import Anytime
import ArgumentParser
import CellSpace
import Experiments
import Foundation
import Reports
import TabularBenchmark

/// What is counted, shared by exports and plots.
struct CountingOptions: ParsableArguments {
  @Option(help: ArgumentHelp("What is spent: seconds, epochs or evaluations. Default: as the policy counts."))
  var currency: BudgetPolicy.Currency?

  @Option(help: ArgumentHelp("recommended-now or final-training-charged. Default: as the policy counts."))
  var accounting: Accounting?

  @Option(help: ArgumentHelp("test or validation regret. Default: test, where the table has it."))
  var metric: RegretMetric?

  @Flag(help: "Do not open the table for the average random cell.")
  var noReference = false

  /// The runs of an experiment, counted so.
  func runs(_ results: ExperimentResults) throws -> RegretRuns {
    do {
      return try RegretRuns(
        results, currency: currency, accounting: accounting,
        reference: noReference ? nil : Self.reference(results))
    } catch { throw UsageError("\(error)") }
  }

  /// What the experiment's table says of the space, if it is still there.
  private static func reference(_ results: ExperimentResults) -> SpaceReference? {
    let experiment = results.experiment
    let benchmark: Benchmark
    do { benchmark = try experiment.openBenchmark() } catch {
      Console.say("note: the average random cell is left out: \(error)")
      return nil
    }
    guard benchmark.table.checksum == results.tableChecksum else {
      Console.say(
        "note: the average random cell is left out: the table \(experiment.table) is another one than that of "
          + "'\(experiment.name)'")
      return nil
    }
    return SpaceReference(benchmark, policy: experiment.policy)
  }
}

/// Stored experiments, for plots of several side by side.
struct StoredExperiments: ParsableArguments {
  @Argument(help: "Run stores (.sqlite), or the experiment files that they were made from.")
  var sources: [String]

  @Option(
    name: .customLong("experiment"), parsing: .singleValue,
    help: "Which experiment, where a store holds several. Repeatable.")
  var names: [String] = []

  func validate() throws {
    if sources.isEmpty { throw ValidationError("give at least one run store") }
  }

  func results() throws -> [ExperimentResults] {
    try sources.flatMap { source in
      guard !names.isEmpty else { return [try StoredExperiment.results(source, named: nil)] }
      return try names.map { try StoredExperiment.results(source, named: $0) }
    }
  }
}

extension BudgetPolicy.Currency: ExpressibleByArgument {}
extension Accounting: ExpressibleByArgument {}
extension RegretMetric: ExpressibleByArgument {}
extension CurveCenter: ExpressibleByArgument {}
extension SignificanceTable.Test: ExpressibleByArgument {}
