import ArgumentParser
import Foundation
import Reports

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write results to files, without running anything again.",
    subcommands: [ExportCurves.self, ExportLatex.self, ExportIOH.self, ExportTrace.self],
    defaultSubcommand: ExportCurves.self)
}

/// Writes all formats into a folder and returns the files.
func writeCurves(
  _ curves: Curves, folder: String, formats: [CurveExport] = CurveExport.all
) throws -> [URL] {
  let name = fileName(curves.results.experiment.name)
  return try writeFiles(formats.map { ("\(name)-\($0.fileName)", $0.render(curves)) }, folder: folder)
}

/// Writes files by their paths relative to a folder, which is made where it is missing, and returns them.
func writeFiles(_ files: [(path: String, data: Data)], folder: String) throws -> [URL] {
  try files.map { path, data in
    let url = URL(filePath: folder).appending(path: path)
    let parent = url.deletingLastPathComponent()
    do { try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true) } catch {
      throw Failure("the folder \(parent.relativePath) cannot be made: check its path and permissions")
    }
    try writeWhole(data, to: url)
    return url
  }
}

/// The name of an experiment as that of a file.
func fileName(_ name: String) -> String { name.replacing("/", with: "-") }
