// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import Splitting
internal import SystemPackage

/// Takes in a file that is not plain: known blobs inside an ISO image as ranges of what is stored, the rest cut by content.
struct FileIntake {
    /// Extents shorter than this are neither borders nor looked up: a segment costs more than it saves.
    static let leastExtent: UInt64 = 16 << 10

    let builder: BundleBuilder
    let reader: InputReader

    /// A stretch of the file: an extent as long as a known blob, or bytes to cut, with the borders inside.
    private enum Region {
        case candidate(Range<UInt64>)
        case cut(Range<UInt64>, borders: [UInt64])
    }

    /// Takes the file in as an object; its digest.
    func take(_ path: FilePath, size: UInt64) throws -> Digest {
        let file = try OpenFile.reading(path)
        guard try file.status().size == size else { throw PackError.inputChanged(path.string) }
        if let known = try takeWhole(file, size: size, name: path.string) { return known }
        let whole = LaneHash()
        var segments: [Segment] = []
        for region in regions(FileIntake.extents(of: file, size: size), size: size) {
            switch region {
            case .cut(let range, let borders):
                segments += try cut(file, range, borders: borders, name: path.string, whole: whole)
            case .candidate(let range):
                let digest = try hash(file, range, name: path.string, whole: whole)
                if let known = builder.found(digest, size: UInt64(range.count)) {
                    segments += known
                } else {
                    let again = LaneHash()
                    segments += try cut(
                        file, range, borders: [], name: path.string, whole: again, isSecond: true)
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

    /// A file that a delta's base delivers as it is, found by its digest; looked for where the length is one of the base's.
    private func takeWhole(_ file: borrowing OpenFile, size: UInt64, name: String) throws -> Digest? {
        guard size > 0, builder.isKnownLength(size) else { return nil }
        let whole = LaneHash()
        try reader.pieces(of: file, 0..<size, name: name, users: 1) { buffer, uses in
            whole.add(buffer, on: reader.identity, ending: uses)
        }
        try reader.identity.wait()
        let digest = whole.finish()
        guard let known = builder.found(digest, size: size) else { return nil }
        builder.register(object: digest, size: size, known)
        return digest
    }

    /// The files of an ISO image; none where it is none, or a damaged one, which is then cut by content alone.
    static func extents(of file: borrowing OpenFile, size: UInt64) -> [ISOExtent] {
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
        _ file: borrowing OpenFile, _ range: Range<UInt64>, name: String, whole: LaneHash
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
        _ file: borrowing OpenFile, _ range: Range<UInt64>, borders: [UInt64], name: String, whole: LaneHash,
        isSecond: Bool = false
    ) throws -> [Segment] {
        var segments: [Segment] = []
        try PieceStream(reader: reader).cut(
            file, range, borders: borders, name: name, whole: whole, isCounted: !isSecond
        ) { segments += try $0.store(in: builder) }
        return segments
    }
}
