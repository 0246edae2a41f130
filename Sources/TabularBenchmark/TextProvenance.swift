import Foundation

/// The provenance of a table that was exported as CSV, in a file of its own, as other readers would stumble over
/// comments. It is valid as long as the text is unchanged.
struct TextProvenance: Codable {
  /// The CRC-32C of the unpacked text.
  let checksum: UInt32
  /// The checksum of the table that was exported.
  let table: String
  let provenance: Provenance

  enum CodingKeys: String, CodingKey {
    case checksum = "crc32c"
    case table, provenance
  }

  /// The file of a text's provenance: `NAME.csv.provenance.json` for `NAME.csv` and `NAME.csv.gz`.
  static func url(beside text: URL) -> URL {
    (text.pathExtension.lowercased() == "gz" ? text.deletingPathExtension() : text)
      .appendingPathExtension("provenance.json")
  }

  /// Reads the provenance of a text; `nil` if it has none.
  static func beside(_ text: URL) throws(ImportError) -> TextProvenance? {
    let url = url(beside: text)
    guard FileManager.default.fileExists(atPath: url.path) else { return nil }
    do { return try JSONDecoder().decode(TextProvenance.self, from: Data(contentsOf: url)) } catch {
      throw ImportError(
        url.path, "", "this is no provenance of a table; export the table again or remove the file")
    }
  }

  /// Reads the provenance from the first of the JSON lines.
  static func read(_ json: String) throws(ImportProblem) -> Provenance {
    do { return try JSONDecoder().decode(Provenance.self, from: Data(json.utf8)) } catch {
      throw ImportProblem("'provenance' is no JSON object of strings")
    }
  }

  func encoded() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    return try encoder.encode(self) + Data("\n".utf8)
  }
}
