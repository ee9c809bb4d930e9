// SPDX-License-Identifier: Apache-2.0

import CGear
import Testing

@testable import Splitting

@Suite struct FastCDCTests {
    @Test func `the table follows its public rule`() {
        // hashlib.sha256(b"dray gear v1 %d" % i).digest()[:8], little-endian, for these i.
        let expected: [UInt8: UInt64] = GearVectors.table
        for (index, value) in expected { #expect(dray_gear_entry(index) == value) }
        // XOR and wrapping sum of all 256, from the same script.
        let all = (0..<256).map { dray_gear_entry(UInt8($0)) }
        #expect(all.reduce(0, ^) == GearVectors.xor)
        #expect(all.reduce(0, &+) == GearVectors.sum)
    }

    @Test func `the masks follow their public rule`() {
        let bits = (0..<18).map { UInt64(1) << UInt64(63 - $0 * 48 / 18) }
        #expect(FastCDC.smallMask == bits.reduce(0, |))
        #expect(FastCDC.largeMask == bits.enumerated().filter { $0.offset % 4 != 3 }.map(\.element).reduce(0, |))
        #expect(FastCDC.smallMask.nonzeroBitCount == 18 && FastCDC.largeMask.nonzeroBitCount == 14)
    }

    @Test func `cuts the golden stream where it always did`() {
        #expect(cuts(of: pseudoRandomBytes(8 << 20)) == GearVectors.cuts)
    }

    @Test func `agrees with the rule written plainly`() {
        let bytes = pseudoRandomBytes(1 << 20, seed: 7)
        #expect(cuts(of: bytes) == plainCuts(of: bytes))
    }

    @Test func `keeps every chunk within its bounds`() {
        let rule = FastCDC.standard
        let constant = [UInt8](repeating: 0, count: 1 << 20)
        for bytes in [pseudoRandomBytes(4 << 20, seed: 3), constant] {
            let cuts = cuts(of: bytes)
            let lengths = zip(cuts, [0] + cuts).map { $0 - $1 }
            #expect(cuts.last == bytes.count)
            #expect(lengths.allSatisfy { $0 <= rule.maximum })
            #expect(lengths.dropLast().allSatisfy { $0 > rule.minimum })
        }
    }

    @Test func `averages near 64 KiB`() {
        let mean = (16 << 20) / cuts(of: pseudoRandomBytes(16 << 20, seed: 11)).count
        #expect((56 << 10...88 << 10).contains(mean))
    }

    @Test(arguments: [1, 4096, 100_003]) func `falls into step after an insertion`(of inserted: Int) {
        let bytes = pseudoRandomBytes(4 << 20)
        let shifted = pseudoRandomBytes(inserted, seed: 99) + bytes
        let before = Set(cuts(of: bytes))
        let after = Set(cuts(of: shifted).map { $0 - inserted })
        #expect(before.intersection(after).count >= before.count - 8)
    }

    @Test func `does not depend on how the input is windowed`() {
        let bytes = pseudoRandomBytes(2 << 20, seed: 5)
        #expect(cuts(of: bytes, window: FastCDC.standard.maximum) == cuts(of: bytes, window: 700_001))
    }

    @Test func `asks for more bytes until it can decide`() {
        let bytes = pseudoRandomBytes(FastCDC.standard.maximum)
        let span = unsafe bytes.span.bytes
        #expect(FastCDC.standard.cut(span.extracting(first: FastCDC.standard.maximum - 1), isEnd: false) == nil)
        #expect(FastCDC.standard.cut(span, isEnd: false) != nil)
        #expect(FastCDC.standard.cut(span.extracting(first: 10), isEnd: true) == 10)
        #expect(FastCDC.standard.cut(span.extracting(first: 0), isEnd: true) == nil)
    }
}

/// The ends of all chunks, seeing at most `window` bytes at a time.
private func cuts(of bytes: [UInt8], window: Int = 1 << 20) -> [Int] {
    var cuts: [Int] = []
    var start = 0
    while start < bytes.count {
        let end = min(bytes.count, start + window)
        let span = unsafe bytes.span.bytes.extracting(start..<end)
        guard let length = FastCDC.standard.cut(span, isEnd: end == bytes.count) else { break }
        start += length
        cuts.append(start)
    }
    return cuts
}

/// The paper's algorithm 1, one byte a turn.
private func plainCuts(of bytes: [UInt8]) -> [Int] {
    let table = (0..<256).map { dray_gear_entry(UInt8($0)) }
    var cuts: [Int] = []
    var (start, length, hash): (Int, Int, UInt64) = (0, 0, 0)
    for (index, byte) in bytes.enumerated() {
        length += 1
        guard length > 16 << 10 else { continue }
        hash = hash << 1 &+ table[Int(byte)]
        let mask = length <= 64 << 10 ? FastCDC.smallMask : FastCDC.largeMask
        guard hash & mask == 0 || length == 256 << 10 else { continue }
        start = index + 1
        cuts.append(start)
        (length, hash) = (0, 0)
    }
    return start == bytes.count ? cuts : cuts + [bytes.count]
}

/// SplitMix64, little-endian (Steele, Lea and Flood, OOPSLA '14).
func pseudoRandomBytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 8)
    while bytes.count < count {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        value ^= value >> 31
        for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }
    bytes.removeLast(bytes.count - count)
    return bytes
}
