import CellNetworks
import Foundation
import Statistics
import Synchronization
import Tensor

/// The images of a search: one half trains weights, the other half chooses architectures. Test images are never read.
package final class SearchData {
  /// The indices of the images that train weights, and of those that choose architectures.
  package private(set) var weightIndices, searchIndices: [Int64]
  /// Random changes of the images that train weights.
  package struct Augmentation {
    var cropsAndFlips: Bool
    var cutout: Int
    var cutoutProbability: Double

    package init(cropsAndFlips: Bool, cutout: Int, cutoutProbability: Double) {
      self.cropsAndFlips = cropsAndFlips
      self.cutout = cutout
      self.cutoutProbability = cutoutProbability
    }
  }

  private let part: LabelledImages
  private let images, labels: Tensor

  /// - Parameters:
  ///   - task: The task whose training and validation images are pooled and halved.
  ///   - device: The device that this thread's tensors are made on.
  ///   - random: The generator that draws the halves.
  package init(_ task: SearchTask, device: SupernetSettings.Device = .cpu, random: inout RandomGenerator) throws {
    let shared = try Self.development(task.dataset)
    part = shared.part
    (images, labels) = try shared.tensors(on: device)
    var indices = (0..<Int64(part.count)).map { $0 }
    random.shuffle(&indices)
    weightIndices = Array(indices[..<(indices.count / 2)])
    searchIndices = Array(indices[(indices.count / 2)...])
  }

  /// Puts each half into a new random order.
  func shuffle(using random: inout RandomGenerator) {
    random.shuffle(&weightIndices)
    random.shuffle(&searchIndices)
  }

  /// Puts each half into ascending order, so that the next shuffle depends on the generator alone.
  func sort() {
    weightIndices.sort()
    searchIndices.sort()
  }

  /// The images and labels at the given indices.
  package func batch(_ indices: ArraySlice<Int64>) throws -> (images: Tensor, labels: Tensor) {
    (try images.selecting(indices), try labels.selecting(indices))
  }

  /// The images at the given indices, changed at random, and their labels: crops of images padded by four pixels,
  /// flips, and squares of zeros (DeVries and Taylor 2017), as in `_data_transforms_cifar10`. Squares may reach
  /// beyond the image.
  ///
  /// Differences: the padding is zero, which is a channel's mean, where the script pads with black; squares of an odd
  /// side have that side, where the script's are a pixel smaller.
  package func batch(
    _ indices: ArraySlice<Int64>, _ augmentation: Augmentation, using random: inout RandomGenerator
  ) throws -> (images: Tensor, labels: Tensor) {
    guard augmentation.cropsAndFlips || augmentation.cutout > 0 else { return try batch(indices) }
    let (channels, height, width) = (part.channels, part.height, part.width)
    var values = [Float](repeating: 0, count: indices.count * channels * height * width)
    for (number, index) in indices.enumerated() {
      let crops = augmentation.cropsAndFlips
      let (dy, dx) = crops ? (random.below(9) - 4, random.below(9) - 4) : (0, 0)
      let flips = crops && random.chance(0.5)
      let cuts = augmentation.cutout > 0 && random.chance(augmentation.cutoutProbability)
      let (cutY, cutX) = cuts ? (random.below(height), random.below(width)) : (0, 0)
      let square = (y: cutY - augmentation.cutout / 2, x: cutX - augmentation.cutout / 2, side: augmentation.cutout)
      for y in 0..<height where (0..<height).contains(y + dy) {
        for x in 0..<width {
          let from = (flips ? width - 1 - x : x) + dx
          guard (0..<width).contains(from) else { continue }
          if cuts, (0..<square.side).contains(y - square.y), (0..<square.side).contains(x - square.x) { continue }
          for channel in 0..<channels {
            values[((number * channels + channel) * height + y) * width + x] =
              part.values[((Int(index) * channels + channel) * height + y + dy) * width + from]
          }
        }
      }
    }
    return (
      try Tensor(values, shape: [indices.count, channels, height, width]), try labels.selecting(indices)
    )
  }

  /// A data set's training and validation images.
  fileprivate final class Development: Sendable {
    let part: LabelledImages
    /// The checksum of the images' files.
    let checksum: UInt32
    /// By device.
    private let made = Mutex<[SupernetSettings.Device: Made]>([:])

    /// Never changed once they are made, so that supernets on several threads may read them.
    private struct Made: @unchecked Sendable { let images, labels: Tensor }

    init(_ part: LabelledImages, checksum: UInt32) {
      self.part = part
      self.checksum = checksum
    }

    /// The images `[count, channels, height, width]` and labels, which all supernets of a process share.
    ///
    /// - Parameter device: The device that this thread's tensors are made on.
    func tensors(on device: SupernetSettings.Device) throws -> (images: Tensor, labels: Tensor) {
      let result = try made.withLock { made in
        let result =
          try made[device]
          ?? Made(
            images: Tensor(part.values, shape: [part.count, part.channels, part.height, part.width]),
            labels: Tensor(labels: part.labels))
        made[device] = result
        return result
      }
      return (result.images, result.labels)
    }
  }

  /// A data set's training and validation images, read once per process.
  fileprivate static func development(_ settings: DatasetSettings) throws -> Development {
    var settings = settings
    settings.testImages = 0
    return try cache.withLock { cache in
      if let found = cache[settings] { return found }
      let dataset = try Dataset(
        settings, folder: ProcessInfo.processInfo.environment["ANYTIME_DATA"],
        option: "the environment variable ANYTIME_DATA")
      var part = dataset.training
      part.values += dataset.validation.values
      part.labels += dataset.validation.labels
      let made = Development(part, checksum: dataset.checksum)
      cache[settings] = made
      return made
    }
  }

  private static let cache = Mutex<[DatasetSettings: Development]>([:])
}

extension SearchTask {
  /// Identifies the data and numerics that the results of supernets depend on: the checksum of the image files, and the
  /// library with its version and instruction level on this machine.
  ///
  /// - Throws: `DataError` if the images cannot be read, `TorchError` if libtorch cannot be loaded.
  public func numerics() throws -> (images: String, library: String) {
    try Torch.load()
    let checksum = try SearchData.development(dataset).checksum
    return ("crc32 \(String(checksum, radix: 16))", "libtorch \(Torch.version) \(Torch.level)")
  }
}
