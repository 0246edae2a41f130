import Foundation
import SearchSpaces
import Testing

@Suite("Architectures") struct ArchitectureTests {
  private let line = "011|001|000 input,conv3x3-bn-relu,output"

  @Test("have the identifier of their kind, alone and together") func identifiers() throws {
    let architectures = SearchSpace.mini.architectures()
    #expect(architectures.count == 201)
    let ids = Architecture.ids(architectures)
    #expect(ids == architectures.map(\.id) && Set(ids).count == 201)
    // NAS-Bench-101's published hash.
    let published = try Architecture(
      text: "0110|0011|0001|0000 input,conv1x1-bn-relu,conv3x3-bn-relu,output")
    #expect(published.id.description == "5529e1779433733d1145e20de5d8604e")
  }

  @Test("are read back from their text") func text() throws {
    for architecture in SearchSpace.mini.architectures() {
      #expect(try Architecture(text: architecture.description) == architecture)
    }
    #expect(try Architecture(text: line).description == line)
    #expect(throws: CellError.self) { try Architecture(text: "0110") }
  }

  @Test("and from JSON, in which a cell is its code") func json() throws {
    let architecture = try Architecture(text: "01|00 input,output")
    let data = try JSONEncoder().encode([architecture])
    #expect(String(decoding: data, as: UTF8.self) == "[4294967297]")
    #expect(try JSONDecoder().decode([Architecture].self, from: data) == [architecture])
    #expect(throws: DecodingError.self) { try JSONDecoder().decode([Architecture].self, from: Data("[7]".utf8)) }
  }

  @Test("An identifier is its 32 digits in JSON, as a value and as a key") func identifierJSON() throws {
    let text = "00c3e8f9a1b2d4057fffffffffffff0e"
    let id = try #require(Architecture.ID(text))
    #expect(id.high == 0x00c3_e8f9_a1b2_d405 && id.low == 0x7fff_ffff_ffff_ff0e && id.description == text)
    #expect(Architecture.ID(text.uppercased()) == id)
    let value = try JSONEncoder().encode([id])
    #expect(String(decoding: value, as: UTF8.self) == "[\"\(text)\"]")
    #expect(try JSONDecoder().decode([Architecture.ID].self, from: value) == [id])
    let key = try JSONEncoder().encode([id: 0.5])
    #expect(String(decoding: key, as: UTF8.self) == "{\"\(text)\":0.5}")
    #expect(try JSONDecoder().decode([Architecture.ID: Double].self, from: key) == [id: 0.5])
    for wrong in ["", "c", text + "0", "g" + text.dropFirst()] {
      #expect(Architecture.ID(wrong) == nil)
      #expect(throws: DecodingError.self) {
        try JSONDecoder().decode([Architecture.ID].self, from: Data("[\"\(wrong)\"]".utf8))
      }
      #expect(throws: DecodingError.self) {
        try JSONDecoder().decode([Architecture.ID: Int].self, from: Data("{\"\(wrong)\":1}".utf8))
      }
    }
  }
}
