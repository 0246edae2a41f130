@_spi(Instruments) import Anytime
import Foundation
import Statistics
import TabularBenchmark
import Tensor

/// The file from which an interrupted run resumes. It holds the session with its ledger and generator, the supernet's
/// own generator, and all tensors that training changes. It is replaced after every epoch.
///
/// Its contents, with numbers in little-endian order: eight letters; the version, four bytes; the CRC-32C of all that
/// follows, four bytes; the header's length, eight bytes; the header as JSON; the tensors' elements as floats.
package struct Checkpoint {
  private let session: Session
  private let tensors: [Tensor]
  /// The file; `nil` if the session keeps no checkpoint.
  private let url: URL?

  package init(session: Session, tensors: [Tensor]) {
    self.session = session
    url = session.nextCheckpoint()
    self.tensors = tensors
  }

  private struct Header: Codable {
    var epoch: Int
    var random: RandomGenerator
    var session: Session.State
    /// The number of elements of every tensor.
    var counts: [Int]
  }

  private static let letters = Array("ANYTIMEC".utf8)
  private static let version: UInt32 = 3
  /// The number of bytes before the header: letters, version, checksum, the header's length.
  private static let front = 8 + 4 + 4 + 8
  /// The offset of the checksum, which covers all bytes after it.
  package static let checksumOffset = 12
  /// The limit of a header's length, far above that of any real one.
  private static let longestHeader = 1 << 30

  /// Restores the state that the session's checkpoint holds, or returns `nil` if there is none. Nothing changes if it
  /// throws.
  ///
  /// - Throws: ``CheckpointError`` for a file that is damaged or of another run.
  package func read() throws -> (epoch: Int, random: RandomGenerator)? {
    guard let url, FileManager.default.fileExists(atPath: url.path) else { return nil }
    do {
      let size = try FileManager.default.attributesOfItem(atPath: url.path)[.size] as? Int ?? 0
      guard size <= Self.front + Self.longestHeader + elements else { throw refusal("it is too large") }
      return try takeUp(Data(contentsOf: url))
    } catch let error as CocoaError {
      throw refusal("it cannot be read (\(error.localizedDescription))")
    }
  }

  /// The number of bytes that the tensors take in the file.
  private var elements: Int { 4 * tensors.map(\.count).reduce(0, +) }

  private func refusal(_ problem: String) -> CheckpointError {
    CheckpointError(path: url?.path ?? "", problem: problem)
  }

  /// Restores the state that a file's bytes hold. Nothing changes if it throws.
  package func takeUp(_ data: Data) throws -> (epoch: Int, random: RandomGenerator) {
    let elements = elements
    guard data.count >= Self.front, data.starts(with: Self.letters) else { throw refusal("it is no checkpoint") }
    func number<Number: FixedWidthInteger>(_ offset: Int, as type: Number.Type) -> Number {
      Number(littleEndian: data.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: type) })
    }
    let version = number(8, as: UInt32.self)
    guard version == Self.version else { throw refusal("it is of version \(version), and this is \(Self.version)") }
    guard number(Self.checksumOffset, as: UInt32.self) == Self.checksum(of: data) else {
      throw refusal("its checksum is wrong")
    }
    let length = number(16, as: UInt64.self)
    guard length <= UInt64(data.count - Self.front) else { throw refusal("it ends too early") }
    let start = Self.front + Int(length)
    let header: Header
    do { header = try JSONDecoder().decode(Header.self, from: data[Self.front..<start]) } catch {
      throw refusal("its header cannot be read")
    }
    guard header.counts == tensors.map(\.count), data.count - start == elements, Self.isSound(header.random),
      header.epoch > 0
    else {
      throw refusal("it is of another run")
    }

    let before = session.state
    let horizon = session.horizon
    session.state = header.session
    guard isSound(horizon: horizon) else {
      session.state = before
      throw refusal("it is of another run")
    }
    var offset = start
    for tensor in tensors {
      let values = data.withUnsafeBytes { all in
        (0..<tensor.count).map {
          Float(bitPattern: UInt32(littleEndian: all.loadUnaligned(fromByteOffset: offset + 4 * $0, as: UInt32.self)))
        }
      }
      try tensor.assign(try Tensor(values, shape: tensor.shape))
      offset += 4 * tensor.count
    }
    return (header.epoch, header.random)
  }

  /// Writes a new file beside the old one, flushes it to disk, then renames it: whenever the run or its machine dies,
  /// one of the two is whole.
  package func write(epoch: Int, random: RandomGenerator) throws {
    guard let url else { return }
    let header = try JSONEncoder().encode(
      Header(epoch: epoch, random: random, session: session.state, counts: tensors.map(\.count)))
    var data = Data(Self.letters)
    func append(_ number: some FixedWidthInteger) {
      withUnsafeBytes(of: number.littleEndian) { data.append(contentsOf: $0) }
    }
    append(Self.version)
    append(UInt32(0))
    append(UInt64(header.count))
    data.append(header)
    for tensor in tensors { for value in try tensor.values() { append(value.bitPattern) } }
    let checksum = Self.checksum(of: data)
    withUnsafeBytes(of: checksum.littleEndian) {
      data.replaceSubrange(Self.checksumOffset..<Self.checksumOffset + 4, with: $0)
    }
    do {
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      let beside = url.appendingPathExtension("new")
      try Data().write(to: beside)
      let file = try FileHandle(forWritingTo: beside)
      try file.write(contentsOf: data)
      try file.synchronize()
      try file.close()
      guard rename(beside.path, url.path) == 0 else { throw CocoaError(.fileWriteUnknown) }
    } catch { throw CheckpointError(path: url.path, isWriting: true) }
  }

  /// The CRC-32C of all bytes after the checksum itself.
  package static func checksum(of data: Data) -> UInt32 {
    data.withUnsafeBytes { crc32c(UnsafeRawBufferPointer(rebasing: $0[(checksumOffset + 4)...])) }
  }

  /// Whether a generator changes as it draws: one whose bits are all zero never does.
  private static func isSound(_ random: RandomGenerator) -> Bool {
    var next = random
    _ = next.next()
    return next != random
  }

  /// Whether the session's state, just restored, can be one of this run.
  private func isSound(horizon: Double) -> Bool {
    session.horizon == horizon && (0...horizon).contains(session.spent) && Self.isSound(session.random)
      && session.currency == session.policy.currency && session.state.isOf(session.benchmark)
  }
}

/// An error in writing or reading a checkpoint.
public struct CheckpointError: Error, Hashable, Sendable, CustomStringConvertible {
  var path: String
  var problem = ""
  var isWriting = false

  public var description: String {
    isWriting
      ? "the checkpoint \(path) cannot be written: check the folder's permissions and the space left"
      : "the checkpoint \(path) cannot be used: \(problem); remove it, and that run begins anew"
  }

  /// Moves a checkpoint that cannot be used out of the way, and says so. The run begins anew and ends with the same
  /// bits, so only time is lost.
  ///
  /// - Throws: This error if the file cannot be moved.
  func setAside() throws(CheckpointError) {
    let kept = path + ".damaged"
    guard !isWriting, rename(path, kept) == 0 else { throw self }
    let note =
      "anytime: the checkpoint \(path) cannot be used: \(problem); it is now \(kept), and the run begins anew\n"
    // If standard error is closed, the note is lost and nothing else changes.
    _ = note.withCString { Foundation.write(STDERR_FILENO, $0, strlen($0)) }
  }
}
