// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Testing

/// A change to good tables that breaks one rule of docs/format.md, "Index".
struct Breach: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let expected: IndexError
    let change: @Sendable (inout IndexTables) -> Void

    init(_ name: String, _ expected: IndexError, _ change: @escaping @Sendable (inout IndexTables) -> Void) {
        (testDescription, self.expected, self.change) = (name, expected, change)
    }

    static let all: [Breach] = [
        Breach("a name with a slash", .invalid("a volume's name", at: 0)) { $0.volumes[0].name = "a/b" },
        Breach("a name with a dot first", .invalid("a volume's name", at: 0)) { $0.volumes[0].name = ".a" },
        Breach("a name with a dot last", .invalid("a volume's name", at: 0)) { $0.volumes[0].name = "a." },
        Breach("a name with a space last", .invalid("a volume's name", at: 0)) { $0.volumes[0].name = "a " },
        Breach("a name beyond ASCII", .invalid("a volume's name", at: 0)) { $0.volumes[0].name = "\u{e9}" },
        Breach("an empty name", .invalid("a volume's name", at: 1)) { $0.volumes[1].name = "" },
        Breach("a long name", .invalid("a volume's name", at: 0)) {
            $0.volumes[0].name = String(repeating: "a", count: 201)
        },
        Breach("a name twice", .invalid("a volume's name", at: 1)) { $0.volumes[1].name = $0.volumes[0].name },
        Breach("a block too many", .malformed("not one digest for each block")) {
            $0.blocks[0].append($0.blocks[0][0])
        },
        Breach("a block too few", .malformed("not one digest for each block")) { $0.blocks[0].removeLast() },
        Breach("a huge volume", .invalid("a volume's record", at: 0)) { $0.volumes[0].length = 1 << 60 },
        Breach("a gap before the first frame", .invalid("a frame's place or length", at: 0)) {
            $0.frames[0].offset = 1
        },
        Breach("frames that overlap", .invalid("a frame's place or length", at: 1)) { $0.frames[1].offset -= 1 },
        Breach("a frame of no bytes", .invalid("a frame's place or length", at: 1)) { $0.frames[1].rawLength = 0 },
        Breach("a frame of no stored bytes", .invalid("a frame's place or length", at: 0)) {
            $0.frames[0].storedLength = 0
        },
        Breach("a frame above 4 MiB", .invalid("a frame's place or length", at: 0)) {
            $0.frames[0].rawLength = UInt32(maximumFrameLength) + 1
        },
        Breach("frames that end early", .invalid("the frames of a volume do not cover it", at: 0)) {
            $0.frames[1].storedLength -= 1
        },
        Breach("a raw frame in an archive", .invalid("a frame's place or length", at: 0)) {
            $0.frames[0].encoding = .raw
        },
        Breach("a zstd frame in a plain volume", .invalid("a frame's place or length", at: 2)) {
            $0.frames[2].encoding = .zstd
        },
        Breach("a second frame in a plain volume", .invalid("a frame's place or length", at: 3)) {
            $0.frames.append($0.frames[2])
        },
        Breach("a plain volume without a frame", .invalid("the frames of a volume do not cover it", at: 1)) {
            $0.frames.removeLast()
        },
        Breach("a frame of no volume", .invalid("a frame of no volume", at: 3)) {
            $0.frames.append(Frame(volume: 9, encoding: .zstd, offset: 0, storedLength: 1, rawLength: 1))
        },
        Breach("frames out of order", .invalid("the frames of a volume do not cover it", at: 0)) {
            $0.frames.swapAt(0, 2)
        },
        Breach("a part of no frame", .invalid("a part outside its volume", at: 0)) { $0.parts[0].frame = 3 },
        Breach("a part beyond its frame", .invalid("a part outside its volume", at: 0)) { $0.parts[0].offset = 1000 },
        Breach("a part beyond its volume", .invalid("a part outside its volume", at: 0)) { $0.parts[0].length = 1501 },
        Breach("a part of overflowing length", .invalid("a part outside its volume", at: 0)) {
            $0.parts[0].length = .max
        },
        Breach("a part of no bytes", .invalid("a part outside its volume", at: 0)) { $0.parts[0].length = 0 },
        Breach("parts that don't sum up", .invalid("a chunk's length", at: 0)) { $0.chunks[0].length += 1 },
        Breach("a gap between parts", .invalid("a chunk's parts", at: 1)) { $0.chunks[1].firstPart += 1 },
        Breach("more parts than there are", .invalid("a chunk's parts", at: 1)) { $0.chunks[1].partCount += 1 },
        Breach("parts of no chunk", .malformed("parts of no chunk")) { $0.parts.append($0.parts[0]) },
        Breach("a segment of no chunk", .invalid("a segment outside its chunk", at: 1)) { $0.segments[1].chunk = 2 },
        Breach("a segment beyond its chunk", .invalid("a segment outside its chunk", at: 0)) {
            $0.segments[0].offset = 1
        },
        Breach("a segment of overflowing place", .invalid("a segment outside its chunk", at: 0)) {
            $0.segments[0].offset = .max
        },
        Breach("a segment of no bytes", .invalid("a segment outside its chunk", at: 0)) { $0.segments[0].length = 0 },
        Breach("segments that don't sum up", .invalid("an object's size", at: 0)) { $0.objects[0].size -= 1 },
        Breach("an object twice", .invalid("the objects' order", at: 1)) {
            $0.objects[1].digest = $0.objects[0].digest
        },
    ]
}

@Suite struct IndexTests {
    /// An archive volume of two frames and a plain one; two chunks, an object each.
    private static func tables() -> IndexTables {
        var tables = IndexTables()
        let digest = Digest(of: [UInt8]())
        tables.volumes = [
            Volume(name: "a.001.tar.zst", kind: .archive, length: 900, digest: digest),
            Volume(name: "b.iso", kind: .plain, length: 2_000_000, digest: digest),
        ]
        tables.blocks = [[digest.bytes], [digest.bytes, digest.bytes]]
        tables.frames = [
            Frame(volume: 0, encoding: .zstd, offset: 0, storedLength: 500, rawLength: 1000),
            Frame(volume: 0, encoding: .zstd, offset: 500, storedLength: 400, rawLength: 600),
            Frame(volume: 1, encoding: .raw, offset: 0, storedLength: 0, rawLength: 0),
        ]
        tables.parts = [Part(frame: 0, offset: 100, length: 1200), Part(frame: 2, offset: 0, length: 2_000_000)]
        tables.chunks = [
            Chunk(digest: digest, length: 1200, firstPart: 0, partCount: 1),
            Chunk(digest: digest, length: 2_000_000, firstPart: 1, partCount: 1),
        ]
        tables.segments = [
            Segment(chunk: 0, offset: 0, length: 1200), Segment(chunk: 1, offset: 1_999_999, length: 1),
        ]
        // bytewise order of these digests is that of the numbers
        tables.objects = [
            Object(digest: number(1), size: 1200, firstSegment: 0, segmentCount: 1),
            Object(digest: number(2), size: 1, firstSegment: 1, segmentCount: 1),
        ]
        return tables
    }

    private static func number(_ value: UInt64) -> Digest { Digest(bigEndianWords: [value, 0, 0, 0]) }

    @Test func `reads back what was written`() throws {
        let tables = IndexTests.tables()
        let index = try BundleIndex(parsing: tables.encoded(splitter: "none-v1"))
        #expect(index.volumes == tables.volumes && index.splitter == "none-v1")
        #expect((0..<3).map { index.frame($0) } == tables.frames)
        #expect((0..<2).map { index.part($0) } == tables.parts)
        #expect((0..<2).map { index.chunk($0) } == tables.chunks)
        #expect((0..<2).map { index.object($0) } == tables.objects)
        #expect(index.segments(of: index.object(1)) == [tables.segments[1]])
        #expect(index.parts(of: index.chunk(1)) == [tables.parts[1]])
        #expect(index.frameRanges == [0..<2, 2..<3])
        #expect(index.blockDigest(volume: 1, block: 1).bytes == tables.blocks[1][1])
        #expect(index.object(IndexTests.number(2)) == tables.objects[1])
        #expect(index.object(IndexTests.number(3)) == nil)
    }

    @Test(arguments: Breach.all) func `refuses`(_ breach: Breach) throws {
        var tables = IndexTests.tables()
        breach.change(&tables)
        let bytes = tables.encoded(splitter: "none-v1")
        #expect(throws: breach.expected) { try BundleIndex(parsing: bytes) }
    }

    @Test(
        arguments: [
            (88, 0, IndexError.invalid("an object's segments", at: 1)),
            (88, 2, .invalid("an object's segments", at: 1)),
            (92, 2, .invalid("an object's segments", at: 1)), (44, 0, .invalid("an object's size", at: 0)),
            (92, 0, .invalid("an object's size", at: 1)),
        ] as [(Int, UInt8, IndexError)]) func `refuses objects whose segments overlap, leave gaps or are not there`(
            _ offset: Int, _ value: UInt8, _ expected: IndexError
        ) throws
    {
        var bytes = IndexTests.tables().encoded(splitter: "x")
        bytes[bytes.count - 2 * 20 - 2 * 48 + offset] = value
        #expect(throws: expected) { try BundleIndex(parsing: bytes) }
    }

    @Test func `refuses segments of no object`() throws {
        var tables = IndexTests.tables()
        tables.objects = []
        var bytes = tables.encoded(splitter: "x")
        bytes[28] = 1
        #expect(throws: IndexError.malformed("segments of no object")) {
            try BundleIndex(parsing: bytes + [0, 0, 0, 0] + [UInt8](repeating: 0, count: 16))
        }
    }

    @Test func `refuses a file that is cut off, too long or of another kind at every length`() throws {
        let bytes = IndexTests.tables().encoded(splitter: "x")
        for length in 0..<bytes.count {
            #expect(throws: IndexError.self) { try BundleIndex(parsing: Array(bytes[..<length])) }
        }
        #expect(throws: IndexError.self) { try BundleIndex(parsing: bytes + [0]) }
        for offset in 8..<48 where offset % 4 == 3 {
            var changed = bytes
            changed[offset] = 0x7f
            #expect(throws: IndexError.self) { try BundleIndex(parsing: changed) }
        }
    }

    @Test(arguments: ["\u{e9}", "a\nb", String(repeating: "a", count: 101)])
    func `refuses a splitter's name that is long or no printable ASCII`(name: String) throws {
        #expect(throws: IndexError.malformed("the splitter's name")) {
            try BundleIndex(parsing: IndexTests.tables().encoded(splitter: name))
        }
    }

    /// The tables with two chunks more that the bundle leaves out.
    private static func delta() -> IndexTables {
        var tables = IndexTests.tables()
        tables.chunks += [
            Chunk(digest: number(7), length: 100, firstPart: 2, partCount: 0),
            Chunk(digest: number(8), length: 50, firstPart: 2, partCount: 0),
        ]
        tables.externals = [
            External(chunk: 2, place: 1, object: number(7), offset: 0),
            External(chunk: 2, place: External.file, object: number(9), offset: 4096),
            External(chunk: 3, place: 0, object: number(10), offset: 5),
        ]
        return tables
    }

    @Test func `tells of each chunk that is left out where it may be`() throws {
        let tables = IndexTests.delta()
        let index = try BundleIndex(parsing: tables.encoded(splitter: "x"))
        #expect(index.isDelta && index.repositoryCount == 2)
        let expected = [[], [], Array(tables.externals[..<2]), [tables.externals[2]]]
        #expect((0..<4).map { index.externals(of: $0) } == expected)
        #expect(try !BundleIndex(parsing: IndexTests.tables().encoded(splitter: "x")).isDelta)
    }

    static let externalBreaches: [Breach] = [
        Breach("a chunk that is nowhere", .invalid("a chunk's length", at: 3)) { $0.externals.removeLast() },
        Breach("a stored chunk that is left out too", .invalid("an external's chunk or offset", at: 0)) {
            $0.externals[0].chunk = 1
        },
        Breach("an external of no chunk", .invalid("an external's chunk", at: 2)) {
            $0.externals[2].chunk = 4
            $0.chunks.removeLast()
        },
        Breach("externals out of order", .invalid("a chunk's length", at: 2)) { $0.externals.swapAt(1, 2) },
        Breach("an external beyond any file", .invalid("an external's chunk or offset", at: 1)) {
            $0.externals[1].offset = 1 << 56
        },
    ]

    @Test(arguments: externalBreaches) func `refuses in a delta`(_ breach: Breach) throws {
        var tables = IndexTests.delta()
        breach.change(&tables)
        let bytes = tables.encoded(splitter: "x")
        #expect(throws: IndexError.self) { try BundleIndex(parsing: bytes) }
        #expect(breach.expected.failure == .damaged)
    }

    @Test func `reads the empty index of the specification`() throws {
        let bytes = Array("DRAYIDX1".utf8) + [UInt8](repeating: 0, count: 48)
        let index = try BundleIndex(parsing: bytes)
        #expect(index.volumes.isEmpty && index.chunkCount == 0 && index.objectCount == 0 && index.splitter == "")
        #expect(IndexTables().encoded(splitter: "") == bytes)
    }

    @Test func `finds each of 50,000 objects among as many chunks`() throws {
        let count = 50_000
        var tables = IndexTables()
        tables.volumes = [Volume(name: "a", kind: .plain, length: UInt64(count) * 7, digest: IndexTests.number(0))]
        tables.blocks = [[[UInt8](repeating: 0, count: 32)]]
        tables.frames = [Frame(volume: 0, encoding: .raw, offset: 0, storedLength: 0, rawLength: 0)]
        for number in 0..<count {
            let digest = Digest(bigEndianWords: [UInt64(number) &* 0x9E37_79B9_7F4A_7C15, 0, 0, 0])
            tables.chunks.append(Chunk(digest: digest, length: 7, firstPart: UInt32(number), partCount: 1))
            tables.parts.append(Part(frame: 0, offset: UInt32(number * 7), length: 7))
            tables.segments.append(Segment(chunk: UInt32(number), offset: 0, length: 7))
            tables.objects.append(
                Object(digest: digest, size: 7, firstSegment: UInt32(number), segmentCount: 1))
        }
        let index = try BundleIndex(parsing: tables.encoded(splitter: "x"))
        #expect(index.chunkCount == count && index.objectCount == count)
        for number in stride(from: 0, to: count, by: 7) {
            let object = try #require(index.object(tables.objects[number].digest))
            #expect(index.segments(of: object) == [tables.segments[number]])
        }
    }
}
