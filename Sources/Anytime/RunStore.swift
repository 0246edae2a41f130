import Foundation
import GRDB

/// The results of runs in an SQLite file: a run is in it whole, or not at all.
///
/// Runs are keyed by the digest of their ``RunIdentity`` and their seed, so experiments that share runs
/// share results, and an experiment that was killed goes on where it was. Any SQLite client can read the
/// file; the tables and columns are these:
///
/// - `experiment`: `name` (key), `json` (an ``Experiment``), `table_checksum`
/// - `identity`: `id`, `digest` (unique), `json` (a ``RunIdentity``)
/// - `run`: `id`, `identity_id`, `seed` (text, as SQLite's integers are signed), `spent_seconds`,
///   `spent_epochs`, `evaluations`, `overhead_seconds`, `ledger` (JSON: kind, amount and count of entries)
/// - `trajectory`: `run_id`, `step`, `amount`, `spent_seconds`, `spent_epochs`, `evaluations`, `cell`,
///   `epochs`, `validation_regret`, `test_regret`, `final_training_seconds`
/// - `trace`: `run_id`, `epoch`, `json` (a ``TracePoint``), for one-shot methods
public struct RunStore: Sendable {
  private let queue: DatabaseQueue
  /// The file's path.
  public let path: String

  /// Opens a store, or makes a new one.
  ///
  /// - Parameter mustExist: Whether a file that is missing, empty or no run store is an error; it is left as it is.
  /// - Throws: ``RunStoreError``.
  public init(path: String, mustExist: Bool = false) throws(RunStoreError) {
    self.path = path
    if mustExist, !FileManager.default.fileExists(atPath: path) { throw .missing(path) }
    do {
      var configuration = Configuration()
      configuration.busyMode = .timeout(30)
      queue = try DatabaseQueue(path: path, configuration: configuration)
      if mustExist, try !queue.read({ try $0.tableExists("experiment") && $0.tableExists("run") }) {
        throw RunStoreError.notAStore(path)
      }
      try queue.inDatabase { database in
        // With a write-ahead log a transaction needs no wait for the disk, and a crash loses whole
        // transactions only.
        try database.execute(sql: "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
      }
      try queue.write(Self.migrate)
    } catch let error as RunStoreError {
      throw error
    } catch {
      switch (error as? DatabaseError)?.resultCode {
      case .some(.SQLITE_CANTOPEN), .some(.SQLITE_READONLY): throw .cannotOpen(path)
      case .some(.SQLITE_FULL): throw .full(path)
      default: throw .unusable(path, reason: Self.reason(error))
      }
    }
  }

  private static func migrate(_ database: Database) throws {
    try database.execute(
      sql: """
        CREATE TABLE IF NOT EXISTS experiment (
          name TEXT PRIMARY KEY, json TEXT NOT NULL, table_checksum TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS identity (
          id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, json TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS run (
          id INTEGER PRIMARY KEY, identity_id INTEGER NOT NULL REFERENCES identity(id), seed TEXT NOT NULL,
          spent_seconds REAL NOT NULL, spent_epochs REAL NOT NULL, evaluations REAL NOT NULL,
          overhead_seconds REAL NOT NULL, ledger TEXT NOT NULL, UNIQUE (identity_id, seed));
        CREATE TABLE IF NOT EXISTS trajectory (
          run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE, step INTEGER NOT NULL,
          amount REAL NOT NULL, spent_seconds REAL NOT NULL, spent_epochs REAL NOT NULL,
          evaluations REAL NOT NULL, cell TEXT NOT NULL, epochs INTEGER NOT NULL,
          validation_regret REAL NOT NULL, test_regret REAL, final_training_seconds REAL NOT NULL,
          PRIMARY KEY (run_id, step)) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS trace (
          run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE, epoch INTEGER NOT NULL,
          json TEXT NOT NULL, PRIMARY KEY (run_id, epoch)) WITHOUT ROWID;
        """)
  }

  private static func reason(_ error: any Error) -> String {
    (error as? DatabaseError).flatMap { $0.message } ?? "\(error)"
  }

  private func access<T>(_ body: (DatabaseQueue) throws -> T) throws(RunStoreError) -> T {
    do { return try body(queue) } catch {
      if (error as? DatabaseError)?.resultCode == .SQLITE_FULL { throw .full(path) }
      throw .unusable(path, reason: Self.reason(error))
    }
  }

  // MARK: Experiments

  /// Keeps an experiment under its name, in place of an earlier one of that name.
  public func save(_ experiment: Experiment, tableChecksum: String) throws(RunStoreError) {
    try access { queue in
      try queue.write { database in
        try database.execute(
          sql: "INSERT OR REPLACE INTO experiment (name, json, table_checksum) VALUES (?, ?, ?)",
          arguments: [experiment.name, canonicalJSON(experiment), tableChecksum])
      }
    }
  }

  /// The experiments of the store, by name.
  public func experiments() throws(RunStoreError) -> [(experiment: Experiment, tableChecksum: String)] {
    try access { queue in
      let rows = try queue.read { database in
        try Row.fetchAll(database, sql: "SELECT json, table_checksum FROM experiment ORDER BY name")
      }
      return try rows.map { row in
        let json: String = row["json"]
        return (try JSONDecoder().decode(Experiment.self, from: Data(json.utf8)), row["table_checksum"])
      }
    }
  }

  // MARK: Runs

  private var checkpoints: URL { URL(filePath: path + ".checkpoints") }

  /// Removes the folder of checkpoints, unless a run of another experiment is in it.
  func removeEmptyCheckpoints() { rmdir(checkpoints.path) }

  /// Where a run that takes long keeps how far it is: a file in a folder beside the store.
  func checkpoint(of identity: RunIdentity, seed: UInt64) -> URL {
    checkpoints.appending(path: "\(identity.digest.prefix(16))-\(seed)")
  }

  /// The seeds of an identity whose runs are done.
  public func seeds(of identity: RunIdentity) throws(RunStoreError) -> Set<UInt64> {
    try access { queue in
      try queue.read { database in
        let texts = try String.fetchAll(
          database,
          sql: """
            SELECT run.seed FROM run JOIN identity ON identity.id = run.identity_id
            WHERE identity.digest = ?
            """, arguments: [identity.digest])
        return Set(texts.compactMap(UInt64.init))
      }
    }
  }

  /// Adds a run in one transaction. A run that is there already stays as it is.
  public func add(_ result: RunResult, identity: RunIdentity, seed: UInt64) throws(RunStoreError) {
    try access { queue in
      try queue.write { database in
        let digest = identity.digest
        try database.cachedStatement(sql: "INSERT OR IGNORE INTO identity (digest, json) VALUES (?, ?)")
          .execute(arguments: [digest, canonicalJSON(identity)])
        try database.cachedStatement(
          sql: """
            INSERT OR IGNORE INTO run (
              identity_id, seed, spent_seconds, spent_epochs, evaluations, overhead_seconds, ledger)
            VALUES ((SELECT id FROM identity WHERE digest = ?), ?, ?, ?, ?, ?, ?)
            """
        ).execute(arguments: [
          digest, String(seed), result.spent.seconds, result.spent.epochs, result.spent.evaluations,
          result.overheadSeconds, canonicalJSON(result.ledger),
        ])
        guard database.changesCount == 1 else { return }
        let run = database.lastInsertedRowID
        let insertion = try database.cachedStatement(
          sql: "INSERT INTO trajectory VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        for (step, point) in result.trajectory.enumerated() {
          try insertion.execute(arguments: [
            run, step, point.amount, point.spent.seconds, point.spent.epochs, point.spent.evaluations,
            point.cell, point.epochs, point.validationRegret, point.testRegret, point.finalTrainingSeconds,
          ])
        }
        for point in result.trace {
          try database.cachedStatement(sql: "INSERT INTO trace VALUES (?, ?, ?)")
            .execute(arguments: [run, point.epoch, canonicalJSON(point)])
        }
      }
    }
  }

  /// The runs of an identity that are done, for some seeds, by ascending seed.
  public func results(
    of identity: RunIdentity, seeds: [UInt64]
  ) throws(RunStoreError) -> [(seed: UInt64, result: RunResult)] {
    let wanted = Set(seeds)
    return try access { queue in
      try queue.read { database in
        let join = "FROM run JOIN identity ON identity.id = run.identity_id"
        let runs = try Row.fetchAll(
          database, sql: "SELECT run.* \(join) WHERE identity.digest = ?", arguments: [identity.digest])
        var points: [Int64: [TrajectoryPoint]] = [:]
        let cursor = try Row.fetchCursor(
          database,
          sql: """
            SELECT trajectory.* FROM trajectory JOIN run ON run.id = trajectory.run_id
            JOIN identity ON identity.id = run.identity_id WHERE identity.digest = ?
            ORDER BY trajectory.run_id, trajectory.step
            """, arguments: [identity.digest])
        while let row = try cursor.next() {
          points[row["run_id"], default: []].append(
            TrajectoryPoint(
              amount: row["amount"],
              spent: Spending(
                seconds: row["spent_seconds"], epochs: row["spent_epochs"], evaluations: row["evaluations"]),
              cell: row["cell"], epochs: row["epochs"], validationRegret: row["validation_regret"],
              testRegret: row["test_regret"], finalTrainingSeconds: row["final_training_seconds"]))
        }
        var traces: [Int64: [TracePoint]] = [:]
        let lines = try Row.fetchCursor(
          database,
          sql: """
            SELECT trace.run_id, trace.json FROM trace JOIN run ON run.id = trace.run_id
            JOIN identity ON identity.id = run.identity_id WHERE identity.digest = ?
            ORDER BY trace.run_id, trace.epoch
            """, arguments: [identity.digest])
        while let row = try lines.next() {
          let json: String = row["json"]
          traces[row["run_id"], default: []].append(
            try JSONDecoder().decode(TracePoint.self, from: Data(json.utf8)))
        }
        return try runs.compactMap { row -> (seed: UInt64, result: RunResult)? in
          let text: String = row["seed"]
          guard let seed = UInt64(text), wanted.contains(seed) else { return nil }
          let ledger: String = row["ledger"]
          return (
            seed,
            RunResult(
              trajectory: points[row["id"]] ?? [],
              spent: Spending(
                seconds: row["spent_seconds"], epochs: row["spent_epochs"], evaluations: row["evaluations"]),
              ledger: try JSONDecoder().decode([RunResult.LedgerTotal].self, from: Data(ledger.utf8)),
              overheadSeconds: row["overhead_seconds"], trace: traces[row["id"]] ?? [])
          )
        }.sorted { $0.seed < $1.seed }
      }
    }
  }

  /// An experiment's runs that are done.
  ///
  /// - Throws: ``RunStoreError``, or ``UnknownWord`` for a method that the registry does not have.
  public func results(
    of experiment: Experiment, tableChecksum: String, registry: Registry
  ) throws -> ExperimentResults {
    ExperimentResults(
      experiment: experiment, tableChecksum: tableChecksum,
      methods: try experiment.methods.map { entry in
        let method = try registry.method(named: entry.method).method
        let identity = experiment.identity(of: entry, tableChecksum: tableChecksum)
        return MethodResults(
          entry: entry, title: method.title, family: method.family,
          runs: try results(of: identity, seeds: experiment.seeds(of: entry)))
      })
  }
}

/// Why a run store cannot be used.
public enum RunStoreError: Error, Hashable, Sendable, CustomStringConvertible {
  case missing(String)
  case full(String)
  case cannotOpen(String)
  case notAStore(String)
  case unusable(String, reason: String)

  public var description: String {
    switch self {
    case .missing(let path): "there is no run store \(path); make it with 'anytime run'"
    case .full(let path):
      "there is no space left for the run store \(path); make room and start again, what is done is kept"
    case .cannotOpen(let path):
      "the run store \(path) cannot be opened; check its folder and permissions"
    case .notAStore(let path): "\(path) is no run store; name one that 'anytime run' made"
    case .unusable(let path, let reason):
      "the run store \(path) cannot be used: \(reason); move it away and run the experiment again"
    }
  }
}
