import Foundation
import SearchSpaces
import Synchronization

/// Computes the hashes of cells again, on other threads: it takes longer than reading their records.
final class HashCheck: Sendable {
  struct Mismatch {
    let record: Int
    let stated, computed: Architecture.ID

    /// - Parameter unit: What records are counted in, as in "line".
    func error(_ path: String, unit: String) -> ImportError {
      ImportError(
        path, "\(unit) \(record)",
        "the hash \(stated) is unknown: the \(unit)'s cell has the hash \(computed); "
          + (unit == "record" ? "download the file again" : "correct it or leave the column out"))
    }
  }

  private typealias Entry = (cell: Cell, hash: Architecture.ID, record: Int)
  private let found = Mutex<Mismatch?>(nil)
  private let batch = Mutex<[Entry]>([])
  private let group = DispatchGroup()
  /// Bounds the memory of batches under way.
  private let slots = DispatchSemaphore(value: 8)

  /// The mismatch with the least record number so far.
  var mismatch: Mismatch? { found.withLock { $0 } }

  func add(_ cell: Cell, _ hash: Architecture.ID, record: Int) {
    let full = batch.withLock { batch -> [Entry] in
      batch.append((cell, hash, record))
      guard batch.count >= 1_024 else { return [] }
      defer { batch.removeAll(keepingCapacity: true) }
      return batch
    }
    if !full.isEmpty { check(full) }
  }

  private func check(_ entries: [Entry]) {
    slots.wait()
    DispatchQueue.global().async(group: group) { [self] in
      defer { slots.signal() }
      for (entry, computed) in zip(entries, Cell.hashes(entries.map(\.cell))) where computed != entry.hash {
        found.withLock { found in
          if found.map({ $0.record > entry.record }) ?? true {
            found = Mismatch(record: entry.record, stated: entry.hash, computed: computed)
          }
        }
        return
      }
    }
  }

  /// Waits for all checks.
  func finish() -> Mismatch? {
    check(batch.withLock { $0 })
    group.wait()
    return mismatch
  }
}
