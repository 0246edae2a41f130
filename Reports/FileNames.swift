import Foundation

/// Names of files and folders for texts that may hold anything, such as experiments' names and methods' labels.
///
/// Letters, digits, spaces and `- _ . , + = @ ( )` stay; other characters become `-`. A name that had to be changed
/// ends in a digest of its text, so that texts that differ only in such characters never share a file, in this call
/// or another. Names are distinct also where letter case makes no difference, no longer than `longest` bytes,
/// never hidden, never `..`, and never a device of Windows. The same texts give the same names.
public enum FileNames {
  /// The greatest length in bytes: leaves room for endings below the 143 bytes of the strictest file systems in use.
  static let longest = 120

  /// A file name for each text, in order.
  public static func distinct(_ texts: [String]) -> [String] {
    let plain = texts.map { Self.plain($0) }
    var names = [String](repeating: "", count: texts.count)
    var taken: Set<String> = []
    func key(_ name: String) -> String { name.precomposedStringWithCompatibilityMapping.lowercased() }
    // Texts that are names already keep theirs; others make way.
    let order =
      texts.indices.filter { plain[$0].isExact } + texts.indices.filter { !plain[$0].isExact }
    for index in order {
      var name = plain[index].name
      var number = 2
      while !taken.insert(key(name)).inserted {
        name = "\(plain[index].name)-\(number)"
        number += 1
      }
      names[index] = name
    }
    return names
  }

  /// A file name for one text.
  public static func name(_ text: String) -> String { plain(text).name }

  private static func plain(_ text: String) -> (name: String, isExact: Bool) {
    var base = String.UnicodeScalarView()
    for scalar in text.precomposedStringWithCanonicalMapping.unicodeScalars {
      if isKept(scalar, after: base.last) {
        base.append(scalar)
      } else if base.last != "-" {
        base.append("-")
      }
    }
    // Neither an option, nor hidden, nor what Windows cuts off.
    var name = String(base.drop { " .-".unicodeScalars.contains($0) })
    while let last = name.unicodeScalars.last, last == "." || last == " " { name.unicodeScalars.removeLast() }
    if name.isEmpty { name = "unnamed" }
    let stem = name.prefix { $0 != "." }.uppercased()
    let isDevice =
      ["CON", "PRN", "AUX", "NUL"].contains(stem)
      || (stem.count == 4 && (stem.hasPrefix("COM") || stem.hasPrefix("LPT")) && stem.last?.isNumber == true)
    if isDevice { name = "_" + name }
    if name == text, name.utf8.count <= longest { return (name, true) }
    while name.utf8.count > longest { name.removeLast() }
    return (name + (name.hasSuffix("-") ? "" : "-") + digest(text), false)
  }

  private static func isKept(_ scalar: Unicode.Scalar, after last: Unicode.Scalar?) -> Bool {
    if scalar.isASCII {
      return scalar.properties.isAlphabetic || scalar.properties.numericType != nil
        || " -_.,+=@()".unicodeScalars.contains(scalar)
    }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber:
      return true
    case .nonspacingMark, .spacingMark: return last?.properties.isAlphabetic == true
    default: return false
    }
  }

  /// Eight hexadecimal digits: FNV-1a, folded.
  private static func digest(_ text: String) -> String {
    let hash = text.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x0100_0000_01b3 }
    let digits = String(UInt32(truncatingIfNeeded: hash ^ (hash >> 32)), radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }
}
