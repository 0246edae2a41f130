import Anytime
import Foundation
import SearchSpaces
import Synchronization

/// A child process that is talked to by lines.
///
/// It is made by `posix_spawn`: runs are made by threads that ask and wait, thousands of times a second, and
/// swift-subprocess needs the few threads that all tasks share, of which such a run may be holding the last one.
///
/// A process has a group of its own, with all that it starts. The group ends with ``end(within:)``, which has to be
/// called, and with this program, unless that is killed: standard input then ends.
struct Guest: Sendable {
  /// A line that is longer is none.
  private static let longestLine = 1 << 20
  /// What may wait to be answered while the guest does not read answers, in bytes.
  private static let mostUnread = 4 << 20
  /// What is kept of standard error.
  private static let (mostErrors, mostErrorLines) = (4 << 10, 20)

  let command: Command
  let pid: pid_t
  /// Whether it waits for another run after one.
  var makesMany = false
  /// What a solver of kurobako says of itself.
  var specification: JSON?
  /// The number of runs that it has made.
  var runs = 0
  private var input, output, errors: Int32
  /// What was read and not asked for, from an index on.
  private var unread: [UInt8] = []
  private var start = 0
  /// Where no line break was found before.
  private var searched = 0
  private var errorTail: [UInt8] = []
  private var isClosed = false
  private var end: End?

  // MARK: Beginning

  /// The process groups that have not ended, and whether all are being ended.
  private struct Groups {
    var ids: Set<pid_t> = []
    var areEnding = false
  }
  private static let groups = Mutex(Groups())

  /// What has to be done once.
  private static let preparation: Void = {
    // A guest that has gone away makes a write fail, which is noticed.
    var action = sigaction()
    if sigaction(SIGPIPE, nil, &action) == 0,
      unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_DFL, to: Int.self)
    {
      signal(SIGPIPE, SIG_IGN)
    }
    atexit { Guest.endAll() }
  }()

  /// Closes, in the guest, what this program has open from a number on: a guest lives long, and a file that it has open
  /// for writing cannot be run, nor a pipe come to its end. The C library has it from glibc 2.34 on.
  private static let closeOthers = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np").map {
    unsafeBitCast($0, to: (@convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, CInt) -> CInt).self)
  }

  /// Starts a program.
  ///
  /// - Throws: ``SettingError`` if it cannot be started.
  init(_ command: Command) throws(SettingError) {
    _ = Self.preparation
    self.command = command
    var words = command.words
    // `posix_spawn` knows no folder that all systems agree on; a shell goes there and becomes the program.
    if let folder = command.folder { words = ["/bin/sh", "-c", "cd -- \"$0\" && exec \"$@\"", folder.path] + words }

    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    // Signals that this program ignores or blocks have their usual effect there.
    var (none, usual) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    sigfillset(&usual)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &usual)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))

    var arguments = words.map { strdup($0) } + [nil]
    // Equal seeds give equal runs only where Python's sets and hashes have one order.
    var surroundings = ProcessInfo.processInfo.environment
    surroundings["PYTHONHASHSEED"] = surroundings["PYTHONHASHSEED"] ?? "0"
    var environment = surroundings.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { (arguments + environment).forEach { free($0) } }
    // One at a time, lest another guest inherits an end of a pipe before that is marked.
    Self.stopIfEnding()
    let started = Self.groups.withLock { groups -> Result<(pid_t, [Int32]), SystemError> in
      var pipes: [Int32] = []
      for _ in 0..<3 {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else {
          let code = errno
          pipes.forEach { close($0) }
          return .failure(SystemError(code: code))
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        pipes += ends
      }
      let theirs = [pipes[0], pipes[3], pipes[5]]
      let ours = [pipes[1], pipes[2], pipes[4]]
      for (number, end) in theirs.enumerated() { posix_spawn_file_actions_adddup2(&actions, end, Int32(number)) }
      _ = Self.closeOthers?(&actions, 3)
      var pid: pid_t = 0
      let code = posix_spawnp(&pid, words[0], &actions, &attributes, &arguments, &environment)
      theirs.forEach { close($0) }
      guard code == 0 else {
        ours.forEach { close($0) }
        return .failure(SystemError(code: code))
      }
      groups.ids.insert(pid)
      return .success((pid, ours))
    }
    switch started {
    case .failure(let error):
      throw SettingError("the command '\(command.text)' cannot be started: \(String(cString: strerror(error.code)))")
    case .success((let pid, let ours)):
      self.pid = pid
      (input, output, errors) = (ours[0], ours[1], ours[2])
    }
    for end in [input, output, errors] { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
  }

  // MARK: Lines

  /// Why there is no line.
  enum Trouble: Error, Equatable {
    /// Nothing was heard in time.
    case silent
    /// A line that is too long, and how it begins.
    case longLine([UInt8])
    /// It asks and asks without reading an answer.
    case flood
  }

  /// Writes a line. Questions that come meanwhile are kept.
  ///
  /// - Parameter seconds: How long it may be until the line is taken.
  /// - Returns: Whether anybody will read it.
  /// - Throws: ``Trouble``.
  mutating func send(_ line: [UInt8], within seconds: Double) throws(Trouble) -> Bool {
    let deadline = Self.now + seconds
    var rest = (line + [UInt8(ascii: "\n")])[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(input, $0.baseAddress, $0.count) }
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if errno == EAGAIN {
        guard unread.count - start <= Self.mostUnread else { throw .flood }
        guard Self.now < deadline else { throw .silent }
        wait(until: deadline, toWrite: true)
        if isClosed { return false }
      } else if errno != EINTR {
        return false
      }
    }
    return true
  }

  /// The next line, without its end.
  ///
  /// - Parameter seconds: How long it may be until all of the line is there.
  /// - Returns: `nil` if there are no more lines. What is written last needs no end.
  /// - Throws: ``Trouble``.
  mutating func line(within seconds: Double) throws(Trouble) -> [UInt8]? {
    let deadline = Self.now + seconds
    var isLate = false
    while true {
      if let end = unread[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        defer { drop(to: end + 1) }
        guard end - start <= Self.longestLine else { throw .longLine(Array(unread[start..<start + 1_000])) }
        return Array(unread[start..<end])
      }
      searched = unread.count
      guard searched - start <= Self.longestLine else { throw .longLine(Array(unread[start..<start + 1_000])) }
      if isClosed {
        defer { drop(to: unread.count) }
        return start < unread.count ? Array(unread[start...]) : nil
      }
      // What was written while this program was stopped counts.
      if isLate { throw .silent }
      isLate = Self.now >= deadline
      wait(until: deadline)
    }
  }

  /// Whether there is something that was written unasked.
  mutating func hasUnread() -> Bool {
    wait(until: 0)
    return isClosed || start < unread.count
  }

  private mutating func drop(to index: Int) {
    (start, searched) = (index, index)
    if start == unread.count || start > 1 << 16 {
      unread.removeFirst(start)
      (start, searched) = (0, 0)
    }
  }

  /// Waits for something to read, which is then read, or for room to write, or for the process' end.
  private mutating func wait(until deadline: Double, toWrite: Bool = false) {
    let isFull = unread.count - start > Self.mostUnread
    var places = [
      pollfd(fd: isFull ? -1 : output, events: Int16(POLLIN), revents: 0),
      pollfd(fd: errors, events: Int16(POLLIN), revents: 0),
      pollfd(fd: toWrite ? input : -1, events: Int16(POLLOUT), revents: 0),
    ]
    // Not longer at a time: a process may have ended although one that it started holds its end of the pipe.
    let milliseconds = max(0, min(100, (deadline - Self.now) * 1_000)).rounded(.up)
    let count = poll(&places, nfds_t(places.count), Int32(milliseconds))
    if count == 0, hasExited {
      let before = unread.count
      isClosed = !Self.read(output, into: &unread) || unread.count == before
    }
    guard count > 0 else { return }
    if places[1].revents != 0, !Self.read(errors, into: &errorTail) {
      close(errors)
      errors = -1
    }
    if errorTail.count > 4 * Self.mostErrors { errorTail.removeFirst(errorTail.count - Self.mostErrors) }
    if places[0].revents != 0, !Self.read(output, into: &unread) { isClosed = true }
  }

  /// Reads what there is, at most a piece of it.
  ///
  /// - Returns: Whether there can be more.
  private static func read(_ descriptor: Int32, into bytes: inout [UInt8]) -> Bool {
    withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 1) { buffer in
      let count = Foundation.read(descriptor, buffer.baseAddress, buffer.count)
      if count > 0 { bytes += buffer.prefix(count) }
      return count > 0 || count < 0 && (errno == EAGAIN || errno == EINTR)
    }
  }

  private static var now: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  // MARK: The end

  /// Whether the process has ended, which it has to be asked for once more.
  private var hasExited: Bool { Self.hasExited(pid) }

  private static func hasExited(_ pid: pid_t) -> Bool {
    var information = siginfo_t()
    return waitid(P_PID, id_t(pid), &information, WEXITED | WNOHANG | WNOWAIT) != 0 || information.si_signo != 0
  }

  /// How a process ended.
  enum End: Hashable, Sendable {
    case exited(Int32)
    case signalled(Int32)
    /// It had to be told.
    case ended
  }

  /// Ends the process and all that it has started: by the end of its standard input, then by SIGTERM, then by SIGKILL.
  /// One that has ended stays so.
  ///
  /// - Parameter seconds: How long it may be until it has ended by itself.
  @discardableResult
  mutating func end(within seconds: Double) -> End {
    if let end { return end }
    closeInput()
    let endsItself = exits(within: seconds)
    if !endsItself {
      kill(-pid, SIGTERM)
      _ = exits(within: 1)
    }
    // Whatever is left of the group. Its number is nobody else's before the process is waited for.
    kill(-pid, SIGKILL)
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    Self.groups.withLock { _ = $0.ids.remove(pid) }
    if errors >= 0 { while Self.read(errors, into: &errorTail), hasMoreErrors {} }
    close(output)
    if errors >= 0 { close(errors) }
    let end: End =
      !endsItself ? .ended : status & 0x7f == 0 ? .exited(status >> 8 & 0xff) : .signalled(status & 0x7f)
    self.end = end
    return end
  }

  /// Tells it that nothing more comes.
  mutating func closeInput() {
    if input >= 0 { close(input) }
    input = -1
  }

  /// Whether more of standard error is there, from a process that has ended.
  private var hasMoreErrors: Bool {
    var place = pollfd(fd: errors, events: Int16(POLLIN), revents: 0)
    return poll(&place, 1, 0) > 0 && place.revents & Int16(POLLIN) != 0
  }

  private mutating func exits(within seconds: Double) -> Bool {
    let deadline = Self.now + seconds
    var pause: UInt32 = 200
    while !hasExited {
      guard Self.now < deadline else { return false }
      // Somebody who waits to be read does not end.
      (start, searched) = (0, 0)
      unread = []
      if !isClosed { wait(until: 0) }
      usleep(pause)
      pause = min(2 * pause, 20_000)
    }
    return true
  }

  /// Ends all processes, when the program does. No run goes on from here.
  static func endAll() {
    let ids = groups.withLock { groups in
      groups.areEnding = true
      return groups.ids
    }
    guard !ids.isEmpty else { return }
    for id in ids { kill(-id, SIGTERM) }
    let deadline = now + 0.5
    while now < deadline, !ids.allSatisfy(hasExited) { usleep(5_000) }
    for id in ids { kill(-id, SIGKILL) }
  }

  /// Stops this thread if the program is about to end: that a guest ends then is no failure of its own.
  static func stopIfEnding() {
    while groups.withLock({ $0.areEnding }) { sleep(1) }
  }

  /// The end of standard error, in one line; `nil` if nothing was written there.
  var lastErrors: String? {
    let lines = String(decoding: errorTail.suffix(Self.mostErrors), as: UTF8.self).split(whereSeparator: \.isNewline)
      .suffix(Self.mostErrorLines).map { $0.filter { !$0.isControl }.trimmingCharacters(in: .whitespaces) }
      .filter { !$0.isEmpty }
    return lines.isEmpty ? nil : lines.joined(separator: " / ")
  }
}

private struct SystemError: Error { let code: Int32 }

extension Character {
  fileprivate var isControl: Bool { unicodeScalars.contains { $0.properties.generalCategory == .control } }
}
