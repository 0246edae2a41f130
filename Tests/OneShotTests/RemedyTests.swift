import Anytime
import Foundation
import OneShot
import OptimizerConformance
import SearchSpaces
import Statistics
import Supernet
import TabularBenchmark
import Tensor
import Testing

/// A run of a method's preset on a few images, three epochs long unless the changes say otherwise.
private func result(
  _ type: any Optimizer.Type, _ changes: [String: String] = [:], horizon: Double = 10_000, checkpoint: URL? = nil,
  progress: (@Sendable (Double, Double) -> Void)? = nil
) throws -> RunResult {
  let given = ["preset": "quick", "epochs": "3", "batch-size": "32", "warm-start-epochs": "0"]
  let optimizer = try type.init(settings: Settings(type.method, given.merging(changes) { $1 }))
  return try run(
    optimizer, on: OptimizerConformance.benchmark(), policy: .fair, horizon: horizon, seed: 1, checkpoint: checkpoint,
    progress: progress)
}

/// Makes DARTS stop at the first decision that its rule allows.
private let stopping = [
  "epochs": "9", "stop": "eigenvalue", "stop-every": "1", "stop-start": "0", "stop-factor": "1e-9",
]

private let selecting = ["select": "perturbation", "select-epochs": "1"]

extension RunResult {
  fileprivate func total(_ kind: Ledger.Kind) -> (amount: Double, count: Int) {
    ledger.first { $0.kind == kind }.map { ($0.amount, $0.count) } ?? (0, 0)
  }
}

@Suite("Cutout") struct CutoutTests {
  @Test("has a probability that grows linearly over the epochs, or not at all")
  func schedule() {
    let usual = SupernetSettings { $0.epochs = 50 }
    // What it was before there were settings for it, to the bit.
    #expect((0..<50).map { usual.cutoutProbability(epoch: $0) } == (0..<50).map { Double($0) / 49 })
    var half = SupernetSettings { ($0.epochs, $0.cutoutProbability) = (5, 0.5) }
    #expect((0...6).map { half.cutoutProbability(epoch: $0) } == [0, 0.125, 0.25, 0.375, 0.5, 0.5, 0.5])
    half.cutoutRamp = .constant
    #expect((0...6).map { half.cutoutProbability(epoch: $0) } == [Double](repeating: 0.5, count: 7))
    #expect(SupernetSettings { $0.epochs = 1 }.cutoutProbability(epoch: 0) == 0)
  }

  @Test("cuts out squares of every side, which end at the image's edge", arguments: [1, 2, 3, 7])
  func squares(side: Int) throws {
    try Torch.start()
    var random = RandomGenerator(seed: 13)
    let data = try SearchData(SearchTask(of: OptimizerConformance.benchmark().table), random: &random)
    let indices = data.weightIndices[..<96]
    let plain = try data.batch(indices).images
    let (height, width) = (plain.shape[2], plain.shape[3])
    let augmentation = SearchData.Augmentation(cropsAndFlips: false, cutout: side, cutoutProbability: 1)
    let changed = try data.batch(indices, augmentation, using: &random).images
    let (before, after) = (try plain.values(), try changed.values())
    var sizes: Set<[Int]> = []
    for image in 0..<96 {
      // Pixels that were zero before cannot be told; no image's pixel is exactly the mean.
      let cut = (0..<height * width).filter { after[image * height * width + $0] == 0 }
      #expect(cut.allSatisfy { before[image * height * width + $0] != 0 })
      let (rows, columns) = (Set(cut.map { $0 / width }), Set(cut.map { $0 % width }))
      #expect(cut.count == rows.count * columns.count && rows.count <= side && columns.count <= side)
      sizes.insert([rows.count, columns.count])
    }
    #expect(sizes.contains([side, side]))
  }

  @Test("changes as many images as its probability says")
  func images() throws {
    try Torch.start()
    var random = RandomGenerator(seed: 12)
    let data = try SearchData(SearchTask(of: OptimizerConformance.benchmark().table), random: &random)
    let indices = data.weightIndices[..<96]
    let plain = try data.batch(indices).images.values()
    let size = plain.count / 96
    let augmentation = SearchData.Augmentation(cropsAndFlips: false, cutout: 4, cutoutProbability: 0.3)
    var cut = 0
    for _ in 0..<10 {
      let changed = try data.batch(indices, augmentation, using: &random).images.values()
      cut += (0..<96).count { plain[$0 * size..<($0 + 1) * size] != changed[$0 * size..<($0 + 1) * size] }
    }
    // Five standard deviations of a binomial count.
    #expect(abs(Double(cut) - 288) < 5 * (960 * 0.3 * 0.7).squareRoot())
  }

  @Test("without a ramp is there from the first epoch on")
  func runs() throws {
    func losses(_ changes: [String: String]) throws -> [Double?] {
      try result(DARTS.self, changes.merging(["epochs": "2", "cutout": "4"]) { $1 }).trace
        .map { $0.values["supernet loss"] }
    }
    let (ramped, constant) = (try losses([:]), try losses(["cutout-ramp": "constant"]))
    #expect(try losses(["cutout-probability": "0"])[0] == ramped[0])
    #expect(constant[0] != ramped[0])
  }
}

@Suite("Early stopping by eigenvalues") struct StopTests {
  /// Series by which the rule was compared with `EVLocalAvg` of RobustDARTS' `src/utils.py`.
  static let series: [String: @Sendable (Int) -> Double] = [
    "steady": { _ in 0.2 },
    "slow": { 0.2 * pow(1.05, Double($0)) },
    "growing": { 0.2 + 0.01 * Double($0 * $0) / 4 },
    "late jump": { $0 < 14 ? 0.2 : 0.5 },
    "early jump": { $0 < 4 ? 0.2 : 0.5 },
    "noisy": {
      [
        0.21, 0.35, 0.18, 0.22, 0.2, 0.27, 0.19, 0.24, 0.3, 0.26, 0.22, 0.31, 0.28, 0.36, 0.33, 0.4, 0.37, 0.52, 0.48,
        0.6, 0.55, 0.7, 0.66, 0.8, 0.75,
      ][min($0, 24)]
    },
  ]

  /// With the code's settings (every 2 epochs of 50, factor 1.3, from epoch 10 on) and with others: the epoch after
  /// which the code stops and the one whose cell it returns, both from 0; `nil` where it never stops.
  static let recorded: [(String, usual: [Int]?, often: [Int]?)] = [
    ("steady", nil, nil), ("slow", nil, [8, 2]), ("growing", [22, 10], [7, 1]), ("late jump", [30, 18], [14, 8]),
    ("early jump", nil, [6, 0]), ("noisy", [34, 22], [14, 8]),
  ]

  private func decision(_ stop: StopSettings, epochs: Int, _ eigenvalue: (Int) -> Double) -> [Int]? {
    var eigenvalues: [Double] = []
    for epoch in stride(from: 0, to: epochs - 1, by: stop.every) {
      eigenvalues.append(eigenvalue(eigenvalues.count))
      if let returned = stop.returnedEpoch(eigenvalues: eigenvalues) { return [epoch, returned] }
    }
    return nil
  }

  @Test("decides as the authors' code did on the same series", arguments: recorded.indices)
  func rule(index: Int) throws {
    let (name, usual, often) = Self.recorded[index]
    let eigenvalue = try #require(Self.series[name])
    #expect(decision(StopSettings(), epochs: 50, eigenvalue) == usual)
    #expect(
      decision(StopSettings { ($0.every, $0.factor, $0.start) = (1, 1.2, 0) }, epochs: 30, eigenvalue) == often)
  }

  @Test(
    "ends a search with the cell of before, with budget left, and changes nothing until then",
    arguments: [DARTS.method.name, GDAS.method.name, PCDARTS.method.name])
  func search(name: String) throws {
    let type = try Registry(oneShotMethods).method(named: name)
    let stopped = try result(type, stopping)
    let plain = try result(type, ["epochs": "9"])
    // The first decision compares the local averages of the first and the fifth probe.
    #expect(stopped.trace.map(\.epoch) == Array(1...7))
    #expect(stopped.failure == nil && stopped.spent.seconds < 10_000 && stopped.total(.lost).count == 0)
    #expect(stopped.trace.last?.architecture == stopped.trace.first?.architecture)
    #expect(stopped.trajectory.last?.architecture == stopped.trace.first?.architecture)
    for (one, other) in zip(stopped.trace, plain.trace) {
      #expect(one.weights == other.weights)
      #expect(one.values["largest eigenvalue"] != nil && other.values["largest eigenvalue"] == nil)
      #expect(one.values.filter { $0.key != "largest eigenvalue" } == other.values)
    }
  }

  @Test("pays two gradients of the architecture per weight and probe")
  func charges() throws {
    let stopped = try result(DARTS.self, stopping)
    let plain = try result(DARTS.self, ["epochs": "9"])
    #expect(stopped.total(.validation).count == 7 + 7)
    // Without measured passes all parts of a pass cost the same: an epoch of three steps has 3 (2 + 3) parts.
    let part = plain.total(.supernet).amount / (9 * 15)
    let weights = try #require(SearchSpace.mini.architectureParameters).rows.map(\.count).reduce(0, +)
    let probe = (stopped.total(.validation).amount - 7 * plain.total(.validation).amount / 9) / 7
    #expect(abs(probe / (2 * Double(weights) * 2 * part) - 1) < 1e-6)
  }

  @Test("lets a search end at its last epoch where eigenvalues do not grow")
  func goesOn() throws {
    let changes = stopping.merging(["stop-factor": "1e9"]) { $1 }
    let architectures = try result(DARTS.self, changes).trace.map(\.architecture)
    #expect(try architectures == result(DARTS.self, ["epochs": "9"]).trace.map(\.architecture))
  }

  @Test("probes that cost nothing change no bit either, with drawn operations too")
  func diagnostics() throws {
    for type in [DARTS.self, GDAS.self] as [any Optimizer.Type] {
      let (plain, probed) = (try result(type), try result(type, ["hessian-every": "1"]))
      #expect(probed.trace.map(\.weights) == plain.trace.map(\.weights))
      #expect(probed.trajectory == plain.trajectory && probed.ledger == plain.ledger)
    }
  }

  @Test("the Hessian's central differences leave the parameters as they were")
  func restores() throws {
    let x = try Tensor([0.1, -3, 1e-3, 7e-9], shape: [4])
    let before = try x.values()
    _ = try centralHessian([x]) { try x.doubles() }
    #expect(try x.values() == before)
  }
}

@Suite("Perturbed architecture weights") struct PerturbTests {
  @Test("grow as in the authors' code: from 0.03 to 0.3, which fine-tuning has")
  func width() {
    let widths = [0, 25, 49, 50, 60].map { PerturbSettings().width(epoch: $0, of: 50) }
    for (width, expected) in zip(widths, [0.03, 0.165, 0.2946, 0.3, 0.3]) { #expect(abs(width - expected) < 1e-12) }
  }

  @Test("are shares again, and the noise is uniform where nothing is cut off")
  func noise() {
    var random = RandomGenerator(seed: 13)
    let weights = [0.2, 0.5, 0.3]
    var copy = random
    let noisy = weights.map { $0 + 0.1 * (2 * copy.uniform() - 1) }
    let sum = noisy.reduce(0, +)
    #expect(perturbed(weights, by: 0.1, using: &random) == noisy.map { $0 / sum })
    var (cutOff, single) = (0, 0)
    for _ in 0..<1_000 {
      let far = perturbed(weights, by: 5, using: &random)
      #expect(far.allSatisfy { (0...1).contains($0) } && abs(far.reduce(0, +) - 1) < 1e-12)
      if far.contains(0) { cutOff += 1 }
      if far.contains(1) { single += 1 }
    }
    #expect(cutOff > 500 && single > 100)
    // Without noise nothing changes.
    #expect(perturbed([0.25, 0.75], by: 0, using: &random) == [0.25, 0.75])
  }

  @Test("the greatest is kept where all are negative")
  func allNegative() {
    var random = RandomGenerator(seed: 14)
    var found = 0
    for _ in 0..<200 {
      var copy = random
      let noisy = [0.5, 0.5].map { $0 + 100 * (2 * copy.uniform() - 1) }
      let result = perturbed([0.5, 0.5], by: 100, using: &random)
      guard noisy.allSatisfy({ $0 < 0 }) else { continue }
      found += 1
      #expect(result == (noisy[0] > noisy[1] ? [1, 0] : [0, 1]))
    }
    #expect(found > 20)
  }

  @Test("change a search, and not what it costs", arguments: [DARTS.method.name, PCDARTS.method.name])
  func search(name: String) throws {
    let type = try Registry(oneShotMethods).method(named: name)
    let (plain, perturbed) = (try result(type), try result(type, ["perturb": "random"]))
    #expect(perturbed.trace.count == 3 && perturbed.trace.map(\.weights) != plain.trace.map(\.weights))
    #expect(perturbed.ledger == plain.ledger)
  }
}

@Suite("Selection by removal") struct RemovalTests {
  /// How much an alternative of a row is worth, made up.
  private func worth(_ row: Int, _ alternative: Int) -> Double { Double((7 * row + 5 * alternative) % 11) / 100 }

  @Test(
    "keeps what costs most to remove: one operation, as many parents as a vertex has",
    arguments: ["mini", "1", "2", "3"])
  func additive(name: String) throws {
    let rows = try #require(SearchSpace(named: name)?.architectureParameters).rows
    var random = RandomGenerator(seed: 15)
    let order = removalOrder(rows, using: &random)
    var (asked, tuned): ([[Int]], [[Int]]) = ([], [])
    let kept = selectByRemoval(
      rows, order: order,
      accuracy: { row, alternative, decided in
        asked.append([row, alternative])
        #expect(decided.keys.sorted() == order[..<decided.count].sorted() && decided[row] == nil)
        return 0.9 - worth(row, alternative)
      },
      tune: { tuned.append($0.keys.sorted()) })
    #expect(asked == order.flatMap { row in (0..<rows[row].count).map { [row, $0] } })
    #expect(tuned == (1..<rows.count).map { order[..<$0].sorted() })
    for (index, row) in rows.enumerated() {
      #expect(kept[index].count == row.selected && kept[index] == kept[index].sorted())
      let left = (0..<row.count).filter { !kept[index].contains($0) }
      for one in kept[index] { for other in left { #expect(worth(index, one) >= worth(index, other)) } }
    }
  }

  @Test("sees what is decided already, and keeps the first of equals")
  func interaction() throws {
    let rows = Array(try #require(SearchSpace.oneShot1.architectureParameters).rows[..<3])
    let kept = selectByRemoval(rows, order: [2, 0, 1]) { row, alternative, decided in
      switch row {
      case 2: alternative == 1 ? 0.1 : 0.5
      // Its last alternative is worth something only with what was decided before.
      case 0: alternative == 2 && decided[2] == [1] ? 0.2 : 0.5
      default: 0.5
      }
    } tune: { _ in }
    #expect(kept == [[2], [0], [1]])
  }

  @Test("takes operations before parents, each in an order that is random")
  func order() throws {
    let rows = try #require(SearchSpace.oneShot1.architectureParameters).rows
    let operations = rows.count { if case .operation = $0.kind { true } else { false } }
    var random = RandomGenerator(seed: 16)
    var firsts = [Int](repeating: 0, count: operations)
    for _ in 0..<400 {
      let order = removalOrder(rows, using: &random)
      #expect(order.sorted() == Array(rows.indices) && order[..<operations].allSatisfy { $0 < operations })
      firsts[order[0]] += 1
    }
    let expected = 400 / Double(operations)
    for count in firsts { #expect(abs(Double(count) - expected) < 5 * expected.squareRoot()) }
  }

  @Test(
    "goes on where the last epoch has ended, and recommends one cell at its end",
    arguments: [DARTS.method.name, PCDARTS.method.name])
  func search(name: String) throws {
    let type = try Registry(oneShotMethods).method(named: name)
    let (plain, selected) = (try result(type), try result(type, selecting))
    let rows = try #require(SearchSpace.mini.architectureParameters).rows
    #expect(Array(selected.trace.prefix(3)) == plain.trace)
    #expect(selected.trace.map(\.epoch) == [1, 2, 3, 3 + rows.count - 1])
    let last = try #require(selected.trace.last)
    #expect(selected.trajectory.last?.architecture == last.architecture)
    #expect(last.values["supernet loss"]?.isFinite == true)
    for (row, weights) in zip(rows, last.weights) {
      #expect(weights.filter { $0 > 0 } == [Double](repeating: 1 / Double(row.selected), count: row.selected))
    }
    // One validation for every alternative, and fine-tuning.
    #expect(selected.total(.validation).count == 3 + rows.map(\.count).reduce(0, +))
    #expect(selected.total(.supernet).amount > plain.total(.supernet).amount)
    // A budget that ends in fine-tuning leaves the last epoch's cell.
    let short = try result(type, selecting, horizon: (plain.spent.seconds + selected.spent.seconds) / 2)
    #expect(short.trace == plain.trace && short.trajectory == plain.trajectory && short.total(.lost).count == 1)
  }

  @Test("works with the second order, and with perturbed weights and dropped paths")
  func modes() throws {
    for changes in [
      ["order": "second"], ["order": "second", "hessian": "exact"], ["perturb": "random", "drop-path": "0.3"],
    ] {
      let trace = try result(DARTS.self, selecting.merging(changes) { $1 }).trace
      #expect(trace.count == 4, "\(changes)")
    }
  }
}

@Suite("Remedies of differentiable methods") struct RemedyTests {
  /// Settings, and the number of epochs after whose checkpoint a run is killed.
  static let variants: [(changes: [String: String], epochs: Int)] = [
    (stopping, 6), (["perturb": "random", "cutout": "4", "cutout-ramp": "constant"], 2), (selecting, 3),
    (selecting.merging(["perturb": "random", "select-epochs": "2"]) { $1 }, 3),
  ]

  @Test("end with the same bits after a run was killed", arguments: variants.indices)
  func resumption(index: Int) throws {
    let (changes, epochs) = Self.variants[index]
    let folder = FileManager.default.temporaryDirectory.appending(path: "remedies-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let (live, kept) = (folder.appending(path: "live"), folder.appending(path: "kept"))
    let whole = try result(DARTS.self, changes)
    let amount = try #require(whole.trace.dropFirst(epochs - 1).first?.amount)
    let copied = try result(DARTS.self, changes, checkpoint: live) { spent, _ in
      if spent > amount, !FileManager.default.fileExists(atPath: kept.path) {
        try? FileManager.default.copyItem(at: live, to: kept)
      }
    }
    #expect(copied.trajectory == whole.trajectory)
    #expect(FileManager.default.fileExists(atPath: kept.path))
    let resumed = try result(DARTS.self, changes, checkpoint: kept)
    #expect(resumed.trajectory == whole.trajectory && resumed.trace == whole.trace && resumed.ledger == whole.ledger)
  }

  @Test("are settings of the methods for which they make sense, and off by default")
  func shared() {
    func defaults(_ name: String) -> [String: String] {
      let pairs = oneShotMethods.compactMap { type in
        type.method.settings.first { $0.name == name }.map { (type.method.name, $0.defaultValue) }
      }
      return Dictionary(uniqueKeysWithValues: pairs)
    }
    #expect(defaults("stop") == ["darts": "none", "gdas": "none", "pc-darts": "none"])
    #expect(defaults("perturb") == ["darts": "none", "pc-darts": "none"])
    #expect(defaults("select") == ["darts": "weights", "pc-darts": "weights"])
    #expect(defaults("cutout-probability").count == 6)
    #expect(defaults("cutout-ramp").values.allSatisfy { $0 == "linear" })
  }

  @Test(
    "that contradict other settings are refused in one sentence",
    arguments: [
      (
        ["stop": "eigenvalue", "epochs": "23"],
        "a search of 23 epochs cannot be stopped by its eigenvalues, of which the first that count are known after 23; "
          + "set 'epochs' to at least 24, or smaller 'stop-start' and 'stop-every'"
      ),
      (
        ["stop": "eigenvalue", "select": "perturbation"],
        "'stop: eigenvalue' returns the cell of an earlier epoch, which 'select: perturbation' would replace by one of "
          + "the last; set only one of them"
      ),
    ])
  func contradictions(values: [String: String], sentence: String) throws {
    let settings = try Settings(DARTS.method, values)
    #expect(throws: SettingError(sentence)) { try DARTS(settings: settings) }
    if let epochs = values["epochs"].flatMap({ Int($0) }) {
      let enough = try Settings(DARTS.method, values.merging(["epochs": "\(epochs + 1)"]) { $1 })
      #expect(throws: Never.self) { try DARTS(settings: enough) }
    }
  }
}
