import Anytime

/// A method's colour and dash, the same in all figures: the colour tells methods apart, the dash families.
///
/// Within a family every known method has a colour of its own. Families share colours, so that there are few
/// enough of them to be told apart by readers who see no red, and in shades of grey.
public struct MethodStyle: Hashable, Sendable {
  /// The colour on white paper: six hexadecimal digits.
  public let colour: String
  /// Lengths of strokes and gaps in points; none for a whole line.
  public let pattern: [Double]

  /// A colour on white paper and on the dark page, and the known methods that have it, of which no two are of one
  /// family.
  ///
  /// As seen without red or without green (Viénot, Brettel and Mollon 1999), any two are at least 25 units of CIELAB
  /// apart on paper and 18 on the dark page, in lightness alone 3; all have a contrast of at least 3 to 1 against
  /// their background. Next to each other stand colours that differ much in lightness too.
  private static let palette: [(light: String, dark: String, methods: [String])] = [
    ("003699", "0F89FF", ["random-search", "random-search-ws", "restarted"]),
    ("CC074A", "F46390", ["regularized-evolution", "pc-darts", "tuned"]),
    ("2B8F77", "57B2AB", ["local-search", "gdas", "verified"]),
    ("B98A3C", "C6916D", ["reinforce", "spos"]),
    ("7D03E4", "B09BFD", ["tpe", "enas"]),
    ("2A3700", "C2B842", ["hyperband"]),
    ("DA59C8", "F8B0FC", ["bohb", "darts"]),
    ("4C002A", "FFC7E7", ["dehb"]),
    ("164F7B", "888CBD", ["smac"]),
  ]

  /// The colours on white paper and on the dark page.
  package static var colours: [(light: String, dark: String)] { palette.map { ($0.light, $0.dark) } }

  /// Dashes of a family: the first for a method, the others for its further variants.
  private static func patterns(of family: Method.Family) -> [[Double]] {
    switch family {
    case .blackbox: [[], [18, 3], [18, 3, 3, 3], [18, 3, 3, 3, 3, 3]]
    case .oneShot: [[7, 4], [7, 4, 2, 4], [7, 4, 2, 4, 2, 4], [4, 3]]
    case .composed: [[2, 3], [2, 3, 2, 3, 10, 3], [2, 3, 10, 3, 10, 3], [1, 2]]
    }
  }

  /// The index of a method's colour: fixed for known methods, by the name for others.
  private static func colour(of method: String) -> Int {
    palette.firstIndex { $0.methods.contains(method) }
      ?? method.utf8.reduce(0) { ($0 &* 31 &+ Int($1)) & 0xffff } % palette.count
  }

  /// Styles by label, so that a label looks the same in several plots. Another variant of a method keeps its colour
  /// and takes another dash of its family.
  ///
  /// - Parameter methods: Of several with one label the first counts.
  package static func byLabel(_ methods: [Chart.Line]) -> [String: MethodStyle] {
    var seen: Set<String> = []
    let distinct = methods.filter { seen.insert($0.label).inserted }
    // First variants before further ones, so that these never take another method's style.
    var named: Set<String> = []
    let isFirst = distinct.map { named.insert($0.method).inserted }
    var styles: [String: MethodStyle] = [:]
    var taken: Set<MethodStyle> = []
    for index in distinct.indices.filter({ isFirst[$0] }) + distinct.indices.filter({ !isFirst[$0] }) {
      let line = distinct[index]
      let patterns = patterns(of: line.family)
      // The same colour with the family's next dash; where all are taken, the next colour.
      let first = colour(of: line.method)
      let choices = palette.indices.lazy.flatMap { step in
        patterns.lazy.map { MethodStyle(colour: palette[(first + step) % palette.count].light, pattern: $0) }
      }
      let style = choices.first { !taken.contains($0) } ?? MethodStyle(colour: palette[first].light, pattern: [])
      taken.insert(style)
      styles[line.label] = style
    }
    return styles
  }
}
