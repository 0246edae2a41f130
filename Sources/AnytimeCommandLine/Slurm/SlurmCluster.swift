import Foundation

/// Slurm's programs on this machine.
struct SlurmCluster {
  /// An array task in the queue.
  struct Job {
    /// The number of the job array, and the task's index in it.
    let job: String
    let index: Int?
    /// Slurm's word, such as `PENDING`.
    let state: String
    /// The task's node; empty while it waits.
    let node: String
    /// The path of the script.
    let script: String

    /// Whether the task waits for its turn.
    var isPending: Bool { ["PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"].contains(state) }
  }

  /// Whether a program of Slurm is here.
  func has(_ name: String) -> Bool { Self.path(of: name) != nil }

  private static func path(of name: String) -> String? {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    return folders.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
  }

  /// What a cluster takes.
  struct Limits {
    /// One more than the greatest index of a task of an array.
    var arraySize = 1_001
    /// The greatest number of jobs.
    var jobs = 10_000
    /// Whether the cluster has said so; Slurm's defaults otherwise.
    var areKnown = false
  }

  /// The limits of the cluster.
  ///
  /// - Throws: ``Failure`` if there is a cluster that does not answer, and it must.
  func limits(mustAnswer: Bool) throws -> Limits {
    var limits = Limits()
    guard has("scontrol") else { return limits }
    let answer = try run("scontrol", ["show", "config"])
    guard answer.status == 0 else {
      if mustAnswer { throw Failure("Slurm does not answer: \(Self.complaint(answer.output))") }
      Console.say("note: Slurm does not answer, so its usual limits are assumed: \(Self.complaint(answer.output))")
      return limits
    }
    limits.areKnown = true
    for line in answer.output.split(separator: "\n") {
      let parts = line.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
      guard parts.count == 2, let number = Int(parts[1]) else { continue }
      if parts[0] == "MaxArraySize" { limits.arraySize = number }
      if parts[0] == "MaxJobCount" { limits.jobs = number }
    }
    return limits
  }

  /// This user's jobs in the queue; `nil` where there is no queue.
  ///
  /// - Throws: ``Failure`` if the cluster does not answer.
  func queue() throws -> [Job]? {
    guard has("squeue") else { return nil }
    let answer = try run("squeue", ["--me", "--noheader", "--array", "--format=%F|%K|%T|%N|%o"])
    guard answer.status == 0 else { throw Failure("Slurm does not answer: \(Self.complaint(answer.output))") }
    return answer.output.split(separator: "\n").compactMap { line in
      let parts = line.split(separator: "|", maxSplits: 4, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 5 else { return nil }
      return Job(job: parts[0], index: Int(parts[1]), state: parts[2], node: parts[3], script: parts[4])
    }
  }

  /// Asks the cluster whether it would take a script.
  ///
  /// - Throws: ``Failure`` if it would not.
  func check(_ script: String) throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "anytime-\(UUID().uuidString).sh")
    try Data(script.utf8).write(to: file)
    defer { unlink(file.path) }
    let answer = try run("sbatch", ["--test-only", file.path])
    guard answer.status == 0 else { throw Failure("Slurm would not take the jobs: \(Self.complaint(answer.output))") }
  }

  /// The last line of what a program of Slurm says, which is the reason of a failure.
  private static func complaint(_ output: String) -> String {
    let line = output.split(separator: "\n").last.map(String.init) ?? "it gives no reason"
    return line.replacing(/^(sbatch: error: |squeue: error: |allocation failure: |slurm_load_\w+ error: )+/, with: "")
  }

  /// Runs a program and returns what it writes, to either of its outputs.
  func run(_ name: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
    guard let path = Self.path(of: name) else { throw Failure("there is no \(name) on this machine") }
    let process = Process()
    process.executableURL = URL(filePath: path)
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    do { try process.run() } catch { throw Failure("\(path) cannot be started: \(error)") }
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, text)
  }
}
