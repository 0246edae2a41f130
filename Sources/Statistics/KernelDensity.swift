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
  /// The values that a variable takes.
  public enum Variable: Hashable, Sendable {
    /// Any number.
    case real
    /// One of 0, 1, …, `levels - 1`, which have no order.
    case unordered(levels: Int)
  }

  /// The variables, in the order of a point's coordinates.
  public let variables: [Variable]
  /// The bandwidth of each variable.
  public let bandwidths: [Double]
  /// The number of observations.
  public let count: Int
  /// The values of all observations, variable after variable.
  @usableFromInline let values: [Double]

  /// Unordered variables whose kernels are multiplied in advance: each combination of their levels has a row of
  /// kernels, one per observation, padded with zeros to a whole number of vectors.
  private struct Factor {
    var variables: [(variable: Int, levels: Int)]
    var kernels: [Double]
  }
  private let factors: [Factor]
  /// The indices of the real variables.
  private let reals: [Int]
  /// The length of a row of kernels.
  private let stride: Int

  /// - Parameters:
  ///   - observations: At least one row, with a number per variable.
  ///   - bandwidths: Positive, one per variable.
  ///   - observedLevelsOnly: Whether only the levels that were observed count as an unordered variable's levels, as in
  ///     statsmodels. A variable with a single observed level is then infinitely dense at the others.
  public init(
    _ observations: [[Double]], variables: [Variable], bandwidths: [Double], observedLevelsOnly: Bool = false
  ) {
    precondition(!observations.isEmpty && bandwidths.count == variables.count)
    self.variables = variables
    self.bandwidths = bandwidths
    let count = observations.count
    self.count = count
    values = variables.indices.flatMap { variable in observations.map { $0[variable] } }
    let stride = (count + Vector.scalarCount - 1) & ~(Vector.scalarCount - 1)
    self.stride = stride
    var factors: [Factor] = []
    for (variable, kind) in variables.enumerated() {
      guard case .unordered(let levels) = kind else { continue }
      let counted = observedLevelsOnly ? Set(observations.map { $0[variable] }).count : levels
      let other = levels > 1 ? bandwidths[variable] / Double(counted - 1) : 0
      var kernels = [Double](repeating: 0, count: levels * stride)
      for level in 0..<levels {
        for index in 0..<count { kernels[level * stride + index] = other }
      }
      for (index, observation) in observations.enumerated() {
        kernels[Int(observation[variable]) * stride + index] = 1 - bandwidths[variable]
      }
      let factor = Factor(variables: [(variable, levels)], kernels: kernels)
      if factors.count == 1, factors[0].kernels.count * levels <= Self.combinationLimit * stride {
        factors[0] = Self.product(factors[0], factor, stride)
      } else {
        factors.append(factor)
      }
    }
    self.factors = factors
    reals = variables.indices.filter { variables[$0] == .real }
  }

  private typealias Vector = SIMD8<Double>
  /// The greatest number of combinations of levels whose kernels are multiplied in advance.
  private static let combinationLimit = 32

  private static func product(_ a: Factor, _ b: Factor, _ stride: Int) -> Factor {
    var kernels: [Double] = []
    kernels.reserveCapacity(a.kernels.count * b.kernels.count / stride)
    for first in Swift.stride(from: 0, to: a.kernels.count, by: stride) {
      for second in Swift.stride(from: 0, to: b.kernels.count, by: stride) {
        for index in 0..<stride { kernels.append(a.kernels[first + index] * b.kernels[second + index]) }
      }
    }
    return Factor(variables: a.variables + b.variables, kernels: kernels)
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

  /// The value of a variable in an observation.
  @inlinable public func value(_ variable: Int, of observation: Int) -> Double {
    values[variable * count + observation]
  }

  /// The density at a point, which has a number per variable.
  public func density(at point: [Double]) -> Double { densities(at: point)[0] }

  /// The densities at several points, given point after point; faster than one by one.
  public func densities(at points: [Double]) -> [Double] {
    let dimensions = variables.count
    precondition(dimensions > 0 && points.count % dimensions == 0, "a point has a number per variable")
    let number = points.count / dimensions
    return [Double](unsafeUninitializedCapacity: number) { densities, initialised in
      withUnsafeTemporaryAllocation(of: Double.self, capacity: Self.lanes * stride) { products in
        products.initialize(repeating: 0)
        for first in Swift.stride(from: 0, to: number, by: Self.lanes) {
          let block = min(Self.lanes, number - first)
          for lane in 0..<block {
            points.withUnsafeBufferPointer {
              multiply(
                at: .init(rebasing: $0[(first + lane) * dimensions..<(first + lane + 1) * dimensions]),
                into: .init(rebasing: products[lane * stride..<(lane + 1) * stride]))
            }
          }
          // Each sum goes in the order of the observations, but none waits for another.
          var sums = SIMD8<Double>.zero
          for i in 0..<count {
            sums += SIMD8(
              products[i], products[stride &+ i], products[2 &* stride &+ i], products[3 &* stride &+ i],
              products[4 &* stride &+ i], products[5 &* stride &+ i], products[6 &* stride &+ i],
              products[7 &* stride &+ i])
          }
          for lane in 0..<block { densities[first + lane] = sums[lane] / Double(count) }
        }
      }
      initialised = number
    }
  }

  private static let lanes = 8

  /// The product of the kernels of all variables, by observation: the unordered variables first.
  private func multiply(
    at point: UnsafeBufferPointer<Double>, into product: UnsafeMutableBufferPointer<Double>
  ) {
    let target = UnsafeMutableRawBufferPointer(product)
    for (number, factor) in factors.enumerated() {
      var row = 0
      for (variable, levels) in factor.variables { row = row &* levels &+ Int(point[variable]) }
      factor.kernels.withUnsafeBytes { kernels in
        let start = 8 &* row &* stride
        for offset in Swift.stride(from: 0, to: 8 * stride, by: MemoryLayout<Vector>.size) {
          let kernel = kernels.loadUnaligned(fromByteOffset: start &+ offset, as: Vector.self)
          target.storeBytes(
            of: number == 0 ? kernel : kernel * target.loadUnaligned(fromByteOffset: offset, as: Vector.self),
            toByteOffset: offset, as: Vector.self)
        }
      }
    }
    if factors.isEmpty { product.update(repeating: 1) }
    for variable in reals {
      let h = bandwidths[variable]
      for i in 0..<count {
        product[i] *= Normal.density((values[variable * count + i] - point[variable]) / h) / h
      }
    }
  }
}
