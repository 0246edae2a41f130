import SearchSpaces

/// The role of each column of a file.
struct ColumnMap {
  // The roles of columns, as indices: those of ``TableText/columns`` in their order; from ``wideRole`` on, a column per
  // quantity and epoch count.

  static let hash = 0, adjacency = 1, operations = 2, epochs = 3, `repeat` = 4, firstMetric = 5
  static let parameters = firstMetric + TableText.metricColumns.count
  static let multiplyAccumulates = parameters + 1
  /// NAS-Bench-101's `computed`, in JSON lines only.
  static let computed = multiplyAccumulates + 1
  static let wideRole = computed + 1

  /// The roles of the names that NAS-Bench-101's own code gives to columns.
  private static let otherNames: [String: Int] = {
    var names = ["module_adjacency": adjacency, "module_operations": operations, "computed": computed]
    for (index, column) in TableText.metricColumns.enumerated() {
      let metric =
        column.metric == .seconds ? "training_time" : "\(column.metric.rawValue)_accuracy"
      names[(column.moment == .final ? "final_" : "halfway_") + metric] = firstMetric + index
      if column.moment == .final { names[metric] = firstMetric + index }
    }
    return names
  }()

  /// The index of a quantity by the name that it has in `computed`.
  static func metric(named name: String) -> Int? {
    otherNames[name].flatMap { $0 >= firstMetric && $0 < parameters ? $0 - firstMetric : nil }
  }

  private let options: ImportOptions
  /// The roles that the options state, by the file's name of the column.
  private var chosen: [String: Int] = [:]
  private var chosenRoles: Set<Int> = []
  /// The quantities and epoch counts of the roles from ``wideRole`` on.
  private(set) var wide: [(metric: Int, epochs: Int)] = []
  /// The epochs of all rows, if no column states them.
  private(set) var constantEpochs: Int?
  /// The file's name of each role that was found.
  private(set) var found: [Int: String] = [:]
  private(set) var ignored: [String] = []
  private var checkedNames = 0

  /// - Throws: ``ImportProblem`` for options that contradict each other.
  init(_ options: ImportOptions) throws(ImportProblem) {
    self.options = options
    constantEpochs = options.epochs
    for (name, theirs) in options.columns.sorted(by: { $0.key < $1.key }) {
      let role: Int
      if let at = name.firstIndex(of: "@") {
        let quantity = String(name[..<at])
        guard let metric = TableText.metricColumns.firstIndex(where: { $0.name == quantity }) else {
          throw ImportProblem(
            Self.unknown(
              quantity, among: TableText.metricColumns.map(\.name), kind: "quantity of an epoch count"))
        }
        guard let count = Int(name[name.index(after: at)...]), Self.epochRange.contains(count) else {
          throw ImportProblem(
            "'\(name)' should end in a number of epochs from 1 to 65535, as in '\(quantity)@108'")
        }
        role = Self.wideRole + wide.count
        wide.append((metric, count))
      } else {
        guard let index = TableText.columns.firstIndex(of: name) else {
          throw ImportProblem(Self.unknown(name, among: TableText.columns, kind: "column of a table"))
        }
        role = index
      }
      guard chosen.updateValue(role, forKey: theirs) == nil else {
        throw ImportProblem("--column names the column '\(theirs)' twice")
      }
      chosenRoles.insert(role)
    }
    if !wide.isEmpty,
      let name = options.columns.keys.first(where: { name in
        name == "epochs" || TableText.metricColumns.contains { $0.name == name }
      })
    {
      throw ImportProblem(
        "--column \(name)=… is for a row per epoch count, and …@… for a column per epoch count; use one of them"
      )
    }
  }

  static let epochRange = 1...Int(UInt16.max)

  static func unknown(_ word: String, among known: [String], kind: String) -> String {
    "'\(word)' is no \(kind)"
      + (known.nearest(to: word).map { "; did you mean '\($0)'?" }
        ?? "; use one of \(known.joined(separator: ", "))")
  }

  /// Whether a header's name is known, to tell separators apart.
  func isKnown(_ name: String) -> Bool {
    chosen[name] != nil || Self.role(named: name) != nil
  }

  private static func role(named name: String) -> Int? {
    let name = name.lowercased()
    return TableText.columns.firstIndex(of: name) ?? otherNames[name]
  }

  /// Finds the role of a column.
  ///
  /// - Returns: The role; -1 for an unknown column.
  /// - Throws: ``ImportProblem`` for a second column of the same role.
  mutating func add(_ name: String) throws(ImportProblem) -> Int {
    guard !options.leftOut.contains(name) else { return -1 }
    var role = chosen[name]
    if role == nil, let known = Self.role(named: name), !chosenRoles.contains(known),
      !(!wide.isEmpty && (known == Self.epochs || Self.isMetric(known)))
    {
      role = known
    }
    guard let role else {
      if !ignored.contains(name) { ignored.append(name) }
      return -1
    }
    if role == Self.epochs, let constantEpochs {
      throw ImportProblem(
        "there is a column '\(name)', and --epochs \(constantEpochs) says the same of all rows; leave one of them out"
      )
    }
    if let other = found.updateValue(name, forKey: role) {
      throw ImportProblem(
        other == name
          ? "there are two columns '\(name)'; leave one of them out or give it another name"
          : "the columns '\(other)' and '\(name)' are the same quantity; leave one of them out with --ignore")
    }
    return role
  }

  private static func isMetric(_ role: Int) -> Bool { role >= firstMetric && role < parameters }

  /// Complains of names that are almost known ones.
  mutating func checkIgnored() throws(ImportProblem) {
    let lacking = TableText.columns.enumerated().filter { role, _ in
      found[role] == nil && !chosenRoles.contains(role)
        && (wide.isEmpty || role != Self.epochs && !Self.isMetric(role))
    }.map(\.element)
    defer { checkedNames = ignored.count }
    for name in ignored[checkedNames...] {
      guard let nearest = lacking.nearest(to: name.lowercased()) else { continue }
      throw ImportProblem(
        "there is a column '\(name)'; if it is '\(nearest)', say so with '--column \(nearest)=\(Self.quoted(name))', "
          + "and if not, '--ignore \(Self.quoted(name))'")
    }
  }

  /// Complains of columns that the options name and that are not there.
  mutating func checkChosen(available: [String]) throws(ImportProblem) {
    var missing: [String] = []
    for (theirs, role) in chosen.sorted(by: { $0.key < $1.key }) where found[role] == nil {
      if role == Self.epochs, let count = Int(theirs), Self.epochRange.contains(count) {
        constantEpochs = count
      } else {
        missing.append(theirs)
      }
    }
    guard !missing.isEmpty else { return }
    let words = missing.map { theirs in
      "'\(theirs)'" + (available.nearest(to: theirs).map { " (did you mean '\($0)'?)" } ?? "")
    }
    throw ImportProblem(
      "there is no column \(words.joined(separator: " and no column ")); the columns are "
        + available.joined(separator: ", "))
  }

  /// Complains of columns that are needed and lacking, and says how to state them.
  func checkNeeded(available: [String]) throws(ImportProblem) {
    let columns = "the columns are \(available.joined(separator: ", "))"
    for role in [Self.adjacency, Self.operations] where found[role] == nil {
      let name = TableText.columns[role]
      var remedy = "'--column \(name)=theirs' says which is which"
      if available.count == 1, available[0].contains(" ") {
        remedy = "separate columns by commas, not spaces"
      } else if available.first?.hasPrefix("{") ?? false {
        remedy = "if these are JSON lines, let the file's name end in .jsonl"
      }
      throw ImportProblem("there is no column '\(name)'; \(columns); \(remedy)")
    }
    if found[Self.computed] != nil { return }
    if !wide.isEmpty {
      guard wide.contains(where: { TableText.metricColumns[$0.metric].metric != .seconds }) else {
        throw ImportProblem(
          "--column names no accuracies, only seconds; \(columns), and '--column validation_accuracy@108=theirs' names "
            + "those of an epoch count")
      }
      return
    }
    let hasMetric = found.keys.contains {
      Self.isMetric($0) && TableText.metricColumns[$0 - Self.firstMetric].metric != .seconds
    }
    if found[Self.epochs] == nil, constantEpochs == nil {
      let byEpochs = guesses.filter { $0.epochs != nil }
      if !byEpochs.isEmpty {
        throw ImportProblem(
          "there is no column 'epochs', but a column per epoch count; say which is which: \(Self.arguments(byEpochs))"
        )
      }
      throw ImportProblem(
        "there is no column 'epochs'; \(columns); say which it is with '--column epochs=theirs', or with "
          + "'--epochs 108' that all rows have as many")
    }
    guard !hasMetric else { return }
    let likely = guesses.filter { $0.epochs == nil }
    throw ImportProblem(
      "there is no column of accuracies; \(columns); "
        + (likely.isEmpty
          ? "'--column validation_accuracy=theirs' names one" : "perhaps \(Self.arguments(likely))"))
  }

  /// The ignored columns whose names suggest a known quantity.
  private var guesses: [(name: String, metric: Int, epochs: Int?)] {
    ignored.compactMap { name in Self.guess(name).map { (name, $0.metric, $0.epochs) } }
  }

  private static func arguments(_ guesses: [(name: String, metric: Int, epochs: Int?)]) -> String {
    guesses.map { name, metric, epochs in
      "--column \(TableText.metricColumns[metric].name)\(epochs.map { "@\($0)" } ?? "")=\(quoted(name))"
    }.joined(separator: " ")
  }

  /// The options that would use ignored columns; `nil` if no name suggests a quantity.
  var suggestion: String? {
    let likely = guesses.filter {
      wide.isEmpty ? $0.epochs == nil && found[Self.firstMetric + $0.metric] == nil : $0.epochs != nil
    }
    return likely.isEmpty ? nil : Self.arguments(likely)
  }

  /// The quantity that a column's name suggests, as in `val_acc_e108`.
  private static func guess(_ name: String) -> (metric: Int, epochs: Int?)? {
    let word = name.lowercased()
    func has(_ parts: String...) -> Bool { parts.contains { word.contains($0) } }
    let quantity: Metric
    if has("time", "second", "duration") {
      quantity = .seconds
    } else if !has("acc") {
      return nil
    } else if has("val") {
      quantity = .validationAccuracy
    } else if has("test") {
      quantity = .testAccuracy
    } else if has("train") {
      quantity = .trainAccuracy
    } else {
      quantity = .validationAccuracy
    }
    let moment = has("half") ? Moment.halfway : .final
    let metric = TableText.metricColumns.firstIndex { $0.metric == quantity && $0.moment == moment }
    let numbers = word.split { !$0.isASCII || !$0.isNumber }.compactMap { Int($0) }
    guard numbers.count <= 1 else { return nil }
    let epochs = numbers.last.flatMap { epochRange.contains($0) && !has("mean", "std") ? $0 : nil }
    return metric.map { ($0, epochs) }
  }

  /// A word of a shell command.
  private static func quoted(_ word: String) -> String {
    let isPlain = word.utf8.allSatisfy {
      $0 &- 0x30 < 10 || (0x61...0x7a).contains($0 | 0x20)
        || [0x5f, 0x2d, 0x2e, 0x2f, 0x3a, 0x25].contains($0)
    }
    return isPlain && !word.isEmpty ? word : "'" + word.replacing("'", with: "'\\''") + "'"
  }
}
