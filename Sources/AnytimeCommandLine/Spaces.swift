import Anytime
import ArgumentParser
import Foundation
import Reports
import SearchSpaces

struct Spaces: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the search spaces and count their cells.",
    discussion: "Every number is computed by enumeration.")

  func run() throws {
    var rows = [["space", "parameters", "configurations", "unique cells", ""]]
    let line = ProgressLine("counting cells")
    for (index, space) in SearchSpace.all.enumerated() {
      line.show(done: index, of: SearchSpace.all.count, unit: "spaces")
      rows.append([
        space.name, String(space.parameters.parameters.count),
        space.parameters.count.map(Numbers.grouped) ?? "infinite",
        Numbers.grouped(space.architectures().count), space.summary,
      ])
    }
    // Summaries are aligned to the left, unlike the other columns.
    let table = aligned(rows.map { Array($0.dropLast()) }).split(separator: "\n")
    for (row, cells) in zip(rows, table) { print(row[4].isEmpty ? String(cells) : "\(cells)  \(row[4])") }
  }
}

/// The search space of a name.
///
/// - Throws: ``UsageError``, which names the nearest space or lists all.
func searchSpace(named name: String) throws -> SearchSpace {
  guard let space = SearchSpace(named: name) else {
    throw UsageError("\(UnknownWord(name, kind: "search space", known: SearchSpace.all.map(\.name)))")
  }
  return space
}

struct Cells: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the unique cells of a search space.",
    discussion: """
      EXAMPLES
        anytime cells --space 1 --count
        anytime cells --space nas-bench-101 --hashes | head
        anytime cells --space 1 --configurations > configurations.csv
      """)

  @Option(help: "The search space: mini, 1, 2, 3 or nas-bench-101.")
  var space: String

  @Flag(help: "Print the NAS-Bench-101 hash of every cell, sorted, one per line.")
  var hashes = false

  @Flag(help: "Print every configuration as CSV: the numbers of its choices and its cell's hash.")
  var configurations = false

  @Flag(help: "Print only the number of cells.")
  var count = false

  func validate() throws {
    if configurations, count || hashes {
      throw ValidationError("--configurations is for itself: give it without --hashes and --count")
    }
  }

  func run() throws {
    let space = try searchSpace(named: space)
    if configurations {
      guard case .some(..<(1 << 24)) = space.parameters.count, let total = space.parameters.count else {
        throw UsageError("the space \(space.name) has too many configurations to list")
      }
      var ids: [Architecture: Architecture.ID] = [:]
      let header = space.parameters.parameters.map(\.name) + ["hash"]
      printLines(
        [header.joined(separator: ",")]
          + (0..<total).compactMap { index in
            let configuration = space.parameters.configuration(at: index)
            guard let architecture = space.architecture(configuration) else { return nil }
            let id = ids[architecture] ?? architecture.id
            ids[architecture] = id
            return configuration.values.map { String(Int($0)) }.joined(separator: ",") + ",\(id)"
          })
      return
    }
    let architectures = space.architectures()
    if count {
      print(architectures.count)
    } else if hashes {
      printLines(idsInParallel(architectures).sorted().map(\.description))
    } else {
      printLines(architectures.map(\.description))
    }
  }

  private func printLines(_ lines: [String]) { Output.say(Data((lines.joined(separator: "\n") + "\n").utf8)) }

  private func idsInParallel(_ architectures: [Architecture]) -> [Architecture.ID] {
    let chunk = 1_024
    let chunks = (architectures.count + chunk - 1) / chunk
    var result = [[Architecture.ID]](repeating: [], count: chunks)
    result.withUnsafeMutableBufferPointer { buffer in
      nonisolated(unsafe) let parts = buffer  // each written by one iteration
      DispatchQueue.concurrentPerform(iterations: chunks) { index in
        parts[index] = Architecture.ids(
          architectures[index * chunk..<min((index + 1) * chunk, architectures.count)])
      }
    }
    return Array(result.joined())
  }
}
