import Foundation

/// Numbers as text, the same in every output for people: leaderboard, page, figures, LaTeX and the command line.
package enum Numbers {
  /// A fixed number of decimals.
  package static func decimals(_ value: Double, _ count: Int) -> String { String(format: "%.\(count)f", value) }

  /// At most so many significant digits, without zeros at the end; with an exponent where that is shorter.
  package static func digits(_ value: Double, _ count: Int = 6) -> String { String(format: "%.\(count)g", value) }

  /// A fraction in percent points, without a sign: `0.500`.
  package static func percent(_ fraction: Double) -> String { decimals(100 * fraction, 3) }

  /// A mean in percent points with its standard error, where there is one: `0.500 ± 0.021`.
  package static func percent(_ mean: Double, error: Double?) -> String {
    percent(mean) + (error.map { " ± " + percent($0) } ?? "")
  }

  /// An interval of a mean in percent points: `0.500 to 0.700`. Student's t distribution knows no bounds: where no value
  /// is negative, as no regret is, an interval that begins below zero is `at most 0.700`.
  package static func interval(_ interval: ClosedRange<Double>, of values: [Double]) -> String {
    let upper = percent(interval.upperBound)
    return interval.lowerBound <= 0 && values.allSatisfy { $0 >= 0 }
      ? "at most \(upper)" : "\(percent(interval.lowerBound)) to \(upper)"
  }

  /// A stated part of a whole, such as 1 % of a budget: `1 %`, `0.25 %`.
  package static func part(_ fraction: Double) -> String { digits(100 * fraction, 4) + " %" }

  /// A measured part of a whole in whole percents; one that is not zero never reads as none.
  package static func share(_ fraction: Double) -> String {
    fraction > 0 && fraction <= 0.005 ? "< 1 %" : decimals(100 * fraction, 0) + " %"
  }

  /// Four significant digits, with no exponent between a thousandth and ten millions.
  package static func amount(_ value: Double) -> String {
    abs(value) >= 1_000 && abs(value) < 1e7 ? decimals(value, 0) : digits(value, 4)
  }

  /// A duration, down to microseconds.
  package static func seconds(_ value: Double) -> String {
    switch value {
    case ..<1e-3: digits(value * 1e6, 3) + " µs"
    case ..<1: digits(value * 1e3, 3) + " ms"
    default: amount(value) + " s"
    }
  }

  /// A p-value with two digits.
  package static func probability(_ value: Double) -> String {
    value < 0.0001 ? "< 0.0001" : digits(value, value < 0.01 ? 1 : 2)
  }

  /// An upper bound of p-values with as many digits, never less than the value: `≤ 0.002` for 0.0014.
  package static func bound(_ value: Double) -> String {
    guard value >= 0.0001 else { return probability(value) }
    let unit = pow(10, log10(value).rounded(.down) - (value < 0.01 ? 0 : 1))
    // What is a whole number of units but for rounding stays.
    return "≤ " + digits((value / unit - 1e-9).rounded(.up) * unit, value < 0.01 ? 1 : 2)
  }

  /// A whole number with commas between groups of three digits.
  package static func grouped(_ number: Int) -> String {
    let digits = Array(String(number.magnitude))
    let groups = digits.indices.map { index in
      (index > 0 && (digits.count - index) % 3 == 0 ? "," : "") + String(digits[index])
    }
    return (number < 0 ? "-" : "") + groups.joined()
  }

  /// `1 run`, `2 runs`.
  package static func count(_ number: Int, _ one: String, _ many: String) -> String {
    "\(number) \(number == 1 ? one : many)"
  }
}
