import Foundation
import Testing

/// Trainings of networks, in processes that use other vector instructions and other numbers of threads.
@Suite("The same bits on every processor") struct SameBitsTests {
  let program: Program

  init() throws { program = try Program() }

  /// What a processor has, feigned. Levels that this one lacks are those below.
  static let processors = [
    ["ANYTIME_VECTORS": "avx512"], ["ANYTIME_VECTORS": "avx2"],
    [
      "ANYTIME_VECTORS": "none", "ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41",
      "OMP_NUM_THREADS": "4",
    ],
  ]

  static let isSlow = ProcessInfo.processInfo.environment["ANYTIME_SLOW_TESTS"] == "1"

  /// Every one-shot method, each way of its own; numbers of channels that fill no block.
  static let methods = [
    "darts:preset=quick", "darts:preset=quick,order=second,hessian=exact,batch-size=96",
    "darts:preset=quick,channels=11,drop-path=0.3", "gdas:preset=quick",
    "pc-darts:preset=quick,channels=12,warm-start-epochs=0",
    "enas:preset=quick,controller-steps=3,samples=3,finalists=2",
    "random-search-ws:preset=quick,samples=3,finalists=2",
    "spos:preset=quick,population=4,parents=2,generations=2,evaluation-images=64",
  ]

  private func run(_ arguments: String, on processor: [String: String]) throws {
    let outcome = try program.run(arguments, environment: processor)
    #expect(outcome.status == 0, "\(arguments): \(outcome.errors)")
  }

  private func text(_ file: String) throws -> String {
    try String(contentsOf: program.folder.appending(path: file), encoding: .utf8)
  }

  /// A table of small trainings at a learning rate so great that a wrong bit grows.
  private func table(_ name: String, on processor: [String: String]) throws -> [String] {
    try run(
      "table build \(name).table --space mini --epochs \(Self.isSlow ? 6 : 1) --repeats 1 --images 160 "
        + "--validation 300 --test 300 --batch-size 20 --downscale 4 --channels 5 --learning-rate 0.5 --workers 1 "
        + "--quiet",
      on: processor)
    try run("table export \(name).table -o \(name).csv", on: processor)
    let lines = try text("\(name).csv").split(separator: "\n")
    // The cell's list of operations is quoted, and has commas.
    let rows = lines.map { line in
      line.reduce(into: (fields: [""], isQuoted: false)) { row, character in
        switch character {
        case "\"": row.isQuoted.toggle()
        case "," where !row.isQuoted: row.fields.append("")
        default: row.fields[row.fields.count - 1].append(character)
        }
      }.fields
    }
    let kept = try #require(rows.first).indices.filter { !rows[0][$0].contains("seconds") }
    #expect(kept.count == rows[0].count - 2)
    return rows.map { row in kept.map { row[$0] }.joined(separator: ",") }
  }

  private func trace(_ name: String, table: String, on processor: [String: String]) throws -> String {
    let epochs = Self.isSlow ? 3 : 1
    let methods = Self.methods.map { "--method \($0),epochs=\(epochs)" }.joined(separator: " ")
    try run(
      "compare --space mini --table \(table).table --horizon 1000000 --seeds 1 --store \(name).sqlite --quiet "
        + "--threads 1 \(methods)", on: processor)
    try run("export trace \(name).sqlite -o \(name)", on: processor)
    return try text("\(name)/experiment-trace.csv")
  }

  @Test("single networks have the same accuracies at every level of vector instructions") func networks() throws {
    defer { program.remove() }
    let tables = try Self.processors.enumerated().map { try table("table-\($0)", on: $1) }
    #expect(tables[0].count > 200)
    #expect(Set(tables[0].dropFirst().compactMap { $0.split(separator: ",").last }).count > 10)
    for table in tables { #expect(table == tables[0]) }
  }

  @Test("supernets have the same losses and weights at every level of vector instructions") func supernets() throws {
    defer { program.remove() }
    _ = try table("small", on: [:])
    let traces = try Self.processors.enumerated().map { try trace("trace-\($0)", table: "small", on: $1) }
    #expect(traces[0].split(separator: "\n").count > 8 * Self.methods.count)
    for trace in traces { #expect(trace == traces[0]) }
  }
  // MARK: Emulated processors

  /// QEMU's program for another x86-64 processor, where it is installed.
  static let qemu: String? = {
    #if arch(x86_64)
      ["/usr/bin/qemu-x86_64", "/usr/local/bin/qemu-x86_64"].first(where: FileManager.default.isExecutableFile)
    #else
      nil
    #endif
  }()

  /// Of QEMU 7.2, which knows no AVX-512: the oldest with AVX2, and all that it can do, as one of another maker.
  static let recent = ["Haswell-noTSX", "max"]
  /// One of 2008: neither AVX nor fused multiply-adds.
  static let old = "Nehalem"

  /// What a run of two small supernets prints, and its losses and weights: one all of kernels of this package, one all
  /// of the library's.
  private func emulated(_ cpu: String?) throws -> (output: String, trace: String) {
    let name = "on-\(cpu ?? "this")"
    let outcome = try program.run(
      "compare --space mini --table tiny.table --horizon 1000000 --seeds 1 --store \(name).sqlite --quiet --threads 1 "
        + "--method darts:preset=quick,batch-size=16,epochs=1 "
        + "--method darts:preset=quick,batch-size=64,epochs=1,order=second,hessian=exact",
      emulator: try cpu.map { [try #require(Self.qemu), "-cpu", $0] } ?? [])
    #expect(outcome.status == 0, "\(name): \(outcome.errors)")
    try run("export trace \(name).sqlite -o \(name)", on: [:])
    return (outcome.output, try text("\(name)/experiment-trace.csv"))
  }

  @Test(
    "an emulated processor with AVX2 gives these bits too, and one without says that it may give others",
    .enabled(if: isSlow, "takes minutes: set ANYTIME_SLOW_TESTS=1"),
    .enabled(if: qemu != nil, "there is no qemu-x86_64: on x86-64, run 'apt-get install qemu-user'"))
  func emulation() throws {
    defer { program.remove() }
    try run(
      "table build tiny.table --space mini --epochs 1 --repeats 1 --images 64 --validation 64 --test 64 "
        + "--batch-size 16 --downscale 4 --channels 5 --learning-rate 0.5 --workers 1 --quiet", on: [:])
    let here = try emulated(nil)
    #expect(here.trace.split(separator: "\n").count > 40)
    for cpu in Self.recent {
      let there = try emulated(cpu)
      #expect(there.trace == here.trace, "\(cpu)")
      #expect(there.output.contains("trained by") == here.output.contains("trained by"), "\(cpu): \(there.output)")
    }
    #expect(try emulated(Self.old).output.contains(" NO AVX, oneDNN SSE41 (other machines may give other bits)"))
  }
}
