import Anytime
import Experiments
import Foundation
import SearchSpaces
import Statistics

/// Files in IOHprofiler's format (Doerr et al. 2018, https://iohprofiler.github.io): a folder per method that
/// IOHanalyzer and iohinspector open. The layout is that of IOHexperimenter 0.4's analyzer logger.
///
/// - Running time is what was spent, in whole units, rounded up; regret, a fraction, is minimised.
/// - Every run has a line at time 1, as readers tell runs apart by it; until its first incumbent a run has
///   regret 1, the greatest there can be. Its last line is at its end.
/// - Folders are named by ``FileNames``; the methods' labels themselves are in the JSON files.
/// - These tools show the best value so far: a regret that rises later does not show there.
public struct IOHExport: Sendable {
  private let runs: RegretRuns
  private let metric: RegretMetric

  /// The runs of an experiment.
  ///
  /// - Parameter metric: By default test, if any run has it.
  public init(_ runs: RegretRuns, metric: RegretMetric? = nil) {
    self.runs = runs
    self.metric = metric ?? runs.defaultMetric
  }

  /// The files, by paths relative to a folder.
  ///
  /// - Throws: ``ReportError``.
  public func files() throws(ReportError) -> [(path: String, data: Data)] {
    var files: [(path: String, data: Data)] = []
    for (method, folder) in zip(runs.methods, FileNames.distinct(runs.methods.map(\.label))) {
      // Readers take a folder without a run for a damaged one.
      if method.runs.isEmpty { continue }
      let curves = method.runs.map { points($0) }
      let raw = "data_f1_\(functionName)/IOHprofiler_f1_DIM\(dimension).dat"
      let text = curves.map { points in
        "evaluations raw_y\n" + points.map { "\($0.time) \(Numbers.decimals($0.value, 10))\n" }.joined()
      }.joined()
      files.append(("\(folder)/IOHprofiler_f1_\(functionName).json", try meta(method.label, raw, curves)))
      files.append(("\(folder)/\(raw)", Data(text.utf8)))
    }
    return files
  }

  private var functionName: String {
    FileNames.name("\(runs.results.experiment.space)-\(metric.rawValue)-regret")
  }

  /// The number of the space's parameters.
  private var dimension: Int {
    SearchSpace(named: runs.results.experiment.space)?.parameters.parameters.count ?? 1
  }

  private func points(_ run: RegretRuns.Run) -> [(time: Int, value: Double)] {
    var points = [(time: 1, value: 1.0)]
    func add(_ amount: Double, _ value: Double) {
      guard amount.isFinite, value.isFinite else { return }
      let time = max(1, Int(min(amount, 1e15).rounded(.up)))
      if points[points.count - 1].time == time { points.removeLast() }
      points.append((time, value))
    }
    if let curve = run.curve(metric) {
      for (amount, value) in zip(curve.positions, curve.values) { add(amount, value) }
    }
    add(max(run.end, 1), points[points.count - 1].value)
    return points
  }

  private struct Meta: Encodable {
    struct Algorithm: Encodable { var name, info: String }
    struct Best: Encodable {
      var evals: Int
      var y: Double
      var x: [Double]
    }
    struct Run: Encodable {
      var instance, evals: Int
      var best: Best
    }
    struct Scenario: Encodable {
      var dimension: Int
      var path: String
      var runs: [Run]
    }
    var version = "0.4.2"
    var suite = "AnytimeNAS"
    var functionId = 1
    var functionName: String
    var maximization = false
    var algorithm: Algorithm
    var experimentAttributes: [[String: String]]
    var attributes = ["evaluations", "raw_y"]
    var scenarios: [Scenario]
  }

  private func meta(
    _ label: String, _ path: String, _ curves: [[(time: Int, value: Double)]]
  ) throws(ReportError) -> Data {
    let meta = Meta(
      functionName: functionName, algorithm: .init(name: label, info: runs.caption),
      experimentAttributes: [
        ["experiment": runs.results.experiment.name], ["currency": runs.currency.unit],
        ["table": runs.results.tableChecksum],
      ],
      scenarios: [
        .init(
          dimension: dimension, path: path,
          runs: curves.map { points in
            let least = points.map(\.value).min() ?? 1
            let first = points.first { $0.value == least }?.time ?? 1
            return .init(
              instance: 1, evals: points.last?.time ?? 1, best: .init(evals: first, y: least, x: []))
          })
      ])
    return try jsonData(meta, formatting: .prettyPrinted, keys: .convertToSnakeCase)
  }
}
