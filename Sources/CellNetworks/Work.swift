import SearchSpaces

/// The amount of computation in a forward pass, of one image unless stated otherwise.
///
/// Small networks spend their time on reading and writing numbers more than on multiply-accumulates, so the numbers
/// that all layers but convolutions write are counted too.
public struct Work: Hashable, Sendable {
  /// Multiply-accumulates of convolutions and dense layers.
  public var multiplyAccumulates = 0.0
  /// Numbers written by batch norms with their rectifiers, poolings, sums and copies.
  public var elements = 0.0

  public init(multiplyAccumulates: Double = 0, elements: Double = 0) {
    self.multiplyAccumulates = multiplyAccumulates
    self.elements = elements
  }

  public static func += (total: inout Work, part: Work) {
    total.multiplyAccumulates += part.multiplyAccumulates
    total.elements += part.elements
  }

  public static func * (work: Work, factor: Double) -> Work {
    Work(multiplyAccumulates: work.multiplyAccumulates * factor, elements: work.elements * factor)
  }

  /// The work of a convolution with batch norm and rectifier.
  public static func unit(from: Int, to: Int, size: Int, area: Int) -> Work {
    Work(multiplyAccumulates: Double(from * to * size * size * area), elements: Double(to * area))
  }

  /// The work of a forward pass through a cell's ``CellNetwork``.
  public init(
    of cell: Cell, settings: NetworkSettings, channels: Int, height: Int, width: Int, classes: Int
  ) {
    var (height, width, wide) = (height, width, settings.channels)
    var work = Work.unit(from: channels, to: wide, size: 3, area: height * width)
    var input = wide
    let last = cell.vertexCount - 1
    for stack in 0..<settings.stacks {
      if stack > 0 {
        (height, width) = ((height + 1) / 2, (width + 1) / 2)
        work.elements += Double(input * height * width)
        wide *= 2
      }
      for _ in 0..<settings.cellsPerStack {
        let area = height * width
        let channels = vertexChannels(of: cell, input: input, output: wide)
        for vertex in 1...last {
          let size = Double(channels[vertex] * area)
          let sources = (1..<vertex).filter { cell.hasEdge($0, vertex) }
          if cell.hasEdge(0, vertex) {
            work += .unit(from: input, to: channels[vertex], size: 1, area: area)
            if !sources.isEmpty { work.elements += size }
          }
          if vertex == last {
            // The concatenation along the channels.
            if sources.count > 1 { work.elements += size }
          } else {
            work.elements += size * Double(max(0, sources.count - 1))
            work.elements += size * Double(sources.count { channels[$0] != channels[vertex] })
            switch cell.operation(of: vertex) {
            case .maxpool3x3: work.elements += size
            case .conv1x1: work += .unit(from: channels[vertex], to: channels[vertex], size: 1, area: area)
            case .conv3x3: work += .unit(from: channels[vertex], to: channels[vertex], size: 3, area: area)
            }
          }
        }
        input = wide
      }
    }
    work.multiplyAccumulates += Double(wide * classes)
    self = work
  }
}
