import Anytime
import Foundation
import SearchSpaces

/// Replays a search that was made elsewhere, so that it appears on the same curves. Every epoch spends what that search
/// spent and recommends the architecture that it would have returned then.
///
/// The file is JSON:
///
///     {"space": "1", "epochs": [
///       {"epoch": 1, "seconds": 12.5, "cell": "0111|0010|0001|0000 input,conv3x3-bn-relu,maxpool3x3,output"},
///       {"epoch": 2, "seconds": 12.4, "architecture": [[0.1, 0.7, 0.2], …]}]}
///
/// `seconds` is the cost of the epoch in the table's benchmark seconds. An architecture is given as text (`cell`), or
/// by the weights of every row of the space's architecture parameters (`anytime spaces NAME` lists them), operations in
/// the order conv1x1-bn-relu, conv3x3-bn-relu, maxpool3x3.
public struct ImportedTrace: Optimizer {
  public static let method = Method(
    name: "trace", title: "Trace", family: .oneShot,
    summary: "Replays a search that was made elsewhere, from a JSON file.", citation: "the file's author",
    settings: [Setting("file", \ImportedTrace.file, "JSON file of the trace")])

  /// The JSON file of the trace.
  public var file = SettingFile()

  public init() {}

  private struct File: Decodable {
    struct Epoch: Decodable {
      var epoch: Int
      var seconds: Double
      var cell: String?
      var architecture: [[Double]]?
    }
    var space: String
    var epochs: [Epoch]
  }

  private var path: String { file.path }

  public func search(_ session: Session) throws {
    guard !path.isEmpty else { throw TraceError("the method trace needs the setting 'file', the path of a JSON file") }
    let data = try file.content()
    let trace: File
    do { trace = try JSONDecoder().decode(File.self, from: data) } catch {
      throw TraceError("\(path) is no trace: \(Self.reason(error)); 'anytime methods trace' shows the format")
    }
    guard trace.space == session.space.name else {
      throw TraceError("\(path) is a trace of space \(trace.space), and the experiment's is \(session.space.name)")
    }
    for point in trace.epochs {
      let architecture = try architecture(of: point, in: session.space)
      guard point.seconds >= 0, point.seconds.isFinite else {
        throw TraceError("\(path), epoch \(point.epoch): 'seconds' must be a number from 0 on")
      }
      try session.spend(seconds: point.seconds)
      do { try session.recommend(architecture) } catch let error as SessionError {
        throw TraceError("\(path), epoch \(point.epoch): \(error)")
      }
    }
  }

  private func architecture(of point: File.Epoch, in space: SearchSpace) throws -> Architecture {
    let location = "\(path), epoch \(point.epoch)"
    if let text = point.cell {
      do { return try Architecture(text: text) } catch { throw TraceError("\(location): \(error)") }
    }
    guard let weights = point.architecture, let parameters = space.architectureParameters else {
      throw TraceError("\(location): give 'cell' or 'architecture'")
    }
    guard weights.map(\.count) == parameters.rows.map(\.count),
      let architecture = space.architecture(parameters.discretise(weights))
    else {
      let counts = parameters.rows.map { String($0.count) }.joined(separator: ", ")
      throw TraceError("\(location): 'architecture' needs rows of \(counts) weights")
    }
    return architecture
  }

  private static func reason(_ error: any Error) -> String {
    switch error {
    case DecodingError.keyNotFound(let key, _): "'\(key.stringValue)' is missing"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      "'\(context.codingPath.map(\.stringValue).joined(separator: "."))' has the wrong type"
    default: "it is not JSON"
    }
  }
}

/// An error in the file of an imported trace.
public struct TraceError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}
