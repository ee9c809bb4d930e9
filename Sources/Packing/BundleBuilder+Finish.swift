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
            } else {
                // Its bytes lie in an image too; the unpacked layout needs it under its name all the same.
                // So does whoever plans with the media alone, where a delta left it out as a piece of a file.
                let isLeftOut = isLeftOut(blob.digest)
                let added = try member("\(MemberFolder.blobs.rawValue)/sha256/\(blob.digest.hex)", bytes)
                if isLeftOut { place(blob.digest, in: added) }
            }
            register(object: blob.digest, size: UInt64(blob.length), segments(of: blob.digest) ?? [])
        }
        try archive.finishVolume()
    }

    @discardableResult
    private func member(_ name: String, _ bytes: [UInt8]) throws -> [Part] {
        try archive.begin(name, size: UInt64(bytes.count))
        try archive.append(unsafe bytes.span.bytes)
        return try archive.end()
    }

    /// The index's tables: volumes in order of name and input, frames in order of volume, only the objects needed.
    ///
    /// Throws `PackError.blobMissing` for a needed object that was never taken in.
    func tables(needed: Set<Digest>, prefix: String, place: String) throws -> IndexTables {
        var tables = IndexTables()
        var frameNumbers = [UInt32](repeating: 0, count: archive.frames.count)
        let numbers = Dictionary(grouping: archive.frames.indices) { Int(archive.frames[$0].volume) }
        for (ordinal, entry) in archive.volumes.enumerated().sorted(by: { $0.element.number < $1.element.number }) {
            guard let finished = entry.finished else { preconditionFailure("a volume was not finished") }
            tables.add(ArchiveWriter.name(prefix, entry.number), .archive, finished)
            for number in numbers[ordinal] ?? [] {
                let frame = archive.frames[number]
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
        let moved = parts.map { part in
            Part(
                frame: plainFrames[part.frame] ?? frameNumbers[Int(part.frame)], offset: part.offset,
                length: part.length)
        }
        let chunkNumbers = addChunks(to: &tables, parts: moved)
        try addObjects(needed, to: &tables, chunkNumbers: chunkNumbers, place: place)
        return tables
    }

    /// Adds the chunks in the order in which they lie in the volumes, which a resumed run doesn't change; their new numbers.
    private func addChunks(to tables: inout IndexTables, parts: [Part]) -> [UInt32] {
        let order = chunks.indices.sorted { left, right in
            let (first, second) = (chunks[left], chunks[right])
            guard let one = parts[first.partRange].first, let other = parts[second.partRange].first else {
                return (first.partCount, first.digest) < (second.partCount, second.digest)
            }
            return (one.frame, one.offset) < (other.frame, other.offset)
        }
        var numbers = [UInt32](repeating: 0, count: chunks.count)
        for number in order {
            numbers[number] = UInt32(tables.chunks.count)
            var chunk = chunks[number]
            chunk.firstPart = UInt32(tables.parts.count)
            tables.chunks.append(chunk)
            tables.parts += parts[chunks[number].partRange]
        }
        return numbers
    }

    private func addObjects(
        _ needed: Set<Digest>, to tables: inout IndexTables, chunkNumbers: [UInt32], place: String
    ) throws {
        var missing = needed
        for object in objects where needed.contains(object.digest) {
            missing.remove(object.digest)
            var moved = object
            moved.firstSegment = UInt32(tables.segments.count)
            tables.objects.append(moved)
            tables.segments += segments[object.segmentRange].map {
                Segment(chunk: chunkNumbers[Int($0.chunk)], offset: $0.offset, length: $0.length)
            }
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
