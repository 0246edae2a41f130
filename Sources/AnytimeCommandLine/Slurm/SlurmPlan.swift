import Foundation
import Reports
import TabularBenchmark

/// What a folder of jobs is for, as a file in it, for later commands.
struct SlurmPlan: Hashable, Codable {
  enum Kind: String, Hashable, Codable { case experiment, build, time }

  var kind: Kind
  /// The number of tasks in all.
  var tasks: Int
  /// The cluster's limit by which tasks are told from each other.
  var arraySize: Int

  private static let name = "plan.json"

  init(kind: Kind, tasks: Int, arraySize: Int) {
    (self.kind, self.tasks, self.arraySize) = (kind, tasks, arraySize)
  }

  /// Reads a folder's plan; `nil` if it has none.
  init?(in folder: String) throws {
    let path = folder + "/" + Self.name
    guard let data = FileManager.default.contents(atPath: path) else { return nil }
    do { self = try JSONDecoder().decode(Self.self, from: data) } catch {
      throw Failure("\(path) is no plan of jobs; remove the folder, or name another one")
    }
    guard tasks > 0, arraySize > 1 else {
      throw Failure("\(path) is no plan of jobs; remove the folder, or name another one")
    }
  }

  func write(in folder: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
    try writeWhole(try encoder.encode(self) + Data("\n".utf8), toPath: folder + "/" + Self.name)
  }

  /// The tasks of a folder's jobs in the queue.
  func tasks(of jobs: [SlurmCluster.Job], in folder: String) -> [(task: Int, job: SlurmCluster.Job)] {
    jobs.compactMap { job in
      guard job.script.hasPrefix(folder + "/"), let index = job.index else { return nil }
      let script = String(job.script.dropFirst(folder.count + 1))
      return SlurmScripts.task(script: script, index: index, arraySize: arraySize).map { ($0, job) }
    }
  }
}

/// Everything around the work itself of a command that submits jobs.
struct SlurmSetting {
  let cluster: SlurmCluster
  let limits: SlurmCluster.Limits
  var request: SlurmScripts.Request
  let folder: String
  /// The plan of the last time.
  let plan: SlurmPlan?
  let submits: Bool

  /// The tasks of earlier submissions that are in the queue.
  ///
  /// - Throws: ``Failure`` if they are of another plan.
  func active(_ plan: SlurmPlan) throws -> [(task: Int, job: String)] {
    guard limits.areKnown, let earlier = self.plan, let queue = try cluster.queue() else { return [] }
    let active = earlier.tasks(of: queue, in: folder)
    if let job = active.first?.job.job, earlier != plan {
      throw Failure(
        "\(active.count) of \(earlier.tasks) tasks are still in the queue (job \(job)); keep --tasks \(earlier.tasks), "
          + "or cancel them first")
    }
    return active.map { ($0.task, $0.job.job) }
  }

  /// Writes the scripts, says how they are submitted, and submits them if that is wanted.
  ///
  /// - Parameters:
  ///   - copies: Further files of the folder.
  ///   - done: The tasks of a table that have nothing left to do, which the job that merges cannot find out.
  func finish(
    _ scripts: SlurmScripts, plan: SlurmPlan, copies: [(name: String, data: Data)] = [], done: Set<Int> = []
  ) throws {
    if scripts.missing.isEmpty, !scripts.earlier.isEmpty {
      print("All that is missing is in the queue already: job \(scripts.earlier.joined(separator: ", ")).")
      return
    }
    let files = scripts.files
    if limits.areKnown, cluster.has("sbatch") {
      for file in files where file.name != "submit.sh" { try cluster.check(file.text) }
    }
    for name in ["logs", "tasks"] { try makeFolder(folder + "/" + name) }
    for file in copies { try writeWhole(file.data, toPath: folder + "/" + file.name) }
    for name in try FileManager.default.contentsOfDirectory(atPath: folder)
    where name.hasPrefix("array") && name.hasSuffix(".sh") {
      unlink(folder + "/" + name)
    }
    func mark(_ task: Int) -> String { "\(folder)/tasks/\(task)-of-\(plan.tasks).done" }
    for task in scripts.missing { unlink(mark(task)) }
    for task in done { try writeWhole(Data(), toPath: mark(task)) }
    for file in files { try writeWhole(Data(file.text.utf8), toPath: folder + "/" + file.name) }
    try plan.write(in: folder)
    print(description(scripts))
    guard submits else {
      print("To submit, run:\n  \(scripts.submission)")
      return
    }
    let answer = try cluster.run("sh", [folder + "/submit.sh"])
    print(answer.output, terminator: "")
    guard answer.status == 0 else {
      throw Failure("the jobs could not all be submitted; see above, and \(folder)/submit.sh")
    }
  }

  private func description(_ scripts: SlurmScripts) -> String {
    let count = scripts.missing.count
    guard count > 0 else { return "All tasks are done; their results are still to be merged." }
    let tasks = Numbers.count(scripts.tasks, "task", "tasks")
    let all = count == scripts.tasks ? tasks : "\(count) of \(tasks) (\(scripts.missing.ranges(separator: ",")))"
    let limit = request.atOnce.map { ", \($0) at a time" } ?? ""
    let left = scripts.earlier.isEmpty ? "" : "; those that are in the queue are left out"
    return "\(all)\(limit), then a job that merges\(left): \(folder)"
  }
}
