import Anytime
import Foundation
import SearchSpaces
import Statistics
import TabularBenchmark

extension OptimizerConformance {
  /// The mini space with made-up numbers (three fidelities, two repeats): deeper cells and 3x3 convolutions
  /// are better and slower, plus noise.
  ///
  /// - Parameter testAccuracy: The test accuracy as a function of the honest one.
  package static func benchmark(testAccuracy: (Float) -> Float = { $0 }) throws -> Benchmark {
    let url = FileManager.default.temporaryDirectory.appending(path: "conformance-\(UUID().uuidString).table")
    defer { try? FileManager.default.removeItem(at: url) }
    let space = SearchSpace.mini
    var noise = RandomGenerator(seed: 0, stream: "conformance")
    let writer = try TableWriter(destination: url)
    for cell in space.uniqueCells() {
      let row = writer.add(.cell(cell))
      let convolutions = (1...max(cell.interiorCount, 1)).count {
        $0 <= cell.interiorCount && cell.operation(of: $0) == .conv3x3
      }
      let quality = 0.6 + 0.05 * Double(convolutions) + 0.03 * Double(cell.depth)
      for epochs in [2, 6, 18] {
        for _ in 0..<2 {
          let seconds = Double(epochs) * (1 + Double(convolutions)) * (0.9 + 0.2 * noise.uniform())
          let accuracy = quality * (1 - 1 / Double(epochs + 1)) + 0.01 * noise.gaussian()
          let test = testAccuracy(Float(accuracy + 0.005 * noise.gaussian()))
          try writer.append(
            Measurement(
              final: .init(
                seconds: Float(seconds), trainAccuracy: Float(accuracy), validationAccuracy: Float(accuracy),
                testAccuracy: test)),
            row: row, epochs: epochs)
        }
      }
    }
    // A small task, for methods that train a supernet.
    let task = """
      {"dataset": {"downscale": 4, "name": "fashion-mnist", "seed": 0, "testImages": 64, "trainingImages": 96,
      "validationImages": 96}, "network": {"batchNormEpsilon": 1e-5, "batchNormMomentum": 0.1, "cellsPerStack": 1,
      "channels": 4, "stacks": 3}}
      """
    try writer.finish(provenance: ["source": "made up for conformance checks", "settings": task])
    return try Benchmark(table: Table(contentsOf: url), space: space)
  }
}

/// Hyperparameters of every kind, the best at about (b, 0.03, 7, high, 30, 0.2); low fidelities show nearly as much.
struct MadeUpPoints: Objective {
  let space = SearchSpace(
    name: "made-up",
    parameters: ParameterSpace([
      Parameter("letter", .categorical(["a", "b", "c", "d"])),
      Parameter("rate", .real(1e-4...1, log: true)),
      Parameter("count", .integer(1...12)),
      Parameter("size", .ordinal(["low", "middle", "high"])),
      Parameter("units", .integer(4...256, log: true)),
      Parameter("part", .real(0...1)),
    ]))
  let fidelities = [2, 6, 18]

  func evaluate(_ point: Configuration, epochs: Int, in session: Session) throws -> Evaluation {
    let parameters = space.parameters.parameters
    let distances = zip(zip(parameters, point.values), [0.4, 0.6, 0.5, 0.9, 0.5, 0.2]).map { pair, best in
      let distance = pair.0.unit(pair.1) - best
      return distance * distance
    }
    let loss = distances.reduce(0, +) / Double(distances.count) + 0.1 / Double(epochs)
    let cost = Spending(seconds: Double(epochs) * (1 + loss), epochs: Double(epochs), evaluations: 1)
    return try session.work(.training, cost: { _ in cost }) { Evaluation(epochs: epochs, validationAccuracy: 1 - loss) }
  }
}
