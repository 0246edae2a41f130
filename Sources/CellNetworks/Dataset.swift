import Foundation
import Statistics

/// The choice of images: data set, numbers, resolution.
public struct DatasetSettings: Hashable, Sendable, Codable {
  /// A data set that the package can read.
  public enum Name: String, CaseIterable, Sendable, Codable {
    /// Xiao, Rasul and Vollgraf (2017): 70,000 grey images of 28 x 28.
    case fashionMNIST = "fashion-mnist"
    /// Krizhevsky (2009): 60,000 colour images of 32 x 32, in the binary version.
    case cifar10 = "cifar-10"
  }

  public var name: Name
  /// The number of images to train on, drawn by ``seed`` from the training files.
  public var trainingImages: Int
  /// The number of images to validate on, drawn from the other images of the training files.
  public var validationImages: Int
  /// The number of images to test on, drawn from the test file.
  public var testImages: Int
  /// The side, in pixels, of the squares over which images are averaged.
  public var downscale: Int
  /// The seed of the random splits.
  public var seed: UInt64

  public init(
    name: Name = .fashionMNIST, trainingImages: Int = 5_000, validationImages: Int = 5_000,
    testImages: Int = 5_000, downscale: Int = 2, seed: UInt64 = 0
  ) {
    self.name = name
    self.trainingImages = trainingImages
    self.validationImages = validationImages
    self.testImages = testImages
    self.downscale = downscale
    self.seed = seed
  }
}

extension DatasetSettings {
  /// The channels and the side of the images in their files, in pixels.
  public var original: (channels: Int, side: Int) {
    switch name {
    case .fashionMNIST: (1, 28)
    case .cifar10: (3, 32)
    }
  }

  /// Checks that the data set can give what these settings ask for; they may come from a file.
  ///
  /// - Throws: ``DataError/settings(_:)``.
  public func check() throws(DataError) {
    let counts = [
      ("trainingImages", trainingImages, 1), ("validationImages", validationImages, 0), ("testImages", testImages, 0),
    ]
    for (setting, count, least) in counts where !(least...ImageFiles.mostImages).contains(count) {
      throw .settings("\(setting) is \(count), and can be \(least) to \(ImageFiles.mostImages)")
    }
    let side = original.side
    guard (1...side).contains(downscale), side % downscale == 0 else {
      let choices = (1...side).filter { side % $0 == 0 }.map(String.init).joined(separator: ", ")
      throw .settings("downscale is \(downscale), and images of \(side) pixels can be scaled down by \(choices)")
    }
  }
}

/// Images as numbers, `[count][channels][height][width]`, with the class of each.
public struct LabelledImages: Sendable {
  public var channels: Int
  public var height: Int
  public var width: Int
  public var values: [Float]
  public var labels: [Int64]

  /// The number of images.
  public var count: Int { labels.count }
}

/// A data set in three parts that share no image.
///
/// Each channel is normalised by its mean and standard deviation over the training part alone.
public struct Dataset: Sendable {
  /// The images to train on, to validate on and to test on.
  public let training, validation, test: LabelledImages
  /// The CRC-32 of the unpacked files, for a table's provenance.
  public let checksum: UInt32
  /// The number of classes.
  public let classes = 10

  /// Reads and splits a data set.
  ///
  /// - Parameters:
  ///   - folder: The folder of the files; if `nil`, the one where Debian installs Fashion-MNIST, or
  ///     `cifar-10-batches-bin`.
  ///   - option: The option by which a user names the folder, for messages.
  /// - Throws: ``DataError``.
  public init(
    _ settings: DatasetSettings, folder: String? = nil, option: String = "--data"
  ) throws(DataError) {
    try settings.check()
    let side = settings.original.side
    var checksum: UInt32 = 0
    let development: RawImages
    let held: RawImages
    switch settings.name {
    case .fashionMNIST:
      let folder = folder ?? "/usr/share/datasets/fashion-mnist"
      let remedy = "install it with 'apt-get install dataset-fashion-mnist', or name its folder with \(option)"
      development = try ImageFiles.readIDX(
        images: folder + "/train-images-idx3-ubyte.gz", labels: folder + "/train-labels-idx1-ubyte.gz",
        side: side, remedy: remedy, checksum: &checksum)
      held = try ImageFiles.readIDX(
        images: folder + "/t10k-images-idx3-ubyte.gz", labels: folder + "/t10k-labels-idx1-ubyte.gz",
        side: side, remedy: remedy, checksum: &checksum)
    case .cifar10:
      let folder = folder ?? "cifar-10-batches-bin"
      let remedy = "unpack the binary version of CIFAR-10 and name its folder with \(option)"
      development = try ImageFiles.readCIFAR10(
        (1...5).map { "\(folder)/data_batch_\($0).bin" }, remedy: remedy, checksum: &checksum)
      held = try ImageFiles.readCIFAR10(["\(folder)/test_batch.bin"], remedy: remedy, checksum: &checksum)
    }
    self.checksum = checksum

    let wanted = settings.trainingImages + settings.validationImages
    guard wanted <= development.count else {
      throw .tooFewImages(asked: wanted, available: development.count, of: "training and validation")
    }
    guard settings.testImages <= held.count else {
      throw .tooFewImages(asked: settings.testImages, available: held.count, of: "test")
    }
    func permutation(_ count: Int, _ stream: String) -> [Int] {
      var random = RandomGenerator(seed: settings.seed, stream: stream)
      var indices = Array(0..<count)
      random.shuffle(&indices)
      return indices
    }
    let indices = permutation(development.count, "development images")
    let heldIndices = permutation(held.count, "test images")
    var training = Self.part(development, indices[..<settings.trainingImages], settings.downscale)
    var validation = Self.part(development, indices[settings.trainingImages..<wanted], settings.downscale)
    var test = Self.part(held, heldIndices[..<settings.testImages], settings.downscale)

    for channel in 0..<training.channels {
      let (mean, deviation) = training.moments(channel: channel)
      training.normalise(channel: channel, mean, deviation)
      validation.normalise(channel: channel, mean, deviation)
      test.normalise(channel: channel, mean, deviation)
    }
    self.training = training
    self.validation = validation
    self.test = test
  }

  private static func part(_ raw: RawImages, _ indices: ArraySlice<Int>, _ downscale: Int) -> LabelledImages {
    let (height, width) = (raw.height / downscale, raw.width / downscale)
    var values: [Float] = []
    values.reserveCapacity(indices.count * raw.channels * height * width)
    let scale = 1 / Float(255 * downscale * downscale)
    for index in indices {
      for channel in 0..<raw.channels {
        let plane = index * raw.imageSize + channel * raw.height * raw.width
        for y in 0..<height {
          for x in 0..<width {
            var sum = 0
            for row in 0..<downscale {
              let start = plane + (y * downscale + row) * raw.width + x * downscale
              for column in 0..<downscale { sum += Int(raw.pixels[start + column]) }
            }
            values.append(Float(sum) * scale)
          }
        }
      }
    }
    return LabelledImages(
      channels: raw.channels, height: height, width: width, values: values,
      labels: indices.map { Int64(raw.labels[$0]) })
  }
}

extension LabelledImages {
  private func forEachPixel(channel: Int, _ body: (Int) -> Void) {
    let plane = height * width
    for image in 0..<count {
      let start = (image * channels + channel) * plane
      for index in start..<start + plane { body(index) }
    }
  }

  fileprivate func moments(channel: Int) -> (mean: Float, deviation: Float) {
    var sum = 0.0
    var squares = 0.0
    forEachPixel(channel: channel) {
      sum += Double(values[$0])
      squares += Double(values[$0]) * Double(values[$0])
    }
    let n = Double(count * height * width)
    let variance = max(squares / n - sum / n * sum / n, 1e-12)
    return (Float(sum / n), Float(variance.squareRoot()))
  }

  fileprivate mutating func normalise(channel: Int, _ mean: Float, _ deviation: Float) {
    let plane = height * width
    for image in 0..<count {
      let start = (image * channels + channel) * plane
      for index in start..<start + plane { values[index] = (values[index] - mean) / deviation }
    }
  }
}
