import Anytime
import ArgumentParser
import Blackbox
import Composed
import External
import Foundation
import OneShot
import Reports
import SearchSpaces
import Synchronization

/// Runs the command line with the arguments of the process: all of a program.
///
/// The exit status is 0 for success, 1 for failure, 2 for wrong usage, and 128 plus a signal's number if one ended it.
/// After a failure this does not return. A program calls it once.
///
/// ```swift
/// import AnytimeCommandLine
///
/// await runCommandLine(adding: [MySearch.self])
/// ```
///
/// - Parameter methods: Methods that the command line knows besides the package's own. Their names, which
///   `Anytime.Method` states, must differ from all others.
public func runCommandLine(adding methods: [any Optimizer.Type] = []) async {
  AnytimeCommand.added.withLock { $0 = methods }
  await AnytimeCommand.main()
}

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
        anytime session --horizon 500                search from a script of your own
        anytime slurm first.yaml --tasks 20          make an experiment's runs on a cluster
        anytime new-method my-search                 write a Swift package with a method of your own
      """,
    version: anytimeVersion,
    subcommands: [
      Demo.self, Run.self, Compare.self, Export.self, Plot.self, Report.self, Methods.self, Policies.self, Spaces.self,
      Cells.self, TableCommand.self, StoreCommand.self, SlurmCommand.self, SessionCommand.self, NewMethod.self,
      Conformance.self, Bench.self,
    ])

  /// All methods that the program knows; nothing else lists them.
  static let registry = Registry(
    blackboxMethods + oneShotMethods + composedMethods + externalMethods + added.withLock { $0 })

  /// The methods of a program that is not the package's own.
  fileprivate static let added = Mutex<[any Optimizer.Type]>([])

  static func main() async {
    Self.prepareProcess()
    do {
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
      // Printed text may still be in a buffer.
      try Output.finish()
    } catch {
      let code = exitCode(for: error)
      let isUsage = code == .validationFailure || error is UsageError
      // Help and version are "errors" of status 0.
      if code == .success {
        print(fullMessage(for: error))
      } else if let misspelt = isUsage ? Self.misspeltOption(CommandLine.arguments) : nil {
        Console.complain(misspelt)
      } else if error is UsageError || !isUsage {
        Console.complain("\(error)")
      } else {
        Console.complain(message(for: error))
      }
      fflush(nil)
      Foundation.exit(code == .success ? 0 : isUsage ? 2 : 1)
    }
  }

  private static func prepareProcess() {
    // If the caller closed a standard stream, the next file that is opened would get its number, and with it all
    // printed text.
    for descriptor in 0...2 where fcntl(Int32(descriptor), F_GETFD) < 0 { _ = open("/dev/null", O_RDONLY) }
    // A reader that has gone away makes a write fail, which is noticed.
    signal(SIGPIPE, SIG_IGN)
    // So does a file that has reached its size limit.
    signal(SIGXFSZ, SIG_IGN)
    // The signal of a mapped file that somebody has cut short: some of its pages are gone.
    signal(SIGBUS) { _ in
      let text: StaticString =
        "anytime: a table was cut short while it was in use; runs that ended are kept, start again\n"
      _ = write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
      _exit(1)
    }
  }

  /// An error message for the first option that the command does not have; `nil` if there is none. The parser may take
  /// such an option's value for an argument and complain of that instead.
  private static func misspeltOption(_ arguments: [String]) -> String? {
    var command: any ParsableCommand.Type = Self.self
    var rest = arguments.dropFirst()
    while let word = rest.first,
      let next = command.configuration.subcommands.first(where: { $0._commandName == word })
    {
      command = next
      rest = rest.dropFirst()
    }
    let known = Set(
      helpMessage(for: command.configuration.defaultSubcommand ?? command).matches(of: /--[a-z][a-z0-9-]*/)
        .map { String($0.output) } + ["--help", "--version"])
    for word in rest.prefix(while: { $0 != "--" }) where word.hasPrefix("--") {
      let name = String(word.prefix { $0 != "=" })
      if !known.contains(name) { return UnknownWord(name, kind: "option", known: known.sorted()).description }
    }
    return nil
  }
}

/// An error in the arguments, with exit status 2.
struct UsageError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description.inOneLine }
}

/// An error that needs no type of its own, with exit status 1.
struct Failure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description.inOneLine }
}
