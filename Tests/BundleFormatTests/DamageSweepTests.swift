// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Glibc
import OCI
import Support
import SystemPackage
import Testing

/// Damage at every place of a volume: each found, in its block, with what it takes away. A sample; all of it with
///
///     DRAY_SWEEP=1 swift test --disable-xctest --filter DamageSweepTests
struct DamageSweepTests {
    private static let isWhole = unsafe getenv("DRAY_SWEEP") != nil
    private static let grain = 4096

    /// Three plain volumes of one length, and an archive volume; each a file of the release.
    private struct Media {
        let scene: Scene
        let names = ["one.iso", "two.iso", "three.iso"]
        let contents: [[UInt8]]

        init() throws {
            contents = (0..<3).map { noise((3 << 20) + 1234, seed: 70 + $0) }
            var draft = Draft()
            for (name, bytes) in zip(names, contents) {
                let frame = draft.plain(name, bytes)
                let chunk = draft.chunk(bytes, [(frame, 0, bytes.count)])
                draft.object(bytes, [(chunk, 0, bytes.count)])
                draft.files.append(
                    Release.DeliveredFile(
                        name: name, kind: "iso", digest: Digest(of: bytes), size: UInt64(bytes.count), signature: nil))
            }
            draft.archive("a.001.tar.zst")
            try draft.whole(noise(5000, seed: 9))
            scene = try Scene(draft)
        }

        func path(_ volume: Int) -> FilePath { scene.path("volumes/\(names[volume])") }

        func report() throws -> VerifyReport { try scene.verified().checkVolumes(threads: 1, progress: Progress()) }
    }

    /// Every so many of `range`; all of it where the whole sweep is asked for.
    private func places(_ range: Range<Int>, step: Int, sampled: Int) -> [Int] {
        Array(stride(from: range.lowerBound, to: range.upperBound, by: Self.isWhole ? step : step * sampled))
    }

    @Test func `a flipped bit in any 4 KiB of a volume is found in its block, and named`() throws {
        let media = try Media()
        let bytes = media.contents[1]
        let file = try OpenFile.writing(media.path(1))
        let bundle = try media.scene.verified()
        var (tried, found) = (0, 0)
        for start in places(0..<bytes.count, step: Self.grain, sampled: 31) {
            let place = min(bytes.count - 1, start + (start / Self.grain * 1021) % Self.grain)
            try file.write([bytes[place] ^ (1 << UInt8(place % 8))], at: UInt64(place))
            let report = try bundle.checkVolumes(threads: 1, progress: Progress())
            try file.write([bytes[place]], at: UInt64(place))
            tried += 1
            let block = place / blockSize
            let isRight =
                report.failure == .damaged && report.volumes.map(\.badBlocks) == [[], [block], [], []]
                && report.affectedNames == ["two.iso"]
            if isRight { found += 1 } else { Issue.record("byte \(place): \(report.lines)") }
        }
        #expect(found == tried && tried >= 25)
        #expect(try media.report().failure == nil)
        if Self.isWhole { print("damage sweep: \(tried) flips, \(found) found in their block") }
    }

    @Test func `a volume that is cut off anywhere is refused, and named`() throws {
        let media = try Media()
        let bytes = media.contents[2]
        let lengths = places(0..<bytes.count, step: Self.grain, sampled: 64) + [1, bytes.count - 1]
        let file = try OpenFile.writing(media.path(2))
        var found = 0
        for length in lengths.sorted(by: >) {
            try file.truncate(to: UInt64(length))
            let report = try media.report()
            let expected = BundleError.volumeLength(
                media.path(2), expected: UInt64(bytes.count), found: UInt64(length))
            let isRight = report.failure == .damaged && report.volumes[2].fault == expected
            if isRight, report.affectedNames == ["three.iso"] { found += 1 } else { Issue.record("\(length)") }
        }
        #expect(found == lengths.count)
        if Self.isWhole { print("damage sweep: \(lengths.count) truncations, \(found) found") }
    }

    @Test(arguments: [(0, 1), (0, 2), (1, 2)]) func `swapped volumes are both named`(_ one: Int, _ other: Int) throws {
        let media = try Media()
        try put(media.contents[other], media.path(one))
        try put(media.contents[one], media.path(other))
        let report = try media.report()
        #expect(report.failure == .damaged)
        #expect(report.volumes.indices.filter { !report.volumes[$0].isGood } == [one, other])
        #expect(report.volumes[one].badBlocks == [0, 1, 2, 3])
        #expect(Set(report.affectedNames) == [media.names[one], media.names[other]])
    }
}
