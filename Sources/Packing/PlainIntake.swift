// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import Splitting
internal import SystemPackage

/// Copies a file to the medium as it is. Blobs that lie inside an ISO image are found on the way.
struct PlainIntake {
    /// Extents shorter than this are not looked up.
    private static let leastExtent: UInt64 = 16 << 10

    let builder: BundleBuilder
    let reader: InputReader
    /// Sizes of blobs that this release delivers and that may lie inside an image.
    let knownSizes: Set<UInt64>

    /// Takes the file in; the digest. `tee`, where given, sees every piece after it was queued for the volume.
    func take(
        _ path: FilePath, parts: [FilePath] = [], ordinal: Int, name: String, size: UInt64
    ) throws -> Digest {
        guard let volume = try builder.plainVolume(ordinal, name: name) else {
            reader.progress.add(Int(clamping: size))
            return try finishedDigest(ordinal, name)
        }
        let file = try InputFile(path, parts: parts)
        guard file.size == size else { throw PackError.inputChanged(path.string) }
        var candidates = ExtentHashes(candidates(of: file, size: size), reader: reader)
        var committed = volume.length
        // What an interrupted run wrote is there; only the blobs inside it must be found again.
        let resumed = volume.length
        if resumed > 0, candidates.isEmpty { reader.progress.add(Int(clamping: resumed)) }
        let start = candidates.isEmpty ? resumed : 0
        var offset = start
        try reader.pieces(of: file, start..<size, name: path.string, users: 2) { buffer, uses in
            defer { uses.end() }
            try candidates.add(buffer, at: offset, ending: uses)
            let end = offset + UInt64(buffer.count)
            if end > resumed {
                let skip = offset < resumed ? Int(resumed - offset) : 0
                try buffer.withBytes(skip..<buffer.count) { try volume.append($0) }
                committed = builder.commitPlain(ordinal, volume, since: committed)
            }
            offset = end
        }
        try builder.finishPlain(ordinal, volume, extents: try candidates.finish())
        return try finishedDigest(ordinal, name)
    }

    private func finishedDigest(_ ordinal: Int, _ name: String) throws -> Digest {
        guard let finished = builder.plains[ordinal]?.finished else { throw PackError.inputChanged(name) }
        return finished.digest
    }

    /// Extents that may be blobs: as long as a known one, or named by 64 hex digits as blobs are.
    private func candidates(of file: InputFile, size: UInt64) -> [ISOExtent] {
        FileIntake.extents(of: file, size: size).filter { extent in
            guard extent.length >= PlainIntake.leastExtent else { return false }
            let base = extent.path.split(separator: "/").last ?? ""
            return knownSizes.contains(extent.length) || Digest(hex: base) != nil
        }
    }
}

/// Hashes chosen extents of a file while its pieces pass by in order.
private struct ExtentHashes {
    private let extents: [ISOExtent]
    private let reader: InputReader
    private var next = 0
    private var running: LaneHash?
    private var hashes: [LaneDigest] = []

    /// `extents` are sorted and disjoint.
    init(_ extents: [ISOExtent], reader: InputReader) { (self.extents, self.reader) = (extents, reader) }

    var isEmpty: Bool { extents.isEmpty }

    /// Takes a piece that begins at `offset`, and ends one use of it when its bytes are hashed.
    mutating func add(_ buffer: Buffer, at offset: UInt64, ending uses: Countdown) throws {
        let piece = offset..<offset + UInt64(buffer.count)
        defer { reader.extents.addAlways { uses.end() } }
        while next < extents.count, extents[next].offset < piece.upperBound {
            let extent = extents[next]
            let overlap = max(extent.offset, offset)..<min(extent.end, piece.upperBound)
            let hash = running ?? LaneHash()
            running = hash
            let range = Int(overlap.lowerBound - offset)..<Int(overlap.upperBound - offset)
            hash.add(buffer, range, on: reader.extents, ending: Countdown(1) {})
            guard extent.end <= piece.upperBound else { return }
            let digest = LaneDigest()
            reader.extents.add { digest.set(hash.finish()) }
            hashes.append(digest)
            running = nil
            next += 1
        }
    }

    /// The blobs by digest, once all pieces have passed.
    func finish() throws -> [KnownExtent] {
        try reader.extents.wait()
        return zip(extents, hashes).compactMap { extent, digest in
            digest.value.map { KnownExtent(digest: $0, offset: extent.offset, length: extent.length) }
        }
    }
}
