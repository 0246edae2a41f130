import ArgumentParser
import CellNetworks
import Experiments
import Foundation
import Reports
import TableBuilder

struct SlurmTable: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "table", abstract: "Build or time a table on a Slurm cluster.",
    subcommands: [SlurmTableBuild.self, SlurmTableTime.self])
}

struct SlurmTableBuild: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "build",
    abstract: "Write and submit the jobs that build a table.",
    discussion: """
      Each task trains a part of the cells with as many workers as it has processors. Scripts, logs and trainings are \
      in a folder beside the table, which ends in .slurm; a last job puts them together. Seconds are measured on the \
      nodes: choose equal ones (--sbatch constraint=…), or time the folders afterwards on one.

      EXAMPLES
        anytime slurm table build space-2.table --space 2 --tasks 50
        anytime slurm table build space-2.table --space 2 --only-missing --tasks 50 --cpus-per-task 8 --submit
      """)

  @Argument(help: "The table to make.")
  var output: String

  @OptionGroup var build: BuildOptions

  @OptionGroup var options: SlurmOptions

  func run() throws {
    let table = absolute(output)
    let folder = table + ".slurm"
    let setting = try options.setting(folder: folder)
    try refuseFolder(table)
    let wanted = try options.tasks(earlier: setting.plan)
    if let earlier = setting.plan, earlier.tasks != wanted {
      throw Failure(
        "\(folder) has the trainings of \(earlier.tasks) tasks; keep --tasks \(earlier.tasks), or move the folder away")
    }
    let build = try self.build.settled()
    let cells = try build.cells(shard: nil)
    guard !cells.isEmpty else { throw Failure("nothing is missing: the base table has all these cells") }
    let tasks = min(wanted, cells.count)
    if tasks < wanted { Console.say("note: \(tasks) tasks instead of \(wanted): there are no more cells") }
    let header = BuildHeader(settings: try build.read(), dataChecksum: try build.readImages().checksum)
    let missing = try Set((1...tasks).filter { task in
      let done = try BuildFolder(path: "\(folder)/tasks/\(task)-of-\(tasks).build").done(header)
      return !header.settings.assignments(BuildOptions.part(task, of: tasks, cells)).allSatisfy(done.contains)
    })
    let plan = SlurmPlan(kind: .build, tasks: tasks, arraySize: setting.limits.arraySize)
    var arguments = build
    arguments.data = build.data.map(absolute)
    if build.base != "embedded" { arguments.base = absolute(build.base) }
    try setting.finish(
      missing, plan, work: .build(
        options: arguments.arguments, base: build.onlyMissing ? arguments.base : nil, output: table),
      program: try options.programPath())
  }
}

struct SlurmTableTime: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "time",
    abstract: "Write and submit the jobs that time the folders of a build.",
    discussion: """
      One task for each folder, on a node of its own. Seconds of different processors do not make one table: choose \
      equal nodes. A last job makes the table anew.

      EXAMPLE
        anytime slurm table time space-2.table.slurm/tasks/*.build -o space-2.table --sbatch constraint=epyc --submit
      """)

  @Argument(help: "Build folders.")
  var folders: [String]

  @Option(name: .shortAndLong, help: "The table to make.")
  var output: String

  @OptionGroup var options: SlurmOptions

  func run() throws {
    let table = absolute(output)
    let folders = folders.map(absolute)
    var setting = try options.setting(folder: table + ".time.slurm")
    try refuseFolder(table)
    if let tasks = options.tasks, tasks != folders.count {
      throw UsageError("each of the \(folders.count) folders has a task; leave --tasks out")
    }
    guard Set(folders).count == folders.count else { throw UsageError("a folder is given twice") }
    let missing = try Set(folders.indices.filter { index in
      let folder = BuildFolder(path: folders[index])
      guard let (_, records) = try folder.read() else {
        throw BuildError.unreadable(folders[index], reason: "it holds no build logs")
      }
      let timed = try folder.stepSeconds()?.seconds ?? [:]
      return !records.allSatisfy { timed[$0.cell] != nil }
    }.map { $0 + 1 })
    setting.request.taskOptions.append(("exclusive", ""))
    let plan = SlurmPlan(kind: .time, tasks: folders.count, arraySize: setting.limits.arraySize)
    try setting.finish(
      missing, plan, work: .time(folders: folders, output: table), program: try options.programPath())
  }
}

/// Refuses a table that is a folder.
private func refuseFolder(_ table: String) throws {
  var isFolder: ObjCBool = false
  if FileManager.default.fileExists(atPath: table, isDirectory: &isFolder), isFolder.boolValue {
    throw Failure("\(table) is a folder; name the table file to make")
  }
}

extension SlurmSetting {
  /// Does the same as ``finish(_:plan:copies:done:)`` for a table.
  fileprivate func finish(
    _ missing: Set<Int>, _ plan: SlurmPlan, work: SlurmScripts.Work, program: String
  ) throws {
    let active = try active(plan)
    let table = String(folder.dropLast((plan.kind == .time ? ".time.slurm" : ".slurm").count))
    if missing.isEmpty, active.isEmpty, FileManager.default.fileExists(atPath: table), self.plan == plan {
      print("Nothing is missing: \(table) is made.")
      return
    }
    try finish(
      SlurmScripts(
        name: FileNames.name(URL(filePath: table).lastPathComponent), command: SlurmOptions.command, program: program,
        folder: folder, work: work, request: request, tasks: plan.tasks,
        missing: missing.subtracting(active.map(\.task)).sorted(), arraySize: plan.arraySize,
        earlier: Set(active.map(\.job)).sorted()), plan: plan, done: Set(1...plan.tasks).subtracting(missing))
  }
}
