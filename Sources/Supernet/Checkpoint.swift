import Anytime
import Foundation
import Statistics
import Tensor

/// How far a run is, in a file that replaces the one before after every epoch: the session with its ledger and
/// generator, the supernet's own generator, and all tensors that training changes.
///
/// The file: the length of the header in eight bytes, the header as JSON, then the tensors' numbers as
/// little-endian floats.
struct Checkpoint {
  let session: Session
  let tensors: [Tensor]

  private struct Header: Codable {
    var epoch: Int
    var random: RandomGenerator
    var session: Session.State
    /// Elements of every tensor.
    var counts: [Int]
  }

  /// Takes up what the session's checkpoint holds; `nil` if there is none.
  ///
  /// - Throws: ``CheckpointError`` for a file that is not of this run.
  func read() throws -> (epoch: Int, random: RandomGenerator)? {
    guard let url = session.checkpoint, let data = FileManager.default.contents(atPath: url.path) else {
      return nil
    }
    let damaged = CheckpointError(path: url.path)
    guard data.count > 8 else { throw damaged }
    let length = data.prefix(8).withUnsafeBytes { Int(truncatingIfNeeded: $0.loadUnaligned(as: UInt64.self)) }
    guard length > 0, length <= data.count - 8,
      let header = try? JSONDecoder().decode(Header.self, from: data.dropFirst(8).prefix(length)),
      header.counts == tensors.map(\.count),
      data.count == 8 + length + 4 * header.counts.reduce(0, +)
    else { throw damaged }
    var start = 8 + length
    for tensor in tensors {
      let bytes = 4 * tensor.count
      let values = data.withUnsafeBytes { all in
        (0..<tensor.count).map { all.loadUnaligned(fromByteOffset: start + 4 * $0, as: Float.self) }
      }
      try tensor.assign(try Tensor(values, shape: tensor.shape))
      start += bytes
    }
    session.state = header.session
    return (header.epoch, header.random)
  }

  /// Writes beside the old file, then renames.
  func write(epoch: Int, random: RandomGenerator) throws {
    guard let url = session.checkpoint else { return }
    let header = try JSONEncoder().encode(
      Header(epoch: epoch, random: random, session: session.state, counts: tensors.map(\.count)))
    var data = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) } + header
    for tensor in tensors { try tensor.values().withUnsafeBytes { data.append(contentsOf: $0) } }
    do {
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try data.write(to: url, options: .atomic)
    } catch { throw CheckpointError(path: url.path, isWriting: true) }
  }
}

/// Why a run cannot be kept or taken up.
public struct CheckpointError: Error, Hashable, Sendable, CustomStringConvertible {
  var path: String
  var isWriting = false

  public var description: String {
    isWriting
      ? "the checkpoint \(path) cannot be written: check the folder's permissions and the space left"
      : "the checkpoint \(path) is damaged or of another version; delete it to begin that run anew"
  }
}
