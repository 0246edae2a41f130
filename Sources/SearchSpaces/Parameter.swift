/// One dimension of a configuration: an architectural choice or a hyperparameter.
public struct Parameter: Hashable, Sendable {
  /// The values that a parameter takes.
  public enum Domain: Hashable, Sendable {
    /// One of several names without an order.
    case categorical([String])
    /// One of several names in order.
    case ordinal([String])
    /// A whole number, both bounds included; with `log`, on a logarithmic scale.
    case integer(ClosedRange<Int>, log: Bool = false)
    /// A real number, both bounds included; with `log`, on a logarithmic scale.
    case real(ClosedRange<Double>, log: Bool = false)
  }

  /// The name.
  public let name: String
  /// The values that it may have.
  public let domain: Domain

  /// - Precondition: There is at least one choice, and a logarithmic range is positive.
  public init(_ name: String, _ domain: Domain) {
    switch domain {
    case .categorical(let choices), .ordinal(let choices):
      precondition(!choices.isEmpty, "parameter \(name) has no choices")
    case .integer(let range, let log):
      precondition(!log || range.lowerBound > 0, "parameter \(name) is logarithmic and must be positive")
    case .real(let range, let log):
      precondition(!log || range.lowerBound > 0, "parameter \(name) is logarithmic and must be positive")
    }
    self.name = name
    self.domain = domain
  }

  /// The number of values, `nil` for real parameters.
  public var count: Int? {
    switch domain {
    case .categorical(let choices), .ordinal(let choices): choices.count
    case .integer(let range, _): range.count
    case .real: nil
    }
  }

  /// Whether there is one value only.
  var isConstant: Bool {
    if case .real(let range, _) = domain { range.lowerBound == range.upperBound } else { count == 1 }
  }

  /// A value as text: the choice's name, or the number.
  public func text(of value: Double) -> String {
    switch domain {
    case .categorical(let choices), .ordinal(let choices): choices[Int(value)]
    case .integer: String(Int(value))
    case .real: String(value)
    }
  }
}

/// A point of a ``ParameterSpace``: one number per parameter, in the parameters' order.
///
/// A categorical or ordinal value is the index of the choice; an integer is stored as a `Double`.
public struct Configuration: Hashable, Sendable, Codable {
  /// One value per parameter of the space.
  public var values: [Double]

  /// A configuration of one value per parameter of its space.
  public init(values: [Double]) { self.values = values }

  /// The index of a parameter's choice, or its whole number.
  @inlinable public subscript(choice index: Int) -> Int {
    get { Int(values[index]) }
    set { values[index] = Double(newValue) }
  }
}
