import Anytime
import Foundation
import Yams

/// Reads YAML that anybody may have written: aliases and merge keys are followed, but a small file cannot become a
/// large or deep tree.
struct YAMLReader {
  private static let maximumSize = 1 << 20
  private static let maximumDepth = 200
  private static let maximumNodes = 100_000
  /// Stands for the `*` of an alias, so that aliases are followed here and not by Yams, whose comparison of keys takes
  /// for ever where aliases of aliases are keys. A letter of the private use area, which nobody's text has.
  private static let star: Character = "\u{E0A7}"

  private let file: String?
  private var anchors: [String: (node: Node, size: Int)] = [:]

  /// - Parameter file: The path, for messages.
  /// - Returns: The document's root; `nil` if there is none.
  /// - Throws: ``ExperimentFileError``.
  static func root(of text: String, file: String?) throws -> Node? {
    guard text.utf8.count <= maximumSize else {
      throw ExperimentFileError(file, line: nil, "the file has more than a million letters; is it an experiment?")
    }
    try checkDepth(text, file)
    do {
      // The parser owns the anchors' names.
      let parser = try Yams.Parser(yaml: text.replacing(/\*(?=[A-Za-z0-9_\-])/, with: String(star)))
      return try withExtendedLifetime(parser) {
        guard let root = try parser.singleRoot() else { return nil }
        var reader = YAMLReader(file: file)
        return try reader.resolved(root).node
      }
    } catch let error as YamlError {
      let (line, problem) = error.location
      throw ExperimentFileError(
        file, line: line, "this is not YAML: \(problem.replacing(String(star), with: "*"))")
    }
  }

  private init(file: String?) { self.file = file }

  /// Yams reads nested nodes by recursion.
  private static func checkDepth(_ text: String, _ file: String?) throws {
    var depth = 0
    for (index, line) in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
      var indicators = 0
      var isStart = true
      for byte in line {
        switch byte {
        case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
        case UInt8(ascii: "]"), UInt8(ascii: "}"): depth = max(0, depth - 1)
        default: break
        }
        isStart = isStart && (byte == 0x20 || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "?"))
        if isStart { indicators += 1 }
        guard depth <= maximumDepth, indicators <= 2 * maximumDepth else {
          throw ExperimentFileError(file, line: index + 1, "lists and mappings are nested too deeply")
        }
      }
    }
  }

  /// A node with its aliases followed and its merge keys merged, and the number of its nodes.
  private mutating func resolved(_ node: Node) throws -> (node: Node, size: Int) {
    var result = node
    var size = 1
    let anchor = node.anchor?.rawValue
    switch node {
    case .scalar(var scalar):
      if scalar.style == .plain, scalar.string.first == Self.star {
        let name = String(scalar.string.dropFirst())
        guard let found = anchors[name] else {
          throw failure(node, "'*\(name)' refers to an anchor '&\(name)' that is not there before it")
        }
        return found
      }
      scalar.string = scalar.string.replacing(String(Self.star), with: "*")
      result = .scalar(scalar)
    case .sequence(let sequence):
      let items = try sequence.map { item in try count(resolved(item), &size, node) }
      result = .sequence(Node.Sequence(items, sequence.tag, sequence.style, sequence.mark))
    case .mapping(let mapping):
      var pairs: [(Node, Node)] = []
      var merged: [Node.Mapping] = []
      for (key, value) in mapping {
        let value = try count(resolved(value), &size, node)
        if key.scalar?.string == "<<", key.scalar?.style == .plain {
          let parts = value.sequence.map { Array($0) } ?? [value]
          for part in parts {
            guard let part = part.mapping else {
              throw failure(key, "'<<' merges mappings, as in {<<: *name}")
            }
            merged.append(part)
          }
        } else {
          let key = try count(resolved(key), &size, node)
          // Complex keys are of no use here, and comparing them may take long.
          guard key.scalar != nil else { throw failure(key, "a name is needed before the colon") }
          pairs.append((key, value))
        }
      }
      for part in merged {
        for pair in part where !pairs.contains(where: { $0.0.string == pair.key.string }) {
          size += 1
          pairs.append((pair.key, pair.value))
        }
      }
      result = .mapping(Node.Mapping(pairs, mapping.tag, mapping.style, mapping.mark))
    case .alias: break
    }
    if let anchor { anchors[anchor] = (result, size) }
    return (result, size)
  }

  private func count(_ part: (node: Node, size: Int), _ size: inout Int, _ node: Node) throws -> Node {
    size += part.size
    guard size <= Self.maximumNodes else {
      throw failure(node, "aliases make more than a hundred thousand values out of this; write out what is meant")
    }
    return part.node
  }

  private func failure(_ node: Node, _ problem: String) -> ExperimentFileError {
    ExperimentFileError(file, line: node.mark?.line, problem)
  }
}

extension YamlError {
  /// The line of the error, and the problem in one line.
  fileprivate var location: (line: Int?, problem: String) {
    switch self {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      (mark.line, problem)
    case .duplicatedKeysInMapping(let keys, let context):
      (context.mark.line, "'\(keys.joined(separator: "', '"))' is given twice")
    default: (nil, "\(self)".split(separator: "\n").joined(separator: " "))
    }
  }
}
