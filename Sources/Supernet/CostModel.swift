import CellNetworks
import SearchSpaces
import Statistics
import TabularBenchmark

/// The cost of a network's passes in a table's benchmark seconds, the same on every machine.
///
/// Seconds per image of a training pass (forward, and backward to inputs and to weights: three times the work of
/// a forward pass) are fitted by least squares to the table's own trainings at the highest epoch count, as a
/// constant plus multiply-accumulates plus written numbers (``Work``). A pass is then charged by the work that it
/// executes. Written numbers count because small networks spend their time on them: by multiply-accumulates alone, a
/// supernet would be charged a fraction of its time.
public struct CostModel: Hashable, Sendable {
  /// Benchmark seconds of a training pass per image, per multiply-accumulate and per written number of its forward
  /// pass.
  public let perImage, perMultiplyAccumulate, perElement: Double
  /// The fraction of the variance between architectures that the fit explains, and the standard deviation of its
  /// residuals, in seconds per image.
  public let rSquared, residualDeviation: Double
  /// The number of architectures that the model was fitted to.
  public let cells: Int
  /// The mean benchmark seconds of an epoch and of a whole training at the highest epoch count.
  public let secondsPerEpoch, secondsPerTraining: Double

  /// Fits the model to a benchmark's trainings.
  ///
  /// - Returns: `nil` if no architecture has training seconds.
  public init?(_ benchmark: Benchmark, task: SearchTask) {
    let table = benchmark.table
    let top = table.epochs.count - 1
    let images = Double(task.dataset.trainingImages)
    let shape = task.imageShape
    var (ones, macs, elements, seconds): ([Double], [Double], [Double], [Double]) = ([], [], [], [])
    for row in benchmark.rows {
      guard let mean = table.mean(.seconds, row: row, epochs: top) else { continue }
      let work =
        switch table.architecture(row) {
        case .cell(let cell):
          Work(
            of: cell, settings: task.network, channels: shape.channels, height: shape.height, width: shape.width,
            classes: 10)
        }
      ones.append(1)
      macs.append(work.multiplyAccumulates)
      elements.append(work.elements)
      seconds.append(mean / (Double(table.epochs[top]) * images))
    }
    guard let mean = seconds.mean, let meanWork = macs.mean, meanWork > 0 else { return nil }
    cells = seconds.count
    secondsPerEpoch = mean * images
    secondsPerTraining = secondsPerEpoch * Double(table.epochs[top])

    // Costs are not negative: a regressor with a negative coefficient is left out.
    let models = [[ones, macs, elements], [ones, macs], [ones, elements], [macs]]
    let fit = models.lazy.compactMap { columns in
      LeastSquares(columns, y: seconds).map { (columns, $0) }
    }.first { $0.1.coefficients.allSatisfy { $0 >= 0 } }
    func coefficient(of column: [Double]) -> Double {
      fit.flatMap { columns, fit in columns.firstIndex(of: column).map { fit.coefficients[$0] } } ?? 0
    }
    if let fit {
      perImage = coefficient(of: ones)
      perMultiplyAccumulate = coefficient(of: macs)
      perElement = coefficient(of: elements)
      rSquared = fit.1.rSquared
      residualDeviation = fit.1.residualDeviation
    } else {
      (perImage, perMultiplyAccumulate, perElement) = (0, mean / meanWork, 0)
      (rSquared, residualDeviation) = (0, seconds.standardDeviation ?? 0)
    }
  }

  /// The benchmark seconds of passes over images.
  ///
  /// - Parameters:
  ///   - work: The work of the forward passes, summed over all images.
  ///   - images: The number of images.
  ///   - passes: Total work in units of one forward pass: 1 for inference, 2 with input gradients, 3 with weight
  ///     gradients too.
  public func seconds(_ work: Work, images: Int, passes: Double) -> Double {
    passes / 3
      * (perImage * Double(images) + perMultiplyAccumulate * work.multiplyAccumulates + perElement * work.elements)
  }
}
