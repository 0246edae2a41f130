import Anytime
import Foundation
import OneShot
import Reports
import SearchSpaces
import Statistics
import Supernet
import Synchronization
import TabularBenchmark

/// The step of every one-shot method, in CPU seconds on one thread: the method itself on a session, charges included.
///
/// First DARTS on a supernet of three cells of space 1 (batch 64, 16 channels, images of 28 x 28); in turns, where
/// Python has PyTorch, the same step as NAS-Bench-1Shot1 makes it. Then all methods with the preset `quick`, and an
/// epoch of the original protocol: nine cells, 16 channels, batch 96, random images of CIFAR-10's shape.
struct SupernetBench {
  /// Rounds of ten steps of each.
  let rounds: Int
  let python: String

  private static let steps = 10

  func run() throws {
    var peer: Peer?
    if let root = ProcessInfo.processInfo.environment["ANYTIME_ROOT"] {
      peer = Peer(python: python, script: root + "/Tests/Peers/supernet_speed.py")
    }
    defer { peer?.end() }
    _ = peer?.seconds(steps: 2)
    let large = try Self.benchmark(batch: 64) { task in
      task.dataset.downscale = 1
      task.network.channels = 16
    }
    let darts = DARTS {
      ($0.supernet.epochs, $0.supernet.batchSize, $0.supernet.validates) = (rounds + 1, 64, false)
      ($0.supernet.channels, $0.supernet.cellsPerStack) = (16, 1)
    }
    let measured = try Self.measure(darts, on: large, peer: peer)
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
    print(aligned(lines))

    var rows = [["preset quick", "ms of CPU per step"]]
    let quick = try Self.benchmark(batch: 64) { _ in }
    for method in try Self.methods(preset: "quick", epochs: rounds + 1, batch: 64) {
      let median = try Self.measure(method, on: quick).map(\.ours).median ?? 0
      rows.append(["  " + Swift.type(of: method).method.name, Numbers.decimals(median * 1e3, 2)])
    }
    print("\n" + aligned(rows))

    try original()
  }

  /// An epoch of the original protocol: 25,000 images of each half, so 260 steps of 96.
  private func original() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "bench-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let batch = 96
    try Self.writeImages(to: folder, count: 2 * Self.steps * batch)
    setenv("ANYTIME_DATA", folder.path, 1)
    defer { unsetenv("ANYTIME_DATA") }
    let benchmark = try Self.benchmark(batch: batch) { task in
      task.dataset.name = "cifar-10"
      task.dataset.downscale = 1
    }
    var rows = [["original protocol", "s of CPU per epoch", "MB"]]
    // The dearest last: memory that was used once stays the process's.
    for method in try Self.methods(preset: nil, epochs: 2, batch: batch).reversed() {
      let measured = try Self.measure(method, on: benchmark)
      let median = measured.map(\.ours).median ?? 0
      rows.append([
        "  " + Swift.type(of: method).method.name, Numbers.decimals(median * 260, 0),
        String(measured.map(\.megabytes).max() ?? 0),
      ])
    }
    print("\n" + aligned(rows))
  }

  /// All methods, without anything but training steps, and those of architecture weights that go with them.
  private static func methods(preset: String?, epochs: Int, batch: Int) throws -> [any Optimizer] {
    let scoring = ["samples": "1", "finalists": "1"]
    let others: [(any Optimizer.Type, [String: String])] = [
      (DARTS.self, ["validate": "false"]), (GDAS.self, ["validate": "false"]),
      (PCDARTS.self, ["validate": "false", "warm-start-epochs": "0"]),
      (ENAS.self, scoring.merging(["controller-steps": "0"]) { $1 }), (RandomSearchWS.self, scoring),
      (SPOS.self, ["population": "2", "parents": "1", "generations": "1", "evaluation-images": "1"]),
    ]
    return try others.map { type, settings in
      var all = settings
      all["epochs"] = String(epochs)
      all["batch-size"] = String(batch)
      all["preset"] = preset
      return try type.init(settings: Settings(type.method, all))
    }
  }

  /// The embedded table, stating other images and networks than it was made with, and so few images that an epoch has
  /// ten steps: for the time of a step it does not matter what the table says.
  private static func benchmark(batch: Int, _ change: (inout StatedTask) -> Void) throws -> Benchmark {
    let url = FileManager.default.temporaryDirectory.appending(path: "bench-\(UUID().uuidString).table")
    defer { try? FileManager.default.removeItem(at: url) }
    var task = StatedTask()
    task.dataset.trainingImages = steps * batch
    task.dataset.validationImages = steps * batch
    change(&task)
    let writer = try TableWriter(destination: url)
    try writer.add(contentsOf: .embedded())
    try writer.finish(provenance: ["settings": task.json])
    return try Benchmark(table: Table(contentsOf: url), space: .oneShot1)
  }

  /// Writes random images as CIFAR-10's binary files.
  private static func writeImages(to folder: URL, count: Int) throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    var random = RandomGenerator(seed: 0, stream: "images")
    for name in (1...5).map({ "data_batch_\($0).bin" }) + ["test_batch.bin"] {
      var bytes = Data()
      for image in 0..<(count + 4) / 5 {
        bytes.append(UInt8(image % 10))
        bytes.append(contentsOf: (0..<3_072).map { _ in UInt8(random.below(256)) })
      }
      try bytes.write(to: folder.appending(path: name))
    }
  }

  /// CPU seconds per step, by epochs of ten steps; the first one warms up. Has the peer do as many after each.
  private static func measure(_ method: any Optimizer, on benchmark: Benchmark, peer: Peer? = nil) throws -> [Round] {
    let clock = Clock(steps: steps, peer: peer)
    _ = try Anytime.run(
      method, on: benchmark, policy: .fair, horizon: 1e9, seed: 0, progress: { _, part in clock.tick(part) })
    return Array(clock.rounds.dropFirst())
  }

  struct Round {
    /// CPU seconds of a step.
    var ours: Double
    var theirs: Double?
    var megabytes: Int
  }

  /// Tells steps apart by a supernet's progress, which changes with every step.
  private final class Clock: Sendable {
    private struct State {
      var part = -1.0
      var start = 0.0
      var begun = 0
      var seconds = 0.0
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

    /// A charge has been entered: the first one of a step, or a later one.
    func tick(_ part: Double) {
      state.withLock { state in
        guard part != state.part else { return }
        state.part = part
        let now = Self.seconds
        // From the first charge of a step to that of the next one, within an epoch.
        if state.begun % steps > 0 { state.seconds += now - state.start }
        state.begun += 1
        if state.begun % steps == 0 {
          state.rounds.append(
            Round(
              ours: state.seconds / Double(steps - 1), theirs: peer?.seconds(steps: steps),
              megabytes: Self.residentMegabytes()))
          state.seconds = 0
        }
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
