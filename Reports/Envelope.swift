import Anytime
import Experiments
import Statistics

/// What a method that is planned for a number of epochs reaches by each budget, if it is planned for that budget.
///
/// A run with a schedule depends on its end: planned for a hundred epochs, it is not after ten what it would be if it
/// were planned for ten. COCO calls such algorithms budget-dependent, and runs them for several budgets (Tušar, Hansen and
/// Brockhoff, "Anytime Benchmarking of Budget-Dependent Algorithms with the COCO Platform", IS 2017). So at each budget
/// the envelope has the final results of one entry of a study of `Variation.Design.horizons`: the one
/// planned for the most epochs of all that have ended by then. Before the first has ended, it has nothing.
public struct Envelope: Sendable {
  /// The study's name and `envelope`.
  public let label: String
  /// The method's name.
  public let method: String
  /// The method's family.
  public let family: Method.Family
  /// Ascending in amounts and epochs.
  public let stages: [Stage]

  /// An entry, from its end to that of the next stage's.
  public struct Stage: Sendable {
    /// The median over its runs of what was spent when they ended.
    public let amount: Double
    /// The number of epochs for which it is planned.
    public let epochs: Int
    /// The entry's final results, as fractions, of each run that ended well.
    public let validation: [Double]
    /// Empty if the table has no test accuracy.
    public let test: [Double]

    func values(_ metric: RegretMetric) -> [Double] { metric == .validation ? validation : test }
  }

  /// The stage of a budget; `nil` before the first entry's end.
  public func stage(at amount: Double) -> Stage? { stages.last { $0.amount <= amount } }

  /// One entry of a study.
  struct Entry {
    let epochs: Int
    /// At least one, each with the amount at which its final result is known; infinite if its budget cut it short.
    let runs: [(run: RegretRuns.Run, end: Double)]
  }

  /// - Returns: `nil` if no entry has ended by itself. An entry with a run that has no result is left out.
  init?(_ label: String, method: String, family: Method.Family, _ entries: [Entry]) {
    (self.label, self.method, self.family) = (label, method, family)
    let all = entries.compactMap { entry -> Stage? in
      let validation = entry.runs.compactMap(\.run.validation.values.last)
      let ends = entry.runs.map(\.end).sorted()
      // The median, with runs that have no end.
      let amount = (ends[(ends.count - 1) / 2] + ends[ends.count / 2]) / 2
      guard amount.isFinite, validation.count == ends.count, validation.allSatisfy(\.isFinite) else { return nil }
      let test = entry.runs.compactMap { $0.run.test?.values.last }
      return Stage(
        amount: amount, epochs: entry.epochs, validation: validation, test: test.count == validation.count ? test : [])
    }
    // An entry that ends after one that is planned for more epochs is never the one planned for the most.
    stages = all.filter { stage in !all.contains { $0.epochs > stage.epochs && $0.amount <= stage.amount } }
      .sorted { $0.amount < $1.amount }
    guard !stages.isEmpty else { return nil }
  }
}

extension RegretRuns {
  /// The envelopes of the experiment's studies of horizons.
  ///
  /// - Parameter ends: By method and run, the amount at which its final result is known.
  static func envelopes(_ results: ExperimentResults, _ methods: [MethodRuns], ends: [[Double]]) -> [Envelope] {
    var labels = Set(methods.map(\.label))
    return results.studies.filter { $0.design == .horizons }.compactMap { study in
      let entries = study.entries.compactMap { index -> Envelope.Entry? in
        let epochs = results.methods[index].entry.variation?.levels["epochs"].flatMap { Int($0) }
        guard let epochs, !methods[index].runs.isEmpty else { return nil }
        return Envelope.Entry(epochs: epochs, runs: zip(methods[index].runs, ends[index]).map { ($0, $1) })
      }
      guard let first = study.entries.first else { return nil }
      var label = "\(study.name), envelope"
      while !labels.insert(label).inserted { label += "'" }
      return Envelope(label, method: methods[first].method, family: methods[first].family, entries)
    }
  }
}
