import CZlib
import CellNetworks
import Foundation
import SearchSpaces
import TestSupport
import Testing

@Suite("Damaged image files") struct DamagedImageTests {
  let folder: ImageFolder
  static let training = "train-images-idx3-ubyte.gz"

  init() throws {
    folder = try ImageFolder()
    try folder.writeIDX(training: 12, test: 3, side: 4, pixel: { UInt8(($0 * 37 + $1 * 11) % 200) })
  }

  /// The sentence with which the folder is refused; empty if it is not.
  private func refusal(_ settings: DatasetSettings = Self.settings) -> String {
    do { _ = try Dataset(settings, folder: folder.path) } catch { return "\(error)" }
    return ""
  }

  private static let settings = DatasetTests.settings(parts: (8, 4, 3), downscale: 7)

  private func bytes(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(filePath: "\(folder.path)/\(name)")))
  }

  private func gzipped(_ bytes: [UInt8]) throws -> [UInt8] {
    let path = "\(folder.path)/packed"
    let file = try #require(gzopen(path, "wb"))
    #expect(gzwrite(file, bytes, UInt32(bytes.count)) == Int32(bytes.count))
    #expect(gzclose(file) == Z_OK)
    return try self.bytes("packed")
  }

  @Test(
    "a header that does not fit its file is refused with what is wrong",
    arguments: [
      ([0x803, 12, 14, 14], "its images are 14 x 14 pixels, and should be 28 x 28"),
      ([0x803, 12, 0, 28], "its images are 0 x 28 pixels, and should be 28 x 28"),
      ([0x803, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff], "its images are 4294967295 x 4294967295 pixels, and should be"),
      ([0x803, 0, 28, 28], "its header says 0 images, and it can be 1 to 1000000"),
      ([0x803, 0xffff_ffff, 28, 28], "its header says 4294967295 images, and it can be 1 to 1000000"),
      ([0x803, 999_999, 28, 28], "it ends after 12 of 999999 images"),
      ([0x803, 13, 28, 28], "it ends after 12 of 13 images"), ([0x803, 11, 28, 28], "it goes on after its 11 images"),
      ([0x801, 12, 28, 28], "it is no IDX file of images"),
    ])
  func headers(header: [Int], problem: String) throws {
    let pixels = try bytes(Self.training).dropFirst(16)
    try folder.write(Self.training, header.flatMap { ImageFolder.bigEndian($0) } + pixels)
    #expect(refusal().hasPrefix("\(folder.path)/\(Self.training) cannot be used: \(problem)"), "\(refusal())")
  }

  @Test("labels are as many as images, and their file is whole")
  func labels() throws {
    let name = "train-labels-idx1-ubyte.gz"
    for (bytes, problem) in [
      (ImageFolder.bigEndian(0x801, 13) + Array(repeating: 1, count: 13), "it has 13 labels, and"),
      (ImageFolder.bigEndian(0x801, 12) + Array(repeating: 1, count: 9), "it ends after 9 of 12 labels"),
      (ImageFolder.bigEndian(0x801, 12) + Array(repeating: 1, count: 13), "it goes on after its 12 labels"),
      (ImageFolder.bigEndian(0x803, 12), "it is no IDX file of labels"), ([], "it is no IDX file of labels"),
    ] {
      try folder.write(name, bytes)
      #expect(refusal().hasPrefix("\(folder.path)/\(name) cannot be used: \(problem)"), "\(refusal())")
    }
  }

  @Test("a gzip file that is cut short anywhere, or whose bytes changed, is refused")
  func gzip() throws {
    let plain = try bytes(Self.training)
    let whole = try gzipped(plain)
    try folder.write(Self.training, whole)
    #expect(refusal() == "")
    for cut in [whole.count - 1, whole.count - 4, whole.count - 8, whole.count / 2, 20, 11] {
      try folder.write(Self.training, Array(whole[..<cut]))
      #expect(refusal().hasSuffix("its compressed data end too early"), "\(cut): \(refusal())")
    }
    for at in [whole.count - 8, whole.count - 3, whole.count / 2] {
      var damaged = whole
      damaged[at] ^= 0x10
      try folder.write(Self.training, damaged)
      #expect(refusal().hasSuffix("its compressed data are damaged"), "\(at): \(refusal())")
    }
  }

  @Test("a gzip file that unpacks to more than it should is not unpacked")
  func bomb() throws {
    let header = ImageFolder.bigEndian(0x803, 12, 28, 28)
    try folder.write(Self.training, gzipped(header + [UInt8](repeating: 0, count: 1 << 26)))
    #expect(refusal().hasSuffix("it goes on after its 12 images"))
  }

  @Test("CIFAR-10's files hold 10,000 images at most")
  func cifar() throws {
    let record = 1 + 3_072
    for batch in 1...5 { try folder.write("data_batch_\(batch).bin", [UInt8](repeating: 0, count: record)) }
    try folder.write("data_batch_3.bin", [UInt8](repeating: 0, count: record * 10_001))
    try folder.write("test_batch.bin", [UInt8](repeating: 0, count: record))
    let settings = DatasetTests.settings(.cifar10, parts: (1, 1, 1), downscale: 1)
    #expect(
      refusal(settings).hasSuffix(
        "data_batch_3.bin cannot be used: it goes on after 10,000 images, as many as a file holds"))
    for count in [0, 1, record - 1, record + 1] {
      try folder.write("data_batch_3.bin", [UInt8](repeating: 0, count: count))
      #expect(refusal(settings).hasSuffix("data_batch_3.bin cannot be used: its length is no multiple of 3073 bytes"))
    }
  }

  @Test(
    "settings that no data set can give are refused before a file is read",
    arguments: [
      ("trainingImages is -1, and can be 1 to 1000000", (-1, 4, 3), 7),
      ("trainingImages is 0, and can be 1 to 1000000", (0, 4, 3), 7),
      ("validationImages is 9223372036854775807, and can be 0 to 1000000", (8, .max, 3), 7),
      ("trainingImages is 9223372036854775807, and can be 1 to 1000000", (.max, .max, 3), 7),
      ("testImages is -9223372036854775808, and can be 0 to 1000000", (8, 4, .min), 7),
      ("downscale is 0, and images of 28 pixels can be scaled down by 1, 2, 4, 7, 14, 28", (8, 4, 3), 0),
      ("downscale is -7, and images of 28 pixels can be scaled down by 1, 2, 4, 7, 14, 28", (8, 4, 3), -7),
      ("downscale is 3, and images of 28 pixels can be scaled down by 1, 2, 4, 7, 14, 28", (8, 4, 3), 3),
      ("downscale is 56, and images of 28 pixels can be scaled down by 1, 2, 4, 7, 14, 28", (8, 4, 3), 56),
    ] as [(String, (Int, Int, Int), Int)])
  func settings(problem: String, parts: (Int, Int, Int), downscale: Int) {
    #expect(refusal(DatasetTests.settings(parts: parts, downscale: downscale)) == problem)
  }

  @Test("network settings are bounded by what a computer's memory holds")
  func networks() {
    func refusal(_ channels: Int, _ cells: Int, _ change: (inout NetworkSettings) -> Void = { _ in }) -> String {
      var settings = NetworkSettings(channels: channels, cellsPerStack: cells)
      change(&settings)
      do { try settings.check() } catch { return "\(error)" }
      return ""
    }
    #expect(refusal(128, 3) == "")
    #expect(refusal(0, 1) == "channels is 0, and can be 1 to 4096")
    #expect(refusal(.max, 1) == "channels is 9223372036854775807, and can be 1 to 4096")
    #expect(refusal(8, -3) == "cellsPerStack is -3, and can be 1 to 64")
    #expect(refusal(8, 1) { $0.stacks = 70 } == "stacks is 70, and can be 1 to 8")
    #expect(refusal(8, 1) { $0.batchNormMomentum = .nan } == "batchNormMomentum is nan, and can be 0 to 1")
    #expect(
      refusal(8, 1) { $0.batchNormEpsilon = 0 } == "batchNormEpsilon is 0.0, and can be more than 0 and at most 1")
    #expect(refusal(4_096, 64) { $0.stacks = 8 }.hasSuffix("are more weights than a computer's memory holds"))
  }

  @Test("whatever numbers settings have, they are refused, or work and sizes follow from them without a trap")
  func mutatedSettings() throws {
    var mutator = Mutator(seed: 1)
    let cell = try Cell(text: "011|001|000 input,conv3x3-bn-relu,output")
    var accepted = 0
    func number(_ usual: Int) -> Int {
      mutator.index(below: 3) == 0 ? Int(truncatingIfNeeded: mutator.number()) : usual
    }
    for _ in 0..<Mutator.rounds {
      let dataset = DatasetSettings(
        name: mutator.index(below: 2) == 0 ? .fashionMNIST : .cifar10, trainingImages: number(100),
        validationImages: number(100), testImages: number(100), downscale: number(2), seed: mutator.number())
      var network = NetworkSettings(channels: number(8), cellsPerStack: number(1))
      network.stacks = number(3)
      network.batchNormEpsilon = Double(bitPattern: mutator.number())
      if mutator.index(below: 2) == 0 { network.batchNormEpsilon = 1e-5 }
      do throws(DataError) {
        try dataset.check()
        try network.check()
      } catch { continue }
      let side = dataset.original.side / dataset.downscale
      let work = Work(
        of: cell, settings: network, channels: dataset.original.channels, height: side, width: side, classes: 10)
      #expect(work.multiplyAccumulates > 0 && work.multiplyAccumulates.isFinite)
      #expect(dataset.trainingImages + dataset.validationImages > 0)
      accepted += 1
    }
    #expect(accepted > Mutator.rounds / 100 && accepted < Mutator.rounds)
  }

  @Test("mutated files are read or refused, packed or not, also where the packing's own checksum is right")
  func mutatedFiles() throws {
    let names = ["images-idx3", "labels-idx1"].flatMap { ["train-\($0)-ubyte.gz", "t10k-\($0)-ubyte.gz"] }
    let plain = try names.map { try bytes($0) }
    let packed = try plain.map { try gzipped($0) }
    for (name, bytes) in zip(names, packed) { try folder.write(name, bytes) }
    var mutator = Mutator(seed: 2)
    var (read, refused) = (0, 0)
    for round in 0..<Mutator.rounds {
      let file = mutator.index(below: names.count)
      let bytes =
        switch round % 3 {
        case 0: mutator.mutated(plain[file], header: 16)
        case 1: try gzipped(mutator.mutated(plain[file], header: 16))
        default: mutator.mutated(packed[file], header: 12)
        }
      try folder.write(names[file], bytes)
      do throws(DataError) {
        let data = try Dataset(Self.settings, folder: folder.path)
        #expect(data.training.count == 8 && data.training.values.allSatisfy(\.isFinite))
        read += 1
      } catch {
        #expect(!error.description.contains("\n"))
        refused += 1
      }
      try folder.write(names[file], packed[file])
    }
    // Pixels may be anything; sizes, labels and compressed data may not.
    #expect(read > Mutator.rounds / 50 && refused > Mutator.rounds / 4)
  }

  @Test("mutated batches of CIFAR-10 are read or refused")
  func mutatedCIFAR() throws {
    let record: [UInt8] = [3] + (0..<3_072).map { UInt8($0 % 251) }
    for batch in 1...5 { try folder.write("data_batch_\(batch).bin", record + record) }
    try folder.write("test_batch.bin", record + record)
    let settings = DatasetTests.settings(.cifar10, parts: (6, 2, 1), downscale: 16)
    var mutator = Mutator(seed: 3)
    var (read, refused) = (0, 0)
    for _ in 0..<Mutator.rounds / 2 {
      try folder.write("data_batch_1.bin", mutator.mutated(record + record, header: 1))
      do throws(DataError) {
        let data = try Dataset(settings, folder: folder.path)
        #expect(data.training.count == 6 && data.training.labels.allSatisfy { (0..<10).contains($0) })
        read += 1
      } catch { refused += 1 }
    }
    #expect(read > Mutator.rounds / 50 && refused > Mutator.rounds / 8)
  }
}
