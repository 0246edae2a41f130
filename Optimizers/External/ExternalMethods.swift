import Anytime

/// All methods whose search is a separate program: one that this package starts, and one that drives a session.
public let externalMethods: [any Optimizer.Type] = [
  External.self,
  Hosted.self,
]

/// Ends all programs that methods have started. To be called where this program ends at once, by a signal: otherwise
/// they end by themselves.
package func endGuests() { Guest.endAll() }
