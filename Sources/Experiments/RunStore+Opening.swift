import Anytime
import Foundation
import GRDB
import GRDBSQLite
import SearchSpaces

// Opens a run store's file: for writing, after a check of what it is, or for reading, without a trace.

extension RunStore {
  /// The schema that this program writes: the file's `user_version`.
  static let schemaVersion = 3
  /// The file's `application_id`: "AnyT".
  private static let applicationID: Int32 = 0x416e_7954

  /// The steps that bring earlier stores up to date. A step that was released never changes.
  private static func migrator(_ registry: Registry) -> DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1: experiments, identities, runs") { database in
      // Version 0.1 made these without a migrator.
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
    migrator.registerMigration("2: failed runs, runs inside runs, identities with revision and numerics") { database in
      try database.execute(
        sql: """
          ALTER TABLE run ADD COLUMN failure TEXT;
          ALTER TABLE run ADD COLUMN children TEXT;
          ALTER TABLE identity ADD COLUMN question TEXT;
          ALTER TABLE experiment ADD COLUMN identities TEXT;
          CREATE INDEX identity_question ON identity (question);
          """)
      try migrateIdentities(database, registry)
      try database.execute(sql: "PRAGMA application_id = \(applicationID); PRAGMA user_version = 2")
    }
    migrator.registerMigration("3: claims") { database in
      // Numbers are not used again: an owner that others took for dead may come back.
      try database.execute(
        sql: """
          CREATE TABLE owner (
            id INTEGER PRIMARY KEY AUTOINCREMENT, host TEXT NOT NULL, boot TEXT NOT NULL, pid INTEGER NOT NULL,
            started TEXT NOT NULL, file TEXT NOT NULL, renewed REAL NOT NULL);
          CREATE TABLE claim (
            digest TEXT NOT NULL, seed TEXT NOT NULL, owner_id INTEGER NOT NULL REFERENCES owner(id) ON DELETE CASCADE,
            PRIMARY KEY (digest, seed)) WITHOUT ROWID;
          PRAGMA user_version = 3;
          """)
    }
    return migrator
  }

  /// Brings a store up to date, or makes its tables.
  static func migrate(_ queue: DatabaseQueue, _ registry: Registry) throws { try migrator(registry).migrate(queue) }

  /// Version 0.1 stored all settings, defaults too, and the policy with its name. What it did not store (images and
  /// library) stays unknown, so that runs of supernets count as another program's.
  private static func migrateIdentities(_ database: Database, _ registry: Registry) throws {
    struct Old: Decodable {
      var method: String
      var settings: Settings
      var space, tableChecksum: String
      var horizon: Double
      var policy: BudgetPolicy
    }
    func migrated(_ settings: Settings, _ method: String) -> Settings {
      guard let type = registry.methods.first(where: { $0.method.name == method }) else { return settings }
      return settings.migrated(to: type.method)
    }
    for row in try Row.fetchAll(database, sql: "SELECT id, json FROM identity") {
      guard let id = Int64.fromDatabaseValue(row[0]), let text = String.fromDatabaseValue(row[1]),
        // One that cannot be read belongs to no experiment that can.
        let old = try? JSONDecoder().decode(Old.self, from: Data(text.utf8))
      else { continue }
      let identity = RunIdentity(
        method: old.method, revision: 1, settings: migrated(old.settings, old.method), space: old.space,
        tableChecksum: old.tableChecksum, horizon: old.horizon, policy: old.policy)
      let digest = identity.digest
      if let other = try Int64.fetchOne(
        database, sql: "SELECT id FROM identity WHERE digest = ? AND id != ?", arguments: [digest, id])
      {
        // The same runs under two names of one policy.
        try database.execute(
          sql: """
            UPDATE OR IGNORE run SET identity_id = ? WHERE identity_id = ?; DELETE FROM run WHERE identity_id = ?;
            DELETE FROM identity WHERE id = ?
            """, arguments: [other, id, id, id])
      } else {
        try database.execute(
          sql: "UPDATE identity SET digest = ?, json = ?, question = ? WHERE id = ?",
          arguments: [digest, try canonicalJSON(identity), identity.question, id])
      }
    }
    // While a migration lasts, what belongs to a run does not go with it.
    for table in ["trajectory", "trace"] {
      try database.execute(sql: "DELETE FROM \(table) WHERE run_id NOT IN (SELECT id FROM run)")
    }
    for row in try Row.fetchAll(database, sql: "SELECT name, json, table_checksum FROM experiment") {
      guard let name = String.fromDatabaseValue(row[0]), let text = String.fromDatabaseValue(row[1]),
        let checksum = String.fromDatabaseValue(row[2]),
        var experiment = try? JSONDecoder().decode(Experiment.self, from: Data(text.utf8))
      else { continue }
      for index in experiment.methods.indices {
        experiment.methods[index].settings = migrated(
          experiment.methods[index].settings, experiment.methods[index].method)
      }
      // A method that is not known here is complained of when the experiment is read.
      let identities = (try? experiment.identities(tableChecksum: checksum, registry: registry)) ?? [:]
      try database.execute(
        sql: "UPDATE experiment SET json = ?, identities = ? WHERE name = ?",
        arguments: [try canonicalJSON(experiment), try canonicalJSON(identities), name])
    }
  }

  /// Opens a file for writing; creates it if it does not exist.
  static func openToWrite(_ path: String, _ registry: Registry) throws(RunStoreError) -> DatabaseQueue {
    // Of programs that open a new or an old store at the same time, one makes its tables.
    let folder = lockFolder(of: path)
    defer { if folder >= 0 { close(folder) } }
    // A database that is not ours is left alone, so look before writing. What only others know is in the file's head.
    if let head = try Head(path), head.applicationID != applicationID {
      _ = try openToRead(path, registry)
    }
    return try reported(path, writes: true) {
      var configuration = Configuration()
      // Several programs may add runs, each of them now and then for some milliseconds.
      configuration.busyMode = .timeout(60)
      let queue = try DatabaseQueue(path: path, configuration: configuration)
      try queue.inDatabase { database in
        // With a write-ahead log a transaction needs no wait for the disk, and a crash loses whole
        // transactions only.
        try database.execute(sql: "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
      }
      try check(queue, path)
      try migrate(queue, registry)
      return queue
    }
  }

  /// Locks a file's folder until the descriptor is closed. After a minute, and on file systems without such locks, it
  /// goes without.
  private static func lockFolder(of path: String) -> CInt {
    let folder = URL(filePath: path).deletingLastPathComponent().path
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    for _ in 0..<6_000 where descriptor >= 0 {
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK { break }
      usleep(10_000)
    }
    return descriptor
  }

  /// Reads a file into memory and brings it up to date there. The file, its folder and other programs that write to it
  /// are not affected.
  static func openToRead(_ path: String, _ registry: Registry) throws(RunStoreError) -> DatabaseQueue {
    guard try Head(path) != nil else {
      throw FileManager.default.fileExists(atPath: path) ? .notAStore(path) : .missing(path)
    }
    return try reported(path, writes: false) {
      let queue = try copyInMemory(path)
      let tables = try queue.read { try $0.tableExists("experiment") && $0.tableExists("run") }
      guard tables else { throw RunStoreError.notAStore(path) }
      try check(queue, path)
      try migrate(queue, registry)
      return queue
    }
  }

  private static func check(_ queue: DatabaseQueue, _ path: String) throws {
    let version = try queue.read { try Int.fetchOne($0, sql: "PRAGMA user_version") ?? 0 }
    guard version <= schemaVersion else { throw RunStoreError.newer(path, version: version) }
  }

  /// The first bytes of an SQLite file.
  struct Head {
    let applicationID, version: Int32

    /// `nil` for a file that is missing or empty.
    init?(_ path: String) throws(RunStoreError) {
      var status = stat()
      guard stat(path, &status) == 0 else {
        guard errno == ENOENT else { throw RunStoreError.problem(of: path, code: errno) }
        return nil
      }
      guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile(path) }
      guard let file = fopen(path, "rb") else { throw RunStoreError.problem(of: path, code: errno) }
      defer { fclose(file) }
      var bytes = [UInt8](repeating: 0, count: 100)
      let count = fread(&bytes, 1, bytes.count, file)
      if count == 0 { return nil }
      guard count == bytes.count, bytes.starts(with: "SQLite format 3\0".utf8) else { throw .notAStore(path) }
      func number(_ offset: Int) -> Int32 {
        Int32(bitPattern: bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) })
      }
      (version, applicationID) = (number(60), number(68))
    }
  }

  /// Whether a file is a store of this program's schema, without a log.
  static func isCurrent(_ path: String) throws(RunStoreError) -> Bool {
    guard let head = try Head(path) else { return false }
    return head.applicationID == applicationID && Int(head.version) == schemaVersion
      && !FileManager.default.fileExists(atPath: path + "-wal")
  }

  /// A file's size and time of change, and whether it has a log.
  static func fileState(_ path: String) -> [Int] {
    var status = stat()
    guard stat(path, &status) == 0 else { return [] }
    let hasLog = FileManager.default.fileExists(atPath: path + "-wal")
    return [Int(status.st_size), status.st_mtim.tv_sec, status.st_mtim.tv_nsec, hasLog ? 1 : 0]
  }

  /// Reads the database as it is now, including the changes in a writer's log.
  private static func copyInMemory(_ path: String) throws -> DatabaseQueue {
    func content(_ path: String) throws -> Data {
      do { return try Data(contentsOf: URL(filePath: path)) } catch {
        throw RunStoreError.problem(of: path, code: errno)
      }
    }
    let log = path + "-wal"
    for _ in 0..<50 {
      let before = fileState(path)
      let data = try content(path)
      let logged = FileManager.default.fileExists(atPath: log) ? try content(log) : Data()
      // A writer that moves its log into the file in between would leave us half of each.
      guard fileState(path) == before else {
        usleep(20_000)
        continue
      }
      return logged.isEmpty ? try queue(of: data) : try queue(of: data, log: logged)
    }
    throw RunStoreError.locked(path)
  }

  private static func queue(of data: Data) throws -> DatabaseQueue {
    let queue = try DatabaseQueue()
    try queue.inDatabase { database in
      guard let bytes = sqlite3_malloc64(UInt64(data.count)) else { throw DatabaseError(resultCode: .SQLITE_NOMEM) }
      let buffer = bytes.assumingMemoryBound(to: UInt8.self)
      data.copyBytes(to: buffer, count: data.count)
      // "This file has a write-ahead log" makes no sense in memory.
      if data.count > 19 { (buffer[18], buffer[19]) = (1, 1) }
      let code = sqlite3_deserialize(
        database.sqliteConnection, "main", buffer, Int64(data.count), Int64(data.count),
        UInt32(SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE))
      guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
    }
    return queue
  }

  /// SQLite alone knows how to apply a log, and does so beside the file: beside a copy of it, then.
  private static func queue(of data: Data, log: Data) throws -> DatabaseQueue {
    let folder = FileManager.default.temporaryDirectory.appending(path: "anytime-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let copy = folder.appending(path: "store.sqlite").path
    try data.write(to: URL(filePath: copy))
    try log.write(to: URL(filePath: copy + "-wal"))
    let queue = try DatabaseQueue()
    try DatabaseQueue(path: copy).backup(to: queue)
    return queue
  }

  /// Turns an error into one that says what to do.
  ///
  /// - Parameter writes: Whether writing may be tried, to find out why it fails.
  static func reported<Result>(
    _ path: String, writes: Bool, _ body: () throws -> Result
  ) throws(RunStoreError) -> Result {
    do { return try body() } catch let error as RunStoreError { throw error } catch {
      let database = error as? DatabaseError
      let reason = database?.message ?? "\(error)"
      switch database?.resultCode {
      case .some(.SQLITE_BUSY), .some(.SQLITE_LOCKED): throw .locked(path)
      case .some(.SQLITE_FULL): throw .full(path)
      case .some(.SQLITE_READONLY), .some(.SQLITE_PERM), .some(.SQLITE_AUTH): throw .notWritable(path)
      case .some(.SQLITE_NOTADB): throw .notAStore(path)
      case .some(.SQLITE_CORRUPT): throw .damaged(path, reason: reason)
      case .some(.SQLITE_ERROR): throw .otherSchema(path, reason: reason)
      case .some(.SQLITE_CANTOPEN), .some(.SQLITE_IOERR):
        let code = writes ? probe(path) : 0
        throw code == 0 ? .unusable(path, reason: reason) : RunStoreError.problem(of: path, code: code)
      default: throw .unusable(path, reason: reason)
      }
    }
  }

  /// The error number that explains why nothing can be written beside a file, which SQLite does not tell.
  private static func probe(_ path: String) -> Int32 {
    let isThere = access(path, F_OK) == 0
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { return errno }
    close(descriptor)
    if !isThere { unlink(path) }
    var space = statvfs()
    if statvfs(path, &space) == 0, space.f_bavail == 0 { return ENOSPC }
    let folder = URL(filePath: path).deletingLastPathComponent().path
    return access(folder, W_OK) == 0 ? 0 : errno
  }
}

/// The reason why a run store cannot be used.
public enum RunStoreError: Error, Hashable, Sendable, CustomStringConvertible {
  /// There is no file, and none is to be made.
  case missing(String)
  /// The folder of the file does not exist.
  case noFolder(String)
  /// The path names a folder or a device.
  case notAFile(String)
  /// A file is no SQLite database, or one of another program.
  case notAStore(String)
  /// A newer version of the program has written the store, with this schema.
  case newer(String, version: Int)
  /// Another program holds the store.
  case locked(String)
  /// The disk or the user's share of it is full.
  case full(String)
  /// The file may not be read.
  case notReadable(String)
  /// The file or its folder may not be written to.
  case notWritable(String)
  /// The system allows no file name of that length.
  case nameTooLong(String)
  /// A database of this program's schema lacks tables or columns of it.
  case otherSchema(String, reason: String)
  /// The store has another experiment of the same name.
  case otherExperiment(String, name: String)
  /// Two stores have results of one run that differ.
  case contradiction(String, String, label: String, seed: String)
  /// Two stores have experiments of one name that differ in more than their seeds.
  case otherExperiments(String, String, name: String)
  /// Stores have experiments of several names.
  case severalExperiments([String])
  /// SQLite finds the file damaged.
  case damaged(String, reason: String)
  /// Any other problem, as SQLite or the system says it.
  case unusable(String, reason: String)

  /// The error for an error number of the system.
  static func problem(of path: String, code: Int32) -> Self {
    switch code {
    case ENOENT: .noFolder(path)
    case ENOTDIR: .noFolder(path)
    case EISDIR: .notAFile(path)
    case ENAMETOOLONG: .nameTooLong(path)
    case ENOSPC, EDQUOT: .full(path)
    case EROFS: .notWritable(path)
    case EACCES, EPERM: FileManager.default.isReadableFile(atPath: path) ? .notWritable(path) : .notReadable(path)
    default: .unusable(path, reason: String(cString: strerror(code)))
    }
  }

  public var description: String { sentence.inOneLine }

  private var sentence: String {
    switch self {
    case .missing(let path): "there is no run store \(path); make it with 'anytime run'"
    case .noFolder(let path): "the run store \(path) cannot be made: its folder is not there; make the folder"
    case .notAFile(let path): "the run store \(path) is no file; name the file that 'anytime run' made"
    case .notAStore(let path): "\(path) is no run store; name one that 'anytime run' made"
    case .newer(let path, let version):
      "the run store \(path) was written by a newer program (schema \(version), and this one knows up to "
        + "\(RunStore.schemaVersion)); use that program"
    case .locked(let path):
      "another program holds the run store \(path); close it and start again, what is done is kept"
    case .full(let path):
      "there is no space left for the run store \(path); make room and start again, what is done is kept"
    case .notReadable(let path): "the run store \(path) may not be read; check its permissions and its folder's"
    case .notWritable(let path):
      "the run store \(path) may not be written to; check its permissions and its folder's, "
        + "or name another with --store"
    case .nameTooLong(let path): "the name of the run store \(path) is too long; name a shorter one with --store"
    case .otherSchema(let path, let reason):
      "the run store \(path) has not the tables that this program writes (\(reason)); use the program that made it"
    case .otherExperiment(let path, let name):
      "the run store \(path) has an experiment '\(name)' with another space, table, budget or policy; give this one "
        + "another name or another store"
    case .contradiction(let first, let second, let label, let seed):
      "the run stores \(first) and \(second) contradict each other: their results of '\(label)' with seed \(seed) "
        + "differ; one of them is damaged or was made by a changed program, so leave it out and make its runs again"
    case .otherExperiments(let first, let second, let name):
      "the run stores \(first) and \(second) have experiments '\(name)' that differ in more than seeds; merge stores "
        + "of one experiment file, table and library"
    case .severalExperiments(let names):
      "the run stores are of several experiments (\(names.joined(separator: ", "))); merge those of one, or put them "
        + "side by side with --several"
    case .damaged(let path, let reason):
      "the run store \(path) is damaged (\(reason)); move it away and run the experiment again"
    case .unusable(let path, let reason): "the run store \(path) cannot be used: \(reason)"
    }
  }
}
