import Anytime
import Foundation
import Statistics

/// The checks that every search method must pass, for any test framework:
///
///     let failures = try await OptimizerConformance(HillClimbing.self).failures()
///     #expect(failures.isEmpty)
///
/// There is one ``Check`` per rule, and ``results()`` returns an outcome for each. The checks run the method on a
/// made-up table of the mini space, and blackbox methods also on made-up hyperparameters. To check that another process
/// makes the same runs, compare its ``fingerprint()``.
public struct OptimizerConformance: Sendable {
  private let type: any Optimizer.Type
  private let make: @Sendable () throws -> any Optimizer
  /// The time that one run, or a few that are compared with each other, may take before it counts as endless.
  ///
  /// A method that keeps calling its session without spending anything is stopped earlier. One that computes for ever
  /// is waited for this long, and goes on computing in the background.
  public var patience: Duration = .seconds(600)

  /// Checks a method with its defaults, or with some settings changed.
  ///
  /// - Parameters:
  ///   - settings: Values that differ from the method's defaults, for instance to make it quicker, as users write them.
  ///   - registry: The registry that knows the methods that are values of settings.
  public init(_ type: any Optimizer.Type, settings: [String: String] = [:], in registry: Registry = Registry([])) {
    self.type = type
    make = { try type.init(settings: Settings(type.method, settings, in: registry), in: registry) }
  }

  /// Checks a method with other settings than the defaults, as in `OptimizerConformance(TPE { $0.startup = 5 })`.
  public init(_ optimizer: any Optimizer) {
    type = Swift.type(of: optimizer)
    make = { optimizer }
  }

  /// Makes all checks and returns one sentence for each rule that the method breaks; empty if it conforms.
  ///
  /// - Throws: An error if the settings are not the method's, or the made-up table cannot be written.
  public func failures() async throws -> [String] {
    try await results().compactMap { if case .failed(let failure) = $0.status { failure } else { nil } }
  }

  /// Makes all checks and returns their outcomes, in the order of ``Check``. Checks that compare runs are made only if
  /// single runs pass theirs.
  ///
  /// - Throws: An error if the settings are not the method's, or the made-up table cannot be written.
  public func results() async throws -> [Outcome] {
    var statuses: [Check: Outcome.Status] = [:]
    func outcomes(_ rest: String) -> [Outcome] {
      Check.allCases.map { Outcome(check: $0, status: statuses[$0] ?? .notChecked(rest)) }
    }
    if let problem = Registry.problem(with: type) {
      statuses[.declarations] = .failed("its declarations are wrong: \(problem)")
      return outcomes("its declarations are wrong")
    }
    statuses[.declarations] = .passed

    let bench = try Bench(make(), patience: patience)
    do {
      let problems = try await bench.problems()
      for check in Check.beforeComparisons {
        statuses[check] = problems[check].map(Outcome.Status.failed) ?? .passed
      }
      guard problems.isEmpty else { return outcomes("it does not run as it should") }
      for (check, compare) in Bench.comparisons {
        if let reason = check.reasonAgainst(bench.optimizer) {
          statuses[check] = .notChecked(reason)
          continue
        }
        if check == .settings, case .failed? = statuses[.points] {
          statuses[check] = .notChecked("it does not search hyperparameters as it should")
          continue
        }
        do {
          statuses[check] = try await compare(bench)().map(Outcome.Status.failed) ?? .passed
        } catch Trouble.endless {
          throw Trouble.endless
        } catch { statuses[check] = .failed("it fails only now and then, or only elsewhere: \(error)") }
      }
    } catch Trouble.endless {
      statuses[.ends] = .failed("it goes on when its budget is spent")
    }
    return outcomes("it does not end")
  }

  /// Computes a digest of three runs, as 16 hexadecimal digits, which has to be equal in every process and on every
  /// machine.
  ///
  /// - Throws: An error if the settings are not the method's, the made-up table cannot be written, or a run throws.
  public func fingerprint() throws -> String {
    let benchmark = try Self.benchmark()
    let optimizer = try make()
    // FNV-1a
    var digest: UInt64 = 0xcbf2_9ce4_8422_2325
    for seed in UInt64(0)..<3 {
      let result = try run(optimizer, on: benchmark, policy: .fair, horizon: 3_000, seed: seed)
      for point in result.trajectory {
        for byte in "\(point.amount) \(point.architecture) \(point.validationRegret)\n".utf8 {
          digest = (digest ^ UInt64(byte)) &* 0x100_0000_01b3
        }
      }
    }
    let digits = String(digest, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

extension OptimizerConformance.Check {
  /// Those that a method must pass before its runs can be compared.
  fileprivate static let beforeComparisons: [Self] = [.space, .errors, .ends, .incumbent]

  /// Why the check makes no sense for a method; `nil` if it does.
  fileprivate func reasonAgainst(_ optimizer: any Optimizer) -> String? {
    let method = type(of: optimizer).method
    // One that trains networks only with some settings searches architectures with all.
    let usesImages = method.usesImages || optimizer.usesImages
    return switch self {
    case .points where method.family != .blackbox || usesImages: "\(method.name) searches architectures only"
    case .settings where usesImages: "a few epochs on a few images do not show every setting"
    default: nil
    }
  }
}
