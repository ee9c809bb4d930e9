// SPDX-License-Identifier: Apache-2.0

import Compression
import Support
import SystemPackage
import Testing

/// Streams that the `zstd` program makes.
@Suite struct BlockDecoderTests {
    /// Bytes that don't shrink, then bytes that do, then such that don't.
    private static let content = noise(300_000, 1) + [UInt8](repeating: 7, count: 200_000) + noise(500_001, 2)

    private static func noise(_ count: Int, _ seed: UInt64) -> [UInt8] {
        var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        return (0..<count).map { _ in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return UInt8(truncatingIfNeeded: state >> 32)
        }
    }

    private static func compressed(_ content: [UInt8], _ options: String) throws -> [UInt8] {
        let folder = TemporaryFolder()
        try write(content, to: folder.appending("x"))
        let result = try run(["bash", "-c", "zstd -q \(options) -c \(folder.path)/x"], timeout: 60)
        return Array(result.stdout)
    }

    /// Decodes a stream that comes in pieces of `step` bytes.
    private static func decode(_ stream: [UInt8], step: Int) throws -> (bytes: [UInt8], raw: [RawBlock], isWhole: Bool)
    {
        let decoder = BlockDecoder()
        var (bytes, raw): ([UInt8], [RawBlock]) = ([], [])
        var target = [UInt8](repeating: 0, count: 300_000)
        var offset = 0
        while offset < stream.count {
            let piece = Array(stream[offset..<min(offset + step, stream.count)])
            var used = 0
            while used < piece.count {
                var filled = 0
                let rest = Array(piece[used...])
                used += try unsafe target.withUnsafeMutableBytes { memory in
                    try unsafe decoder.decode(rest.span.bytes, into: memory, filled: &filled) { raw.append($0) }
                }
                bytes += target[..<filled]
            }
            offset += piece.count
        }
        return (bytes, raw, decoder.isBetweenFrames)
    }

    @Test(arguments: ["-3", "-3 --no-check", "-19", "-1 --long=24", "-3 -T2"], [1, 3, 1000, 131_072, 1 << 20])
    func `decodes what zstd made and finds what stands in it as it is`(options: String, step: Int) throws {
        let stream = try BlockDecoderTests.compressed(BlockDecoderTests.content, options)
        let found = try BlockDecoderTests.decode(stream, step: step)
        #expect(found.bytes == BlockDecoderTests.content && found.isWhole)
        for block in found.raw {
            let (decoded, stored) = (Int(block.decoded), Int(block.stored))
            #expect(found.bytes[decoded..<decoded + block.length] == stream[stored..<stored + block.length])
        }
        #expect(found.raw.reduce(0) { $0 + $1.length } > 700_000)
    }

    @Test func `goes on through several frames and passes over skippable ones`() throws {
        let first = try BlockDecoderTests.compressed(Array("one ".utf8), "-3")
        let skippable: [UInt8] = [0x53, 0x2A, 0x4D, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5]
        let empty: [UInt8] = [0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0]
        let second = try BlockDecoderTests.compressed(Array("two".utf8), "-3")
        let found = try BlockDecoderTests.decode(first + skippable + empty + second, step: 2)
        #expect(String(decoding: found.bytes, as: UTF8.self) == "one two" && found.isWhole)
    }

    @Test func `says that a stream is cut off, or damaged`() throws {
        let stream = try BlockDecoderTests.compressed(BlockDecoderTests.content, "-3")
        #expect(try !BlockDecoderTests.decode(Array(stream.dropLast()), step: 4096).isWhole)
        var damaged = stream
        damaged[damaged.count - 1] ^= 1
        #expect(throws: BlockError.self) { try BlockDecoderTests.decode(damaged, step: 4096) }
        #expect(throws: BlockError.self) { try BlockDecoderTests.decode(Array("no zstd at all".utf8), step: 4096) }
    }
}
