import CellNetworks
import Foundation
import Testing

/// Image files as small as one likes, in a folder that is gone with this object.
final class ImageFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "anytime-images-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    try Data(bytes).write(to: URL(filePath: "\(path)/\(name)"))
  }

  static func bigEndian(_ values: Int...) -> [UInt8] {
    values.flatMap { value in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }
  }

  /// Fashion-MNIST's four files, of images that are squares of one colour, `side` of them in a row: what downscaling
  /// by 28 / `side` undoes.
  func writeIDX(
    training: Int, test: Int, side: Int, pixel: (_ image: Int, _ square: Int) -> UInt8,
    label: (Int) -> UInt8 = { UInt8($0 % 10) }
  ) throws {
    for (prefix, count, start) in [("train", training, 0), ("t10k", test, training)] {
      var pixels = Self.bigEndian(0x803, count, 28, 28)
      for image in start..<start + count {
        for y in 0..<28 {
          for x in 0..<28 { pixels.append(pixel(image, y * side / 28 * side + x * side / 28)) }
        }
      }
      try write("\(prefix)-images-idx3-ubyte.gz", pixels)
      try write(
        "\(prefix)-labels-idx1-ubyte.gz",
        Self.bigEndian(0x801, count) + (start..<start + count).map(label))
    }
  }

  /// Images whose class can be seen: the brightest row.
  func writeLearnable(training: Int = 400, test: Int = 100) throws {
    try writeIDX(
      training: training, test: test, side: 14,
      pixel: { image, square in UInt8((image * 7 + square * 13) % 90) + (square / 14 == image % 10 ? 150 : 0) })
  }
}

@Suite("Data sets") struct DatasetTests {
  static func settings(
    _ name: DatasetSettings.Name = .fashionMNIST, parts: (Int, Int, Int), downscale: Int,
    seed: UInt64 = 0
  ) -> DatasetSettings {
    DatasetSettings(
      name: name, trainingImages: parts.0, validationImages: parts.1, testImages: parts.2,
      downscale: downscale,
      seed: seed)
  }

  @Test("the parts share no image and are fixed by the seed") func splits() throws {
    let folder = try ImageFolder()
    // The first two pixels are the image's number.
    try folder.writeIDX(
      training: 300, test: 50, side: 4, pixel: { $1 == 0 ? UInt8($0 / 250) : $1 == 1 ? UInt8($0 % 250) : 0 })
    func images(_ seed: UInt64) throws -> [[Int]] {
      let data = try Dataset(Self.settings(parts: (100, 150, 50), downscale: 7, seed: seed), folder: folder.path)
      #expect(data.training.labels.count == 100)
      // Normalised values keep their order, so ranks tell the images apart.
      return [data.training, data.validation, data.test].map { part in
        (0..<part.count).map { Self.identity(part, $0) }
      }
    }
    let parts = try images(0)
    #expect(parts.map(\.count) == [100, 150, 50])
    #expect(Set(parts.joined()).count == 300)
    #expect(try images(0) == parts)
    #expect(try images(1) != parts)
  }

  /// Something that two images share only if their first two pixels are the same.
  private static func identity(_ part: LabelledImages, _ image: Int) -> Int {
    let start = image * part.height * part.width
    return Int((Double(part.values[start]) - Double(part.values[start + 2])) * 1_000) * 1_000_003
      + Int((Double(part.values[start + 1]) - Double(part.values[start + 2])) * 1_000)
  }

  @Test("mean and deviation are those of the training part alone") func normalisation() throws {
    let folder = try ImageFolder()
    try folder.writeIDX(training: 60, test: 20, side: 7, pixel: { UInt8(($0 * 37 + $1 * 11) % 200) })
    let data = try Dataset(Self.settings(parts: (30, 30, 20), downscale: 4), folder: folder.path)
    let values = data.training.values.map(Double.init)
    let mean = values.reduce(0, +) / Double(values.count)
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
    #expect(abs(mean) < 1e-5)
    #expect(abs(variance - 1) < 1e-4)
    let other = data.validation.values.map(Double.init)
    #expect(abs(other.reduce(0, +) / Double(other.count)) > 1e-4)
  }

  @Test("downscaling averages squares") func downscaling() throws {
    let folder = try ImageFolder()
    try folder.writeIDX(training: 12, test: 4, side: 4, pixel: { UInt8($0 * 3 + $1 * $1 % 60) })
    let fine = try Dataset(Self.settings(parts: (6, 6, 4), downscale: 7), folder: folder.path)
    let coarse = try Dataset(Self.settings(parts: (6, 6, 4), downscale: 14), folder: folder.path)
    #expect(coarse.test.height == 2 && coarse.test.width == 2 && coarse.test.count == 4)
    // Both are affine in the pixels: differences of averages are proportional to averages of differences.
    func average(_ image: Int, _ y: Int, _ x: Int) -> Double {
      let start = image * 16 + y * 8 + x * 2
      return [0, 1, 4, 5].map { Double(fine.test.values[start + $0]) }.reduce(0, +) / 4
    }
    let ratio = Double(coarse.test.values[3] - coarse.test.values[0]) / (average(0, 1, 1) - average(0, 0, 0))
    for image in 0..<4 {
      let whole = Double(coarse.test.values[4 * image + 1] - coarse.test.values[4 * image + 2])
      #expect(abs(whole - ratio * (average(image, 0, 1) - average(image, 1, 0))) < 1e-4)
    }
  }

  @Test("CIFAR-10's records are read by colour") func cifar() throws {
    let folder = try ImageFolder()
    func records(_ range: Range<Int>) -> [UInt8] {
      var bytes: [UInt8] = []
      for image in range {
        bytes.append(UInt8(image % 10))
        for index in 0..<3 * 1024 { bytes.append(UInt8((image + index / 1024 * 50 + index) % 256)) }
      }
      return bytes
    }
    for batch in 1...5 { try folder.write("data_batch_\(batch).bin", records(4 * batch..<4 * batch + 4)) }
    try folder.write("test_batch.bin", records(40..<43))
    let data = try Dataset(Self.settings(.cifar10, parts: (10, 10, 3), downscale: 1), folder: folder.path)
    #expect(data.test.channels == 3 && data.test.height == 32 && data.test.values.count == 3 * 3 * 1024)
    #expect(Set(data.test.labels) == [0, 1, 2])
    #expect(data.training.count + data.validation.count == 20)
  }

  @Test("errors name the file, what is wrong and what helps") func errors() throws {
    let folder = try ImageFolder()
    func text(_ settings: DatasetSettings) -> String {
      do { _ = try Dataset(settings, folder: folder.path) } catch { return "\(error)" }
      return ""
    }
    #expect(
      text(Self.settings(parts: (1, 1, 1), downscale: 7))
        == "\(folder.path)/train-images-idx3-ubyte.gz is not there; install it with "
        + "'apt-get install dataset-fashion-mnist', or name its folder with --data")
    #expect(
      text(Self.settings(.cifar10, parts: (1, 1, 1), downscale: 1)) == "\(folder.path)/data_batch_1.bin is not there; "
        + "unpack the binary version of CIFAR-10 and name its folder with --data")
    try folder.writeIDX(training: 8, test: 2, side: 4, pixel: { _, _ in 0 })
    #expect(
      text(Self.settings(parts: (8, 1, 1), downscale: 7))
        == "9 training and validation images are asked for, and there are 8")
    #expect(text(Self.settings(parts: (1, 1, 3), downscale: 7)) == "3 test images are asked for, and there are 2")
    try folder.write("t10k-labels-idx1-ubyte.gz", ImageFolder.bigEndian(0x801, 2) + [3, 10])
    #expect(
      text(Self.settings(parts: (1, 1, 1), downscale: 7))
        == "\(folder.path)/t10k-labels-idx1-ubyte.gz cannot be used: a label is greater than 9")
    try folder.write("train-images-idx3-ubyte.gz", [1, 2, 3])
    #expect(
      text(Self.settings(parts: (1, 1, 1), downscale: 7))
        == "\(folder.path)/train-images-idx3-ubyte.gz cannot be used: it is no IDX file of images")
  }

  @Test(
    "Debian's Fashion-MNIST has the known number of images",
    .enabled(if: FileManager.default.fileExists(atPath: "/usr/share/datasets/fashion-mnist")))
  func fashionMNIST() throws {
    let data = try Dataset(Self.settings(parts: (100, 59_900, 10_000), downscale: 7))
    #expect(data.validation.count == 59_900 && data.test.count == 10_000)
    // The same numbers of every class.
    #expect(data.test.labels.filter { $0 == 9 }.count == 1_000)
  }
}
