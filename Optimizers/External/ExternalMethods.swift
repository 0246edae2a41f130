import Anytime

/// The methods whose search is a program of its own: one that is started here, and one that drives a session.
public let externalMethods: [any Optimizer.Type] = [
  External.self,
  Hosted.self,
]

/// Ends all programs that methods have started. To be called where this program ends at once, by a signal: otherwise
/// they end by themselves.
package func endGuests() { Guest.endAll() }
