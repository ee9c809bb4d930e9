// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import SystemPackage
import Testing
import Trust

struct BlockReportTests {
    static let digest = Digest(of: Array("release".utf8))
    static let report = BlockReport(
        bundle: "palette-enterprise-1.2.3", release: digest,
        volumes: [
            .init(missing: 4, name: "e.iso"), .init(number: 0, name: "a.001.tar.zst", badBlocks: [9, 3, 8, 7, 3]),
        ])

    @Test func `both forms are read back`() throws {
        let report = BlockReportTests.report
        #expect(report.volumes.map(\.blocks) == [[3..<4, 7..<10], []])
        #expect(try BlockReport(parsing: report.json.canonicalBytes) == report)
        let short = try BlockReport(parsing: Array(report.short.utf8))
        #expect(short.short == report.short && short.volumes.map(\.blocks) == report.volumes.map(\.blocks))
        #expect(short.volumes.map(\.isMissing) == [false, true] && short.volumes.map(\.number) == [0, 4])
    }

    @Test func `the short form is what docs/format.md says`() throws {
        #expect(BlockReportTests.report.short == "dray:palette-enterprise-1.2.3:a4d451ec23463726:1=3,7-9;5=*:bb21eb")
    }

    @Test func `line breaks and blanks of a typed line don't matter`() throws {
        let text = BlockReportTests.report.short
        let broken = " \(text.prefix(20))\n  \(text.dropFirst(20).prefix(30)) \(text.dropFirst(50))\r\n"
        #expect(try BlockReport(parsing: Array(broken.utf8)).short == text)
    }

    @Test func `each mistyped character is noticed`() throws {
        let text = Array(BlockReportTests.report.short.utf8)
        for place in text.indices {
            var other = text
            other[place] = other[place] == UInt8(ascii: "1") ? UInt8(ascii: "2") : UInt8(ascii: "1")
            #expect(throws: BlockReportError.self) { try BlockReport(parsing: other) }
        }
    }

    @Test(arguments: [
        "", "{", "dray", "dray:::::", #"{"format":"dray-verify-report 2"}"#,
        #"{"format":"dray-verify-report 1","bundle":"a","release":"00","volumes":[]}"#,
    ])
    func `refuses what is no report`(_ text: String) {
        #expect(throws: BlockReportError.self) { try BlockReport(parsing: Array(text.utf8)) }
    }

    @Test func `asks a bundle only for what it has`() throws {
        let scene = try Scene()
        let verified = try scene.verified()
        let digest = Digest(of: try scene.path("release.json").contents(limit: 1 << 20))
        func wanted(_ entry: BlockReport.Entry, release: Digest = digest) throws -> [[Range<Int>]] {
            try BlockReport(bundle: "x", release: release, volumes: [entry])
                .wanted(of: verified.index, release: digest).map(\.blocks)
        }
        let volume = verified.index.volumes[0]
        let count = Volume.blockCount(of: volume.length)
        #expect(try wanted(.init(missing: 0, name: volume.name)) == [[0..<count]])
        #expect(try wanted(.init(number: 0, badBlocks: [0])) == [[0..<1]])
        #expect(throws: BlockReportError.unknownBlock(volume.name, has: count)) {
            try wanted(.init(number: 0, badBlocks: [count]))
        }
        #expect(throws: BlockReportError.unknownVolume(100)) { try wanted(.init(missing: 99)) }
        #expect(throws: BlockReportError.unknownVolume(1)) { try wanted(.init(missing: 0, name: "other")) }
        #expect(throws: BlockReportError.otherRelease("x")) {
            try wanted(.init(missing: 0), release: Digest(of: Array("another".utf8)))
        }
    }
}
