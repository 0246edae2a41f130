import ArgumentParser
import Experiments
import Foundation
import Reports
import SearchSpaces

struct SlurmCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "slurm",
    abstract: "Run an experiment on a Slurm cluster.",
    discussion: """
      'anytime slurm EXPERIMENT' writes scripts for a job array, whose tasks make shards of the experiment, and for \
      the job that merges their stores; 'anytime help slurm run' lists the options. Tasks survive preemption and the \
      end of their time. Submitted again, only tasks run that have something left to do. Documentation/Cluster.md \
      tells more.

      EXAMPLES
        anytime slurm first.yaml --tasks 20             write scripts, print the command that submits them
        anytime slurm first.yaml --tasks 20 --submit    submit them too
        anytime slurm status first.yaml                 what is done, running, pending, failed
        anytime slurm first.yaml --tasks 200 --at-once 50 --time 4:00:00 --partition cpu --memory 4G --submit
        anytime slurm table build space-2.table --space 2 --tasks 50 --submit
      """,
    subcommands: [SlurmRun.self, SlurmStatus.self, SlurmTable.self],
    defaultSubcommand: SlurmRun.self)
}

struct SlurmRun: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Write and submit the jobs of an experiment.",
    discussion: """
      Scripts, logs and the stores of tasks are in a folder beside the experiment file, which ends in .slurm. A last \
      job merges the stores, checks that nothing is missing, and writes the report.

      EXAMPLES
        anytime slurm first.yaml --tasks 20
        anytime slurm first.yaml --tasks 20 --at-once 5 --cpus-per-task 4 --time 2:00:00 --submit
        anytime slurm first.yaml --tasks 20 --sbatch qos=low --setup 'module load gsl' --submit
      """)

  @Argument(help: "An experiment file in YAML.")
  var experiment: String

  @Option(help: "The run store of all runs. Default: the experiment file's name with .sqlite.")
  var store: String?

  @Option(help: "The least minutes that a task should take: there are fewer tasks where they would be shorter.")
  var leastMinutes = 5.0

  @Flag(help: "Repeat the runs that are stored as failed.")
  var retryFailed = false

  @OptionGroup var options: SlurmOptions

  func validate() throws {
    if !(leastMinutes >= 0 && leastMinutes.isFinite) { throw ValidationError("--least-minutes must not be negative") }
  }

  func run() throws {
    let jobs = SlurmJobs(of: experiment, store: store)
    let setting = try options.setting(folder: jobs.folder)
    let shards = try SlurmShards(experiment, registry: AnytimeCommand.registry)
    let wanted = try options.tasks(earlier: setting.plan)
    let tasks = options.tasks == nil ? wanted : packed(wanted, shards.seconds, request: setting.request)
    let plan = SlurmPlan(kind: .experiment, tasks: tasks, arraySize: setting.limits.arraySize)
    let active = try setting.active(plan)
    let missing = shards.missing(tasks, stored: try shards.stored(jobs.stores, failed: !retryFailed))
    let isMerged = try shards.missing(1, stored: shards.stored([jobs.results], failed: true)).isEmpty
    if missing.isEmpty, isMerged {
      print("Nothing is missing: all \(shards.experiment.runCount) runs are in \(jobs.results).")
      return
    }
    let scripts = SlurmScripts(
      name: FileNames.name(shards.experiment.name), command: SlurmOptions.command,
      program: try options.programPath(), folder: jobs.folder,
      work: .experiment(
        jobs.file, name: shards.experiment.name, results: jobs.results, retryFailed: retryFailed),
      request: setting.request, tasks: tasks, missing: missing.subtracting(active.map(\.task)).sorted(),
      arraySize: plan.arraySize, earlier: Set(active.map(\.job)).sorted())
    let copy = try Data(contentsOf: URL(filePath: jobs.file))
    try setting.finish(scripts, plan: plan, copies: [("experiment.yaml", copy)])
  }

  /// The number of tasks, so that none is much shorter than wanted.
  private func packed(_ tasks: Int, _ seconds: Double, request: SlurmScripts.Request) -> Int {
    let least = leastMinutes * 60 * Double(request.processors)
    guard least > 0, seconds / Double(tasks) < least else { return tasks }
    let packed = max(1, Int(min(seconds / least, Double(tasks))))
    if packed < tasks {
      Console.say(
        "note: \(packed == 1 ? "one task" : "\(packed) tasks") instead of \(tasks): all runs take about "
          + "\(ProgressLine.text(.seconds(seconds))) of one processor, and a task should take \(leastMinutes) min "
          + "(--least-minutes)")
    }
    return packed
  }
}

/// The options of all commands that submit jobs.
struct SlurmOptions: ParsableArguments {
  @Option(help: "The number of tasks. Default: as many as last time.")
  var tasks: Int?

  @Option(help: "The greatest number of tasks that run at a time. Default: no limit.")
  var atOnce: Int?

  @Option(help: "The processors of each task.")
  var cpusPerTask = 1

  @Option(help: "The time limit of a job, as Slurm writes it. A task that needs longer goes on in a new start.")
  var time: String?

  @Option(help: "The memory of a job, such as 4G.")
  var memory: String?

  @Option(help: "The partition.")
  var partition: String?

  @Option(help: "The account.")
  var account: String?

  @Option(help: "Generic resources of each task, such as gpu:1.")
  var gres: String?

  @Option(
    name: .customLong("sbatch"),
    help: ArgumentHelp("Any other option of sbatch, such as qos=low. Repeatable.", valueName: "option[=value]"))
  var others: [String] = []

  @Option(help: "A line of shell that comes before the program on each node, such as 'module load gsl'. Repeatable.")
  var setup: [String] = []

  @Option(help: "The program's path on the nodes. Default: this program.")
  var program: String?

  @Flag(help: "Submit the jobs.")
  var submit = false

  /// The options of `sbatch` on which the scripts rely.
  private static let own: Set<String> = [
    "array", "output", "error", "input", "open-mode", "requeue", "no-requeue", "signal", "dependency", "wrap",
    "parsable", "test-only", "cpus-per-task", "job-name", "ntasks", "nodes", "wait", "hold",
  ]

  func validate() throws {
    for (name, value) in [("tasks", tasks), ("at-once", atOnce), ("cpus-per-task", cpusPerTask)] {
      if let value, value < 1 { throw ValidationError("--\(name) must be at least 1") }
    }
    let named = [
      "time": time, "memory": memory, "partition": partition, "account": account, "gres": gres, "program": program,
    ]
    for (name, value) in named.sorted(by: { $0.key < $1.key }) where value?.isEmpty ?? false {
      throw ValidationError("--\(name) is empty")
    }
    for option in others {
      let name = String(option.prefix { $0 != "=" })
      guard name.wholeMatch(of: /[a-z][a-z0-9-]*/) != nil else {
        throw ValidationError("'\(option)' is no option of sbatch; write its long name without dashes: qos=low")
      }
      if Self.own.contains(name) {
        throw ValidationError("the scripts set sbatch's --\(name) themselves; leave '--sbatch \(option)' out")
      }
    }
  }

  /// The command line of this process.
  static var command: String {
    "anytime " + CommandLine.arguments.dropFirst().map(SlurmScripts.quoted).joined(separator: " ")
  }

  /// The number of tasks that is asked for.
  func tasks(earlier: SlurmPlan?) throws -> Int {
    guard let tasks = tasks ?? earlier?.tasks else { throw UsageError("--tasks is missing; give the number of tasks") }
    return tasks
  }

  /// The path of the program on the nodes.
  func programPath() throws -> String {
    if let program { return absolute(program) }
    return URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().path(percentEncoded: false)
  }

  /// Everything around the work itself.
  func setting(folder: String) throws -> SlurmSetting {
    try checkLines(CommandLine.arguments)
    guard !folder.contains("\\") else {
      throw Failure("\(folder) has a backslash, which Slurm takes out of the names of logs; choose another folder")
    }
    var request = SlurmScripts.Request(atOnce: atOnce, processors: cpusPerTask, setup: setup)
    let passed = [("time", time), ("mem", memory), ("partition", partition), ("account", account)]
    request.options = passed.compactMap { name, value in value.map { (name, $0) } }
    request.options += others.map { option in
      let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      return (parts[0], parts.count > 1 ? parts[1] : "")
    }
    request.taskOptions = gres.map { [("gres", $0)] } ?? []
    let cluster = SlurmCluster()
    if submit, !cluster.has("sbatch") {
      throw Failure(
        "there is no sbatch on this machine; run this where the cluster's jobs are submitted, or leave --submit out")
    }
    let limits = try cluster.limits(mustAnswer: submit)
    if let tasks, tasks >= limits.jobs {
      throw Failure(
        "\(tasks) tasks are more than the cluster takes: its MaxJobCount is \(limits.jobs); give fewer --tasks")
    }
    guard limits.arraySize > 1 else {
      throw Failure("this cluster takes no job arrays: its MaxArraySize is \(limits.arraySize)")
    }
    return SlurmSetting(
      cluster: cluster, limits: limits, request: request, folder: folder, plan: try SlurmPlan(in: folder),
      submits: submit)
  }
}

/// Refuses words with line breaks, which no script can hold as one line.
func checkLines(_ words: [String]) throws {
  for word in words where word.contains(where: \.isNewline) {
    throw UsageError("'\(word.inOneLine)' has a line break, and scripts cannot hold it; write it in one line")
  }
}

/// A path that holds in any folder.
func absolute(_ path: String) -> String {
  let full = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
  return URL(filePath: full).standardizedFileURL.path(percentEncoded: false)
}
