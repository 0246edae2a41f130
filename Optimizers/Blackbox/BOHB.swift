import Anytime
import SearchSpaces
import Statistics

/// BOHB: Hyperband whose configurations come from kernel densities of the good and the bad ones.
///
/// Falkner, Klein and Hutter, "BOHB: Robust and Efficient Hyperparameter Optimization at Scale", ICML 2018,
/// with the defaults of HpBandSter 0.7.4 (`config_generators/bohb.py`): the best 15 % are good, 64 samples,
/// one configuration in three random, samples with bandwidths three times as wide, bandwidths at least 1e-3
/// (the scripts of NAS-Bench-101 and 1Shot1 set `min-bandwidth: 0.3`), normal-reference bandwidths, and the
/// model of the highest epoch count that has enough trainings: two times more than parameters.
///
/// Differences: bandwidths of categorical parameters are cut at the flat kernel's, (k - 1) / k for k choices,
/// and k is the number of choices. HpBandSter's may exceed one, so that kernels turn negative, and its k is
/// the number of choices seen, so that densities may be infinite; `kernels: hpbandster` has both. Epoch counts
/// below the model's are not stored; ordinal parameters, which HpBandSter refuses, count as integers.
public struct BOHB: Optimizer {
  public static let method = Method(
    name: "bohb", title: "BOHB",
    summary: "Hyperband whose configurations come from kernel densities of the good and the bad ones.",
    citation: "Falkner, Klein and Hutter, ICML 2018",
    usesFidelities: true,
    settings: Brackets.settings(at: \BOHB.brackets) + [
      Setting("top", \BOHB.top, 1...99, "percent of the trainings that are good ones"),
      Setting("samples", \BOHB.samples, 1...1_000, log: true, "samples of the good density to choose from"),
      Setting("random-fraction", \BOHB.randomFraction, 0...1, "part of the configurations drawn at random"),
      Setting(
        "bandwidth-factor", \BOHB.bandwidthFactor, 0.01...100, log: true, "samples are drawn so many times as wide"),
      Setting(
        "min-bandwidth", \BOHB.minBandwidth, 1e-9...1, log: true, "least bandwidth; 0.3 in the papers' scripts"),
      Setting("kernels", \BOHB.kernels, "of categorical parameters: corrected, or with HpBandSter's defects"),
    ])

  /// The kernels of categorical parameters: with bandwidths that are cut, or with HpBandSter's defects.
  public enum Kernels: String, CaseIterable, Sendable { case corrected, hpbandster }

  /// The schedule; by default rounded as in HpBandSter.
  public var brackets = Brackets { $0.rounding = .hpbandster }
  /// The percentage of the trainings that are good ones, 1...99.
  public var top = 15
  /// The number of samples of the good density, of which the one with the greatest ratio of densities is trained.
  public var samples = 64
  /// The probability that a configuration is drawn at random, 0...1.
  public var randomFraction = 1.0 / 3
  /// The factor by which bandwidths are wider when samples are drawn.
  public var bandwidthFactor = 3.0
  /// The least bandwidth, on a parameter's scale of 0...1.
  public var minBandwidth = 1e-3
  /// The kernels of categorical parameters.
  public var kernels = Kernels.corrected

  public init() {}

  public func search(_ session: Session) throws {
    var model = BOHBModel(session.space.parameters, self)
    try brackets.run(session) {
      session.space.firstValid(using: &session.random) {
        model.suggest(using: &$0) ?? session.space.sample(using: &$0)
      }
    } observe: { configuration, fidelity, loss in
      model.add(configuration, fidelity: fidelity, loss: loss)
    }
  }
}

/// The model of ``BOHB``, for any parameters and any loss.
public struct BOHBModel: Sendable {
  private let settings: BOHB
  private let parameters: [Parameter]
  private let categories: [Int?]
  /// The indices of the parameters that are no categories.
  private let numbers: [Int]

  /// By fidelity, all trainings that may still serve a model, as points of the densities.
  private var trainings: [Int: [(point: [Double], loss: Double)]] = [:]
  private var modelFidelity: Int?
  /// The densities of the last fit; `nil` if trainings came since.
  private var model: (good: KernelDensity, bad: KernelDensity)?

  /// A model without trainings.
  public init(_ space: ParameterSpace, _ settings: BOHB = BOHB()) {
    self.settings = settings
    parameters = space.parameters
    categories = space.parameters.map(\.categories)
    numbers = categories.indices.filter { space.parameters[$0].categories == nil }
  }

  /// The least number of trainings of each kind.
  private var least: Int { parameters.count + 1 }

  /// Adds a training.
  ///
  /// - Parameters:
  ///   - fidelity: The index among the epoch counts.
  ///   - loss: The validation error; less is better.
  public mutating func add(_ configuration: Configuration, fidelity: Int, loss: Double) {
    guard modelFidelity.map({ fidelity >= $0 }) ?? true else { return }
    var point = configuration.values
    for index in numbers { point[index] = parameters[index].unit(point[index]) }
    trainings[fidelity, default: []].append((point, loss))
    // Both kinds need more trainings than there are parameters.
    if trainings[fidelity, default: []].count >= 2 * least {
      if modelFidelity != fidelity { trainings = trainings.filter { $0.key >= fidelity } }
      modelFidelity = fidelity
      model = nil
    }
  }

  /// The densities of the good and the bad trainings at the model's epoch count; `nil` as long as there are
  /// too few trainings.
  public mutating func densities() -> (good: KernelDensity, bad: KernelDensity)? {
    guard let modelFidelity, let known = trainings[modelFidelity] else { return nil }
    if let model { return model }
    let sorted = known.enumerated().sorted { ($0.element.loss, $0.offset) < ($1.element.loss, $1.offset) }
      .map(\.element.point)
    let goodCount = max(least, settings.top * known.count / 100)
    let badCount = max(least, (100 - settings.top) * known.count / 100)
    let fitted = (
      good: density(Array(sorted.prefix(goodCount))),
      bad: density(Array(sorted.dropFirst(goodCount).prefix(badCount)))
    )
    model = fitted
    return fitted
  }

  private func density(_ points: [[Double]]) -> KernelDensity {
    var bandwidths = KernelDensity.normalReference(points).map { max($0, settings.minBandwidth) }
    let variables = categories.enumerated().map { index, categories -> KernelDensity.Variable in
      guard let categories else { return .real }
      if settings.kernels == .hpbandster { return .unordered(levels: categories) }
      bandwidths[index] = min(bandwidths[index], Double(categories - 1) / Double(categories))
      return .unordered(levels: categories)
    }
    return KernelDensity(
      points, variables: variables, bandwidths: bandwidths, observedLevelsOnly: settings.kernels == .hpbandster)
  }

  /// A configuration to train next; `nil` where a random one is due.
  public mutating func suggest(using random: inout RandomGenerator) -> Configuration? {
    guard modelFidelity != nil, !random.chance(settings.randomFraction), let (good, bad) = densities() else {
      return nil
    }
    let before = random
    let points = draw(settings.samples, around: good, using: &random)
    let (likely, unlikely) = (good.densities(at: points), bad.densities(at: points))
    var best: Int?
    var bestRatio = Double.infinity
    for sample in 0..<settings.samples {
      let ratio = max(1e-32, unlikely[sample]) / max(1e-32, likely[sample])
      if !ratio.isFinite, likely[sample].isFinite {
        best = sample
        // HpBandSter draws no more then.
        random = before
        _ = draw(sample + 1, around: good, using: &random)
        break
      }
      if ratio < bestRatio { (best, bestRatio) = (sample, ratio) }
    }
    guard let best else { return nil }
    let width = parameters.count
    var configuration = Configuration(values: Array(points[best * width..<(best + 1) * width]))
    for index in numbers {
      configuration.values[index] = parameters[index].value(unit: configuration.values[index])
    }
    return configuration
  }

  /// Points around observations, with bandwidths that are ``BOHB/bandwidthFactor`` times as wide for numbers; one
  /// point after another.
  private func draw(
    _ number: Int, around density: KernelDensity, using random: inout RandomGenerator
  ) -> [Double] {
    let width = categories.count
    return [Double](unsafeUninitializedCapacity: number * width) { points, count in
      count = number * width
      for start in stride(from: 0, to: count, by: width) {
        let observation = random.below(density.count)
        for index in 0..<width {
          let value = density.value(index, of: observation)
          let bandwidth = density.bandwidths[index]
          points[start &+ index] =
            if let categories = categories[index] {
              random.chance(1 - bandwidth) ? value : Double(random.below(categories))
            } else {
              random.gaussian(mean: value, deviation: settings.bandwidthFactor * bandwidth, in: 0...1)
            }
        }
      }
    }
  }
}
