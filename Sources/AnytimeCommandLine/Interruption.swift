import External
import Foundation
import Synchronization

/// A handler of the signals that stop the program while it works: an interrupt (Ctrl-C), a terminal that hangs up, a
/// termination, and the two signals that a cluster announces the end of a job with.
///
/// Runs are stored whole when they end, and supernets keep checkpoints, so no run has to be saved: the program says how
/// to go on, cleans up and ends within two seconds. The exit status is 128 plus the signal's number: 130 for an
/// interrupt, 129 for a terminal that hangs up, 143 for a termination, 138 and 140 for the user's two signals.
final class Interruption: Sendable {
  private let sources: Mutex<[any DispatchSourceSignal]>
  /// Held from a signal to the end of the program.
  private let ending: NSLock

  /// Begins to handle signals.
  ///
  /// - Parameters:
  ///   - cleanUp: Does what should be done before the program ends; if that takes too long, it ends before.
  ///   - sentence: The sentence that says what is done and how to go on.
  init(cleanUp: @escaping @Sendable () -> Void = {}, _ sentence: @escaping @Sendable () -> String) {
    var sources: [any DispatchSourceSignal] = []
    let ending = NSLock()
    for number in [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2] {
      var action = sigaction()
      // A signal that `nohup` or the like has set to be ignored stays so.
      guard sigaction(number, nil, &action) == 0,
        unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) != unsafeBitCast(SIG_IGN, to: Int.self)
      else { continue }
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global(qos: .userInteractive))
      source.setEventHandler {
        // Whoever wants to end the handling waits for the end of the program: what it would do next may fail, as the
        // cleaning closes what it uses.
        ending.lock()
        Console.say((Console.isTerminal ? "\n" : "") + "anytime: " + sentence())
        endGuests()
        let isClean = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
          cleanUp()
          isClean.signal()
        }
        _ = isClean.wait(timeout: .now() + 1)
        _exit(128 + number)
      }
      source.resume()
      sources.append(source)
    }
    self.sources = Mutex(sources)
    self.ending = ending
  }

  /// Ends the handling: signals have their default effect again. Does not return if a signal has come.
  func end() {
    ending.lock()
    defer { ending.unlock() }
    sources.withLock { sources in
      for source in sources {
        source.cancel()
        signal(Int32(source.handle), SIG_DFL)
      }
      sources = []
    }
  }
}
