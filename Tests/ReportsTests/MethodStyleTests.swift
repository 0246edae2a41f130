import Anytime
import Foundation
import Reports
import Testing

private let blackbox = [
  "random-search", "regularized-evolution", "local-search", "reinforce", "tpe", "hyperband", "bohb", "dehb", "smac",
]
private let oneShot = ["darts", "gdas", "pc-darts", "enas", "random-search-ws", "spos"]
private let composed = ["restarted", "verified", "tuned"]

private func lines(_ blackbox: [String], _ oneShot: [String] = [], _ composed: [String] = []) -> [Chart.Line] {
  blackbox.map { Chart.Line(label: $0, method: $0, family: .blackbox) }
    + oneShot.map { Chart.Line(label: $0, method: $0, family: .oneShot) }
    + composed.map { Chart.Line(label: $0, method: $0, family: .composed) }
}

@Suite("Styles of methods") struct MethodStyleTests {
  @Test("tell eighteen methods apart: colours within a family, dashes between families") func eighteen() {
    let styles = MethodStyle.byLabel(lines(blackbox, oneShot, composed))
    #expect(Set(styles.values).count == 18)
    #expect(composed.allSatisfy { styles[$0]?.pattern == [2, 3] })
    #expect(Set(composed.compactMap { styles[$0]?.colour }).count == 3)
    #expect(blackbox.allSatisfy { styles[$0]?.pattern == [] })
    #expect(oneShot.allSatisfy { styles[$0]?.pattern == [7, 4] })
    #expect(Set(blackbox.compactMap { styles[$0]?.colour }).count == 9)
    #expect(Set(oneShot.compactMap { styles[$0]?.colour }).count == 6)
  }

  @Test("are the same whatever else is drawn") func fixed() {
    let all = MethodStyle.byLabel(lines(blackbox, oneShot, composed))
    for name in composed { #expect(MethodStyle.byLabel(lines(["x"], ["y"], [name]))[name] == all[name], "\(name)") }
    for name in blackbox { #expect(MethodStyle.byLabel(lines([name]))[name] == all[name], "\(name)") }
    for name in oneShot { #expect(MethodStyle.byLabel(lines(["x"], [name]))[name] == all[name], "\(name)") }
  }

  @Test("of unknown methods keep their colour beside any others") func unknown() {
    for name in ["my-search", "a", "évolution", ""] {
      let alone = MethodStyle.byLabel(lines([name]))[name]
      let beside = MethodStyle.byLabel(lines(blackbox + [name], oneShot))
      #expect(beside[name]?.colour == alone?.colour && alone?.pattern == [], "\(name)")
      #expect(Set(beside.values).count == 16, "\(name)")
    }
  }

  @Test("of a method's variants share its colour and differ in their dash, within the family") func variants() {
    for family in [Method.Family.blackbox, .oneShot, .composed] {
      let variants = (0..<4).map { Chart.Line(label: "\($0)", method: "tpe", family: family) }
      let styles = MethodStyle.byLabel(variants)
      #expect(Set(styles.values).count == 4 && Set(styles.values.map(\.colour)).count == 1)
      let names = lines(blackbox, oneShot, composed) + variants
      #expect(Set(MethodStyle.byLabel(names).values).count == 22)
    }
  }

  @Test("of families and of envelopes have dashes that no other has, short enough to be seen in a legend")
  func patterns() {
    var patterns: [[[Double]]] = [.blackbox, .oneShot, .composed].map { (family: Method.Family) in
      let variants = (0..<4).map { Chart.Line(label: "\($0)", method: "tpe", family: family) }
      return MethodStyle.byLabel(variants).values.map(\.pattern)
    }
    let envelopes = (0..<4).map { Chart.Line(label: "\($0)", method: "tpe", family: .oneShot, isEnvelope: true) }
    patterns.append(MethodStyle.byLabel(envelopes).values.map(\.pattern))
    let all = patterns.flatMap { $0 }
    #expect(Set(all).count == 16)
    // gnuplot takes four strokes with their gaps; a swatch of the page is 30 points long.
    #expect(all.allSatisfy { $0.count % 2 == 0 && $0.count <= 8 })
    #expect(all.allSatisfy { $0.reduce(0, +) <= 35 })
    let styles = MethodStyle.byLabel(lines(blackbox, oneShot, composed) + envelopes)
    #expect(Set(styles.values).count == 22 && Set(envelopes.compactMap { styles[$0.label]?.colour }).count == 1)
  }

  @Test("differ for readers who see no red or no green, in grey, and from the page behind them")
  func colours() {
    for (colours, background, apart) in [
      (MethodStyle.colours.map(\.light), "FFFFFF", 25.0), (MethodStyle.colours.map(\.dark), "14171C", 18),
    ] {
      #expect(Set(colours).count == 9)
      for view in [Sight.full, .noRed, .noGreen] {
        let seen = colours.map { view.lab($0) }
        for (index, colour) in seen.enumerated() {
          for other in seen[..<index] {
            let distance = zip(colour, other).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
            #expect(distance >= apart, "\(view)")
          }
        }
      }
      let grey = colours.map { Sight.full.lab($0)[0] }.sorted()
      #expect(zip(grey, grey.dropFirst()).allSatisfy { $1 - $0 > 1.4 }, "\(grey)")
      for colour in colours { #expect(Sight.contrast(colour, background) >= 3, "\(colour)") }
    }
  }
}

/// How a colour is seen: Viénot, Brettel and Mollon's simulation (Color Research & Application 1999) in linear light,
/// and CIELAB for distances.
private enum Sight {
  case full, noRed, noGreen

  private static func linear(_ hex: String) -> [Double] {
    stride(from: 0, to: 6, by: 2).map { start in
      let digits = hex.dropFirst(start).prefix(2)
      let value = Double(Int(digits, radix: 16) ?? 0) / 255
      return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
    }
  }

  private static func product(_ matrix: [[Double]], _ vector: [Double]) -> [Double] {
    matrix.map { zip($0, vector).reduce(0) { $0 + $1.0 * $1.1 } }
  }

  private static let toXYZ = [
    [0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041],
  ]
  private static let toLMS = [
    [17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709],
  ]
  private static let fromLMS = [
    [0.080944447900, -0.13050440900, 0.11672106600], [-0.0102485335, 0.05401932660, -0.1136147080],
    [-0.000365296938, -0.00412161469, 0.6935114050],
  ]

  func lab(_ hex: String) -> [Double] {
    var colour = Self.linear(hex)
    if self != .full {
      var cones = Self.product(Self.toLMS, colour)
      if self == .noRed { cones[0] = 2.02344 * cones[1] - 2.52581 * cones[2] }
      if self == .noGreen { cones[1] = 0.494207 * cones[0] + 1.24827 * cones[2] }
      colour = Self.product(Self.fromLMS, cones).map { min(max($0, 0), 1) }
    }
    let f = zip(Self.product(Self.toXYZ, colour), [0.95047, 1, 1.08883]).map { value, white in
      let t = value / white
      return t > 216.0 / 24389 ? cbrt(t) : (24389.0 / 27 * t + 16) / 116
    }
    return [116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])]
  }

  static func contrast(_ first: String, _ second: String) -> Double {
    let light = [first, second].map { product(toXYZ, linear($0))[1] + 0.05 }.sorted()
    return light[1] / light[0]
  }
}

@Suite("Names at the ends of lines") struct EndTests {
  @Test("are moved apart as far as needed, in their order, within the plot", arguments: 0..<40)
  func apart(seed: Int) {
    var state = UInt64(seed &* 7919 &+ 1)
    func draw() -> Double {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(state >> 33) / Double(UInt64(1) << 31)
    }
    let values = (0..<1 + seed % 16).map { _ in (draw() * 8).rounded() / 8 }
    let moved = Chart.apart(values, by: 0.05)
    #expect(moved.allSatisfy { $0 >= -1e-12 && $0 <= 1 + 1e-12 })
    let order = values.indices.sorted { (values[$0], $0) < (values[$1], $1) }
    for (index, next) in zip(order, order.dropFirst()) { #expect(moved[next] - moved[index] >= 0.05 - 1e-9) }
  }

  @Test("stay where they are if there is room, and else move to both sides") func stay() {
    #expect(zip(Chart.apart([0.9, 0.1, 0.5], by: 0.1), [0.9, 0.1, 0.5]).allSatisfy { abs($0 - $1) < 1e-12 })
    let moved = Chart.apart([0.5, 0.5, 0.9], by: 0.1)
    #expect(zip(moved, [0.45, 0.55, 0.9]).allSatisfy { abs($0 - $1) < 1e-12 })
    #expect(Chart.apart([0, 0, 0], by: 0.1) == [0, 0.1, 0.2])
    #expect(Chart.apart([0.5, 0.5, 0.5], by: 9) == [0, 0.5, 1], "too many for the distance share the height")
    #expect(Chart.apart([], by: 0.1) == [] && Chart.apart([1.2], by: 0.1) == [1])
  }

  @Test("name every line and level, single runs of a method once at their median") func ends() throws {
    let runs = RegretRuns(try HandMade.results([("a", [steps((1, 0.4)), steps((1, 0.1)), steps((2, 0.2))])]))
    let chart = try Chart.regret(Curves(runs), center: .runs)
    #expect(chart.ends.map(\.text) == ["a"] && chart.ends.map(\.x) == [100])
    #expect(abs((chart.ends.first?.y ?? 0) - 20) < 1e-12)
  }

  @Test("lose the middle of long names, which a legend then tells") func long() throws {
    let name = "a method of which the name is too long for the end of a line"
    func chart(_ label: String) throws -> Chart {
      try Chart.regret(Curves(try HandMade.results([(label, [steps((1, 0.4))])])))
    }
    let long = try chart(name)
    #expect(long.needsLegend && long.ends.map(\.text) == ["a method of which …of a line"])
    #expect(Figure([long]).script().contains("set key") && LatexExport.picture(long).contains("\\addlegendentry"))
    let short = try chart("short")
    #expect(!short.needsLegend && Figure([short]).script().contains("unset key"))
    #expect(!LatexExport.picture(short).contains("\\addlegendentry"))
  }
}
