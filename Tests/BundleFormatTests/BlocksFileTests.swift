// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Support
import SystemPackage
import Testing

/// Blocks that were carried on their own, good and hostile.
@Suite struct BlocksFileTests {
    private static let bytes = noise((3 << 20) + 700, seed: 61)
    private static let other = noise(1 << 20, seed: 62)

    private static func scene() throws -> Scene {
        var draft = Draft()
        for (name, bytes) in [("a.iso", bytes), ("b.iso", other)] {
            let frame = draft.plain(name, bytes)
            draft.object(bytes, [(draft.chunk(bytes, [(frame, 0, bytes.count)]), 0, bytes.count)])
        }
        return try Scene(draft)
    }

    /// A file of blocks as docs/format.md has it.
    private static func file(_ scene: Scene, _ blocks: [(volume: Int, block: Int)]) throws -> [UInt8] {
        func word(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }
        var file = Array("DRAYBLK1".utf8) + Digest(of: try get(scene.path("release.json"))).bytes
        file += Digest(of: try get(scene.path("index"))).bytes + word(blocks.count) + word(0)
        for (volume, block) in blocks { file += word(volume) + word(block) }
        file += [UInt8](repeating: 0, count: 4096 - file.count)
        for (volume, block) in blocks {
            let source = [bytes, other][volume]
            let slot = source[block << 20..<min((block + 1) << 20, source.count)]
            file += slot + [UInt8](repeating: 0, count: (1 << 20) - slot.count)
        }
        return file
    }

    private static func report(_ scene: Scene, _ media: [FilePath]? = nil) throws -> VerifyReport {
        try scene.verified(media).checkVolumes(threads: 2, progress: Progress())
    }

    @Test func `blocks count as good whose volume is damaged or missing`() throws {
        let scene = try BlocksFileTests.scene()
        for offset in [5, (3 << 20) + 1] { try flip(scene.path("volumes/a.iso"), at: offset) }
        try scene.path("volumes/b.iso").removeFile()
        #expect(try BlocksFileTests.report(scene).failure == .damaged)
        try put(BlocksFileTests.file(scene, [(0, 0), (0, 3), (1, 0)]), scene.path("blocks/001.blocks"))
        let report = try BlocksFileTests.report(scene)
        #expect(report.failure == nil && report.affectedObjects.isEmpty && report.wanted.isEmpty)
        #expect(report.sourced.map(\.blocks) == [3])
        #expect(report.lines.contains("3 blocks were taken from \(scene.path("blocks/001.blocks"))"))
        let bundle = try scene.verified()
        #expect(bundle.missingVolumes.isEmpty)
        let reader = bundle.reader()
        for bytes in [BlocksFileTests.bytes, BlocksFileTests.other] {
            #expect(try reader.bytes(of: Digest(of: bytes), limit: 1 << 30) == bytes)
        }
    }

    @Test func `they are found on another medium, alone and under another name`() throws {
        let scene = try BlocksFileTests.scene()
        try scene.path("volumes/b.iso").removeFile()
        let file = scene.place.appending("stick/anything.bin")
        try put(BlocksFileTests.file(scene, [(1, 0)]), file)
        #expect(try BlocksFileTests.report(scene, [scene.bundle, file]).failure == nil)
        #expect(try BlocksFileTests.report(scene, [scene.bundle, file.removingLastComponent()]).failure == nil)
        #expect(try BlocksFileTests.report(scene).failure == .incomplete)
    }

    private static let faults: [(String, @Sendable (inout [UInt8]) -> Void)] = [
        ("empty", { $0 = [] }),
        ("other first bytes", { $0[0] ^= 1 }),
        ("another release", { $0[8] ^= 1 }),
        ("another index", { $0[40] ^= 1 }),
        ("no block", { $0[72] = 0 }),
        ("more blocks than it may have", { $0[73] = 0x10 }),
        ("a billion blocks", { $0[75] = 0x40 }),
        ("a number where zeros are", { $0[76] = 1 }),
        ("a table that is cut off", { $0 = Array($0.prefix(90)) }),
        ("a volume that doesn't exist", { $0[88] = 7 }),
        ("a block that doesn't exist", { $0[84] = 4 }),
        (
            "a block twice",
            {
                $0[84] = 3; $0[88] = 0; $0[92] = 3
            }
        ),
        (
            "blocks out of order",
            {
                $0[84] = 3; $0[88] = 0; $0[92] = 1
            }
        ),
        ("other bytes", { $0[4096] ^= 1 }),
        ("slots that are cut off", { $0 = Array($0.prefix(4096 + (1 << 20) - 1)) }),
    ]

    @Test(arguments: faults.indices) func `a hostile file of blocks helps nobody and hurts nobody`(_ number: Int) throws
    {
        let scene = try BlocksFileTests.scene()
        try flip(scene.path("volumes/a.iso"), at: 0)
        var file = try BlocksFileTests.file(scene, [(0, 0), (1, 0)])
        BlocksFileTests.faults[number].1(&file)
        try put(file, scene.path("blocks/001.blocks"))
        let report = try BlocksFileTests.report(scene)
        #expect(report.failure == .damaged, "\(BlocksFileTests.faults[number].0)")
        #expect(report.volumes[0].badBlocks == [0] && report.damage.map(\.blocks) == [0..<1])
        #expect(throws: BundleError.self) {
            try scene.verified().reader().bytes(of: Digest(of: BlocksFileTests.bytes), limit: 1 << 30)
        }
    }
}
