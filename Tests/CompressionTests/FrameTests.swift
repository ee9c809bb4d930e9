// SPDX-License-Identifier: Apache-2.0

import Compression
import Support
import SystemPackage
import Testing

struct FrameTests {
    private func bytes(_ span: RawSpan) -> [UInt8] { unsafe span.withUnsafeBytes { unsafe Array($0) } }

    private func raw(_ content: [UInt8]) -> [UInt8] {
        var frame: [UInt8] = []
        RawFrame.write(unsafe content.span.bytes) { frame += bytes($0) }
        return frame
    }

    private func decode(_ frame: [UInt8], length: Int) throws -> [UInt8] {
        var out = [UInt8](repeating: 0, count: length)
        try unsafe out.withUnsafeMutableBytes { try unsafe FrameDecoder().decode(frame.span.bytes, into: $0) }
        return out
    }

    @Test func `the raw frame of the specification's example`() {
        let expected: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0xA0, 2, 0, 0, 0, 0x11, 0, 0, 0x68, 0x69]
        #expect(raw([0x68, 0x69]) == expected)
    }

    @Test(arguments: [1, 2, 131_071, 131_072, 131_073, 262_144, 1_000_000, 4 << 20])
    func `zstd opens a raw frame of any size`(size: Int) throws {
        let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 11) }
        let frame = raw(content)
        #expect(frame.count == RawFrame.size(of: size))
        let folder = TemporaryFolder()
        try write(frame, to: folder.appending("x.zst"))
        #expect(try run(["zstd", "-q", "-dc", folder.appending("x.zst").string]).stdout == content)
        #expect(try decode(frame, length: size) == content)
    }

    @Test(arguments: [1, 131_072, 131_073, 700_000]) func `content is found inside a raw frame, and only inside one`(
        size: Int
    ) {
        let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 40_503 >> 7) }
        let frame = raw(content)
        var found: [UInt8] = []
        while found.count < size {
            guard let range = RawFrame.range(of: found.count, in: unsafe frame.span.bytes, length: size) else { break }
            found += frame[range]
        }
        #expect(found == content)
        let half = RawFrame.range(of: size / 2, in: unsafe frame.span.bytes, length: size)
        #expect(half.map { frame[$0.lowerBound] } == content[size / 2])
        #expect(RawFrame.range(of: size, in: unsafe frame.span.bytes, length: size) == nil)
        for index in [0, 4, 5, 8, 9, 11] {
            var bad = frame
            bad[index] ^= 2
            #expect(RawFrame.range(of: 0, in: unsafe bad.span.bytes, length: size) == nil)
        }
    }

    @Test func `what shrinks is compressed, what does not is not`() throws {
        let encoder = FrameEncoder()
        let text = Array(String(repeating: "the same words again and again ", count: 20_000).utf8)
        var frame: [UInt8] = []
        #expect(try encoder.compress(unsafe text.span.bytes) { frame = bytes($0) })
        #expect(frame.count < text.count / 20)
        #expect(try decode(frame, length: text.count) == text)
        var generator = SystemRandomNumberGenerator()
        let noise = (0..<500_000).map { _ in UInt8.random(in: 0...255, using: &generator) }
        #expect(try !encoder.compress(unsafe noise.span.bytes) { _ in Issue.record("noise was compressed") })
    }

    @Test func `a frame of noise with text somewhere is compressed`() throws {
        var generator = SystemRandomNumberGenerator()
        var mixed = (0..<800_000).map { _ in UInt8.random(in: 0...255, using: &generator) }
        for index in 500_000..<700_000 { mixed[index] = 65 }
        #expect(try FrameEncoder().compress(unsafe mixed.span.bytes) { _ in })
    }

    @Test func `equal content gives equal frames`() throws {
        let text = Array(String(repeating: "abcdefghij", count: 9999).utf8)
        var frames: [[UInt8]] = []
        for _ in 0..<2 { _ = try FrameEncoder(level: 5).compress(unsafe text.span.bytes) { frames.append(bytes($0)) } }
        #expect(frames.count == 2 && frames[0] == frames[1])
    }

    @Test func `another length than the signed one is refused, before or after decoding`() throws {
        let frame = raw([1, 2, 3])
        #expect(throws: FrameError.wrongLength(expected: 2)) { try decode(frame, length: 2) }
        #expect(throws: FrameError.wrongLength(expected: 4)) { try decode(frame, length: 4) }
        var lying = frame
        lying[5] = 4
        #expect(throws: FrameError.self) { try decode(lying, length: 4) }
    }

    @Test func `only one whole frame is taken`() throws {
        let frame = raw([1, 2, 3])
        #expect(throws: FrameError.notOneFrame) { try decode(frame + [0], length: 3) }
        #expect(throws: FrameError.notOneFrame) { try decode(frame + frame, length: 3) }
        #expect(throws: FrameError.notOneFrame) { try decode(frame.dropLast(), length: 3) }
        let skippable: [UInt8] = [0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3]
        #expect(throws: FrameError.self) { try decode(skippable, length: 3) }
        #expect(throws: FrameError.self) { try decode([], length: 0) }
    }

    @Test func `a frame that says two gigabytes takes no memory for them`() {
        // magic, single segment with 8-byte content size 2^31, one raw block of 1 byte
        let bomb: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0xE0, 0, 0, 0, 0x80, 0, 0, 0, 0, 9, 0, 0, 1]
        #expect(throws: FrameError.wrongLength(expected: 10)) { try decode(bomb, length: 10) }
    }

    @Test func `a flipped bit in a compressed frame never gives the right length of wrong bytes unnoticed`() throws {
        let text = Array(String(repeating: "0123456789 all work and no play ", count: 300).utf8)
        var frame: [UInt8] = []
        _ = try FrameEncoder().compress(unsafe text.span.bytes) { frame = bytes($0) }
        for index in stride(from: 4, to: frame.count, by: 3) {
            var bad = frame
            bad[index] ^= 0x10
            // it may decode to other bytes (digests tell), but never beyond its length, and never crash
            let result = try? decode(bad, length: text.count)
            #expect(result == nil || result?.count == text.count)
        }
    }
}
