import Anytime
import External
import Foundation

/// A folder of scripts that are guests.
final class Scripts: Sendable {
  let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "guests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// The registry of the methods, with paths that start in the folder.
  var registry: Registry { Registry(externalMethods).at(folder) }

  /// Writes a shell script, which begins by noting its process.
  ///
  /// - Returns: The command that runs it.
  func write(_ name: String, _ text: String) throws -> String {
    try Data("echo $$ >>pids\n\(text)\n".utf8).write(to: folder.appending(path: name))
    return "sh \(name)"
  }

  /// A guest that is a shell script.
  func guest(_ text: String, _ settings: [String: String] = [:]) throws -> External {
    try external(try write("guest.sh", text), settings)
  }

  func external(_ command: String, _ settings: [String: String] = [:]) throws -> External {
    let given = settings.merging(["command": command]) { $1 }
    return try External(settings: Settings(External.method, given, in: registry), in: registry)
  }

  /// What scripts have noted: the numbers of their processes, and of those that they started.
  var pids: [pid_t] {
    let text = (try? String(contentsOf: folder.appending(path: "pids"), encoding: .utf8)) ?? ""
    return text.split(separator: "\n").compactMap { pid_t($0) }
  }

  /// The noted processes that are still there, after a moment for the system to forget the last one.
  var survivors: [pid_t] {
    for _ in 0..<100 where pids.contains(where: Self.isAlive) { usleep(10_000) }
    return pids.filter(Self.isAlive)
  }

  /// Whether a process is there, and not one that has ended and that nobody asks for.
  static func isAlive(_ pid: pid_t) -> Bool {
    let status = try? String(contentsOf: URL(filePath: "/proc/\(pid)/stat"), encoding: .utf8)
    return kill(pid, 0) == 0 && status?.contains(") Z ") != true
  }

  /// Random search by questions alone, in as many runs as are asked for.
  static let randomSearch = """
    printf '{"type": "ready", "runs": "many"}\\n'
    while read -r run; do
      while :; do
        printf '{"type": "sample"}\\n'; read -r answer
        point=${answer#*'"configurations": ['}
        printf '{"type": "evaluate", "configuration": %s}\\n' "${point%']}'}"; read -r answer
        case $answer in *budget-spent*) break ;; esac
      done
      printf '{"type": "end"}\\n'; read -r answer
    done
    """

  /// A solver of kurobako whose trials are all alike, at a step that is its argument.
  static func solver(step: String, capabilities: String = "\"CATEGORICAL\"") -> String {
    """
    printf '{"type": "SOLVER_SPEC_CAST", "spec": {"name": "s", "attrs": {}, "capabilities": [\(capabilities)]}}\\n'
    id=0
    while read -r message; do
      printf '%s\\n' "$message" >>messages
      case $message in
        *ASK_CALL*)
          trial='"params": [1.9, 0, 2, 1, 3.0], "next_step": \(step)'
          printf '{"type": "ASK_REPLY", "trial": {"id": %s, %s}, "next_trial_id": %s}\\n' $id "$trial" $((id + 1))
          id=$((id + 1)) ;;
        *TELL_CALL*) printf '{"type": "TELL_REPLY"}\\n' ;;
      esac
    done
    """
  }
}
