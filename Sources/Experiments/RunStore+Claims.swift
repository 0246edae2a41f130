import Foundation
import GRDB
import Synchronization

// Several processes share the runs of a store: each claims runs in the store before it begins them.
//
// An `owner` is a runner of a process, a `claim` one of its runs that is not stored yet. Claims go with their owner,
// and an owner that is dead is removed by whoever comes across it. SQLite makes every claim exclusive. So all of this
// works as far as SQLite does: on local disks, also from several containers, not on disks that machines share.

/// The right of one runner to make runs of a store.
final class Claims: Sendable {
  private let store: RunStore
  private let process: Owner
  /// The row of this runner in the table of owners.
  private let id: Int64
  private let isEnded = Atomic(false)

  /// A run, by the digest of its identity and its seed.
  struct Key: Hashable, Sendable {
    let digest: String
    let seed: UInt64
    /// Whether a run that is stored as failed counts as stored.
    var countsFailed = true
  }

  /// What becomes of a run that is asked for.
  enum Answer { case claimed, free, stored, taken }

  /// The seconds between two signs of life, and those after which an owner whose process cannot be seen from here (one
  /// in another container, say) counts as dead.
  static let renewal = 30.0, lease = 300.0

  init(_ store: RunStore) throws {
    let process = Owner.current(at: store.path)
    self.store = store
    self.process = process
    id = try store.withQueue { queue in
      try queue.write { database in
        try Self.removeDead(database, process)
        try database.execute(
          sql: "INSERT INTO owner (host, boot, pid, started, file, renewed) VALUES (?, ?, ?, ?, ?, ?)",
          arguments: process.arguments)
        return database.lastInsertedRowID
      }
    }
    renewLater()
  }

  /// Releases all claims. What cannot be released is released by others, when this process has ended.
  func end() {
    isEnded.store(true, ordering: .relaxed)
    try? store.withQueue { queue in
      try queue.write { try $0.execute(sql: "DELETE FROM owner WHERE id = ?", arguments: [id]) }
    }
  }

  /// Gives signs of life from time to time.
  private func renewLater() {
    DispatchQueue.global(qos: .utility).asyncAfter(deadline: .now() + Self.renewal) { [weak self] in
      guard let self, !isEnded.load(ordering: .relaxed) else { return }
      // One that cannot be written now is written half a minute later.
      try? store.withQueue { queue in
        try queue.write {
          try $0.execute(
            sql: "UPDATE owner SET renewed = ? WHERE id = ?", arguments: [Date().timeIntervalSince1970, self.id])
        }
      }
      renewLater()
    }
  }

  /// Gives a sign of life; an owner that others took for dead comes back.
  private func renew(_ database: Database) throws {
    try database.cachedStatement(
      sql: """
        INSERT INTO owner (host, boot, pid, started, file, renewed, id) VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET renewed = excluded.renewed
        """
    ).execute(arguments: process.arguments + [id])
  }

  /// Claims the first of some runs that are neither stored nor claimed.
  ///
  /// - Parameter limit: The greatest number of runs that are claimed; others may be free.
  /// - Returns: An answer for each run.
  func take(_ runs: [Key], limit: Int) throws -> [Answer] {
    try store.withQueue { queue in
      try queue.write { database in
        try renew(database)
        let stored = try database.cachedStatement(
          sql: """
            SELECT run.failure IS NOT NULL FROM run JOIN identity ON identity.id = run.identity_id
            WHERE identity.digest = ? AND run.seed = ?
            """)
        let held = try database.cachedStatement(sql: "SELECT 1 FROM claim WHERE digest = ? AND seed = ?")
        let insertion = try database.cachedStatement(sql: "INSERT INTO claim (digest, seed, owner_id) VALUES (?, ?, ?)")
        var left = limit
        return try runs.map { run in
          let seed = String(run.seed)
          if let failed = try Bool.fetchOne(stored, arguments: [run.digest, seed]), !failed || run.countsFailed {
            return .stored
          }
          // Perhaps by this runner, for a method of the same settings under another label.
          if try Bool.fetchOne(held, arguments: [run.digest, seed]) != nil { return .taken }
          guard left > 0 else { return .free }
          left -= 1
          try insertion.execute(arguments: [run.digest, seed, id])
          return .claimed
        }
      }
    }
  }

  /// Releases runs that are not made after all.
  func release(_ runs: [Key]) throws {
    if runs.isEmpty { return }
    try store.withQueue { queue in
      try queue.write { database in
        let deletion = try database.cachedStatement(
          sql: "DELETE FROM claim WHERE digest = ? AND seed = ? AND owner_id = ?")
        for run in runs { try deletion.execute(arguments: [run.digest, String(run.seed), id]) }
      }
    }
  }

  /// Removes the claims of dead processes, and names the others that have any: `process 17`, or `process 17 on node3`.
  func others() throws -> [String] {
    try store.withQueue { queue in
      try queue.write { database in
        try Self.removeDead(database, process)
        return try Row.fetchAll(
          database,
          sql: """
            SELECT host, boot, pid, started, file, renewed FROM owner
            WHERE id <> ? AND id IN (SELECT owner_id FROM claim) ORDER BY id
            """, arguments: [id]
        ).compactMap { Owner($0)?.name(seenFrom: process) }
      }
    }
  }

  /// Removes owners that are dead, with their claims.
  private static func removeDead(_ database: Database, _ process: Owner) throws {
    let rows = try Row.fetchAll(database, sql: "SELECT host, boot, pid, started, file, renewed, id FROM owner")
    for row in rows where Owner(row)?.isAlive(seenFrom: process) != true {
      try database.execute(sql: "DELETE FROM owner WHERE id = ?", arguments: [row[6] as DatabaseValue])
    }
  }
}

extension RunStore {
  /// Releases all claims of this process, which is about to end. What cannot be released is released by others.
  public func releaseClaims() {
    let process = Owner.current(at: path)
    try? withQueue { queue in
      try queue.write { database in
        try database.execute(
          sql: "DELETE FROM owner WHERE boot = ? AND pid = ? AND started = ?",
          arguments: [process.boot, process.pid, process.started])
      }
    }
  }
}

/// A process that makes runs of a store.
private struct Owner: Sendable {
  /// The machine's name.
  let host: String
  /// The machine's start and the space of process numbers, by the names that the system gives them.
  let boot: String
  let pid: Int32
  /// When the process began, in ticks of the system's clock: another process of the same number began later.
  let started: String
  /// The store's number in its file system: in a copy of a store, claims are void.
  let file: String
  /// The last sign of life, in seconds since 1970.
  var renewed: Double

  /// This process.
  static func current(at path: String) -> Self {
    var status = stat()
    let file = stat(path, &status) == 0 ? String(status.st_ino) : ""
    return Self(
      host: hostName, boot: boot, pid: getpid(), started: started(getpid()) ?? "", file: file,
      renewed: Date().timeIntervalSince1970)
  }

  private static let hostName: String = {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }()

  private static let boot: String = {
    let id = (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)) ?? ""
    let space = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")) ?? ""
    return id.trimmingCharacters(in: .whitespacesAndNewlines) + " " + space
  }()

  private init(host: String, boot: String, pid: Int32, started: String, file: String, renewed: Double) {
    (self.host, self.boot, self.pid, self.started) = (host, boot, pid, started)
    (self.file, self.renewed) = (file, renewed)
  }

  /// Reads a row; `nil` if nobody can have written it.
  init?(_ row: Row) {
    guard let host = String.fromDatabaseValue(row[0]), let boot = String.fromDatabaseValue(row[1]),
      let pid = Int32.fromDatabaseValue(row[2]), pid > 0, let started = String.fromDatabaseValue(row[3]),
      let file = String.fromDatabaseValue(row[4]), let renewed = Double.fromDatabaseValue(row[5])
    else { return nil }
    self.init(host: host, boot: boot, pid: pid, started: started, file: file, renewed: renewed)
  }

  /// The row, renewed now.
  var arguments: StatementArguments { [host, boot, pid, started, file, Date().timeIntervalSince1970] }

  /// Whether the process may still write to the store. One of the same machine is looked at; another one is believed
  /// for five minutes after each sign of life, unless this machine has started since and has its name.
  func isAlive(seenFrom process: Self) -> Bool {
    guard file == process.file else { return false }
    if boot == process.boot {
      if let now = Self.started(pid) { return now == started }
      // Its details may be hidden from this user.
      return kill(pid, 0) != 0 && errno == EPERM
    }
    let now = Date().timeIntervalSince1970
    if host == process.host, renewed < now - Self.uptime { return false }
    return abs(now - renewed) < Claims.lease
  }

  /// The seconds since the machine started.
  private static var uptime: Double {
    var time = timespec()
    return clock_gettime(CLOCK_BOOTTIME, &time) == 0 ? Double(time.tv_sec) : .infinity
  }

  func name(seenFrom process: Self) -> String { "process \(pid)" + (boot == process.boot ? "" : " on \(host)") }

  /// When a process began: field 22 of its `stat`, which proc(5) describes. `nil` for one that has ended, or that may
  /// not be looked at.
  private static func started(_ pid: Int32) -> String? {
    guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
      // The second field is the program's name in parentheses, which may itself have some.
      let end = text.lastIndex(of: ")")
    else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    // The third is the state: a zombie has ended.
    guard fields.count > 19, !["Z", "X", "x"].contains(fields[0]) else { return nil }
    return String(fields[19])
  }
}
