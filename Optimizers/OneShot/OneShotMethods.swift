import Anytime

/// All one-shot methods of the package, and others that make networks. To add one, write a file beside this one and add
/// a line here.
public let oneShotMethods: [any Optimizer.Type] = [
  DARTS.self,
  GDAS.self,
  PCDARTS.self,
  ENAS.self,
  RandomSearchWS.self,
  SPOS.self,
  ZeroCost.self,
  ImportedTrace.self,
]
