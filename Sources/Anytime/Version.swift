/// The version of the package, printed with every result.
public let anytimeVersion = "0.2.0"
