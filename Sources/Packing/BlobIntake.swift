// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import SystemPackage

/// Takes in OCI blobs under the digest that their name claims; a lane confirms it.
struct BlobIntake {
    /// A blob up to this size that looks like JSON is held back for volume 001: manifests, configurations, SBOMs.
    static let heldLength: UInt64 = 1 << 20

    let builder: BundleBuilder
    let reader: InputReader

    /// Takes a blob from a file of a layout.
    func take(_ digest: Digest, size: UInt64, file path: FilePath, place: String) throws {
        let file = try OpenFile.reading(path)
        guard try file.status().size == size else { throw PackError.blobMismatch(digest, in: place) }
        // Bytes that are there already, from wherever, were checked there: they are not read again.
        if builder.has(digest) || registerKnown(digest, size: size) {
            return reader.progress.add(Int(clamping: size))
        }
        if size <= BlobIntake.heldLength, size > 0, try file.bytes(at: 0, length: 1) == [UInt8(ascii: "{")] {
            reader.progress.add(Int(size))
            return try hold(digest, try file.bytes(at: 0, length: Int(size)), place: place)
        }
        try builder.begin(digest, as: .blobs, size: size)
        let hash = LaneHash()
        try reader.pieces(of: file, 0..<size, name: path.string, users: 2) { buffer, uses in
            hash.add(buffer, on: reader.identity, ending: uses)
            defer { uses.end() }
            try buffer.withBytes { try builder.append($0) }
        }
        try end(digest, size: size, hash, place: place)
    }

    /// Takes a blob whose bytes `read` gives, until it gives 0.
    func take(
        _ digest: Digest, size: UInt64, place: String, _ read: (Buffer) throws -> Int
    ) throws {
        guard !builder.has(digest), !registerKnown(digest, size: size) else { return }
        var hash: LaneHash?
        var taken: UInt64 = 0
        while true {
            try Interruption.check()
            let buffer = reader.pool.take()
            let uses = Countdown(2) { [pool = reader.pool] in pool.put(buffer) }
            let count: Int
            do {
                count = try read(buffer)
            } catch {
                uses.end()
                uses.end()
                throw error
            }
            if count == 0 || taken == 0 && isHeld(buffer, size: size) {
                let bytes = buffer.withBytes { unsafe $0.withUnsafeBytes { unsafe Array($0) } }
                uses.end()
                uses.end()
                if count > 0 { return try hold(digest, bytes, place: place) }
                break
            }
            if hash == nil { try builder.begin(digest, as: .blobs, size: size) }
            let running = hash ?? LaneHash()
            hash = running
            running.add(buffer, on: reader.identity, ending: uses)
            defer { uses.end() }
            taken += UInt64(count)
            guard taken <= size else { throw PackError.blobMismatch(digest, in: place) }
            try buffer.withBytes { try builder.append($0) }
        }
        guard taken == size else { throw PackError.blobMismatch(digest, in: place) }
        if hash == nil { try builder.begin(digest, as: .blobs, size: 0) }
        try end(digest, size: size, hash ?? LaneHash(), place: place)
    }

    private func isHeld(_ buffer: Buffer, size: UInt64) -> Bool {
        UInt64(buffer.count) == size && size <= BlobIntake.heldLength
            && buffer.withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe $0.first } } == UInt8(ascii: "{")
    }

    /// Holds a small blob after comparing its digest.
    func hold(_ digest: Digest, _ bytes: [UInt8], place: String) throws {
        guard Digest(of: bytes) == digest else { throw PackError.blobMismatch(digest, in: place) }
        try builder.hold(digest, bytes)
    }

    // The bytes are stored already, as a chunk or as an extent of a plain image.
    private func registerKnown(_ digest: Digest, size: UInt64) -> Bool {
        guard let segments = builder.segments(of: digest) else { return false }
        builder.register(object: digest, size: size, segments)
        return true
    }

    private func end(_ digest: Digest, size: UInt64, _ hash: LaneHash, place: String) throws {
        reader.identity.add {
            guard hash.finish() == digest else { throw PackError.blobMismatch(digest, in: place) }
        }
        try reader.identity.check()
        let chunk = try builder.end(digest, size: size)
        let whole = Segment(chunk: chunk, offset: 0, length: size)
        builder.register(object: digest, size: size, size == 0 ? [] : [whole])
    }
}
