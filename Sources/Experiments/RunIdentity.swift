import Anytime
import Crypto
import Foundation

/// A method of an experiment, with its label and settings.
public struct MethodEntry: Hashable, Sendable, Codable {
  /// The name in leaderboards and captions; unique in an experiment.
  public var label: String
  /// The method's name.
  public var method: String
  /// The method's settings.
  public var settings: Settings
  /// The method's own seeds, such as fewer than those of other methods; the experiment's seeds if `nil`.
  public var seeds: [UInt64]?
  /// The settings in which it differs from other entries, if it is one of several that were given as one.
  public var variation: Variation?
  /// Where it was given.
  var place = Place()

  /// A file with a line, or a flag, for messages; not stored, and equal for all.
  struct Place: Hashable, Sendable {
    var text: String?
    static func == (_: Self, _: Self) -> Bool { true }
    func hash(into _: inout Hasher) {}
  }

  private enum CodingKeys: String, CodingKey { case label, method, settings, seeds, variation }

  /// An entry of an experiment.
  public init(
    label: String, method: String, settings: Settings, seeds: [UInt64]? = nil, variation: Variation? = nil
  ) {
    self.variation = variation
    self.label = label
    self.method = method
    self.settings = settings
    self.seeds = seeds
  }
}

/// The images and the library that, besides the experiment, determine the runs of methods that train on images.
public struct Numerics: Hashable, Sendable, Codable {
  /// The checksum of the images' files.
  public var images: String
  /// The name of the library that computes, with its version and instruction level.
  public var library: String

  /// Debian 12's library at the level that the program pins: the one whose bits are known to be the same on every
  /// x86-64 processor with AVX2.
  public static let pinnedLibrary = "libtorch 1.13.0 AVX2, oneDNN AVX2"

  /// The numerics of runs that used these images and this library.
  public init(images: String, library: String) {
    self.images = images
    self.library = library
  }
}

/// Everything that determines a run except its seed: a run is a pure function of the two (rule 10 of the ledger).
public struct RunIdentity: Hashable, Sendable, Codable {
  /// The method's name.
  public var method: String
  /// The method's `Method.revision`.
  public var revision: Int
  /// The revisions of the methods that it runs, by their names; `nil` for methods that run no others.
  public var innerRevisions: [String: Int]?
  /// The settings that differ from their defaults, by name, so that a new setting does not change identities.
  public var settings: [String: String]
  /// The name of the search space.
  public var space: String
  /// The checksum of the table.
  public var tableChecksum: String
  /// The budget, in the policy's currency.
  public var horizon: Double
  /// The policy's fields that differ from those of `BudgetPolicy.fair`, so that equal policies with different names
  /// are the same.
  public var policy: [String: String]
  /// The numerics of methods that train on images; `nil` for others, and for runs by version 0.1, which did not store
  /// it.
  public var numerics: Numerics?

  /// The identity of a method's runs under an experiment's conditions.
  public init(
    method: String, revision: Int, innerRevisions: [String: Int]? = nil, settings: Settings, space: String,
    tableChecksum: String, horizon: Double, policy: BudgetPolicy, numerics: Numerics? = nil
  ) {
    self.method = method
    self.revision = revision
    self.innerRevisions = innerRevisions
    self.settings = settings.values
    self.space = space
    self.tableChecksum = tableChecksum
    self.horizon = horizon
    self.policy = Settings(of: policy).values
    self.numerics = numerics
  }

  /// The library, level and device that train networks, where other machines may give other bits: all but
  /// ``Numerics/pinnedLibrary`` on the processor. `nil` where nothing is trained, or where it was not stored.
  public var unpinnedNumerics: String? {
    guard let numerics else { return nil }
    let device = settings["device"].map { " on " + $0 } ?? ""
    return device.isEmpty && numerics.library == Numerics.pinnedLibrary ? nil : numerics.library + device
  }

  /// The SHA-256 of the canonical JSON of all fields, in 64 hexadecimal digits.
  public var digest: String { Self.digest(of: self) }

  /// The digest of the fields that an experiment determines: equal for all revisions and numerics of the same run.
  public var question: String {
    var question = self
    question.revision = 0
    question.innerRevisions = nil
    question.numerics = nil
    return Self.digest(of: question)
  }

  private static func digest(of identity: Self) -> String {
    do { return SHA256.hash(data: Data(try canonicalJSON(identity).utf8)).hexadecimal } catch {
      preconditionFailure("the horizon of an experiment is a number, which `validate()` saw to: \(error)")
    }
  }
}

extension Sequence<UInt8> {
  /// The bytes as text, two digits each.
  fileprivate var hexadecimal: String { map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
}

/// Encodes a value as JSON with sorted keys, so that equal values give equal text.
func canonicalJSON(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  return String(decoding: try encoder.encode(value), as: UTF8.self)
}
