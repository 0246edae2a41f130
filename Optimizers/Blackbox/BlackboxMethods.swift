import Anytime

/// Every blackbox method of the package. A new one is a file beside this and a line here.
public let blackboxMethods: [any Optimizer.Type] = [
  RandomSearch.self,
  RegularizedEvolution.self,
  LocalSearch.self,
  Reinforce.self,
  TPE.self,
  Hyperband.self,
  BOHB.self,
  DEHB.self,
  SMAC.self,
]
