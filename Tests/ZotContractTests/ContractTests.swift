// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

/// The stand-in and docker-registry give the answers that were recorded: the stand-in of Zot's, and docker-registry its
/// own, which shows that the questions are those of the records.
@Suite struct ContractTests {
    private func answers(_ url: String) throws -> [Row] { Questions.ask(try #require(RawClient(url: url))) }

    @Test func theStandInAnswersLikeZot() throws {
        let server = try ZotServer()
        let record = Transcript(try Row.record("observed-zot-2.1.2"))
        let answers = Transcript(try answers(server.url))
        #expect(answers.lines.map(\.id) == record.lines.map(\.id), "every recorded question is asked, in its order")
        #expect(record.differences(to: answers) == [])
    }

    @Test func dockerRegistryAnswersAsItDid() throws {
        let server = try RegistryServer()
        let record = Transcript(try Row.record("observed-docker-registry-2.8.2"))
        let answers = Transcript(try answers(server.url))
        #expect(answers.ids == record.ids)
        #expect(record.differences(to: answers) == [])
    }

    /// What newer Zot says otherwise (source of v2.1.20), by question: status and `Range`.
    private static let newer = [
        "status-0": "204 0-0", "patch-2": "202 0-1699", "patch-stream-2": "202 0-9999", "put-last-norange": "416",
        "single-post-bad": "400", "empty-blob-head": "200", "tag-type-change": "201", "man-4M": "413",
        "referrers-norepo": "200",
    ]

    @Test func newerZotDiffersOnlyWhereItsSourceSaysSo() throws {
        var options = ZotServer.Options()
        options.era = .v2_1_20
        let server = try ZotServer(options)
        let record = try Row.record("observed-zot-2.1.2")
        let old = Dictionary(uniqueKeysWithValues: record.map { ($0.id, brief($0)) })
        let rows = try answers(server.url)
        let differences = Transcript(record, isNumbering: false).differences(to: Transcript(rows, isNumbering: false))
        let ids = Set(differences.map { String($0.prefix { $0 != "\n" }) })
        #expect(ids == Set(Self.newer.keys).union(["tags"]), "the tag of the manifest that is too large is missing")
        let changed = rows.filter { old[$0.id] != brief($0) }
        #expect(Dictionary(uniqueKeysWithValues: changed.map { ($0.id, brief($0)) }) == Self.newer)
    }

    private func brief(_ row: Row) -> String {
        "\(row.status)" + (row.headers["range"].map { " " + $0 } ?? "")
    }

    /// Runs only where a registry is named; what differs is printed, for people to judge.
    @Test(.enabled(if: unsafe getenv("DRAY_TEST_REGISTRY") != nil))
    func aLiveRegistryIsComparedWithTheRecord() throws {
        let url = unsafe String(cString: try #require(unsafe getenv("DRAY_TEST_REGISTRY")))
        let record = Transcript(try Row.record("observed-zot-2.1.2"), isNumbering: false)
        let rows = try answers(url)
        #expect(rows.contains { $0.status != 0 }, "\(url) doesn't answer")
        for difference in record.differences(to: Transcript(rows, isNumbering: false)) { print(difference) }
    }
}
