import Anytime
import SearchSpaces
import Supernet

/// PC-DARTS: DARTS in which operations see only one channel in four. The other channels pass by, and all are shuffled
/// afterwards. Steps are therefore cheap, and operations without weights have less of an advantage early in the search.
///
/// Xu et al., "PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture Search", ICLR 2020; in
/// NAS-Bench-1Shot1 `optimizers/pc_darts`. What the paper calls edge normalisation is part of these spaces already:
/// every choice of parents has weights of its own.
///
/// Differences: those of ``DARTS``. The architecture begins to learn after 15 epochs, as in the paper and its code;
/// NAS-Bench-1Shot1's script has the option but defaults to 0. Its script for tuning (`train_search_bohb.py`) has none.
/// Cutout's probability grows over the epochs, as in that script; in `train_search.py` it is constant
/// (`cutout-ramp=constant`). Selection by removal (``SelectSettings``) is not in the authors' code.
public struct PCDARTS: Optimizer {
  public static let method = Method(
    name: "pc-darts", title: "PC-DARTS", family: .oneShot,
    summary: "DARTS on a quarter of the channels, after a warm start of the weights.",
    citation: "Xu et al., ICLR 2020",
    usesImages: true, revision: 2,
    settings: SupernetSettings.settings(at: \PCDARTS.supernet) + ArchitectSettings.settings(at: \PCDARTS.architect) + [
      Setting(
        "channel-parts", \PCDARTS.channelParts, 1...64, log: true, "parts of the channels, of which operations see one")
    ] + StopSettings.settings(at: \PCDARTS.stop) + PerturbSettings.settings(at: \PCDARTS.perturb)
      + SelectSettings.settings(at: \PCDARTS.select),
    presets: [
      SupernetSettings.quick(\PCDARTS.supernet) {
        $0.architect.learningRate = 0.003
        $0.architect.warmStartEpochs = 8
      }
    ])

  /// The settings of the supernet's training.
  public var supernet = SupernetSettings { $0.epochs = 100 }
  /// The settings of how the architecture weights are learnt.
  public var architect = ArchitectSettings { $0.warmStartEpochs = 15 }
  /// The number of equal parts into which channels are divided; operations see one of them.
  public var channelParts = 4
  /// The settings of early stopping.
  public var stop = StopSettings()
  /// The settings of noise on the architecture weights while the network's weights learn.
  public var perturb = PerturbSettings()
  /// The settings of how the final architecture is chosen.
  public var select = SelectSettings()

  public init() {}

  public func validate() throws {
    try architect.validate(epochs: supernet.epochs)
    try stop.validate(epochs: supernet.epochs)
    try select.validate(beside: stop)
  }

  public func validate(under conditions: Conditions) throws {
    try supernet.check(under: conditions, partial: channelParts)
  }

  public func search(_ session: Session) throws {
    let supernet = try Supernet(session, self.supernet, partial: channelParts)
    let shape = supernet.shape
    let architect = try Architect(supernet, self.architect, perturb: perturb)
    try supernet.run(
      architecture: architect.rows, state: architect.state,
      step: { try architect.alternate(supernet, $0) },
      gates: { _ in try architect.softmax(shape) },
      stop: stop, furtherEpochs: select.epochs(shape),
      choose: { try architect.configuration(shape) })
    try select.select(supernet, architect) { try architect.alternate(supernet, $0, $1) }
  }
}
