import Foundation
import Reports

/// The scripts of a job array, of the job that puts together what its tasks have made, and of their submission.
struct SlurmScripts {
  /// What the tasks do.
  enum Work {
    /// The runs of an experiment file, by its path and name; `results` is the store of all runs.
    case experiment(String, name: String, results: String, retryFailed: Bool)
    /// The trainings of a table, by the options of `anytime table build`; `base` is the table that they extend.
    case build(options: [String], base: String?, output: String)
    /// The timing of build folders, a task each.
    case time(folders: [String], output: String)
  }

  /// What is asked of Slurm.
  struct Request {
    /// The greatest number of tasks that run at a time; no limit if `nil`.
    var atOnce: Int?
    /// The processors of a task.
    var processors = 1
    /// Options of `sbatch` for all jobs and for tasks alone, by their long names; an empty value stands for none.
    var options: [(name: String, value: String)] = []
    var taskOptions: [(name: String, value: String)] = []
    /// Lines of shell that come before the program is started.
    var setup: [String] = []
  }

  /// The jobs' name.
  var name: String
  /// The command that makes these scripts.
  var command: String
  /// The program's path on the nodes.
  var program: String
  /// The folder of scripts, logs and results of tasks. All paths are absolute.
  var folder: String
  var work: Work
  var request: Request
  /// The number of tasks in all.
  var tasks: Int
  /// The tasks that have something left to do, ascending, from 1.
  var missing: [Int]
  /// The cluster's `MaxArraySize`: one more than the greatest index of a task.
  var arraySize: Int
  /// Jobs of earlier submissions whose tasks are not done.
  var earlier: [String] = []

  /// The seconds before the end of its time at which a task is told; Slurm may be a minute earlier.
  private static let notice = 60

  /// The scripts by name.
  var files: [(name: String, text: String)] {
    arrays.map { ($0.name, array($0.offset, $0.indices)) } + [("merge.sh", merge), ("submit.sh", submit)]
  }

  /// The command that submits everything.
  var submission: String { "sh " + Self.quoted(folder + "/submit.sh") }

  /// The job arrays: one, or as many as the cluster's limit makes necessary.
  private var arrays: [(name: String, offset: Int, indices: [Int])] {
    let length = arraySize - 1
    return Dictionary(grouping: missing) { ($0 - 1) / length }.sorted { $0.key < $1.key }.map { number, tasks in
      (Self.arrayName(number), number * length, tasks.map { $0 - number * length })
    }
  }

  /// The file name of the array whose tasks come after `number` times as many as an array may have.
  private static func arrayName(_ number: Int) -> String { number == 0 ? "array.sh" : "array-\(number + 1).sh" }

  /// The number of a task by the script of its array and its index.
  static func task(script: String, index: Int, arraySize: Int) -> Int? {
    guard script.hasPrefix("array"), script.hasSuffix(".sh") else { return nil }
    let part = script.dropFirst("array".count).dropLast(".sh".count)
    guard let number = part.isEmpty ? 1 : Int(part.dropFirst()), part.isEmpty || part.hasPrefix("-") else { return nil }
    return (number - 1) * (arraySize - 1) + index
  }

  // MARK: Quoting

  /// A word of the shell.
  static func quoted(_ text: String) -> String {
    let isPlain = text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "/"), UInt8(ascii: "_"),
        UInt8(ascii: "-"), UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "="), UInt8(ascii: "+"),
        UInt8(ascii: "%"), UInt8(ascii: "@"):
        true
      default: false
      }
    }
    return isPlain && !text.isEmpty ? text : "'" + text.replacing("'", with: #"'\''"#) + "'"
  }

  /// The value of an option in a script's head, which Slurm reads by rules of its own.
  private static func valued(_ text: String) -> String {
    quoted(text) == text ? text : "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  }

  // MARK: Parts of scripts

  private func head(_ options: [(name: String, value: String)]) -> String {
    options.map { "#SBATCH --" + $0.name + ($0.value.isEmpty ? "" : "=" + Self.valued($0.value)) }
      .joined(separator: "\n")
  }

  private func log(_ pattern: String) -> String {
    // In patterns of Slurm, a percent sign of a name is written twice.
    folder.replacing("%", with: "%%") + "/logs/" + pattern
  }

  private var setup: String {
    request.setup.isEmpty ? "" : request.setup.map { $0 + "\n" }.joined() + "\n"
  }

  private var summary: String {
    switch work {
    case .experiment(let file, _, _, _): "makes its share of the runs of \(file)"
    case .build(_, _, let output): "makes its share of the trainings of \(output)"
    case .time: "times the cells of one build folder"
    }
  }

  /// The variables of a kind of work.
  private var variables: String {
    var lines = ["program=\(Self.quoted(program))"]
    switch work {
    case .experiment(let file, let name, let results, _):
      lines += [
        "experiment=\(Self.quoted(file))", "name=\(Self.quoted(name))", "results=\(Self.quoted(results))",
      ]
    case .build(_, _, let output): lines += ["table=\(Self.quoted(output))"]
    case .time(let folders, let output):
      lines += ["table=\(Self.quoted(output))", "builds=("] + folders.map { "  " + Self.quoted($0) } + [")"]
    }
    return (lines + ["folder=\(Self.quoted(folder))", "tasks=\(tasks)"]).joined(separator: "\n")
  }

  // MARK: Array

  private func array(_ offset: Int, _ indices: [Int]) -> String {
    let limit = request.atOnce.map { "%\($0)" } ?? ""
    let options =
      [
        ("job-name", name), ("array", indices.ranges(separator: ",") + limit), ("cpus-per-task", "\(request.processors)"),
      ] + request.options + request.taskOptions + [
        ("requeue", ""), ("open-mode", "append"), ("signal", "B:USR1@\(Self.notice)"), ("output", log("%A_%a.log")),
      ]
    return """
      #!/bin/bash
      # Each of \(tasks) tasks \(summary). Written by:
      #     \(command)
      \(head(options))

      \(variables)
      task=\(offset == 0 ? "$SLURM_ARRAY_TASK_ID" : "$((SLURM_ARRAY_TASK_ID + \(offset)))")
      \(Self.setting(work))

      \(setup)fail() {
        echo "anytime: task $task: $1" >&2
        exit "${2:-1}"
      }

      # A signal is handed on to the program, which ends within a second. Then what it has made is copied back.
      signal="" child=""
      receive() {
        signal=$1
        [ -z "$child" ] || kill -s "$1" "$child" 2>/dev/null
      }
      for word in HUP INT TERM USR1 USR2; do trap "receive $word" "$word"; done

      # The program works on the node's own disk: databases on shared file systems break, and so may files to which
      # lines are appended. Files of the shared one are only ever replaced as a whole.
      local_disk=${SLURM_TMPDIR:-${TMPDIR:-/tmp}}
      scratch=$(mktemp -d "$local_disk/anytime.XXXXXX") || fail "nothing can be written to $local_disk"
      trap 'kill "$child" 2>/dev/null; rm -rf "$scratch"' EXIT
      work="$scratch/\(Self.workName(work))"

      # Slurm may believe that a node is dead which is not: only the task's latest start may copy anything back.
      mark="$folder/tasks/$task-of-$tasks"
      owner="${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID ${SLURM_RESTART_COUNT:-0} $SLURMD_NODENAME"
      mkdir -p "$shared" && echo "$owner" >"$mark.begun" || fail "nothing can be written to $folder"
      find "$shared" -name '*.partial' -delete
      cp -R "$shared" "$work" || fail "what is done cannot be copied to $local_disk"
      \(Self.fetch(work))
      is_latest() {
        local latest
        latest=$(cat "$mark.begun") || return 1
        [ "$latest" = "$owner" ] || fail "it has been started again ($latest); this start ends"
      }
      # put FILE NAME: copies a file back unless it is there already: beside its destination, then renamed.
      progress=""
      put() {
        local target="$shared/$2"
        [ -e "$1" ] || return 0
        cmp -s "$1" "$target" && return
        is_latest && mkdir -p "${target%/*}" && cp "$1" "$target.partial" && sync "$target.partial" &&
          mv -f "$target.partial" "$target" || return 1
        progress=yes
      }

      \(Self.save(work))

      \(Self.start(work)) &
      child=$!
      [ -z "$signal" ] || receive "$signal"
      # Waits for the program. Copying takes a tenth of the time at most.
      next=$((SECONDS + 10))
      while kill -0 "$child" 2>/dev/null; do
        sleep 1 &
        wait $!
        if [ "$SECONDS" -ge "$next" ]; then
          began=$SECONDS
          save || echo "anytime: task $task: what is new cannot be copied to $shared yet" >&2
          next=$((SECONDS + 10 + 10 * (SECONDS - began)))
        fi
      done
      wait "$child"
      status=$?
      child=""

      if ! save all; then
        trap - EXIT
        fail "what it has made cannot be copied to $shared; it is on $SLURMD_NODENAME, in $work"
      fi
      if [ "$status" = 0 ]; then
        echo "$owner" >"$mark.done"
        exit
      fi

      # USR1 comes when the task's time is about to end; some clusters send it, or USR2, when others need the node: the
      # task goes on later, here or elsewhere. TERM comes when Slurm has begun to end the task: because others need the
      # node or the time is over, and it goes on later too; or because somebody has cancelled it.
      case $signal in
        USR1 | USR2) ;;
        TERM)
          case $(scontrol show job "$SLURM_JOB_ID") in
            *PreemptTime=[0-9]* | *JobState=TIMEOUT* | *Reason=TimeLimit*) ;;
            *) exit "$status" ;;
          esac
          ;;
        *) exit "$status" ;;
      esac
      [ -n "$progress" ] || [ "${SLURM_RESTART_COUNT:-0}" -lt 3 ] ||
        fail "four starts, and the last finished no run and kept no epoch; give it more time with --time"
      echo "anytime: task $task: stopped by $signal; it goes on in its next start" >&2
      rm -rf "$scratch"
      scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
      exit "$status"

      """
  }

  /// The folder of the task's results on the shared disk.
  private static func setting(_ work: Work) -> String {
    switch work {
    case .experiment: #"shared="$folder/tasks/$task-of-$tasks""#
    case .build: #"shared="$folder/tasks/$task-of-$tasks.build""#
    case .time: #"shared="${builds[task - 1]}""#
    }
  }

  /// The name of the folder on the node's disk.
  private static func workName(_ work: Work) -> String {
    switch work {
    case .experiment: "runs"
    case .build: "part.table.build"
    case .time: "part.build"
    }
  }

  /// What has to be there besides the task's own results.
  private static func fetch(_ work: Work) -> String {
    switch work {
    case .experiment:
      """
      cmp -s "$experiment" "$folder/experiment.yaml" ||
        fail "$experiment is not as it was when this script was written; write it again with 'anytime slurm'"
      # Runs that were made elsewhere need not be made here.
      store="$work/runs.sqlite"
      if [ ! -e "$store" ] && [ -e "$results" ]; then
        "$program" store merge "$results" --several -o "$store" >/dev/null || fail "$results cannot be used"
      fi

      """
    case .build, .time: ""
    }
  }

  /// The function that copies back what is new.
  private static func save(_ work: Work) -> String {
    switch work {
    case .experiment:
      #"""
      # Runs: soon after they have ended. While the program writes its store, a merged one is a sound copy of it. It is
      # equal to the last one if the program has only given a sign of life.
      # Checkpoints: every five minutes, and at the end.
      saved=$(stat --format='%y %s' "$store" "$store-wal" 2>/dev/null)
      due=$((SECONDS + 300))
      save() {
        local state file known
        state=$(stat --format='%y %s' "$store" "$store-wal" 2>/dev/null)
        if [ "$state" != "$saved" ]; then
          snapshot || return 1
          saved=$state
        fi
        [ -n "${1-}" ] || [ "$SECONDS" -ge "$due" ] || return 0
        due=$((SECONDS + 300))
        for file in "$store.checkpoints"/*; do put "$file" "runs.sqlite.checkpoints/${file##*/}" || return 1; done
        # Those of runs that have ended go when the runs have come.
        is_latest || return 1
        for known in "$shared/runs.sqlite.checkpoints"/*; do
          [ -e "$store.checkpoints/${known##*/}" ] || rm -f "$known"
        done
      }
      snapshot() {
        local copy complaint status
        # Where the node's disk is full, its memory will do.
        for copy in "$scratch/snapshot.sqlite" "/dev/shm/anytime-$SLURM_JOB_ID.sqlite"; do
          complaint=$("$program" store merge "$store" --several -o "$copy" 2>&1 >/dev/null) && put "$copy" runs.sqlite
          status=$?
          rm -f "$copy"*
          [ "$status" != 0 ] || return 0
        done
        [ -z "$complaint" ] || echo "$complaint" >&2
        return 1
      }
      """#
    case .build:
      #"""
      # Logs of trainings: a last line that is not whole yet does no harm.
      save() {
        local file
        for file in "$work"/*.jsonl; do put "$file" "${file##*/}" || return 1; done
      }
      """#
    case .time:
      #"""
      # The log of timings: a last line that is not whole yet does no harm.
      save() { put "$work/steps.timing" steps.timing; }
      """#
    }
  }

  /// The command of a task.
  private static func start(_ work: Work) -> String {
    switch work {
    case .experiment(_, _, _, let retryFailed):
      #"""
      "$program" run "$experiment" --shard "$task/$tasks" --store "$store" \
        --threads "${SLURM_CPUS_PER_TASK:-1}"
      """# + (retryFailed ? " --retry-failed" : "")
    case .build(let options, _, _):
      #""$program" table build "$scratch/part.table" "# + options.map(quoted).joined(separator: " ")
        + " \\\n  --shard \"$task/$tasks\" --workers \"${SLURM_CPUS_PER_TASK:-1}\""
    case .time: #""$program" table time "$work""#
    }
  }

  // MARK: Merge

  private var merge: String {
    let options =
      [("job-name", name + "-merge")] + request.options + [
        ("requeue", ""), ("open-mode", "append"), ("output", log("merge-%j.log")),
      ]
    return """
      #!/bin/bash
      # Puts together what the tasks have made, also if some have failed. Written by:
      #     \(command)
      \(head(options))

      \(variables)

      \(setup)fail() {
        echo "anytime: $1" >&2
        exit 1
      }

      \(Self.merge(work))

      """
  }

  private static func merge(_ work: Work) -> String {
    let complete = #"""
      missing=""
      for task in $(seq "$tasks"); do [ -e "$folder/tasks/$task-of-$tasks.done" ] || missing="$missing $task"; done
      [ -z "$missing" ] || fail "$table is not made: these tasks are not done:$missing; see $folder/logs"
      """#
    switch work {
    case .experiment:
      return #"""
        # On the node's own disk first: databases on shared file systems break.
        local_disk=${SLURM_TMPDIR:-${TMPDIR:-/tmp}}
        scratch=$(mktemp -d "$local_disk/anytime.XXXXXX") || fail "nothing can be written to $local_disk"
        trap 'rm -rf "$scratch"' EXIT
        stores=()
        for file in "$results" "$folder"/tasks/*/runs.sqlite; do [ ! -e "$file" ] || stores+=("$file"); done
        [ ${#stores[@]} -gt 0 ] || fail "no task has stored anything; see $folder/logs"
        "$program" store merge "${stores[@]}" --several -o "$scratch/all.sqlite" || exit
        [ ! -s "$results-wal" ] ||
          fail "a program has $results open, or did not close it; end it, then run: sbatch $folder/merge.sh"
        partial="$results.$SLURM_JOB_ID.partial"
        cp "$scratch/all.sqlite" "$partial" && sync "$partial" && rm -f "$results-wal" "$results-shm" &&
          mv -f "$partial" "$results" || fail "$results cannot be written"
        "$program" store check "$experiment" --store "$results"
        status=$?
        "$program" report "$results" --experiment "$name" -o "${results%.sqlite}-report.html" || exit
        exit "$status"
        """#
    case .build(_, let base, _):
      return complete + "\n" + #""$program" table merge "$folder"/tasks/*"-of-$tasks.build" "#
        + (base.map { "--base \(quoted($0)) " } ?? "") + #"-o "$table""#
    case .time: return complete + "\n" + #""$program" table merge "${builds[@]}" -o "$table""#
    }
  }

  // MARK: Submission

  private var submit: String {
    var lines = [
      "#!/bin/sh",
      "# Submits the tasks, and the job that puts together what they have made. Written by:",
      "#     \(command)",
      "set -eu",
    ]
    var waits = earlier
    for (number, array) in arrays.enumerated() {
      // One array after the other, so that the limit holds for all of them.
      let after = request.atOnce != nil && number > 0 ? " --dependency=\"afterany:$array_\(number)\"" : ""
      lines.append(
        "array_\(number + 1)=$(sbatch --parsable\(after) \(Self.quoted(folder + "/" + array.name)))")
      lines.append("array_\(number + 1)=${array_\(number + 1)%%;*}")
      waits.append("$array_\(number + 1)")
    }
    let jobs = arrays.indices.map { "$array_\($0 + 1)" }.joined(separator: " ")
    let path = Self.quoted(folder + "/merge.sh")
    let dependency = waits.isEmpty ? "" : " --dependency=\"afterany:\(waits.joined(separator: ":"))\""
    lines += [
      "merge=$(sbatch --parsable\(dependency) \(path)) || {",
      "  echo \"anytime: the job that merges is not submitted" + (jobs.isEmpty ? "" : "; the tasks are, in job \(jobs)")
        + "\" >&2",
      "  exit 1",
      "}",
      "echo \"Submitted: \(jobs.isEmpty ? "" : "tasks in job \(jobs), to be ")merged by job ${merge%%;*}.\"",
    ]
    return lines.joined(separator: "\n") + "\n"
  }
}
