import Foundation
import Statistics

/// Names at the ends of lines, beside the plot.
extension Chart {
  /// The name of a line or a level beside the right edge, joined to its end by a leader.
  package struct End: Hashable, Sendable {
    /// The label of the lines that it names; `nil` for a level.
    package let label: String?
    /// As it is shown: long names lose their middle.
    package let text: String
    /// The end of the line. Of several lines with one label, the last end and the median value there.
    package let x, y: Double
  }

  /// A name in its row, in fractions of the plot's width and height from its lower left corner.
  package struct PlacedEnd: Hashable, Sendable {
    package let end: End
    /// The end of the line.
    package let x, y: Double
    /// The middle of the name, beside the right edge.
    package let row: Double
  }

  /// The greatest number of letters of a name at a line's end.
  static let endLetters = 28

  /// One end per label that has a line, in the order of lines, and one per level.
  package var ends: [End] {
    var lasts: [String: [Point]] = [:]
    var labels: [String] = []
    for series in series {
      guard let last = series.points.last else { continue }
      if lasts[series.label] == nil { labels.append(series.label) }
      lasts[series.label, default: []].append(drawn(last))
    }
    return labels.compactMap { label in
      guard let points = lasts[label], let x = points.map(\.x).max(), let y = points.map(\.y).median else { return nil }
      return End(label: label, text: Self.endText(label), x: x, y: y)
    } + levels.map { End(label: nil, text: $0.label, x: x.range.upperBound, y: drawn(Point(0, $0.value)).y) }
  }

  /// Whether a name is too long for a line's end, so that a legend has to tell it.
  package var needsLegend: Bool { ends.contains { end in end.label.map { $0.shownInFigures != end.text } ?? false } }

  private static func endText(_ label: String) -> String {
    let text = label.shownInFigures
    return text.count <= endLetters ? text : text.prefix(endLetters - 10) + "…" + text.suffix(9)
  }

  /// The names in rows of which none covers another.
  ///
  /// - Parameter row: The height of a name, as a fraction of the plot's height.
  package func placedEnds(row: Double) -> [PlacedEnd] {
    let ends = ends
    let heights = ends.map { y.fraction($0.y) }
    return zip(ends, zip(heights, Self.apart(heights, by: row))).map { end, heights in
      PlacedEnd(end: end, x: x.fraction(end.x), y: heights.0, row: heights.1)
    }
  }

  /// Values in 0...1, moved apart as far as needed, in the same order.
  ///
  /// Pushed up only, the i-th least value lies at `i d + max(v_j - j d)` over all `j` up to `i`; pushed down only, at
  /// `i d + min(v_j - j d)` over all `j` from `i`. Both keep the distance `d`, and so does their mean, which moves
  /// neighbours to both sides. It is then kept within 0...1. The page's plots do the same while lines come and go.
  ///
  /// - Parameter distance: The least distance; less where there are too many values for it.
  package static func apart(_ values: [Double], by distance: Double) -> [Double] {
    guard values.count > 1 else { return values.map { min(max($0, 0), 1) } }
    let last = Double(values.count - 1)
    let distance = min(distance, 1 / last)
    let order = values.indices.sorted { (values[$0], $0) < (values[$1], $1) }
    let rest = order.enumerated().map { values[$1] - Double($0) * distance }
    var (up, down) = (rest, rest)
    for index in rest.indices.dropFirst() { up[index] = max(up[index], up[index - 1]) }
    for index in rest.indices.dropLast().reversed() { down[index] = min(down[index], down[index + 1]) }
    var result = values
    for (index, value) in order.enumerated() {
      let middle = (up[index] + down[index]) / 2
      result[value] = Double(index) * distance + min(max(middle, 0), 1 - last * distance)
    }
    return result
  }
}

extension Chart.Axis {
  /// Where a value lies on the axis, 0 at its left or lower end and 1 at the other.
  package func fraction(_ value: Double) -> Double {
    let (low, high) = (range.lowerBound, range.upperBound)
    let part =
      scale == .log ? log(max(value, low) / low) / log(high / low) : (value - low) / (high - low)
    return isReversed ? 1 - part : part
  }
}
