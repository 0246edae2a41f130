import CZlib
import Foundation

/// Why images cannot be had.
public enum DataError: Error, Hashable, Sendable, CustomStringConvertible {
  case missing(String, remedy: String)
  case unreadable(String, problem: String)
  case tooFewImages(asked: Int, available: Int, of: String)

  public var description: String {
    switch self {
    case .missing(let path, let remedy): "\(path) is not there; \(remedy)"
    case .unreadable(let path, let problem): "\(path) cannot be used: \(problem)"
    case .tooFewImages(let asked, let available, let part):
      "\(asked) \(part) images are asked for, and there are \(available)"
    }
  }
}

/// Images as they are in their files: bytes, `[count][channels][height][width]`.
struct RawImages {
  var channels: Int
  var height: Int
  var width: Int
  var pixels: [UInt8]
  var labels: [UInt8]

  var count: Int { labels.count }
  var imageSize: Int { channels * height * width }
}

/// Readers of the files that data sets come in. Each file's CRC-32 is folded into `checksum`.
enum ImageFiles {
  /// A whole file, unpacked if it is gzipped.
  static func read(_ path: String, remedy: String, checksum: inout UInt32) throws(DataError) -> [UInt8] {
    guard FileManager.default.fileExists(atPath: path) else { throw .missing(path, remedy: remedy) }
    guard let file = gzopen(path, "rb") else { throw .unreadable(path, problem: "it cannot be opened") }
    defer { gzclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = gzread(file, &buffer, UInt32(buffer.count))
      guard count >= 0 else { throw .unreadable(path, problem: "its compressed data are damaged") }
      if count == 0 { break }
      bytes.append(contentsOf: buffer[..<Int(count)])
    }
    checksum = UInt32(truncatingIfNeeded: crc32(UInt(checksum), bytes, UInt32(bytes.count)))
    return bytes
  }

  /// The format of MNIST and Fashion-MNIST: big-endian numbers, then bytes.
  static func readIDX(
    images: String, labels: String, remedy: String, checksum: inout UInt32
  ) throws(DataError) -> RawImages {
    let pixels = try read(images, remedy: remedy, checksum: &checksum)
    let classes = try read(labels, remedy: remedy, checksum: &checksum)
    func number(_ bytes: [UInt8], _ place: Int) -> Int {
      bytes[4 * place..<4 * place + 4].reduce(0) { $0 << 8 | Int($1) }
    }
    guard pixels.count >= 16, number(pixels, 0) == 0x803,
      pixels.count == 16 + number(pixels, 1) * number(pixels, 2) * number(pixels, 3)
    else { throw .unreadable(images, problem: "it is no IDX file of images") }
    guard classes.count >= 8, number(classes, 0) == 0x801, classes.count == 8 + number(classes, 1),
      number(classes, 1) == number(pixels, 1)
    else { throw .unreadable(labels, problem: "it is no IDX file of as many labels as there are images") }
    guard classes[8...].allSatisfy({ $0 < 10 }) else {
      throw .unreadable(labels, problem: "a label is greater than 9")
    }
    return RawImages(
      channels: 1, height: number(pixels, 2), width: number(pixels, 3), pixels: Array(pixels[16...]),
      labels: Array(classes[8...]))
  }

  /// CIFAR-10's binary version: a byte of label, then 32 x 32 bytes of red, of green, of blue.
  static func readCIFAR10(_ paths: [String], remedy: String, checksum: inout UInt32) throws(DataError)
    -> RawImages
  {
    var images = RawImages(channels: 3, height: 32, width: 32, pixels: [], labels: [])
    for path in paths {
      let bytes = try read(path, remedy: remedy, checksum: &checksum)
      let record = 1 + images.imageSize
      guard !bytes.isEmpty, bytes.count % record == 0 else {
        throw .unreadable(path, problem: "its length is no multiple of \(record) bytes")
      }
      for start in stride(from: 0, to: bytes.count, by: record) {
        guard bytes[start] < 10 else { throw .unreadable(path, problem: "a label is greater than 9") }
        images.labels.append(bytes[start])
        images.pixels.append(contentsOf: bytes[start + 1..<start + record])
      }
    }
    return images
  }
}
