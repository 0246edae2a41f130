import Anytime
import Experiments
import Foundation

/// The runs of an experiment's studies with their levels, as comma-separated values.
public enum FactorExport {
  /// A row per run of an entry that differs from others in a few settings, failed runs included.
  ///
  /// Each setting that varies is a column of its own, `factor.NAME`: its level in canonical text, or what the entry's
  /// settings say where one factor varied at a time; empty in studies without the factor. Regrets and accuracies are
  /// fractions; `spent` is in the policy's currency, without what was lost at the horizon.
  ///
  /// - Parameter registry: Knows the settings' defaults.
  /// - Throws: ``ReportError`` if no setting varies.
  public static func csv(_ results: ExperimentResults, registry: Registry) throws(ReportError) -> Data {
    let studies = results.studies
    guard !studies.isEmpty else {
      throw ReportError(
        "the experiment '\(results.experiment.name)' has no factors; give a method settings that vary, as in 'vary: "
          + "{weight-decay: [1e-4, 1e-3]}', 'vary-each' or 'horizons: [10, 30]'")
    }
    let names = Set(studies.flatMap { $0.factors.map(\.name) }).sorted()
    var table = CSV(
      ["experiment", "study", "design", "method", "label", "seed"] + names.map { "factor.\($0)" }
        + [
          "final_test_regret", "final_validation_regret", "supernet_validation_accuracy", "spent", "currency",
          "failure",
        ])
    let currency = results.experiment.policy.currency
    for study in studies {
      let effects = StudyEffects(study, results, registry: registry)
      for method in study.entries.map({ results.methods[$0] }) {
        let levels = names.map { name -> CSV.Field in
          .text(study.factors.first { $0.name == name }.map { effects.value($0, method.entry) } ?? "")
        }
        for (seed, result) in method.runs {
          // What a failed run had found is no result of it.
          let ended = result.failure == nil ? result : nil
          table.add(
            [
              .text(results.experiment.name), .text(study.name), .text(study.design.rawValue), .text(study.method),
              .text(method.entry.label), .text(String(seed)),
            ] + levels + [
              .number(ended?.finalRegret(.test)), .number(ended?.finalRegret(.validation)),
              .number(ended?.supernetAccuracy), .number(result.spent[currency]), .text(currency.rawValue),
              .text(result.failure ?? ""),
            ])
        }
      }
    }
    return table.data
  }
}
