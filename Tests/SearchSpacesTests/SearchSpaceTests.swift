import SearchSpaces
import Statistics
import Testing

@Suite("Search spaces") struct SearchSpaceTests {
  @Test(
    "have the sizes that were derived independently",
    arguments: [("1", 14_580, 2_685), ("2", 29_160, 7_773), ("3", 1_312_200, 55_854)])
  func sizes(name: String, configurations: Int, cells: Int) throws {
    let space = try #require(SearchSpace(named: name))
    #expect(space.parameters.count == configurations)
    #expect(space.architectures().count == cells)
  }

  @Test("NAS-Bench-101 has 423,624 cells") func nasBench101() {
    #expect(SearchSpace.nasBench101.architectures().count == 423_624)
  }

  @Test("the smallest hash of NAS-Bench-101 begins its file") func firstHash() throws {
    let cell = try Cell(
      adjacencyText: "0100110|0010000|0001001|0000010|0000010|0000001|0000000",
      operations: "input,conv3x3-bn-relu,maxpool3x3,conv3x3-bn-relu,conv3x3-bn-relu,conv1x1-bn-relu,output")
    #expect(cell.hash.description == "00005c142e6f48ac74fdcf73e3439874")
  }

  @Test("configurations and their indices are one to one", arguments: SearchSpace.all)
  func indices(space: SearchSpace) throws {
    let count = try #require(space.parameters.count)
    for index in stride(from: 0, to: count, by: max(1, count / 1_000)) {
      #expect(space.parameters.index(of: space.parameters.configuration(at: index)) == index)
    }
  }

  @Test("mutants give architectures, and every rule reaches most of the mini space", arguments: MutationRule.allCases)
  func mutation(rule: MutationRule) {
    var random = RandomGenerator(seed: 1)
    for space in SearchSpace.all {
      var configuration = space.sample(using: &random)
      var visited: Set<Architecture> = []
      for _ in 0..<3_000 {
        configuration = space.mutate(configuration, rule: rule, using: &random)
        if let found = space.architecture(configuration) { visited.insert(found) } else { Issue.record("none") }
      }
      if space.name == "mini" { #expect(visited.count > space.architectures().count * 9 / 10) }
    }
  }

  @Test("the 1Shot1 rule changes at most one parent or one operation") func oneShot1Rule() {
    var random = RandomGenerator(seed: 2)
    let space = SearchSpace.oneShot3
    var unchanged = 0
    let draws = 3_000
    for _ in 0..<draws {
      let parent = space.sample(using: &random)
      let child = space.mutate(parent, rule: .oneShot1, using: &random)
      let changed = parent.values.indices.filter { parent.values[$0] != child.values[$0] }
      #expect(changed.count <= 1)
      if changed.isEmpty { unchanged += 1 }
      if let index = changed.first, index >= 5 {
        let names = [parent, child].map {
          Set(space.parameters.parameters[index].text(of: $0.values[index]).split(separator: "+"))
        }
        #expect(names[0].subtracting(names[1]).count == 1)
      }
    }
    // One third of 3,000 draws, within five standard deviations.
    #expect(abs(unchanged - draws / 3) < 130)
  }

  @Test("sampling is uniform over configurations") func uniformSampling() throws {
    let space = SearchSpace.mini
    let count = try #require(space.parameters.count)
    var random = RandomGenerator(seed: 3)
    var hits = [Int](repeating: 0, count: count)
    let draws = 200 * count
    for _ in 0..<draws { hits[space.parameters.index(of: space.sample(using: &random))] += 1 }
    // Pearson's statistic has mean count - 1 and variance 2 (count - 1); five standard deviations.
    let chiSquared = hits.reduce(0.0) { $0 + (Double($1) - 200) * (Double($1) - 200) / 200 }
    let freedom = Double(count - 1)
    #expect(abs(chiSquared - freedom) < 5 * (2 * freedom).squareRoot())
  }
}

@Suite("Architecture parameters") struct ArchitectureParametersTests {
  @Test("one row per choice block, and one per vertex with a choice of parents")
  func rows() throws {
    let counts = try ["1", "2", "3"].map { name in
      let space = try #require(SearchSpace(named: name)?.architectureParameters)
      return space.rows.map { [$0.count, $0.selected] }
    }
    let operations = [3, 1]
    #expect(counts[0] == [operations, operations, operations, operations, [3, 2], [4, 2], [5, 2]])
    #expect(
      counts[1] == [operations, operations, operations, operations, [2, 1], [3, 2], [4, 2], [5, 3]])
    #expect(
      counts[2] == [[3, 1], [3, 1], [3, 1], [3, 1], [3, 1], [2, 1], [3, 1], [4, 2], [5, 2], [6, 2]])
  }

  @Test("the greatest weights win, and the first of equal ones") func discretisation() throws {
    let space = SearchSpace.oneShot1
    let architecture = try #require(space.architectureParameters)
    let configuration = architecture.discretise([
      [0, 1, 0], [0, 0, 2], [3, 0, 0], [1, 1, 1], [0.1, 0.9, 0.5], [1, 0, 0, 1], [0, 0, 0, 0, 1],
    ])
    let texts = zip(space.parameters.parameters, configuration.values).map { $0.text(of: $1) }
    #expect(
      texts == [
        "conv3x3-bn-relu", "maxpool3x3", "conv1x1-bn-relu", "conv1x1-bn-relu", "1+2", "0+3", "0+4",
      ])
  }
}
