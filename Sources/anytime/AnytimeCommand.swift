import Anytime
import ArgumentParser
import Blackbox
import Foundation
import Reports

#if Torch
  import OneShot
#endif

/// The program. Exit status: 0 success, 1 failure, 2 wrong usage.
@main
struct AnytimeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "anytime",
    abstract: "Compare architecture search methods under one budget.",
    discussion: """
      EXAMPLES
        anytime demo                                 a comparison on the embedded table, with a picture
        anytime compare Examples/first.yaml          run what is missing, print a leaderboard
        anytime export curves first.sqlite           regret curves as CSV and JSON
        anytime plot first.sqlite -o regret.svg      and as a picture
        anytime table import nasbench_full.tfrecord  bring in NAS-Bench-101
      """,
    version: anytimeVersion,
    subcommands: [
      Demo.self, Run.self, Compare.self, Export.self, Plot.self, Report.self, Methods.self, Policies.self, Spaces.self,
      Cells.self, TableCommand.self, Bench.self,
    ])

  /// Every method that the program knows: the one place that lists them.
  static let registry: Registry = {
    #if Torch
      return Registry(blackboxMethods + oneShotMethods)
    #else
      return Registry(blackboxMethods)
    #endif
  }()

  static func main() async {
    signal(SIGPIPE, SIG_DFL)  // quiet under `| head`
    signal(SIGXFSZ, SIG_IGN)  // a file that may not grow is an error with a sentence
    do {
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
      // What was printed may still be on its way.
      if fflush(nil) != 0 { throw Failure.output }
    } catch {
      let code = exitCode(for: error)
      let isUsage = code == .validationFailure || error is UsageError
      // Help and version are "errors" of status 0.
      if code == .success {
        print(fullMessage(for: error))
      } else if error is UsageError || !isUsage {
        Console.complain("\(error)")
      } else {
        Console.complain(message(for: error))
      }
      Foundation.exit(code == .success ? 0 : isUsage ? 2 : 1)
    }
  }
}

/// A wrong combination of arguments: exit status 2.
struct UsageError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// A failure that needs no type of its own: exit status 1.
struct Failure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }

  static var output: Failure {
    Failure("the output cannot be written: \(String(cString: strerror(errno)))")
  }
}
