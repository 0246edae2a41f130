import CellNetworks
import Foundation
import SearchSpaces

/// One of several single-threaded processes that build a table together. A worker does every n-th training that is not
/// in the folder yet.
public struct Worker: Sendable {
  /// The folder of the build.
  public let folder: BuildFolder
  /// The header that the build's logs share.
  public let header: BuildHeader
  /// The index of this worker, in `0..<count`.
  public let index: Int
  /// The number of workers.
  public let count: Int

  public init(folder: BuildFolder, header: BuildHeader, index: Int, count: Int) {
    self.folder = folder
    self.header = header
    self.index = index
    self.count = count
  }

  /// Trains until nothing of the worker's share is missing.
  ///
  /// - Parameters:
  ///   - cells: The cells of the table; every worker must be given the same.
  ///   - shouldStop: Asked before every training.
  /// - Throws: ``BuildError`` or `TorchError`. Trainings that were done before are kept.
  public func run(_ cells: [Cell], dataset: Dataset, shouldStop: () -> Bool = { false }) throws {
    // Shares are cut from the whole plan, not from what is missing, so that workers that begin at different moments
    // never do the same training.
    let share = header.settings.assignments(cells).enumerated()
      .filter { $0.offset % count == index }.map(\.element)
    func missing() throws -> [Assignment] {
      let done = try folder.done(header)
      return share.filter { !done.contains($0) }
    }
    guard try !missing().isEmpty else { return }
    try folder.refuseOthers(count: count)
    let log = try BuildLog(path: "\(folder.path)/worker-\(index)-of-\(count).jsonl", header: header)
    // Read again: only with the log locked can no other process be adding to it.
    let own = try missing()
    let settings = header.settings
    let trainer = try Trainer(dataset: dataset, network: settings.network, training: settings.training)
    for assignment in own where !shouldStop() {
      let outcome = try trainer.train(
        assignment.cell, epochs: assignment.epochs, seed: assignment.seed(settings))
      try log.append(
        TrainingRecord(
          cell: assignment.cell.description, epochs: assignment.epochs, number: assignment.number,
          halfway: outcome.halfway, final: outcome.final, diverged: outcome.diverged,
          parameters: outcome.parameterCount, multiplyAccumulates: outcome.multiplyAccumulates))
    }
  }
}
