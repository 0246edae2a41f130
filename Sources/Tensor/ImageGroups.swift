import CTorch

/// A convolution with stride 1 and zero padding, followed by batch normalisation.
public struct ConvolutionUnit {
  /// `[out, in, 1, 1]` or `[out, in, 3, 3]`.
  public let weight: Tensor
  /// The scale and shift of batch norm, `[out]`; `nil` for 1 and 0.
  public let gamma, beta: Tensor?
  /// The running statistics of batch norm, `[out]`.
  public let mean, variance: Tensor

  public init(weight: Tensor, gamma: Tensor?, beta: Tensor?, mean: Tensor, variance: Tensor) {
    self.weight = weight
    self.gamma = gamma
    self.beta = beta
    self.mean = mean
    self.variance = variance
  }

  fileprivate var handles: ct_unit {
    ct_unit(
      weight: weight.handle, gamma: gamma?.handle, beta: beta?.handle, mean: mean.handle, variance: variance.handle)
  }
}

/// The way in which batch normalisation is done.
public struct BatchNorm {
  /// Whether to normalise by the batch's own statistics and update the running ones.
  public var training: Bool
  /// The weight of the new batch in the running statistics (PyTorch's convention; one minus TensorFlow's).
  public var momentum: Double
  /// The number added to variances.
  public var epsilon: Double
  /// Whether a rectifier follows.
  public var rectifies = true
  /// Whether convolutions round products and sums once. Faster; the last bits differ.
  public var fusesMultiplyAdds: Bool

  public init(training: Bool, momentum: Double, epsilon: Double, fusesMultiplyAdds: Bool) {
    self.training = training
    self.momentum = momentum
    self.epsilon = epsilon
    self.fusesMultiplyAdds = fusesMultiplyAdds
  }

  fileprivate var values: ct_norm {
    ct_norm(
      training: training ? 1 : 0, rectifies: rectifies ? 1 : 0, fused: fusesMultiplyAdds ? 1 : 0, momentum: momentum,
      epsilon: epsilon)
  }
}

/// Images in the form in which networks of few channels run fast: in groups of sixteen.
///
/// ``values`` is `[groups, channels, pixels x 16]`: the sixteen images of a group are side by side at every pixel, so
/// that one vector instruction works on a pixel of all of them. The last group may have fewer images. All processors
/// compute the same bits.
///
/// In double precision, on a device other than the processor, and within ``Torch/twiceDifferentiable(_:)``, images stay
/// `[count, channels, height, width]`, and operations are libtorch's own.
public struct ImageGroups {
  public let values: Tensor
  public let images, channels, height, width: Int

  private var geometry: ct_geometry {
    ct_geometry(images: Int64(images), height: Int64(height), width: Int64(width))
  }

  /// Groups images.
  ///
  /// - Parameter images: `[count, channels, height, width]`.
  public init(_ images: Tensor) throws(TorchError) {
    values = try Tensor(owning: torch.groups(images.handle))  // refuses other shapes
    let shape = images.shape
    (self.images, channels, height, width) = (shape[0], shape[1], shape[2], shape[3])
  }

  private init(_ values: Tensor, images: Int, channels: Int, height: Int, width: Int) {
    self.values = values
    (self.images, self.channels, self.height, self.width) = (images, channels, height, width)
  }

  private func with(_ values: Tensor, channels: Int? = nil) -> Self {
    Self(values, images: images, channels: channels ?? self.channels, height: height, width: width)
  }

  /// The number of elements of all images.
  public var count: Int { images * channels * height * width }

  /// The images as one tensor, `[count, channels, height, width]`.
  public func ungrouped() throws(TorchError) -> Tensor { try Tensor(owning: torch.ungrouped(values.handle, geometry)) }

  /// The results of several units on these images, in their order.
  public func units(_ units: [ConvolutionUnit], _ norm: BatchNorm) throws(TorchError) -> [Self] {
    var results = [OpaquePointer?](repeating: nil, count: units.count)
    guard
      torch.group_units(values.handle, geometry, units.map(\.handles), Int32(units.count), norm.values, &results) == 0
    else { throw .last() }
    var made: [Self] = []
    for (unit, result) in zip(units, results) {
      made.append(with(try Tensor(owning: result), channels: unit.weight.shape[0]))
    }
    return made
  }

  /// The result of one unit on these images.
  public func unit(_ unit: ConvolutionUnit, _ norm: BatchNorm) throws(TorchError) -> Self {
    let result = try units([unit], norm)
    return result[0]
  }

  /// The sum of operations on these images, as a single node of the graph.
  ///
  /// - Parameters:
  ///   - units: Units with equal numbers of channels out; as many as in, if there is another operation or part.
  ///   - pools: Whether 3x3 max pooling with stride 1 and padding 1 is an operation too, the last one.
  ///   - weights: One number per operation, by which its result is multiplied; `nil` for 1.
  ///   - parts: The number of equal parts of the channels. Operations see the first one and the others pass by; then
  ///     channel `c` of part `q` becomes channel `parts c + q`.
  public func operations(
    _ units: [ConvolutionUnit], pools: Bool, weights: Tensor?, parts: Int = 1, _ norm: BatchNorm
  ) throws(TorchError) -> Self {
    let sum = try Tensor(
      owning: torch.group_operations(
        values.handle, geometry, units.map(\.handles), Int32(units.count), pools ? 1 : 0, weights?.handle,
        Int64(parts), norm.values))
    return with(sum, channels: parts == 1 ? units.first?.weight.shape[0] : nil)
  }

  /// Max pooling with 3x3 windows, stride 1 and padding 1.
  public func maxPooled3x3() throws(TorchError) -> Self {
    with(try Tensor(owning: torch.group_pool(values.handle, geometry, 3, 0)))
  }

  /// Max pooling with 2x2 windows and stride 2; the last row and column that are left over have windows of their own.
  ///
  /// - Parameter padding: The number of pixels that are added at every border, 0 or 1.
  public func halved(padding: Int = 0) throws(TorchError) -> Self {
    Self(
      try Tensor(owning: torch.group_pool(values.handle, geometry, 2, Int64(padding))), images: images,
      channels: channels, height: (height + padding + 1) / 2, width: (width + padding + 1) / 2)
  }

  /// The mean over height and width: `[count, channels]`.
  public func mean() throws(TorchError) -> Tensor { try Tensor(owning: torch.group_mean(values.handle, geometry)) }

  /// max(0, x).
  public func rectified() throws(TorchError) -> Self { with(try Tensor(owning: torch.relu(values.handle))) }

  /// Every image times its own factor.
  ///
  /// - Parameter factors: `[count]`.
  public func scaled(_ factors: Tensor) throws(TorchError) -> Self {
    with(try Tensor(owning: torch.group_scale(values.handle, geometry, factors.handle)))
  }

  /// A range of channels, sharing memory.
  public func channels(_ range: Range<Int>) throws(TorchError) -> Self {
    with(try values.channels(range), channels: range.count)
  }

  /// Refuses images of another size or number. In groups, the shapes of ``values`` do not tell: 17 images and 18 have
  /// two groups, 3x4 pixels and 4x3 are twelve.
  private func check(_ other: Self) throws(TorchError) {
    guard other.images == images, other.height == height, other.width == width else {
      throw TorchError(
        description: "\(images) images of \(height)x\(width) pixels and \(other.images) of "
          + "\(other.height)x\(other.width) do not fit")
    }
  }

  /// Concatenates images of the same size and number along the channels.
  public static func concatenated(_ first: Self, _ others: [Self]) throws(TorchError) -> Self {
    for other in others { try first.check(other) }
    let all = [first] + others
    let handles: [OpaquePointer?] = all.map(\.values.handle)
    return first.with(
      try Tensor(owning: torch.concatenate(handles, Int32(handles.count), 1)),
      channels: all.reduce(0) { $0 + $1.channels })
  }

  /// The sum of images of the same size, number and channels.
  public static func + (a: Self, b: Self) throws(TorchError) -> Self {
    try a.check(b)
    guard a.channels == b.channels else {
      throw TorchError(description: "images of \(a.channels) and of \(b.channels) channels do not fit")
    }
    return a.with(try a.values + b.values)
  }

  /// The sum of images of the same size and number, each from a channel on, as a single node of the graph; zeros where
  /// there are none.
  ///
  /// - Parameters:
  ///   - parts: The images, at least one, with the channel of the result at which they begin.
  ///   - channels: The number of channels of the result.
  ///   - reusesFirst: Whether the first images may be overwritten with the sum. Who needs them on the way back then
  ///     finds that they have changed, which is an error.
  public static func placed(
    _ parts: [(images: Self, start: Int)], channels: Int, reusesFirst: Bool = false
  ) throws(TorchError) -> Self {
    guard let first = parts.first?.images else { throw TorchError(description: "there are no images to place") }
    for part in parts { try first.check(part.images) }
    let handles: [OpaquePointer?] = parts.map(\.images.values.handle)
    let sum = torch.group_place(
      handles, parts.map { Int64($0.start) }, Int32(handles.count), Int64(channels), reusesFirst ? 1 : 0)
    return first.with(try Tensor(owning: sum), channels: channels)
  }

  /// The weighted sum of images of the same size, number and channels, as a single node of the graph.
  ///
  /// - Parameter weights: One number per summand.
  public static func mixture(_ first: Self, _ others: [Self], weights: Tensor) throws(TorchError) -> Self {
    for other in others { try first.check(other) }
    let handles: [OpaquePointer?] = ([first] + others).map(\.values.handle)
    return first.with(try Tensor(owning: torch.mixture(weights.handle, handles, Int32(handles.count))))
  }

  /// The first images times their weight, plus the concatenation along the channels of the others, each times its
  /// weight.
  ///
  /// - Parameter weights: One number for the first images, then one for each of the others.
  public static func weightedConcatenation(_ first: Self, _ others: [Self], weights: Tensor) throws(TorchError) -> Self
  {
    for other in others { try first.check(other) }
    let handles: [OpaquePointer?] = ([first] + others).map(\.values.handle)
    return first.with(try Tensor(owning: torch.weighted_concatenation(weights.handle, handles, Int32(handles.count))))
  }
}
