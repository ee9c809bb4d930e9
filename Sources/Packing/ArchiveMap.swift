// SPDX-License-Identifier: Apache-2.0

internal import Archive
internal import Compression
internal import Files

/// A run of an archive's decoded bytes that stands in the archive's file as it is.
struct StoredRun: Equatable {
    /// In the decoded bytes.
    var position: UInt64
    /// In the file.
    var stored: UInt64
    var length: Int
}

/// Undoes an archive's zstd on the way to the tar reader and remembers, for what passed last, which decoded bytes stand in
/// the file unchanged: at the vendor's level nearly all of them, as layers don't shrink (docs/format.md). A tar that isn't
/// compressed stands in its file as a whole.
final class ArchiveMap {
    /// Shorter runs are not worth a segment.
    static let leastRun = 4096

    private let pull: () throws -> Buffer?
    private let outputs = [Buffer(capacity: 1 << 20), Buffer(capacity: 1 << 20)]
    private var turn = 0
    private var decoder: BlockDecoder?
    private var input: (buffer: Buffer, used: Int)?
    private var blocks: [RawBlock] = []
    private(set) var window = RawWindow()
    /// Called before the window moves on.
    var beforePull: (() throws -> Void)?

    /// `pull` gives the file's next bytes, `nil` at its end; a buffer stays as it is until the next call.
    init(_ pull: @escaping () throws -> Buffer?) { self.pull = pull }

    /// The next bytes of the tar, `nil` at the end; they stay until the next call. Throws what `pull` does, and
    /// `ArchiveError.unreadable` for zstd that is damaged or cut off.
    func next() throws -> Buffer? {
        if window.end == 0, let piece = try pullPiece() {
            decoder = piece.withBytes { BlockDecoder.isStream($0) } ? BlockDecoder() : nil
        }
        guard let decoder else { return try nextPlain() }
        let output = outputs[turn]
        turn = 1 - turn
        output.count = 0
        while output.capacity - output.count >= BlockDecoder.maximumBlock {
            guard let (piece, used) = try input ?? pullPiece().map({ ($0, 0) }) else {
                guard decoder.isBetweenFrames else {
                    throw ArchiveError.unreadable("the file ends inside a zstd frame")
                }
                break
            }
            let taken = try decode(piece, from: used, into: output, decoder)
            input = used + taken < piece.count ? (piece, used + taken) : nil
        }
        return output.count > 0 ? output : nil
    }

    private func nextPlain() throws -> Buffer? {
        guard let (piece, _) = try input ?? pullPiece().map({ ($0, 0) }) else { return nil }
        input = nil
        let start = window.end - UInt64(piece.count)
        blocks.append(RawBlock(decoded: start, stored: start, length: piece.count))
        return piece
    }

    private func pullPiece() throws -> Buffer? {
        try beforePull?()
        guard let piece = try pull() else { return nil }
        window.append(piece)
        blocks.removeAll { $0.stored < window.start }
        input = (piece, 0)
        return piece
    }

    private func decode(_ piece: Buffer, from used: Int, into output: Buffer, _ decoder: BlockDecoder) throws -> Int {
        var filled = output.count
        let result: Result<Int, BlockError> = piece.withBytes(used..<piece.count) { bytes in
            unsafe output.withMemory { memory in
                do throws(BlockError) {
                    return .success(
                        try unsafe decoder.decode(bytes, into: memory, filled: &filled) { block in
                            if block.length >= ArchiveMap.leastRun { blocks.append(block) }
                        })
                } catch {
                    return .failure(error)
                }
            }
        }
        output.count = filled
        do { return try result.get() } catch { throw ArchiveError.unreadable(error.description) }
    }

    /// Takes what is left of the file, whatever it is.
    func drain() throws {
        while let _ = try pullPiece() {}
    }

    /// The runs of these decoded bytes that stand in the file; `bytes` are what the tar reader made of them, and each run is
    /// compared with the file's own bytes before it is given.
    func runs(at position: UInt64, _ bytes: RawSpan) -> [StoredRun] {
        let wanted = position..<position + UInt64(bytes.byteCount)
        var runs: [StoredRun] = []
        for block in blocks[firstBlock(endingAfter: position)...] {
            let part = wanted.clamped(to: block.decoded..<block.decoded + UInt64(block.length))
            guard block.decoded < wanted.upperBound else { break }
            guard part.count >= ArchiveMap.leastRun else { continue }
            let run = StoredRun(
                position: part.lowerBound, stored: block.stored + (part.lowerBound - block.decoded), length: part.count)
            let offset = Int(part.lowerBound - position)
            if window.holds(bytes.extracting(offset..<offset + part.count), at: run.stored) { runs.append(run) }
        }
        return runs
    }

    /// The byte of the file before which nothing of the decoded bytes from `position` on stands.
    func settled(before position: UInt64) -> UInt64 {
        let first = firstBlock(endingAfter: position)
        guard first < blocks.count else { return decoder?.stored ?? window.end }
        let block = blocks[first]
        return block.stored + (position > block.decoded ? position - block.decoded : 0)
    }

    private func firstBlock(endingAfter position: UInt64) -> Int {
        var range = blocks.indices
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            let end = blocks[middle].decoded + UInt64(blocks[middle].length)
            range = end <= position ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return range.lowerBound
    }
}
