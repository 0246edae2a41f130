import Foundation
import SearchSpaces

/// A cell as a small picture: layers by the longest path from the input, from the top downwards.
package struct CellDrawing {
  /// An element of a layer: a vertex, or a point that a long edge passes through.
  private struct Node {
    var layer: Int
    var vertex: Int?
    var x = 0.0
  }

  private var nodes: [Node] = []
  /// Indices of nodes by layer, from left to right.
  private var layers: [[Int]] = []
  /// Edges as the indices of the nodes on them.
  private var paths: [[Int]] = []
  private let labels: [String]

  private static let box = (width: 88.0, height: 24.0)
  private static let step = 46.0
  private static let gap = 12.0

  /// Draws an architecture.
  init(_ architecture: Architecture) {
    switch architecture {
    case .cell(let cell): self.init(cell)
    }
  }

  package init(_ cell: Cell) {
    let count = cell.vertexCount
    labels = ["input"] + (1..<max(1, count - 1)).map { Self.label(cell.operation(of: $0)) } + ["output"]
    var depth = [Int](repeating: 0, count: count)
    for to in 0..<count {
      for from in 0..<to where cell.hasEdge(from, to) { depth[to] = max(depth[to], depth[from] + 1) }
    }
    nodes = (0..<count).map { Node(layer: depth[$0], vertex: $0) }
    layers = [[Int]](repeating: [], count: (depth.max() ?? 0) + 1)
    for vertex in 0..<count { layers[depth[vertex]].append(vertex) }
    for from in 0..<count {
      for to in from..<count where cell.hasEdge(from, to) {
        var path = [from]
        for layer in depth[from] + 1..<max(depth[from] + 1, depth[to]) {
          path.append(nodes.count)
          layers[layer].append(nodes.count)
          nodes.append(Node(layer: layer))
        }
        paths.append(path + [to])
      }
    }
    order()
    spread()
  }

  static func label(_ operation: Cell.Operation) -> String {
    switch operation {
    case .conv1x1: "1×1 conv"
    case .conv3x3: "3×3 conv"
    case .maxpool3x3: "3×3 max pool"
    }
  }

  /// Sorts every layer by the mean position of its neighbours, down and up, and keeps the order of fewest crossings.
  private mutating func order() {
    var best = (crossings: crossings(), layers: layers)
    for sweep in 0..<8 where best.crossings > 0 {
      let down = sweep % 2 == 0
      for layer in down ? Array(layers.indices.dropFirst()) : layers.indices.dropLast().reversed() {
        let other = layers[down ? layer - 1 : layer + 1]
        let position = Dictionary(uniqueKeysWithValues: other.enumerated().map { ($1, Double($0)) })
        let centre = layers[layer].map { node -> Double in
          let near = links.compactMap { link in
            link.0 == node ? position[link.1] : link.1 == node ? position[link.0] : nil
          }
          return near.isEmpty ? 0 : near.reduce(0, +) / Double(near.count)
        }
        layers[layer] = zip(centre, layers[layer]).sorted { $0 < $1 }.map(\.1)
      }
      let count = crossings()
      if count < best.crossings { best = (count, layers) }
    }
    layers = best.layers
  }

  private var links: [(Int, Int)] { paths.flatMap { path in zip(path, path.dropFirst()).map { ($0, $1) } } }

  private func crossings() -> Int {
    var position = [Int](repeating: 0, count: nodes.count)
    for layer in layers { for (index, node) in layer.enumerated() { position[node] = index } }
    let links = links
    var count = 0
    for (index, a) in links.enumerated() {
      for b in links[..<index] where nodes[a.0].layer == nodes[b.0].layer {
        if (position[a.0] - position[b.0]) * (position[a.1] - position[b.1]) < 0 { count += 1 }
      }
    }
    return count
  }

  private func width(_ node: Int) -> Double { nodes[node].vertex == nil ? 8 : Self.box.width }

  /// Gives every node its coordinate in its layer: vertices in the middle, long edges beside them.
  private mutating func spread() {
    for layer in layers {
      var x = 0.0
      for node in layer {
        nodes[node].x = x + width(node) / 2
        x += width(node) + Self.gap
      }
      let vertices = layer.filter { nodes[$0].vertex != nil }.map { nodes[$0].x }
      let middle = ((vertices.min() ?? 0) + (vertices.max() ?? 0)) / 2
      for node in layer { nodes[node].x -= middle }
    }
    straighten()
  }

  /// Leads a long edge that stays on one side along its outermost coordinate, unless a node is in the way.
  private mutating func straighten() {
    for path in paths where path.count > 3 {
      let inner = path.dropFirst().dropLast()
      let xs = inner.map { nodes[$0].x }
      guard let least = xs.min(), let greatest = xs.max(), least * greatest > 0 else { continue }
      let outer = least > 0 ? greatest : least
      let isFree = inner.allSatisfy { node in
        layers[nodes[node].layer].allSatisfy { other in
          other == node || abs(nodes[other].x - outer) >= (width(other) + width(node)) / 2
        }
      }
      if isFree { for node in inner { nodes[node].x = outer } }
    }
  }

  private func y(_ node: Int) -> Double { Double(nodes[node].layer) * Self.step + Self.box.height / 2 + 1 }

  private var left: Double { nodes.indices.map { nodes[$0].x - width($0) / 2 }.min() ?? 0 }

  /// The size of the picture, whose corner at the top left is (0, 0).
  var size: (width: Double, height: Double) {
    let right = nodes.indices.map { nodes[$0].x + width($0) / 2 }.max() ?? 0
    return (right - left + 4, Double(layers.count - 1) * Self.step + Self.box.height + 2)
  }

  /// A vertex by the middle of its box.
  struct Box {
    var x, y: Double
    var width: Double { CellDrawing.box.width }
    var height: Double { CellDrawing.box.height }
    var label: String
    /// Whether it is the input or the output.
    var isEnd: Bool
  }

  var boxes: [Box] {
    nodes.indices.compactMap { node in
      nodes[node].vertex.map {
        Box(x: nodes[node].x - left + 2, y: y(node), label: labels[$0], isEnd: $0 == 0 || $0 == labels.count - 1)
      }
    }
  }

  /// A part of an edge: a cubic Bézier curve from `start` to `end`, upright at both; its control points are at half
  /// the height.
  struct Curve {
    var start, end: (x: Double, y: Double)
    var middle: Double { (start.y + end.y) / 2 }

    /// The point at which the part `t` of the curve is drawn.
    func point(_ t: Double) -> (x: Double, y: Double) {
      let s = 1 - t
      let (first, last) = (s * s * s + 3 * s * s * t, 3 * s * t * t + t * t * t)
      return (
        first * start.x + last * end.x,
        s * s * s * start.y + 3 * s * t * middle + t * t * t * end.y
      )
    }
  }

  /// Edges as curves that join.
  var edges: [[Curve]] {
    paths.map { path in
      zip(path, path.dropFirst()).map { from, to in
        Curve(
          start: (nodes[from].x - left + 2, y(from) + (nodes[from].vertex == nil ? 0 : Self.box.height / 2)),
          end: (nodes[to].x - left + 2, y(to) - (nodes[to].vertex == nil ? 0 : Self.box.height / 2)))
      }
    }
  }

  /// The picture, with an alternative text.
  package func svg(description: String) -> HTML {
    func text(_ value: Double) -> String { Numbers.decimals(value, 1) }
    let lines = edges.map { curves -> HTML in
      let start = curves.first.map { "M\(text($0.start.x)) \(text($0.start.y))" } ?? ""
      let line = curves.map { curve in
        let (middle, x) = (text(curve.middle), text(curve.end.x))
        return "C\(text(curve.start.x)) \(middle) \(x) \(middle) \(x) \(text(curve.end.y))"
      }
      return "<path d=\"\(start + line.joined())\"/>"
    }
    let boxes = boxes.map { box -> HTML in
      """
      <rect class="\(box.isEnd ? "end" : "operation")" x="\(text(box.x - box.width / 2))" \
      y="\(text(box.y - box.height / 2))" width="\(text(box.width))" \
      height="\(text(box.height))" rx="5"/><text x="\(text(box.x))" y="\(text(box.y + 4))">\(box.label)</text>
      """
    }
    return """
      <svg class="cell" role="img" aria-label="\(description)" viewBox="0 0 \(text(size.width)) \(text(size.height))" \
      width="\(text(size.width))" height="\(text(size.height))">\(lines)\(boxes)</svg>
      """
  }
}
