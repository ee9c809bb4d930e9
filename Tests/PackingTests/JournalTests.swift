// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Support
import SystemPackage
import Testing

@testable import Packing

struct JournalTests {
    let folder = TemporaryFolder()
    private var path: FilePath { folder.appending("j") }
    private let plan = Digest(of: [1])

    private func records() throws -> [JournalRecord] {
        let digest = Digest(of: [2])
        let volume = FinishedVolume(length: 9, digest: digest, blocks: [digest.bytes])
        return [
            .frame(Frame(volume: 1, encoding: .zstd, offset: 7, storedLength: 5, rawLength: 6)),
            .chunk(
                Chunk(digest: digest, length: 5, firstPart: 0, partCount: 2),
                [Part(frame: 0, offset: 1, length: 2), Part(frame: 1, offset: 0, length: 3)]),
            .object(
                Object(digest: digest, size: 5, firstSegment: 0, segmentCount: 1),
                [Segment(chunk: 0, offset: 0, length: 5)]),
            .item(ordinal: 4, digest: digest, size: 5), .volume(ordinal: 0, volume),
            .plain(ordinal: 2, volume, [KnownExtent(digest: digest, offset: 3, length: 4)]),
            .plainProgress(ordinal: 2, length: 64 << 20), .forget(frames: 0),
        ]
    }

    @Test func `what was appended is read back`() throws {
        do {
            let journal = try Journal(at: path, plan: plan, restart: false)
            #expect(journal.records.isEmpty)
            try journal.append(try records())
        }
        #expect(try Journal(at: path, plan: plan, restart: false).records == records())
    }

    @Test func `held bytes stand in the journal`() throws {
        let digest = Digest(of: Array("{}".utf8))
        do {
            let journal = try Journal(at: path, plan: plan, restart: false)
            let offset = try journal.hold(digest, Array("{}".utf8))
            #expect(try journal.heldBytes(at: offset, length: 2) == Array("{}".utf8))
            try journal.append([])
        }
        let journal = try Journal(at: path, plan: plan, restart: false)
        guard case .held(digest, let offset, 2) = journal.records.first else {
            Issue.record("\(journal.records)")
            return
        }
        #expect(try journal.heldBytes(at: offset, length: 2) == Array("{}".utf8))
    }

    @Test func `cut anywhere, the whole records before the cut are kept and writing goes on`() throws {
        do { try Journal(at: path, plan: plan, restart: false).append(try records()) }
        let whole = try path.contents(limit: 1 << 20)
        for length in stride(from: 40, to: whole.count, by: 7) {
            let cut = folder.appending("cut\(length)")
            try cut.replaceContents(with: Array(whole.prefix(length)))
            let journal = try Journal(at: cut, plan: plan, restart: false)
            let kept = journal.records
            #expect(try kept == Array(records().prefix(kept.count)))
            #expect(kept.count < 8)
            try journal.append([.plainProgress(ordinal: 9, length: 1)])
        }
        let last = try Journal(at: folder.appending("cut40"), plan: plan, restart: false).records
        #expect(last == [.plainProgress(ordinal: 9, length: 1)])
    }

    @Test func `a flipped bit ends the journal before its record`() throws {
        do { try Journal(at: path, plan: plan, restart: false).append(try records()) }
        var bytes = try path.contents(limit: 1 << 20)
        bytes[40 + 13 + 24 + 20] ^= 1
        try path.replaceContents(with: bytes)
        #expect(try Journal(at: path, plan: plan, restart: false).records == Array(records().prefix(1)))
    }

    @Test func `another plan is refused, unless all begins anew`() throws {
        do { try Journal(at: path, plan: plan, restart: false).append(try records()) }
        let other = Digest(of: [3])
        #expect(throws: PackError.planChanged([])) { try Journal(at: path, plan: other, restart: false) }
        #expect(try Journal(at: path, plan: other, restart: true).records.isEmpty)
    }

    @Test func `one process at a time`() throws {
        let first = try Journal(at: path, plan: plan, restart: false)
        #expect(throws: PackError.alreadyRunning(path)) { try Journal(at: path, plan: plan, restart: false) }
        #expect(first.records.isEmpty)
    }
}
