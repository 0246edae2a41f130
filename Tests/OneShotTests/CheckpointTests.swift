@_spi(Instruments) import Anytime
import CellNetworks
import Foundation
import OneShot
import OptimizerConformance
import SearchSpaces
import Statistics
import Supernet
import TabularBenchmark
import Tensor
import TestSupport
import Testing

@Suite("Checkpoints") struct CheckpointTests {
  let folder: URL
  var file: URL { folder.appending(path: "run") }

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "checkpoints-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  /// A session that has spent something, and some tensors.
  private func example(value: Float) throws -> (session: Session, tensors: [Tensor], checkpoint: Checkpoint) {
    let benchmark = try OptimizerConformance.benchmark()
    let session = Session(benchmark: benchmark, policy: .fair, horizon: 1_000, seed: 3, checkpoint: file)
    let tensors = [
      try Tensor([Float](repeating: value, count: 6), shape: [2, 3]),
      try Tensor((0..<40).map { value * Float($0) }, shape: [40]),
    ]
    return (session, tensors, Checkpoint(session: session, tensors: tensors))
  }

  private func spend(_ session: Session) throws {
    for _ in 0..<3 { try session.evaluate(session.space.sample(using: &session.random)) }
    let architecture = session.benchmark.table.architecture(session.benchmark.rows[1])
    try session.recommend(architecture)
    session.trace.append(
      TracePoint(
        epoch: 1, amount: session.spent, architecture: architecture.id, values: ["supernet loss": 0.1], weights: [],
        errors: [architecture.id: 0.5]))
  }

  /// A whole file.
  private func written() throws -> [UInt8] {
    let (session, _, checkpoint) = try example(value: 1.5)
    try spend(session)
    try checkpoint.write(epoch: 7, random: RandomGenerator(seed: 9))
    return Array(try Data(contentsOf: file))
  }

  @Test("what was written is taken up to the bit, and nothing lies beside it") func roundTrip() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    #expect(try example(value: 0).checkpoint.read() == nil)
    let (session, tensors, checkpoint) = try example(value: 1.5)
    try spend(session)
    try checkpoint.write(epoch: 7, random: RandomGenerator(seed: 9))
    let other = try example(value: 0)
    let found = try #require(try other.checkpoint.read())
    #expect(found.epoch == 7 && found.random == RandomGenerator(seed: 9))
    #expect(try other.tensors.map { try $0.values() } == tensors.map { try $0.values() })
    #expect(other.session.spent > 0 && other.session.spent == session.spent)
    #expect(other.session.random == session.random && other.session.trace == session.trace)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["run"])
  }

  @Test("a file that cannot be used is refused in one sentence, and nothing changes")
  func refusals() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let whole = try written()
    var version = whole
    version[8] = 9
    var flipped = whole
    flipped[whole.count - 1] ^= 1
    for (bytes, problem) in [
      ([], "it is no checkpoint"), (Array("no checkpoint, but long enough to be one".utf8), "it is no checkpoint"),
      (version, "it is of version 9, and this is 3"), (flipped, "its checksum is wrong"),
      (Array(whole.dropLast()), "its checksum is wrong"), (whole + [0], "its checksum is wrong"),
    ] {
      try Data(bytes).write(to: file)
      let (session, tensors, checkpoint) = try example(value: 2)
      let error = #expect(throws: CheckpointError.self) { try checkpoint.read() }
      #expect(
        error?.description
          == "the checkpoint \(file.path) cannot be used: \(problem); remove it, and that run begins anew"
      )
      #expect(session.spent == 0 && session.trace.isEmpty)
      #expect(try tensors[0].values() == [Float](repeating: 2, count: 6))
    }
    // Of a run with other tensors.
    try Data(whole).write(to: file)
    let tensor = try example(value: 2).tensors[0]
    let session = Session(
      benchmark: try OptimizerConformance.benchmark(), policy: .fair, horizon: 1_000, seed: 3, checkpoint: file)
    let error = #expect(throws: CheckpointError.self) {
      try Checkpoint(session: session, tensors: [tensor]).read()
    }
    #expect(error?.description.contains("it is of another run") == true)
  }

  @Test("a run whose checkpoint is damaged keeps it aside, begins anew, and ends with the same bits")
  func setAside() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    func result(_ checkpoint: URL?) throws -> RunResult {
      let settings = ["preset": "quick", "epochs": "2", "batch-size": "32"]
      return try run(
        DARTS(settings: Settings(DARTS.method, settings)), on: OptimizerConformance.benchmark(), policy: .fair,
        horizon: 10_000, seed: 1, checkpoint: checkpoint)
    }
    let damaged = try written().enumerated().map { $0 == 40 ? ~$1 : $1 }
    try Data(damaged).write(to: file)
    let anew = try result(file)
    let whole = try result(nil)
    #expect(anew.trajectory == whole.trajectory && anew.trace == whole.trace && anew.ledger == whole.ledger)
    #expect(Array(try Data(contentsOf: file.appendingPathExtension("damaged"))) == damaged)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["run.damaged"])
  }

  @Test("mutated files are refused; with a mended checksum they are refused, or taken up as what this run can have")
  func mutations() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let whole = try written()
    let (session, tensors, checkpoint) = try example(value: 2)
    let fresh = session.state
    let header = whole.count - 4 * 46
    var mutator = Mutator()
    var taken = 0
    for round in 0..<Mutator.rounds {
      // Of the even rounds, whose checksum is mended, half change nothing but tensors, which may hold anything.
      var bytes =
        round % 4 == 2
        ? whole[..<header] + mutator.mutated(Array(whole[header...]), header: 8)
        : mutator.mutated(whole, header: round % 4 == 0 ? 24 : header)
      let isMended = round % 2 == 0 && bytes.count > 16
      if isMended {
        let sum = Checkpoint.checksum(of: Data(bytes))
        for byte in 0..<4 { bytes[Checkpoint.checksumOffset + byte] = UInt8(truncatingIfNeeded: sum >> (8 * byte)) }
      }
      session.state = fresh
      do {
        let found = try checkpoint.takeUp(Data(bytes))
        #expect(isMended || bytes == whole, "round \(round) is taken for whole")
        #expect(found.epoch > 0 && (0...session.horizon).contains(session.spent) && session.horizon == 1_000)
        var random = found.random
        #expect((0..<7).contains(random.below(7)) && (0..<7).contains(session.random.below(7)))
        #expect(session.state.isOf(session.benchmark))
        #expect(try tensors.map { try $0.values().count } == [6, 40])
        taken += 1
      } catch let error as CheckpointError {
        #expect(!error.description.contains("\n"))
        #expect(session.spent == 0 && session.trace.isEmpty)
      }
    }
    #expect(taken > Mutator.rounds / 50 && taken < Mutator.rounds / 2)
  }
}
