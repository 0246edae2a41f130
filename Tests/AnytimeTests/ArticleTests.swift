import Anytime
import Foundation
import OptimizerConformance
import Testing

@Suite("The article 'Write an optimizer'") struct ArticleTests {
  @Test("the article's method conforms, in under 40 lines") func article() async throws {
    #expect(try await OptimizerConformance(HillClimbing.self).failures() == [])
    let url = URL(filePath: #filePath).deletingLastPathComponent()
    let code = try String(contentsOf: url.appending(path: "HillClimbing.swift"), encoding: .utf8)
    #expect(code.split(separator: "\n", omittingEmptySubsequences: false).count < 40)
    let article = url.appending(path: "../../Sources/Anytime/Anytime.docc/WriteAnOptimizer.md")
    let body = code.split(separator: "\n", omittingEmptySubsequences: false).dropFirst().joined(
      separator: "\n")
    #expect(try String(contentsOf: article, encoding: .utf8).contains(body))
  }
}
