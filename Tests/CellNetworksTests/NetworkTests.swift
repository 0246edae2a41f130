import CellNetworks
import Foundation
import SearchSpaces
import Statistics
import TableBuilder
import Tensor
import Testing

@Suite("Tensors") struct TensorTests {
  @Test("wrong shapes throw and say why") func errors() throws {
    #expect(throws: TorchError.self) { try Tensor([1, 2, 3], shape: [2, 2]) }
    let a = try Tensor.zeros([2, 3, 4, 4])
    #expect(throws: TorchError.self) { try a + Tensor.zeros([2, 2, 4, 4]) }
  }
}

@Suite("Networks by NAS-Bench-101's rules") struct NetworkTests {
  @Test("channels are divided among the vertices that feed the output") func channels() throws {
    // From nasbench's model_builder_test.py: three vertices feed an output of 128 channels.
    let wide = try Cell(
      adjacencyText: "01110|00001|00001|00001|00000",
      operations: "input,conv1x1-bn-relu,conv1x1-bn-relu,conv1x1-bn-relu,output")
    #expect(vertexChannels(of: wide, input: 8, output: 128) == [8, 43, 43, 42, 128])
    let line = try Cell(
      adjacencyText: "0100|0010|0001|0000", operations: "input,conv3x3-bn-relu,conv1x1-bn-relu,output")
    #expect(vertexChannels(of: line, input: 8, output: 16) == [8, 16, 16, 16])
    #expect(vertexChannels(of: try Cell(text: "01|00 input,output"), input: 8, output: 16) == [8, 16])
  }

  @Test("parameter counts are NAS-Bench-101's own") func parameterCounts() throws {
    // Cells of the real data set with its trainable_parameters.
    for (text, count) in [
      ("0110|0011|0001|0000 input,conv1x1-bn-relu,conv3x3-bn-relu,output", 3_468_426),
      ("0110|0011|0001|0000 input,maxpool3x3,conv1x1-bn-relu,output", 1_143_306),
    ] {
      var random = RandomGenerator(seed: 0)
      let network = try CellNetwork(
        Cell(text: text), settings: .nasBench101, channels: 3, height: 32, width: 32, classes: 10,
        random: &random)
      #expect(network.parameterCount == count)
    }
  }

  struct Record: Decodable {
    let module_adjacency: [[Int]]
    let module_operations: [String]
    let trainable_parameters: Int
  }

  static let records = URL(filePath: #filePath).deletingLastPathComponent().appending(
    path: "../../../shared/data/nb101_52_full_e108_3repeats.jsonl")

  @Test(
    "parameter counts of more real records",
    .enabled(if: FileManager.default.fileExists(atPath: records.path)))
  func moreParameterCounts() throws {
    let text = try String(contentsOf: Self.records, encoding: .utf8)
    var exact = 0
    for line in text.split(separator: "\n").prefix(12) {
      let record = try JSONDecoder().decode(Record.self, from: Data(line.utf8))
      let cell = try Cell(adjacency: record.module_adjacency, operations: record.module_operations)
      var random = RandomGenerator(seed: 0)
      let network = try CellNetwork(
        cell, settings: .nasBench101, channels: 3, height: 32, width: 32, classes: 10, random: &random)
      // Where channels do not divide evenly, the remainder goes to the first vertices, and which those are
      // depends on the order in which the record happens to list them.
      let last = cell.vertexCount - 1
      let feeding = (1..<last).count { cell.hasEdge($0, last) }
      if 128 % feeding == 0 {
        #expect(network.parameterCount == record.trainable_parameters)
        exact += 1
      } else {
        let ratio = Double(network.parameterCount) / Double(record.trainable_parameters)
        #expect(abs(ratio - 1) < 1e-3)
      }
    }
    #expect(exact > 3)
  }

  @Test("multiply-accumulates of a small network, by hand") func macs() throws {
    var random = RandomGenerator(seed: 0)
    let network = try CellNetwork(
      Cell(text: "01|00 input,output"), settings: NetworkSettings(channels: 2), channels: 1, height: 8,
      width: 8, classes: 10, random: &random)
    // Stem 3x3 from 1 to 2 channels on 8x8; projections 2 to 2 on 8x8, 2 to 4 on 4x4, 4 to 8 on 2x2; dense.
    #expect(network.multiplyAccumulates == 9 * 2 * 64 + 4 * 64 + 8 * 16 + 32 * 4 + 80)
    // Weights, then gamma and beta of each batch norm, then weights and bias of the dense layer.
    #expect(network.parameterCount == (18 + 4) + (4 + 4) + (8 + 8) + (32 + 16) + 90)
  }

  @Test("gradients agree with finite differences") func gradients() throws {
    let cell = try Cell(
      adjacencyText: "01101|00110|00011|00001|00000",
      operations: "input,conv3x3-bn-relu,maxpool3x3,conv1x1-bn-relu,output")
    var random = RandomGenerator(seed: 1)
    let network = try CellNetwork(
      cell, settings: NetworkSettings(channels: 4), channels: 1, height: 8, width: 8, classes: 3,
      random: &random)
    let images = try Tensor((0..<8 * 64).map { _ in Float(random.gaussian()) }, shape: [8, 1, 8, 8])
    let labels = try Tensor(labels: [0, 1, 2, 0, 1, 2, 0, 1])
    func loss() throws -> Double {
      Double(try #require(network(images, training: true).crossEntropy(labels).values().first))
    }
    try network(images, training: true).crossEntropy(labels).backward()
    // Along the gradient itself the loss falls by the squared norm times the step.
    let squaredNorm = try network.parameters.reduce(0.0) { sum, parameter in
      sum + (try parameter.gradient().values().reduce(0) { $0 + Double($1) * Double($1) })
    }
    let before = try loss()
    let step = 1e-3 / squaredNorm.squareRoot()
    try GradientDescent(network.parameters, rule: .nesterov, momentum: 0, weightDecay: 0).step(
      learningRate: step)
    let fallen = before - (try loss())
    #expect(abs(fallen / (step * squaredNorm) - 1) < 0.05)
  }
}

@Suite("Data and training") struct TrainingTests {
  static let settings = DatasetSettings(trainingImages: 512, validationImages: 256, testImages: 256)
  /// The images are a package of their own, which the launcher installs.
  static let hasImages = FileManager.default.fileExists(
    atPath: "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")

  @Test("splits are fixed by the seed and share no image", .enabled(if: hasImages)) func splits() throws {
    let a = try Dataset(Self.settings)
    let again = try Dataset(Self.settings)
    #expect(a.training.values == again.training.values && a.test.labels == again.test.labels)
    func images(_ part: LabelledImages) -> Set<ArraySlice<Float>> {
      let size = part.height * part.width
      return Set((0..<part.count).map { part.values[$0 * size..<($0 + 1) * size] })
    }
    // A rare few of the data set's own images are the same at 14 x 14.
    #expect(images(a.training).intersection(images(a.validation)).count <= 1)
    var other = Self.settings
    other.seed = 1
    #expect(try Dataset(other).training.labels != a.training.labels)
    let mean = a.training.values.reduce(0, +) / Float(a.training.values.count)
    #expect(abs(mean) < 1e-3 && a.training.height == 14)
  }

  @Test("a training learns, and is the same to the bit again", .enabled(if: hasImages)) func training() throws
  {
    let dataset = try Dataset(Self.settings)
    let trainer = try Trainer(
      dataset: dataset, network: NetworkSettings(channels: 8), training: TrainingSettings(batchSize: 32))
    let cell = try Cell(text: "011|001|000 input,conv3x3-bn-relu,output")
    var a = try trainer.train(cell, epochs: 4, seed: 5)
    var b = try trainer.train(cell, epochs: 4, seed: 5)
    let other = try trainer.train(cell, epochs: 4, seed: 6)
    #expect(a.final.validation > 0.4 && !a.diverged)
    #expect(a.final.seconds > a.halfway.seconds)
    #expect(a.final.validation != other.final.validation || a.final.train != other.final.train)
    for path in [\TrainingOutcome.halfway.seconds, \.final.seconds] {
      a[keyPath: path] = 0
      b[keyPath: path] = 0
    }
    #expect(a == b)
  }

  @Test("what is missing is named with a remedy") func missing() {
    #expect(
      throws: DataError.missing(
        "/nowhere/data_batch_1.bin",
        remedy: "unpack the binary version of CIFAR-10 and name its folder with --data")
    ) {
      _ = try Dataset(DatasetSettings(name: .cifar10), folder: "/nowhere")
    }
  }

  @Test("CIFAR-10's binary files are read") func cifar10() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "cifar-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    for name in (1...5).map({ "data_batch_\($0).bin" }) + ["test_batch.bin"] {
      let records = (0..<4).map { index in
        [UInt8(index)] + [UInt8](repeating: UInt8(60 * index), count: 3_072)
      }
      try Data(records.joined()).write(to: folder.appending(path: name))
    }
    let settings = DatasetSettings(
      name: .cifar10, trainingImages: 12, validationImages: 8, testImages: 4, downscale: 1)
    let dataset = try Dataset(settings, folder: folder.path)
    #expect(dataset.training.channels == 3 && dataset.training.height == 32 && dataset.test.count == 4)
    #expect(Set(dataset.test.labels) == [0, 1, 2, 3])
    #expect(throws: DataError.tooFewImages(asked: 21, available: 20, of: "training and validation")) {
      var more = settings
      more.trainingImages = 13
      _ = try Dataset(more, folder: folder.path)
    }
  }

  @Test("a build that was cut off goes on, and merges into a table", .enabled(if: hasImages)) func build()
    throws
  {
    let url = FileManager.default.temporaryDirectory.appending(path: "build-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: url) }
    let folder = BuildFolder(path: url.path)
    let dataset = try Dataset(Self.settings)
    let settings = BuildSettings(
      dataset: Self.settings, network: NetworkSettings(channels: 4), training: TrainingSettings(),
      epochs: [1], repeats: 2, seed: 0)
    let header = BuildHeader(settings: settings, dataChecksum: dataset.checksum)
    let cells = Array(SearchSpace.mini.uniqueCells().prefix(3))

    var left = 2
    let first = Worker(folder: folder, header: header, index: 0, count: 1)
    try first.run(cells, dataset: dataset) {
      left -= 1
      return left < 0
    }
    #expect(try folder.read()?.records.count == 2)
    // A crash in the middle of a line.
    let log = url.appending(path: "worker-0-of-1.jsonl")
    let handle = try FileHandle(forWritingTo: log)
    try handle.seekToEnd()
    try handle.write(contentsOf: Data("{\"cell\":\"011".utf8))
    try handle.close()
    for index in 0..<2 {
      try Worker(folder: folder, header: header, index: index, count: 2).run(cells, dataset: dataset)
    }
    // One log still ends in a torn line, which counts for nothing.
    #expect(try folder.read()?.records.count == 6)
    let summary = try MergedTable.write(
      [folder], to: url.appending(path: "t.table"), command: "test", machine: "test")
    #expect(summary.cells == 3 && summary.trainings == 6 && summary.incompleteCells == 0)

    var other = settings
    other.seed = 1
    #expect(throws: BuildError.otherSettings(url.path)) {
      try folder.done(BuildHeader(settings: other, dataChecksum: dataset.checksum))
    }
  }
}
