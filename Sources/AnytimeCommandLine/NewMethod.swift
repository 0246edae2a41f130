import Anytime
import ArgumentParser
import Foundation
import Reports

struct NewMethod: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a Swift package with a search method of your own.",
    discussion: """
      The package has one method with one setting, its conformance test, and a program: this command line, which knows \
      the method too. The method works as it is. Put your own in its place.

      EXAMPLES
        anytime new-method my-search
        anytime new-method my-search --folder ~/searches/first --package ~/AnytimeNAS
      """)

  @Argument(help: "The method's name, as in my-search.")
  var name: String

  @Option(help: "The new folder. Default: the method's name.")
  var folder: String?

  @Option(help: "The folder of AnytimeNAS's own package. Default: the one in which this program was built.")
  var package: String?

  func run() throws {
    let known = AnytimeCommand.registry.methods.map { $0.method.name }
    let template = try MethodTemplate(
      name: name, known: known, package: package.map(Self.checkout) ?? Self.ownCheckout())
    let folder = folder ?? name
    try Self.write(template.files, to: folder)
    print("The method is in \(URL(filePath: folder).appending(path: template.source).relativePath).")
    print("In \(folder), build, test and compare it:\n\n\(template.commands)")
  }

  /// The absolute path of a folder that is AnytimeNAS's own package.
  private static func checkout(_ folder: String) throws -> String {
    let url = URL(filePath: folder, directoryHint: .isDirectory).standardizedFileURL
    guard isCheckout(url) else {
      throw Failure("\(folder) is not AnytimeNAS's package; name the folder of its Package.swift by --package")
    }
    return url.path
  }

  /// The package that this program was built in: it is in a build folder there.
  private static func ownCheckout() throws -> String {
    var url = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    while url.pathComponents.count > 1 {
      url.deleteLastPathComponent()
      if isCheckout(url) { return url.path }
    }
    throw UsageError("this program is not in AnytimeNAS's package; name the folder of its Package.swift by --package")
  }

  private static func isCheckout(_ url: URL) -> Bool {
    ["Package.swift", "Sources/AnytimeCommandLine"].allSatisfy {
      FileManager.default.fileExists(atPath: url.appending(path: $0).path)
    }
  }

  /// Writes files into a new folder, all or none: beside it, then renamed.
  private static func write(_ files: [(path: String, text: String)], to folder: String) throws {
    guard !folder.isEmpty else { throw UsageError("the folder's path is empty; name a new one") }
    guard !folder.utf8.contains(0) else { throw UsageError("a path cannot hold a NUL character; name another folder") }
    var status = stat()
    guard lstat(folder, &status) != 0 else {
      throw Failure("\(folder) is there already; name a new folder by --folder")
    }
    let parent = URL(filePath: folder).deletingLastPathComponent().path
    let partial = "\(parent)/.anytime-\(UUID().uuidString.prefix(13))"
    guard mkdir(partial, 0o777) == 0 else { throw OutputFile.failure(folder, errno) }
    do {
      _ = try writeFiles(files.map { ($0.path, Data($0.text.utf8)) }, folder: partial, inputs: [])
      guard rename(partial, folder) == 0 else { throw OutputFile.failure(folder, errno) }
    } catch {
      try? FileManager.default.removeItem(atPath: partial)
      throw error
    }
  }
}
