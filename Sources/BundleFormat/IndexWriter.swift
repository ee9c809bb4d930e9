// SPDX-License-Identifier: Apache-2.0

internal import OCI

/// The tables of an index while a bundle is written; `encoded` gives the file (docs/format.md, "Index").
package struct IndexTables: Sendable {
    package var volumes: [Volume] = []
    /// SHA-256 of each block, by volume.
    package var blocks: [[[UInt8]]] = []
    package var frames: [Frame] = []
    package var parts: [Part] = []
    package var chunks: [Chunk] = []
    package var objects: [Object] = []
    package var segments: [Segment] = []
    /// Sorted by chunk. Each chunk without parts has at least one, unless it has no bytes.
    package var externals: [External] = []

    package init() {}

    /// The index file. Objects are sorted, their segments reordered with them.
    package func encoded(splitter: String) -> [UInt8] {
        var bytes: [UInt8] = []
        let names = volumes.flatMap { Array($0.name.utf8) }
        bytes.reserveCapacity(100 + chunks.count * 64 + segments.count * 20 + blocks.count * 32 + frames.count * 24)
        bytes += Array("DRAYIDX1".utf8)
        for count in [
            volumes.count, frames.count, parts.count, chunks.count, objects.count, segments.count, names.count,
            splitter.utf8.count,
        ] { bytes.append(UInt32(count)) }
        bytes.append(UInt64(blocks.reduce(0) { $0 + $1.count }))
        bytes.append(UInt64(externals.count))
        bytes += Array(splitter.utf8) + names
        for volume in volumes { bytes.append(volume) }
        for volume in blocks { for block in volume { bytes += block } }
        for frame in frames { bytes.append(frame) }
        for part in parts { bytes.append(part) }
        for chunk in chunks { bytes.append(chunk) }
        appendObjects(to: &bytes)
        for external in externals { bytes.append(external) }
        return bytes
    }

    private func appendObjects(to bytes: inout [UInt8]) {
        let sorted = objects.sorted { $0.digest < $1.digest }
        var firstSegment: UInt32 = 0
        for object in sorted {
            var object = object
            object.firstSegment = firstSegment
            firstSegment += object.segmentCount
            bytes.append(object)
        }
        for object in sorted {
            for index in object.firstSegment..<object.firstSegment + object.segmentCount {
                bytes.append(segments[Int(index)])
            }
        }
    }
}

/// The index's integers and records, little-endian.
package extension [UInt8] {
    mutating func append(_ value: some FixedWidthInteger & UnsignedInteger) {
        for shift in stride(from: 0, to: value.bitWidth, by: 8) { append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    mutating func append(_ volume: Volume) {
        append(volume.length)
        self += volume.digest.bytes
        append(UInt32(volume.name.utf8.count))
        self += [volume.kind.rawValue, 0, 0, 0]
    }

    mutating func append(_ frame: Frame) {
        append(frame.volume)
        append(frame.encoding.rawValue)
        append(frame.offset)
        append(frame.storedLength)
        append(frame.rawLength)
    }

    mutating func append(_ part: Part) {
        append(part.frame)
        append(part.offset)
        append(part.length)
    }

    mutating func append(_ chunk: Chunk) {
        self += chunk.digest.bytes
        append(chunk.length)
        append(chunk.firstPart)
        append(chunk.partCount)
    }

    mutating func append(_ object: Object) {
        self += object.digest.bytes
        append(object.size)
        append(object.firstSegment)
        append(object.segmentCount)
    }

    mutating func append(_ external: External) {
        append(external.chunk)
        append(external.place)
        self += external.object.bytes
        append(external.offset)
    }

    mutating func append(_ segment: Segment) {
        append(segment.chunk)
        append(segment.offset)
        append(segment.length)
    }
}
