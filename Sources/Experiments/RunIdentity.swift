import Anytime
import Crypto
import Foundation

/// A method with its settings, under the name that curves show.
public struct MethodEntry: Hashable, Sendable, Codable {
  /// The name in leaderboards and captions, unique in an experiment.
  public var label: String
  public var method: String
  public var settings: Settings
  /// Seeds of its own, where a method should have fewer runs than others; the experiment's if `nil`.
  public var seeds: [UInt64]?

  public init(label: String, method: String, settings: Settings, seeds: [UInt64]? = nil) {
    self.label = label
    self.method = method
    self.settings = settings
    self.seeds = seeds
  }
}

/// What else determines the runs of methods that train on images, besides what an experiment says.
public struct Numerics: Hashable, Sendable, Codable {
  /// The checksum of the images' files.
  public var images: String
  /// The library that computes, its version, and its instruction level.
  public var library: String

  public init(images: String, library: String) {
    self.images = images
    self.library = library
  }
}

/// All that determines a run except its seed. A run is a pure function of this and the seed (rule 10 of the ledger).
public struct RunIdentity: Hashable, Sendable, Codable {
  public var method: String
  /// The method's ``Method/revision``.
  public var revision: Int
  /// Settings that differ from their defaults, by name: a new setting changes no identity.
  public var settings: [String: String]
  public var space: String
  public var tableChecksum: String
  /// The budget, in the policy's currency.
  public var horizon: Double
  /// Fields of the policy that differ from those of ``BudgetPolicy/fair``: equal policies of other names are one.
  public var policy: [String: String]
  /// Of methods that train on images; `nil` of others, and of runs by version 0.1, which did not keep it.
  public var numerics: Numerics?

  public init(
    method: String, revision: Int, settings: Settings, space: String, tableChecksum: String, horizon: Double,
    policy: BudgetPolicy, numerics: Numerics? = nil
  ) {
    self.method = method
    self.revision = revision
    self.settings = settings.values
    self.space = space
    self.tableChecksum = tableChecksum
    self.horizon = horizon
    self.policy = Settings(of: policy).values
    self.numerics = numerics
  }

  /// SHA-256 of the canonical JSON of all fields, in 64 hexadecimal digits.
  public var digest: String { Self.digest(of: self) }

  /// The digest of what an experiment says alone: equal for all revisions and numerics of the same run.
  public var question: String {
    var question = self
    question.revision = 0
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
  /// Two digits a byte.
  fileprivate var hexadecimal: String { map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
}

/// JSON with sorted keys: equal values give equal text.
func canonicalJSON(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  return String(decoding: try encoder.encode(value), as: UTF8.self)
}
