import Anytime
import Foundation
import GRDB

// Puts the runs of several stores into one, by SQLite's own statements: memory stays flat however many runs there are.

extension RunStore {
  /// Puts stores together into one, which appears under its name when it is complete. The order of the inputs makes no
  /// difference: runs are stored by identity and seed, and every export has the same bytes.
  ///
  /// Runs of the same identity and seed have to be the same in everything but their measured
  /// ``RunResult/overheadSeconds``, of which the least is kept. A finished run wins over a failed one; of two failures
  /// the first in alphabetical order is kept. Experiments of the same name have to be the same but for their seeds,
  /// which are united. Inputs are read only; stores of earlier programs too.
  ///
  /// - Parameters:
  ///   - inputs: The paths of the stores.
  ///   - output: The path of the new store. One that is there is an input too, and is replaced.
  ///   - several: Whether experiments of several names may be put side by side.
  ///   - registry: Tells the defaults of methods, which earlier programs stored as settings.
  ///   - progress: Called with the number of inputs that are read.
  /// - Returns: The number of runs in the new store.
  /// - Throws: ``RunStoreError``. Nothing is left behind then.
  public static func merge(
    _ inputs: [String], into output: String, several: Bool = false, registry: Registry,
    progress: (Int) -> Void = { _ in }
  ) throws(RunStoreError) -> Int {
    for input in inputs where try Head(input) == nil {
      throw FileManager.default.fileExists(atPath: input) ? .notAStore(input) : .missing(input)
    }
    // A link stays, and what it names is replaced.
    let target = URL(filePath: output).resolvingSymlinksInPath().path
    let isThere = try Head(target) != nil
    if isThere { try foldLog(target) }
    let merger = try Merger(target, several: several, registry: registry)
    do {
      for (index, input) in ((isThere ? [target] : []) + inputs).enumerated() {
        try merger.gather(input)
        progress(min(index + 1, inputs.count))
      }
      return try merger.finish()
    } catch {
      removeUnfinishedMerge(into: target)
      throw error
    }
  }

  /// The file that a merge writes before it is renamed.
  fileprivate static func unfinishedMerge(into output: String) -> String {
    URL(filePath: output).resolvingSymlinksInPath().path + ".merging"
  }

  /// Removes what this program wrote of a merge that is not finished.
  package static func removeUnfinishedMerge(into output: String) {
    let unfinished = unfinishedMerge(into: output)
    unlink(unfinished)
    unlink(unfinished + "-input")
  }

  /// Moves what is in a store's log into its file, and removes the log: it must not be taken for that of a file which
  /// replaces this one.
  private static func foldLog(_ path: String) throws(RunStoreError) {
    guard FileManager.default.fileExists(atPath: path + "-wal") else { return }
    try reported(path, writes: true) {
      var configuration = Configuration()
      configuration.busyMode = .timeout(1)
      let queue = try DatabaseQueue(path: path, configuration: configuration)
      let mode = try queue.inDatabase { try String.fetchOne($0, sql: "PRAGMA journal_mode = DELETE") }
      try queue.close()
      guard mode == "delete" else { throw RunStoreError.locked(path) }
    }
  }
}

/// A merge in progress. Runs are gathered in a nameless file in the order of the inputs, then written in their own.
private final class Merger {
  private let queue: DatabaseQueue
  private let output: String
  private let several: Bool
  private let registry: Registry
  private let lock: CInt
  /// The paths of the inputs so far; the gathered runs name them by index.
  private var sources: [String] = []
  /// The experiments so far, by name, with the first store that has them.
  private var experiments: [String: (stored: RunStore.Stored, source: String)] = [:]

  private var unfinished: String { RunStore.unfinishedMerge(into: output) }
  private var copy: String { unfinished + "-input" }

  private static let runColumns = [
    "spent_seconds", "spent_epochs", "evaluations", "overhead_seconds", "ledger", "failure", "children",
  ]
  private static let pointColumns = [
    "amount", "spent_seconds", "spent_epochs", "evaluations", "cell", "epochs", "validation_regret", "test_regret",
    "final_training_seconds",
  ]

  private static func list(_ columns: [String], of table: String? = nil) -> String {
    columns.map { (table.map { $0 + "." } ?? "") + $0 }.joined(separator: ", ")
  }

  init(_ output: String, several: Bool, registry: Registry) throws(RunStoreError) {
    (self.output, self.several, self.registry) = (output, several, registry)
    let path = RunStore.unfinishedMerge(into: output)
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw RunStoreError.problem(of: output, code: errno) }
    // One that is left of a merge that was killed is written over.
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, ftruncate(descriptor, 0) == 0 else {
      close(descriptor)
      throw .locked(output)
    }
    lock = descriptor
    do {
      queue = try RunStore.reported(output, writes: true) {
        var configuration = Configuration()
        configuration.foreignKeysEnabled = false
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        let gathered = path + "-runs"
        unlink(gathered)
        try queue.writeWithoutTransaction { database in
          try database.execute(sql: "ATTACH ? AS gathered", arguments: [gathered])
          for schema in ["main", "gathered"] {
            // Whatever ends the program, these files are of no use any more. 64 MiB of cache each.
            try database.execute(
              sql: """
                PRAGMA \(schema).journal_mode = OFF; PRAGMA \(schema).synchronous = OFF;
                PRAGMA \(schema).cache_size = -65536
                """)
          }
          // Columns that are compared have the store's types, without which SQLite uses no index.
          try database.execute(
            sql: """
              CREATE TABLE gathered.identity (id INTEGER PRIMARY KEY, digest UNIQUE, json, question);
              CREATE TABLE gathered.run (
                id INTEGER PRIMARY KEY, identity_id INTEGER, seed TEXT, source, \(Self.list(Self.runColumns)),
                UNIQUE (identity_id, seed));
              CREATE TABLE gathered.trajectory (
                run_id, step, \(Self.list(Self.pointColumns)), PRIMARY KEY (run_id, step)) WITHOUT ROWID;
              CREATE TABLE gathered.trace (run_id, epoch, json, PRIMARY KEY (run_id, epoch)) WITHOUT ROWID;
              CREATE TEMP TABLE seen (old INTEGER PRIMARY KEY, identity_id INTEGER, seed TEXT, known);
              CREATE TEMP TABLE fresh (number INTEGER PRIMARY KEY, old);
              CREATE TEMP TABLE sorted (number INTEGER PRIMARY KEY, old, identity_id);
              """)
        }
        // It stays as long as it is open.
        unlink(gathered)
        try RunStore.migrate(queue, registry)
        return queue
      }
    } catch {
      unlink(path)
      close(descriptor)
      throw error
    }
  }

  deinit { close(lock) }

  /// Reads an input.
  func gather(_ input: String) throws(RunStoreError) {
    sources.append(input)
    try attributed(to: input) {
      let before = RunStore.fileState(input)
      let path = try readable(input)
      defer { unlink(copy) }
      try queue.writeWithoutTransaction { database in
        // Nothing is written beside a file that nobody changes.
        let address = URL(filePath: path).absoluteString + "?immutable=1"
        try database.execute(sql: "ATTACH ? AS input", arguments: [address])
        try database.inTransaction {
          try gatherExperiments(database, input)
          try gatherRuns(database, input)
          return .commit
        }
        try database.execute(sql: "DETACH input")
      }
      // A file that was changed meanwhile was perhaps read half and half.
      guard path != input || RunStore.fileState(input) == before else { throw RunStoreError.locked(input) }
    }
  }

  /// The path of a file of this program's schema with all runs of an input: the input itself, unless it has a log, or
  /// was written by an earlier program.
  private func readable(_ input: String) throws -> String {
    if try RunStore.isCurrent(input) { return input }
    let queue = try RunStore.openToRead(input, registry)
    unlink(copy)
    try queue.writeWithoutTransaction { try $0.execute(sql: "VACUUM INTO ?", arguments: [copy]) }
    return copy
  }

  /// Turns an error into one of the output, where it is about writing, or of an input.
  private func attributed<Result>(to input: String, _ body: () throws -> Result) throws(RunStoreError) -> Result {
    do { return try body() } catch let error as DatabaseError
      where error.resultCode == .SQLITE_FULL || error.extendedResultCode == .SQLITE_IOERR_WRITE
    { return try RunStore.reported(output, writes: true) { throw error } } catch {
      return try RunStore.reported(input, writes: false) { throw error }
    }
  }

  // MARK: Experiments

  private func gatherExperiments(_ database: Database, _ input: String) throws {
    for row in try Row.fetchAll(
      database, sql: "SELECT name, json, table_checksum, identities FROM input.experiment ORDER BY name")
    {
      let stored = try RunStore.Stored(row, path: input)
      guard let known = experiments[stored.name] else {
        experiments[stored.name] = (stored, input)
        continue
      }
      guard let union = try known.stored.united(with: stored) else {
        throw RunStoreError.otherExperiments(known.source, input, name: stored.name)
      }
      experiments[stored.name] = (union, known.source)
    }
    if !several, experiments.count > 1 { throw RunStoreError.severalExperiments(experiments.keys.sorted()) }
  }

  /// The label of an identity's runs, or their method's name.
  private func label(_ identity: Int64, _ database: Database) throws -> String {
    let row = try Row.fetchOne(
      database, sql: "SELECT digest, json FROM gathered.identity WHERE id = ?", arguments: [identity])
    let digest = row.flatMap { String.fromDatabaseValue($0[0]) }
    for name in experiments.keys.sorted() {
      let identities = try experiments[name]?.stored.identities() ?? [:]
      for label in identities.keys.sorted() where identities[label]?.digest == digest { return label }
    }
    let json = row.flatMap { String.fromDatabaseValue($0[1]) } ?? ""
    return (try? JSONDecoder().decode(RunIdentity.self, from: Data(json.utf8)).method) ?? "an unknown method"
  }

  // MARK: Runs

  private func gatherRuns(_ database: Database, _ input: String) throws {
    try database.execute(
      sql: """
        INSERT OR IGNORE INTO gathered.identity (digest, json, question)
          SELECT digest, json, question FROM input.identity;
        DELETE FROM temp.seen;
        DELETE FROM temp.fresh;
        INSERT INTO temp.seen
          SELECT r.id, g.id, r.seed, k.id FROM input.identity i CROSS JOIN gathered.identity g ON g.digest = i.digest
          CROSS JOIN input.run r ON r.identity_id = i.id
          LEFT JOIN gathered.run k ON k.identity_id = g.id AND k.seed = r.seed;
        """)
    let hasTwins =
      try Bool.fetchOne(database, sql: "SELECT EXISTS (SELECT 1 FROM temp.seen WHERE known IS NOT NULL)") ?? false
    if hasTwins { try compareTwins(database, input) }
    try database.execute(
      sql: "INSERT INTO temp.fresh (old) SELECT old FROM temp.seen WHERE known IS NULL ORDER BY old")
    let last = try Int64.fetchOne(database, sql: "SELECT coalesce(max(id), 0) FROM gathered.run") ?? 0
    try database.execute(
      sql: """
        INSERT INTO gathered.run
          SELECT \(last) + f.number, s.identity_id, s.seed, \(sources.count - 1), \(Self.list(Self.runColumns, of: "r"))
          FROM temp.fresh f CROSS JOIN temp.seen s ON s.old = f.old CROSS JOIN input.run r ON r.id = f.old;
        INSERT INTO gathered.trajectory
          SELECT \(last) + f.number, p.step, \(Self.list(Self.pointColumns, of: "p"))
          FROM temp.fresh f CROSS JOIN input.trajectory p ON p.run_id = f.old;
        INSERT INTO gathered.trace
          SELECT \(last) + f.number, p.epoch, p.json
          FROM temp.fresh f CROSS JOIN input.trace p ON p.run_id = f.old;
        """)
  }

  /// Compares the runs that are gathered already with those of an input. Those that the input has better are removed,
  /// so that they are taken from it.
  private func compareTwins(_ database: Database, _ input: String) throws {
    let compared = Self.runColumns.filter { $0 != "overhead_seconds" }
    let points = Self.pointColumns
    let differing = try Row.fetchAll(
      database,
      sql: """
        SELECT old, known, a.failure, b.failure, seen.identity_id, seen.seed, b.source
        FROM temp.seen CROSS JOIN input.run a ON a.id = old CROSS JOIN gathered.run b ON b.id = known
        WHERE (\(Self.list(compared, of: "a"))) IS NOT (\(Self.list(compared, of: "b")))
        OR (SELECT count(*) FROM input.trajectory WHERE run_id = old)
          <> (SELECT count(*) FROM gathered.trajectory WHERE run_id = known)
        OR EXISTS (
          SELECT 1 FROM input.trajectory s LEFT JOIN gathered.trajectory t ON t.run_id = known AND t.step = s.step
          WHERE s.run_id = old AND (\(Self.list(points, of: "s"))) IS NOT (\(Self.list(points, of: "t"))))
        OR (SELECT count(*) FROM input.trace WHERE run_id = old)
          <> (SELECT count(*) FROM gathered.trace WHERE run_id = known)
        OR EXISTS (
          SELECT 1 FROM input.trace s LEFT JOIN gathered.trace t ON t.run_id = known AND t.epoch = s.epoch
          WHERE s.run_id = old AND s.json IS NOT t.json)
        """)
    var (better, worse): ([(old: Int64, known: Int64)], [Int64]) = ([], [])
    for row in differing {
      let (old, known): (Int64, Int64) = (row[0], row[1])
      switch (row.hasNull(atIndex: 2), row.hasNull(atIndex: 3)) {
      case (true, true):
        let source = Int.fromDatabaseValue(row[6]).flatMap { sources.indices.contains($0) ? sources[$0] : nil }
        throw RunStoreError.contradiction(
          source ?? input, input, label: try label(row[4], database),
          seed: String.fromDatabaseValue(row[5]) ?? "unknown")
      case (true, false): better.append((old, known))
      case (false, true): worse.append(old)
      case (false, false):
        if try text(of: old, "input", database) < text(of: known, "gathered", database) {
          better.append((old, known))
        } else {
          worse.append(old)
        }
      }
    }
    for old in worse { try database.execute(sql: "DELETE FROM temp.seen WHERE old = ?", arguments: [old]) }
    for (old, known) in better {
      try database.execute(
        sql: """
          DELETE FROM gathered.trajectory WHERE run_id = ?; DELETE FROM gathered.trace WHERE run_id = ?;
          DELETE FROM gathered.run WHERE id = ?; UPDATE temp.seen SET known = NULL WHERE old = ?
          """, arguments: [known, known, known, old])
    }
    try database.execute(
      sql: """
        UPDATE gathered.run SET overhead_seconds = min(gathered.run.overhead_seconds, a.overhead_seconds)
        FROM temp.seen CROSS JOIN input.run a ON a.id = seen.old WHERE gathered.run.id = seen.known
        """)
  }

  /// All of a failed run but its overhead, as text that is the same in every store.
  private func text(of run: Int64, _ schema: String, _ database: Database) throws -> String {
    func quoted(_ columns: [String]) -> String { columns.map { "quote(\($0))" }.joined(separator: " || ',' || ") }
    let columns = ["failure"] + Self.runColumns.filter { $0 != "overhead_seconds" && $0 != "failure" }
    let parts = [
      "SELECT \(quoted(columns)) FROM \(schema).run WHERE id = ?",
      "SELECT \(quoted(["step"] + Self.pointColumns)) FROM \(schema).trajectory WHERE run_id = ? ORDER BY step",
      "SELECT \(quoted(["epoch", "json"])) FROM \(schema).trace WHERE run_id = ? ORDER BY epoch",
    ]
    return try parts.map { try String.fetchAll(database, sql: $0, arguments: [run]).joined(separator: ";") }
      .joined(separator: "\n")
  }

  // MARK: The output

  /// Writes the gathered runs by identity and seed, and gives the file its name.
  ///
  /// - Returns: The number of runs.
  func finish() throws(RunStoreError) -> Int {
    try RunStore.reported(output, writes: true) {
      let count = try queue.writeWithoutTransaction { database in
        try database.inTransaction {
          for (_, (stored, _)) in experiments.sorted(by: { $0.key < $1.key }) {
            try database.execute(
              sql: "INSERT INTO main.experiment (name, json, table_checksum, identities) VALUES (?, ?, ?, ?)",
              arguments: StatementArguments(stored.columns))
          }
          try database.execute(
            sql: """
              INSERT INTO main.identity (digest, json, question)
                SELECT digest, json, question FROM gathered.identity ORDER BY digest;
              INSERT INTO temp.sorted (old, identity_id)
                SELECT r.id, i.id FROM gathered.run r JOIN gathered.identity g ON g.id = r.identity_id
                JOIN main.identity i ON i.digest = g.digest ORDER BY i.id, length(r.seed), r.seed;
              INSERT INTO main.run (id, identity_id, seed, \(Self.list(Self.runColumns)))
                SELECT k.number, k.identity_id, r.seed, \(Self.list(Self.runColumns, of: "r"))
                FROM temp.sorted k CROSS JOIN gathered.run r ON r.id = k.old;
              INSERT INTO main.trajectory (run_id, step, \(Self.list(Self.pointColumns)))
                SELECT k.number, p.step, \(Self.list(Self.pointColumns, of: "p"))
                FROM temp.sorted k CROSS JOIN gathered.trajectory p ON p.run_id = k.old;
              INSERT INTO main.trace (run_id, epoch, json)
                SELECT k.number, p.epoch, p.json
                FROM temp.sorted k CROSS JOIN gathered.trace p ON p.run_id = k.old;
              """)
          return .commit
        }
        return try Int.fetchOne(database, sql: "SELECT count(*) FROM main.run") ?? 0
      }
      try queue.close()
      guard fsync(lock) == 0, rename(unfinished, output) == 0 else {
        throw RunStoreError.problem(of: output, code: errno)
      }
      return count
    }
  }
}

extension RunStore.Stored {
  /// An experiment with the seeds of both, in ascending order where they differ; `nil` if anything else differs.
  fileprivate func united(with other: Self) throws -> Self? {
    if columns == other.columns { return self }
    let (own, others) = (try experiment(), try other.experiment())
    guard tableChecksum == other.tableChecksum, try identities() == other.identities(),
      own.methods.count == others.methods.count
    else { return nil }
    func union(_ first: [UInt64], _ second: [UInt64]) -> [UInt64] {
      first == second ? first : Set(first).union(second).sorted()
    }
    var (whole, twin) = (own, others)
    whole.seeds = union(own.seeds, others.seeds)
    twin.seeds = whole.seeds
    for index in whole.methods.indices {
      guard let first = own.methods[index].seeds, let second = others.methods[index].seeds else { continue }
      whole.methods[index].seeds = union(first, second)
      twin.methods[index].seeds = whole.methods[index].seeds
    }
    guard whole == twin else { return nil }
    var united = self
    united.json = try canonicalJSON(whole)
    return united
  }
}
