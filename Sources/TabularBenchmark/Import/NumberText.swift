/// A decimal number as text, read without a copy and without rounding twice.
struct DecimalText {
  private var digits: UInt64 = 0
  private var exponent = 0
  private var isNegative = false
  /// Whether there are more significant digits than ``digits`` holds.
  private var isLong = false
  private let text: UnsafeBufferPointer<UInt8>

  /// `nil` for anything but digits, one point, a sign and a decimal exponent.
  init?(_ text: UnsafeBufferPointer<UInt8>) {
    self.text = text
    var index = 0
    let count = text.count
    if index < count, text[index] == UInt8(ascii: "-") || text[index] == UInt8(ascii: "+") {
      isNegative = text[index] == UInt8(ascii: "-")
      index += 1
    }
    var hasDigit = false
    var pointAt: Int?
    while index < count {
      let letter = text[index]
      if letter &- 0x30 < 10 {
        hasDigit = true
        if digits < 1_000_000_000_000_000_000 {
          digits = digits &* 10 &+ UInt64(letter &- 0x30)
          if pointAt != nil { exponent -= 1 }
        } else {
          isLong = isLong || letter != 0x30
          if pointAt == nil { exponent += 1 }
        }
      } else if letter == UInt8(ascii: "."), pointAt == nil {
        pointAt = index
      } else {
        break
      }
      index += 1
    }
    guard hasDigit else { return nil }
    if index < count {
      guard text[index] | 0x20 == UInt8(ascii: "e") else { return nil }
      index += 1
      var isDown = false
      if index < count, text[index] == UInt8(ascii: "-") || text[index] == UInt8(ascii: "+") {
        isDown = text[index] == UInt8(ascii: "-")
        index += 1
      }
      guard index < count else { return nil }
      var value = 0
      while index < count {
        guard text[index] &- 0x30 < 10 else { return nil }
        value = min(10 * value + Int(text[index] &- 0x30), 100_000)
        index += 1
      }
      exponent += isDown ? -value : value
    }
  }

  private static let powers: [Double] = [
    1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20,
    1e21, 1e22,
  ]

  /// The nearest single-precision number; infinity if it is too large.
  var float: Float {
    if digits == 0 { return isNegative ? -0.0 : 0 }
    if !isLong, abs(exponent) <= 22 {
      // Two roundings to double precision, of half a unit each. They decide nothing unless the result is within
      // two units of the middle between two single-precision numbers.
      let power = Self.powers[abs(exponent)]
      let value = exponent < 0 ? Double(digits) / power : Double(digits) * power
      let below = Int(value.bitPattern & 0x1fff_ffff)
      if abs(below - 0x1000_0000) > 4, value > 1e-30, value < 1e30 {
        return Float(isNegative ? -value : value)
      }
    }
    return Float(String(decoding: text, as: UTF8.self)) ?? .nan
  }

  /// The number if it is whole, as `108`, `108.0` and `1.08e2` are.
  var whole: Int64? {
    if digits == 0 { return 0 }
    guard !isLong, abs(exponent) <= 19 else { return nil }
    var value = digits
    for _ in 0..<abs(exponent) {
      if exponent > 0 {
        let (product, overflow) = value.multipliedReportingOverflow(by: 10)
        guard !overflow else { return nil }
        value = product
      } else {
        guard value % 10 == 0 else { return nil }
        value /= 10
      }
    }
    return Int64(exactly: value).map { isNegative ? -$0 : $0 }
  }
}

extension UnsafeBufferPointer<UInt8> {
  /// Whether a trimmed field says that there is nothing, as a spreadsheet, R, pandas or Python writes it.
  var isAbsent: Bool {
    guard count > 0 else { return true }
    // Numbers are what fields mostly are.
    guard count <= 5, self[0] &- 0x30 > 9 else { return false }
    return isWord("nan") || isWord("na") || isWord("n/a") || isWord("null") || isWord("none")
      || isWord("-nan")
      || isWord("<na>") || isWord("#n/a") || isWord("-")
  }

  /// The reason why a field is no number of a column, with a remedy.
  func numberProblem(_ name: String, lower: String = "0") -> ImportProblem {
    let start = "'\(text.prefix(60))' is no value of \(name)"
    if isWord("inf") || isWord("-inf") || isWord("+inf") || isWord("infinity") || isWord("-infinity") {
      return ImportProblem(start + ": it is infinite; leave the field empty where a training diverged")
    }
    let isDecimalComma =
      count { $0 == UInt8(ascii: ",") } == 1 && allSatisfy { $0 &- 0x30 < 10 || $0 == 0x2c }
    if isDecimalComma { return ImportProblem(start + ": write a decimal point, not a comma") }
    if last == UInt8(ascii: "%") {
      return ImportProblem(start + ": write percentages as fractions, 0.93 for 93 %")
    }
    return ImportProblem(start)
  }
}
