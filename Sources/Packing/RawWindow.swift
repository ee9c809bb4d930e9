// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import Glibc

/// The last bytes of a file that passes front to back: a few pieces, copied.
struct RawWindow {
    /// Pieces that are kept, of at most `InputReader.pieceLength` bytes each.
    static let pieces = 5

    private var kept: [(start: UInt64, buffer: Buffer)] = []
    /// Bytes that have passed.
    private(set) var end: UInt64 = 0

    /// The first byte that is still here.
    var start: UInt64 { kept.first?.start ?? end }

    /// The first byte that will still be here once the next piece is.
    var startAfterNext: UInt64 { kept.count == RawWindow.pieces ? kept[1].start : start }

    /// Keeps the next piece; lets go of the oldest where there are too many.
    mutating func append(_ piece: Buffer) {
        let buffer =
            kept.count == RawWindow.pieces ? kept.removeFirst().buffer : Buffer(capacity: InputReader.pieceLength)
        buffer.count = 0
        piece.withBytes { buffer.append($0) }
        kept.append((end, buffer))
        end += UInt64(piece.count)
    }

    /// Lends the bytes of `range`, which must be here, in pieces.
    func withBytes(_ range: Range<UInt64>, _ body: (RawSpan) throws -> Void) rethrows {
        for (start, buffer) in kept {
            let part = range.clamped(to: start..<start + UInt64(buffer.count))
            guard !part.isEmpty else { continue }
            try buffer.withBytes(Int(part.lowerBound - start)..<Int(part.upperBound - start), body)
        }
    }

    /// Whether the bytes from `offset` on are here and equal to `bytes`.
    func holds(_ bytes: RawSpan, at offset: UInt64) -> Bool {
        let range = offset..<offset + UInt64(bytes.byteCount)
        guard range.lowerBound >= start, range.upperBound <= end else { return false }
        var done = 0
        var isEqual = true
        withBytes(range) { piece in
            let other = bytes.extracting(done..<done + piece.byteCount)
            let same = unsafe piece.withUnsafeBytes { left in
                unsafe other.withUnsafeBytes { right in
                    guard let mine = left.baseAddress, let theirs = right.baseAddress else {
                        return unsafe left.isEmpty
                    }
                    return unsafe memcmp(mine, theirs, left.count) == 0
                }
            }
            isEqual = isEqual && same
            done += piece.byteCount
        }
        return isEqual
    }
}
