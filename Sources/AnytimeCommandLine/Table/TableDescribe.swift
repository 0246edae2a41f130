import Anytime
import ArgumentParser
import Experiments
import Foundation
import Reports
import TabularBenchmark

struct TableDescribe: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "describe",
    abstract: "State which images and networks a table was made with.",
    discussion: """
      One-shot methods train their supernet on the images and networks of the table's own trainings, so the \
      table has to state them. Tables that 'anytime table build' made, or that were imported from NAS-Bench-101's \
      file, do. For others, state them once: the numbers stay, and the table's provenance and checksum change. \
      Without options, this prints what a table states.

      EXAMPLES
        anytime table describe mine.table
        anytime table describe mine.table --task nas-bench-101
        anytime table describe mine.table --like embedded -o described.table
        anytime table describe mine.table --dataset fashion-mnist --downscale 2 --channels 8 \\
          --training-images 5000 --validation-images 5000
      """)

  @Argument(help: "A table file, or 'embedded'.")
  var table: String

  @OptionGroup var options: TaskOptions

  @Option(
    help: ArgumentHelp(
      "The images: \(StatedTask.datasets.keys.sorted().joined(separator: " or ")).", valueName: "name"))
  var dataset: String?

  @Option(help: "The number of images to train on.")
  var trainingImages: Int?

  @Option(help: "The number of images to validate on.")
  var validationImages: Int?

  @Option(help: "The number of images to test on.")
  var testImages: Int?

  @Option(help: "The side of the squares over which images are averaged, in pixels.")
  var downscale: Int?

  @Option(help: "The seed that draws the images.")
  var dataSeed: UInt64?

  @Option(help: "The channels of the first stack.")
  var channels: Int?

  @Option(help: "The number of stacks.")
  var stacks: Int?

  @Option(help: "The cells in each stack.")
  var cellsPerStack: Int?

  @Option(help: "The weight of a new batch in batch norm's running statistics.")
  var batchNormMomentum: Double?

  @Option(help: "The epsilon of batch norm.")
  var batchNormEpsilon: Double?

  @Option(
    name: .shortAndLong,
    help: "The table to write. Default: the same file, replaced when the new one is complete.")
  var output: String?

  func run() throws {
    let table = try Experiment.openTable(self.table)
    guard let task = try stated(for: table) else {
      if output != nil { throw UsageError("-o needs a statement: --task, --like or --dataset") }
      let task = try StatedTask(of: table)
      print("\(table.path) was made with")
      show(task)
      return
    }
    if let problem = task.problem { throw UsageError(problem) }
    guard output != nil || self.table != "embedded" else {
      throw UsageError("the embedded table stays as it is; name a file for the new one with -o")
    }
    let destination = output.map { URL(filePath: $0) } ?? URL(filePath: table.path)
    let writer = try TableWriter(destination: destination)
    try writer.add(contentsOf: table)
    var provenance = table.provenance
    provenance["settings"] = task.json
    try writer.finish(provenance: provenance)
    let described = try Table(contentsOf: destination)
    print("\(destination.path) (checksum \(described.checksum)) states")
    show(task)
  }

  private func show(_ task: StatedTask) {
    print(
      "  images    \(task.dataset.name), averaged over squares of \(task.dataset.downscale) pixels, "
        + "seed \(task.dataset.seed)"
    )
    print(
      "            \(Numbers.grouped(task.dataset.trainingImages)) to train on, "
        + "\(Numbers.grouped(task.dataset.validationImages)) to choose by, "
        + "\(Numbers.grouped(task.dataset.testImages)) to report on")
    print(
      "  networks  \(task.network.channels) channels, \(task.network.stacks) stacks of "
        + "\(task.network.cellsPerStack) cells; batch norm's momentum \(task.network.batchNormMomentum), epsilon "
        + "\(task.network.batchNormEpsilon)")
  }

  /// The task that the options state; `nil` if none is given.
  private func stated(for table: Table) throws -> StatedTask? {
    let base = try options.stated()
    let numbers: [Any?] = [
      trainingImages, validationImages, testImages, downscale, dataSeed, channels, stacks, cellsPerStack,
      batchNormMomentum, batchNormEpsilon,
    ]
    let hasDetails = numbers.contains { $0 != nil }
    guard base != nil || dataset != nil || hasDetails else { return nil }
    guard var task = base ?? (dataset != nil ? StatedTask() : (try? StatedTask(of: table))) else {
      throw UsageError(
        "say which images these are with --dataset \(StatedTask.datasets.keys.sorted().joined(separator: " or "))"
      )
    }
    if base == nil, dataset == "cifar-10" { task = .nasBench101 }
    if let dataset { task.dataset.name = dataset }
    task.dataset.trainingImages = trainingImages ?? task.dataset.trainingImages
    task.dataset.validationImages = validationImages ?? task.dataset.validationImages
    task.dataset.testImages = testImages ?? task.dataset.testImages
    task.dataset.downscale = downscale ?? task.dataset.downscale
    task.dataset.seed = dataSeed ?? task.dataset.seed
    task.network.channels = channels ?? task.network.channels
    task.network.stacks = stacks ?? task.network.stacks
    task.network.cellsPerStack = cellsPerStack ?? task.network.cellsPerStack
    task.network.batchNormMomentum = batchNormMomentum ?? task.network.batchNormMomentum
    task.network.batchNormEpsilon = batchNormEpsilon ?? task.network.batchNormEpsilon
    return task
  }
}
