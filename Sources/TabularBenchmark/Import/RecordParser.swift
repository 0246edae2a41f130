import Foundation
import SearchSpaces
import SwiftProtobuf

/// Reads the payload of a NAS-Bench-101 record: a JSON array of exactly the form in which that file has it,
/// byte by byte, as millions of them are read.
struct RecordParser {
  typealias Problem = ImportProblem

  /// A graph as the record has it: not pruned, in the record's own order.
  struct Graph: Hashable {
    var edges: UInt32 = 0
    var labels: UInt32 = 0
    var vertexCount = 0

    func cell() throws(CellError) -> Cell {
      try Cell(edges: edges, labels: labels, vertexCount: vertexCount)
    }
  }

  struct Record {
    let hash: Architecture.ID
    let epochs: Int
    let graph: Graph
    let parameters: Int64
    let measurement: Measurement
  }

  /// The decoded message, kept to be filled again.
  private var message: [UInt8] = []
  private var metrics = ModelMetrics()
  // What was read last, as text and as value: a cell's records stand together.
  private var lastDigits: [UInt8] = []
  private var lastHash = Architecture.ID(high: 0, low: 0)
  private var lastText: [UInt8] = []
  private var lastGraph = Graph()

  mutating func parse(_ payload: UnsafeRawBufferPointer) throws(Problem) -> Record {
    var scanner = Scanner(bytes: payload.bindMemory(to: UInt8.self))
    try scanner.expect("[")
    let digits = try scanner.string()
    if !Self.isEqual(lastDigits, digits) {
      guard let hash = Architecture.ID(hexDigits: digits) else {
        throw Problem("the hash is not made of 32 hexadecimal digits")
      }
      lastDigits = Array(digits)
      lastHash = hash
    }
    try scanner.expect(",")
    let epochs = try scanner.number()
    try scanner.expect(",")
    let adjacency = try scanner.string()
    try scanner.expect(",")
    let operations = try scanner.string()
    try scanner.expect(",")
    try decodeBase64(try scanner.string())
    try scanner.expect("]")
    let graph: Graph
    let isLast =
      lastText.count == adjacency.count + operations.count
      && lastText.withUnsafeBytes { last in
        let texts = (UnsafeRawBufferPointer(adjacency), UnsafeRawBufferPointer(operations))
        guard let start = last.baseAddress, let a = texts.0.baseAddress, let b = texts.1.baseAddress else {
          return false
        }
        return memcmp(start, a, texts.0.count) == 0 && memcmp(start + texts.0.count, b, texts.1.count) == 0
      }
    if isLast {
      graph = lastGraph
    } else {
      graph = try Self.graph(adjacency, operations)
      lastText = Array(adjacency) + Array(operations)
      lastGraph = graph
    }

    metrics.clearTrainableParameters()
    metrics.unknownFields = UnknownStorage()
    metrics.evaluationData.removeAll(keepingCapacity: true)
    do { try metrics.merge(serializedBytes: message) } catch {
      throw Problem("the metrics are no ModelMetrics message")
    }
    guard metrics.evaluationData.count == 3 else {
      throw Problem(
        "there are \(metrics.evaluationData.count) evaluations where start, halfway and end are needed")
    }
    guard metrics.trainableParameters >= 0 else {
      throw Problem("the number of trainable parameters is \(metrics.trainableParameters)")
    }
    return Record(
      hash: lastHash, epochs: epochs, graph: graph, parameters: Int64(metrics.trainableParameters),
      measurement: Measurement(
        halfway: try Self.point(metrics.evaluationData[1]), final: try Self.point(metrics.evaluationData[2])))
  }

  private static func point(_ data: EvaluationData) throws(Problem) -> Measurement.Point {
    func accuracy(_ value: Double) throws(Problem) -> Float {
      guard value >= 0, value <= 1 else { throw Problem("an accuracy is \(value), outside 0 to 1") }
      return Float(value)
    }
    guard data.trainingTime >= 0, Float(data.trainingTime).isFinite else {
      throw Problem("a training time is \(data.trainingTime)")
    }
    return Measurement.Point(
      seconds: Float(data.trainingTime), trainAccuracy: try accuracy(data.trainAccuracy),
      validationAccuracy: try accuracy(data.validationAccuracy), testAccuracy: try accuracy(data.testAccuracy)
    )
  }

  private typealias Bytes = UnsafeBufferPointer<UInt8>

  private static func isEqual(_ a: [UInt8], _ b: Bytes) -> Bool {
    guard a.count == b.count, let start = b.baseAddress else { return false }
    return memcmp(a, start, b.count) == 0
  }

  private static func graph(_ adjacency: Bytes, _ operations: Bytes) throws(Problem) -> Graph {
    var graph = Graph()
    var start = 0
    var labels: [UInt32] = []
    labels.reserveCapacity(8)
    while start <= operations.count {
      var end = start
      while end < operations.count, operations[end] != UInt8(ascii: ",") { end += 1 }
      // The letter at index 4 and the length tell the words apart; the whole word is compared then.
      let word = Bytes(rebasing: operations[start..<end])
      guard let index = words.firstIndex(where: { $0.count == word.count && word.elementsEqual($0) }) else {
        throw Problem("'\(String(decoding: word, as: UTF8.self))' is no operation of NAS-Bench-101")
      }
      labels.append(UInt32(index))
      start = end + 1
    }
    let count = labels.count
    guard (2...Cell.maximumVertices).contains(count), labels[0] == 3, labels[count - 1] == 4,
      labels[1..<count - 1].allSatisfy({ $0 < 3 })
    else { throw Problem("the operations are not input, up to five operations, output") }
    guard adjacency.count == count * count else {
      throw Problem("the adjacency matrix has \(adjacency.count) entries for \(count) operations")
    }
    for row in 0..<count {
      for column in 0..<count {
        switch adjacency[row * count + column] {
        case UInt8(ascii: "0"): break
        case UInt8(ascii: "1") where row < column: graph.edges |= 1 << UInt32(Cell.edgeBit(row, column))
        default: throw Problem("the adjacency matrix is not upper triangular zeros and ones")
        }
      }
    }
    graph.vertexCount = count
    for vertex in 1..<count - 1 { graph.labels |= labels[vertex] << UInt32(2 * (vertex - 1)) }
    return graph
  }

  /// The operations in the order of their raw values, then input and output.
  private static let words =
    Cell.Operation.allCases.map { Array($0.name.utf8) } + [Array("input".utf8), Array("output".utf8)]

  /// Fills ``message``. Standard alphabet; line breaks, which Python's `encodestring` makes, are written
  /// `\n` in JSON and skipped.
  private mutating func decodeBase64(_ text: Bytes) throws(Problem) {
    // Three bytes for four letters, at most.
    let capacity = (text.count + 3) / 4 * 3
    var isValid = true
    message = [UInt8](unsafeUninitializedCapacity: capacity) { target, count in
      Self.base64.withUnsafeBufferPointer { values in
        var bits: UInt32 = 0
        var pending: UInt32 = 0
        var index = 0
        while index < text.count {
          if pending == 0, index + 4 <= text.count {
            // Four letters at once; anything else has the top bit.
            let (a, b, c, d) = (
              values[Int(text[index])], values[Int(text[index + 1])], values[Int(text[index + 2])],
              values[Int(text[index + 3])]
            )
            if (a | b | c | d) < 64 {
              target[count] = a << 2 | b >> 4
              target[count + 1] = b << 4 | c >> 2
              target[count + 2] = c << 6 | d
              count += 3
              index += 4
              continue
            }
          }
          var letter = text[index]
          index += 1
          if letter == UInt8(ascii: "=") { break }
          if letter == UInt8(ascii: "\\"), index < text.count {
            letter = text[index]
            index += 1
            if letter == UInt8(ascii: "n") { continue }
          }
          let value = values[Int(letter)]
          guard value < 64 else {
            isValid = false
            return
          }
          bits = bits << 6 | UInt32(value)
          pending += 6
          if pending >= 8 {
            pending -= 8
            target[count] = UInt8(truncatingIfNeeded: bits >> pending)
            count += 1
          }
        }
      }
    }
    guard isValid else { throw Problem("the metrics are not in base64") }
  }

  private static let base64: [UInt8] = {
    var values = [UInt8](repeating: 255, count: 256)
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for (index, letter) in alphabet.utf8.enumerated() { values[Int(letter)] = UInt8(index) }
    return values
  }()

  /// A cursor over JSON text.
  private struct Scanner {
    let bytes: Bytes
    var index = 0

    private mutating func skipSpace() {
      while index < bytes.count, bytes[index] == 0x20 || bytes[index] == 0x0a { index += 1 }
    }

    mutating func expect(_ letter: Unicode.Scalar) throws(Problem) {
      skipSpace()
      guard index < bytes.count, bytes[index] == UInt8(ascii: letter) else {
        throw Problem("this is no NAS-Bench-101 record: '\(letter)' is missing in its JSON array")
      }
      index += 1
    }

    /// The bytes between quotes, escapes left as they are.
    mutating func string() throws(Problem) -> Bytes {
      try expect("\"")
      let start = index
      if let base = bytes.baseAddress, let end = memchr(base + start, 0x22, bytes.count - start) {
        index = UnsafeRawPointer(end) - UnsafeRawPointer(base)
      } else {
        index = bytes.count
      }
      let text = Bytes(rebasing: bytes[start..<index])
      try expect("\"")
      return text
    }

    mutating func number() throws(Problem) -> Int {
      skipSpace()
      var value = 0
      let start = index
      while index < bytes.count, (0x30...0x39).contains(bytes[index]), index - start < 9 {
        value = 10 * value + Int(bytes[index] - 0x30)
        index += 1
      }
      guard index > start else { throw Problem("the number of epochs is missing") }
      return value
    }
  }
}
