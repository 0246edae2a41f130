import Anytime
import Blackbox
import Experiments
import Foundation
import GRDB
import OptimizerConformance
import SearchSpaces
import Synchronization
import TabularBenchmark
import Testing

/// A method whose runs take some milliseconds.
private struct Slow: Optimizer {
  static let method = Method(name: "slow", title: "Slow", summary: "", citation: "")
  init() {}
  func search(_ session: Session) throws {
    usleep(3_000)
    try session.evaluate(session.space.sample(using: &session.random))
  }
}

/// A method that something outside it keeps from running.
private struct Barred: Optimizer {
  struct Trouble: Error {}
  static let method = Method(name: "barred", title: "Barred", summary: "", citation: "")
  init() {}
  func search(_ session: Session) throws { throw Trouble() }
}

/// What runners told, as text.
private final class Events: Sendable {
  private let all = Mutex<[String]>([])
  func add(_ event: String) { all.withLock { $0.append(event) } }
  func with(_ word: String) -> [String] { all.withLock { $0.filter { $0.hasPrefix(word) } } }
}

@Suite("Claims of runs") struct ClaimTests {
  let folder: URL
  let registry = Registry(blackboxMethods + [Slow.self, Barred.self])
  var path: String { folder.appending(path: "s.sqlite").path }

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "claims-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  private func remove() { try? FileManager.default.removeItem(at: folder) }

  private func experiment(_ methods: [String], seeds: String) throws -> Experiment {
    try Experiment(
      parts: ["name": "e", "space": "mini", "horizon": "300", "seeds": seeds], methods: methods, registry: registry)
  }

  /// Runs an experiment as a process would, with a connection of its own.
  private func run(
    _ experiment: Experiment, threads: Int = 1, retryFailed: Bool = false, _ events: Events = Events(),
    whenWaiting: @escaping @Sendable () -> Void = {}
  ) async throws -> ExperimentResults {
    let runner = try Runner(
      experiment: experiment, benchmark: OptimizerConformance.benchmark(), registry: registry,
      store: RunStore(path: path, registry: registry))
    try await runner.run(threads: threads, retryFailed: retryFailed) { progress in
      let run = "\(progress.label) \(progress.seed)"
      switch progress.event {
      case .began: events.add("began \(run)")
      case .ended: events.add("ended \(run)")
      case .endedElsewhere: events.add("elsewhere \(run)")
      case .spent: break
      case .waits(let others):
        events.add("waits \(others.joined(separator: ", "))")
        whenWaiting()
      }
    }
    return try runner.results()
  }

  private func values<T: DatabaseValueConvertible & Sendable>(_ sql: String, as type: T.Type = Int.self) throws -> [T] {
    let queue = try DatabaseQueue(path: path)
    defer { try? queue.close() }
    return try queue.read { try T.fetchAll($0, sql: sql) }
  }

  private func execute(_ sql: String, _ arguments: StatementArguments = StatementArguments()) throws {
    let queue = try DatabaseQueue(path: path)
    defer { try? queue.close() }
    try queue.write { try $0.execute(sql: sql, arguments: arguments) }
  }

  /// This process as an owner of claims is written.
  private struct Process {
    var host = "elsewhere"
    var boot = ""
    var pid = Int(getpid())
    var started = ""
    var file = ""
    var renewed = Date().timeIntervalSince1970

    init(_ path: String) throws {
      let id = try String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
      let space = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")
      boot = id.trimmingCharacters(in: .whitespacesAndNewlines) + " " + space
      let stat = try String(contentsOfFile: "/proc/self/stat", encoding: .utf8)
      let end = try #require(stat.lastIndex(of: ")"))
      // Fields from the third on; the process's start is the 22nd.
      started = String(stat[stat.index(end, offsetBy: 2)...].split(separator: " ")[19])
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      file = "\(try #require(attributes[.systemFileNumber] as? Int))"
    }
  }

  /// Makes a process the owner of all runs of the experiment.
  private func claimAll(_ process: Process, _ experiment: Experiment) throws {
    try execute(
      "INSERT INTO owner (host, boot, pid, started, file, renewed) VALUES (?, ?, ?, ?, ?, ?)",
      [process.host, process.boot, process.pid, process.started, process.file, process.renewed])
    let owner = try #require(try values("SELECT max(id) FROM owner").first)
    let identities = try experiment.identities(
      tableChecksum: OptimizerConformance.benchmark().table.checksum, registry: registry)
    for entry in experiment.methods {
      for seed in experiment.seeds(of: entry) {
        try execute(
          "INSERT INTO claim (digest, seed, owner_id) VALUES (?, ?, ?)",
          [identities[entry.label]?.digest, "\(seed)", owner])
      }
    }
  }

  /// Makes a store without runs.
  private func makeStore() throws { try RunStore(path: path, registry: registry).finish() }

  @Test("two runners on one store make every run once, and both end when all runs are stored") func shared()
    async throws
  {
    defer { remove() }
    let experiment = try experiment(["slow", "random-search"], seeds: "150")
    try makeStore()
    let (a, b) = (Events(), Events())
    async let first = run(experiment, a)
    async let second = run(experiment, threads: 2, b)
    let results = try await [first, second]
    for results in results { #expect(results.missingRuns == 0) }
    let began = a.with("began") + b.with("began")
    #expect(began.count == 300 && Set(began).count == 300)
    for events in [a, b] {
      // Either knows in the end of all runs that were not stored when it began.
      let told = events.with("ended").count + events.with("elsewhere").count
      #expect(told <= 300 && told >= events.with("began").count)
    }
    #expect(a.with("ended").count + b.with("ended").count == 300)
    #expect(try values("SELECT count(*) FROM claim") == [0] && values("SELECT count(*) FROM owner") == [0])
  }

  @Test(
    "of a process that is dead are taken over at once",
    arguments: [
      "ended", "number used again", "zombie", "copied store", "old sign of life", "sign of life from the future",
      "nonsense",
    ])
  func dead(cause: String) async throws {
    defer { remove() }
    let experiment = try experiment(["random-search"], seeds: "5")
    try makeStore()
    var process = try Process(path)
    var child: pid_t = 0
    switch cause {
    case "ended", "zombie":
      var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("true"), nil]
      defer { free(arguments[0]) }
      try #require(posix_spawn(&child, "/bin/true", nil, nil, &arguments, nil) == 0)
      process.pid = Int(child)
      if cause == "ended" {
        waitpid(child, nil, 0)
      } else {
        // Until it has ended, and nobody has asked how.
        var information = siginfo_t()
        waitid(P_PID, id_t(child), &information, WEXITED | WNOWAIT)
        let stat = try String(contentsOfFile: "/proc/\(child)/stat", encoding: .utf8)
        let end = try #require(stat.lastIndex(of: ")"))
        process.started = String(stat[stat.index(end, offsetBy: 2)...].split(separator: " ")[19])
      }
    case "number used again": process.started = "1"
    case "copied store": process.file = "1"
    case "old sign of life": (process.boot, process.renewed) = ("other", process.renewed - 301)
    case "sign of life from the future": (process.boot, process.renewed) = ("other", process.renewed + 1e6)
    default: (process.pid, process.started) = (-1, "")
    }
    try claimAll(process, experiment)
    let events = Events()
    #expect(try await run(experiment, threads: 2, events).missingRuns == 0)
    #expect(events.with("began").count == 5 && events.with("waits").isEmpty)
    #expect(try values("SELECT count(*) FROM owner") == [0])
    if cause == "zombie" { waitpid(child, nil, 0) }
  }

  @Test("of a live process are waited for, until it has died or made them", arguments: [true, false])
  func live(isHere: Bool) async throws {
    defer { remove() }
    let experiment = try experiment(["random-search"], seeds: "3")
    try makeStore()
    var process = try Process(path)
    // As late as is believed, so that a slow machine does not outlast it.
    if !isHere { (process.boot, process.renewed) = ("other", process.renewed + 290) }
    try claimAll(process, experiment)
    let events = Events()
    let path = path
    let results = try await run(experiment, events) {
      // The other process dies: here its start is another one, there it gives no sign of life any more.
      do {
        try DatabaseQueue(path: path).write {
          try $0.execute(
            sql: "UPDATE owner SET started = '1', renewed = 0 WHERE pid = ? AND host = 'elsewhere'",
            arguments: [getpid()])
        }
      } catch { Issue.record(error) }
    }
    #expect(results.missingRuns == 0 && events.with("began").count == 3)
    #expect(events.with("waits") == ["waits process \(getpid())" + (isHere ? "" : " on elsewhere")])
  }

  @Test("go when a run ends, when its method cannot run here, and when the program is about to end") func released()
    async throws
  {
    defer { remove() }
    await #expect(throws: Barred.Trouble.self) {
      _ = try await run(experiment(["barred", "random-search"], seeds: "4"), threads: 2)
    }
    #expect(try values("SELECT count(*) FROM run") == [4])
    #expect(try values("SELECT count(*) FROM claim") == [0] && values("SELECT count(*) FROM owner") == [0])
    var process = try Process(path)
    try claimAll(process, experiment(["barred"], seeds: "2"))
    process.boot = "other"
    try claimAll(process, experiment(["slow"], seeds: "2"))
    try RunStore(path: path, registry: registry).releaseClaims()
    // Those of another machine stay.
    #expect(try values("SELECT boot FROM owner", as: String.self) == ["other"])
    #expect(try values("SELECT count(*) FROM claim") == [2])
  }

  @Test("let methods of the same settings share their runs") func labels() async throws {
    defer { remove() }
    let experiment = try experiment(["random-search", "random-search:label=other"], seeds: "20")
    let events = Events()
    let results = try await run(experiment, threads: 2, events)
    #expect(results.missingRuns == 0 && events.with("began").count == 20 && events.with("elsewhere").count == 20)
    #expect(events.with("waits").isEmpty)
    #expect(results.methods[0].runs.map(\.result) == results.methods[1].runs.map(\.result))
  }

  @Test("are added to a store of the last version, whose runs are found") func migration() async throws {
    defer { remove() }
    let experiment = try experiment(["random-search"], seeds: "3")
    _ = try await run(experiment)
    // As version 0.2 wrote it.
    for statement in [
      "DROP TABLE claim", "DROP TABLE owner", "DELETE FROM grdb_migrations WHERE identifier LIKE '3:%'",
      "PRAGMA user_version = 2",
    ] { try execute(statement) }
    let before = try Data(contentsOf: URL(filePath: path))
    let stored = try #require(try RunStore(reading: path, registry: registry).experiments().first)
    #expect(try RunStore(reading: path, registry: registry).results(of: stored, registry: registry).missingRuns == 0)
    #expect(try Data(contentsOf: URL(filePath: path)) == before)
    let events = Events()
    #expect(try await run(self.experiment(["random-search"], seeds: "5"), events).missingRuns == 0)
    #expect(events.with("began").count == 2)
    #expect(try values("PRAGMA user_version") == [3])
  }
}
