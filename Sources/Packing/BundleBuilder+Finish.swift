// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI

extension BundleBuilder {
    /// Writes volume 001 with everything that was held back, and ends the last volume.
    func writeFirstVolume(layoutIndex: [UInt8]) throws {
        // From here on nothing is journaled: this volume is small and simply written again after a crash.
        archive.onFlush = nil
        try archive.beginFirstVolume()
        archive.onVolumeFinished = nil
        try member("oci-layout", Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8))
        try member("index.json", layoutIndex)
        for blob in held {
            guard let bytes = try heldBytes(blob.digest) else { continue }
            if segments(of: blob.digest) == nil {
                _ = try store(blob.digest, as: .blobs, unsafe bytes.span.bytes)
            }
            register(object: blob.digest, size: UInt64(blob.length), segments(of: blob.digest) ?? [])
        }
        try archive.finishVolume()
    }

    private func member(_ name: String, _ bytes: [UInt8]) throws {
        try archive.begin(name, size: UInt64(bytes.count))
        try archive.append(unsafe bytes.span.bytes)
        _ = try archive.end()
    }

    /// The index's tables: volumes in order of name and input, frames in order of volume, only the objects needed.
    ///
    /// Throws `PackError.blobMissing` for a needed object that was never taken in.
    func tables(needed: Set<Digest>, prefix: String, place: String) throws -> IndexTables {
        var tables = IndexTables()
        var frameNumbers = [UInt32](repeating: 0, count: archive.frames.count)
        for (ordinal, entry) in archive.volumes.enumerated().sorted(by: { $0.element.number < $1.element.number }) {
            guard let finished = entry.finished else { preconditionFailure("a volume was not finished") }
            tables.add(ArchiveWriter.name(prefix, entry.number), .archive, finished)
            for (number, frame) in archive.frames.enumerated() where Int(frame.volume) == ordinal {
                frameNumbers[number] = UInt32(tables.frames.count)
                var moved = frame
                moved.volume = UInt32(tables.volumes.count - 1)
                tables.frames.append(moved)
            }
        }
        var plainFrames: [UInt32: UInt32] = [:]
        for (ordinal, entry) in plains.sorted(by: { $0.key < $1.key }) {
            guard let finished = entry.finished else { preconditionFailure("a plain volume was not finished") }
            tables.add(entry.name, .plain, finished)
            plainFrames[BundleBuilder.plainMark | UInt32(ordinal)] = UInt32(tables.frames.count)
            tables.frames.append(
                Frame(
                    volume: UInt32(tables.volumes.count - 1), encoding: .raw, offset: 0, storedLength: 0, rawLength: 0))
        }
        tables.chunks = chunks
        tables.parts = parts.map { part in
            var moved = part
            moved.frame = plainFrames[part.frame] ?? frameNumbers[Int(part.frame)]
            return moved
        }
        try addObjects(needed, to: &tables, place: place)
        return tables
    }

    private func addObjects(_ needed: Set<Digest>, to tables: inout IndexTables, place: String) throws {
        var missing = needed
        for object in objects where needed.contains(object.digest) {
            missing.remove(object.digest)
            var moved = object
            moved.firstSegment = UInt32(tables.segments.count)
            tables.objects.append(moved)
            tables.segments += segments[object.segmentRange]
        }
        if let digest = missing.min() { throw PackError.blobMissing(digest, in: place, of: "the release") }
    }
}

extension IndexTables {
    fileprivate mutating func add(_ name: String, _ kind: Volume.Kind, _ finished: FinishedVolume) {
        volumes.append(Volume(name: name, kind: kind, length: finished.length, digest: finished.digest))
        blocks.append(finished.blocks)
    }
}
