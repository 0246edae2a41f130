import Foundation
import Testing

@Suite("The program with one-shot methods") struct OneShotProgramTests {
  let program: Program

  init() throws { program = try Program() }

  /// A copy of Fashion-MNIST's folder in which the labels of one file are others.
  private func poisonedFolder(_ poisoned: String) throws -> URL {
    let source = URL(filePath: "/usr/share/datasets/fashion-mnist")
    let folder = program.folder.appending(path: "poisoned-\(poisoned)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for name in ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"] {
      let file = "\(name)-ubyte.gz"
      try FileManager.default.createSymbolicLink(
        at: folder.appending(path: file), withDestinationURL: source.appending(path: file))
    }
    // Readers take files that are not compressed too.
    let count = poisoned == "t10k" ? 10_000 : 60_000
    var bytes: [UInt8] = [0, 0, 8, 1] + withUnsafeBytes(of: UInt32(count).bigEndian) { Array($0) }
    bytes += (0..<count).map { UInt8($0 * 7 % 10) }
    let labels = folder.appending(path: "\(poisoned)-labels-idx1-ubyte.gz")
    try FileManager.default.removeItem(at: labels)
    try Data(bytes).write(to: labels)
    return folder
  }

  private func trace(_ name: String, data: URL?) throws -> String {
    let outcome = try program.run(
      "compare --space mini --horizon 6 --seeds 1 --store \(name).sqlite --quiet "
        + "--method darts:preset=quick,epochs=2 --method random-search-ws:preset=quick,epochs=1,samples=5",
      environment: data.map { ["ANYTIME_DATA": $0.path] } ?? [:])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(try program.run("export trace \(name).sqlite -o \(name)").status == 0)
    return try String(
      contentsOf: program.folder.appending(path: "\(name)/experiment-trace.csv"), encoding: .utf8)
  }

  @Test("a search is the same to the bit with poisoned test images, and another with poisoned training images")
  func noLeak() throws {
    defer { program.remove() }
    let honest = try trace("honest", data: nil)
    #expect(honest.split(separator: "\n").count > 20)
    #expect(try trace("test", data: poisonedFolder("t10k")) == honest)
    #expect(try trace("train", data: poisonedFolder("train")) != honest)
  }

  @Test("what keeps a supernet from training is one sentence")
  func refusals() throws {
    defer { program.remove() }
    let common = "compare --space mini --horizon 6 --seeds 1 --method "
    let missing = try program.run("\(common)darts:preset=quick", environment: ["ANYTIME_DATA": "/nowhere"])
    #expect(missing.status == 1)
    #expect(missing.errors.contains("is not there; install it with"))
    let preset = try program.run("\(common)darts:preset=quik")
    #expect(preset.status == 2)
    #expect(preset.errors.contains("'quik' is no preset of darts; did you mean 'quick'?"))
    let channels = try program.run("\(common)pc-darts:preset=quick,channels=6")
    #expect(channels.status == 1)
    #expect(channels.errors.contains("6 channels cannot be cut into 4 equal parts"))
    let file = try program.run("\(common)trace:file=none.json")
    #expect(file.status == 2)
    #expect(file.errors.contains("the file 'none.json' of setting 'file' of trace cannot be read"))
    let batch = try program.run("\(common)random-search --method darts:preset=quick,batch-size=9999 --store b.sqlite")
    #expect(batch.status == 1)
    #expect(batch.errors.contains("'darts:preset=quick,batch-size=9999': darts: weights are trained on 5000 images"))
    #expect(try program.run("store check b.sqlite").errors.contains("there is no run store"))
    for outcome in [missing, preset, channels, file, batch] {
      #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
    }
  }
}
