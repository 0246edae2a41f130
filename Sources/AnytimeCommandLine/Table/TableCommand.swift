import Anytime
import ArgumentParser
import Experiments
import Foundation
import Reports
import SearchSpaces
import Statistics
import Supernet
import TabularBenchmark

struct TableCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "table", abstract: "Inspect, query, import, export and build tables.",
    subcommands: [
      TableInfo.self, TablePlot.self, TableQuery.self, TableExport.self, TableVerify.self, TableImport.self,
      TableDescribe.self, TableSynthesize.self, TableBuild.self, TableBuildWorker.self, TableTime.self,
      TableTimeSupernets.self, TableMerge.self,
    ])
}

/// The option that names a table.
struct TableOption: ParsableArguments {
  @Argument(help: "A table file, or 'embedded'.")
  var table = "embedded"

  func open() throws -> Table { try Experiment.openTable(table) }
}

struct TableInfo: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info", abstract: "Describe a table: size, accuracies, noise, provenance.",
    discussion: "EXAMPLE\n  anytime table info")

  @OptionGroup var source: TableOption

  func run() throws {
    let table = try source.open()
    print("\(table.path)\nchecksum \(table.checksum)\n")
    print("cells     \(Numbers.grouped(table.rowCount))")
    print("epochs    \(table.epochs.map(String.init).joined(separator: ", "))")
    print("repeats   \(table.repeats)")
    let lacking = Moment.allCases.flatMap { moment in
      Metric.allCases.filter { !table.has($0, moment) }.map { "\(moment.rawValue) \($0.rawValue)" }
    }
    if !lacking.isEmpty { print("absent    \(lacking.joined(separator: ", "))") }

    print("\nfinal values, means over repeats:")
    var rows = [["", "epochs", "least", "median", "greatest", "repeat noise"]]
    for metric in [Metric.validationAccuracy, .testAccuracy, .trainAccuracy, .seconds] where table.has(metric)
    {
      for (fidelity, epochs) in table.epochs.enumerated() {
        let means = (0..<table.rowCount).compactMap { table.mean(metric, row: $0, epochs: fidelity) }
        guard let quantiles = means.quantiles([0, 0.5, 1]) else { continue }
        let noise = Self.repeatNoise(table, metric, fidelity)
        let name = metric == .seconds ? "seconds" : "\(metric.rawValue) accuracy"
        rows.append(
          [name, String(epochs)] + quantiles.map { Numbers.decimals($0, 4) }
            + [noise.map { Numbers.decimals($0, 4) } ?? "-"])
      }
    }
    print(aligned(rows))
    print("(repeat noise: standard deviation between repeats, root mean square over cells)")
    printRepeatCorrelation(table)
    try printLandscape(table)

    print("\nprovenance:")
    for (key, value) in table.provenance.sorted(by: { $0.key < $1.key }) { print("  \(key): \(value)") }
  }

  /// The standard deviation between repeats, root mean square over cells that have at least two.
  private static func repeatNoise(_ table: Table, _ metric: Metric, _ fidelity: Int) -> Double? {
    let variances = (0..<table.rowCount).compactMap { row -> Double? in
      let values = (0..<table.repeats).compactMap { table.value(metric, row: row, epochs: fidelity, repeat: $0) }
      return values.standardDeviation.map { $0 * $0 }
    }
    return variances.mean.map { $0.squareRoot() }
  }

  private func printLandscape(_ table: Table) throws {
    guard table.has(.validationAccuracy) else { return }
    let landscape = Landscape(table)
    for (low, high, correlation) in landscape.fidelityCorrelations {
      print("Spearman correlation of \(low) and \(high) epochs: \(Numbers.decimals(correlation, 3))")
    }
    let top = table.epochs.last ?? 0
    let hasSeconds = table.has(.seconds)
    print("\nmean validation accuracy\(hasSeconds ? " and seconds" : "") at \(top) epochs:")
    func row(_ name: String, _ group: Landscape.Group) -> [String] {
      [name, String(group.count), Numbers.grouped(group.architectures), Numbers.decimals(group.accuracy, 4)]
        + (hasSeconds ? [group.seconds.map { Numbers.decimals($0, 2) } ?? "-"] : [])
    }
    print(
      aligned(
        [["", "count", "cells", "accuracy"] + (hasSeconds ? ["seconds"] : [])]
          + landscape.depths.map { row("depth", $0) }
          + landscape.operations.flatMap { operation, groups in groups.map { row(operation.name, $0) } }))
    if let benchmark = Benchmark.largest(of: table) {
      print(
        "\nautocorrelation of validation accuracy along a random walk, space \(benchmark.space.name), "
          + "by distance:\n"
          + Landscape.walk(benchmark).map { "\($0.distance): \(Numbers.decimals($0.correlation, 3))" }
          .joined(separator: "  "))
      try printCosts(benchmark)
    }
    print("\nbest cells by validation accuracy:")
    for row in landscape.best.prefix(5) {
      let accuracy = table.mean(.validationAccuracy, row: row, epochs: table.epochs.count - 1)
      print("\(accuracy.map { Numbers.decimals($0, 4) } ?? "-")  \(table.id(row))  \(table.architecture(row))")
    }
  }

  /// Prints the charge of a supernet's passes.
  private func printCosts(_ benchmark: Benchmark) throws {
    let task: SearchTask
    do { task = try SearchTask(of: benchmark.table) } catch {
      print("\nno supernet can be charged: \(error)")
      return
    }
    guard let cost = try CostModel(benchmark, task: task) else { return }
    print(
      """

      seconds of \(cost.cells) cells by their work: R² \(Numbers.decimals(cost.rSquared, 3)), standard deviation of \
      residuals \(Numbers.digits(cost.residualDeviation, 2)) s per image
      a supernet is charged, in benchmark seconds per image (\(
        cost.residuals.isEmpty
          ? "fitted to these cells; 'anytime table time-supernets' measures better"
          : "fitted to \(cost.residuals.count) measured passes of supernets")):
      """)
    var rows = [["", "per image", "per multiply-accumulate", "per written number"]]
    for (name, part) in [
      ("forward", cost.forward), ("back to inputs", cost.toInputs), ("back to weights", cost.toWeights),
    ] {
      rows.append(
        ["  \(name)"]
          + [part.perImage, part.perMultiplyAccumulate, part.perElement].map { Numbers.digits($0, 3) })
    }
    print(aligned(rows))
    guard let least = cost.residuals.min(by: { $0.ratio < $1.ratio }),
      let greatest = cost.residuals.max(by: { $0.ratio < $1.ratio })
    else { return }
    func text(_ residual: CostModel.Residual) -> String {
      "\(Numbers.decimals(residual.ratio, 2)) (\(residual.name))"
    }
    print("charged over measured seconds: \(text(least)) to \(text(greatest))")
  }

  private func printRepeatCorrelation(_ table: Table) {
    guard table.repeats > 1 else { return }
    for (fidelity, epochs) in table.epochs.enumerated() {
      let pairs = (0..<table.rowCount).compactMap { row -> (Double, Double)? in
        guard let a = table.value(.validationAccuracy, row: row, epochs: fidelity, repeat: 0),
          let b = table.value(.validationAccuracy, row: row, epochs: fidelity, repeat: 1)
        else { return nil }
        return (a, b)
      }
      guard let rho = pairs.map(\.0).spearman(pairs.map(\.1)) else { continue }
      print("Spearman correlation of two repeats at \(epochs) epochs: \(Numbers.decimals(rho, 3))")
    }
  }
}

struct TablePlot: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plot",
    abstract: "Draw a table: accuracies, times, noise, epoch counts, operations, locality, best cells.",
    discussion: "EXAMPLE\n  anytime table plot -o table.png")

  @OptionGroup var source: TableOption

  @Option(name: .shortAndLong, help: "The .svg, .pdf or .png file to write.")
  var output: String

  func validate() throws {
    guard Figure.formats.contains(URL(filePath: output).pathExtension.lowercased()) else {
      throw ValidationError("\(output) must end in .svg, .pdf or .png")
    }
  }

  func run() async throws {
    try refuse(output: output, among: [source.table])
    let table = try source.open()
    let walk = Benchmark.largest(of: table).map { Landscape.walk($0) } ?? []
    try await LandscapePlot(table, walk: walk).figure().write(to: URL(filePath: output))
    print(output)
  }
}

extension Benchmark {
  /// The benchmark of the largest search space, among those small enough to walk, whose cells are all in the table.
  static func largest(of table: Table) -> Benchmark? {
    for space in SearchSpace.all.reversed() {
      if let count = space.parameters.count, count < 1 << 22,
        let benchmark = try? Benchmark(table: table, space: space)
      {
        return benchmark
      }
    }
    return nil
  }
}

extension Landscape {
  fileprivate static func walk(_ benchmark: Benchmark) -> [(distance: Int, correlation: Double)] {
    autocorrelation(benchmark, distances: [1, 2, 3, 4, 5, 6, 8, 10])
  }
}

struct TableQuery: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "query", abstract: "Print a table's numbers for a cell.",
    discussion: """
      EXAMPLES
        anytime table query 5529e1779433733d1145e20de5d8604e
        anytime table query "011|001|000 input,conv3x3-bn-relu,output"
        anytime table query 011001000 input,conv3x3-bn-relu,output --dot | dot -Tsvg > cell.svg
      """)

  @Argument(
    help: "A hash of 32 hexadecimal digits, or an adjacency matrix and operations, as one argument or two.")
  var cell: [String]

  @Option(help: "A table file, or 'embedded'.")
  var table = "embedded"

  @Flag(help: "Print the cell as a Graphviz digraph instead.")
  var dot = false

  func run() throws {
    let text = cell.joined(separator: " ")
    let id = Architecture.ID(text)
    var wanted: Architecture?
    if id == nil {
      do { wanted = try Architecture(text: text) } catch { throw UsageError("\(error)") }
    }
    let table = try Experiment.openTable(self.table)
    let row = id.flatMap { table.row(of: $0) } ?? wanted.flatMap { table.row(of: $0) }
    guard let row else { throw Failure("\(table.path) has no cell \(text)") }
    let architecture = table.architecture(row)
    if dot {
      switch architecture {
      case .cell(let cell): print(cell.dot)
      }
      return
    }
    print("cell        \(architecture)\nhash        \(table.id(row))")
    if let count = table.parameterCount(row) { print("parameters  \(Numbers.grouped(count))") }
    if let macs = table.multiplyAccumulates(row) { print("MACs        \(Numbers.grouped(macs)) per image") }
    var rows = [["epochs", "repeat", "", "seconds", "train", "validation", "test"]]
    for (fidelity, epochs) in table.epochs.enumerated() {
      for number in 0..<table.repeats {
        for moment in Moment.allCases where table.has(.validationAccuracy, moment) {
          let values = Metric.allCases.map { metric in
            table.value(metric, moment, row: row, epochs: fidelity, repeat: number).map { value in
              Numbers.decimals(value, metric == .seconds ? 3 : 4)
            } ?? "-"
          }
          if values.contains(where: { $0 != "-" }) {
            rows.append([String(epochs), String(number), moment.rawValue] + values)
          }
        }
      }
    }
    print("\n" + aligned(rows))
  }
}

struct TableVerify: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check the checksum of every section of a table.")

  @OptionGroup var source: TableOption

  func run() throws {
    let table = try source.open()
    for section in table.sectionSizes { print("\(section.name): \(Numbers.grouped(section.bytes)) bytes, right") }
  }
}
