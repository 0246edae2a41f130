import CGSL
import Foundation

/// A kernel density estimate of several variables, with a product kernel: Gaussian for real variables,
/// Aitchison and Aitken's for unordered ones (Li and Racine, "Nonparametric Econometrics", 2007; what
/// statsmodels calls `KDEMultivariate`).
///
/// Aitchison and Aitken's kernel (Biometrika 1976) with bandwidth `h` gives `1 - h` to the observed level and
/// `h / (levels - 1)` to each other one. It is a distribution for `h` in 0...1, and flat at
/// `(levels - 1) / levels`.
public struct KernelDensity: Sendable {
  /// What values a variable takes.
  public enum Variable: Hashable, Sendable {
    case real
    /// 0, 1, …, `levels - 1`, without order.
    case unordered(levels: Int)
  }

  public let variables: [Variable]
  /// By variable.
  public let bandwidths: [Double]
  /// The number of observations.
  public let count: Int
  /// Values by variable, then by observation.
  private let values: [Double]
  /// Of unordered variables, by variable, level and observation: the kernel's value there.
  private let kernels: [Double]
  /// Where a variable's kernels begin.
  private let starts: [Int]

  /// - Parameters:
  ///   - observations: At least one row, with a number per variable.
  ///   - bandwidths: Positive, one per variable.
  ///   - observedLevelsOnly: Whether an unordered variable has only the levels that were observed, as
  ///     statsmodels believes. Then a variable that was always the same is infinitely dense elsewhere.
  public init(
    _ observations: [[Double]], variables: [Variable], bandwidths: [Double], observedLevelsOnly: Bool = false
  ) {
    precondition(!observations.isEmpty && bandwidths.count == variables.count)
    self.variables = variables
    self.bandwidths = bandwidths
    let count = observations.count
    self.count = count
    values = variables.indices.flatMap { variable in observations.map { $0[variable] } }
    var kernels: [Double] = []
    var starts: [Int] = []
    for (variable, kind) in variables.enumerated() {
      starts.append(kernels.count)
      guard case .unordered(let levels) = kind else { continue }
      let same = 1 - bandwidths[variable]
      let counted = observedLevelsOnly ? Set(observations.map { $0[variable] }).count : levels
      let other = levels > 1 ? bandwidths[variable] / Double(counted - 1) : 0
      for level in 0..<levels {
        for observation in observations {
          kernels.append(Int(observation[variable]) == level ? same : other)
        }
      }
    }
    self.kernels = kernels
    self.starts = starts
  }

  /// The normal reference rule, one bandwidth per variable: `1.06 s n^(-1 / (4 + d))` with `s` the standard
  /// deviation (divided by n) of the variable's n values, and d variables. As in statsmodels, unordered
  /// variables count as numbers.
  public static func normalReference(_ observations: [[Double]]) -> [Double] {
    guard let first = observations.first else { return [] }
    let count = Double(observations.count)
    let factor = 1.06 * pow(count, -1 / Double(4 + first.count))
    return first.indices.map { variable in
      let column = observations.map { $0[variable] }
      return factor
        * gsl_stats_sd_with_fixed_mean(column, 1, column.count, gsl_stats_mean(column, 1, column.count))
    }
  }

  /// An observation's value of a variable.
  public func value(_ variable: Int, of observation: Int) -> Double { values[variable * count + observation] }

  /// The density at a point with a number per variable.
  public func density(at point: [Double]) -> Double {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: count) { product in
      kernels.withUnsafeBufferPointer { kernels in
        var isFirst = true
        for variable in variables.indices {
          defer { isFirst = false }
          if case .unordered = variables[variable] {
            let start = starts[variable] &+ Int(point[variable]) &* count
            let kernel = UnsafeBufferPointer(rebasing: kernels[start..<start + count])
            if isFirst {
              _ = product.update(from: kernel)
            } else {
              for i in 0..<count { product[i] *= kernel[i] }
            }
          } else {
            if isFirst { product.update(repeating: 1) }
            let h = bandwidths[variable]
            for i in 0..<count {
              product[i] *= Normal.density((values[variable * count + i] - point[variable]) / h) / h
            }
          }
        }
        var sum = 0.0
        for value in product { sum += value }
        return sum / Double(count)
      }
    }
  }
}
