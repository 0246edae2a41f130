import External
import Foundation
import Synchronization

/// A handler of the signals that stop the program while an experiment runs.
///
/// Runs are stored whole when they end, and supernets keep checkpoints, so nothing has to be saved: the program says
/// how to go on and ends within a second. The exit status is 130 for an interrupt (Ctrl-C), 143 for a termination, 129
/// for a terminal that hangs up.
final class Interruption: Sendable {
  private let sources: Mutex<[any DispatchSourceSignal]>

  /// Begins to handle signals.
  ///
  /// - Parameter sentence: The sentence that says what is done and how to go on.
  init(_ sentence: @escaping @Sendable () -> String) {
    var sources: [any DispatchSourceSignal] = []
    for number in [SIGINT, SIGTERM, SIGHUP] {
      var action = sigaction()
      // A signal that `nohup` or the like has set to be ignored stays so.
      guard sigaction(number, nil, &action) == 0,
        unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) != unsafeBitCast(SIG_IGN, to: Int.self)
      else { continue }
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global(qos: .userInteractive))
      source.setEventHandler {
        Console.say((Console.isTerminal ? "\n" : "") + "anytime: " + sentence())
        endGuests()
        _exit(128 + number)
      }
      source.resume()
      sources.append(source)
    }
    self.sources = Mutex(sources)
  }

  /// Ends the handling: signals have their default effect again.
  func end() {
    sources.withLock { sources in
      for source in sources {
        source.cancel()
        signal(Int32(source.handle), SIG_DFL)
      }
      sources = []
    }
  }
}
