import CTorch

/// Images in groups of sixteen, in single precision on the processor. Networks of few channels run several times as
/// fast on these as on tensors `[count, channels, height, width]`.
///
/// ``values`` is `[groups, channels, pixels x 16]`: the sixteen images of a group are side by side at every pixel, so
/// that one vector instruction works on a pixel of all of them. The last group may have fewer images.
public struct ImageGroups {
  public let values: Tensor
  public let images, height, width: Int

  private var geometry: ct_geometry {
    ct_geometry(images: Int64(images), height: Int64(height), width: Int64(width))
  }

  /// Groups images.
  ///
  /// - Parameter images: `[count, channels, height, width]`.
  public init(_ images: Tensor) throws(TorchError) {
    values = try Tensor(owning: torch.groups(images.handle))  // refuses other shapes
    let shape = images.shape
    (self.images, height, width) = (shape[0], shape[2], shape[3])
  }

  private init(_ values: Tensor, images: Int, height: Int, width: Int) {
    self.values = values
    (self.images, self.height, self.width) = (images, height, width)
  }

  private func with(_ values: Tensor) -> Self { Self(values, images: images, height: height, width: width) }

  /// The images as one tensor, `[count, channels, height, width]`.
  public func ungrouped() throws(TorchError) -> Tensor { try Tensor(owning: torch.ungrouped(values.handle, geometry)) }

  /// A convolution with stride 1 and zero padding, batch normalisation and a rectifier.
  ///
  /// - Parameters:
  ///   - weight: `[out, in, 1, 1]` or `[out, in, 3, 3]`.
  ///   - training: Whether to normalise by the batch's own statistics and update the running ones.
  ///   - momentum: The weight of the new batch in the running statistics.
  public func unit(
    _ weight: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor, training: Bool, momentum: Double,
    epsilon: Double
  ) throws(TorchError) -> Self {
    with(
      try Tensor(
        owning: torch.group_unit(
          values.handle, geometry, weight.handle, gamma.handle, beta.handle, mean.handle, variance.handle,
          training ? 1 : 0, momentum, epsilon)))
  }

  /// Max pooling with 3x3 windows, stride 1 and padding 1.
  public func maxPooled3x3() throws(TorchError) -> Self {
    with(try Tensor(owning: torch.group_pool(values.handle, geometry, 3)))
  }

  /// Max pooling with 2x2 windows and stride 2; the last row and column of an odd size have windows of their own.
  public func halved() throws(TorchError) -> Self {
    Self(
      try Tensor(owning: torch.group_pool(values.handle, geometry, 2)), images: images, height: (height + 1) / 2,
      width: (width + 1) / 2)
  }

  /// The mean over height and width: `[count, channels]`.
  public func mean() throws(TorchError) -> Tensor { try Tensor(owning: torch.group_mean(values.handle, geometry)) }

  /// A range of channels, sharing memory.
  public func channels(_ range: Range<Int>) throws(TorchError) -> Self { with(try values.channels(range)) }

  /// Concatenates images of the same size and number along the channels.
  public static func concatenated(_ first: Self, _ others: [Self]) throws(TorchError) -> Self {
    let handles: [OpaquePointer?] = ([first] + others).map(\.values.handle)
    return first.with(try Tensor(owning: torch.concatenate(handles, Int32(handles.count), 1)))
  }

  /// The sum of images of the same size and number.
  public static func + (a: Self, b: Self) throws(TorchError) -> Self { a.with(try a.values + b.values) }
}
