// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import Splitting
internal import SystemPackage

/// Takes in a file that is not plain: known blobs inside an ISO image as ranges of what is stored, the rest cut by content.
struct FileIntake {
    /// Extents shorter than this are neither borders nor looked up: a segment costs more than it saves.
    private static let leastExtent: UInt64 = 16 << 10

    let builder: BundleBuilder
    let reader: InputReader

    /// A stretch of the file: an extent as long as a known blob, or bytes to cut, with the borders inside.
    private enum Region {
        case candidate(Range<UInt64>)
        case cut(Range<UInt64>, borders: [UInt64])
    }

    /// Takes the file in as an object; its digest.
    func take(_ path: FilePath, parts: [FilePath] = [], size: UInt64) throws -> Digest {
        let file = try InputFile(path, parts: parts)
        guard file.size == size else { throw PackError.inputChanged(path.string) }
        let whole = LaneHash()
        var segments: [Segment] = []
        for region in regions(FileIntake.extents(of: file, size: size), size: size) {
            switch region {
            case .cut(let range, let borders):
                segments += try cut(file, range, borders: borders, name: path.string, whole: whole)
            case .candidate(let range):
                let digest = try hash(file, range, name: path.string, whole: whole)
                if let known = builder.segments(of: digest) {
                    segments += known
                } else {
                    let again = LaneHash()
                    segments += try cut(file, range, borders: [], name: path.string, whole: again, isSecond: true)
                    try reader.identity.wait()
                    guard again.finish() == digest else { throw PackError.inputChanged(path.string) }
                }
            }
        }
        try reader.identity.wait()
        let digest = whole.finish()
        builder.register(object: digest, size: size, segments)
        return digest
    }

    /// The files of an ISO image; none where it is none, or a damaged one, which is then cut by content alone.
    static func extents(of file: InputFile, size: UInt64) -> [ISOExtent] {
        guard size >= UInt64(ISOImage.headerLength) else { return [] }
        do {
            guard ISOImage.isISO(try file.bytes(at: 0, length: ISOImage.headerLength)) else { return [] }
            let image = try ISOImage(size: size) { offset, length in try file.bytes(at: offset, length: length) }
            return image.extents
        } catch {
            return []  // a splitter only proposes: without it the ratio suffers, nothing else
        }
    }

    private func regions(_ extents: [ISOExtent], size: UInt64) -> [Region] {
        var regions: [Region] = []
        var start: UInt64 = 0
        var borders: [UInt64] = []
        for extent in extents where extent.length >= FileIntake.leastExtent {
            if builder.storesLength(extent.length) {
                if extent.offset > start { regions.append(.cut(start..<extent.offset, borders: borders)) }
                regions.append(.candidate(extent.offset..<extent.end))
                (start, borders) = (extent.end, [])
            } else {
                borders += [extent.offset, extent.end]
            }
        }
        if start < size { regions.append(.cut(start..<size, borders: borders)) }
        return regions
    }

    private func hash(
        _ file: InputFile, _ range: Range<UInt64>, name: String, whole: LaneHash
    ) throws -> Digest {
        let own = LaneHash()
        try reader.pieces(of: file, range, name: name, users: 2) { buffer, uses in
            whole.add(buffer, on: reader.identity, ending: uses)
            own.add(buffer, on: reader.extents, ending: uses)
        }
        try reader.extents.wait()
        return own.finish()
    }

    /// Cuts a stretch, stores what is new; the segments. `whole` hashes the bytes that were read.
    private func cut(
        _ file: InputFile, _ range: Range<UInt64>, borders: [UInt64], name: String, whole: LaneHash,
        isSecond: Bool = false
    ) throws -> [Segment] {
        var segments: [Segment] = []
        var cutter = PieceCutter(borders: borders, start: range.lowerBound, end: range.upperBound)
        var previous: CutPiece?
        defer { previous?.abandon() }
        var tail: [UInt8] = []
        var offset = range.lowerBound
        while offset < range.upperBound {
            try Interruption.check()
            let buffer = reader.pool.take()
            let uses = Countdown(2) { [pool = reader.pool] in pool.put(buffer) }
            buffer.append(tail)
            let length = Int(min(UInt64(InputReader.pieceLength), range.upperBound - offset))
            do {
                try file.read(into: buffer, from: tail.count, at: offset, length: length)
                guard buffer.count == tail.count + length else { throw PackError.inputChanged(name) }
            } catch {
                uses.end()
                uses.end()
                throw error
            }
            whole.add(buffer, tail.count..<buffer.count, on: reader.identity, ending: uses)
            if !isSecond { reader.progress.add(length) }
            offset += UInt64(length)
            let (cuts, rest) = cutter.cut(buffer, isLast: offset == range.upperBound)
            tail = buffer.withBytes(rest) { unsafe $0.withUnsafeBytes { unsafe Array($0) } }
            let piece = CutPiece(buffer, cuts, uses: uses)
            piece.startHashing(on: reader.chunks)
            // One piece is hashed while the one before it is stored.
            let ready = previous
            previous = piece
            if let ready { segments += try ready.store(in: builder) }
        }
        let last = previous
        previous = nil
        if let last { segments += try last.store(in: builder) }
        return segments
    }
}
