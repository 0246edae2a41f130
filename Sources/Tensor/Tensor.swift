import CTorch

/// What libtorch said when it refused something.
public struct TorchError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String

  static func last() -> TorchError {
    TorchError(
      description: String(cString: ct_last_error()).split(separator: "\n").first.map(String.init) ?? "")
  }
}

/// libtorch as a whole.
public enum Torch {
  /// The library's version.
  public static var version: String { ct_version().map { String(cString: $0) } ?? "none" }

  /// Sets the number of threads within an operation, once per process. Results depend on it in the last
  /// bits: everything here uses one.
  public static func start(threads: Int32 = 1) throws(TorchError) {
    guard ct_start(threads) == 0 else { throw .last() }
  }

  /// Runs a body without recording gradients. The body must not suspend: the mode belongs to the thread.
  public static func withoutGradients<Result>(_ body: () throws -> Result) rethrows -> Result {
    let before = ct_set_recording(0)
    defer { _ = ct_set_recording(before) }
    return try body()
  }
}

/// A multidimensional array of single-precision numbers (or integer labels) that libtorch holds, with the
/// operations that the package's networks are made of.
///
/// Images are `[count, channels, height, width]`. Every operation may throw ``TorchError``, if shapes do not
/// fit. Tensors stay on the thread that made them.
public final class Tensor {
  let handle: OpaquePointer

  private init(owning handle: OpaquePointer?) throws(TorchError) {
    guard let handle else { throw .last() }
    self.handle = handle
  }

  deinit { ct_free(handle) }

  /// A tensor of given values, in row-major order.
  public convenience init(_ values: [Float], shape: [Int]) throws(TorchError) {
    guard shape.reduce(1, *) == values.count else {
      throw TorchError(description: "\(values.count) values do not fill the shape \(shape)")
    }
    try self.init(owning: ct_from_floats(values, shape.map(Int64.init), Int32(shape.count)))
  }

  /// Labels.
  public convenience init(labels: [Int64]) throws(TorchError) {
    try self.init(owning: ct_from_integers(labels, Int64(labels.count)))
  }

  public static func zeros(_ shape: [Int]) throws(TorchError) -> Tensor {
    try Tensor(owning: ct_zeros(shape.map(Int64.init), Int32(shape.count)))
  }

  /// The number of elements.
  public var count: Int { Int(ct_count(handle)) }
  public var shape: [Int] { (0..<ct_rank(handle)).map { Int(ct_size(handle, $0)) } }

  /// The elements, in row-major order.
  public func values() throws(TorchError) -> [Float] {
    var values = [Float](repeating: 0, count: count)
    guard ct_copy_floats(handle, &values) == 0 else { throw .last() }
    return values
  }

  /// Marks a parameter: its ``gradient()`` is wanted.
  public func requireGradient() throws(TorchError) {
    guard ct_require_gradient(handle) == 0 else { throw .last() }
  }

  /// What ``backward()`` left for a parameter.
  public func gradient() throws(TorchError) -> Tensor { try Tensor(owning: ct_gradient(handle)) }

  /// Computes the gradients of all parameters that this single number depends on.
  public func backward() throws(TorchError) {
    guard ct_backward(handle) == 0 else { throw .last() }
  }

  // MARK: Operations

  /// Convolution with stride 1. `weight` is `[out, in, k, k]`.
  public func convolved(_ weight: Tensor, padding: Int) throws(TorchError) -> Tensor {
    try Tensor(owning: ct_convolution(handle, weight.handle, Int32(padding)))
  }

  /// Batch normalisation over count, height and width.
  ///
  /// - Parameter momentum: The weight of the new batch in the running statistics (PyTorch's convention; one
  ///   minus TensorFlow's).
  public func batchNormalized(
    gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor, training: Bool, momentum: Double,
    epsilon: Double
  ) throws(TorchError) -> Tensor {
    try Tensor(
      owning: ct_batch_norm(
        handle, gamma.handle, beta.handle, mean.handle, variance.handle, training ? 1 : 0, momentum, epsilon))
  }

  /// max(0, ``batchNormalized(gamma:beta:mean:variance:training:momentum:epsilon:)``), several times as fast.
  public func batchNormalizedRelu(
    gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor, training: Bool, momentum: Double,
    epsilon: Double
  ) throws(TorchError) -> Tensor {
    try Tensor(
      owning: ct_batch_norm_relu(
        handle, gamma.handle, beta.handle, mean.handle, variance.handle, training ? 1 : 0, momentum, epsilon))
  }

  /// max(0, x), overwriting this tensor, which nothing else may read.
  public consuming func relu() throws(TorchError) -> Tensor { try Tensor(owning: ct_relu(handle)) }

  public static func + (a: Tensor, b: Tensor) throws(TorchError) -> Tensor {
    try Tensor(owning: ct_add(a.handle, b.handle))
  }

  /// The maximum over 3x3 windows, stride 1, padding 1: the shape stays.
  public func maxPooled3x3() throws(TorchError) -> Tensor { try Tensor(owning: ct_max_pool_3x3(handle)) }

  /// The maximum over windows, by libtorch's own kernel. Where windows do not divide the image, the last ones
  /// reach over its edge, as with TensorFlow's padding `same`: 7 pixels halve to 4.
  public func maxPooled(window: Int, stride: Int, padding: Int = 0) throws(TorchError) -> Tensor {
    try Tensor(owning: ct_max_pool(handle, Int32(window), Int32(stride), Int32(padding)))
  }

  /// The mean over windows that do not overlap.
  public func averagePooled(window: Int) throws(TorchError) -> Tensor {
    try Tensor(owning: ct_average_pool(handle, Int32(window)))
  }

  /// Tensors one after another along the channels.
  public static func concatenated(_ tensors: [Tensor]) throws(TorchError) -> Tensor {
    try Tensor(owning: ct_concatenate(tensors.map(\.handle), Int32(tensors.count)))
  }

  /// The first channels, sharing memory.
  public func firstChannels(_ count: Int) throws(TorchError) -> Tensor {
    try Tensor(owning: ct_first_channels(handle, Int64(count)))
  }

  /// The mean over height and width: `[count, channels]`.
  public func globalMean() throws(TorchError) -> Tensor { try Tensor(owning: ct_global_mean(handle)) }

  /// x W + b, for x `[count, in]`, W `[in, out]`, b `[out]`.
  public func linear(_ weight: Tensor, bias: Tensor) throws(TorchError) -> Tensor {
    try Tensor(owning: ct_linear(handle, weight.handle, bias.handle))
  }

  /// The mean cross-entropy of these logits `[count, classes]`.
  public func crossEntropy(_ labels: Tensor) throws(TorchError) -> Tensor {
    try Tensor(owning: ct_cross_entropy(handle, labels.handle))
  }

  /// How many of these logits `[count, classes]` are greatest at the label.
  public func correctCount(_ labels: Tensor) throws(TorchError) -> Int {
    let count = ct_count_correct(handle, labels.handle)
    guard count >= 0 else { throw .last() }
    return Int(count)
  }

  /// The rows at some places, copied.
  public func selecting(_ places: ArraySlice<Int64>) throws(TorchError) -> Tensor {
    try Tensor(owning: places.withUnsafeBufferPointer { ct_select(handle, $0.baseAddress, Int64($0.count)) })
  }

  /// A range of rows, sharing memory.
  public func rows(_ range: Range<Int>) throws(TorchError) -> Tensor {
    try Tensor(owning: ct_rows(handle, Int64(range.lowerBound), Int64(range.upperBound)))
  }
}
