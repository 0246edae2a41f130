import Anytime
import SearchSpaces

/// Random search: every candidate is drawn uniformly, whatever was seen before.
///
/// The baseline that any search has to beat (Bergstra and Bengio, "Random Search for Hyper-Parameter
/// Optimization", JMLR 2012; Li and Talwalkar, "Random Search and Reproducibility for NAS", UAI 2019).
/// Follows `random_search.py` of `automl/nas_benchmarks`, which draws with replacement: configurations that
/// give the same architecture are trained, and paid, again.
public struct RandomSearch: Optimizer {
  public static let method = Method(
    name: "random-search", title: "Random search",
    summary: "Draws every candidate uniformly from the search space.",
    citation: "Bergstra and Bengio, JMLR 2012; Li and Talwalkar, UAI 2019")

  public init() {}

  public func search(_ session: Session) throws {
    while true { try session.evaluate(session.space.sample(using: &session.random)) }
  }
}
