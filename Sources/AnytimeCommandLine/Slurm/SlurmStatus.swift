import ArgumentParser
import Experiments
import Foundation
import TableBuilder

struct SlurmStatus: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Say what of the jobs is done, running, pending and failed.",
    discussion: """
      Read from the tasks' stores and from Slurm's queue. A task is done when all its runs are stored. It has failed, \
      or was cancelled, if it has begun, is not in the queue, and runs are missing; it is waiting if it was never \
      submitted. The command that submitted the tasks submits what is missing when it is given again.

      EXAMPLES
        anytime slurm status first.yaml
        anytime slurm status space-2.table --json
      """)

  @Argument(help: "The experiment file, or the table that is built.")
  var source: String

  @Option(help: "The run store of all runs. Default: the experiment file's name with .sqlite.")
  var store: String?

  @Flag(help: "Write JSON.")
  var json = false

  enum State: String, CaseIterable, Encodable { case done, running, pending, failed, waiting }

  struct Task: Encodable {
    let task: Int
    let state: State
    /// The runs of the task, and those that are stored; absent for tables.
    var runs, stored: Int?
    /// The latest start: Slurm's name of the array task, and its node.
    var job, node: String?
    var log: String?
  }

  private struct Status: Encodable {
    let source: String
    let counts: [String: Int]
    let runs, stored: Int?
    let tasks: [Task]
  }

  func run() throws {
    let path = absolute(source)
    let isExperiment = ["yaml", "yml"].contains(URL(filePath: path).pathExtension.lowercased())
    let jobs = SlurmJobs(of: path, store: store)
    let folders = isExperiment ? [jobs.folder] : [path + ".time.slurm", path + ".slurm", jobs.folder]
    guard let folder = folders.first(where: { FileManager.default.fileExists(atPath: $0 + "/plan.json") }),
      let plan = try SlurmPlan(in: folder)
    else {
      throw Failure("there are no jobs of \(source); write them with 'anytime slurm'")
    }
    var counts: [(runs: Int, stored: Int)]?
    if plan.kind == .experiment {
      let shards = try SlurmShards(path, registry: AnytimeCommand.registry)
      counts = shards.counts(plan.tasks, stored: try shards.stored(jobs.stores, failed: true))
    }
    let queue = try SlurmCluster().queue()
    if queue == nil { Console.say("note: there is no squeue here, so nothing is known of what runs or waits") }
    let active = Dictionary(
      plan.tasks(of: queue ?? [], in: folder).map { ($0.task, $0.job) }, uniquingKeysWith: { $0.isPending ? $1 : $0 })
    let tasks = (1...plan.tasks).map { task($0, of: plan, in: folder, counts?[$0 - 1], active[$0]) }
    let found = Dictionary(grouping: tasks, by: \.state).mapValues(\.count)
    let runs = counts.map { $0.reduce(0) { $0 + $1.runs } }
    let stored = counts.map { $0.reduce(0) { $0 + $1.stored } }
    if json {
      let status = Status(
        source: source,
        counts: Dictionary(uniqueKeysWithValues: State.allCases.map { ($0.rawValue, found[$0] ?? 0) }), runs: runs,
        stored: stored, tasks: tasks)
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      print(String(decoding: try encoder.encode(status), as: UTF8.self))
      return
    }
    let words = State.allCases.compactMap { state in found[state].map { "\($0) \(state.rawValue)" } }
    let parts = stored.flatMap { stored in runs.map { "; \(stored) of \($0) runs are stored" } } ?? ""
    print("\(plan.tasks) tasks: \(words.joined(separator: ", "))\(parts)")
    let open = tasks.filter { $0.state != .done }
    guard !open.isEmpty else { return }
    let rows = open.map { task in
      ["\(task.task)", task.state.rawValue] + (counts == nil ? [] : ["\(task.stored ?? 0)/\(task.runs ?? 0)"])
        + [task.job ?? "", task.node ?? ""]
    }
    print(aligned([["task", "state"] + (counts == nil ? [] : ["runs"]) + ["job", "node"]] + rows))
    if found[.failed] ?? 0 > 0, let log = open.first(where: { $0.state == .failed })?.log {
      print("Why a task failed is in its log, such as \(log).")
    }
  }

  private func task(
    _ number: Int, of plan: SlurmPlan, in folder: String, _ count: (runs: Int, stored: Int)?, _ job: SlurmCluster.Job?
  ) -> Task {
    let mark = "\(folder)/tasks/\(number)-of-\(plan.tasks)"
    // The job of the latest start, how often it was started before, and its node.
    let begun = FileManager.default.contents(atPath: mark + ".begun").map { data in
      String(decoding: data, as: UTF8.self).split(whereSeparator: \.isWhitespace).map(String.init)
    }
    let isDone = count.map { $0.stored == $0.runs } ?? FileManager.default.fileExists(atPath: mark + ".done")
    let state: State =
      if isDone { .done } else if let job { job.isPending ? .pending : .running } else {
        begun == nil ? .waiting : .failed
      }
    let name = job.flatMap { job in job.index.map { "\(job.job)_\($0)" } } ?? begun?.first
    let node = job?.node.isEmpty ?? true ? begun.flatMap { $0.count > 2 ? $0[2] : nil } : job?.node
    let log = name.map { "\(folder)/logs/\($0).log" }
    return Task(
      task: number, state: state, runs: count?.runs, stored: count?.stored, job: name,
      node: state == .pending ? nil : node, log: log.flatMap { access($0, F_OK) == 0 ? $0 : nil })
  }
}
