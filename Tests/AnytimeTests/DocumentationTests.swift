import Foundation
import Testing

/// Public declarations of the library products, read from their sources line by line: the sources' own style, two
/// spaces a level and a declaration a line, says where a declaration belongs.
@Suite("Documentation") struct DocumentationTests {
  /// The folders of the targets of all library products that are written in Swift.
  static let folders = [
    "Sources/Anytime", "Sources/TabularBenchmark", "Sources/SearchSpaces", "Sources/Statistics",
    "Sources/OptimizerConformance", "Sources/Experiments", "Sources/Supernet", "Optimizers/Blackbox",
    "Optimizers/OneShot", "Optimizers/Composed", "Optimizers/External", "Reports", "Sources/AnytimeCommandLine",
  ]

  /// Declarations that need no comment of their own: requirements of protocols, which are documented there.
  static let excused: Set<String> = [
    // Of the standard library and Foundation.
    "description", "errorDescription", "static ==", "static <", "hash(into", "init(from", "encode(to", "next()",
    "codingKey", "customMirror",
    // Of `Configurable` and `Optimizer`: in a conformance they repeat what the protocol says.
    "init()", "static settings", "validate()", "validate(under", "static method", "search(_", "inner", "ends",
    "canBeRun", "usesImages",
  ]

  @Test("every public declaration has a comment", arguments: folders) func comments(folder: String) throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardizedFileURL
    let names = try #require(FileManager.default.enumerator(atPath: root.appending(path: folder).path))
      .compactMap { $0 as? String }.filter { $0.hasSuffix(".swift") && !$0.hasSuffix(".pb.swift") }.sorted()
    #expect(!names.isEmpty)
    for name in names {
      let text = try String(contentsOf: root.appending(path: "\(folder)/\(name)"), encoding: .utf8)
      for (line, declaration) in undocumented(in: text) {
        Issue.record("\(folder)/\(name):\(line): no comment says what this is: \(declaration)")
      }
    }
  }

  @Test("declarations are told from what only looks like them") func scanner() {
    let text = """
      /// Documented.
      @frozen
      public enum Kind: String {
        /// Documented.
        case one
        case two, three
        var name: String {
          switch self {
          case .one: "public let no = 1"
          default: ""
          }
        }
        public static func == (a: Kind, b: Kind) -> Bool { true }
      }

      public enum Short { case one, two }
      struct Inner { public var open = 1 }
      @_spi(Instruments) extension Kind {
        public var inside: Int { 1 }
      }
      @_spi(Instruments) public let inside = 1
      /// Documented.
      public protocol Search<
        Element
      >
      {
        associatedtype Element
        @discardableResult static func run(_ a: Int) throws -> Int
        init()
      }
      extension Kind {
        // No comment for users.
        @inlinable
        public mutating func change(
          _ a: Int
        ) {}
        public init(_ a: Int) {}
        public subscript(a: Int) -> Int { a }
        public private(set) var count: Int { 1 }
      }
      """
    #expect(undocumented(in: text).map(\.line) == [6, 16, 27, 28, 34, 37, 38, 39])
  }

  /// The public declarations of a file that no documentation comment precedes, with their line numbers from 1.
  private func undocumented(in text: String) -> [(line: Int, declaration: String)] {
    enum Scope { case cases, requirements, members, hidden }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    var scopes: [(indent: Int, scope: Scope)] = []
    var found: [(line: Int, declaration: String)] = []
    var (documented, spi) = (false, false)
    for (index, line) in lines.enumerated() {
      let code = line.drop { $0 == " " }
      let indent = line.count - code.count
      if code.hasPrefix("///") {
        documented = true
        continue
      }
      // The rest of a declaration of several lines.
      if code.isEmpty || [")", "{", ">", "->", "where "].contains(where: code.hasPrefix) { continue }
      scopes.removeAll { $0.indent >= indent }
      let match = code.firstMatch(of: Self.declaration)
      guard let match else {
        // Attributes on lines of their own stand between a comment and its declaration.
        if code.hasPrefix("@") { spi = spi || code.hasPrefix("@_spi") } else { (documented, spi) = (false, false) }
        continue
      }
      defer { (documented, spi) = (false, false) }
      let (modifiers, keyword) = (match.modifiers, match.keyword)
      // That of `public static func search(_ session: Session) throws` is `static search(_`.
      let name = (modifiers.contains("static ") ? "static " : "")
        + (keyword == "init" ? "init\(match.name)" : match.name).prefix { $0 != " " && $0 != ":" }
      let outer = scopes.last
      let isMember = outer.map { $0.indent + 2 == indent } ?? true
      let isSaid = ["public", "open"].contains { modifiers.split(separator: " ").contains($0) }
      let isImplied = isMember && (keyword == "case" && outer?.scope == .cases || outer?.scope == .requirements)
      let isPublic = (isSaid || isImplied) && !scopes.contains { $0.scope == .hidden }
      let isHidden = spi || match.attributes.contains("@_spi")
      if isPublic, !isHidden, !documented, keyword != "extension", (keyword == "case" || !Self.excused.contains(name)) {
        found.append((index + 1, String(code)))
      }
      switch keyword {
      case "enum": scopes.append((indent, isPublic && !isHidden ? .cases : .hidden))
      case "protocol": scopes.append((indent, isPublic && !isHidden ? .requirements : .hidden))
      case "struct", "class", "actor": scopes.append((indent, isPublic && !isHidden ? .members : .hidden))
      case "extension": scopes.append((indent, isHidden ? .hidden : isSaid ? .requirements : .members))
      default: break
      }
    }
    return found
  }

  /// A declaration at the start of a line: attributes, modifiers, keyword, name.
  private nonisolated(unsafe) static let declaration = #/
    ^(?<attributes>(@\w+(\([^)]*\))?\ )*)
    (?<modifiers>((public|open|package|internal|fileprivate|private|static|mutating|nonmutating|final|indirect|lazy|weak
      |unowned|nonisolated|override|required|convenience|prefix|postfix|class(?=\ (func|var)))(\(\w+\))?\ )*)
    (?<keyword>func|var|let|struct|enum|class|actor|protocol|extension|init|subscript|typealias|associatedtype|case)\b
    \ ?(?<name>.*)
    /#
}
