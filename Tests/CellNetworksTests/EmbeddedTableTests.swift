import CellNetworks
import Foundation
import SearchSpaces
import Statistics
import TableBuilder
import TabularBenchmark
import Tensor
import Testing

@Suite("The embedded table") struct EmbeddedTableTests {
  private static let isSlow = ProcessInfo.processInfo.environment["ANYTIME_SLOW_TESTS"] == "1"

  /// Other libraries and levels round otherwise.
  private static func isPinned() throws -> Bool {
    try Torch.load()
    return "libtorch \(Torch.version) \(Torch.level)" == "libtorch 1.13.0 AVX2, oneDNN AVX2"
  }

  @Test(
    "comes out to the bit where a sample of its trainings is repeated",
    .enabled(if: isSlow, "takes minutes: set ANYTIME_SLOW_TESTS=1"),
    .enabled("needs the library and level that the table was made with") { try isPinned() })
  func sample() throws {
    let table = try Table.embedded()
    let settings = try table.buildSettings()
    let dataset = try Dataset(settings.dataset, folder: nil, option: "--data")
    let trainer = try Trainer(dataset: dataset, network: settings.network, training: settings.training)

    var random = RandomGenerator(seed: 0, stream: "repeated trainings")
    for _ in 0..<60 {
      let row = random.below(table.rowCount)
      let architecture = table.architecture(row)
      let cell =
        switch architecture {
        case .cell(let cell): cell
        }
      let fidelity = random.below(table.epochs.count)
      let assignment = Assignment(cell: cell, epochs: table.epochs[fidelity], number: random.below(settings.repeats))
      let outcome = try trainer.train(cell, epochs: assignment.epochs, seed: assignment.seed(settings))
      for (moment, point) in [(TabularBenchmark.Moment.halfway, outcome.halfway), (.final, outcome.final)] {
        let pairs = [
          (TabularBenchmark.Metric.trainAccuracy, point.train), (.validationAccuracy, point.validation), (.testAccuracy, point.test),
        ]
        for (metric, value) in pairs {
          let stored = table.value(metric, moment, row: row, epochs: fidelity, repeat: assignment.number)
          #expect(
            stored == Double(Float(value)),
            "\(cell), \(assignment.epochs) epochs, repeat \(assignment.number)")
        }
      }
    }
  }
}
