// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import SystemPackage

/// Takes in OCI blobs under the digest that their name claims; a lane confirms it.
struct BlobIntake {
    /// A blob up to this size that looks like JSON is held back for volume 001: manifests, configurations.
    static let heldLength: UInt64 = 256 << 10
    /// One that looks like a manifest is held back up to the size that no manifest may exceed.
    static let heldManifestLength = UInt64(Manifest.maximumSize)

    let builder: BundleBuilder
    let reader: InputReader
    /// Called with each blob that comes in one piece, before it is known whether its digest is right.
    var onWhole: ((Digest, Buffer) throws -> Void)?

    /// Takes a blob from a file of a layout.
    func take(_ digest: Digest, size: UInt64, file path: FilePath, place: String) throws {
        let file = try OpenFile.reading(path)
        guard try file.status().size == size else { throw PackError.blobMismatch(digest, in: place) }
        // Bytes that are there already, from wherever, were checked there: they are not read again.
        if size <= BlobIntake.heldManifestLength {
            let bytes = try file.bytes(at: 0, length: Int(size))
            if BlobIntake.isHeld(bytes) {
                reader.progress.add(bytes.count)
                return try hold(digest, bytes, place: place)
            }
        }
        if builder.has(digest) || registerKnown(digest, size: size) {
            return reader.progress.add(Int(clamping: size))
        }
        let stored = StoredBlobs(builder: builder)
        try stored.begin(digest, size: size)
        let hash = LaneHash()
        try reader.pieces(of: file, 0..<size, name: path.string, users: 2) { buffer, uses in
            hash.add(buffer, on: reader.identity, ending: uses)
            defer { uses.end() }
            try stored.append(buffer)
        }
        try confirm(digest, hash, place: place)
        try stored.end(digest, size: size)
    }

    /// Takes a blob whose bytes `read` gives, until it gives 0; `sink` gets what isn't held back or there already.
    func take(
        _ digest: Digest, size: UInt64, place: String, into sink: some BlobSink, _ read: (Buffer) throws -> Int
    ) throws {
        var hash: LaneHash?
        var taken: UInt64 = 0
        while true {
            try Interruption.check()
            let buffer = reader.pool.take()
            let uses = Countdown(2) { [pool = reader.pool] in pool.put(buffer) }
            defer { uses.end() }
            let count: Int
            do {
                count = try read(buffer)
            } catch {
                uses.end()
                throw error
            }
            taken += UInt64(count)
            guard count > 0 || size == 0, taken <= size else {
                uses.end()
                break
            }
            if hash == nil, try takeWhole(digest, size: size, buffer, place: place) {
                uses.end()
                return
            }
            if hash == nil { try sink.begin(digest, size: size) }
            let running = hash ?? LaneHash()
            hash = running
            running.add(buffer, on: reader.identity, ending: uses)
            try sink.append(buffer)
        }
        guard taken == size, let hash else { throw PackError.blobMismatch(digest, in: place) }
        try confirm(digest, hash, place: place)
        try sink.end(digest, size: size)
    }

    /// Ends with a blob that is held back or whose bytes are there already; judged by its first piece.
    private func takeWhole(_ digest: Digest, size: UInt64, _ buffer: Buffer, place: String) throws -> Bool {
        if UInt64(buffer.count) == size { try onWhole?(digest, buffer) }
        if UInt64(buffer.count) == size, size <= BlobIntake.heldManifestLength {
            let bytes = buffer.withBytes { unsafe $0.withUnsafeBytes { unsafe Array($0) } }
            if BlobIntake.isHeld(bytes) {
                try hold(digest, bytes, place: place)
                return true
            }
        }
        return builder.has(digest) || registerKnown(digest, size: size)
    }

    /// Whether a blob of these bytes is held back. An empty one is, too: it has no frame of its own to rest on.
    private static func isHeld(_ bytes: [UInt8]) -> Bool {
        let first = bytes.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
        guard !bytes.isEmpty, first == UInt8(ascii: "{") else { return bytes.isEmpty }
        return bytes.count <= heldLength || bytes.firstRange(of: Array(#""schemaVersion""#.utf8)) != nil
    }

    /// Holds a small blob after comparing its digest.
    func hold(_ digest: Digest, _ bytes: [UInt8], place: String) throws {
        guard Digest(of: bytes) == digest else { throw PackError.blobMismatch(digest, in: place) }
        try builder.hold(digest, bytes)
    }

    // The bytes are stored already, as a chunk or as an extent of a plain image, or the sites of a delta have them.
    private func registerKnown(_ digest: Digest, size: UInt64) -> Bool {
        guard let segments = builder.found(digest, size: size) else { return false }
        builder.register(object: digest, size: size, segments)
        return true
    }

    private func confirm(_ digest: Digest, _ hash: LaneHash, place: String) throws {
        reader.identity.add {
            guard hash.finish() == digest else { throw PackError.blobMismatch(digest, in: place) }
        }
        try reader.identity.check()
    }
}

/// Where the bytes of a blob go that passes in pieces, front to back.
protocol BlobSink {
    func begin(_ digest: Digest, size: UInt64) throws
    func append(_ piece: Buffer) throws
    /// All bytes have come; a lane still compares them with the digest.
    func end(_ digest: Digest, size: UInt64) throws
}

/// Stores a blob as one chunk.
struct StoredBlobs: BlobSink {
    let builder: BundleBuilder

    func begin(_ digest: Digest, size: UInt64) throws { try builder.begin(digest, as: .blobs, size: size) }

    func append(_ piece: Buffer) throws { try piece.withBytes { try builder.append($0) } }

    func end(_ digest: Digest, size: UInt64) throws {
        let chunk = try builder.end(digest, size: size)
        let whole = Segment(chunk: chunk, offset: 0, length: size)
        builder.register(object: digest, size: size, size == 0 ? [] : [whole])
    }
}
