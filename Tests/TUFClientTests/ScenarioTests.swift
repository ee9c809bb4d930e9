// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import Support
import SystemPackage
import Testing

/// One row of the table that Tests/python/tuf_suite prints: a scenario of the TUF specification 1.0.34, section 5, run by
/// `dray-tuf-client` and by python-tuf's own client against the same repository.
struct Scenario: Decodable, Sendable, CustomTestStringConvertible {
    let section: String
    let name: String
    let expected: String
    let dray: String
    let reference: String

    var testDescription: String { "\(section) \(name): \(expected)" }

    /// `5.3` of `5.3.4`.
    var chapter: String { section.split(separator: ".").prefix(2).joined(separator: ".") }
}

/// The whole table, made once.
enum Suite34 {
    static let interpreter = SourceTree.root.appending(".build/python/bin/python3").string

    /// In CI a missing interpreter is a failure, elsewhere the tests are left out.
    static var isExpected: Bool { unsafe access(interpreter, X_OK) == 0 || getenv("CI") != nil }

    static let result = Result { () throws -> CommandResult in
        let script = SourceTree.root.appending("Tests/python/tuf_suite/run.py").string
        return try run([interpreter, script, SourceTree.tool("dray-tuf-client").string], timeout: 300)
    }

    static let rows: [Scenario] = {
        guard isExpected, case .success(let result) = result else { return [] }
        return result.output.split(separator: "\n").compactMap { line in
            // the last line names the versions; that none of the others is lost the number of rows shows
            try? JSONDecoder().decode(Scenario.self, from: Data(line.utf8))
        }
    }()
}

@Suite(.enabled(if: Suite34.isExpected, "python-tuf is missing: scripts/setup --test")) struct ScenarioTests {
    @Test(arguments: Suite34.rows) func `does what section 5 asks for, and python-tuf's client does too`(
        _ row: Scenario
    ) {
        #expect(row.dray == "as expected")
        #expect(row.reference == "as expected" || row.reference == "not asked")
    }

    /// Also the figures of docs/security.md.
    @Test func `the table is whole, and the page that publishes it says the same`() throws {
        let result = try Suite34.result.get()
        #expect(result.status == 0, "\(result.errorOutput)")
        #expect(result.output.split(separator: "\n").count == Suite34.rows.count + 1)
        let chapters = Dictionary(grouping: Suite34.rows, by: \.chapter)
        #expect(chapters.keys.sorted() == ["5.1", "5.2", "5.3", "5.4", "5.5", "5.6", "5.7"])
        let page = String(
            decoding: try contents(of: SourceTree.root.appending("docs/security.md")), as: UTF8.self)
        for (chapter, rows) in chapters.sorted(by: { $0.key < $1.key }) {
            let passed = rows.filter { $0.dray == "as expected" }.count
            let asked = rows.filter { $0.reference != "not asked" }
            let agreed = asked.filter { $0.reference == "as expected" }.count
            let line = "| \(chapter) | \(passed)/\(rows.count) | \(agreed)/\(asked.count) |"
            #expect(page.contains(line), "docs/security.md lacks \(line)")
        }
    }
}
