import Crypto
import Foundation
import SearchSpaces
import Statistics
import Testing

@Suite("Cells") struct CellTests {
  static let diamond = "0110|0001|0001|0000"
  static let shared = URL(filePath: #filePath).deletingLastPathComponent().appending(
    path: "../../../shared/data/nb101_52_full_e108_3repeats.jsonl")

  @Test("isomorphic graphs are one cell") func isomorphism() throws {
    let a = try Cell(
      adjacencyText: Self.diamond, operations: "input,conv3x3-bn-relu,maxpool3x3,output")
    let b = try Cell(
      adjacencyText: Self.diamond, operations: "input,maxpool3x3,conv3x3-bn-relu,output")
    let c = try Cell(
      adjacencyText: Self.diamond, operations: "input,maxpool3x3,conv1x1-bn-relu,output")
    #expect(a == b)
    #expect(a != c)
    #expect(a.hash == b.hash)
  }

  @Test("vertices on no path are pruned") func pruning() throws {
    let cell = try Cell(
      adjacencyText: "01000|00001|00001|00000|00000",
      operations: "input,conv3x3-bn-relu,maxpool3x3,conv1x1-bn-relu,output")
    #expect(cell.description == "010|001|000 input,conv3x3-bn-relu,output")
  }

  @Test("any renumbering of the vertices gives the same cell, and another cell another code")
  func renumbering() throws {
    var random = RandomGenerator(seed: 5)
    let space = SearchSpace.nasBench101
    for _ in 0..<2_000 {
      let configuration = space.sample(using: &random)
      let cell = try #require(space.cell(configuration))
      // A random topological order: repeatedly take any vertex whose parents are all placed.
      let count = cell.vertexCount
      var order = [0]
      while order.count < count - 1 {
        let ready = (1..<count - 1).filter { vertex in
          !order.contains(vertex)
            && (0..<vertex).allSatisfy { !cell.hasEdge($0, vertex) || order.contains($0) }
        }
        let next = random.element(of: ready)
        order.append(try #require(next))
      }
      order.append(count - 1)
      let renumbered = try Cell(
        adjacency: order.map { from in order.map { cell.hasEdge(from, $0) ? 1 : 0 } },
        operations: order.map { cell.operations[$0] })
      #expect(renumbered == cell)
      #expect(renumbered.hash == cell.hash)
    }
  }

  @Test("codes and hashes identify the same cells") func codesAndHashes() {
    let cells = SearchSpace.oneShot2.uniqueCells()
    #expect(Set(cells.map(\.hash)).count == cells.count)
  }

  @Test("text and matrix are read back", arguments: SearchSpace.mini.uniqueCells().prefix(40))
  func roundTrip(cell: Cell) throws {
    #expect(Cell(cell.description) == cell)
    #expect(try Cell(adjacency: cell.adjacency, operations: cell.operations) == cell)
    let word = cell.adjacency.flatMap { $0 }.map(String.init).joined()
    #expect(try Cell(adjacencyText: word, operations: cell.operations.joined(separator: ",")) == cell)
  }

  @Test("depth is the longest path") func depth() throws {
    #expect(try Cell(text: "01|00 input,output").depth == 1)
    #expect(try Cell(text: "011|001|000 input,maxpool3x3,output").depth == 2)
  }

  @Test("Graphviz output names every vertex and edge") func dot() throws {
    let cell = try Cell(text: "011|001|000 input,conv3x3-bn-relu,output")
    #expect(cell.dot.contains("1 [label=\"conv3x3-bn-relu\"];"))
    #expect(cell.dot.contains("0 -> 1;") && cell.dot.contains("0 -> 2;") && cell.dot.contains("1 -> 2;"))
  }

  @Test("wrong input says what is wrong and where")
  func errors() {
    func message(_ adjacency: [[Int]], _ operations: [String]) -> String? {
      do {
        _ = try Cell(adjacency: adjacency, operations: operations)
        return nil
      } catch { return error.description }
    }
    #expect(message([[0]], ["input"]) == "a cell has 2 to 7 vertices, not 1")
    #expect(
      message([[0, 1], [0]], ["input", "output"])
        == "row 1 of the adjacency matrix has 1 entries where 2 are needed")
    #expect(
      message([[0, 2], [0, 0]], ["input", "output"])
        == "entry (0, 1) of the adjacency matrix is 2; only 0 and 1 are allowed")
    #expect(
      message([[0, 1], [1, 0]], ["input", "output"])
        == "entry (1, 0) of the adjacency matrix lies on or below the diagonal and must be 0")
    #expect(message([[0, 1], [0, 0]], ["input"]) == "there are 1 operations for 2 vertices")
    #expect(
      message([[0, 1], [0, 0]], ["output", "input"]) == "vertex 0 must be labelled 'input', not 'output'")
    #expect(
      message([[0, 0], [0, 0]], ["input", "output"]) == "no path leads from the input to the output")
    #expect(
      message([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["input", "conv5x5", "output"])
        == "vertex 1 has the unknown operation 'conv5x5'; "
        + "use conv1x1-bn-relu, conv3x3-bn-relu or maxpool3x3")
    let full = (0..<7).map { row in (0..<7).map { $0 > row ? 1 : 0 } }
    #expect(
      message(full, ["input"] + Array(repeating: "maxpool3x3", count: 5) + ["output"])
        == "the pruned cell has 21 edges; at most 9 are allowed")
  }

  struct OfficialRecord: Decodable {
    let hash: String
    let module_adjacency: [[Int]]
    let module_operations: [String]
  }

  @Test("real records of NAS-Bench-101 have their published hashes")
  func publishedHashes() throws {
    // Records that are embedded, so that the test never comes out empty.
    var records = [
      (
        "5529e1779433733d1145e20de5d8604e", "0110|0011|0001|0000",
        "input,conv1x1-bn-relu,conv3x3-bn-relu,output"
      ),
      ("3db7e20184e417b4eb1718c5846356a6", "0110|0011|0001|0000", "input,maxpool3x3,conv1x1-bn-relu,output"),
      (
        "0000718c96730a92ea6d5242f8ce77e2", "0100000|0010000|0001000|0000111|0000010|0000001|0000000",
        "input,conv1x1-bn-relu,conv1x1-bn-relu,conv3x3-bn-relu,conv1x1-bn-relu,conv3x3-bn-relu,output"
      ),
    ].map { ($0.0, try? Cell(adjacencyText: $0.1, operations: $0.2)) }
    if let text = try? String(contentsOf: Self.shared, encoding: .utf8) {
      for line in text.split(separator: "\n") {
        let record = try JSONDecoder().decode(OfficialRecord.self, from: Data(line.utf8))
        records.append(
          (
            record.hash,
            try Cell(adjacency: record.module_adjacency, operations: record.module_operations)
          ))
      }
    }
    for (hash, cell) in records { #expect(cell?.hash.description == hash) }
  }

  @Test("eight digests at once are those of swift-crypto") func digests() throws {
    var random = RandomGenerator(seed: 3)
    for length in 0...MD5Lanes.maximumLength {
      var messages = MD5Lanes()
      let texts = (0..<8).map { lane in
        // One lane runs through all lengths, the others are of any.
        (0..<(lane == 3 ? length : random.below(MD5Lanes.maximumLength + 1))).map { _ in
          UInt8(random.below(256))
        }
      }
      for (lane, text) in texts.enumerated() { text.withUnsafeBytes { messages.append($0, to: lane) } }
      let expected = texts.map { Insecure.MD5.hash(data: $0).description.suffix(32) }
      #expect(messages.digests(8).map(\.description) == expected.map(String.init))
    }
  }
}
