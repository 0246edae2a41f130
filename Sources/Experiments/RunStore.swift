import Anytime
import Foundation
import GRDB
import SearchSpaces

/// The results of runs, in an SQLite file. A run is stored completely or not at all.
///
/// The key of a run is the digest of its ``RunIdentity`` and its seed. So experiments that share runs share results,
/// and an experiment that was killed continues with the missing runs. Any SQLite client can read the file. It has these
/// tables and columns:
///
/// - `experiment`: `name` (key), `json` (an ``Experiment``), `table_checksum`, `identities` (JSON: a ``RunIdentity``
///   by label)
/// - `identity`: `id`, `digest` (unique), `json` (a ``RunIdentity``), `question` (see ``RunIdentity/question``)
/// - `run`: `id`, `identity_id`, `seed` (text, as SQLite's integers are signed), `spent_seconds`,
///   `spent_epochs`, `evaluations`, `overhead_seconds`, `ledger` (JSON: kind, amount and count of entries), `failure`
///   (why a run came to no result), `children` (JSON: runs inside this one)
/// - `trajectory`: `run_id`, `step`, `amount`, `spent_seconds`, `spent_epochs`, `evaluations`, `cell`,
///   `epochs`, `validation_regret`, `test_regret`, `final_training_seconds`
/// - `trace`: `run_id`, `epoch`, `json` (a `TracePoint`), for one-shot methods
/// - `owner`, `claim`: the processes that make runs now, and the `digest` and `seed` of those runs
public struct RunStore: Sendable {
  let queue: DatabaseQueue
  /// The file's path.
  public let path: String
  private let writes: Bool

  /// Opens a store for adding runs, or creates one. A store of an earlier program is brought up to date.
  ///
  /// - Parameter registry: Tells the defaults of methods, which earlier programs stored as settings.
  /// - Throws: ``RunStoreError``, also for a file that is no store, which is left as it is.
  public init(path: String, registry: Registry) throws(RunStoreError) {
    self.path = path
    writes = true
    queue = try Self.openToWrite(path, registry)
  }

  /// Reads a store as it is now. Nothing is written, not even beside the file; another program may add runs meanwhile.
  ///
  /// - Throws: ``RunStoreError``.
  public init(reading path: String, registry: Registry) throws(RunStoreError) {
    self.path = path
    writes = false
    queue = try Self.openToRead(path, registry)
  }

  /// Moves what is in the log into the file, and closes it. The store is of no use afterwards.
  ///
  /// A store that nobody refers to any more closes by itself; a program that ends may not wait for that.
  public func finish() throws(RunStoreError) { try withQueue { try $0.close() } }

  func withQueue<T>(_ body: (DatabaseQueue) throws -> T) throws(RunStoreError) -> T {
    try Self.reported(path, writes: writes) { try body(queue) }
  }

  // MARK: Experiments

  /// Stores an experiment under its name. An earlier one of that name is replaced.
  public func save(
    _ experiment: Experiment, tableChecksum: String, identities: [String: RunIdentity]
  ) throws(RunStoreError) {
    try withQueue { queue in
      let texts = (try canonicalJSON(experiment), try canonicalJSON(identities))
      try queue.write { database in
        try database.execute(
          sql: "INSERT OR REPLACE INTO experiment (name, json, table_checksum, identities) VALUES (?, ?, ?, ?)",
          arguments: [experiment.name, texts.0, tableChecksum, texts.1])
      }
    }
  }

  /// Adds the seeds of an experiment to the stored one of its name, which has to be the same otherwise; stores it if
  /// there is none. For runs that are made one by one, perhaps by several programs at a time.
  ///
  /// - Parameter onlyChecks: Whether nothing is stored.
  /// - Throws: ``RunStoreError``.
  public func extend(
    _ experiment: Experiment, tableChecksum: String, identities: [String: RunIdentity], onlyChecks: Bool = false
  ) throws(RunStoreError) {
    try withQueue { queue in
      try queue.write { database in
        var whole = experiment
        if let row = try Row.fetchOne(
          database, sql: "SELECT name, json, table_checksum, identities FROM experiment WHERE name = ?",
          arguments: [experiment.name])
        {
          let stored = try Stored(row, path: path)
          var earlier = try stored.experiment()
          whole.seeds = Set(earlier.seeds).union(experiment.seeds).sorted()
          earlier.seeds = experiment.seeds
          guard earlier == experiment, stored.tableChecksum == tableChecksum, try stored.identities() == identities
          else { throw RunStoreError.otherExperiment(path, name: experiment.name) }
        }
        if onlyChecks { return }
        try database.execute(
          sql: "INSERT OR REPLACE INTO experiment (name, json, table_checksum, identities) VALUES (?, ?, ?, ?)",
          arguments: [whole.name, try canonicalJSON(whole), tableChecksum, try canonicalJSON(identities)])
      }
    }
  }

  /// A stored experiment, decoded on demand: one that cannot be read does not keep others from being read.
  public struct Stored: Sendable {
    /// The name, unique in a store.
    public let name: String
    /// The checksum of the table that its runs used.
    public let tableChecksum: String
    var json: String
    private let identitiesJSON: String
    private let path: String

    /// Takes a row of name, JSON, checksum and identities.
    init(_ row: Row, path: String) throws(RunStoreError) {
      self.path = path
      name = try row.value(0, of: "experiment", path)
      json = try row.value(1, of: "experiment", path)
      tableChecksum = try row.value(2, of: "experiment", path)
      identitiesJSON = row.hasNull(atIndex: 3) ? "{}" : try row.value(3, of: "experiment", path)
    }

    /// The row.
    var columns: [String] { [name, json, tableChecksum, identitiesJSON] }

    /// Decodes the experiment.
    ///
    /// - Throws: ``RunStoreError``.
    public func experiment() throws(RunStoreError) -> Experiment {
      do {
        let experiment = try JSONDecoder().decode(Experiment.self, from: Data(json.utf8))
        try experiment.validate()
        return experiment
      } catch { throw refusal(error) }
    }

    /// Decodes the identities of the experiment's runs, by label.
    ///
    /// - Throws: ``RunStoreError``.
    public func identities() throws(RunStoreError) -> [String: RunIdentity] {
      do {
        return try JSONDecoder().decode([String: RunIdentity].self, from: Data(identitiesJSON.utf8))
      } catch { throw refusal(error) }
    }

    private func refusal(_ error: any Error) -> RunStoreError {
      let reason = (error as? SettingError)?.description ?? "it was written by another version or is damaged"
      return .unusable(path, reason: "its experiment '\(name)' cannot be read: \(reason)")
    }
  }

  /// The experiments of the store, by name.
  public func experiments() throws(RunStoreError) -> [Stored] {
    try withQueue { queue in
      let rows = try queue.read { database in
        try Row.fetchAll(
          database, sql: "SELECT name, json, table_checksum, identities FROM experiment ORDER BY name")
      }
      return try rows.map { try Stored($0, path: path) }
    }
  }

  private func value<Value: DatabaseValueConvertible>(
    _ row: Row, _ column: Int, _ table: String
  ) throws(RunStoreError) -> Value { try row.value(column, of: table, path) }

  private func amount(_ row: Row, _ column: Int, _ table: String) throws(RunStoreError) -> Double {
    let amount: Double = try value(row, column, table)
    guard (0...1e300).contains(amount) else {
      throw .damaged(path, reason: "an amount of its table '\(table)' is \(amount)")
    }
    return amount
  }

  // MARK: Runs

  private var checkpoints: URL { URL(filePath: path + ".checkpoints") }

  /// Removes the folder of checkpoints, unless it holds one of another experiment.
  func removeEmptyCheckpoints() { rmdir(checkpoints.path) }

  /// The file of a long run's checkpoint, in a folder beside the store.
  ///
  /// - Parameter digest: That of the run's identity.
  func checkpoint(of digest: String, seed: UInt64) -> URL {
    checkpoints.appending(path: "\(digest.prefix(16))-\(seed)")
  }

  /// The seeds whose runs of an identity are stored.
  ///
  /// - Parameter failed: Whether runs that failed count.
  public func seeds(of identity: RunIdentity, failed: Bool = true) throws -> Set<UInt64> {
    try seeds(of: identity.digest, failed: failed)
  }

  func seeds(of digest: String, failed: Bool) throws -> Set<UInt64> {
    try withQueue { queue in
      try queue.read { database in
        let texts = try String.fetchAll(
          database,
          sql: """
            SELECT run.seed FROM run JOIN identity ON identity.id = run.identity_id
            WHERE identity.digest = ? AND (? OR run.failure IS NULL)
            """, arguments: [digest, failed])
        return Set(texts.compactMap(UInt64.init))
      }
    }
  }

  /// Adds a run in one transaction. A stored run that failed is replaced; any other stays as it is.
  public func add(_ result: RunResult, identity: RunIdentity, seed: UInt64) throws {
    try add([(result, try StoredIdentity(identity), seed)])
  }

  /// Adds runs in one transaction, as ``add(_:identity:seed:)``, and removes their claims.
  func add(_ runs: [(result: RunResult, identity: StoredIdentity, seed: UInt64)]) throws {
    let texts = try runs.map { run in
      (
        ledger: try canonicalJSON(run.result.ledger),
        children: run.result.children.isEmpty ? nil : try canonicalJSON(run.result.children),
        trace: try run.result.trace.map { ($0.epoch, try canonicalJSON($0)) }
      )
    }
    try withQueue { queue in
      try queue.write { database in
        for (run, texts) in zip(runs, texts) {
          try database.cachedStatement(sql: "DELETE FROM claim WHERE digest = ? AND seed = ?")
            .execute(arguments: [run.identity.digest, String(run.seed)])
          try add(run, texts.ledger, texts.children, texts.trace, database)
        }
      }
    }
  }

  private func add(
    _ run: (result: RunResult, identity: StoredIdentity, seed: UInt64), _ ledger: String, _ children: String?,
    _ trace: [(epoch: Int, text: String)], _ database: Database
  ) throws {
    let (result, identity, seed) = run
    try database.cachedStatement(sql: "INSERT OR IGNORE INTO identity (digest, json, question) VALUES (?, ?, ?)")
      .execute(arguments: [identity.digest, identity.json, identity.question])
    try database.cachedStatement(
      sql: """
        DELETE FROM run WHERE seed = ? AND failure IS NOT NULL
        AND identity_id = (SELECT id FROM identity WHERE digest = ?)
        """
    ).execute(arguments: [String(seed), identity.digest])
    try database.cachedStatement(
      sql: """
        INSERT OR IGNORE INTO run (
          identity_id, seed, spent_seconds, spent_epochs, evaluations, overhead_seconds, ledger, failure, children)
        VALUES ((SELECT id FROM identity WHERE digest = ?), ?, ?, ?, ?, ?, ?, ?, ?)
        """
    ).execute(arguments: [
      identity.digest, String(seed), result.spent.seconds, result.spent.epochs, result.spent.evaluations,
      result.overheadSeconds, ledger, result.failure, children,
    ])
    guard database.changesCount == 1 else { return }
    let id = database.lastInsertedRowID
    let insertion = try database.cachedStatement(
      sql: "INSERT INTO trajectory VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
    for (step, point) in result.trajectory.enumerated() {
      try insertion.execute(arguments: [
        id, step, point.amount, point.spent.seconds, point.spent.epochs, point.spent.evaluations,
        point.architecture.description, point.epochs, point.validationRegret, point.testRegret,
        point.finalTrainingSeconds,
      ])
    }
    for (epoch, text) in trace {
      try database.cachedStatement(sql: "INSERT INTO trace VALUES (?, ?, ?)").execute(arguments: [id, epoch, text])
    }
  }

  /// The stored runs of an identity for some seeds, by ascending seed.
  public func results(
    of identity: RunIdentity, seeds: [UInt64]
  ) throws -> [(seed: UInt64, result: RunResult)] {
    let wanted = Set(seeds)
    let digest = identity.digest
    return try withQueue { queue in
      try queue.read { database in
        let join = "JOIN identity ON identity.id = run.identity_id WHERE identity.digest = ?"
        var points: [Int64: [TrajectoryPoint]] = [:]
        let cursor = try Row.fetchCursor(
          database,
          sql: """
            SELECT run_id, amount, trajectory.spent_seconds, trajectory.spent_epochs, trajectory.evaluations, cell,
              epochs, validation_regret, test_regret, final_training_seconds
            FROM trajectory JOIN run ON run.id = trajectory.run_id \(join)
            ORDER BY trajectory.run_id, trajectory.step
            """, arguments: [digest])
        while let row = try cursor.next() {
          points[try value(row, 0, "trajectory"), default: []].append(try point(row))
        }
        var traces: [Int64: [TracePoint]] = [:]
        let lines = try Row.fetchCursor(
          database,
          sql: """
            SELECT trace.run_id, trace.json FROM trace JOIN run ON run.id = trace.run_id \(join)
            ORDER BY trace.run_id, trace.epoch
            """, arguments: [digest])
        while let row = try lines.next() {
          traces[try value(row, 0, "trace"), default: []].append(try decoded(row, 1, "trace"))
        }
        let runs = try Row.fetchAll(
          database,
          sql: """
            SELECT run.id, seed, spent_seconds, spent_epochs, evaluations, overhead_seconds, ledger, failure, children
            FROM run \(join)
            """, arguments: [digest])
        return try runs.compactMap { row -> (seed: UInt64, result: RunResult)? in
          let id: Int64 = try value(row, 0, "run")
          let text: String = try value(row, 1, "run")
          guard let seed = UInt64(text), wanted.contains(seed) else { return nil }
          let ledger: [RunResult.LedgerTotal] = try decoded(row, 6, "run")
          guard ledger.allSatisfy({ (0...1e300).contains($0.amount) && $0.count >= 0 }) else {
            throw RunStoreError.damaged(path, reason: "the ledger of run \(id) has impossible amounts")
          }
          let trajectory = points[id] ?? []
          guard zip(trajectory, trajectory.dropFirst()).allSatisfy({ $0.amount <= $1.amount }) else {
            throw RunStoreError.damaged(path, reason: "the trajectory of run \(id) goes back in time")
          }
          return (
            seed,
            RunResult(
              trajectory: trajectory, spent: try spending(row, 2, "run"), ledger: ledger,
              overheadSeconds: try amount(row, 5, "run"), trace: traces[id] ?? [],
              failure: row.hasNull(atIndex: 7) ? nil : try value(row, 7, "run"),
              children: row.hasNull(atIndex: 8) ? [] : try decoded(row, 8, "run"))
          )
        }.sorted { $0.seed < $1.seed }
      }
    }
  }

  private func point(_ row: Row) throws -> TrajectoryPoint {
    let id: String = try value(row, 5, "trajectory")
    let epochs: Int = try value(row, 6, "trajectory")
    let regret: Double = try value(row, 7, "trajectory")
    let testRegret: Double? = row.hasNull(atIndex: 8) ? nil : try value(row, 8, "trajectory")
    guard let architecture = Architecture.ID(id), (0...Int(UInt16.max)).contains(epochs), (-1...1).contains(regret),
      testRegret.map({ (-1...1).contains($0) }) ?? true
    else {
      throw RunStoreError.damaged(path, reason: "a point of its table 'trajectory' is impossible")
    }
    return TrajectoryPoint(
      amount: try amount(row, 1, "trajectory"), spent: try spending(row, 2, "trajectory"),
      architecture: architecture, epochs: epochs, validationRegret: regret, testRegret: testRegret,
      finalTrainingSeconds: try amount(row, 9, "trajectory"))
  }

  private func spending(_ row: Row, _ column: Int, _ table: String) throws -> Spending {
    Spending(
      seconds: try amount(row, column, table), epochs: try amount(row, column + 1, table),
      evaluations: try amount(row, column + 2, table))
  }

  private func decoded<Value: Decodable>(_ row: Row, _ column: Int, _ table: String) throws -> Value {
    let text: String = try value(row, column, table)
    do { return try JSONDecoder().decode(Value.self, from: Data(text.utf8)) } catch {
      throw RunStoreError.damaged(path, reason: "JSON of its table '\(table)' cannot be read")
    }
  }

  /// The number of runs with an identity's method, settings and table, but another revision of the method, other images
  /// or another library.
  private func otherRuns(than identity: RunIdentity) throws -> Int {
    try withQueue { queue in
      try queue.read { database in
        try Int.fetchOne(
          database,
          sql: """
            SELECT COUNT(*) FROM run JOIN identity ON identity.id = run.identity_id
            WHERE identity.question = ? AND identity.digest != ?
            """, arguments: [identity.question, identity.digest]) ?? 0
      }
    }
  }

  /// The stored runs of an experiment.
  ///
  /// - Parameter identities: The identities of the runs, by label.
  /// - Throws: ``RunStoreError``, or `UnknownWord` for a method that the registry does not have.
  public func results(
    of experiment: Experiment, tableChecksum: String, identities: [String: RunIdentity], registry: Registry
  ) throws -> ExperimentResults {
    ExperimentResults(
      experiment: experiment, tableChecksum: tableChecksum,
      methods: try experiment.methods.map { entry in
        let method = try registry.method(named: entry.method).method
        guard let identity = identities[entry.label] else {
          return MethodResults(entry: entry, title: method.title, family: method.family, runs: [])
        }
        return MethodResults(
          entry: entry, title: method.title, family: method.family,
          runs: try results(of: identity, seeds: experiment.seeds(of: entry)), digest: identity.digest,
          otherRuns: try otherRuns(than: identity), unpinnedNumerics: identity.unpinnedNumerics)
      })
  }

  /// The stored runs of a stored experiment.
  public func results(of stored: Stored, registry: Registry) throws -> ExperimentResults {
    try results(
      of: stored.experiment(), tableChecksum: stored.tableChecksum, identities: stored.identities(),
      registry: registry)
  }
}

/// An identity as it is stored: made once for all runs of a method.
struct StoredIdentity: Sendable {
  let digest, json, question: String

  init(_ identity: RunIdentity) throws {
    (digest, json, question) = (identity.digest, try canonicalJSON(identity), identity.question)
  }
}

extension Row {
  /// Reads a column of a row, which anybody may have written.
  fileprivate func value<Value: DatabaseValueConvertible>(
    _ column: Int, of table: String, _ path: String
  ) throws(RunStoreError) -> Value {
    let stored: DatabaseValue = self[column]
    guard let value = Value.fromDatabaseValue(stored) else {
      throw .damaged(path, reason: "a value of its table '\(table)' is of the wrong kind")
    }
    return value
  }
}
