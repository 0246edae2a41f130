import CTorch

/// An error of libtorch, or the reason why it cannot be loaded.
public struct TorchError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String

  static func last() -> TorchError {
    TorchError(
      description: String(cString: torch.last_error()).split(separator: "\n").first.map(String.init) ?? "")
  }
}

/// The functions of the library. The first call loads it.
let torch: ct_functions = ct_open().pointee

/// The libtorch library. It is loaded when the first tensor is made, so that commands without networks start at once.
public enum Torch {
  /// Loads the library, if it is not loaded yet.
  ///
  /// - Throws: ``TorchError`` with the remedy if the library is missing.
  public static func load() throws(TorchError) {
    guard torch.version() != nil else { throw .last() }
  }

  /// The library's version; `none` if it cannot be loaded.
  public static var version: String { torch.version().map { String(cString: $0) } ?? "none" }

  /// The instruction level that the library's kernels use on this machine, such as `AVX2`.
  public static var level: String { torch.level().map { String(cString: $0) } ?? "none" }

  /// Sets how many threads the calling thread's operations use. The last bits of results depend on this number, so
  /// everything in this package uses one.
  public static func start(threads: Int32 = 1) throws(TorchError) {
    guard torch.start(threads) == 0 else { throw .last() }
  }

  /// Sets the device of all tensors that the calling thread makes from now on: `cpu`, `cuda` or `cuda:1`.
  public static func use(device: String) throws(TorchError) {
    guard torch.set_device(device) == 0 else { throw .last() }
  }

  /// Runs a body with operations that can be differentiated twice, which are slower. The body must not
  /// suspend: the mode belongs to the thread.
  public static func twiceDifferentiable<Result>(_ body: () throws -> Result) rethrows -> Result {
    let before = torch.set_twice_differentiable(1)
    defer { _ = torch.set_twice_differentiable(before) }
    return try body()
  }

  /// Runs a body without recording gradients. The body must not suspend: the mode belongs to the thread.
  public static func withoutGradients<Result>(_ body: () throws -> Result) rethrows -> Result {
    let before = torch.set_recording(0)
    defer { _ = torch.set_recording(before) }
    return try body()
  }
}

/// A multidimensional array of single-precision numbers (or integer labels) held by libtorch, with the
/// operations that the package's networks need.
///
/// Images are `[count, channels, height, width]`. Every operation throws ``TorchError`` if shapes do not fit. A
/// tensor must be used on the thread that made it.
public final class Tensor {
  let handle: OpaquePointer

  init(owning handle: OpaquePointer?) throws(TorchError) {
    guard let handle else { throw .last() }
    self.handle = handle
  }

  deinit { torch.free(handle) }

  /// Creates a tensor from values in row-major order.
  public convenience init(_ values: [Float], shape: [Int]) throws(TorchError) {
    guard shape.reduce(1, *) == values.count else {
      throw TorchError(description: "\(values.count) values do not fill the shape \(shape)")
    }
    try self.init(owning: torch.from_floats(values, shape.map(Int64.init), Int32(shape.count)))
  }

  /// Creates a tensor of double precision, for checks.
  public convenience init(doubles values: [Double], shape: [Int]) throws(TorchError) {
    guard shape.reduce(1, *) == values.count else {
      throw TorchError(description: "\(values.count) values do not fill the shape \(shape)")
    }
    try self.init(owning: torch.from_doubles(values, shape.map(Int64.init), Int32(shape.count)))
  }

  /// Creates a tensor of labels.
  public convenience init(labels: [Int64]) throws(TorchError) {
    try self.init(owning: torch.from_integers(labels, Int64(labels.count)))
  }

  /// A tensor of zeros.
  public static func zeros(_ shape: [Int]) throws(TorchError) -> Tensor {
    try Tensor(owning: torch.zeros(shape.map(Int64.init), Int32(shape.count)))
  }

  /// The number of elements.
  public var count: Int { Int(torch.count(handle)) }
  /// The size of every dimension.
  public var shape: [Int] { (0..<torch.rank(handle)).map { Int(torch.size(handle, $0)) } }

  /// The elements, in row-major order.
  public func values() throws(TorchError) -> [Float] {
    var values = [Float](repeating: 0, count: count)
    guard torch.copy_floats(handle, &values) == 0 else { throw .last() }
    return values
  }

  /// The elements in double precision, in row-major order.
  public func doubles() throws(TorchError) -> [Double] {
    var values = [Double](repeating: 0, count: count)
    guard torch.copy_doubles(handle, &values) == 0 else { throw .last() }
    return values
  }

  /// The only element.
  public func value() throws(TorchError) -> Double {
    guard let value = try doubles().first else { throw TorchError(description: "the tensor is empty") }
    return value
  }

  /// A copy of the numbers, without their gradient history.
  public func copy() throws(TorchError) -> Tensor { try Tensor(owning: torch.copy(handle)) }

  /// A tensor of zeros of the same shape.
  public func zeros() throws(TorchError) -> Tensor { try Tensor(owning: torch.zeros_like(handle)) }

  /// Overwrites the numbers with those of a tensor of the same shape, without recording gradients.
  public func assign(_ source: Tensor) throws(TorchError) {
    guard torch.assign(handle, source.handle) == 0 else { throw .last() }
  }

  /// Adds a multiple of a tensor of the same shape in place, without recording gradients.
  public func increase(by source: Tensor, times factor: Double = 1) throws(TorchError) {
    guard torch.increase(handle, source.handle, factor) == 0 else { throw .last() }
  }

  // MARK: Operations

  public static func + (a: Tensor, b: Tensor) throws(TorchError) -> Tensor {
    try Tensor(owning: torch.add(a.handle, b.handle, 1))
  }

  /// The sum of this tensor and a multiple of another one.
  public func adding(_ other: Tensor, times factor: Double) throws(TorchError) -> Tensor {
    try Tensor(owning: torch.add(handle, other.handle, factor))
  }

  public static func * (a: Tensor, b: Tensor) throws(TorchError) -> Tensor {
    try Tensor(owning: torch.multiply(a.handle, b.handle))
  }

  public static func * (a: Tensor, factor: Double) throws(TorchError) -> Tensor {
    try Tensor(owning: torch.scale(a.handle, factor))
  }

  /// The hyperbolic tangent of every element.
  public func tanh() throws(TorchError) -> Tensor { try Tensor(owning: torch.tanh(handle)) }

  /// The sum of all elements.
  public func sum() throws(TorchError) -> Tensor { try Tensor(owning: torch.sum(handle)) }

  /// Softmax over the last dimension.
  public func softmax() throws(TorchError) -> Tensor { try Tensor(owning: torch.softmax(handle, 0)) }

  /// The logarithm of the softmax over the last dimension.
  public func logSoftmax() throws(TorchError) -> Tensor { try Tensor(owning: torch.softmax(handle, 1)) }

  /// The straight-through estimator: one at the greatest element along the last dimension and zero elsewhere, with
  /// the gradient of this tensor itself.
  public func straightThrough() throws(TorchError) -> Tensor {
    try Tensor(owning: torch.straight_through(handle))
  }

  /// The product x Wᵀ of x `[count, in]` and W `[out, in]`.
  public func dense(_ weight: Tensor) throws(TorchError) -> Tensor {
    try Tensor(owning: torch.dense(handle, weight.handle))
  }

  /// Makes one step of an LSTM with this tensor, `[1, in]`, as its input.
  ///
  /// - Parameter weights: The weights of the input `[4h, in]` and of the hidden state `[4h, h]`, then the bias of
  ///   each, `[4h]`.
  /// - Returns: The next hidden state and cell state, `[1, h]`.
  public func lstmCell(
    hidden: Tensor, cell: Tensor, weights: [Tensor]
  ) throws(TorchError) -> (hidden: Tensor, cell: Tensor) {
    var results: [OpaquePointer?] = [nil, nil]
    guard
      weights.count == 4,
      torch.lstm_cell(handle, hidden.handle, cell.handle, weights.map(\.handle), &results) == 0
    else { throw .last() }
    return (try Tensor(owning: results[0]), try Tensor(owning: results[1]))
  }

  /// Concatenates tensors, along the channels if not told otherwise.
  public static func concatenated(_ tensors: [Tensor], dimension: Int = 1) throws(TorchError) -> Tensor {
    try Tensor(owning: torch.concatenate(tensors.map(\.handle), Int32(tensors.count), Int32(dimension)))
  }

  /// A range of channels (of columns, for a matrix), sharing memory.
  public func channels(_ range: Range<Int>) throws(TorchError) -> Tensor {
    try Tensor(owning: torch.channels(handle, Int64(range.lowerBound), Int64(range.upperBound)))
  }

  /// The product and sum x W + b of x `[count, in]`, W `[in, out]` and b `[out]`.
  public func linear(_ weight: Tensor, bias: Tensor) throws(TorchError) -> Tensor {
    try Tensor(owning: torch.linear(handle, weight.handle, bias.handle))
  }

  /// The mean cross-entropy of these logits `[count, classes]`.
  public func crossEntropy(_ labels: Tensor) throws(TorchError) -> Tensor {
    try Tensor(owning: torch.cross_entropy(handle, labels.handle))
  }

  /// The number of rows of these logits `[count, classes]` that are greatest at their label.
  public func correctCount(_ labels: Tensor) throws(TorchError) -> Int {
    let count = torch.count_correct(handle, labels.handle)
    guard count >= 0 else { throw .last() }
    return Int(count)
  }

  /// Copies the rows at the given indices.
  public func selecting(_ indices: ArraySlice<Int64>) throws(TorchError) -> Tensor {
    try Tensor(owning: indices.withUnsafeBufferPointer { torch.select(handle, $0.baseAddress, Int64($0.count)) })
  }

  /// A range of rows, sharing memory.
  public func rows(_ range: Range<Int>) throws(TorchError) -> Tensor {
    try Tensor(owning: torch.rows(handle, Int64(range.lowerBound), Int64(range.upperBound)))
  }
}
