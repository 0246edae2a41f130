@_spi(Instruments) import Anytime
import CellNetworks
import Experiments
import Foundation
import OneShot
import OptimizerConformance
import SearchSpaces
import Statistics
import Supernet
import TabularBenchmark
import Tensor
import Testing

/// Settings that make a run take a fraction of a second.
private let brief = [
  "preset": "quick", "epochs": "3", "batch-size": "32", "samples": "4", "finalists": "2", "population": "4",
  "generations": "2", "controller-steps": "4", "evaluation-images": "32", "warm-start-epochs": "1",
]

private func settings(_ type: any Optimizer.Type, _ changes: [String: String] = [:]) throws -> [String: String] {
  let known = Set(type.method.settings.map(\.name) + ["preset"])
  return brief.merging(changes) { $1 }.filter { known.contains($0.key) }
}

private let trained = oneShotMethods.filter { $0.method.family == .oneShot && $0.method.name != "trace" }

private func result(
  _ type: any Optimizer.Type, _ changes: [String: String] = [:], policy: BudgetPolicy = .fair,
  horizon: Double = 10_000, seed: UInt64 = 1, checkpoint: URL? = nil,
  progress: (@Sendable (Double, Double) -> Void)? = nil
) throws -> RunResult {
  let optimizer = try type.init(settings: Settings(type.method, settings(type, changes)))
  return try run(
    optimizer, on: OptimizerConformance.benchmark(), policy: policy, horizon: horizon, seed: seed,
    checkpoint: checkpoint, progress: progress)
}

@Suite("One-shot methods") struct OneShotTests {
  @Test(
    "conform like all others: budget, reproducibility, resumption, nothing learnt from test accuracy",
    arguments: trained.indices)
  func conformance(index: Int) async throws {
    let type = trained[index]
    let failures = try await OptimizerConformance(type, settings: settings(type)).failures()
    #expect(failures.isEmpty)
  }

  @Test("recommend a cell after every epoch and trace it", arguments: trained.indices)
  func anytime(index: Int) throws {
    let result = try result(trained[index])
    #expect(result.trace.map(\.epoch) == [1, 2, 3])
    #expect(result.trace.allSatisfy { $0.values["supernet loss"] != nil && $0.values["validation accuracy"] != nil })
    #expect(result.trajectory.first?.amount == result.trace.first?.amount)
    #expect(result.trajectory.allSatisfy { $0.epochs == 0 && $0.finalTrainingSeconds > 0 })
    #expect(result.trace.last?.architecture == result.trajectory.last?.architecture)
    for weights in result.trace.flatMap(\.weights) { #expect(abs(weights.reduce(0, +) - 1) < 1e-6) }
  }

  @Test("a run that is killed goes on from its checkpoint and ends with the same bits", arguments: trained.indices)
  func resumption(index: Int) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "checkpoint-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let (live, kept) = (folder.appending(path: "live"), folder.appending(path: "kept"))
    let whole = try result(trained[index])
    // What a kill after the second epoch leaves behind.
    let second = try #require(whole.trace.dropFirst().first?.amount)
    let copied = try result(trained[index], checkpoint: live) { spent, _ in
      if spent > second, !FileManager.default.fileExists(atPath: kept.path) {
        try? FileManager.default.copyItem(at: live, to: kept)
      }
    }
    #expect(copied.trajectory == whole.trajectory)
    #expect(!FileManager.default.fileExists(atPath: live.path), "a finished run leaves no checkpoint")
    let resumed = try result(trained[index], checkpoint: kept)
    #expect(resumed.trajectory == whole.trajectory)
    #expect(resumed.trace == whole.trace)
    #expect(resumed.ledger == whole.ledger)
  }

  @Test("a supernet that no memory holds is refused before a weight is drawn")
  func tooLarge() throws {
    let error = #expect(throws: SupernetError.self) {
      try result(DARTS.self, ["channels": "256", "cells-per-stack": "16"])
    }
    #expect(
      error?.description == "256 channels, 3 stacks and 16 cells per stack are more weights than a computer's memory "
        + "holds; set fewer 'channels' or 'cells-per-stack'")
  }

  @Test("probes of correlation and Hessian change nothing but the trace, and cost nothing")
  func probes() throws {
    let plain = try result(DARTS.self)
    let probed = try result(
      DARTS.self, ["correlation-cells": "12", "correlation-every": "2", "hessian-every": "1"])
    #expect(probed.trajectory == plain.trajectory)
    #expect(probed.ledger == plain.ledger)
    #expect(probed.trace.map(\.errors.count) == [0, 12, 12])
    #expect(probed.trace.map { $0.values["spearman"] != nil } == [false, true, true])
    #expect(probed.trace.allSatisfy { $0.values["eigenvalue"]?.isFinite == true })
    #expect(probed.trace.last.flatMap { $0.values["kendall"] }.map { (-1...1).contains($0) } == true)
    #expect(probed.trace.map { $0.losses?.count } == [nil, 12, 12])
    for point in probed.trace {
      #expect(point.losses.map { Set($0.keys) == Set(point.errors.keys) && $0.values.allSatisfy { $0 > 0 } } ?? true)
    }
    // The table has no numbers of parameters, and only the second probe has one before it.
    let measures = probed.trace.map { point in RankingMeasure.allCases.count { point.values[$0.rawValue] != nil } }
    #expect(measures == [0, 7, 8])
  }

  @Test("every mode of training leaves a trace that is finite, for every space")
  func modes() throws {
    for changes in [
      ["order": "second"], ["order": "second", "hessian": "exact"], ["drop-path": "0.3"],
      ["augment": "crop-flip", "cutout": "3"],
    ] {
      let trace = try result(DARTS.self, changes).trace
      #expect(trace.count == 3 && trace.allSatisfy { $0.values["supernet loss"]?.isFinite == true }, "\(changes)")
    }
  }
}

@Suite("What one-shot methods pay") struct OneShotCostTests {
  /// Benchmark seconds per step and pass of a method's supernet.
  private func supernetCost(_ type: any Optimizer.Type, _ changes: [String: String] = [:]) throws -> Double {
    let ledger = try result(type, changes.merging(["warm-start-epochs": "0"]) { $1 }).ledger
    return try #require(ledger.first { $0.kind == .supernet }).amount
  }

  @Test("GDAS and PC-DARTS pay less per epoch than DARTS, second order several passes more")
  func order() throws {
    let darts = try supernetCost(DARTS.self)
    #expect(try supernetCost(GDAS.self) < darts)
    #expect(try supernetCost(PCDARTS.self) < darts)
    // A step of first order: forward and back to the architecture, 2, and to the weights, 3. Of second order: 10
    // for the architecture. The conversion is linear.
    let ratio = try supernetCost(DARTS.self, ["order": "second"]) / darts
    #expect(abs(ratio - 13.0 / 5.0) < 1e-9)
  }

  @Test("selection by sampled cells and validation is charged")
  func selection() throws {
    for type in [RandomSearchWS.self, SPOS.self, ENAS.self, DARTS.self] as [any Optimizer.Type] {
      let validation = try result(type).ledger.first { $0.kind == .validation }
      #expect((validation?.amount ?? 0) > 0, "\(type.method.name)")
    }
    let few = try result(RandomSearchWS.self, ["samples": "4"]).spent.seconds
    let many = try result(RandomSearchWS.self, ["samples": "40"]).spent.seconds
    #expect(many > few)
  }

  @Test("every currency runs out, and nothing is spent past the horizon")
  func currencies() throws {
    for currency in BudgetPolicy.Currency.allCases {
      var policy = BudgetPolicy.fair
      policy.currency = currency
      let whole = try result(DARTS.self, policy: policy).spent[currency]
      #expect(whole > 0)
      let half = try result(DARTS.self, policy: policy, horizon: whole / 2)
      #expect(half.spent[currency] <= whole / 2)
      #expect(half.ledger.contains { $0.kind == .lost })
      #expect(half.trace.count < 3)
    }
  }

  @Test("the measured clock charges something, the model's the same twice")
  func clocks() throws {
    var measured = BudgetPolicy.fair
    measured.clock = .measured
    #expect(try result(DARTS.self, policy: measured).spent.seconds > 0)
    // Only charges differ: the same seed has the same search.
    for type in trained {
      let (ours, theirs) = (try result(type, policy: measured).trace, try result(type).trace)
      #expect(ours.map(\.architecture) == theirs.map(\.architecture))
      #expect(ours.map(\.weights) == theirs.map(\.weights) && ours.map(\.values) == theirs.map(\.values))
    }
    let elsewhere = #expect(throws: SupernetError.self) {
      try result(DARTS.self, ["device": "cuda"], policy: measured)
    }
    #expect(elsewhere?.description.contains("use 'clock: model'") == true)
    #expect(try result(DARTS.self).spent == result(DARTS.self).spent)
  }

  @Test("recommendations can be charged their final training")
  func finalTraining() throws {
    var policy = BudgetPolicy.fair
    policy.chargeFinalTraining = true
    let charged = try result(DARTS.self, policy: policy).trajectory
    let free = try result(DARTS.self).trajectory
    #expect(!charged.isEmpty)
    for point in charged {
      #expect(
        free.contains {
          $0.architecture == point.architecture && abs($0.amount + $0.finalTrainingSeconds - point.amount) < 1e-9
        })
    }
  }

  @Test("work counts what networks are made of")
  func workOfCells() throws {
    try Torch.start()
    var random = RandomGenerator(seed: 3)
    for space in [SearchSpace.mini, .oneShot1, .oneShot3] {
      for _ in 0..<5 {
        let cell = try #require(space.cell(space.sample(using: &random)))
        let settings = NetworkSettings(channels: 6, cellsPerStack: 2)
        let network = try CellNetwork(
          cell, settings: settings, channels: 3, height: 9, width: 9, classes: 10, random: &random)
        let work = Work(of: cell, settings: settings, channels: 3, height: 9, width: 9, classes: 10)
        #expect(Int(work.multiplyAccumulates) == network.multiplyAccumulates)
      }
    }
  }

  @Test("without measured passes, the cost model fits the embedded table's trainings", arguments: ["mini", "1"])
  func costModel(space: String) throws {
    let benchmark = try Benchmark(table: ChargeTests.table(passes: nil), space: #require(SearchSpace(named: space)))
    let task = try SearchTask(of: benchmark.table)
    let model = try #require(try CostModel(benchmark, task: task))
    #expect(model.cells == benchmark.rows.count)
    #expect(model.rSquared > 0.5)
    for part in [model.forward, model.toInputs, model.toWeights] {
      #expect(part.perImage >= 0 && part.perMultiplyAccumulate >= 0 && part.perElement >= 0)
    }
    // Least squares with a constant goes through the mean.
    let (shape, images) = (task.imageShape, Double(task.dataset.trainingImages))
    let predicted = benchmark.rows.map { row in
      let work =
        switch benchmark.table.architecture(row) {
        case .cell(let cell):
          Work(
            of: cell, settings: task.network, channels: shape.channels, height: shape.height, width: shape.width,
            classes: 10)
        }
      return model.seconds(work * images, images: Int(images), .training)
    }
    #expect(abs(predicted.reduce(0, +) / Double(predicted.count) / model.secondsPerEpoch - 1) < 1e-6)
  }
}

@Suite("The supernet") struct SupernetTests {
  private func network(
    _ shape: SupernetShape, partial: Int = 1, padded: Bool = false, random: inout RandomGenerator
  ) throws -> SupernetNetwork {
    try SupernetNetwork(
      shape, channels: 4, stacks: 3, cellsPerStack: 1, imageChannels: 1, classes: 10, batchNorm: (0.1, 1e-5),
      padsBeforePooling: padded, partial: partial, random: &random)
  }

  @Test(
    "one architecture is the mixture with weights zero and one, at less work",
    arguments: [SearchSpace.mini, .oneShot1, .oneShot2, .oneShot3].map(\.name), [1, 4])
  func discreteIsOneHot(name: String, partial: Int) throws {
    try Torch.start()
    let space = try #require(SearchSpace(named: name))
    let shape = try #require(SupernetShape(space))
    var random = RandomGenerator(seed: 7)
    let network = try network(shape, partial: partial, random: &random)
    let images = try Tensor((0..<3 * 81).map { _ in Float(random.gaussian()) }, shape: [3, 1, 9, 9])
    for _ in 0..<4 {
      let configuration = space.sample(using: &random)
      let selections = shape.architecture.selections(of: configuration)
      let hot = shape.gates(
        try zip(shape.architecture.rows, selections).map { row, selected in
          .weighted(
            try Tensor((0..<row.count).map { selected.contains($0) ? 1 : 0 }, shape: [row.count]))
        })
      try Torch.withoutGradients {
        network.work = Work()
        let discrete = try network.logits(
          images, gates: { _ in shape.gates(of: configuration) }, statistics: .running)
        let less = network.work
        network.work = Work()
        let mixed = try network.logits(images, gates: { _ in hot }, statistics: .running)
        for (a, b) in zip(try discrete.values(), try mixed.values()) { #expect(abs(a - b) < 1e-4) }
        #expect(less.multiplyAccumulates < network.work.multiplyAccumulates)
      }
    }
  }

  @Test("batch norm averaged anew over one batch is that batch's own statistics")
  func recalibration() throws {
    try Torch.start()
    let shape = try #require(SupernetShape(.mini))
    var random = RandomGenerator(seed: 8)
    let network = try network(shape, random: &random)
    let images = try Tensor((0..<64 * 81).map { _ in Float(random.gaussian()) }, shape: [64, 1, 9, 9])
    let gates = shape.gates(of: SearchSpace.mini.sample(using: &random))
    try Torch.withoutGradients {
      let own = try network.logits(images, gates: { _ in gates }, statistics: .batch).values()
      _ = try network.logits(images, gates: { _ in gates }, statistics: .cleaning(0))
      let clean = try network.logits(images, gates: { _ in gates }, statistics: .clean).values()
      // Running variances are unbiased, so the two differ a little.
      for (a, b) in zip(own, clean) { #expect(abs(a - b) < 0.05 * max(1, abs(a))) }
      #expect(try network.buffers.prefix(1).allSatisfy { try $0.values().allSatisfy { $0 == 0 } })
    }
  }

  @Test("the original's padding before pooling leaves a pixel more")
  func padding() throws {
    try Torch.start()
    for isTwiceDifferentiable in [false, true] {
      func shapes() throws -> [[Int]] {
        let images = try ImageGroups(Tensor.zeros([1, 1, 32, 32]))
        let padded = try images.halved(padding: 1)
        return try [padded, padded.halved(padding: 1), images.halved()].map { result in
          let shape = try result.ungrouped().shape
          #expect(shape == [1, 1, result.height, result.width])
          return Array(shape[2...])
        }
      }
      let found = isTwiceDifferentiable ? try Torch.twiceDifferentiable(shapes) : try shapes()
      #expect(found == [[17, 17], [9, 9], [16, 16]])
    }
  }

  @Test("a table that does not state its images and networks is not taken for CIFAR-10") func task() throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "task-\(UUID().uuidString).table")
    defer { try? FileManager.default.removeItem(at: url) }
    func table(_ provenance: Provenance) throws -> Table {
      let writer = try TableWriter(destination: url)
      let row = writer.add(try Architecture(text: "01|00 input,output"))
      try writer.append(Measurement(final: .init(seconds: 1, validationAccuracy: 0.5)), row: row, epochs: 1)
      try writer.finish(provenance: provenance)
      return try Table(contentsOf: url)
    }
    let error = #expect(throws: TaskError.self) { try SearchTask(of: table([:])) }
    #expect(error?.description.contains("anytime table describe") == true)
    #expect(throws: TaskError.self) { try SearchTask(of: table(["settings": "{}"])) }
    let stated = try SearchTask(of: table(["settings": StatedTask.nasBench101.json]))
    #expect(stated.network == .nasBench101)
    #expect(stated.dataset.name == .cifar10 && stated.dataset.trainingImages == 40_000)
    #expect(stated.imageShape == (3, 32, 32))
    #expect(DARTS.method.usesImages && !ImportedTrace.method.usesImages)
  }

  @Test("halves share no image, and images to choose by are never augmented")
  func data() throws {
    var random = RandomGenerator(seed: 9)
    let task = try SearchTask(of: OptimizerConformance.benchmark().table)
    let data = try SearchData(task, random: &random)
    #expect(data.weightIndices.count == 96 && data.searchIndices.count == 96)
    #expect(Set(data.weightIndices).isDisjoint(with: data.searchIndices))
    let plain = try data.batch(data.weightIndices[..<8]).images.values()
    let augmentation = SearchData.Augmentation(cropsAndFlips: true, cutout: 3, cutoutProbability: 1)
    let changed = try data.batch(data.weightIndices[..<8], augmentation, using: &random).images.values()
    #expect(plain != changed)
    let none = SearchData.Augmentation(cropsAndFlips: false, cutout: 0, cutoutProbability: 1)
    #expect(try data.batch(data.weightIndices[..<8], none, using: &random).images.values() == plain)
  }

  @Test("NAS-Bench-101's whole space is refused in one sentence")
  func wholeSpace() throws {
    #expect(SupernetShape(.nasBench101) == nil)
    #expect("\(SupernetError.noSupernet("nas-bench-101"))".contains("use mini, 1, 2 or 3"))
  }
}

@Suite("ENAS's controller") struct ControllerTests {
  @Test("draws every choice of every space, about as often at the start", arguments: ["mini", "1", "2", "3"])
  func draws(name: String) throws {
    let space = try #require(SearchSpace(named: name))
    let shape = try #require(SupernetShape(space))
    var random = RandomGenerator(seed: 10)
    let controller = try Controller(shape, hidden: 16, random: &random)
    var counts = shape.architecture.rows.map { [Int](repeating: 0, count: $0.selections.count) }
    let draws = 400
    try Torch.withoutGradients {
      for _ in 0..<draws {
        let drawn = try controller.sample(using: &random)
        #expect(space.isValid(drawn.configuration))
        for row in counts.indices { counts[row][drawn.configuration[choice: row]] += 1 }
      }
    }
    for row in counts {
      // Five standard deviations of a binomial count, and a little for weights that are not zero.
      let expected = Double(draws) / Double(row.count)
      for count in row { #expect(abs(Double(count) - expected) < 5 * expected.squareRoot() + 0.1 * expected) }
    }
  }

  @Test("learns to write what is rewarded")
  func learns() throws {
    let shape = try #require(SupernetShape(.mini))
    var random = RandomGenerator(seed: 11)
    let controller = try Controller(shape, hidden: 16, random: &random)
    let adam = try Adam(controller.parameters, betas: (0.1, 0.999), epsilon: 1e-3)
    func share() throws -> Double {
      try Torch.withoutGradients {
        var count = 0
        for _ in 0..<100 {
          if try controller.sample(using: &random).configuration[choice: 0] == 1 { count += 1 }
        }
        return Double(count) / 100
      }
    }
    let before = try share()
    for _ in 0..<300 {
      let drawn = try controller.sample(using: &random)
      let reward = drawn.configuration[choice: 0] == 1 ? 1.0 : 0
      try (drawn.logProbability * (1.0 / 3 - reward)).backward(to: controller.parameters)
      try adam.step(learningRate: 0.02)
    }
    #expect(try share() > before + 0.08)
  }
}

@Suite("Settings of one-shot methods") struct OneShotSettingTests {
  /// The default of a setting of each method that has it.
  private func defaults(_ name: String) -> [String: String] {
    let pairs = oneShotMethods.compactMap { type in
      type.method.settings.first { $0.name == name }.map { (type.method.name, $0.defaultValue) }
    }
    return Dictionary(uniqueKeysWithValues: pairs)
  }

  @Test("of the supernet are shared, with defaults of each method's own")
  func shared() {
    #expect(
      defaults("epochs") == [
        "darts": "50", "gdas": "100", "pc-darts": "100", "enas": "50", "random-search-ws": "50", "spos": "50",
      ])
    #expect(
      defaults("gradient-clip") == [
        "darts": "5.0", "gdas": "5.0", "pc-darts": "5.0", "enas": "0.25", "random-search-ws": "0.25", "spos": "5.0",
      ])
    // What has no effect on a method is no setting of it.
    #expect(Set(defaults("hessian-every").keys) == ["darts", "gdas", "pc-darts"])
    #expect(defaults("warm-start-epochs") == ["darts": "0", "gdas": "0", "pc-darts": "15"])
  }

  @Test("are sound in every method", arguments: oneShotMethods.indices)
  func sound(index: Int) {
    #expect(Registry.problem(with: oneShotMethods[index]) == nil)
  }

  @Test("of a preset yield to those that are given beside it")
  func preset() throws {
    let values = try Settings(PCDARTS.method, ["preset": "quick", "epochs": "100", "channels": "8"]).values
    #expect(
      values == [
        "batch-size": "64", "channels": "8", "cells-per-stack": "0", "arch-learning-rate": "0.003",
        "warm-start-epochs": "8",
      ])
  }

  @Test(
    "that contradict each other are refused in one sentence",
    arguments: [
      ("enas", ["samples": "3"], "5 finalists cannot be chosen from 3 samples; set 'finalists' to at most 'samples'"),
      (
        "gdas", ["tau-max": "0.5"], "the temperature cannot fall from 0.5 to 1.0; set 'tau-min' to at most 'tau-max'"
      ),
      (
        "spos", ["learning-rate": "0.0001"],
        "the learning rate cannot fall from 0.0001 to 0.001; set 'learning-rate-min' to at most 'learning-rate'"
      ),
    ])
  func contradictions(name: String, values: [String: String], sentence: String) throws {
    let type = try Registry(oneShotMethods).method(named: name)
    let settings = try Settings(type.method, values)
    #expect(throws: SettingError(sentence)) { try type.init(settings: settings) }
  }
}

@Suite("Imported traces") struct ImportedTraceTests {
  private func run(_ json: String) throws -> RunResult {
    let url = FileManager.default.temporaryDirectory.appending(path: "trace-\(UUID().uuidString).json")
    try Data(json.utf8).write(to: url)
    defer { try? FileManager.default.removeItem(at: url) }
    let settings = try Settings(ImportedTrace.method, ["file": url.path])
    return try Anytime.run(
      ImportedTrace(settings: settings), on: OptimizerConformance.benchmark(), policy: .fair, horizon: 100,
      seed: 0)
  }

  @Test("are the setting's path and the digest of their content: a changed file makes other runs")
  func content() throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "a trace-\(UUID().uuidString).json")
    defer { try? FileManager.default.removeItem(at: url) }
    func settings(_ content: String) throws -> Settings {
      try Data(content.utf8).write(to: url)
      return try Settings(ImportedTrace.method, ["file": url.path])
    }
    let first = try settings("one")
    #expect(first.values == ["file": "1a08aa1921ca5caf \(url.path)"])
    #expect(try settings("two") != first)
    #expect(try settings("one") == first)
    #expect(try ImportedTrace(settings: first).file.path == url.path)
    #expect(throws: SettingError.self) { try Settings(ImportedTrace.method, ["file": "/nowhere"]) }
    let entry = MethodEntry(label: "trace", method: "trace", settings: first)
    let experiment = Experiment(name: "e", space: "mini", horizon: 1, seeds: [0], methods: [entry])
    #expect(experiment.yaml(registry: Registry(oneShotMethods)).contains("file: \"\(url.path)\""))
  }

  @Test("are charged as they say, up to the horizon")
  func replay() throws {
    let result = try run(
      """
      {"space": "mini", "epochs": [
        {"epoch": 1, "seconds": 40, "cell": "011|001|000 input,conv1x1-bn-relu,output"},
        {"epoch": 2, "seconds": 50, "architecture":
          [[0, 1, 0], [0, 1, 0], [0, 1, 0], [0.1, 0.2, 0.7], [0.9, 0.8, 0.1, 0.2]]},
        {"epoch": 3, "seconds": 50, "cell": "011|001|000 input,maxpool3x3,output"}]}
      """)
    #expect(result.trajectory.map(\.amount) == [40, 90])
    #expect(result.ledger.contains { $0.kind == .lost && $0.amount == 10 })
  }

  @Test(
    "are refused in one sentence",
    arguments: [
      ("nonsense", "is no trace: it is not JSON"),
      (#"{"epochs": []}"#, "'space' is missing"),
      (#"{"space": "1", "epochs": []}"#, "is a trace of space 1"),
      (
        #"{"space": "mini", "epochs": [{"epoch": 4, "seconds": 1, "cell": "01|00 input,output", "x": 1}]}"#,
        "epoch 4: the architecture"
      ),
      (#"{"space": "mini", "epochs": [{"epoch": 4, "seconds": 1}]}"#, "epoch 4: give 'cell' or 'architecture'"),
      (
        #"{"space": "mini", "epochs": [{"epoch": 4, "seconds": 1, "architecture": [[1]]}]}"#,
        "epoch 4: 'architecture' needs rows of 3, 3, 3, "
      ),
      (
        #"{"space": "mini", "epochs": [{"epoch": 4, "seconds": -1, "cell": "011|001|000 input,maxpool3x3,output"}]}"#,
        "epoch 4: 'seconds' must be"
      ),
    ])
  func refused(json: String, message: String) throws {
    do {
      _ = try run(json)
      Issue.record("no error")
    } catch { #expect("\(error)".contains(message)) }
  }
}
