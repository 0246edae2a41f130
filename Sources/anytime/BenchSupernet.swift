import Anytime
import Foundation
import OneShot
import Reports
import SearchSpaces
import Statistics
import Supernet
import Synchronization
import TabularBenchmark

/// The step of DARTS on a supernet of three cells of space 1 (batch 64, 16 channels, images of 28 x 28), in CPU
/// seconds on one thread: the method itself on a session, charges included. In turns, where Python has PyTorch, the
/// same step as NAS-Bench-1Shot1 makes it.
struct SupernetBench {
  /// Rounds of ten steps of each.
  let rounds: Int
  let python: String

  private static let steps = 10
  private static let batch = 64

  func run() throws {
    let benchmark = try Self.benchmark()
    var peer: Peer?
    if let root = ProcessInfo.processInfo.environment["ANYTIME_ROOT"] {
      peer = Peer(python: python, script: root + "/Tests/Peers/supernet_speed.py")
    }
    defer { peer?.end() }
    _ = peer?.seconds(steps: 2)
    let clock = Clock(steps: Self.steps, peer: peer)
    let darts = DARTS {
      // The first epoch warms up; an epoch is a round.
      $0.supernet.epochs = rounds + 1
      $0.supernet.batchSize = Self.batch
      $0.supernet.channels = 16
      $0.supernet.cellsPerStack = 1
      $0.supernet.validates = false
    }
    clock.start()
    _ = try Anytime.run(darts, on: benchmark, policy: .fair, horizon: 1e9, seed: 0, progress: { _, _ in clock.tick() })
    let measured = clock.rounds.dropFirst()
    let (ours, theirs) = (measured.map(\.ours), measured.compactMap(\.theirs))
    let mine = ours.median ?? 0
    var lines = [["step of DARTS, first order", Numbers.decimals(mine * 1e3, 1) + " ms of CPU"]]
    if let other = theirs.median {
      lines.append(["  in Python", Numbers.decimals(other * 1e3, 1) + " ms of CPU"])
      // Of neighbours in time: the machine's own speed cancels.
      let ratios = zip(ours, theirs).map { $0 / $1 }
      lines.append([
        "  ratio",
        "\(Numbers.decimals(mine / other, 3)) (median of rounds \(Numbers.decimals(ratios.median ?? 0, 3)))",
      ])
    }
    let memory = measured.map(\.megabytes)
    if let last = memory.last {
      let half = min(4, memory.count - 1)
      lines.append([
        "resident memory",
        "\(memory[half]) MB after \((half + 1) * Self.steps) steps, \(last) MB after \(memory.count * Self.steps)",
      ])
    }
    print(aligned(lines))
  }

  /// The embedded table, stating larger images and networks than it was made with, and so few images that an epoch has
  /// ten steps: for the time of a step it does not matter what the table says.
  private static func benchmark() throws -> Benchmark {
    let url = FileManager.default.temporaryDirectory.appending(path: "bench-\(UUID().uuidString).table")
    defer { try? FileManager.default.removeItem(at: url) }
    var task = StatedTask()
    task.dataset.downscale = 1
    task.dataset.trainingImages = steps * batch
    task.dataset.validationImages = steps * batch
    task.network.channels = 16
    let writer = try TableWriter(destination: url)
    try writer.add(contentsOf: .embedded())
    try writer.finish(provenance: ["settings": task.json])
    return try Benchmark(table: Table(contentsOf: url), space: .oneShot1)
  }

  /// Times rounds of steps, and has the peer do as many after each.
  private final class Clock: Sendable {
    struct Round {
      /// CPU seconds of a step.
      var ours: Double
      var theirs: Double?
      var megabytes: Int
    }
    private struct State {
      var start = 0.0
      var passes = 0
      var rounds: [Round] = []
    }

    private let steps: Int
    private let peer: Peer?
    private let state = Mutex(State())

    init(steps: Int, peer: Peer?) {
      self.steps = steps
      self.peer = peer
    }

    var rounds: [Round] { state.withLock { $0.rounds } }

    private static var seconds: Double {
      var time = timespec()
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
      return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    func start() { state.withLock { $0.start = Self.seconds } }

    /// A charge has been entered: a step of DARTS makes two, for the architecture and for the weights.
    func tick() {
      state.withLock { state in
        state.passes += 1
        guard state.passes % (2 * steps) == 0 else { return }
        state.rounds.append(
          Round(
            ours: (Self.seconds - state.start) / Double(steps), theirs: peer?.seconds(steps: steps),
            megabytes: Self.residentMegabytes()))
        state.start = Self.seconds
      }
    }

    private static func residentMegabytes() -> Int {
      let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ") ?? []
      return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * sysconf(Int32(_SC_PAGESIZE)) / 1_000_000
    }
  }

  /// The script, which answers one number per line.
  private final class Peer: @unchecked Sendable {  // used by one thread at a time
    private let process = Process()
    private let (input, output) = (Pipe(), Pipe())

    /// - Returns: `nil` if it does not run.
    init?(python: String, script: String) {
      guard FileManager.default.fileExists(atPath: script) else { return nil }
      process.executableURL = URL(filePath: "/usr/bin/env")
      process.arguments = [python, script]
      process.standardInput = input
      process.standardOutput = output
      process.standardError = FileHandle.nullDevice
      guard (try? process.run()) != nil else { return nil }
    }

    func seconds(steps: Int) -> Double? {
      guard (try? input.fileHandleForWriting.write(contentsOf: Data("\(steps)\n".utf8))) != nil else {
        return nil
      }
      var line = Data()
      while let byte = try? output.fileHandleForReading.read(upToCount: 1), let first = byte.first {
        guard first != UInt8(ascii: "\n") else { return Double(String(decoding: line, as: UTF8.self)) }
        line.append(first)
      }
      return nil
    }

    func end() {
      try? input.fileHandleForWriting.close()
      process.waitUntilExit()
    }
  }
}
