import SearchSpaces
import Statistics
import Tensor

/// Scores of networks before any training, in the literature zero-cost proxies: the greater, the better a network is
/// supposed to become.
extension CellNetwork {
  /// The score of NWOT: the logarithm of the determinant of the kernel that counts, for every two images, the
  /// rectifiers that are active for both or for neither (Mellor, Turner, Storkey and Crowley, "Neural Architecture
  /// Search without Training", ICML 2021, section 3).
  ///
  /// As `score_networks.py` of the authors' code, batch norm uses the batch's own statistics.
  ///
  /// - Parameter images: A minibatch, `[count, channels, height, width]`.
  /// - Returns: The score; minus infinity if no rectifier tells two of the images apart.
  /// - Throws: `TorchError`.
  public func nwot(_ images: Tensor) throws -> Double {
    let count = images.shape[0]
    /// Per image, whether each rectifier is active.
    var codes = [[UInt64]](repeating: [], count: count)
    var length = 0
    try Torch.withoutGradients {
      let pass = Pass(norm: norm(training: true)) { rectified in
        let values = try rectified.ungrouped().values()
        let size = values.count / count
        for image in 0..<count {
          for start in stride(from: 0, to: size, by: 64) {
            var word: UInt64 = 0
            for bit in 0..<min(64, size - start) where values[image * size + start + bit] > 0 {
              word |= 1 << UInt64(bit)
            }
            codes[image].append(word)
          }
        }
        length += size
      }
      _ = try logits(images, pass)
    }
    return logDeterminant(
      codes.map { a in
        codes.map { b in Double(length - zip(a, b).reduce(0) { $0 + ($1.0 ^ $1.1).nonzeroBitCount }) }
      })
  }

  /// The score of SynFlow: the sum over all weights of convolutions and of the dense layer of their magnitude times the
  /// gradient by it of the sum of all logits, in a network of these magnitudes, for an image of ones (Tanaka, Kunin,
  /// Yamins and Ganguli, "Pruning Neural Networks without Any Data by Iteratively Conserving Synaptic Flow", NeurIPS
  /// 2020).
  ///
  /// As `synflow.py` of Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021: without batch norm, and
  /// in double precision, as the numbers of deep networks leave the range of single precision. So libtorch's own
  /// convolutions do the work, whose last bits may differ from processor to processor.
  ///
  /// The network is a new one, made with `isPositive`.
  ///
  /// - Parameters:
  ///   - channels, height, width: The size of an image.
  /// - Throws: `TorchError`.
  public func synflow(channels: Int, height: Int, width: Int) throws -> Double {
    let image = try Tensor(
      doubles: [Double](repeating: 1, count: channels * height * width), shape: [1, channels, height, width])
    // By a new network's running statistics, which are 0 and 1: this batch norm changes nothing.
    let none = BatchNorm(training: false, momentum: 0, epsilon: 0, fusesMultiplyAdds: false)
    // Scales and shifts of batch norm and the dense layer's biases are vectors.
    let weights = parameters.filter { $0.shape.count > 1 }
    let gradients = try logits(image, Pass(norm: none)).sum().gradients(of: weights)
    return try zip(weights, gradients).reduce(0) { sum, pair in sum + (try (pair.0 * pair.1).sum().value()) }
  }

  /// The number of trainable parameters of a cell's network, which is not made for it: ``parameterCount``.
  public static func parameterCount(
    of cell: Cell, settings: NetworkSettings, channels: Int, classes: Int
  ) -> Int {
    func unit(from: Int, to: Int, size: Int) -> Int { (from * size * size + 2) * to }
    var count = unit(from: channels, to: settings.channels, size: 3)
    let last = cell.vertexCount - 1
    var input = settings.channels
    for stack in 0..<settings.stacks {
      for _ in 0..<settings.cellsPerStack {
        let channels = vertexChannels(of: cell, input: input, output: settings.channels << stack)
        for vertex in 1...last {
          if cell.hasEdge(0, vertex) { count += unit(from: input, to: channels[vertex], size: 1) }
          guard vertex < last else { continue }
          switch cell.operation(of: vertex) {
          case .maxpool3x3: break
          case .conv1x1: count += unit(from: channels[vertex], to: channels[vertex], size: 1)
          case .conv3x3: count += unit(from: channels[vertex], to: channels[vertex], size: 3)
          }
        }
        input = channels[last]
      }
    }
    return count + (input + 1) * classes
  }
}
