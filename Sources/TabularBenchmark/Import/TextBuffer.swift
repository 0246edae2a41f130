import Foundation

/// A part of a text in a ``TextBuffer``, by offsets.
struct TextField {
  var start, end: Int
  /// Whether it holds quotation marks or backslashes that stand for other letters.
  var isEscaped = false
}

/// A text file of which a window is in memory.
final class TextBuffer {
  let input: InputStreamReader
  private(set) var bytes: UnsafeMutablePointer<UInt8>
  private var capacity = 1 << 20
  /// The window: what is not used yet.
  var start = 0
  private(set) var end = 0
  /// Whether the window reaches to the end of the file.
  private(set) var isAtEnd = false
  /// The physical line that begins at ``start``, counted from 1.
  var line = 1

  /// No row of a table is longer, by far.
  private static let maximum = 1 << 24

  /// - Throws: ``ImportError`` for a file that is no text in UTF-8. A byte order mark of UTF-8 is skipped.
  init(_ input: InputStreamReader) throws(ImportError) {
    self.input = input
    bytes = .allocate(capacity: capacity)
    _ = try more()
    let first = (0..<4).map { $0 < end ? bytes[$0] : 1 }
    if first[..<3] == [0xef, 0xbb, 0xbf] { start = 3 }
    if first[..<2] == [0xff, 0xfe] || first[..<2] == [0xfe, 0xff] || first[0] == 0 || first[1] == 0 {
      throw ImportError(
        input.path, "line 1",
        first.contains(0) || first[0] >= 0xfe
          ? "this is text in UTF-16 or no text at all; save it as UTF-8" : "this is no text in UTF-8")
    }
  }

  deinit { bytes.deallocate() }

  /// Makes the window longer. Offsets change, in that ``start`` becomes 0.
  ///
  /// - Returns: Whether the file had more text.
  func more() throws(ImportError) -> Bool {
    if isAtEnd { return false }
    if start > 0 {
      memmove(bytes, bytes + start, end - start)
      end -= start
      start = 0
    }
    if end == capacity {
      guard capacity < Self.maximum else {
        throw ImportError(
          input.path, "line \(line)",
          "a row is longer than \(Self.maximum >> 20) MB; a quotation mark may not be closed, or this is no text"
        )
      }
      capacity *= 2
      let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
      memcpy(larger, bytes, end)
      bytes.deallocate()
      bytes = larger
    }
    let count = try input.read(into: UnsafeMutableRawBufferPointer(start: bytes + end, count: capacity - end))
    end += count
    isAtEnd = count == 0
    return count > 0
  }

  /// The bytes of a field without the spaces around them.
  func trimmed(_ field: TextField) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(start: bytes + field.start, count: field.end - field.start).trimmed
  }

  func text(_ field: TextField) -> String {
    String(
      decoding: UnsafeBufferPointer(start: bytes + field.start, count: field.end - field.start), as: UTF8.self
    )
  }
}

extension UnsafeBufferPointer<UInt8> {
  /// The bytes without spaces, tabs and line breaks at both ends.
  var trimmed: Self {
    var (low, high) = (0, count)
    while low < high, self[low] <= 0x20 { low += 1 }
    while high > low, self[high - 1] <= 0x20 { high -= 1 }
    return Self(rebasing: self[low..<high])
  }

  var text: String { String(decoding: self, as: UTF8.self) }

  /// Whether the bytes are these lower-case letters, whatever their case.
  func isWord(_ word: StaticString) -> Bool {
    guard count == word.utf8CodeUnitCount else { return false }
    for index in 0..<count {
      let letter = self[index]
      let lower = (0x41...0x5a).contains(letter) ? letter | 0x20 : letter
      if lower != word.utf8Start[index] { return false }
    }
    return true
  }
}
