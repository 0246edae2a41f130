import Foundation
import SearchSpaces
import Statistics
import SwiftProtobuf

/// Writes files of NAS-Bench-101's exact shape with made-up numbers, to test and measure imports.
///
/// Framing, checksums, fields and their ranges are real. Accuracies come from a smooth function of the cell's
/// depth and operations plus noise, in steps of 1 / 9,984 as in NAS-Bench-101; they say nothing about
/// any real network.
public enum SyntheticNASBench101 {
  /// - Parameters:
  ///   - cells: The cells to write, each once.
  ///   - epochs: The epoch counts: 4, 12, 36 and 108, or 108 alone.
  /// - Throws: `TableError/cannotWrite(_:reason:)`.
  public static func write(
    to url: URL, cells: [Cell], epochs: [Int] = NASBench101Importer.epochCounts, seed: UInt64 = 0,
    progress: (Int) -> Void = { _ in }
  ) throws {
    let whole = try AtomicFile(url)
    guard let file = fdopen(dup(whole.descriptor), "wb") else { throw AtomicFile.failure(url.path, errno) }
    var isOpen = true
    defer { if isOpen { fclose(file) } }
    var random = RandomGenerator(seed: seed, stream: "synthetic")
    for (index, cell) in cells.enumerated() {
      // As in the original, all cells are written with their own number of vertices.
      let adjacency = cell.adjacency.joined().map(String.init).joined()
      let identity = (cell.hash.description, adjacency, cell.operations.joined(separator: ","))
      for count in epochs {
        for _ in 0..<NASBench101Importer.repeats {
          let metrics = try message(cell, epochs: count, &random)
          let text =
            "[\"\(identity.0)\", \(count), \"\(identity.1)\", \"\(identity.2)\", \""
            + metrics.base64EncodedString() + "\"]"
          let bytes = TFRecordReader.frame(Array(text.utf8))
          guard fwrite(bytes, 1, bytes.count, file) == bytes.count else {
            throw AtomicFile.failure(url.path, errno)
          }
        }
      }
      progress(index + 1)
    }
    isOpen = false
    guard fclose(file) == 0 else { throw AtomicFile.failure(url.path, errno) }
    try whole.commit()
  }

  private static func message(_ cell: Cell, epochs: Int, _ random: inout RandomGenerator) throws -> Data {
    let interior = cell.vertexCount > 2 ? Array(1..<cell.vertexCount - 1) : []
    let convolutions = interior.count { cell.operation(of: $0) == .conv3x3 }
    let quality = 0.85 + 0.012 * Double(convolutions) + 0.006 * Double(cell.depth)
    let secondsPerEpoch = 6 + 2.5 * Double(convolutions) + 0.5 * Double(cell.edgeCount)
    func data(at epoch: Double) -> EvaluationData {
      let reached = quality * (1 - exp(-(epoch + 0.7) / 5)) + 0.004 * random.gaussian()
      func accuracy(_ shift: Double) -> Double {
        let value = min(max(reached + shift + 0.002 * random.gaussian(), 0.1), 1)
        return Double(Float((value * 9_984).rounded() / 9_984))
      }
      return EvaluationData.with {
        $0.currentEpoch = epoch
        $0.trainingTime =
          epoch == 0 ? 0 : Double(Float(secondsPerEpoch * epoch * (1 + 0.01 * random.gaussian())))
        $0.trainAccuracy = accuracy(0.05)
        $0.validationAccuracy = accuracy(0)
        $0.testAccuracy = accuracy(-0.005)
        $0.checkpointPath = ""
      }
    }
    return try ModelMetrics.with {
      $0.evaluationData = [data(at: 0), data(at: Double(epochs) / 2), data(at: Double(epochs))]
      $0.trainableParameters = Int32(1_000_000 + 900_000 * convolutions)
      $0.totalTime = $0.evaluationData[2].trainingTime * 1.05
    }.serializedData()
  }
}
