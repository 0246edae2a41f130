import Foundation

/// The files of a Swift package with one search method.
struct MethodTemplate {
  /// The method's name, in kebab-case: also that of the package and its program.
  let name: String
  /// The name of the method's type, in camel case: also that of its module.
  let type: String
  /// The absolute path of AnytimeNAS's package.
  let package: String

  /// - Parameter known: The names of methods that there are already.
  /// - Throws: ``UsageError`` for a name that cannot be a method's.
  init(name: String, known: [String], package: String) throws {
    guard name.wholeMatch(of: /[a-z][a-z0-9]*(-[a-z0-9]+)*/) != nil, name.utf8.count <= 64 else {
      throw UsageError(
        "'\(name)' cannot be a method's name: take at most 64 of a to z, 0 to 9 and single hyphens between them, "
          + "beginning with a letter, as in my-search")
    }
    guard !known.contains(name) else { throw UsageError("there is a method '\(name)' already; choose another name") }
    let type = name.split(separator: "-").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    guard !Self.keywords.contains(name) else {
      throw UsageError("'\(name)' is a word of Swift; choose another name, such as \(name)-search")
    }
    guard !Self.taken.contains(type) else {
      throw UsageError(
        "'\(name)' would be called \(type) in Swift, which is something else; choose another name, such as "
          + "\(name)-search")
    }
    self.name = name
    self.type = type
    self.package = package
  }

  /// Swift's keywords, and what some of them are as the name of a type.
  private static let keywords = Set(
    """
    any as associatedtype async await borrowing break case catch class continue default defer deinit do dynamic else \
    enum extension fallthrough false fileprivate for func guard if import in init inout internal is let macro nil open \
    operator override package private protocol public repeat rethrows return self set static struct subscript super \
    switch throw throws true try type typealias var weak where while
    """.split(separator: " ").map(String.init))

  /// Modules that are built together with the method's, and types that its files use.
  private static let taken = Set(
    """
    Anytime AnytimeCommandLine AnytimeTorch ArgumentParser Blackbox CellNetworks Composed Crypto CryptoExtras \
    Dispatch Distributed Double Experiments External Foundation FoundationEssentials FoundationInternationalization \
    FoundationNetworking Glibc Method Observation OneShot Optimizer OptimizerConformance RegexBuilder \
    Reports SearchSpaces Session Setting Statistics Subprocess Suite Supernet Swift SwiftProtobuf Synchronization \
    SystemPackage TableBuilder TabularBenchmark Tensor Test TestSupport Testing Yams
    """.split(separator: " ").map(String.init))

  /// The name in captions: 'My search'.
  private var title: String {
    let words = name.replacing("-", with: " ")
    return words.prefix(1).uppercased() + words.dropFirst()
  }

  /// The path of the method's file in the package.
  var source: String { "Sources/\(type)/\(type).swift" }

  /// What builds, tests and compares the method.
  var commands: String {
    """
    swift build -c release --product \(name)
    swift test -c release --disable-testable-imports
    .build/release/\(name) compare --space 1 --horizon 500 --seeds 100 \\
        --method \(name) --method random-search --method regularized-evolution
    """
  }

  /// Texts by their paths in the package.
  var files: [(path: String, text: String)] {
    [
      ("Package.swift", manifest), (source, method), ("Sources/\(type)/main.swift", main),
      ("Tests/\(type)Tests/\(type)Tests.swift", tests), ("README.md", readme),
      (".gitignore", ".build/\n*.sqlite\n*.sqlite-*\n"),
    ]
  }

  private var manifest: String {
    """
    // swift-tools-version: 6.2
    import PackageDescription

    let package = Package(
      name: "\(name)",
      products: [.executable(name: "\(name)", targets: ["\(type)"])],
      dependencies: [.package(name: "AnytimeNAS", path: \(package.debugDescription))],
      targets: [
        .executableTarget(
          name: "\(type)",
          dependencies: [
            .product(name: "Anytime", package: "AnytimeNAS"),
            .product(name: "AnytimeCommandLine", package: "AnytimeNAS"),
          ]),
        .testTarget(
          name: "\(type)Tests",
          dependencies: ["\(type)", .product(name: "OptimizerConformance", package: "AnytimeNAS")]),
      ]
    )

    """
  }

  private var method: String {
    #"""
    import Anytime
    import SearchSpaces
    import Statistics

    /// \#(title): trains mutants of the best configuration so far, and some configurations that are drawn at random.
    ///
    /// A mutant differs in one parameter, and takes its parent's place if it is at least as good: the (1+1)
    /// evolutionary algorithm (Droste, Jansen and Wegener, Theoretical Computer Science 276, 2002).
    ///
    /// Differences: there every bit of a mutant changes with a probability of its own, which leads out of local optima;
    /// here random configurations do.
    public struct \#(type): Optimizer {
      public static let method = Method(
        name: "\#(name)", title: "\#(title)",
        summary: "Trains mutants of the best configuration so far, and some drawn at random.",
        citation: "after Droste, Jansen and Wegener, Theoretical Computer Science 2002",
        settings: [
          Setting("random-fraction", \\#(type).randomFraction, 0...1, "candidates that are drawn at random")
        ])

      /// The fraction of candidates that are drawn uniformly, whatever was seen before.
      public var randomFraction = 0.5

      public init() {}

      public func search(_ session: Session) throws {
        var best = session.space.sample(using: &session.random)
        var accuracy = try session.evaluate(best).validationAccuracy
        // When the budget is spent, the session throws, and that ends the search.
        while true {
          let candidate =
            session.random.chance(randomFraction)
            ? session.space.sample(using: &session.random)
            : session.space.mutate(best, rule: .oneParameter, using: &session.random)
          let result = try session.evaluate(candidate).validationAccuracy
          if result >= accuracy { (best, accuracy) = (candidate, result) }
        }
      }
    }

    """#
  }

  private var main: String {
    """
    import AnytimeCommandLine

    // The command line of AnytimeNAS, with methods that it would not know otherwise.
    await runCommandLine(adding: [\(type).self])

    """
  }

  private var tests: String {
    """
    import \(type)
    import OptimizerConformance
    import Testing

    @Suite("\(title)") struct \(type)Tests {
      @Test("keeps the rules that every method has to keep") func conformance() async throws {
        #expect(try await OptimizerConformance(\(type).self).failures() == [])
      }
    }

    """
  }

  private var readme: String {
    """
    # \(title)

    A search method for AnytimeNAS, in [\(type).swift](\(source)). The program `\(name)` is AnytimeNAS's
    command line, which knows this method too.

    ```
    \(commands)
    ```

    It takes Swift 6.2 or later and, on Debian, `apt-get install libgsl-dev libsqlite3-dev zlib1g-dev pkg-config`. The
    first build compiles AnytimeNAS too, which takes minutes. The tests, built with these options, take what was built
    for the program; `swift test` alone would compile everything again.

    `Package.swift` has the path of AnytimeNAS's package on the machine where this one was made; elsewhere, correct it.
    The article "Write an optimizer" there (`Sources/Anytime/Anytime.docc/WriteAnOptimizer.md`) says how methods declare
    settings, what they may do, and what the conformance test checks.

    ## One-shot methods

    Methods that train networks, such as `darts`, load a library on libtorch from the program's folder. It is built
    there by

    ```
    apt-get install libtorch-dev dataset-fashion-mnist
    swift build -c release --product AnytimeTorch
    ```

    Where AnytimeNAS has been built, its own library does as well: `ANYTIME_TORCH_LIBRARY` names the file
    `.build/release/libAnytimeTorch.so` there.

    ## Licence

    The program links the GNU Scientific Library: who distributes it does so under the GNU General Public License,
    version 3. The method's source is yours.

    """
  }
}
