// SPDX-License-Identifier: Apache-2.0

internal import Archive
internal import BundleFormat
internal import Files
internal import OCI
internal import PaletteSources
internal import SystemPackage

/// Takes in the registry content of a vendor's archive in one pass: an OCI layout in a tar, with any prefix and order.
/// Its raw bytes are hashed, and where it is delivered as a plain file copied, in the same pass.
struct ArchiveIntake {
    let builder: BundleBuilder
    let reader: InputReader

    struct Result {
        /// Of the archive file.
        let digest: Digest
        let entries: [Descriptor]
        let graph: ManifestGraph
        /// What the packs in it name, by layer.
        let packImages: [Digest: PackImages]
        /// Members that are no part of a layout and go to no registry.
        let otherMembers: Int
    }

    /// Takes the archive in, or what an interrupted run has taken in. `ordinal` is that of its items and plain volume; the
    /// next number keeps the digest of its `index.json`, the one after that of `PackImageNotes`.
    func take(_ path: FilePath, ordinal: Int, size: UInt64, plainName: String?) throws -> Result {
        if let whole = builder.item(ordinal), let index = builder.item(ordinal + 1),
            let bytes = try builder.heldBytes(index.digest)
        {
            if let plainName { _ = try builder.plainVolume(ordinal, name: plainName) }
            reader.progress.add(Int(clamping: size))
            let (entries, graph) = try walk(bytes, place: path.string)
            let notes = try builder.item(ordinal + 2).flatMap { try builder.heldBytes($0.digest) }
            return Result(
                digest: whole.digest, entries: entries, graph: graph, packImages: try PackImageNotes(notes).lists,
                otherMembers: 0)
        }
        let source = try RawSource(path, size: size, reader: reader)
        defer { source.release() }
        let volume = try plainName.flatMap { try builder.plainVolume(ordinal, name: $0) }
        source.volume = volume
        source.resumed = volume?.length ?? 0
        source.onVolumeWritten = { [builder] volume, last in builder.commitPlain(ordinal, volume, since: last) }
        // In a file that stands on the medium as it is, blobs are looked for; what lies there is not stored again.
        let map = plainName.map { _ in ArchiveMap { try source.next() } }
        let mapped = map.map { MappedBlobs(builder: builder, map: $0) }
        let archive = try ArchiveReader { try map.map { try $0.next() } ?? source.next() }
        var indexes: [(folder: String, bytes: [UInt8])] = []
        var layout: String?
        var others = 0
        let notes = PackImageNotes()
        while let entry = try archive.next() {
            guard entry.kind == .file else { continue }
            let parts = entry.name.split(separator: "/")
            let folder = parts.dropLast().joined(separator: "/")
            if parts.last == "index.json", indexes.count < 16 {
                let bytes = try contents(of: archive, entry, limit: LayoutFolder.maximumIndex)
                indexes.append((folder, bytes))
            } else if let digest = ArchiveIntake.blob(of: entry) {
                layout = layout ?? parts.dropLast(3).joined(separator: "/")
                var blobs = BlobIntake(builder: builder, reader: reader)
                blobs.onWhole = notes.note
                let read = { (buffer: Buffer) in try archive.read(into: buffer) }
                if let mapped {
                    guard !mapped.has(digest) else { continue }
                    mapped.position = archive.position
                    try blobs.take(digest, size: entry.size, place: path.string, into: mapped, read)
                } else {
                    let stored = StoredBlobs(builder: builder)
                    try blobs.take(digest, size: entry.size, place: path.string, into: stored, read)
                }
            } else if parts.last != "oci-layout" {
                others += 1
            }
        }
        if let map { try map.drain() } else { try archive.finish() }
        try reader.identity.wait()
        guard let index = indexes.first(where: { $0.folder == layout ?? $0.folder })?.bytes else {
            throw PackError.notALayout(path.string, why: "it holds no index.json beside its blobs")
        }
        let digest = source.finish()
        if let volume { try builder.finishPlain(ordinal, volume, extents: []) }
        if let mapped, let file = builder.segments(of: digest)?.first { mapped.register(in: file.chunk) }
        let (entries, graph) = try walk(index, place: path.string)
        let indexDigest = Digest(of: index)
        try builder.hold(indexDigest, index)
        let packs = Set(entries.filter(LayoutIndex.isPack).map(\.digest))
        let layers = graph.manifests.filter { packs.contains($0.descriptor.digest) }.flatMap(\.manifest.blobs)
        notes.keep(only: layers.map(\.digest))
        // Before the other two: where those are known, this is.
        if let bytes = try notes.encoded {
            try builder.hold(Digest(of: bytes), bytes)
            builder.finish(item: ordinal + 2, digest: Digest(of: bytes), size: UInt64(bytes.count))
        }
        builder.finish(item: ordinal, digest: digest, size: size)
        builder.finish(item: ordinal + 1, digest: indexDigest, size: UInt64(index.count))
        return Result(
            digest: digest, entries: entries, graph: graph, packImages: notes.lists, otherMembers: others)
    }

    /// The digest that an entry's name claims, below whatever folder: `.../blobs/sha256/<hex>`.
    static func blob(of entry: ArchiveEntry) -> Digest? {
        let parts = entry.name.split(separator: "/").suffix(3)
        guard entry.kind == .file, parts.count == 3, parts.dropLast().elementsEqual(["blobs", "sha256"]) else {
            return nil
        }
        return parts.last.flatMap { Digest(hex: $0) }
    }

    private func contents(of archive: ArchiveReader, _ entry: ArchiveEntry, limit: Int) throws -> [UInt8] {
        guard entry.size <= UInt64(limit) else { throw PackError.notALayout(entry.name, why: "it is too large") }
        let buffer = Buffer(capacity: 1 << 20)
        var bytes: [UInt8] = []
        while try archive.read(into: buffer) > 0 {
            buffer.withBytes { piece in unsafe piece.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) } }
            buffer.count = 0
        }
        return bytes
    }

    private func walk(_ index: [UInt8], place: String) throws -> ([Descriptor], ManifestGraph) {
        let entries = try LayoutIndex.entries(index, place: place)
        var graph = ManifestGraph()
        for entry in entries {
            try graph.add(entry) { descriptor in
                guard let bytes = try builder.heldBytes(descriptor.digest) else {
                    throw PackError.blobMissing(descriptor.digest, in: place, of: "index.json or an index")
                }
                return try LayoutIndex.manifest(bytes, descriptor, place: place)
            }
        }
        for blob in graph.blobs {
            guard let size = builder.size(of: blob.digest) else {
                throw PackError.blobMissing(blob.digest, in: place, of: "a manifest")
            }
            guard size == UInt64(blob.size) else { throw PackError.blobMismatch(blob.digest, in: place) }
        }
        return (entries, graph)
    }
}

/// The raw bytes of an archive on their way to three readers: libarchive, the hash, and the plain volume if there is one.
final class RawSource {
    private let file: OpenFile
    private let size: UInt64
    private let reader: InputReader
    private let hash = LaneHash()
    private var offset: UInt64 = 0
    private var current: Countdown?
    var volume: VolumeFile?
    /// Bytes of the volume that an interrupted run wrote.
    var resumed: UInt64 = 0
    /// Called after a piece went to the volume, with what it gave last; makes the volume durable now and then.
    var onVolumeWritten: ((VolumeFile, UInt64) -> UInt64)?
    private var committed: UInt64 = 0

    init(_ path: FilePath, size: UInt64, reader: InputReader) throws {
        file = try OpenFile.reading(path)
        guard try file.status().size == size else { throw PackError.inputChanged(path.string) }
        (self.size, self.reader) = (size, reader)
    }

    /// The next piece; the one before it goes back to the pool.
    func next() throws -> Buffer? {
        release()
        guard offset < size else { return nil }
        try Interruption.check()
        let buffer = reader.pool.take()
        let uses = Countdown(2) { [pool = reader.pool] in pool.put(buffer) }
        let length = Int(min(UInt64(InputReader.pieceLength), size - offset))
        do {
            try file.read(into: buffer, at: offset, length: length)
            guard buffer.count == length else { throw PackError.inputChanged(file.path.string) }
            let end = offset + UInt64(length)
            if let volume, end > resumed {
                let skip = offset < resumed ? Int(resumed - offset) : 0
                try buffer.withBytes(skip..<length) { try volume.append($0) }
                committed = onVolumeWritten?(volume, max(committed, resumed)) ?? committed
            }
        } catch {
            uses.end()
            uses.end()
            throw error
        }
        hash.add(buffer, on: reader.extents, ending: uses)
        current = uses
        reader.progress.add(length)
        offset += UInt64(length)
        return buffer
    }

    /// Lets go of the piece that was given last.
    func release() {
        current?.end()
        current = nil
    }

    /// The digest of the whole file.
    func finish() -> Digest {
        release()
        do { try reader.extents.wait() } catch { preconditionFailure("hashing throws nothing") }
        return hash.finish()
    }
}
