import ArgumentParser
import Experiments
import Foundation
import Reports

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write results to files, without running anything again.",
    subcommands: [ExportCurves.self, ExportLatex.self, ExportIOH.self, ExportTrace.self, ExportFactors.self],
    defaultSubcommand: ExportCurves.self)
}

/// Writes curves in all formats into a folder and returns the files' paths.
///
/// - Parameter source: The file that the curves were read from, which is never overwritten.
func writeCurves(
  _ curves: Curves, folder: String, formats: [CurveExport] = CurveExport.all, source: String
) throws -> [String] {
  let name = FileNames.name(curves.results.experiment.name)
  return try writeFiles(
    try formats.map { ("\(name)-\($0.fileName)", try $0.render(curves)) }, folder: folder,
    inputs: inputs(source) + [curves.results.experiment.table])
}

/// Writes files into a folder, which is made if it is missing, and returns their paths.
///
/// - Parameters:
///   - files: The contents of the files, with their paths relative to the folder.
///   - inputs: Files that were read. If one of them would be overwritten, no file is written.
func writeFiles(_ files: [(path: String, data: Data)], folder: String, inputs: [String]) throws -> [String] {
  guard !folder.isEmpty else { throw UsageError("the output folder's path is empty; '.' is this folder") }
  let base = folder.hasSuffix("/") ? folder : folder + "/"
  let paths = files.map { base + $0.path }
  for path in paths { try refuse(output: path, among: inputs) }
  try makeFolder(folder)
  for (file, path) in zip(files, paths) {
    if let slash = path.lastIndex(of: "/") { try makeFolder(String(path[..<slash])) }
    try writeWhole(file.data, toPath: path)
  }
  return paths
}

/// The files behind a source of results: an experiment file, a run store, and its journals.
func inputs(_ source: String) -> [String] {
  [source, URL(filePath: source).deletingPathExtension().path(percentEncoded: false) + ".sqlite"].flatMap(storeFiles)
}

/// A run store and its journals.
func storeFiles(_ path: String) -> [String] { ["", "-wal", "-shm", "-journal"].map { path + $0 } }

/// Prints the path of a file that was written, unless that is standard output.
func printWritten(_ path: String) {
  if !isStandardOutput(path) { print(path) }
}
