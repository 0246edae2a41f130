import Foundation
import TestSupport
import Testing

@Suite("Jobs on a Slurm cluster") struct SlurmTests {
  let program: Program
  /// Programs that stand in for Slurm's, and write down how they are called.
  let cluster: FakeCluster

  init() throws {
    // Nothing that a shell or Slurm could take for more than a letter may do harm.
    program = try Program(suffix: #" a'b"c$d%e#f`g;*"#)
    cluster = try FakeCluster(beside: program.folder)
  }

  private func remove() {
    program.remove()
    cluster.remove()
  }

  private static let experiment = """
    name: "small 'one'"
    space: mini
    horizon: 300
    seeds: 12
    methods: [random-search, {regularized-evolution: {population: 10, sample: 3}}]
    """

  private func write(_ text: String = experiment) throws {
    try Data(text.utf8).write(to: program.folder.appending(path: "small.yaml"))
  }

  @discardableResult private func slurm(_ arguments: String) throws -> Program.Outcome {
    try program.run("slurm \(arguments)", environment: cluster.environment)
  }

  private func text(_ name: String) throws -> String {
    try String(contentsOf: program.folder.appending(path: name), encoding: .utf8)
  }

  private func scripts(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: program.folder.path + "/" + folder)
      .filter { $0.hasSuffix(".sh") }.sorted()
  }

  /// Threads of tests may block signals, and whatever they start does so too.
  private static func unblockingSignals(_ body: () throws -> Void) rethrows {
    var (none, before) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try body()
  }

  /// Runs a script as a node of the cluster does.
  private func shell(
    _ arguments: [String], environment: [String: String] = [:], during: (Process) throws -> Void = { _ in }
  ) throws -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(filePath: "/bin/bash")
    process.arguments = arguments
    process.currentDirectoryURL = program.folder
    process.environment = ProcessInfo.processInfo.environment.merging(cluster.environment) { $1 }
      .merging(environment) { $1 }
    let log = cluster.folder.appending(path: UUID().uuidString)
    try Data().write(to: log)
    let handle = try FileHandle(forWritingTo: log)
    (process.standardOutput, process.standardError) = (handle, handle)
    process.standardInput = FileHandle.nullDevice
    try Self.unblockingSignals { try process.run() }
    try during(process)
    process.waitUntilExit()
    return (process.terminationStatus, try String(contentsOf: log, encoding: .utf8))
  }

  /// Runs a task of an array, and a merge.
  private func task(
    _ number: Int, start: Int = 0, in folder: String = "small.slurm", during: (Process) throws -> Void = { _ in }
  ) throws -> (status: Int32, output: String) {
    let scratch = cluster.folder.appending(path: "scratch")
    try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
    return try shell(
      ["\(folder)/array.sh"],
      environment: [
        "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "\(number)", "SLURM_JOB_ID": "\(70 + number)",
        "SLURM_RESTART_COUNT": "\(start)", "SLURMD_NODENAME": "n1", "SLURM_CPUS_PER_TASK": "2",
        "SLURM_TMPDIR": scratch.path,
      ], during: during)
  }

  @Test("the scripts are as written down") func golden() throws {
    defer { remove() }
    let plain = try Program()
    defer { plain.remove() }
    let text = Self.experiment.replacing("\"small 'one'\"", with: "small")
    try Data(text.utf8).write(to: plain.folder.appending(path: "small.yaml"))
    let command =
      "slurm small.yaml --tasks 20 --at-once 5 --least-minutes 0 --time 2:00:00 --partition cpu --memory 4G "
      + "--gres gpu:1 --sbatch qos=low --program /opt/anytime"
    let outcome = try plain.run(command, environment: cluster.environment)
    #expect(outcome.status == 0 && outcome.errors == "", "\(outcome.errors)")
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Cluster/Golden")
    for name in ["array.sh", "merge.sh", "submit.sh"] {
      let written = try String(contentsOf: plain.folder.appending(path: "small.slurm/\(name)"), encoding: .utf8)
        .replacing(plain.folder.path, with: "/home/me")
      let known = try? String(contentsOf: folder.appending(path: name), encoding: .utf8)
      #expect(written == known, "after a change that is meant, write this to Tests/Cluster/Golden/\(name)")
    }
  }

  @Test(
    "every script is one that bash reads",
    arguments: [
      "small.yaml --tasks 7 --least-minutes 0", "small.yaml --tasks 7 --least-minutes 0 --at-once 2 --retry-failed",
      "small.yaml --tasks 2 --least-minutes 0 --setup true --sbatch constraint=a&b --account it's --sbatch exclusive",
      "table build t.table --space mini --tasks 3 --submit",
    ])
  func syntax(arguments: String) throws {
    defer { remove() }
    try write()
    let outcome = try slurm(arguments)
    if outcome.status != 0, arguments.hasPrefix("table") { return }  // without images or libtorch
    #expect(outcome.status == 0, "\(outcome.errors)")
    let folder = arguments.hasPrefix("table") ? "t.table.slurm" : "small.slurm"
    for script in try scripts(folder) {
      let (status, output) = try shell(["-n", "\(folder)/\(script)"])
      #expect(status == 0 && output == "", "\(script): \(output)")
    }
  }

  @Test("tasks and merge make what a single process makes, to the bit") func tasks() throws {
    defer { remove() }
    try write()
    #expect(try slurm("small.yaml --tasks 3 --least-minutes 0 --submit").status == 0)
    for number in 1...3 {
      let (status, output) = try task(number)
      #expect(status == 0, "\(output)")
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: cluster.folder.path + "/scratch") == [])
    let merged = try shell(["small.slurm/merge.sh"])
    #expect(merged.status == 0 && merged.output.contains("24 of 24 runs"), "\(merged.output)")
    #expect(try text("small-report.html").contains("<title>"))
    let alone = try program.run("run small.yaml --store alone.sqlite -q")
    #expect(alone.status == 0, "\(alone.errors)")
    for (store, folder) in [("small", "a"), ("alone", "b")] {
      #expect(try program.run("export curves \(store).sqlite -o \(folder)").status == 0)
    }
    for name in try FileManager.default.contentsOfDirectory(atPath: program.folder.path + "/a") {
      #expect(try text("a/\(name)") == text("b/\(name)"), "\(name)")
    }
    let again = try slurm("small.yaml --submit")
    #expect(again.output.hasPrefix("Nothing is missing: all 24 runs are in "), "\(again.output)\(again.errors)")
  }

  @Test("a task that is told that its time ends copies back what it has, and goes on in its next start")
  func requeue() throws {
    defer { remove() }
    try write(Self.experiment.replacing("300", with: "20000").replacing("12", with: "4000"))
    #expect(try slurm("small.yaml --tasks 1 --least-minutes 0").status == 0)
    let first = try task(1) { process in
      let folder = cluster.folder.path + "/scratch"
      // Until some runs have ended.
      for _ in 0..<600 {
        let name = try? FileManager.default.contentsOfDirectory(atPath: folder).first
        let log = name.map { "\(folder)/\($0)/runs/runs.sqlite-wal" } ?? ""
        let size = (try? FileManager.default.attributesOfItem(atPath: log)[.size] as? Int) ?? 0
        if size > 1 << 20 { break }
        usleep(50_000)
      }
      kill(process.processIdentifier, SIGUSR1)
    }
    #expect(first.status == 128 + SIGUSR1, "\(first.output)")
    #expect(first.output.contains("stopped by USR1; it goes on in its next start"), "\(first.output)")
    #expect(try cluster.calls("scontrol").contains("requeue 7_1"))
    let status = try slurm("status small.yaml --json").output
    #expect(status.contains(#""state":"failed""#) && !status.contains(#""stored":0,"#), "\(status)")
    // A start that Slurm takes for dead must not write over what the next one has made.
    let stale = try task(1, start: 1) { process in
      for _ in 0..<600 where try !text("small.slurm/tasks/1-of-1.begun").hasPrefix("7_1 1") { usleep(50_000) }
      usleep(3_000_000)
      try Data("8_1 1 n2\n".utf8).write(to: program.folder.appending(path: "small.slurm/tasks/1-of-1.begun"))
      usleep(500_000)
      kill(process.processIdentifier, SIGTERM)
    }
    #expect(stale.output.contains("it has been started again (8_1 1 n2)"), "\(stale.output)")
  }

  @Test("a submission is a job array, or as many as the cluster's limit needs, and a merge after them")
  func submission() throws {
    defer { remove() }
    try write()
    let one = try slurm("small.yaml --tasks 4 --least-minutes 0 --at-once 2 --submit")
    #expect(one.status == 0 && one.errors == "", "\(one.errors)")
    #expect(one.output.hasSuffix("Submitted: tasks in job 1, to be merged by job 2.\n"), "\(one.output)")
    #expect(try text("small.slurm/array.sh").contains("#SBATCH --array=1-4%2\n"))
    let folder = program.folder.path + "/small.slurm"
    #expect(
      try cluster.calls("sbatch").suffix(2) == [
        "--parsable \(folder)/array.sh", "--parsable --dependency=afterany:1 \(folder)/merge.sh",
      ])
    try cluster.setLimits(arraySize: 3)
    let several = try slurm("small.yaml --tasks 5 --least-minutes 0 --at-once 2 --submit")
    #expect(several.output.hasSuffix("tasks in job 3 4 5, to be merged by job 6.\n"), "\(several.errors)")
    #expect(try scripts("small.slurm") == ["array-2.sh", "array-3.sh", "array.sh", "merge.sh", "submit.sh"])
    #expect(
      try cluster.calls("sbatch").suffix(4) == [
        "--parsable \(folder)/array.sh", "--parsable --dependency=afterany:3 \(folder)/array-2.sh",
        "--parsable --dependency=afterany:4 \(folder)/array-3.sh",
        "--parsable --dependency=afterany:3:4:5 \(folder)/merge.sh",
      ])
    #expect(try text("small.slurm/array-3.sh").contains("task=$((SLURM_ARRAY_TASK_ID + 4))\n"))
  }

  @Test("only what is missing and not in the queue is submitted again") func resubmission() throws {
    defer { remove() }
    try write()
    try slurm("small.yaml --tasks 4 --least-minutes 0")
    for number in [1, 3] { #expect(try task(number).status == 0) }
    try cluster.setQueue([("7", 4, "RUNNING", "n2", program.folder.path + "/small.slurm/array.sh")])
    let status = try slurm("status small.yaml")
    #expect(
      status.output.hasPrefix("4 tasks: 2 done, 1 running, 1 waiting; 12 of 24 runs are stored\n"), "\(status.output)")
    let again = try slurm("small.yaml --submit")
    #expect(again.status == 0, "\(again.errors)")
    #expect(again.output.contains("1 of 4 tasks (2), then a job that merges"), "\(again.output)")
    #expect(try text("small.slurm/array.sh").contains("#SBATCH --array=2\n"))
    #expect(try cluster.calls("sbatch").last?.contains("--dependency=afterany:7:1 ") == true)
    let other = try slurm("small.yaml --tasks 5 --least-minutes 0")
    #expect(other.status == 1)
    #expect(other.errors.contains("1 of 4 tasks are still in the queue (job 7)"), "\(other.errors)")

    try cluster.setQueue([])
    for number in [2] { #expect(try task(number).status == 0) }
    try slurm("small.yaml")
    #expect(try task(4).status == 0)
    let rest = try slurm("small.yaml --submit")
    #expect(rest.output.contains("All tasks are done; their results are still to be merged"), "\(rest.output)")
    #expect(try cluster.calls("sbatch").last == "--parsable \(program.folder.path)/small.slurm/merge.sh")
  }

  @Test("short work is packed into few tasks") func packing() throws {
    defer { remove() }
    try write()
    let outcome = try slurm("small.yaml --tasks 20")
    #expect(outcome.errors.contains("note: one task instead of 20: "), "\(outcome.errors)")
    #expect(try text("small.slurm/array.sh").contains("#SBATCH --array=1\n"))
  }

  @Test(
    "bad input is one sentence before anything is written or submitted",
    arguments: [
      ("small.yaml", 2, "--tasks is missing"), ("small.yaml --tasks 0", 2, "--tasks must be at least 1"),
      ("small.yaml --tasks 2 --at-once 0", 2, "--at-once must be at least 1"),
      ("small.yaml --tasks 2 --least-minutes=-1", 2, "--least-minutes must not be negative"),
      ("small.yaml --tasks 2 --sbatch array=3", 2, "the scripts set sbatch's --array themselves"),
      ("small.yaml --tasks 2 --sbatch=-q=low", 2, "'-q=low' is no option of sbatch"),
      ("small.yaml --tasks 10000 --least-minutes 0", 1, "its MaxJobCount is 10000; give fewer --tasks"),
      (
        "small.yaml --tasks 2 --least-minutes 0 --partition none --submit", 1,
        "Slurm would not take the jobs: invalid partition"
      ),
      ("absent.yaml --tasks 2", 1, "absent.yaml: the file cannot be read"),
      ("status small.yaml", 1, "there are no jobs of small.yaml"),
      ("table build . --space mini --tasks 2", 1, "is a folder"),
      ("table time none.build -o t.table", 1, "none.build cannot be read"),
    ])
  func badInput(arguments: String, status: Int32, part: String) throws {
    defer { remove() }
    try write()
    let outcome = try slurm(arguments)
    #expect(outcome.status == status, "\(outcome.errors)")
    #expect(outcome.errors.contains(part), "\(outcome.errors)")
    #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
    let names = try FileManager.default.contentsOfDirectory(atPath: program.folder.path)
    #expect(names.filter { !$0.hasPrefix(".") } == ["small.yaml"])
    #expect(try !cluster.calls("sbatch").contains { !$0.hasPrefix("--test-only") })
  }

  @Test("without Slurm, scripts are written for its usual limits, and nothing is submitted") func noSlurm() throws {
    defer { remove() }
    try write()
    let submitted = try program.run("slurm small.yaml --tasks 2 --submit", environment: ["PATH": "/nowhere"])
    #expect(submitted.status == 1 && submitted.errors.contains("there is no sbatch on this machine"))
    let written = try program.run("slurm small.yaml --tasks 2 --least-minutes 0", environment: ["PATH": "/nowhere"])
    #expect(written.status == 0 && written.errors == "", "\(written.errors)")
    #expect(written.output.contains("To submit, run:\n  sh '"), "\(written.output)")
  }

  @Test("a cluster that has no job arrays, and one that does not answer") func otherClusters() throws {
    defer { remove() }
    try write()
    try cluster.setLimits(arraySize: 0)
    #expect(try slurm("small.yaml --tasks 2 --submit").errors.contains("its MaxArraySize is 0"))
    try cluster.setLimits(arraySize: nil)
    let silent = try slurm("small.yaml --tasks 2 --submit")
    #expect(silent.status == 1)
    #expect(silent.errors.contains("Slurm does not answer: Unable to contact"), "\(silent.errors)")
    let written = try slurm("small.yaml --tasks 2 --least-minutes 0")
    #expect(written.status == 0 && written.errors.contains("note: Slurm does not answer, so its usual limits"))
  }

  @Test("a folder that cannot be written to is named", .enabled(if: getuid() != 0, "root may write anywhere"))
  func readOnly() throws {
    defer { remove() }
    try write()
    chmod(program.folder.path, 0o555)
    defer { chmod(program.folder.path, 0o755) }
    let outcome = try slurm("small.yaml --tasks 2 --submit")
    #expect(outcome.status == 1 && outcome.errors.contains("permission denied"), "\(outcome.errors)")
    #expect(try !cluster.calls("sbatch").contains { !$0.hasPrefix("--test-only") })
  }

  @Test("a path with a line break is refused") func lineBreaks() throws {
    defer { remove() }
    try write()
    let outcome = try slurm("small.yaml --tasks 2 --setup a\nb")
    #expect(outcome.status == 2 && outcome.errors.contains("'a b' has a line break"), "\(outcome.errors)")
  }
}

/// Stand-ins for Slurm's programs.
struct FakeCluster {
  let folder: URL

  init(beside other: URL) throws {
    folder = other.deletingLastPathComponent().appending(path: "cluster-\(UUID().uuidString)")
    let bin = folder.appending(path: "bin")
    try FileManager.default.createDirectory(at: bin, withIntermediateDirectories: true)
    let note = #"echo "$*" >>"$FAKE_CLUSTER/calls-${0##*/}""#
    let programs = [
      "sbatch": """
      for word; do file=$word; done
      case $1 in --test-only)
        if grep -q 'partition=none' "$file"; then
          echo 'sbatch: error: invalid partition specified: none' >&2
          exit 1
        fi
        exit ;;
      esac
      job=$(($(cat "$FAKE_CLUSTER/jobs") + 1))
      echo "$job" | tee "$FAKE_CLUSTER/jobs"
      """,
      "scontrol": """
      case $1 in show)
        cat "$FAKE_CLUSTER/limits" 2>/dev/null && exit
        echo 'slurm_load_ctl_conf error: Unable to contact slurm controller' >&2
        exit 1 ;;
      esac
      """, "squeue": #"cat "$FAKE_CLUSTER/queue""#,
    ]
    for (name, body) in programs {
      try writeProgram("\(note)\n\(body)", to: bin.appending(path: name))
    }
    try Data("0\n".utf8).write(to: folder.appending(path: "jobs"))
    try setLimits(arraySize: 1_001)
    try setQueue([])
  }

  /// What finds the programs, and tells them where to write.
  var environment: [String: String] {
    ["PATH": "\(folder.path)/bin:/usr/bin:/bin", "FAKE_CLUSTER": folder.path]
  }

  /// - Parameter arraySize: `nil` for a cluster that does not answer.
  func setLimits(arraySize: Int?) throws {
    let file = folder.appending(path: "limits")
    guard let arraySize else { return try FileManager.default.removeItem(at: file) }
    try Data("MaxArraySize            = \(arraySize)\nMaxJobCount             = 10000\n".utf8).write(to: file)
  }

  func setQueue(_ jobs: [(job: String, index: Int, state: String, node: String, script: String)]) throws {
    let lines = jobs.map { "\($0.job)|\($0.index)|\($0.state)|\($0.node)|\($0.script)\n" }
    try Data(lines.joined().utf8).write(to: folder.appending(path: "queue"))
  }

  /// The arguments of each call of a program, in order.
  func calls(_ name: String) throws -> [String] {
    let file = folder.appending(path: "calls-\(name)")
    guard FileManager.default.fileExists(atPath: file.path) else { return [] }
    return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map(String.init)
  }

  func remove() { try? FileManager.default.removeItem(at: folder) }
}
