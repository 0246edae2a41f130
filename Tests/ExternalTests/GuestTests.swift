import Anytime
import Blackbox
import Composed
import Experiments
import External
import Foundation
import OptimizerConformance
import SearchSpaces
import TabularBenchmark
import Testing

@Suite("A guest") struct GuestTests {
  let benchmark: Benchmark
  let scripts: Scripts

  init() throws {
    benchmark = try OptimizerConformance.benchmark()
    scripts = try Scripts()
  }

  private func run(_ optimizer: any Optimizer, horizon: Double = 300, seed: UInt64 = 7) throws -> RunResult {
    var result = try Anytime.run(optimizer, on: benchmark, policy: .fair, horizon: horizon, seed: seed)
    result.overheadSeconds = 0
    return result
  }

  @Test("that draws by questions runs as random search does") func randomSearch() throws {
    let guest = try scripts.guest(Scripts.randomSearch)
    for seed in UInt64(0)..<3 {
      let result = try run(guest, seed: seed)
      #expect(result == (try run(RandomSearch(), seed: seed)))
      #expect(result.failure == nil && result.trajectory.count > 1)
    }
  }

  @Test("keeps all rules") func conformance() async throws {
    let outcomes = try await OptimizerConformance(try scripts.guest(Scripts.randomSearch)).results()
    for outcome in outcomes { #expect(outcome.status == .passed, "\(outcome.check)") }
  }

  @Test("that makes many runs is one process, which ends with the method") func manyRuns() throws {
    try withExtendedLifetime(try scripts.guest(Scripts.randomSearch)) { guest in
      for seed in UInt64(0)..<3 { _ = try run(guest, seed: seed) }
      #expect(scripts.pids.count == 1)
      #expect(scripts.pids.allSatisfy(Scripts.isAlive))
    }
    #expect(scripts.survivors == [])
  }

  @Test("that makes one run is a process for each") func oneRun() throws {
    let once = Scripts.randomSearch.replacing(", \"runs\": \"many\"", with: "")
    let guest = try scripts.guest(once + "; exit")
    for seed in UInt64(0)..<2 { #expect(try run(guest, seed: seed) == (try run(RandomSearch(), seed: seed))) }
    #expect(scripts.pids.count == 2 && scripts.survivors == [])
  }

  @Test("has nothing open of what this program has open") func descriptors() throws {
    let file = open(scripts.folder.appending(path: "ours").path, O_WRONLY | O_CREAT, 0o600)
    defer { close(file) }
    _ = try run(scripts.guest("ls -l /proc/$$/fd >theirs\n" + Scripts.randomSearch))
    let theirs = try String(contentsOf: scripts.folder.appending(path: "theirs"), encoding: .utf8)
    #expect(theirs.contains("pipe:") && !theirs.contains("ours"), "\(theirs)")
  }

  @Test("may exit when its budget is spent, and end before") func ends() throws {
    let spent = try scripts.guest(
      """
      read -r run
      while :; do
        printf '{"type": "evaluate", "configuration": [0, 0, 0, 0, 0]}\\n'; read -r answer
        case $answer in *budget-spent*) exit 3 ;; esac
      done
      """)
    let result = try run(spent)
    #expect(result.failure == nil && result.ledger.contains { $0.kind == .lost })
    let early = try scripts.guest(
      """
      read -r run
      printf '{"type": "evaluate", "configuration": [0, 0, 0, 0, 0]}\\n{"type": "end"}\\n'
      """)
    let short = try run(early)
    #expect(short.failure == nil && short.spent.evaluations == 1)
    #expect(scripts.survivors == [])
  }

  @Test("may write questions ahead, and is answered in their order") func pipelined() throws {
    let guest = try scripts.guest(
      """
      read -r run
      for id in 1 2 3 4 5 6 7 8 9; do
        printf '{"type": "evaluate", "configuration": [0, 0, 0, 0, 0], "epochs": 2, "id": %s}\\n' $id
      done
      for id in 1 2 3 4 5 6 7 8 9; do
        read -r answer
        case $answer in *'"id": '$id,*) ;; *) exit 1 ;; esac
      done
      printf '{"type": "end"}\\n'; read -r answer
      """)
    let result = try run(guest)
    #expect(result.failure == nil && result.spent.evaluations == 9)
  }

  @Test("is told what to search, and what the experiment says") func firstMessage() throws {
    let guest = try scripts.guest(
      "read -r run; printf '%s' \"$run\" >run.json; printf '{\"type\": \"end\"}\\n'",
      ["settings": #"{"population":"20","rate":"1e-3","name":"x y","deep":{"list":["true","07","null"]}}"#])
    _ = try run(guest, seed: 4711)
    let data = try Data(contentsOf: scripts.folder.appending(path: "run.json"))
    struct Run: Decodable {
      struct Fidelity: Decodable { var epochs: Int, seconds: Double }
      struct Space: Decodable {
        struct Parameter: Decodable { var name, kind: String, choices: [String] }
        var name: String, architectures: Bool, parameters: [Parameter]
      }
      struct Settings: Decodable {
        struct Deep: Decodable { var list: [Item?] }
        var population: Int, rate: Double, name: String, deep: Deep
      }
      enum Item: Decodable, Equatable {
        case flag(Bool), text(String)
        init(from decoder: any Decoder) throws {
          let container = try decoder.singleValueContainer()
          if let flag = try? container.decode(Bool.self) { self = .flag(flag) } else {
            self = .text(try container.decode(String.self))
          }
        }
      }
      var type: String, `protocol`, run, seed: Int, horizon: Double, currency: String
      var space: Space, fidelities: [Fidelity], policy: [String: String], settings: Settings
    }
    let message = try JSONDecoder().decode(Run.self, from: data)
    #expect(message.type == "run" && message.protocol == 1 && message.run == 0 && message.seed == 4711)
    #expect(message.horizon == 300 && message.currency == "seconds")
    #expect(message.space.name == "mini" && message.space.architectures)
    #expect(message.space.parameters.map(\.name) == SearchSpace.mini.parameters.parameters.map(\.name))
    #expect(message.space.parameters.first?.choices == Cell.Operation.allCases.map(\.name))
    #expect(message.fidelities.map(\.epochs) == [2, 6, 18])
    // One to four times as many seconds as epochs: see the made-up table.
    #expect(message.fidelities.allSatisfy { (1...5).contains($0.seconds / Double($0.epochs)) })
    #expect(message.policy["name"] == "fair" && message.policy["charge-overhead"] == "false")
    #expect(message.settings.population == 20 && message.settings.rate == 0.001 && message.settings.name == "x y")
    #expect(message.settings.deep.list == [.flag(true), .text("07"), nil])
  }

  @Test("searches another method's hyperparameters, and is restarted") func composed() throws {
    let command = try scripts.write("guest.sh", Scripts.randomSearch)
    let registry = Registry(blackboxMethods + composedMethods + externalMethods).at(scripts.folder)
    let inner = #"{"external":{"command":"\#(command)"}}"#
    let tuned = try registry.optimizer(
      named: "tuned",
      Settings(
        Tuned.method,
        [
          "by": inner, "method": "regularized-evolution", "space": #"{"population":{"log-integer":["10","200"]}}"#,
          "budgets": #"["30"]"#,
        ], in: registry))
    let result = try run(tuned)
    #expect(result.failure == nil && result.children.first?.children.count ?? 0 > 3)
    let restarted = try registry.optimizer(
      named: "restarted", Settings(Restarted.method, ["method": inner, "share": "0.3"], in: registry))
    #expect(try run(restarted).children.count > 2)
    // A script from outside cannot be started, and so not by another method.
    let driven = SettingError(
      "session is driven from outside, so no method can run it; give 'method' another method, as in tpe")
    #expect(throws: driven) {
      try Settings(
        Restarted.method, ["method": #"{"session":{"script":"mine"}}"#, "share": "0.1"], in: registry)
    }
  }

  // MARK: Bad guests

  static let bad: [(name: String, script: String, sentence: String)] = [
    ("wrong JSON", "echo '{\"type\": evaluate}'", "wrote a wrong message: this is no JSON ("),
    ("no message", "echo 'epoch 1 of 3'", "belong on standard error, in 'epoch 1 of 3'"),
    ("no line break", "printf bye", "this is no JSON"),
    ("a list", "echo '[1]'", "this is no message, which is an object"),
    ("no type", "echo '{}'", "the message has no 'type'"),
    ("unknown type", "echo '{\"type\": \"evalute\"}'", "'evalute' is no type of a message; did you mean 'evaluate'?"),
    (
      "outside the space", "echo '{\"type\": \"evaluate\", \"configuration\": [9, 0, 0, 0, 0]}'",
      "9.0 is no value of parameter 'operation-1', in '{\"type\": \"evaluate\", \"configuration\": [9, 0, 0, 0, 0]}'"
    ),
    (
      "too few numbers", "echo '{\"type\": \"evaluate\", \"configuration\": [0, 0]}'",
      "it has 2 values where there are 5 parameters"
    ),
    (
      "unknown parameter", "echo '{\"type\": \"evaluate\", \"configuration\": {\"operation-9\": \"x\"}}'",
      "'operation-9' is no parameter of the space mini; did you mean 'operation-1'?"
    ),
    (
      "unknown epochs", "echo '{\"type\": \"evaluate\", \"configuration\": [0, 0, 0, 0, 0], \"epochs\": 7}'",
      "there are no trainings of 7 epochs, only of 2, 6, 18"
    ),
    ("no cell", "echo '{\"type\": \"evaluate\", \"cell\": \"01 x\"}'", "'01 x' is no cell"),
    ("wrong version", "echo '{\"type\": \"ready\", \"protocol\": 2}'", "the protocol 2 is not known here"),
    ("silence", "sleep 60", "was silent for 0.5 s"),
    ("half a line", "while :; do printf x; sleep 0.1; done", "was silent for 0.5 s"),
    ("a long line", "head -c 3000000 /dev/zero | tr '\\0' a", "wrote a line of more than a million bytes, in 'aaaa"),
    ("a flood", "yes '{\"type\": \"sample\", \"count\": 100}'", "asks and asks, and reads no answer"),
    ("exit", "exit 0", "ended with status 0 before its budget was spent, and without 'end'"),
    ("exit with a reason", "echo one >&2; echo 'two!' >&2; exit 3", "; its standard error ends with 'one / two!'"),
    ("a crash", "kill -SEGV $$", "was ended by signal 11 (Segmentation fault)"),
    ("closed output", "exec >&-; sleep 60", "closed its standard input or output"),
    ("closed input", "exec <&-; echo '{\"type\": \"sample\"}'; sleep 60", "was silent for 0.5 s"),
    ("a child that holds the pipe", "sleep 60 & echo $! >>pids; exit 4", "ended with status 4"),
    ("deaf to signals", "trap '' TERM HUP INT; while :; do sleep 0.1; done", "was silent for 0.5 s"),
    (
      "going on", "while :; do echo '{\"type\": \"evaluate\", \"configuration\": [0, 0, 0, 0, 0]}'; read -r a; done",
      "asked 1000 questions after the end of its budget"
    ),
    (
      "staying", "while :; do echo '{\"type\": \"evaluate\", \"configuration\": [0, 0, 0, 0, 0]}'; read -r a; "
        + "case $a in *budget*) sleep 60 ;; esac; done", "did not end within 2 s after the end of its budget"
    ),
  ]

  @Test("that does wrong has failed, and nothing of it stays", arguments: bad.indices) func fails(index: Int) throws {
    let (name, script, sentence) = Self.bad[index]
    // Only who has to be waited for is given little time: a busy machine may need a second to start a shell.
    let timeout = ["0.5", "2"].first { sentence.contains(" \($0) s") } ?? "20"
    let guest = try scripts.guest("read -r run\n" + script, ["timeout": timeout])
    let failure = try #require(try run(guest, horizon: 60).failure, "\(name)")
    #expect(failure.hasPrefix("'sh guest.sh' ") && failure.contains(sentence), "\(name): \(failure)")
    #expect(failure.split(whereSeparator: \.isNewline).count == 1)
    #expect(!scripts.pids.isEmpty && scripts.survivors == [], "\(name)")
  }

  @Test("leaves the end of a long standard error, and of a long line its beginning") func cut() throws {
    let guest = try scripts.guest(
      "read -r run; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23; do echo line $i >&2; done\n"
        + "head -c 900000 /dev/zero | tr '\\0' a; echo")
    let failure = try #require(try run(guest).failure)
    #expect(failure.contains("'" + String(repeating: "a", count: 200) + "…'"))
    #expect(failure.contains("'line 4 / line 5 / ") && failure.hasSuffix(" / line 23'"))
    let noisy = try scripts.guest("read -r run; head -c 5000000 /dev/zero | tr '\\0' e >&2; exit 5")
    #expect(try #require(try run(noisy).failure).count < 5_000)
  }

  @Test("that fails is stored so, and others go on") func stored() async throws {
    let command = try scripts.write("guest.sh", "read -r run; exit 3")
    let registry = Registry(blackboxMethods + externalMethods).at(scripts.folder)
    let experiment = try Experiment(
      yaml: """
        name: e
        space: mini
        horizon: 30
        seeds: 2
        methods: [random-search, {external: {command: "\(command)", name: broken}}]
        """, file: scripts.folder.appending(path: "e.yaml").path, registry: registry)
    let store = try RunStore(path: scripts.folder.appending(path: "e.sqlite").path, registry: registry)
    let runner = try Runner(
      experiment: experiment, benchmark: benchmark, registry: registry, store: store)
    try await runner.run(threads: 2)
    let results = try runner.results()
    #expect(results.missingRuns == 0)
    #expect(results.methods.map { $0.runs.count { $0.result.failure != nil } } == [0, 2])
  }

  // MARK: Settings

  @Test("whose program is not there is refused before a run") func absent() throws {
    func message(_ command: String) -> String {
      do {
        _ = try scripts.external(command)
        return ""
      } catch { return "\(error)" }
    }
    #expect(message("anytime-nonesuch x").contains("there is no program 'anytime-nonesuch'"))
    #expect(message("./nonesuch.sh").hasSuffix("nonesuch.sh of the command './nonesuch.sh' is not there"))
    _ = try scripts.write("plain.sh", "")
    #expect(message("./plain.sh").contains("may not be executed"))
    #expect(message("sh 'x").contains("a quotation mark"))
    #expect(message(" ").contains("is no value for setting 'command'"))
    #expect(throws: SettingError.self) { _ = try External(settings: Settings(External.method)) }
  }

  @Test("runs in the folder of the experiment file, whose files are a part of it") func files() throws {
    let registry = scripts.registry
    let text = """
      space: mini
      horizon: 30
      seeds: 1
      methods: [{external: {command: "sh 'my guest.sh'", name: mine, settings: {a: [1, b]}, files: [data.txt]}}]
      """
    func read() throws -> Experiment {
      // The reader finds the folder by itself.
      try Experiment(
        yaml: text, file: scripts.folder.appending(path: "e.yaml").path, registry: Registry(externalMethods))
    }
    #expect(throws: ExperimentFileError.self) { _ = try read() }
    try Data("1".utf8).write(to: scripts.folder.appending(path: "data.txt"))
    let first = try read()
    #expect(first.methods.first?.label == "mine")
    // As YAML it is the same again.
    let again = try Experiment(
      yaml: first.yaml(registry: registry), file: scripts.folder.appending(path: "f.yaml").path, registry: registry)
    #expect(again.methods == first.methods && first.yaml(registry: registry).contains("files: [data.txt]"))
    try Data("2".utf8).write(to: scripts.folder.appending(path: "data.txt"))
    #expect(try read().methods.first?.settings != first.methods.first?.settings)

    _ = try scripts.write("my guest.sh", "cat data.txt >seen; read -r run; printf '{\"type\": \"end\"}\\n'")
    let entry = try #require(first.methods.first)
    #expect(try run(registry.optimizer(named: entry.method, entry.settings)).failure == nil)
    #expect(try String(contentsOf: scripts.folder.appending(path: "seen"), encoding: .utf8) == "2")
  }

  @Test("takes the words of its command as a shell splits them") func words() throws {
    _ = try scripts.write("words.sh", "printf '[%s]' \"$@\" >words; read -r run; printf '{\"type\": \"end\"}\\n'")
    let guest = try scripts.external(#"sh words.sh  a\ b 'c "$d' "e \"f\" \g" '' "h"i*"#)
    #expect(try run(guest).failure == nil)
    #expect(
      try String(contentsOf: scripts.folder.appending(path: "words"), encoding: .utf8)
        == #"[a b][c "$d][e "f" \g][][hi*]"#)
  }

  // MARK: Other guests

  static let hasPython: Bool = {
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").contains {
      FileManager.default.isExecutableFile(atPath: "\($0)/python3")
    }
  }()

  @Test("in Python, the example, keeps all rules on architectures", .enabled(if: hasPython, "python3 is missing"))
  func python() async throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardizedFileURL
    let experiment = try Experiment(
      contentsOf: root.appending(path: "Examples/guests.yaml"),
      registry: Registry(blackboxMethods + externalMethods))
    let entry = try #require(experiment.methods.last)
    let registry = Registry(externalMethods).at(root.appending(path: "Examples"))
    let guest = try registry.optimizer(named: entry.method, entry.settings)
    let (one, other) = (try run(guest, seed: 1), try run(guest, seed: 2))
    #expect(one.failure == nil && one.spent.evaluations > 5 && one != other)
    #expect(try run(guest, seed: 1) == one)
  }

  @Test("that is a solver of kurobako is asked and told, in the same process") func kurobako() throws {
    try withExtendedLifetime(try scripts.guest(Scripts.solver(step: "3"), ["protocol": "kurobako"])) { solver in
      for _ in 0..<2 {
        let result = try run(solver)
        #expect(result.failure == nil && result.trajectory.last?.epochs == 6)
      }
    }
    // It has read everything.
    #expect(scripts.pids.count == 1 && scripts.survivors == [])
    let messages = try String(contentsOf: scripts.folder.appending(path: "messages"), encoding: .utf8)
      .split(separator: "\n")
    let create = try #require(messages.first)
    #expect(create.contains(#""steps": [2, 6, 18]"#) && create.contains(#""type": "CATEGORICAL""#))
    #expect(messages.count { $0.contains("CREATE_SOLVER_CAST") } == 2)
    #expect(messages.count { $0.contains("DROP_SOLVER_CAST") } == 2)
    let tell = try #require(messages.first { $0.contains("TELL_CALL") })
    #expect(tell.contains(#""current_step": 6"#) && tell.contains(#""id": 0"#))
  }

  @Test(
    "that is a wrong solver has failed",
    arguments: [
      (Scripts.solver(step: "19"), "asked for the step 19, and the last is 18"),
      (Scripts.solver(step: "3", capabilities: "\"UNIFORM_DISCRETE\""), "has not the capability CATEGORICAL"),
      ("printf '{\"type\": \"ASK_REPLY\"}\\n'; sleep 60", "wrote another message than SOLVER_SPEC_CAST"),
      (
        "printf '{\"type\": \"SOLVER_SPEC_CAST\", \"spec\": {}}\\n'; read -r a; read -r a\n"
          + "printf '{\"type\": \"ERROR_REPLY\", \"kind\": \"BUG\", \"message\": \"no idea\"}\\n'; sleep 60",
        "reported an error (BUG: no idea)"
      ),
      (Scripts.solver(step: "3").replacing("1.9", with: "5"), "asked for an impossible trial"),
    ])
  func wrongSolver(script: String, sentence: String) throws {
    let solver = try scripts.guest(script, ["protocol": "kurobako", "timeout": "20"])
    let failure = try #require(try run(solver).failure)
    #expect(failure.contains(sentence), "\(failure)")
    #expect(scripts.survivors == [])
  }
}
