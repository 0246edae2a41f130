import Foundation
import SearchSpaces
import TabularBenchmark
import Testing

/// A text, imported.
private struct Imported {
  let table: Table
  let summary: ImportSummary

  init(_ bytes: [UInt8], _ name: String = "a.csv", _ options: ImportOptions = ImportOptions()) throws {
    let scratch = try Scratch()
    let source = scratch.file(name)
    try Data(bytes).write(to: source)
    do {
      summary = try PlainImporter.importTable(
        from: source, to: scratch.file("a.table"), as: name.contains("jsonl") ? .jsonl : .csv,
        options: options)
    } catch {
      #expect(scratch.files == [name], "nothing is left behind")
      throw Message("\(error)".replacing(source.path, with: name))
    }
    #expect(scratch.files == ["a.table", name].sorted())
    table = try Table(contentsOf: scratch.file("a.table"))
    try table.verify()
  }

  init(_ text: String, _ name: String = "a.csv", _ options: ImportOptions = ImportOptions()) throws {
    try self.init(Array(text.utf8), name, options)
  }

  func value(_ metric: Metric, _ moment: Moment = .final, epochs: Int = 0, repeat number: Int = 0) -> Double?
  {
    table.value(metric, moment, row: 0, epochs: epochs, repeat: number)
  }
}

private struct Message: Error, CustomStringConvertible {
  let description: String
  init(_ text: String) { description = text }
}

/// The message of an import that must fail.
private func failure(
  _ text: String, _ name: String = "a.csv", _ options: ImportOptions = ImportOptions()
) -> String {
  failure(Array(text.utf8), name, options)
}

private func failure(
  _ bytes: [UInt8], _ name: String = "a.csv", _ options: ImportOptions = ImportOptions()
) -> String {
  do {
    _ = try Imported(bytes, name, options)
    return "no error"
  } catch { return "\(error)" }
}

private func gzipped(_ bytes: [UInt8]) throws -> [UInt8] {
  let scratch = try Scratch()
  try Data(bytes).write(to: scratch.file("a"))
  let gzip = Process()
  gzip.executableURL = URL(filePath: "/bin/gzip")
  gzip.arguments = ["-n", scratch.file("a").path]
  try gzip.run()
  gzip.waitUntilExit()
  return [UInt8](try Data(contentsOf: scratch.file("a.gz")))
}

private let header = "adjacency,operations,epochs,training_seconds,validation_accuracy,test_accuracy"
private let row = "011|001|000,\"input,conv3x3-bn-relu,output\",108,100,0.93,0.92"
private let other = "011|001|000,\"input,maxpool3x3,output\",108,40,0.83,0.82"

@Suite("Delimited text") struct DelimitedTextTests {
  @Test(
    "any line end, with or without one after the last row, blank lines",
    arguments: ["\n", "\r\n", "\r"],
    [[header, row, other], [header, row, other, ""], ["", header, "", row, "  ", other]])
  func lineEnds(end: String, lines: [String]) throws {
    let imported = try Imported(lines.joined(separator: end))
    #expect(imported.summary.cells == 2 && imported.summary.records == 2)
  }

  @Test("a file that is empty, blank, or a header alone") func empty() {
    #expect(failure("") == "a.csv: the file is empty")
    #expect(failure("\n\n") == "a.csv: the file is empty")
    #expect(failure(header) == "a.csv: there is not a single row")
    #expect(failure(header + "\n\n") == "a.csv: there is not a single row")
    #expect(failure("", "a.jsonl") == "a.jsonl: there is not a single row")
  }

  @Test("a byte order mark, also before quotation marks") func mark() throws {
    for names in [header, header.split(separator: ",").map { "\"\($0)\"" }.joined(separator: ",")] {
      #expect(try Imported("\u{feff}" + names + "\n" + row).summary.cells == 1)
    }
    let wrong = "\u{feff}hash,\(header)\n00000000d534203b48d866facd98cc3e,\(row)\n"
    #expect(failure(wrong).hasPrefix("a.csv, line 2: the hash 00000000d534203b48d866facd98cc3e is unknown"))
  }

  @Test("UTF-16 is named") func otherEncodings() throws {
    for encoding in [String.Encoding.utf16, .utf16LittleEndian, .utf16BigEndian] {
      let bytes = [UInt8](try #require((header + "\n" + row).data(using: encoding)))
      #expect(failure(bytes) == "a.csv, line 1: this is text in UTF-16 or no text at all; save it as UTF-8")
    }
    // A column that means nothing may be in whatever encoding.
    #expect(
      try Imported(Array("\(header),note\n\(row),caf".utf8) + [0xe9, 10]).summary.ignoredColumns == ["note"])
  }

  @Test("separators are recognised", arguments: [",", ";", "\t", "|"]) func separators(separator: String)
    throws
  {
    let lines = [
      ["adjacency", "operations", "epochs", "validation_accuracy"],
      ["\"011|001|000\"", "\"input,conv3x3-bn-relu,output\"", "108", "0.5"],
    ]
    let text = lines.map { $0.joined(separator: separator) }.joined(separator: "\n")
    #expect(try Imported(text).value(.validationAccuracy) == 0.5)
    #expect(try Imported("sep=\(separator)\r\n" + text).value(.validationAccuracy) == 0.5)
  }

  @Test("decimal commas and columns separated by spaces are named") func foreignHabits() {
    #expect(
      failure("adjacency;operations;epochs;validation_accuracy\n01|00;input,output;108;0,93\n")
        == "a.csv, line 2: '0,93' is no value of validation_accuracy: write a decimal point, not a comma")
    #expect(
      failure("adjacency operations epochs validation_accuracy\n01|00 input,output 108 0.93\n")
        .hasSuffix("separate columns by commas, not spaces"))
  }

  @Test("a row's line is the physical one on which it begins") func physicalLines() {
    let text = "\(header),note\n\(row),\"one\ntwo \"\"quoted\"\"\n\nthree\"\n\(other),x\n1,2\n"
    #expect(failure(text) == "a.csv, line 7: there are 2 fields for 7 columns")
    #expect(
      failure("\(header)\n\(row.replacing("\"", with: ""))\n")
        == "a.csv, line 2: there are 8 fields for 6 columns; a field that holds ',' needs quotation marks")
  }

  @Test("quotation marks that are not closed, or closed too early") func quotes() {
    #expect(
      failure("\(header)\n\(row)\n01|00,\"input,output,4,1,0.5,0.5\n")
        == "a.csv, line 3: a quotation mark is not closed")
    #expect(
      failure("\(header)\n01|00,\"input,output\"x,4,1,0.5,0.5\n").hasPrefix("a.csv, line 2: field 2 goes on"))
  }

  /// Draws what a test needs; the same at every run.
  private struct Draws: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var value = state
      value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
      value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
      return value ^ value >> 31
    }
  }

  @Test("random tables, written in random ways, are the same table", arguments: 0..<40) func properties(
    seed: Int
  ) throws {
    var random = Draws(state: UInt64(seed))
    let cells = Array(SearchSpace.mini.uniqueCells().shuffled(using: &random).prefix(1 + seed % 17))
    let (epochs, repeats) = (Int.random(in: 1...5, using: &random), Int.random(in: 1...4, using: &random))
    let scratch = try Scratch()
    let writer = try TableWriter(destination: scratch.file("whole.table"))
    let separator = [",", ";", "\t"][seed % 3]
    let end = ["\n", "\r\n", "\r"].randomElement(using: &random) ?? "\n"
    func quoted(_ text: String) -> String {
      let mustBe =
        text.contains(separator) || text.contains("\"") || text.contains("\n") || text.contains("\r")
      guard mustBe || Bool.random(using: &random) else { return text }
      return "\"" + text.replacing("\"", with: "\"\"") + "\""
    }
    var names = [
      "adjacency", "operations", "epochs", "repeat", "training_seconds", "validation_accuracy",
      "halfway_test_accuracy", "trainable_parameters", "a \"strange\" name",
    ]
    names.shuffle(using: &random)
    var rows: [[String: String]] = []
    for cell in cells {
      let parameters = Int64.random(in: 0...1 << 40, using: &random)
      let index = writer.add(.cell(cell), parameters: parameters)
      for count in 0..<epochs {
        for number in 0..<repeats {
          let seconds = Float.random(in: 0...1e6, using: &random)
          let accuracy = Bool.random(using: &random) ? Float.random(in: 0...1, using: &random) : .nan
          let test = Float.random(in: 0...1, using: &random)
          try writer.append(
            Measurement(
              halfway: .init(testAccuracy: test), final: .init(seconds: seconds, validationAccuracy: accuracy)
            ),
            row: index, epochs: 1 << count, repeat: number)
          // Python's way of a single-precision number, and the shortest.
          let text = { (value: Float) in Bool.random(using: &random) ? "\(Double(value))" : "\(value)" }
          rows.append([
            "adjacency": cell.adjacencyText, "operations": cell.operations.joined(separator: ","),
            "epochs": Bool.random(using: &random) ? "\(1 << count)" : "\(1 << count).0",
            "repeat": "\(number)",
            "training_seconds": text(seconds),
            "validation_accuracy": accuracy.isNaN
              ? ["", "nan", "NaN", "NA", "N/A", "null", "None"].randomElement(using: &random) ?? ""
              : text(accuracy),
            "halfway_test_accuracy": text(test), "trainable_parameters": "\(parameters)",
            "a \"strange\" name": ["", "x", "a\(separator)b", "\"", "two\nlines", " "].randomElement(
              using: &random) ?? "",
          ])
        }
      }
    }
    try writer.finish(provenance: ["source": "imported from a.csv"])
    rows.shuffle(using: &random)
    var lines = [names.map(quoted).joined(separator: separator)]
    for row in rows { lines.append(names.map { quoted(row[$0] ?? "") }.joined(separator: separator)) }
    let text = lines.joined(separator: end) + (Bool.random(using: &random) ? end : "")
    let imported = try Imported(text)
    #expect(imported.table.checksum == (try Table(contentsOf: scratch.file("whole.table"))).checksum)
  }

  @Test("a row of many kilobytes, and rows over the ends of buffers") func longRows() throws {
    let filler = String(repeating: "x\n", count: 700_000)
    let rows = (0..<2_000).map { "\(other.dropLast(2))\($0 % 100),\n" }.joined()
    let text = "\(header),note\n\(row),\"\(filler)\"\n" + rows
    // The second row is behind 700,000 line breaks; its kind has accuracies of 0.0, 0.1 and so on to 0.10.
    #expect(
      failure(text).hasPrefix(
        "a.csv, line 700013: this row has the same cell, epochs and values as line 700004"))
  }
}

@Suite("Columns") struct ColumnTests {
  private let short = "adjacency,operations,epochs,time,val_acc,test_accuracy\n\(row)\n"

  @Test("that are asked for and missing, or misspelt, are errors with the nearest name") func misspelt() {
    let options = ImportOptions(columns: ["validation_accuracy": "val_ac", "training_seconds": "tme"])
    #expect(
      failure(short, "a.csv", options)
        == "a.csv, line 1: there is no column 'tme' (did you mean 'time'?) and no column 'val_ac' "
        + "(did you mean 'val_acc'?); "
        + "the columns are adjacency, operations, epochs, time, val_acc, test_accuracy")
    #expect(
      failure(header.replacing("seconds", with: "second") + "\n" + row)
        == "a.csv, line 1: there is a column 'training_second'; if it is 'training_seconds', say so with "
        + "'--column training_seconds=training_second', and if not, '--ignore training_second'")
    #expect(
      failure(
        #"{"adjacency":"01|00","operations":"input,output","epochs":2,"validation_acuracy":0.5}"#, "a.jsonl"
      )
      .hasPrefix("a.jsonl, line 1: there is a column 'validation_acuracy'"))
    #expect(
      failure(short, "a.csv", ImportOptions(columns: ["validation_acuracy": "val_acc"]))
        == "a.csv: 'validation_acuracy' is no column of a table; did you mean 'validation_accuracy'?")
  }

  @Test("that mean nothing are listed, and may be left out") func ignored() throws {
    let imported = try Imported(short)
    #expect(imported.summary.ignoredColumns == ["time", "val_acc"])
    #expect(
      imported.summary.notes.contains {
        $0.contains("--column training_seconds=time --column validation_accuracy=val_acc")
      })
    let misspelt = header.replacing("test_accuracy", with: "best_accuracy") + "\n" + row
    #expect(
      try Imported(misspelt, "a.csv", ImportOptions(leftOut: ["best_accuracy"])).table.has(.testAccuracy)
        == false)
  }

  @Test("may have spaces around and capitals, but not be there twice") func spelling() throws {
    #expect(
      try Imported(header.uppercased().replacing(",", with: " , ") + "\n" + row).value(.testAccuracy)
        == Double(Float(0.92)))
    #expect(
      failure("\(header),epochs\n\(row),4")
        == "a.csv, line 1: there are two columns 'epochs'; leave one of them out or give it another name")
    #expect(
      failure("\(header),Epochs\n\(row),4").contains(
        "the columns 'epochs' and 'Epochs' are the same quantity"))
  }

  @Test("of a wide table, a column per epoch count") func wide() throws {
    let text = "adjacency,operations,val_acc_e4,val_acc_e108,time_e108\n01|00,\"input,output\",0.25,0.5,100\n"
    #expect(
      failure(text)
        == "a.csv, line 1: there is no column 'epochs', but a column per epoch count; say which is which: "
        + "--column validation_accuracy@4=val_acc_e4 --column validation_accuracy@108=val_acc_e108 "
        + "--column training_seconds@108=time_e108")
    let columns = [
      "validation_accuracy@4": "val_acc_e4", "validation_accuracy@108": "val_acc_e108",
      "training_seconds@108": "time_e108",
    ]
    let imported = try Imported(text, "a.csv", ImportOptions(columns: columns))
    #expect(imported.table.epochs == [4, 108])
    #expect(imported.value(.validationAccuracy) == 0.25 && imported.value(.seconds) == nil)
    #expect(
      imported.value(.validationAccuracy, epochs: 1) == 0.5 && imported.value(.seconds, epochs: 1) == 100)
  }

  @Test("epochs may be the same for all rows") func constantEpochs() throws {
    let text = "adjacency,operations,validation_accuracy\n01|00,\"input,output\",0.5\n"
    #expect(failure(text).contains("or with '--epochs 108' that all rows have as many"))
    for options in [ImportOptions(epochs: 108), ImportOptions(columns: ["epochs": "108"])] {
      #expect(try Imported(text, "a.csv", options).table.epochs == [108])
    }
    #expect(
      failure("\(header)\n\(row)", "a.csv", ImportOptions(epochs: 108)).contains(
        "and --epochs 108 says the same of all rows"))
  }
}

@Suite("Fields") struct FieldTests {
  private func text(accuracy: String) -> String {
    "adjacency,operations,epochs,validation_accuracy,test_accuracy\n01|00,\"input,output\",4,\"\(accuracy)\",0.5\n"
  }

  @Test(
    "that say nothing are absent", arguments: ["", "nan", "NaN", "NA", "N/A", "null", "None", "<NA>", " "])
  func absent(word: String) throws {
    #expect(try !Imported(text(accuracy: word)).table.has(.validationAccuracy))
  }

  @Test(
    "that are no accuracy",
    arguments: [
      ("inf", "it is infinite; leave the field empty where a training diverged"),
      ("-Infinity", "it is infinite; leave the field empty where a training diverged"),
      ("93.4", "accuracies are fractions: divide percentages by 100"),
      ("93.4%", "write percentages as fractions, 0.93 for 93 %"),
      ("0,93", "write a decimal point, not a comma"), ("-0.1", "which is between 0 and 1"),
      ("0x1p-1", "which is between 0 and 1"), ("1e400", "which is between 0 and 1"),
      ("true", "which is between 0 and 1"),
    ])
  func noAccuracy(word: String, problem: String) {
    let message = failure(text(accuracy: word))
    #expect(message.hasPrefix("a.csv, line 2: '\(word)' is no value of validation_accuracy"))
    #expect(message.hasSuffix(problem))
  }

  @Test("numbers are those that the standard library reads", arguments: 0..<4) func numbers(seed: Int) throws
  {
    // Halves between single-precision numbers, and their neighbours, are where rounding twice would show.
    var lines = "adjacency,operations,epochs,repeat,training_seconds,validation_accuracy\n"
    var expected: [Float] = []
    for number in 0..<200 {
      let bits =
        UInt32(truncatingIfNeeded: (number &* 200 + seed) &* 0x9e37_79b9 &+ 12_345) % 0x3f00_0000
        + 0x0040_0000
      let value = Float(bitPattern: bits)
      let middle = (Double(value) + Double(value.nextUp)) / 2
      let long = "\(Double(value))" + ("\(Double(value))".contains("e") ? "" : "000000000")
      let word = ["\(middle)", "\(middle.nextUp)", "\(middle.nextDown)", "\(value)", long][number % 5]
      lines += "01|00,\"input,output\",4,\(number),\(word),0.5\n"
      expected.append(try #require(Float(word)))
    }
    let imported = try Imported(lines)
    for (number, value) in expected.enumerated() {
      #expect(imported.value(.seconds, repeat: number) == Double(value))
    }
  }

  @Test("whole numbers may be written as fractions", arguments: ["100", "100.0", "1e2", "1.00e+02", " 100 "])
  func whole(word: String) throws {
    let text =
      "adjacency,operations,epochs,validation_accuracy,trainable_parameters\n"
      + "01|00,\"input,output\",\(word),0.5,8555530.0\n"
    let table = try Imported(text).table
    #expect(table.epochs == [100] && table.parameterCount(0) == 8_555_530)
  }

  @Test(
    "epochs out of range, and counts that overflow",
    arguments: ["0", "-3", "65536", "1.5", "1e30", "99999999999999999999"])
  func overflow(word: String) {
    let start =
      "adjacency,operations,epochs,validation_accuracy,trainable_parameters\n01|00,\"input,output\","
    #expect(
      failure(start + "\(word),0.5,1\n")
        == "a.csv, line 2: '\(word)' is no value of epochs, a whole number from 1 to 65535")
    if word != "0", word != "65536" {
      #expect(
        failure(start + "4,0.5,\(word)\n")
          == "a.csv, line 2: '\(word)' is no value of trainable_parameters, a whole number")
    }
    #expect(
      failure("\(header)\n" + row.replacing("100", with: "1e39")).hasSuffix(
        "'1e39' is no value of training_seconds: it is too large"))
  }

  @Test(
    "matrices as NAS-Bench-101, Python, numpy and JSON write them",
    arguments: [
      "011|001|000", "011001000", "011,001,000", "[[0, 1, 1], [0, 0, 1], [0, 0, 0]]",
      "((0,1,1),(0,0,1),(0,0,0))",
      "[[0 1 1]\n [0 0 1]\n [0 0 0]]", "[[0. 1. 1.]\n [0. 0. 1.]\n [0. 0. 0.]]",
      "[0, 1, 1, 0, 0, 1, 0, 0, 0]",
    ])
  func matrices(matrix: String) throws {
    for operations in [
      "input,conv3x3-bn-relu,output", "['input', 'conv3x3-bn-relu', 'output']",
      #"[""input"", ""conv3x3-bn-relu"", ""output""]"#, "['input' 'conv3x3-bn-relu' 'output']",
      "('input', 'conv3x3-bn-relu', 'output')", "input, conv3x3-bn-relu, output",
    ] {
      let text = "adjacency,operations,epochs,validation_accuracy\n\"\(matrix)\",\"\(operations)\",4,0.5\n"
      #expect(try Imported(text).table.architecture(0).description == "011|001|000 input,conv3x3-bn-relu,output")
    }
  }

  @Test(
    "matrices that a spreadsheet has spoilt, and others that are none",
    arguments: [
      (
        "11001000",
        "'11001000' is no square matrix: it has 8 digits where 3 operations need 9; leading zeros may be lost: "
          + "save the column as text, or join the rows with '|'"
      ),
      (
        "1.1E+20",
        "'1.1E+20' is a matrix that a spreadsheet or pandas took for a number; save the column as text, or join "
          + "the rows with '|'"
      ),
      (
        "[[0, 2, 1], [0, 0, 1], [0, 0, 0]]",
        "entry (0, 1) of the adjacency matrix is 2; only 0 and 1 are allowed"
      ),
      ("[[0, 1, 1], [0, 0, 1], [0, 0]]", "row 2 of the adjacency matrix has 2 entries where 3 are needed"),
      ("011|001|100", "entry (2, 0) of the adjacency matrix lies on or below the diagonal and must be 0"),
      (
        "[[0, 1, 1], [0, 0, 1]",
        "'[[0, 1, 1], [0, 0, 1]' is no matrix of zeros and ones; write it as in '011|001|000'"
      ),
      ("000|000|000", "no path leads from the input to the output"),
    ])
  func noMatrices(matrix: String, problem: String) {
    let text =
      "adjacency,operations,epochs,validation_accuracy\n\"\(matrix)\",\"input,conv3x3-bn-relu,output\",4,0.5\n"
    #expect(failure(text) == "a.csv, line 2: \(problem)")
  }
}

@Suite("JSON lines") struct JSONLinesTests {
  private let object =
    #"{"adjacency": [[0, 1, 1], [0, 0, 1], [0, 0, 0]], "operations": ["input", "conv3x3-bn-relu", "output"], "#
    + #""epochs": 108, "training_seconds": "10.0", "validation_accuracy": 0.5}"#

  @Test("lists, numbers as strings, NaN and null", arguments: ["\n", "\r\n", "\r"]) func forms(end: String)
    throws
  {
    let lines = [
      object, object.replacing("0.5", with: "NaN"),
      object.replacing("0.5", with: "null").replacing("10.0", with: "11"),
    ]
    let imported = try Imported(lines.joined(separator: end), "a.jsonl")
    #expect(imported.table.repeats == 3 && imported.value(.seconds, repeat: 2) == 11)
    #expect(
      imported.value(.validationAccuracy) == 0.5 && imported.value(.validationAccuracy, repeat: 1) == nil)
    #expect(
      imported.summary.notes.first?.hasPrefix("2 of 3 trainings lack validation accuracy or seconds") == true)
  }

  @Test("other JSON is told how to become lines") func otherJSON() {
    #expect(
      failure("[\(object)]\n", "a.jsonl")
        == "a.jsonl, line 1: this is a JSON list, and JSON lines have an object on each line; convert it with: "
        + "jq -c '.[]' FILE > NEW.jsonl")
    #expect(
      failure(object.replacing(", \"", with: ",\n  \"").replacing("{", with: "{\n"), "a.jsonl")
        == "a.jsonl, line 1: a JSON object goes over several lines, and JSON lines have one on each line; convert it "
        + "with: "
        + "jq -c . FILE > NEW.jsonl")
  }

  @Test(
    "mistakes have their line",
    arguments: [
      ("0.5", "Infinity", "it is infinite; leave the field empty where a training diverged"),
      ("0.5", "93.4", "accuracies are fractions: divide percentages by 100"),
      ("0.5}", "0.5", "this is no JSON object: '}' is missing"),
      ("0.5", "0.5, \"epochs\": 4", "'epochs' is there twice"),
      ("0.5", "maybe", "'maybe' is no value"),
      (
        "\"input\"", "\"imput\"",
        "unknown operation 'imput'; use conv1x1-bn-relu, "
          + "conv3x3-bn-relu or maxpool3x3"
      ),
    ])
  func mistakes(part: String, wrong: String, problem: String) {
    let message = failure(object + "\n" + object.replacing(part, with: wrong), "a.jsonl")
    #expect(message.hasPrefix("a.jsonl, line 2: "))
    #expect(message.hasSuffix(problem))
  }
}

@Suite("Repeats and isomorphic rows") struct RepeatTests {
  private func rows(_ values: [(repeat: Int, accuracy: Double)]) -> String {
    "adjacency,operations,repeat,epochs,validation_accuracy\n"
      + values.map { "01|00,\"input,output\",\($0.repeat),108,\($0.accuracy)\n" }.joined()
  }

  @Test("repeats have the numbers that they are given, from 0 or 1, with gaps") func numbers() throws {
    for first in [0, 1] {
      let imported = try Imported(rows([(first + 2, 0.75), (first, 0.25)]))
      #expect(imported.table.repeats == 3)
      #expect((0..<3).map { imported.value(.validationAccuracy, repeat: $0) } == [0.25, nil, 0.75])
      #expect(
        imported.summary.notes.first
          == "1 of 3 trainings lack validation accuracy or seconds, the first of them repeat 1 of "
          + "01|00 input,output at 108 epochs"
      )
    }
    #expect(
      failure(rows([(1, 0.1), (1, 0.2)]))
        == "a.csv, line 3: repeat 1 of this cell at 108 epochs is there twice, first on line 2")
    #expect(
      failure(rows([(0, 0.1)]) + "01|00,\"input,output\",,108,0.3\n").contains("line 3: 'repeat' is missing"))
  }

  @Test("equal rows are no repeats") func duplicates() throws {
    let text = "\(header)\n\(row)\n\(other)\n\(row)\n"
    #expect(
      failure(text).hasPrefix(
        "a.csv, line 4: this row has the same cell, epochs and values as line 2; leave one of them out"))
    let imported = try Imported(text, "a.csv", ImportOptions(isomorphic: .first))
    #expect(imported.summary.records == 2 && imported.table.repeats == 1)
    // Two that diverged, with nothing measured, are two.
    #expect(
      try Imported(
        "\(header)\n\(row)\n" + row.replacing("100,0.93,0.92", with: ",,") + "\n"
          + row.replacing("100,0.93,0.92", with: ",,")
      )
      .summary.records == 3)
  }

  @Test("the same cell in other words is no repeat") func isomorphic() throws {
    let text = """
      adjacency,operations,epochs,validation_accuracy
      0111|0001|0001|0000,"input,conv3x3-bn-relu,maxpool3x3,output",4,0.25
      0111|0001|0001|0000,"input,conv3x3-bn-relu,maxpool3x3,output",4,0.5
      0111|0001|0001|0000,"input,maxpool3x3,conv3x3-bn-relu,output",4,0.75
      """
    #expect(
      failure(text).hasPrefix("a.csv, line 4: this is the same cell as on line 2, drawn in another way"))
    let mean = try Imported(text, "a.csv", ImportOptions(isomorphic: .mean))
    #expect((0..<2).map { mean.value(.validationAccuracy, repeat: $0) } == [0.5, 0.5])
    let first = try Imported(text, "a.csv", ImportOptions(isomorphic: .first))
    #expect((0..<2).map { first.value(.validationAccuracy, repeat: $0) } == [0.25, 0.5])
    // A vertex on no path changes nothing.
    #expect(
      failure(
        "adjacency,operations,epochs,validation_accuracy\n01|00,\"input,output\",4,0.4\n"
          + "001|000|000,\"input,maxpool3x3,output\",4,0.6\n"
      )
      .hasPrefix("a.csv, line 3: this is the same cell as on line 2"))
  }

  @Test("limits have their line, and a way out") func limits() throws {
    let curve = "\(header)\n" + (1...50).map { "01|00,\"input,output\",\($0),1,0.5,0.\($0)\n" }.joined()
    #expect(
      failure(curve)
        == "a.csv, line 18: 17 epochs are the 17th epoch count, and a table holds up to 16; choose up to 16 of "
        + "them, as in "
        + "'--keep-epochs 1,6,11,16'")
    #expect(
      try Imported(curve, "a.csv", ImportOptions(keptEpochs: [50, 10, 20])).table.epochs == [10, 20, 50])
    #expect(
      failure(curve, "a.csv", ImportOptions(keptEpochs: [10, 51]))
        == "a.csv: there are no trainings of 51 epochs, which --keep-epochs asks for")
    let many = "\(header)\n" + (0..<256).map { "01|00,\"input,output\",4,\($0),0.5,0.5\n" }.joined()
    #expect(failure(many).hasPrefix("a.csv, line 257: this cell has more than 255 trainings of 4 epochs"))
    #expect(try Imported(rows((1...255).map { ($0, 0.5) })).table.repeats == 255)
    #expect(
      failure(rows((0...255).map { ($0, 0.5) })).hasPrefix("a.csv, line 257: repeats count from 0 to 255"))
  }

  @Test("a cell's count of parameters is one") func parameters() throws {
    let text =
      "adjacency,operations,epochs,validation_accuracy,trainable_parameters\n01|00,\"input,output\",4,0.4,\n"
      + "01|00,\"input,output\",4,0.5,6\n"
    #expect(try Imported(text).table.parameterCount(0) == 6)
    #expect(
      failure(text + "01|00,\"input,output\",4,0.6,7\n").hasPrefix(
        "a.csv, line 4: this cell has 7 trainable parameters, and 6"))
  }
}

@Suite("Damaged and awkward files") struct DamagedTextTests {
  @Test(
    "compressed data that end early, are damaged or followed by something",
    arguments: ["a.csv.gz", "a.jsonl.gz"])
  func compressed(name: String) throws {
    let text =
      name.contains("csv")
      ? "\(header)\n\(row)\n\(other)\n"
      : (1...9).map {
        #"{"adjacency":"01|00","operations":"input,output","epochs":\#($0),"test_accuracy":0.5}"# + "\n"
      }.joined()
    let whole = try gzipped(Array(text.utf8))
    #expect(try Imported(whole, name).summary.records > 1)
    #expect(try Imported(whole + [0, 0, 0], name).summary.records > 1, "tapes pad with zeros")
    for count in stride(from: 2, to: whole.count, by: 3) {
      #expect(
        failure(Array(whole[..<count]), name)
          == "\(name): the compressed data end too early; download or copy the file again")
    }
    for index in stride(from: 10, to: whole.count, by: 5) {
      var flipped = whole
      flipped[index] ^= 1 << UInt8(index % 8)
      #expect(failure(flipped, name).contains("the compressed data"))
    }
    #expect(
      failure(whole + Array("rubbish".utf8), name).contains("something else follows the compressed data"))
  }

  @Test("TFRecords that are compressed and cut short") func records() throws {
    let scratch = try Scratch()
    try SyntheticNASBench101.write(
      to: scratch.file("a"), cells: Array(SearchSpace.mini.uniqueCells().prefix(3)))
    let whole = try gzipped([UInt8](Data(contentsOf: scratch.file("a"))))
    let source = scratch.file("a.tfrecord.gz")
    for (bytes, problem) in [
      (Array(whole.dropLast(1)), "the compressed data end too early; download or copy the file again"),
      (
        Array(whole[..<(whole.count / 2)]),
        "the compressed data end too early; download or copy the file again"
      ),
      (whole + [1], "something else follows the compressed data; download or copy the file again"),
    ] {
      try Data(bytes).write(to: source)
      let error = #expect(throws: ImportError.self) {
        try NASBench101Importer.importTable(from: source, to: scratch.file("a.table"))
      }
      #expect(error?.description.hasSuffix(problem) == true)
    }
    #expect(scratch.files == ["a", "a.tfrecord.gz"])
  }

  @Test("a table is never written over its own source, nor touched by a failure") func destinations() throws {
    let scratch = try Scratch()
    let source = scratch.file("a.csv")
    try Data("\(header)\n\(row)\n".utf8).write(to: source)
    try FileManager.default.linkItem(at: source, to: scratch.file("hard.table"))
    try FileManager.default.createSymbolicLink(at: scratch.file("soft.table"), withDestinationURL: source)
    for name in ["a.csv", "hard.table", "soft.table"] {
      #expect(throws: ImportError.self) {
        try PlainImporter.importTable(from: source, to: scratch.file(name), as: .csv)
      }
    }
    let old = scratch.file("old.table")
    _ = try PlainImporter.importTable(from: source, to: old, as: .csv)
    let bytes = try Data(contentsOf: old)
    try Data("\(header)\n\(row)\n\(row)\n".utf8).write(to: scratch.file("b.csv"))
    #expect(throws: ImportError.self) {
      try PlainImporter.importTable(from: scratch.file("b.csv"), to: old, as: .csv)
    }
    #expect(try Data(contentsOf: old) == bytes)
    #expect(throws: TableError.self) { try TableText.write(Table(contentsOf: old), to: old, as: .csv) }
    #expect(throws: TableError.self) {
      try PlainImporter.importTable(from: source, to: scratch.url, as: .csv)
    }
    #expect(throws: TableError.self) {
      try PlainImporter.importTable(from: source, to: scratch.file("no/a.table"), as: .csv)
    }
    #expect(throws: TableError.self) {
      try PlainImporter.importTable(from: source, to: URL(filePath: "/dev/null"), as: .csv)
    }
    #expect(scratch.files == ["a.csv", "b.csv", "hard.table", "old.table", "soft.table"])
  }
}

@Suite("Provenance of text") struct ProvenanceTests {
  @Test("export and import give the same table", arguments: TableText.Format.allCases)
  func roundTrip(format: TableText.Format) throws {
    let scratch = try Scratch()
    try SyntheticNASBench101.write(
      to: scratch.file("a.tfrecord"), cells: Array(SearchSpace.mini.uniqueCells().prefix(5)))
    _ = try NASBench101Importer.importTable(from: scratch.file("a.tfrecord"), to: scratch.file("a.table"))
    let table = try Table(contentsOf: scratch.file("a.table"))
    #expect(try StatedTask(of: table) == .nasBench101)
    let text = scratch.file("e.\(format.rawValue)")
    try TableText.write(table, to: text, as: format)
    let importing = try #require(PlainImporter.Format(rawValue: format.rawValue))
    let summary = try PlainImporter.importTable(from: text, to: scratch.file("e.table"), as: importing)
    let again = try Table(contentsOf: scratch.file("e.table"))
    #expect(again.checksum == table.checksum && again.provenance == table.provenance)
    #expect(summary.notes.isEmpty && summary.ignoredColumns.isEmpty)
  }

  @Test("a text that was changed after its export does not keep the provenance") func changed() throws {
    let scratch = try Scratch()
    try Data("\(header)\n\(row)\n".utf8).write(to: scratch.file("a.csv"))
    let options = ImportOptions(task: .nasBench101)
    _ = try PlainImporter.importTable(
      from: scratch.file("a.csv"), to: scratch.file("a.table"), as: .csv, options: options)
    let table = try Table(contentsOf: scratch.file("a.table"))
    #expect(try StatedTask(of: table) == .nasBench101)
    try TableText.write(table, to: scratch.file("b.csv"), as: .csv)
    #expect(scratch.files.contains("b.csv.provenance.json"))
    let text = try String(contentsOf: scratch.file("b.csv"), encoding: .utf8)
    try Data(text.replacing("0.93", with: "0.94").utf8).write(to: scratch.file("b.csv"))
    let summary = try PlainImporter.importTable(
      from: scratch.file("b.csv"), to: scratch.file("b.table"), as: .csv)
    #expect(
      summary.notes.first == "b.csv.provenance.json is left aside: the text has changed since its export")
    let error = #expect(throws: TaskError.self) {
      try StatedTask(of: Table(contentsOf: scratch.file("b.table")))
    }
    #expect(error?.description.contains("anytime table describe") == true)
  }

  @Test("tasks that make no sense are refused") func tasks() throws {
    var task = StatedTask()
    #expect(task.problem == nil && StatedTask.nasBench101.problem == nil)
    task.dataset.downscale = 0
    #expect(task.problem == "downscale is 0, and it should be from 1 to 7")
    task.dataset.downscale = 3
    #expect(task.problem == "images of 28 pixels cannot be averaged over 3; use a divisor")
    task.dataset.name = "imagenet"
    #expect(task.problem == "'imagenet' is no data set; use cifar-10 or fashion-mnist")
    let scratch = try Scratch()
    let file = scratch.file("task.json")
    try Data(StatedTask.nasBench101.json.utf8).write(to: file)
    #expect(try StatedTask(contentsOf: file) == .nasBench101)
    try Data(#"{"dataset": {}, "network": {}}"#.utf8).write(to: file)
    #expect(throws: ImportError.self) { try StatedTask(contentsOf: file) }
  }
}
