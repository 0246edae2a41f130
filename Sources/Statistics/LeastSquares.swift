import CGSL

/// A linear model `y = c[0] x[0] + c[1] x[1] + …`, fitted by least squares (GSL's `gsl_multifit_linear`).
public struct LeastSquares: Hashable, Sendable {
  /// The coefficient of each column.
  public let coefficients: [Double]
  /// The fraction of the variance of `y` that the model explains.
  public let rSquared: Double
  /// The standard deviation of the residuals, with n - columns in the denominator.
  public let residualDeviation: Double

  /// - Parameters:
  ///   - columns: The regressors, all as long as `y`; give a column of ones for a constant.
  /// - Returns: `nil` without more observations than columns.
  public init?(_ columns: [[Double]], y: [Double]) {
    let (n, p) = (y.count, columns.count)
    guard p > 0, n > p, columns.allSatisfy({ $0.count == n }) else { return nil }
    guard let x = gsl_matrix_alloc(n, p), let target = gsl_vector_alloc(n), let c = gsl_vector_alloc(p),
      let covariance = gsl_matrix_alloc(p, p), let work = gsl_multifit_linear_alloc(n, p)
    else { return nil }
    defer {
      gsl_matrix_free(x)
      gsl_vector_free(target)
      gsl_vector_free(c)
      gsl_matrix_free(covariance)
      gsl_multifit_linear_free(work)
    }
    for row in 0..<n {
      gsl_vector_set(target, row, y[row])
      for (column, values) in columns.enumerated() { gsl_matrix_set(x, row, column, values[row]) }
    }
    var residual = 0.0
    guard gsl_multifit_linear(x, target, c, covariance, &residual, work) == 0 else { return nil }
    coefficients = (0..<p).map { gsl_vector_get(c, $0) }
    let total = gsl_stats_tss(y, 1, n)
    rSquared = total > 0 ? 1 - residual / total : 1
    residualDeviation = (residual / Double(n - p)).squareRoot()
  }
}

/// The eigenvalues of a symmetric matrix, ascending (GSL's `gsl_eigen_symm`).
///
/// - Parameter matrix: The rows, of which only the lower triangle is read.
public func symmetricEigenvalues(_ matrix: [[Double]]) -> [Double] {
  let n = matrix.count
  guard n > 0, let a = gsl_matrix_alloc(n, n), let values = gsl_vector_alloc(n), let work = gsl_eigen_symm_alloc(n)
  else { return [] }
  defer {
    gsl_matrix_free(a)
    gsl_vector_free(values)
    gsl_eigen_symm_free(work)
  }
  for row in 0..<n { for column in 0..<n { gsl_matrix_set(a, row, column, matrix[row][column]) } }
  guard gsl_eigen_symm(a, values, work) == 0 else { return [] }
  return (0..<n).map { gsl_vector_get(values, $0) }.sorted()
}

/// The natural logarithm of the magnitude of a square matrix's determinant, by LU decomposition (GSL's
/// `gsl_linalg_LU_lndet`).
///
/// - Parameter matrix: The rows.
/// - Returns: The logarithm; minus infinity for a singular matrix, 0 for one without rows.
public func logDeterminant(_ matrix: [[Double]]) -> Double {
  let n = matrix.count
  guard n > 0 else { return 0 }
  guard let a = gsl_matrix_alloc(n, n), let permutation = gsl_permutation_alloc(n) else { return .nan }
  defer {
    gsl_matrix_free(a)
    gsl_permutation_free(permutation)
  }
  for row in 0..<n { for column in 0..<n { gsl_matrix_set(a, row, column, matrix[row][column]) } }
  var sign: Int32 = 1
  guard gsl_linalg_LU_decomp(a, permutation, &sign) == 0 else { return -.infinity }
  // Not a number where it divided by a pivot of zero.
  let logarithm = gsl_linalg_LU_lndet(a)
  return logarithm.isNaN ? -.infinity : logarithm
}
