import Anytime

/// Every one-shot method of the package. A new one is a file beside this and a line here.
public let oneShotMethods: [any Optimizer.Type] = [
  DARTS.self,
  GDAS.self,
  PCDARTS.self,
  ENAS.self,
  RandomSearchWS.self,
  SPOS.self,
  ImportedTrace.self,
]
