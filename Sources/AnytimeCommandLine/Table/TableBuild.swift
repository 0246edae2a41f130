import Anytime
import ArgumentParser
import CellNetworks
import Experiments
import Foundation
import Reports
import SearchSpaces
import Supernet
import TableBuilder
import TabularBenchmark
import Tensor

struct TableBuild: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "build",
    abstract: "Train every cell of a search space from scratch, into a table.",
    discussion: """
      One single-threaded process per core trains at low priority. Every finished training is kept in a \
      folder beside the table: stop the build at any time, and the same command goes on with it. With \
      --shard, build parts on several machines, then put them together with 'anytime table merge'.

      EXAMPLES
        anytime table build mini.table --space mini --epochs 2,6,18 --repeats 3
        anytime table build part.table --space 1 --shard 2/4
        anytime table build space-2.table --space 2 --only-missing
      """)

  @Argument(help: "The table to make.")
  var output: String

  @OptionGroup var settings: BuildOptions

  @Option(help: "Train only part i of n of the cells, i from 1, and write no table: i/n.")
  var shard: String?

  @Option(help: "The number of worker processes.")
  var workers = ProcessInfo.processInfo.activeProcessorCount

  @Option(help: "The niceness of the workers, 0 to 19; at 19 they yield most to other programs.")
  var nice = 10

  @Flag(name: .shortAndLong, help: "Show no progress.")
  var quiet = false

  func validate() throws {
    if workers < 1 { throw ValidationError("--workers must be at least 1") }
    if !(0...19).contains(nice) { throw ValidationError("--nice must be between 0 and 19") }
  }

  func run() async throws {
    let settings = try self.settings.settled()
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: output, isDirectory: &isFolder), isFolder.boolValue {
      throw Failure("\(output) is a folder; name the table file to make")
    }
    let folder = BuildFolder(path: output + ".build")
    let cells = try settings.cells(shard: shard)
    guard !cells.isEmpty else { throw Failure("nothing is missing: the base table has all these cells") }
    let dataset = try settings.readImages()
    let header = BuildHeader(settings: try settings.read(), dataChecksum: dataset.checksum)
    guard mkdir(folder.path, 0o755) == 0 || errno == EEXIST else {
      throw Failure(
        "\(folder.path) cannot be made: \(String(cString: strerror(errno))); check the table's path")
    }
    let lock = open(folder.path + "/lock", O_CREAT | O_RDWR | O_CLOEXEC, 0o644)
    guard lock >= 0 else {
      throw Failure("\(folder.path) cannot be written: \(String(cString: strerror(errno)))")
    }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      throw Failure("another build is at work in \(folder.path); wait for it or stop it")
    }
    defer { close(lock) }
    let total = header.settings.assignments(cells).count
    let wanted = Set(cells)
    let before = try folder.done(header).count { wanted.contains($0.cell) }
    let linesBefore = folder.lineCount

    let line = ProgressLine("training", quiet: quiet)
    if before < total {
      let processes = try (0..<workers).map { try start(worker: $0, settings, folder: folder.path) }
      // The workers die with this process, also if it is interrupted.
      defer { for process in processes where process.isRunning { process.terminate() } }
      while processes.contains(where: \.isRunning) {
        try await Task.sleep(for: .seconds(1))
        line.show(
          done: before + folder.lineCount - linesBefore, of: total, before: before, unit: "trainings")
        if processes.contains(where: { !$0.isRunning && $0.terminationStatus != 0 }) {
          throw Failure("a worker failed; its message is above, and what is done is in \(folder.path)")
        }
      }
    }
    line.finish()
    guard shard == nil else {
      print("All \(total) trainings of this part are in \(folder.path).")
      return
    }
    let summary = try MergedTable.write(
      [folder], extending: try settings.openBase(), to: URL(filePath: output),
      command: settings.command(output: URL(filePath: output).lastPathComponent),
      machine: machineDescription())
    printSummary(summary, of: output)
  }

  private func start(worker: Int, _ settings: BuildOptions, folder: String) throws -> Process {
    let process = Process()
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments =
      ["table", "build-worker", folder, "--worker", "\(worker)/\(workers)", "--nice", String(nice)]
      + settings.arguments + (shard.map { ["--shard", $0] } ?? [])
    var environment = ProcessInfo.processInfo.environment
    environment["OMP_NUM_THREADS"] = "1"
    process.environment = environment
    process.standardInput = FileHandle.nullDevice
    do { try process.run() } catch { throw Failure("a worker process cannot be started: \(error)") }
    return process
  }
}

/// One worker process of `table build`.
struct TableBuildWorker: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "build-worker", shouldDisplay: false)

  @Argument var folder: String
  @OptionGroup var settings: BuildOptions
  @Option var worker: String
  @Option var shard: String?
  @Option var nice: Int32

  func run() throws {
    setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, nice)
    let parent = getppid()
    let parts = worker.split(separator: "/").compactMap { Int($0) }
    let settings = try self.settings.settled()
    guard parts.count == 2 else { throw UsageError("--worker is written as i/n") }
    let dataset = try settings.readImages()
    let header = BuildHeader(settings: try settings.read(), dataChecksum: dataset.checksum)
    try Worker(folder: BuildFolder(path: folder), header: header, index: parts[0], count: parts[1])
      .run(try settings.cells(shard: shard), dataset: dataset) { getppid() != parent }
  }
}

struct TableTime: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "time",
    abstract: "Measure the training steps of all cells of a build in one sitting.",
    discussion: """
      A long build runs in fast hours and slow ones. When nothing else uses the machine, run this on the build's \
      folder, then merge: the table's seconds are then these. Stop it at any time; the same command goes on.

      EXAMPLE
        anytime table time space-1.table.build
        anytime table merge space-1.table.build -o space-1.table
      """)

  @Argument(help: "A build folder.")
  var folder: String

  @Option(help: "The folder of the data files. Default: where Debian puts them.")
  var data: String?

  @Flag(name: .shortAndLong, help: "Show no progress.")
  var quiet = false

  func run() throws {
    let line = ProgressLine("timing", quiet: quiet)
    try Timing(folder: BuildFolder(path: folder)).run(data: data) { done, all in
      line.show(done: done, of: all, unit: "measurements")
    }
    line.finish()
    print("All cells of \(folder) are timed.")
  }
}

struct TableTimeSupernets: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "time-supernets",
    abstract: "Measure passes of supernets, by which one-shot methods are charged.",
    discussion: """
      A supernet is charged in the seconds of the machine on which the table's cells were timed. Passes of supernets \
      of several kinds and widths are measured here, in turns with training steps of the table's own cells, and \
      written into the table's provenance. Run this when nothing else uses the machine. The numbers of cells stay, \
      and the table's checksum changes. Without it, charges follow from the cells' own seconds alone.

      EXAMPLE
        anytime table time-supernets mine.table
        anytime table time-supernets embedded -o timed.table
        anytime table time-supernets retrained.table --like embedded
      """)

  @Argument(help: "A table file, or 'embedded'.")
  var table: String

  @Option(help: "The space of the supernets. Default: the largest one that the table covers.")
  var space: String?

  @Option(help: "The rounds of measurements, of which the least counts.")
  var rounds = 5

  @Option(help: "Take the passes that were measured for another table whose cells have the same seconds.")
  var like: String?

  @Option(
    name: .shortAndLong,
    help: "The table to write. Default: the same file, replaced when the new one is complete.")
  var output: String?

  @Flag(name: .shortAndLong, help: "Show no progress.")
  var quiet = false

  func validate() throws {
    if rounds < 1 { throw ValidationError("--rounds must be at least 1") }
    if output == nil, table == "embedded" {
      throw ValidationError("the embedded table stays as it is; name a file for the new one with -o")
    }
  }

  func run() throws {
    let table = try Experiment.openTable(self.table)
    let passes: String
    if let like {
      passes = try measuredPasses(of: Experiment.openTable(like), for: table)
    } else {
      let timings = try measure(table)
      passes = try timings.json()
      print(
        "\(timings.passes.count) passes measured, \(Numbers.digits(timings.secondsPerCPUSecond, 3)) benchmark seconds "
          + "per CPU second here.")
    }
    let destination = URL(filePath: output ?? table.path)
    let writer = try TableWriter(destination: destination)
    try writer.add(contentsOf: table)
    var provenance = table.provenance
    provenance[PassTimings.provenanceKey] = passes
    try writer.finish(provenance: provenance)
    print("Written to \(destination.path), checksum \(try Table(contentsOf: destination).checksum).")
  }

  /// The passes that another table brings along.
  private func measuredPasses(of other: Table, for table: Table) throws -> String {
    guard let passes = other.provenance[PassTimings.provenanceKey] else {
      throw Failure("\(other.path) has no measured passes; measure them without --like")
    }
    let isAlike =
      other.rowCount == table.rowCount && other.epochs == table.epochs && other.repeats == table.repeats
      && (0..<table.rowCount).allSatisfy { row in
        other.id(row) == table.id(row)
          && table.epochs.indices.allSatisfy { epochs in
            (0..<table.repeats).allSatisfy { number in
              table.value(.seconds, row: row, epochs: epochs, repeat: number)
                == other.value(.seconds, row: row, epochs: epochs, repeat: number)
            }
          }
      }
    guard isAlike else {
      throw Failure(
        "\(other.path) and \(table.path) do not have the same cells and seconds, so that passes of one say nothing "
          + "about the other; measure them without --like")
    }
    return passes
  }

  private func measure(_ table: Table) throws -> PassTimings {
    let named = try space.map { try Benchmark(table: table, space: searchSpace(named: $0)) }
    guard let benchmark = named ?? .largest(of: table) else {
      throw Failure("\(table.path) covers no space that has a supernet; it needs all cells of mini, 1, 2 or 3")
    }
    let line = ProgressLine("timing", quiet: quiet)
    let timings = try PassTimings(measuring: benchmark, task: SearchTask(of: table), rounds: rounds) { done, all in
      line.show(done: done, of: all, unit: "measurements")
    }
    line.finish()
    return timings
  }
}

struct TableMerge: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Put the folders of several builds together into one table.",
    discussion: """
      The folders must come from builds with the same settings, data and libtorch.

      EXAMPLE
        anytime table merge a.table.build b.table.build -o whole.table
      """)

  @Argument(help: "Build folders.")
  var folders: [String]

  @Option(help: "The base table of builds with --only-missing, which is put into the table: a file, or 'embedded'.")
  var base: String?

  @Option(help: "The machine whose seconds are in the folders, for the table's provenance. Default: this one.")
  var machine: String?

  @Option(name: .shortAndLong, help: "The table to make.")
  var output: String

  func run() throws {
    let summary = try MergedTable.write(
      folders.map(BuildFolder.init), extending: try base.map(Experiment.openTable), to: URL(filePath: output),
      command: "anytime table merge " + folders.joined(separator: " ") + (base.map { " --base \($0)" } ?? "")
        + " -o \(URL(filePath: output).lastPathComponent)", machine: machine ?? machineDescription())
    printSummary(summary, of: output)
  }
}

private func printSummary(_ summary: MergedTable.Summary, of output: String) {
  print(
    "\(output): \(Numbers.grouped(summary.cells)) cells, \(Numbers.grouped(summary.trainings)) trainings, "
      + "\(summary.diverged) diverged.")
  if summary.incompleteCells > 0 {
    print("\(summary.incompleteCells) cells lack some of their trainings.")
  }
}

/// The processor and the number of cores, for a table's provenance.
private func machineDescription() -> String {
  let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
  let model = text.split(separator: "\n").first { $0.hasPrefix("model name") }
    .flatMap { $0.split(separator: ":").last }.map { $0.trimmingCharacters(in: .whitespaces) }
  return "\(model ?? "unknown processor"), \(ProcessInfo.processInfo.processorCount) cores"
}

/// The options that determine the numbers of a table.
struct BuildOptions: ParsableArguments {
  @Option(help: "The search space: mini, 1, 2 or 3.")
  var space: String

  @Option(help: "The data set: fashion-mnist, or cifar-10 (binary version).")
  var dataset = "fashion-mnist"

  @Option(help: "The folder of the data files. Default: where Debian puts them.")
  var data: String?

  @Option(help: "The epoch counts, each a training of its own.")
  var epochs = "2,6,18"

  @Option(help: "The number of trainings per cell and epoch count.")
  var repeats = 3

  @Option(help: "The number of images to train on.")
  var images = 5_000

  @Option(name: .customLong("validation"), help: "The number of images to validate on.")
  var validationImages = 5_000

  @Option(name: .customLong("test"), help: "The number of images to test on.")
  var testImages = 5_000

  @Option(help: "The side of the squares over which images are averaged, in pixels.")
  var downscale = 2

  @Option(help: "The channels of the stem.")
  var channels = 8

  @Option(help: "The cells in each of the three stacks.")
  var cellsPerStack = 1

  @Option(help: "The images per training step.")
  var batchSize = 64

  @Option(help: "The optimizer: nesterov, sgd or rmsprop.")
  var optimizer = "nesterov"

  @Option(help: "The learning rate at the first step.")
  var learningRate = 0.03

  @Option(help: "The momentum.")
  var momentum = 0.9

  @Option(help: "The strength of L2 regularisation.")
  var weightDecay = 1e-4

  @Option(help: "The seed of splits, weights and orders.")
  var seed: UInt64 = 0

  @Flag(help: "Train only the cells that the base table lacks, as its own were trained, and put both together.")
  var onlyMissing = false

  @Option(help: "The base table of --only-missing: a table file, or 'embedded'.")
  var base = "embedded"

  /// The table to extend.
  func openBase() throws -> Table? { onlyMissing ? try Experiment.openTable(base) : nil }

  /// These options with the settings of the table to extend, if there is one.
  func settled() throws -> BuildOptions {
    guard let table = try openBase() else { return self }
    let build = try table.buildSettings()
    var settled = self
    settled.dataset = build.dataset.name.rawValue
    settled.epochs = build.epochs.map(String.init).joined(separator: ",")
    settled.repeats = build.repeats
    settled.images = build.dataset.trainingImages
    settled.validationImages = build.dataset.validationImages
    settled.testImages = build.dataset.testImages
    settled.downscale = build.dataset.downscale
    settled.channels = build.network.channels
    settled.cellsPerStack = build.network.cellsPerStack
    settled.batchSize = build.training.batchSize
    settled.optimizer = build.training.rule.rawValue
    settled.learningRate = build.training.learningRate
    settled.momentum = build.training.momentum
    settled.weightDecay = build.training.weightDecay
    settled.seed = build.seed
    guard try settled.read() == build else { throw BuildError.notBuilt(table.path) }
    let usual = try BuildOptions.parse(["--space", space, "--only-missing"]).arguments
    for (index, own) in arguments.enumerated()
    where own != settled.arguments[index] && own != usual[index] {
      throw UsageError(
        "\(arguments[index - 1]) is \(settled.arguments[index]) in \(table.path), and --only-missing trains as it "
          + "was trained; leave \(arguments[index - 1]) out")
    }
    return settled
  }

  /// The settings that these options describe.
  func read() throws -> BuildSettings {
    guard let name = DatasetSettings.Name(rawValue: dataset) else {
      throw UsageError("'\(dataset)' is no data set; use fashion-mnist or cifar-10")
    }
    guard let rule = GradientDescent.Rule(rawValue: optimizer) else {
      throw UsageError("'\(optimizer)' is no optimizer; use nesterov, sgd or rmsprop")
    }
    let counts = epochs.split(separator: ",").compactMap { Int($0) }
    guard !counts.isEmpty, counts.count == epochs.split(separator: ",").count,
      counts.allSatisfy({ $0 > 0 }),
      counts == Set(counts).sorted()
    else { throw UsageError("--epochs is an ascending list of whole numbers, as in 2,6,18") }
    let positive = [
      ("repeats", repeats), ("images", images), ("validation", validationImages), ("test", testImages),
      ("downscale", downscale), ("channels", channels), ("cells-per-stack", cellsPerStack),
      ("batch-size", batchSize),
    ]
    for (flag, value) in positive where value < 1 { throw UsageError("--\(flag) must be at least 1") }
    guard downscale <= 7 else { throw UsageError("--downscale must leave at least 4 x 4 pixels") }
    guard learningRate > 0, (0..<1).contains(momentum), weightDecay >= 0 else {
      throw UsageError("the learning rate must be positive, momentum in 0..<1, weight decay not negative")
    }
    return BuildSettings(
      dataset: DatasetSettings(
        name: name, trainingImages: images, validationImages: validationImages, testImages: testImages,
        downscale: downscale, seed: seed),
      network: NetworkSettings(channels: channels, cellsPerStack: cellsPerStack),
      training: TrainingSettings(
        batchSize: batchSize, rule: rule, learningRate: learningRate, momentum: momentum,
        weightDecay: weightDecay),
      epochs: counts, repeats: repeats, seed: seed)
  }

  /// Reads the images of the data set.
  func readImages() throws -> Dataset { try Dataset(read().dataset, folder: data) }

  /// The cells to train: all of the space, or those of part i of n.
  func cells(shard: String?) throws -> [Cell] {
    guard let space = SearchSpace(named: space), space.name != SearchSpace.nasBench101.name else {
      throw UsageError("--space is mini, 1, 2 or 3, not '\(space)'")
    }
    let known = try openBase()
    let cells = space.architectures().filter { known?.row(of: $0) == nil }.map { architecture in
      switch architecture {
      case .cell(let cell): cell
      }
    }
    guard let shard else { return cells }
    let parts = shard.split(separator: "/").compactMap { Int($0) }
    guard parts.count == 2, parts[1] > 0, (1...parts[1]).contains(parts[0]) else {
      throw UsageError("--shard is written as i/n, with i from 1 to n, not '\(shard)'")
    }
    return Self.part(parts[0], of: parts[1], cells)
  }

  /// The cells of one of several parts, which are numbered from 1.
  static func part(_ index: Int, of count: Int, _ cells: [Cell]) -> [Cell] {
    cells.enumerated().filter { $0.offset % count == index - 1 }.map(\.element)
  }

  /// These options as a command line.
  var arguments: [String] {
    [
      "--space", space, "--dataset", dataset, "--epochs", epochs, "--repeats", String(repeats), "--images",
      String(images), "--validation", String(validationImages), "--test", String(testImages), "--downscale",
      String(downscale), "--channels", String(channels), "--cells-per-stack", String(cellsPerStack),
      "--batch-size", String(batchSize), "--optimizer", optimizer, "--learning-rate", String(learningRate),
      "--momentum", String(momentum), "--weight-decay", String(weightDecay), "--seed", String(seed),
    ] + (onlyMissing ? ["--base", base, "--only-missing"] : []) + (data.map { ["--data", $0] } ?? [])
  }

  /// The command that builds this table, for its provenance.
  func command(output: String) -> String {
    "anytime table build \(output) " + arguments.joined(separator: " ")
  }
}
