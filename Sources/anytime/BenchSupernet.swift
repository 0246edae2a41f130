@_spi(Instruments) import Anytime
import CellSpace
import Foundation
import Reports
import Statistics
import Supernet

/// The step of DARTS on a supernet of three cells of space 1 (batch 64, 16 channels, images of 28 x 28), in CPU
/// seconds on one thread; and in turns, where Python has PyTorch, the same step as NAS-Bench-1Shot1 makes it.
struct SupernetBench {
  /// Rounds of ten steps of each.
  let rounds: Int
  /// Where the other side is; left out if it is not there.
  let script = "Tests/Peers/supernet_speed.py"
  let python = "/usr/bin/python3"

  private static let steps = 10

  func run() throws {
    signal(SIGPIPE, SIG_IGN)  // of a Python without PyTorch, which ends at once
    let step = try MeasuredStep(.oneShot1)
    for _ in 0..<3 { try step() }
    let peer = Peer(python: python, script: script)
    defer { peer?.end() }
    _ = peer?.seconds(steps: 2)
    var (ours, theirs): ([Double], [Double]) = ([], [])
    var memory: [Int] = []
    for _ in 0..<rounds {
      let start = Session.threadSeconds
      for _ in 0..<Self.steps { try step() }
      ours.append((Session.threadSeconds - start) / Double(Self.steps))
      memory.append(residentMegabytes())
      if let seconds = peer?.seconds(steps: Self.steps) { theirs.append(seconds) }
    }
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
    let half = min(4, memory.count - 1)
    lines.append([
      "resident memory",
      "\(memory[half]) MB after \((half + 1) * Self.steps) steps, "
        + "\(memory[memory.count - 1]) MB after \(memory.count * Self.steps)",
    ])
    print(aligned(lines))
  }

  private func residentMegabytes() -> Int {
    let fields =
      (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ") ?? []
    return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * sysconf(Int32(_SC_PAGESIZE)) / 1_000_000
  }

  /// The script, which answers one number per line.
  private final class Peer {
    private let process = Process()
    private let (input, output) = (Pipe(), Pipe())

    /// - Returns: `nil` if it does not run.
    init?(python: String, script: String) {
      guard FileManager.default.isExecutableFile(atPath: python),
        FileManager.default.fileExists(atPath: script)
      else { return nil }
      process.executableURL = URL(filePath: python)
      process.arguments = [script]
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
