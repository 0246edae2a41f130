import Anytime
import ArgumentParser
import Experiments
import External
import Foundation
import Synchronization
import TabularBenchmark

struct SessionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "session",
    abstract: "Let a script or notebook search: it asks on standard input, and reads standard output.",
    discussion: """
      Each message is a JSON object on a line of its own; Documentation/Protocol.md describes them. When the script is \
      done, its run is in the store, in the experiment that is named as the method. Sessions with other seeds add to it.

      EXAMPLES
        anytime session --space 1 --horizon 500 --seed 0 --store s.sqlite --method-name mine
        anytime session --free
      """)

  @Option(help: "A search space: mini, 1, 2, 3 or nas-bench-101.")
  var space = "1"

  @Option(help: "A table file, or 'embedded'.")
  var table: String?

  @Option(help: "The budget, in the policy's currency; a time may have a unit: s, min, h or d.")
  var horizon: String?

  @Option(
    help: ArgumentHelp(
      "The budget policy: fair, nas-bench-101 or 1shot1-as-published; with changes: fair,resume=true.",
      valueName: "name[,key=value…]"))
  var policy: String?

  @Option(help: "The run's seed.")
  var seed: UInt64 = 0

  @Option(help: "The run store. Without it, nothing is stored.")
  var store: String?

  @Option(help: "The name of the script: its runs are runs of a method of this name.")
  var methodName = "session"

  @Option(help: "The treatment of trainings that lack a number in the table: refuse or skip. Default: refuse.")
  var holes: String?

  @Flag(help: "Without a budget and a store, to explore a table.")
  var free = false

  func validate() throws {
    if free, horizon != nil || store != nil {
      throw ValidationError("--free has no budget and no store: give it without --horizon and --store")
    }
  }

  func run() throws {
    let registry = AnytimeCommand.registry
    let experiment = try read(registry)
    let benchmark = try experiment.openBenchmark()
    try experiment.checkHorizon(benchmark)
    let checksum = benchmark.table.checksum
    let identities = try experiment.identities(tableChecksum: checksum, registry: registry)
    let store = try store.map { try RunStore(path: $0, registry: registry) }
    if let store, let identity = identities[methodName] {
      try store.extend(experiment, tableChecksum: checksum, identities: identities, onlyChecks: true)
      guard try !store.seeds(of: identity, failed: false).contains(seed) else {
        throw UsageError(
          "\(store.path) has a run of '\(methodName)' with the seed \(seed); give another --seed, --method-name or "
            + "--store")
      }
    }
    let farewell = Mutex<[UInt8]?>(nil)
    let hosted = Hosted(script: methodName) { session in
      let answer = try serve(session)
      farewell.withLock { $0 = answer }
    }
    let result = try Anytime.run(
      hosted, on: benchmark, policy: experiment.policy, horizon: free ? .infinity : experiment.horizon, seed: seed)
    if let store, let identity = identities[methodName] {
      try benchmark.table.checkUnchanged()
      try store.extend(experiment, tableChecksum: checksum, identities: identities)
      try store.add(result, identity: identity, seed: seed)
      try store.finish()
      if let failure = result.failure { Console.say("note: the run is stored as failed: \(failure)") }
    }
    // Who reads this finds the run in the store.
    if let answer = farewell.withLock({ $0 }) { _ = write(answer) }
  }

  /// The run as one of an experiment.
  private func read(_ registry: Registry) throws -> Experiment {
    let name = SettingValue.word(methodName).flow
    let parts = [
      "name": methodName, "space": space, "table": table, "policy": policy, "holes": holes, "seeds": "\(seed)-\(seed)",
      "horizon": free ? "1" : horizon,
    ]
    do {
      return try Experiment(
        parts: parts.compactMapValues { $0 }, methods: ["session:{label: \(name), script: \(name)}"],
        registry: registry)
    } catch { throw UsageError("\(error)") }
  }

  /// Answers the script until it is done.
  ///
  /// - Returns: The answer to its last message; `nil` if it went without a word.
  /// - Throws: `RunFailure` if it went too early.
  private func serve(_ session: Session) throws -> [UInt8]? {
    var responder = Responder(session)
    var lines = InputLines()
    var isHeard = write(responder.run(0, settings: .object([])))
    while isHeard, let line = lines.next() {
      guard let line else { throw RunFailure("the script wrote a line of more than a million bytes") }
      switch try responder.answer(line) {
      case .ready: break
      case .answer(let answer), .refused(_, let answer): isHeard = write(answer)
      case .ended(let answer): return answer
      }
    }
    if !responder.isSpent { throw RunFailure("the script ended before its budget was spent, and without 'end'") }
    return nil
  }

  /// Writes a line to standard output at once.
  ///
  /// - Returns: Whether it could be written.
  private func write(_ line: [UInt8]) -> Bool {
    var rest = (line + [UInt8(ascii: "\n")])[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Foundation.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      guard count > 0 || errno == EINTR else { return false }
      rest = rest.dropFirst(max(0, count))
    }
    return true
  }
}

/// The lines of standard input, without waiting for more than one.
private struct InputLines {
  private static let longest = 1 << 20
  private var unread: [UInt8] = []

  /// - Returns: `nil` at the end; a line that is `nil` for one that is too long.
  mutating func next() -> [UInt8]?? {
    var searched = 0
    while true {
      if let end = unread[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        let line = Array(unread[..<end])
        unread.removeFirst(end + 1)
        return line
      }
      searched = unread.count
      guard searched <= Self.longest else { return .some(nil) }
      let count = withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 1) { buffer in
        let count = read(STDIN_FILENO, buffer.baseAddress, buffer.count)
        if count > 0 { unread += buffer.prefix(count) }
        return count
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        defer { unread = [] }
        return unread.isEmpty ? nil : .some(unread)
      }
    }
  }
}
