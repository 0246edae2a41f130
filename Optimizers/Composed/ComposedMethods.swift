import Anytime

/// All methods of the package that run other methods. To add one, write a file beside this one and add a line here.
public let composedMethods: [any Optimizer.Type] = [
  Restarted.self,
  Verified.self,
  Tuned.self,
]
