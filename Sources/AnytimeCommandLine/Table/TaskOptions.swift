import Anytime
import ArgumentParser
import Experiments
import Foundation
import TabularBenchmark

/// Options that state which images and networks a table was made with.
struct TaskOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The images and networks: nas-bench-101 (CIFAR-10, 128 channels, three stacks of three cells) or a JSON file.",
      valueName: "name or file"))
  var task: String?

  @Option(help: ArgumentHelp("A table with the same images and networks.", valueName: "table"))
  var like: String?

  /// The task; `nil` if neither option is given.
  func stated() throws -> StatedTask? {
    guard task == nil || like == nil else {
      throw UsageError("--task and --like state the same; use one of them")
    }
    if let like { return try StatedTask(of: Experiment.openTable(like)) }
    return try task.map {
      $0 == "nas-bench-101" ? .nasBench101 : try StatedTask(contentsOf: URL(filePath: $0))
    }
  }
}
