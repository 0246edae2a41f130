import Anytime
import Experiments

/// A failed run is a result without a regret: it is counted and its reason is shown, and no statistic includes it.
extension MethodResults {
  /// The runs that ended well. All statistics are over these.
  public var endedRuns: [(seed: UInt64, result: RunResult)] { runs.filter { $0.result.failure == nil } }

  /// The seeds of the failed runs, ascending, with their reasons.
  public var failedRuns: [(seed: UInt64, reason: String)] {
    runs.compactMap { run in run.result.failure.map { (run.seed, $0) } }
  }
}

extension ExperimentResults {
  /// A line for every method some of whose runs failed, with the first reason.
  public var failureTexts: [String] {
    methods.compactMap { method in
      method.failedRuns.first.map { first in
        "\(method.failedRuns.count) of \(Numbers.count(method.runs.count, "run", "runs")) of \(method.entry.label) "
          + "failed (seed \(first.seed): \(first.reason.onOneLine))"
      }
    }
  }
}

extension ExperimentResults {
  /// A line for every method with runs of another revision or library in the store.
  public var otherRunTexts: [String] {
    methods.filter { $0.otherRuns > 0 }.map { method in
      "\(Numbers.count(method.otherRuns, "run", "runs")) of \(method.entry.label) in the store "
        + "\(method.otherRuns == 1 ? "is" : "are") left out: another revision of the method, other images or another "
        + "library made \(method.otherRuns == 1 ? "it" : "them"); 'anytime run' makes those that are missing anew"
    }
  }
}

/// The cost of a method's child runs of one name, over the runs of the method that ended well.
package struct ChildSpending {
  /// The names of the child and of those above it, joined by slashes.
  package private(set) var name: String
  package let method: String
  package private(set) var count = 0
  package private(set) var ends: [ChildRun.End: Int] = [:]
  /// The mean amount per run of the parent in the policy's currency, including what a child lost at its limit.
  package private(set) var amount = 0.0
  package private(set) var kinds: [Ledger.Kind: Double] = [:]

  /// - Returns: By name, in the order in which they began. Children whose names differ in a last number only, such as
  ///   the runs of a method that is restarted, are one.
  package static func all(_ method: MethodResults) -> [ChildSpending] {
    let runs = method.endedRuns.map(\.result)
    var all: [ChildSpending] = []
    struct Key: Hashable {
      let parent: Int?
      let name, method: String
    }
    var keys: [Key: Int] = [:]
    /// By index, the one above, and the last numbers that occurred.
    var parents: [Int?] = []
    var numbers: [Set<Int>] = []
    func visit(_ children: [ChildRun], of parent: Int?) {
      for child in children {
        let stem = child.name.prefix { !$0.isNumber }
        let number = Int(child.name.dropFirst(stem.count))
        let key = Key(parent: parent, name: number == nil ? child.name : String(stem), method: child.method)
        let index = keys[key] ?? all.count
        if index == all.count {
          keys[key] = index
          all.append(ChildSpending(name: key.name, method: child.method))
          parents.append(parent)
          numbers.append([])
        }
        if let number { numbers[index].insert(number) }
        all[index].add(child, runs: Double(runs.count))
        visit(child.children, of: index)
      }
    }
    for run in runs { visit(run.children, of: nil) }
    // Each after the one above it.
    for index in all.indices {
      if let least = numbers[index].min(), let greatest = numbers[index].max() {
        all[index].name += least == greatest ? "\(least)" : "\(least)–\(greatest)"
      }
      if let parent = parents[index] { all[index].name = "\(all[parent].name)/\(all[index].name)" }
    }
    return all
  }

  private mutating func add(_ child: ChildRun, runs: Double) {
    count += 1
    ends[child.ending, default: 0] += 1
    amount += child.amount / runs
    for total in child.ledger { kinds[total.kind, default: 0] += total.amount / runs }
  }

  /// `40 finished, 2 failed`.
  package var endsText: String {
    [ChildRun.End.finished, .limit, .budget, .failed]
      .compactMap { end in ends[end].map { "\($0) \(Self.text(end))" } }.joined(separator: ", ")
  }

  static func text(_ end: ChildRun.End) -> String {
    switch end {
    case .finished: "finished"
    case .limit: "spent the limit"
    case .budget: "spent the budget"
    case .failed: "failed"
    }
  }
}

extension ChildRun {
  /// How it ended. A method that only runs others, such as `tuned`, is done when the last of them has spent all that it
  /// had.
  var ending: End { end == .finished && children.last?.end == .budget ? .budget : end }
}

/// A run in a child session, one of those of a whole run.
struct InnerRun {
  /// The names of the child and of those above it, joined by slashes.
  let name: String
  let run: ChildRun
  /// The settings in which runs of the same method in the same session differ, by name.
  let differing: [String]

  /// All inner runs, each before those that it ran itself.
  static func all(_ children: [ChildRun], in prefix: String = "") -> [InnerRun] {
    var settings: [String: [[String: String]]] = [:]
    for child in children { settings[child.method, default: []].append(child.settings ?? [:]) }
    let differing = settings.mapValues { all in
      Set(all.flatMap(\.keys)).filter { name in Set(all.map { $0[name] }).count > 1 }.sorted()
    }
    return children.flatMap { child in
      let name = prefix + child.name
      let own = child.settings == nil ? [] : differing[child.method] ?? []
      return [InnerRun(name: name, run: child, differing: own)] + all(child.children, in: name + "/")
    }
  }

  /// A setting's value, of numbers four digits.
  static func short(_ value: String) -> String {
    if let number = Double(value) { return value.count > 7 && Int(value) == nil ? Numbers.digits(number, 4) : value }
    return SettingValue(text: value)?.flow ?? value
  }
}
