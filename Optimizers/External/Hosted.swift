import Anytime

/// A search that a script or notebook drives through `anytime session`. The setting `script` names the script, so that
/// all runs of one script count as runs of one method.
public struct Hosted: Optimizer {
  public static let method = Method(
    name: "session", title: "Session", summary: "Is driven by a script, through 'anytime session'.",
    citation: "the script's author",
    settings: [
      Setting(
        "script", \Hosted.script, "a name, as in my-search", "the name of the script", text: { $0 },
        value: { text, _ in text })
    ])

  /// The name of the script.
  public var script = ""
  /// Answers the script's questions until it ends.
  private var serve: (@Sendable (Session) throws -> Void)?

  public init() {}

  /// Creates a run that a script drives.
  package init(script: String, serve: @escaping @Sendable (Session) throws -> Void) {
    (self.script, self.serve) = (script, serve)
  }

  public var canBeRun: Bool { false }

  public func search(_ session: Session) throws {
    guard let serve else {
      throw SettingError(
        "the script '\(script)' makes its runs itself, through 'anytime session --method-name \(script)'; "
          + "those that are missing cannot be made here")
    }
    try serve(session)
  }
}
