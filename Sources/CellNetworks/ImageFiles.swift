import CZlib
import Foundation

/// An error in reading images or in the settings that describe them.
public enum DataError: Error, Hashable, Sendable, CustomStringConvertible {
  case missing(String, remedy: String)
  case unreadable(String, problem: String)
  case tooFewImages(asked: Int, available: Int, of: String)
  /// Settings that no data set or network can have, for example from a damaged file.
  case settings(String)

  public var description: String {
    switch self {
    case .missing(let path, let remedy): "\(path) is not there; \(remedy)"
    case .unreadable(let path, let problem): "\(path) cannot be used: \(problem)"
    case .tooFewImages(let asked, let available, let part):
      "\(asked) \(part) images are asked for, and there are \(available)"
    case .settings(let problem): problem
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

/// A file that may be gzipped, read from its start. The size that a file states is never trusted before the bytes
/// have been read.
private final class PackedFile {
  private let path: String
  private let file: gzFile
  /// The CRC-32 of the bytes read so far, continuing that of earlier files.
  private(set) var checksum: UInt32

  init(_ path: String, remedy: String, checksum: UInt32) throws(DataError) {
    guard FileManager.default.fileExists(atPath: path) else { throw .missing(path, remedy: remedy) }
    guard let file = gzopen(path, "rb") else {
      throw .unreadable(path, problem: "it cannot be opened; check its permissions")
    }
    self.path = path
    self.file = file
    self.checksum = checksum
  }

  deinit { gzclose(file) }

  /// Reads the next bytes, fewer than `limit` only at the end of the file.
  func read(atMost limit: Int) throws(DataError) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: min(limit, 1 << 20))
    while bytes.count < limit {
      let wanted = min(limit - bytes.count, buffer.count)
      let count = gzread(file, &buffer, UInt32(wanted))
      // gzread does not report a file that is cut short; zlib only remembers it.
      var problem: Int32 = Z_OK
      gzerror(file, &problem)
      switch problem {
      case Z_OK, Z_STREAM_END: break
      case Z_BUF_ERROR: throw unusable("its compressed data end too early")
      case Z_ERRNO: throw unusable("it cannot be read")
      default: throw unusable("its compressed data are damaged")
      }
      guard count > 0 else { break }
      let part = buffer[..<Int(count)]
      checksum = part.withUnsafeBufferPointer {
        UInt32(truncatingIfNeeded: crc32(UInt(checksum), $0.baseAddress, UInt32($0.count)))
      }
      bytes.append(contentsOf: part)
    }
    return bytes
  }

  /// Whether the end is reached. Only there is a compressed file's own checksum compared.
  func isAtEnd() throws(DataError) -> Bool { try read(atMost: 1).isEmpty }

  func unusable(_ problem: String) -> DataError { .unreadable(path, problem: problem) }
}

/// Readers of the data sets' file formats. Each adds its files to the CRC-32 in `checksum`.
enum ImageFiles {
  /// The largest number of images that is read: about a gigabyte of pixels, more than any data set of these formats.
  static let mostImages = 1_000_000

  /// Reads the format of MNIST and Fashion-MNIST: big-endian numbers, then bytes.
  ///
  /// - Parameter side: The height and width that images must have.
  static func readIDX(
    images: String, labels: String, side: Int, remedy: String, checksum: inout UInt32
  ) throws(DataError) -> RawImages {
    func numbers(_ bytes: [UInt8]) -> [Int] {
      stride(from: 0, to: bytes.count - 3, by: 4).map { start in
        bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
      }
    }
    let pixelFile = try PackedFile(images, remedy: remedy, checksum: checksum)
    let header = numbers(try pixelFile.read(atMost: 16))
    guard header.count == 4, header[0] == 0x803 else { throw pixelFile.unusable("it is no IDX file of images") }
    let (count, height, width) = (header[1], header[2], header[3])
    guard height == side, width == side else {
      throw pixelFile.unusable("its images are \(height) x \(width) pixels, and should be \(side) x \(side)")
    }
    guard (1...mostImages).contains(count) else {
      throw pixelFile.unusable("its header says \(count) images, and it can be 1 to \(mostImages)")
    }
    let pixels = try pixelFile.read(atMost: count * side * side)
    guard pixels.count == count * side * side else {
      throw pixelFile.unusable("it ends after \(pixels.count / (side * side)) of \(count) images")
    }
    guard try pixelFile.isAtEnd() else { throw pixelFile.unusable("it goes on after its \(count) images") }

    let labelFile = try PackedFile(labels, remedy: remedy, checksum: pixelFile.checksum)
    let labelHeader = numbers(try labelFile.read(atMost: 8))
    guard labelHeader.count == 2, labelHeader[0] == 0x801 else {
      throw labelFile.unusable("it is no IDX file of labels")
    }
    guard labelHeader[1] == count else {
      throw labelFile.unusable("it has \(labelHeader[1]) labels, and \(images) has \(count) images")
    }
    let classes = try labelFile.read(atMost: count)
    guard classes.count == count else { throw labelFile.unusable("it ends after \(classes.count) of \(count) labels") }
    guard try labelFile.isAtEnd() else { throw labelFile.unusable("it goes on after its \(count) labels") }
    guard classes.allSatisfy({ $0 < 10 }) else { throw labelFile.unusable("a label is greater than 9") }
    checksum = labelFile.checksum
    return RawImages(channels: 1, height: side, width: side, pixels: pixels, labels: classes)
  }

  /// Reads CIFAR-10's binary version: a label byte, then 32 x 32 bytes each of red, green and blue; at most 10,000
  /// images per file.
  static func readCIFAR10(_ paths: [String], remedy: String, checksum: inout UInt32) throws(DataError)
    -> RawImages
  {
    var images = RawImages(channels: 3, height: 32, width: 32, pixels: [], labels: [])
    for path in paths {
      let file = try PackedFile(path, remedy: remedy, checksum: checksum)
      let record = 1 + images.imageSize
      let bytes = try file.read(atMost: 10_000 * record)
      guard !bytes.isEmpty, bytes.count % record == 0 else {
        throw file.unusable("its length is no multiple of \(record) bytes")
      }
      guard try file.isAtEnd() else { throw file.unusable("it goes on after 10,000 images, as many as a file holds") }
      checksum = file.checksum
      for start in stride(from: 0, to: bytes.count, by: record) {
        guard bytes[start] < 10 else { throw file.unusable("a label is greater than 9") }
        images.labels.append(bytes[start])
        images.pixels.append(contentsOf: bytes[start + 1..<start + record])
      }
    }
    return images
  }
}
