// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Support
import SystemPackage
import Testing
import Trust

/// What `verify` remembers, and what it reads all the same.
@Suite struct VerifyRecordsTests {
    private static let bytes = noise((3 << 20) + 9, seed: 70)
    private static let total = UInt64(2 * bytes.count)

    /// Two volumes, each on a medium of its own.
    private struct Discs {
        let scene: Scene
        let one, two: FilePath

        init() throws {
            var draft = Draft()
            for (number, name) in ["a.iso", "b.iso"].enumerated() {
                let bytes = number == 0 ? VerifyRecordsTests.bytes : VerifyRecordsTests.bytes.reversed()
                let frame = draft.plain(name, bytes)
                draft.object(bytes, [(draft.chunk(bytes, [(frame, 0, bytes.count)]), 0, bytes.count)])
            }
            scene = try Scene(draft)
            two = try scene.copy("two")
            one = scene.bundle
            try one.appending("volumes/b.iso").removeFile()
            try two.appending("volumes/a.iso").removeFile()
        }

        var records: FilePath { scene.place.appending("records") }

        func verify(
            _ media: [FilePath], forgetting: Bool = false, batch: UInt64 = 64 << 20
        ) throws -> VerifyReport {
            let records = try VerifyRecords(records, forgetting: forgetting, now: Publisher.now, batch: batch)
            defer { #expect(throws: Never.self) { try records.check() } }
            return try scene.verified(media).checkVolumes(threads: 2, records: records, progress: Progress())
        }

        /// Takes a medium away: what the records say of it is of a file system that is mounted no more.
        func remove(_ medium: FilePath) throws {
            let lines = try String(decoding: get(records), as: UTF8.self).split(separator: "\n").map { line in
                guard line.contains(medium.string) else { return String(line) }
                let document = line.dropFirst(17).replacing(/"system":"[^"]*"/, with: "\"system\":\"uuid:GONE\"")
                return "\(Digest(of: Array(document.utf8)).hex.prefix(16)) \(document)"
            }
            try put(Array((lines.joined(separator: "\n") + "\n").utf8), records)
            try #require(run(["rm", "-r", medium.string]).status == 0)
        }
    }

    @Test func `reads nothing twice, unless told to`() throws {
        let discs = try Discs()
        let both = [discs.one, discs.two]
        #expect(try discs.verify(both).bytesChecked == VerifyRecordsTests.total)
        let again = try discs.verify(both)
        #expect(again.failure == nil && again.bytesChecked == 0 && again.bytesSkipped == VerifyRecordsTests.total)
        #expect(again.volumes.allSatisfy { $0.skipped == 4 && $0.since == Publisher.now })
        #expect(try discs.verify(both, forgetting: true).bytesChecked == VerifyRecordsTests.total)
        #expect(try discs.verify([discs.one]).bytesChecked == 0)
    }

    @Test func `reads a file again that is another, however little shows`() throws {
        let discs = try Discs()
        let volume = discs.one.appending("volumes/a.iso")
        _ = try discs.verify([discs.one])
        let stamp = discs.scene.place.appending("stamp")
        try #require(run(["touch", "-r", volume.string, stamp.string]).status == 0)
        // the same inode, length and time of change
        let file = try OpenFile.writing(volume)
        try file.write([VerifyRecordsTests.bytes[5] ^ 1], at: 5)
        try #require(run(["touch", "-r", stamp.string, volume.string]).status == 0)
        let changed = try discs.verify([discs.one])
        #expect(changed.volumes[0].badBlocks == [0] && changed.bytesSkipped == 0)
        // what is bad is read again though nothing changed
        #expect(try discs.verify([discs.one]).volumes[0].badBlocks == [0])
        try put(VerifyRecordsTests.bytes, volume)
        #expect(try discs.verify([discs.one]).volumes[0].isGood)
    }

    @Test func `says of media that come one by one whether the set is whole`() throws {
        let discs = try Discs()
        let first = try discs.verify([discs.one])
        #expect(first.failure == .incomplete && first.volumes[1].fault == .volumeMissing("b.iso"))
        let path = try discs.one.appending("volumes/a.iso").absolute()
        try discs.remove(discs.one)
        let second = try discs.verify([discs.two])
        #expect(second.failure == nil && second.wanted.isEmpty)
        #expect(second.volumes[0].elsewhere.map(\.path) == [path])
        #expect(second.lines == ["a.iso: verified \(Publisher.now) on \(path), not among these media"])
        let forgotten = try discs.verify([discs.two], forgetting: true)
        #expect(forgotten.failure == .incomplete && forgotten.affectedObjects.count == 1)
    }

    @Test func `asks only for the bad blocks of a medium that is gone`() throws {
        let discs = try Discs()
        try flip(discs.one.appending("volumes/a.iso"), at: 2 << 20)
        #expect(try discs.verify([discs.one]).failure == .damaged)
        try discs.remove(discs.one)
        let report = try discs.verify([discs.two])
        #expect(report.failure == .incomplete)
        #expect(report.wanted.volumes.map(\.blocks) == [[2..<3]])
    }

    @Test func `doesn't count what was deleted where it stood`() throws {
        let discs = try Discs()
        _ = try discs.verify([discs.one])
        try discs.one.appending("volumes/a.iso").removeFile()
        #expect(try discs.verify([discs.two]).failure == .incomplete)
        try #require(run(["rm", "-r", discs.one.string]).status == 0)
        #expect(try discs.verify([discs.two]).failure == .incomplete)
    }

    @Test func `goes on where it was killed`() throws {
        let discs = try Discs()
        let volume = discs.one.appending("volumes/a.iso")
        // every block a line of its own, as if each were many
        try put(Array(VerifyRecordsTests.bytes.prefix(2 << 20)), volume)
        _ = try discs.verify([discs.one], batch: 1)
        let whole = try get(discs.records)
        #expect(!whole.isEmpty)
        for cut in [1, 20, whole.count / 2, whole.count - 1] {
            try put(Array(whole.dropLast(cut)), discs.records)
            let report = try discs.verify([discs.one])
            #expect(report.volumes[0].badBlocks == [2, 3] && report.volumes[0].skipped + 2 <= 4)
        }
        // torn in the middle and gone on with, damaged, or nonsense
        let (torn, feed) = (Array(whole.dropLast(5)), [UInt8](repeating: 0x0a, count: 1))
        let damaged: [[UInt8]] = [torn + whole, torn + feed + whole, noise(5000) + feed + whole, whole]
        for bytes in damaged {
            try put(bytes, discs.records)
            _ = try discs.verify([discs.one])
            #expect(try discs.verify([discs.one]).volumes[0].skipped == 2)
        }
    }
}
