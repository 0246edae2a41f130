/// A method's colour and dash, the same in all figures.
public struct MethodStyle: Hashable, Sendable {
  /// A colour of Okabe and Ito's palette, without the yellow, which is too light for lines: colour-blind safe.
  /// Six hexadecimal digits.
  public let colour: String
  /// 1 for a whole line, 2 to 4 for dashes.
  public let dash: Int

  /// Lengths of lines and gaps, for formats that take them; none for a whole line.
  public var pattern: [Double] { [[], [8, 4], [2, 3], [8, 3, 2, 3]][dash - 1] }

  private static let colours = ["0072B2", "D55E00", "009E73", "CC79A7", "56B4E9", "E69F00", "000000"]
  /// Methods keep their colour and dash in all figures.
  private static let fixed = [
    "random-search", "regularized-evolution", "tpe", "bohb", "hyperband", "smac", "reinforce", "local-search",
    "dehb", "darts", "gdas", "pc-darts", "enas", "random-search-ws", "darts-second-order", "spos",
  ]

  /// A colour and a dash for every entry: fixed for known methods, by the name for others. Another variant of
  /// a method keeps its colour and takes another dash.
  ///
  /// - Parameter methods: The names of the entries' methods.
  public static func styles(of methods: [String]) -> [MethodStyle] {
    let count = colours.count * 4
    var taken: Set<Int> = []
    var styles = [Int](repeating: 0, count: methods.count)
    // First entries of methods before further variants, so that these never take another method's style.
    let isFirst = methods.indices.map { !methods[..<$0].contains(methods[$0]) }
    for index in methods.indices.filter({ isFirst[$0] }) + methods.indices.filter({ !isFirst[$0] }) {
      let name = methods[index]
      var number =
        (fixed.firstIndex(of: name)
          ?? fixed.count + name.utf8.reduce(0) { ($0 &* 31 &+ Int($1)) & 0xff }) % count
      // The same colour with the next dash, as long as there is one; then the next colour.
      var tries = 0
      while taken.contains(number), tries < count {
        tries += 1
        number = (number + (tries % 4 == 0 ? colours.count + 1 : colours.count)) % count
      }
      taken.insert(number)
      styles[index] = number
    }
    return styles.map { MethodStyle(colour: colours[$0 % colours.count], dash: $0 / colours.count + 1) }
  }
  /// Styles by label, so that a label looks the same in several plots.
  ///
  /// - Parameter methods: Labels with the names of their methods. Of several with one label the first counts.
  package static func byLabel(_ methods: [(label: String, method: String)]) -> [String: MethodStyle] {
    var seen: Set<String> = []
    let distinct = methods.filter { seen.insert($0.label).inserted }
    return Dictionary(uniqueKeysWithValues: zip(distinct.map(\.label), styles(of: distinct.map(\.method))))
  }
}
