import Foundation
import Statistics

/// A list of parameters: the domain of an architecture search or of a hyperparameter search.
///
///     let space = ParameterSpace([
///       Parameter("learning rate", .real(1e-4...1, log: true)),
///       Parameter("optimizer", .categorical(["sgd", "adam"])),
///     ])
public struct ParameterSpace: Hashable, Sendable {
  /// The parameters, in the order of a configuration's values.
  public let parameters: [Parameter]
  /// The number of values (0 for real parameters) and the least whole number of each parameter.
  @usableFromInline let digits: [Digit]
  /// The number of configurations; `nil` if a parameter is real, or the number does not fit into 63 bits.
  public let count: Int?

  @usableFromInline struct Digit: Hashable, Sendable {
    @usableFromInline let radix: Int
    @usableFromInline let lowest: Int
  }

  /// A space of parameters in their order.
  public init(_ parameters: [Parameter]) {
    self.parameters = parameters
    digits = parameters.map { parameter in
      if case .integer(let range, _) = parameter.domain {
        Digit(radix: range.count, lowest: range.lowerBound)
      } else {
        Digit(radix: parameter.count ?? 0, lowest: 0)
      }
    }
    count = digits.reduce(Int?.some(1)) { product, digit in
      guard let product, digit.radix > 0 else { return nil }
      let (result, overflow) = product.multipliedReportingOverflow(by: digit.radix)
      return overflow ? nil : result
    }
  }

  /// Draws a configuration uniformly. Logarithmic parameters are uniform on the logarithmic scale.
  public func sample(using random: inout RandomGenerator) -> Configuration {
    Configuration(
      values: [Double](unsafeUninitializedCapacity: parameters.count) { values, count in
        count = parameters.count
        for index in 0..<count {
          values.initializeElement(at: index, to: sampleValue(of: index, using: &random))
        }
      })
  }

  /// Draws a value of one parameter uniformly.
  public func sampleValue(of index: Int, using random: inout RandomGenerator) -> Double {
    switch parameters[index].domain {
    case .categorical, .ordinal:
      return Double(random.below(digits[index].radix))
    case .integer(let range, log: false):
      return Double(range.lowerBound + random.below(range.count))
    case .integer(let range, log: true):
      let low = Foundation.log(Double(range.lowerBound) - 0.5)
      let high = Foundation.log(Double(range.upperBound) + 0.5)
      let value = exp(low + (high - low) * random.uniform()).rounded()
      return min(max(value, Double(range.lowerBound)), Double(range.upperBound))
    case .real(let range, log: false):
      return range.lowerBound + (range.upperBound - range.lowerBound) * random.uniform()
    case .real(let range, log: true):
      let low = Foundation.log(range.lowerBound)
      let high = Foundation.log(range.upperBound)
      return min(max(exp(low + (high - low) * random.uniform()), range.lowerBound), range.upperBound)
    }
  }

  /// Draws a value of one parameter uniformly from all that differ from the present one.
  ///
  /// A parameter with a single value keeps it.
  public func resampledValue(
    of index: Int, in configuration: Configuration, using random: inout RandomGenerator
  ) -> Double {
    let present = configuration.values[index]
    switch parameters[index].domain {
    case .categorical, .ordinal:
      guard digits[index].radix > 1 else { return present }
      let other = random.below(digits[index].radix - 1)
      return Double(other < Int(present) ? other : other + 1)
    case .integer, .real:
      guard !parameters[index].isConstant else { return present }
      while true {
        let value = sampleValue(of: index, using: &random)
        if value != present { return value }
      }
    }
  }

  /// The reason why a configuration does not belong to this space, naming the parameter; `nil` if it does.
  public func problem(with configuration: Configuration) -> String? {
    guard configuration.values.count == digits.count else {
      return "it has \(configuration.values.count) values where there are \(digits.count) parameters"
    }
    for (index, value) in configuration.values.enumerated() {
      let digit = digits[index]
      if digit.radix > 0 {
        let (low, high) = (Double(digit.lowest), Double(digit.lowest + digit.radix - 1))
        if value >= low, value <= high, value == value.rounded() { continue }
      } else if case .real(let range, _) = parameters[index].domain, range.contains(value) {
        continue
      }
      return "\(value) is no value of parameter '\(parameters[index].name)'"
    }
    return nil
  }

  /// The index of a configuration in the enumeration of a finite space, 0..<``count``: parameters are
  /// digits, the last one running fastest.
  ///
  /// - Precondition: ``count`` is not `nil`, and the configuration belongs to this space.
  @inlinable public func index(of configuration: Configuration) -> Int {
    configuration.values.withUnsafeBufferPointer { values in
      precondition(values.count == digits.count, "the configuration belongs to another space")
      var index = 0
      for position in 0..<values.count {
        index = index &* digits[position].radix &+ (Int(values[position]) &- digits[position].lowest)
      }
      return index
    }
  }

  /// The configuration at an index of the enumeration of a finite space.
  public func configuration(at index: Int) -> Configuration {
    var rest = index
    var values = [Double](repeating: 0, count: parameters.count)
    for (position, digit) in digits.enumerated().reversed() {
      values[position] = Double(digit.lowest + rest % digit.radix)
      rest /= digit.radix
    }
    return Configuration(values: values)
  }
}
