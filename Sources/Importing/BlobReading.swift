// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
package import OCI
package import SystemPackage

/// What came of asking a target for bytes of a blob.
package enum BlobPiece: Sendable, Equatable {
    /// The repository hasn't got the blob, or the target can't be read.
    case missing
    /// So many bytes, 1 or more unless the blob ends at the offset; the blob has `size` in all.
    case part(count: Int, size: UInt64)
    /// The target only gives whole blobs; nothing was read. The blob has `size` bytes.
    case wholeOnly(size: UInt64)
}

/// Reads one blob of a target, small ranges out of larger requests: an ISO image may take 64 KiB here, 64 KiB there. One thread.
///
/// Nothing about the bytes is checked.
package final class BlobWindow {
    /// Bytes of the largest request.
    static let capacity = 4 << 20
    /// The second request in a row; the first one asks for no more than is wanted.
    private static let firstAhead = 1 << 20
    /// How far on the next read may lie to count as the same walk through the blob.
    private static let stride: UInt64 = 1 << 20
    /// The largest blob that is kept in a file, where a registry doesn't send ranges.
    static let spoolLimit: UInt64 = 4 << 30

    let place: Place
    private let digest: Digest
    private let session: any TargetSession
    private let spoolFolder: FilePath
    private let buffer = Buffer(capacity: capacity)
    /// The bytes of the blob that `buffer` holds.
    private var held: Range<UInt64> = 0..<0
    private var size: UInt64?
    private var ahead = 0
    private var spool: Spool?

    private final class Spool {
        let file: OpenFile
        init(_ file: consuming OpenFile) { self.file = file }
    }

    /// `spoolFolder`: where a blob is kept while it is read of which a registry sends no ranges.
    package init(_ digest: Digest, in repository: String, _ session: any TargetSession, spoolFolder: FilePath) {
        (self.digest, self.session, self.spoolFolder) = (digest, session, spoolFolder)
        place = Place(repository, digest)
    }

    /// Copies bytes from `offset` on: how many, 0 where the blob has no more. Throws as the target's session, and
    /// `BlobReadingError`.
    @unsafe package func read(at offset: UInt64, into target: UnsafeMutableRawBufferPointer) throws -> Int {
        if !held.contains(offset) { try load(offset, wanted: target.count) }
        guard held.contains(offset) else { return 0 }
        let start = Int(offset - held.lowerBound)
        let count = min(target.count, Int(held.upperBound - offset))
        buffer.withBytes(start..<start + count) { bytes in
            unsafe bytes.withUnsafeBytes { unsafe target.copyMemory(from: $0) }
        }
        return count
    }

    private func load(_ offset: UInt64, wanted: Int) throws {
        if let size, offset >= size { return held = 0..<0 }
        let isNear = !held.isEmpty && offset >= held.upperBound && offset - held.upperBound <= BlobWindow.stride
        ahead = isNear ? min(max(4 * ahead, BlobWindow.firstAhead), BlobWindow.capacity) : 0
        var length = min(max(wanted, ahead), BlobWindow.capacity)
        if let size { length = min(length, Int(clamping: size - offset)) }
        held = 0..<0
        if let spool { return try load(offset, length, from: spool) }
        let answer = try unsafe buffer.withMemory { memory in
            try unsafe session.read(
                digest, in: place.repository, at: offset,
                into: UnsafeMutableRawBufferPointer(rebasing: memory[..<length]))
        }
        switch answer {
        case .missing: throw BlobReadingError.missing(place.description)
        case .part(let count, let size):
            self.size = size
            held = offset..<offset + UInt64(count)
        case .wholeOnly(let size):
            self.size = size
            let spool = try spooled(size)
            self.spool = spool
            if offset < size { try load(offset, min(length, Int(clamping: size - offset)), from: spool) }
        }
    }

    private func load(_ offset: UInt64, _ length: Int, from spool: Spool) throws {
        try spool.file.read(into: buffer, at: offset, length: length)
        held = offset..<offset + UInt64(buffer.count)
    }

    /// The whole blob in a file that has no name any more: it goes with us, also when we are killed.
    private func spooled(_ size: UInt64) throws -> Spool {
        try spoolFolder.createDirectories()
        let free = try spoolFolder.freeSpace()
        guard size <= min(BlobWindow.spoolLimit, free) else {
            throw BlobReadingError.tooLargeToKeep(
                place.description, size: size, limit: min(BlobWindow.spoolLimit, free))
        }
        let path = spoolFolder.appending(".blob-\(UInt64.random(in: 0 ... .max)).spool")
        let spool = Spool(try OpenFile.creating(path, mode: 0o600))
        try path.removeFile()
        var offset: UInt64 = 0
        let isThere = try session.copy(digest, size: Int64(clamping: size), in: place.repository) { bytes in
            try Interruption.check()
            try spool.file.write(bytes, at: offset)
            offset += UInt64(bytes.byteCount)
        }
        guard isThere else { throw BlobReadingError.missing(place.description) }
        return spool
    }
}

/// Why a blob of the target can't be read in parts.
package enum BlobReadingError: Error, Equatable {
    /// The repository hasn't got the blob.
    case missing(String)
    /// The registry sends no ranges, and the whole blob is more than may be kept here.
    case tooLargeToKeep(String, size: UInt64, limit: UInt64)
}

extension BlobReadingError: ClassifiedError {
    package var failure: Failure { .incomplete }

    package var description: String {
        switch self {
        case .missing(let name):
            "the target hasn't \(name) any more, which this delta needs; load the release that it builds on first, or give its bundle "
                + "with --base"
        case .tooLargeToKeep(let name, let size, let limit):
            "the registry sends no ranges of blobs, and all of \(name) (\(size.asSize)) is more than the \(limit.asSize) that may be "
                + "kept here meanwhile; give --base or --seed of the release that the delta builds on"
        }
    }
}
