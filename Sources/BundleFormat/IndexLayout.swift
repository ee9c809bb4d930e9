// SPDX-License-Identifier: Apache-2.0

package import OCI

/// A table of equal records inside the index file.
struct IndexTable: Sendable {
    let start: Int
    let count: Int
    let width: Int

    var end: Int { start + count * width }
    func offset(of index: Int) -> Int {
        precondition(index >= 0 && index < count)
        return start + index * width
    }
}

/// Where each table of an index file lies, from its header.
struct IndexLayout: Sendable {
    let splitter: Range<Int>
    let names: Range<Int>
    let volumes, blocks, frames, parts, chunks, objects, segments, externals: IndexTable

    init(_ bytes: [UInt8]) throws(IndexError) {
        guard bytes.count >= 56, Array(bytes[0..<8]) == Array("DRAYIDX1".utf8) else {
            throw .malformed("it does not begin with DRAYIDX1")
        }
        guard bytes.count <= BundleIndex.maximumSize else { throw .malformed("it is too large") }
        func count(_ index: Int) -> Int { Int(bytes.integer(at: 8 + 4 * index, as: UInt32.self)) }
        let blockCount = bytes.integer(at: 40, as: UInt64.self)
        guard blockCount < UInt64(BundleIndex.maximumSize) else { throw .malformed("too many blocks") }
        let externalCount = bytes.integer(at: 48, as: UInt64.self)
        guard externalCount < UInt64(BundleIndex.maximumSize) else { throw .malformed("too many externals") }
        splitter = 56..<56 + count(7)
        names = splitter.upperBound..<splitter.upperBound + count(6)
        volumes = IndexTable(start: names.upperBound, count: count(0), width: 48)
        blocks = IndexTable(start: volumes.end, count: Int(blockCount), width: 32)
        frames = IndexTable(start: blocks.end, count: count(1), width: 24)
        parts = IndexTable(start: frames.end, count: count(2), width: 16)
        chunks = IndexTable(start: parts.end, count: count(3), width: 48)
        objects = IndexTable(start: chunks.end, count: count(4), width: 48)
        segments = IndexTable(start: objects.end, count: count(5), width: 20)
        externals = IndexTable(start: segments.end, count: Int(externalCount), width: 48)
        guard externals.end == bytes.count else {
            throw .malformed("it has \(bytes.count) bytes, its tables need \(externals.end)")
        }
        guard splitter.count <= 100, bytes[splitter].allSatisfy({ (0x20..<0x7f).contains($0) }) else {
            throw .malformed("the splitter's name")
        }
        guard volumes.count <= 65_535 else { throw .malformed("too many volumes") }
    }
}

/// The index's integers and records, read in place.
package extension [UInt8] {
    func integer<Value: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as type: Value.Type) -> Value {
        Value(littleEndian: unsafe span.bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: type))
    }

    func digest(at offset: Int) -> Digest {
        Digest(
            bigEndianWords: SIMD4(
                integer(at: offset, as: UInt64.self).byteSwapped, integer(at: offset + 8, as: UInt64.self).byteSwapped,
                integer(at: offset + 16, as: UInt64.self).byteSwapped,
                integer(at: offset + 24, as: UInt64.self).byteSwapped))
    }

    func frame(at offset: Int) -> Frame {
        Frame(
            volume: integer(at: offset, as: UInt32.self),
            encoding: integer(at: offset + 4, as: UInt32.self) == 1 ? .raw : .zstd,
            offset: integer(at: offset + 8, as: UInt64.self),
            storedLength: integer(at: offset + 16, as: UInt32.self),
            rawLength: integer(at: offset + 20, as: UInt32.self))
    }

    func part(at offset: Int) -> Part {
        Part(
            frame: integer(at: offset, as: UInt32.self), offset: integer(at: offset + 4, as: UInt32.self),
            length: integer(at: offset + 8, as: UInt64.self))
    }

    func chunk(at offset: Int) -> Chunk {
        Chunk(
            digest: digest(at: offset), length: integer(at: offset + 32, as: UInt64.self),
            firstPart: integer(at: offset + 40, as: UInt32.self), partCount: integer(at: offset + 44, as: UInt32.self))
    }

    func object(at offset: Int) -> Object {
        Object(
            digest: digest(at: offset), size: integer(at: offset + 32, as: UInt64.self),
            firstSegment: integer(at: offset + 40, as: UInt32.self),
            segmentCount: integer(at: offset + 44, as: UInt32.self))
    }

    func external(at offset: Int) -> External {
        External(
            chunk: integer(at: offset, as: UInt32.self), place: integer(at: offset + 4, as: UInt32.self),
            object: digest(at: offset + 8), offset: integer(at: offset + 40, as: UInt64.self))
    }

    func segment(at offset: Int) -> Segment {
        Segment(
            chunk: integer(at: offset, as: UInt32.self), offset: integer(at: offset + 4, as: UInt64.self),
            length: integer(at: offset + 12, as: UInt64.self))
    }
}
