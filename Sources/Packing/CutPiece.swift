// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Dispatch
internal import Files
internal import OCI
internal import Splitting
internal import Synchronization

/// Finds the cuts of a stretch of a file, buffer after buffer; a border always cuts.
struct PieceCutter {
    private let borders: [UInt64]
    private var nextBorder = 0
    private var position: UInt64
    private let end: UInt64

    /// `borders` ascend; those outside the stretch don't matter.
    init(borders: [UInt64], start: UInt64, end: UInt64) {
        (self.borders, self.position, self.end) = (borders, start, end)
    }

    /// The ranges of `buffer` that are chunks, and the rest that belongs before the next buffer's bytes.
    mutating func cut(_ buffer: Buffer, isLast: Bool) -> (cuts: [Range<Int>], rest: Range<Int>) {
        var cuts: [Range<Int>] = []
        var start = 0
        while start < buffer.count {
            while nextBorder < borders.count, borders[nextBorder] <= position { nextBorder += 1 }
            let border = nextBorder < borders.count ? min(borders[nextBorder], end) : end
            let limit = Int(min(UInt64(buffer.count - start), border - position))
            let isEnd = UInt64(limit) == border - position || isLast
            let length = buffer.withBytes(start..<start + limit) { FastCDC.standard.cut($0, isEnd: isEnd) }
            guard let length else { break }
            cuts.append(start..<start + length)
            start += length
            position += UInt64(length)
        }
        return (cuts, start..<buffer.count)
    }
}

/// A buffer whose chunks are being hashed on lanes.
final class CutPiece: Sendable {
    private let buffer: Buffer
    private let cuts: [Range<Int>]
    private let uses: Countdown
    private let digests: Mutex<[Digest?]>
    private let hashed = DispatchGroup()

    /// Takes over one use of the buffer.
    init(_ buffer: Buffer, _ cuts: [Range<Int>], uses: Countdown) {
        (self.buffer, self.cuts, self.uses) = (buffer, cuts, uses)
        digests = Mutex(Array(repeating: nil, count: cuts.count))
    }

    func startHashing(on lanes: [Lane]) {
        for (first, lane) in lanes.enumerated() {
            hashed.enter()
            lane.addAlways { [self] in
                for index in stride(from: first, to: cuts.count, by: lanes.count) {
                    let digest = buffer.withBytes(cuts[index]) { Digest(of: $0) }
                    digests.withLock { $0[index] = digest }
                }
                hashed.leave()
            }
        }
    }

    /// Stores the chunks that are new and lets go of the buffer.
    func store(in builder: BundleBuilder) throws -> [Segment] {
        hashed.wait()
        defer { uses.end() }
        return try zip(cuts, digests.withLock(\.self)).compactMap { range, digest in
            guard let digest else { return nil }
            let chunk = try buffer.withBytes(range) { try builder.store(digest, as: .chunks, $0) }
            return Segment(chunk: chunk, offset: 0, length: UInt64(range.count))
        }
    }

    /// The chunks' digests and lengths, in order; lets go of the buffer.
    func hashedChunks() -> [(digest: Digest, length: UInt64)] {
        hashed.wait()
        defer { uses.end() }
        return zip(cuts, digests.withLock(\.self)).compactMap { range, digest in
            digest.map { ($0, UInt64(range.count)) }
        }
    }

    /// Lets go of the buffer without storing.
    func abandon() {
        hashed.wait()
        uses.end()
    }
}
