// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cryptography
import Files
import OCI
import SystemPackage
import Testing

@testable import Parity

@Suite struct EncodingTests {
    static let lengths = [2 << 20, (1 << 20) + 77, 3 << 20, 5, 1 << 20, (2 << 20) - 1]

    @Test func `files are what docs format md says, byte by byte`() throws {
        let fixture = try Fixture(lengths: [3 << 20, 3 << 20, (2 << 20) + 100, 2 << 20, 1 << 20])
        let result = try fixture.encode(.lanes(1))
        let files = try fixture.parityFiles()
        #expect(files == [fixture.folder.appending("parity/made.001.p01")] && result.made == files)
        let bytes = try fixture.bytes(files[0])
        let (lanes, stripes) = (5, 3)
        let length = (112 + 16 * lanes + 32 * stripes + 36 + 4095) / 4096 * 4096
        #expect(bytes.count == 2 * length + stripes << 20 && result.bytes == UInt64(bytes.count))
        let number = { (offset: Int) in (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) } }
        #expect(Array(bytes[0..<8]) == Array("DRAYPAR1".utf8))
        #expect([8, 12, 16, 20, 24, 28, 32, 36, 40, 44].map(number) == [length, 1, 0, 0, 1, 1, 3, 0, lanes, stripes])
        #expect(Array(bytes[48..<112]) == Fixture.binding.release.bytes + Fixture.binding.index.bytes)
        // longest first; then in the order of the index
        let order = [(0, 3), (1, 3), (2, 3), (3, 2), (4, 1)]
        for (place, lane) in order.enumerated() {
            #expect([0, 4, 8, 12].map { number(112 + 16 * place + $0) } == [lane.0, lane.1, 0, 0])
        }
        let header = Array(bytes[0..<length])
        #expect(
            number(length - 36) == length && Array(header[(length - 32)...]) == Hasher.hash(Array(header.dropLast(32))))
        #expect(Array(bytes[(length + stripes << 20)...]) == header)
        for stripe in 0..<stripes {
            let block = Array(bytes[length + stripe << 20..<length + (stripe + 1) << 20])
            let start = 112 + 16 * lanes + 32 * stripe
            #expect(Array(bytes[start..<start + 32]) == Hasher.hash(block))
            for byte in stride(from: 0, to: 1 << 20, by: 4999) {
                let sum = order.enumerated().reduce(UInt8(0)) { sum, lane in
                    let content = fixture.contents[lane.element.0]
                    let place = stripe << 20 + byte
                    guard place < content.count else { return sum }
                    return sum ^ Field.multiply(Field.inverse(UInt8(lanes) ^ UInt8(lane.offset)), content[place])
                }
                #expect(block[byte] == sum)
            }
        }
    }

    @Test func `a second run finds all complete and touches nothing`() throws {
        let fixture = try Fixture(lengths: EncodingTests.lengths)
        let first = try fixture.encode(.percent(40))
        let before = try fixture.parityFiles().map { try $0.statusIfPresent()?.modified }
        let second = try fixture.encode(nil)
        #expect(second.made.isEmpty && second.fileCount == first.fileCount && second.bytesRead == 0)
        #expect(try fixture.parityFiles().map { try $0.statusIfPresent()?.modified } == before)
    }

    @Test func `a missing parity file is made again, the same`() throws {
        let fixture = try Fixture(lengths: EncodingTests.lengths)
        try fixture.encode(.lanes(2))
        let files = try fixture.parityFiles()
        let before = try files.map(fixture.bytes)
        try files[1].removeFile()
        #expect(try fixture.encode(nil).made == [files[1]])
        #expect(try files.map(fixture.bytes) == before)
    }

    @Test func `parity of another amount is not replaced`() throws {
        let fixture = try Fixture(lengths: EncodingTests.lengths)
        try fixture.encode(.lanes(2))
        let error = #expect(throws: ParityError.self) { try fixture.encode(.lanes(1)) }
        #expect(error?.failure == .refused)
    }

    @Test func `a damaged block is never encoded, and named`() throws {
        let fixture = try Fixture(lengths: EncodingTests.lengths)
        try fixture.overwrite(fixture.path(2), at: 1 << 20 + 50)
        let error = #expect(throws: BundleError.self) { try fixture.encode(.lanes(1)) }
        #expect(
            error == .blockDamaged(fixture.path(2), block: 1, bytes: 1 << 20..<2 << 20) && error?.failure == .damaged)
        #expect(try fixture.parityFiles().isEmpty)
        try fixture.path(2).removeFile()
        #expect(throws: BundleError.volumeMissing(Fixture.name(2))) { try fixture.encode(.lanes(1)) }
    }

    /// A run that ends at a damaged block leaves the work before it, as one that is killed does.
    @Test func `a stopped run goes on with what was recorded`() throws {
        let lengths = [Int](repeating: 40 << 20, count: 4)
        let (whole, stopped) = (try Fixture(lengths: lengths), try Fixture(lengths: lengths))
        try whole.encode(.lanes(1))
        try stopped.overwrite(stopped.path(3), at: 39 << 20)
        #expect(throws: BundleError.self) { try stopped.encode(.lanes(1)) }
        try stopped.overwrite(stopped.path(3), at: 39 << 20, with: Array(stopped.contents[3][39 << 20..<39 << 20 + 3]))
        let result = try stopped.encode(.lanes(1))
        #expect(result.bytesRead < 64 << 20, "\(result.bytesRead) of \(4 * 40 << 20) bytes were read again")
        #expect(try stopped.parityFiles().map(stopped.bytes) == whole.parityFiles().map(whole.bytes))
        #expect(try stopped.folder.appending("parity").entries().count == 1)
    }

    @Test func `what a stopped run left is taken only where its digest says so`() throws {
        let lengths = [Int](repeating: 40 << 20, count: 4)
        let fixture = try Fixture(lengths: lengths)
        try fixture.overwrite(fixture.path(3), at: 39 << 20)
        #expect(throws: BundleError.self) { try fixture.encode(.lanes(1)) }
        let partial = fixture.folder.appending("parity/.made.001.p01.partial")
        // a power cut that lost a block which the record speaks of
        try fixture.overwrite(partial, at: 4096 + 3 << 20, with: [UInt8](repeating: 0, count: 1 << 20))
        try fixture.overwrite(fixture.path(3), at: 39 << 20, with: Array(fixture.contents[3][39 << 20..<39 << 20 + 3]))
        try fixture.encode(.lanes(1))
        let set = try #require(try ParitySet(fixture.volumes))
        #expect(try set.checked(threads: 2, progress: Progress()).files.allSatisfy { $0.badStripes.isEmpty })
        try fixture.path(0).removeFile()
        let outcome = try fixture.repair()
        #expect(outcome.lost.isEmpty && outcome.rebuilt == [fixture.path(0)])
        #expect(try fixture.bytes(fixture.path(0)) == fixture.contents[0])
    }

    @Test func `two at a time are refused`() throws {
        let fixture = try Fixture(lengths: EncodingTests.lengths)
        try fixture.folder.appending("parity").createDirectories()
        let held = try OpenFile.writing(fixture.folder.appending("parity/.made.001.p01.partial"))
        #expect(try held.lock())
        let error = #expect(throws: ParityError.self) { try fixture.encode(.lanes(1)) }
        #expect(error?.failure == .failed)
        withExtendedLifetime(held.path) {}
    }
}

/// The field of the format, written without tables.
enum Field {
    static func multiply(_ one: UInt8, _ other: UInt8) -> UInt8 {
        var (product, one, other) = (UInt8(0), one, other)
        while other > 0 {
            if other & 1 == 1 { product ^= one }
            one = one & 0x80 == 0 ? one << 1 : one << 1 ^ 0x1D
            other >>= 1
        }
        return product
    }

    /// By trying all; 0 has none.
    static func inverse(_ value: UInt8) -> UInt8 { (1...255).first { multiply($0, value) == 1 } ?? 0 }
}
