import Anytime
import ArgumentParser
import Experiments
import Foundation
import Reports
import SearchSpaces
import TabularBenchmark

/// Options on how spending and regret are counted, shared by exports and plots.
struct CountingOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The currency of spending: seconds, epochs or evaluations. Default: the policy's."))
  var currency: BudgetPolicy.Currency?

  @Option(help: ArgumentHelp("The accounting: recommended-now or final-training-charged. Default: the policy's."))
  var accounting: Accounting?

  @Option(help: ArgumentHelp("The regret: test or validation. Default: test, if the table has test accuracies."))
  var metric: RegretMetric?

  @Flag(help: "Leave out the average random cell, for which the table is opened.")
  var noReference = false

  /// The runs of an experiment, counted by these options.
  func runs(_ results: ExperimentResults) throws -> RegretRuns {
    do {
      return try RegretRuns(
        results, currency: currency, accounting: accounting,
        reference: noReference ? nil : Self.reference(results))
    } catch { throw UsageError("\(error)") }
  }

  /// The average random cell of the experiment's space, if its table can be opened and is unchanged.
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

/// Options that name stored experiments, for plots of several side by side.
struct StoredExperiments: ParsableArguments {
  @Argument(help: "Run stores (.sqlite), or the experiment files of their runs.")
  var sources: [String]

  @Option(
    name: .customLong("experiment"), parsing: .singleValue,
    help: "The experiment's name, if a store holds several. Repeatable.")
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
