/// What a search returns: one of the architectures of a search space, of whatever kind they are.
///
/// A session, its incumbents, stores and reports know an architecture by its ``id``, and ask nothing of its inside. The
/// rooms that look inside do it by a `switch` over all kinds: search spaces, networks, the columns of tables, and
/// drawings. So the compiler names every room that a new kind needs.
///
///     let space = SearchSpace.oneShot1
///     var random = RandomGenerator(seed: 0)
///     if let architecture = space.architecture(space.sample(using: &random)) { print(architecture, architecture.id) }
public enum Architecture: Hashable, Sendable {
  /// NAS-Bench-101's kind: a labelled graph of at most seven vertices.
  case cell(Cell)

  /// The name under which tables and stores know the architecture.
  ///
  /// Takes up to 50 MD5 digests. As a dictionary key, the architecture itself is much faster.
  public var id: ID {
    switch self {
    case .cell(let cell): cell.hash
    }
  }

  /// The identifiers of many architectures; faster than one by one.
  public static func ids(_ architectures: some Collection<Architecture>) -> [ID] {
    Cell.hashes(
      architectures.map { architecture in
        switch architecture {
        case .cell(let cell): cell
        }
      })
  }
}

extension Architecture: CustomStringConvertible {
  /// The architecture as text, which ``init(text:)`` reads.
  public var description: String {
    switch self {
    case .cell(let cell): cell.description
    }
  }

  /// Reads a ``description``.
  ///
  /// - Throws: ``CellError``.
  public init(text: String) throws {
    self = .cell(try Cell(text: text))
  }
}

/// As the kind's own value: a cell is its ``Cell/code``.
extension Architecture: Codable {
  public init(from decoder: any Decoder) throws {
    self = .cell(try Cell(from: decoder))
  }

  public func encode(to encoder: any Encoder) throws {
    switch self {
    case .cell(let cell): try cell.encode(to: encoder)
    }
  }
}
