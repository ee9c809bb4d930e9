// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cryptography
import Files
import OCI
import Support
import SystemPackage
import Testing

@testable import Parity

@Suite struct HostileTests {
    private static let lengths = [3 << 20, 3 << 20, 2 << 20, 2 << 20, 100]

    private func made() throws -> (fixture: Fixture, file: FilePath, bytes: [UInt8], headerLength: Int) {
        let fixture = try Fixture(lengths: HostileTests.lengths)
        try fixture.encode(.lanes(1))
        let file = try #require(try fixture.parityFiles().first)
        let bytes = try fixture.bytes(file)
        return (fixture, file, bytes, Int(bytes.integer(at: 8, as: UInt32.self)))
    }

    /// The file with a header that was edited and hashed again, at both ends.
    private func rehashed(_ bytes: [UInt8], _ length: Int, _ edit: (inout [UInt8]) -> Void) -> [UInt8] {
        var header = Array(bytes[0..<length])
        edit(&header)
        header.replaceSubrange((header.count - 32)..., with: Hasher.hash(Array(header.dropLast(32))))
        return header + bytes[length..<bytes.count - length] + header
    }

    @Test func `each field that says something else is refused`() throws {
        let (fixture, file, bytes, length) = try made()
        let fields: [(Int, Int)] = [
            (0, 8), (8, 4), (12, 4), (16, 4), (20, 4), (24, 4), (28, 4), (32, 8), (40, 4), (44, 4), (48, 32), (80, 32),
        ]
        var all = fields + [(length - 36, 4), (length - 37, 1)]
        for lane in stride(from: 112, to: 112 + 16 * 5, by: 16) { all += [(lane, 4), (lane + 4, 4), (lane + 8, 8)] }
        for (offset, size) in all {
            let values: [UInt64] = [0, 1, 2, 255, 256, 4096, 0x7FFF_FFFF, 0xFFFF_FFFF, 1 << 40, 1 << 63, .max]
            for value in values {
                let new = (0..<size).map { place -> UInt8 in UInt8(truncatingIfNeeded: value >> UInt64(8 * (place % 8)))
                }
                // one of two parity lanes has the same bytes as the first of one
                guard new != Array(bytes[offset..<offset + size]), offset != 12 || value != 2 else { continue }
                let edited = rehashed(bytes, length) { $0.replaceSubrange(offset..<offset + size, with: new) }
                try OpenFile.writing(file).write(edited, at: 0)
                let set = try ParitySet(fixture.volumes)
                #expect(set == nil, "\(size) bytes at \(offset) say \(value)")
            }
        }
    }

    @Test func `files of any length are refused or used, never trusted`() throws {
        let (fixture, file, bytes, length) = try made()
        for size in [0, 1, 8, 111, 112, 147, 148, length - 1, length, length + 1, bytes.count - 1, bytes.count + 7] {
            try file.removeFile()
            try OpenFile.creating(file).write(Array((bytes + [UInt8](repeating: 0, count: 7)).prefix(size)), at: 0)
            let set = try ParitySet(fixture.volumes)
            #expect((set == nil) == (size < length), "\(size)")
            #expect(set?.files.first?.isMarred ?? true)
        }
    }

    @Test func `a whole header at one end is enough`() throws {
        let (fixture, file, bytes, length) = try made()
        for start in [0, bytes.count - length] {
            try OpenFile.writing(file).write(bytes, at: 0)
            try OpenFile.writing(file).write([UInt8](repeating: 0xEE, count: length), at: UInt64(start))
            let set = try #require(try ParitySet(fixture.volumes))
            #expect(set.files.count == 1 && set.files[0].isMarred)
            _ = try fixture.repair()
            #expect(try fixture.bytes(file) == bytes)
        }
    }

    @Test func `parity of another bundle is not used, nor mixed in`() throws {
        let (fixture, file, _, _) = try made()
        let other = try Fixture(lengths: HostileTests.lengths, seed: 9)
        let binding = ParityBinding(release: Digest(of: [9]), index: Digest(of: [8]))
        try other.encode(.lanes(1), binding: binding)
        let foreign = fixture.folder.appending("parity/other.001.p01")
        #expect(try run(["cp", try other.parityFiles()[0].string, foreign.string]).status == 0)
        let set = try #require(try ParitySet(fixture.volumes))
        #expect(set.files.map(\.path) == [file] && set.unusable.map(\.path) == [foreign])
        try file.removeFile()
        #expect(try ParitySet(fixture.volumes) == nil)
        try fixture.path(0).removeFile()
        let outcome = try fixture.repair()
        #expect(outcome.lost.keys.sorted() == [0] && outcome.rebuilt.isEmpty)
    }

    @Test func `links, folders and much else below parity are passed over`() throws {
        let (fixture, file, _, _) = try made()
        for command in [
            ["mkdir", "a.folder"], ["ln", "-s", "/etc/passwd", "a.link"], ["ln", "-s", file.string, "b.link"],
            ["mkfifo", "c.pipe"], ["truncate", "-s", "5T", "d.huge"],
        ] {
            let words = command.dropLast() + ["\(fixture.folder)/parity/\(command.last ?? "")"]
            #expect(try run(Array(words)).status == 0)
        }
        let set = try #require(try ParitySet(fixture.volumes))
        #expect(set.files.map(\.path) == [file] && set.unusable.count == 5)
    }

    /// A file whose blocks have the digests of its header, and are wrong all the same.
    @Test func `a lying parity file gives nothing away`() throws {
        let fixture = try Fixture(lengths: [Int](repeating: 2 << 20, count: 6))
        try fixture.encode(.lanes(2))
        let file = try fixture.parityFiles()[0]
        var bytes = try fixture.bytes(file)
        let length = Int(bytes.integer(at: 8, as: UInt32.self))
        bytes[length + 12345] ^= 1
        let digest = Hasher.hash(Array(bytes[length..<length + 1 << 20]))
        let table = 112 + 16 * 6
        bytes = rehashed(bytes, length) { $0.replaceSubrange(table..<table + 32, with: digest) }
        try OpenFile.writing(file).write(bytes, at: 0)
        // one lost: the other parity file is enough
        try fixture.overwrite(fixture.path(3), at: 77)
        #expect(try fixture.repair().lost.isEmpty)
        #expect(try fixture.bytes(fixture.path(3)) == fixture.contents[3])
        // two lost: nothing can be had, and nothing wrong is written
        try fixture.overwrite(fixture.path(3), at: 77)
        try fixture.overwrite(fixture.path(4), at: 78)
        let before = try fixture.snapshot()
        #expect(try fixture.repair().lost == [3: [0], 4: [0]])
        #expect(try fixture.snapshot() == before)
    }

    @Test func `many shapes are not all computed`() throws {
        let fixture = try Fixture(lengths: [Int](repeating: 1 << 20, count: 40))
        let parity = fixture.folder.appending("parity")
        try parity.createDirectories()
        for number in 0..<200 {
            let shape = ParityShape(runLength: 1, laneSets: 1 + number % 40, parity: 1 + number / 40)
            let layout = try #require(ParityLayout(shape, blockCounts: [Int](repeating: 1, count: 40)))
            let digests = [Digest(of: [0])]
            let header = ParityHeader.encoded(
                layout, Fixture.binding, group: layout.groups[0], lane: 0, digests: digests)
            try OpenFile.creating(parity.appending("f\(number)")).write(header, at: 0)
        }
        let set = try #require(try ParitySet(fixture.volumes))
        #expect(set.files.count == 1 && set.unusable.count == 199)
    }
}
