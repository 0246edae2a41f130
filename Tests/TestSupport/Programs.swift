import Foundation

/// Writes a shell script that can be run at once.
///
/// A shell writes it, not this process: a descriptor that is open for writing here goes on in every child that another
/// test starts meanwhile, and a file that anybody has open for writing cannot be run (`ETXTBSY`).
public func writeProgram(_ script: String, to file: URL) throws {
  let shell = Process()
  shell.executableURL = URL(filePath: "/bin/sh")
  shell.arguments = ["-c", #"printf '#!/bin/sh\n%s\n' "$2" >"$1" && chmod 755 "$1""#, "sh", file.path, script]
  try shell.run()
  shell.waitUntilExit()
  guard shell.terminationStatus == 0 else { throw CocoaError(.fileWriteUnknown) }
}
