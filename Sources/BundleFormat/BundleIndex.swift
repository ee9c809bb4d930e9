// SPDX-License-Identifier: Apache-2.0

package import OCI

/// The index of a bundle, read in place: no copy of its tables is made, so it costs the memory of the file.
///
/// Every count, range and reference in it has been checked by `init`.
package struct BundleIndex: Sendable {
    /// The most bytes an index may have: some four million chunks, far beyond 100 GB of content.
    package static let maximumSize = 512 << 20

    private let bytes: [UInt8]
    private let layout: IndexLayout
    /// The volumes, in order.
    package let volumes: [Volume]
    private let firstBlocks: [Int]
    /// The frames of volume i are `frameRanges[i]`.
    package let frameRanges: [Range<Int>]

    /// Reads the file's bytes. Throws `IndexError` for any rule of docs/format.md that it breaks.
    package init(parsing bytes: [UInt8]) throws(IndexError) {
        self.bytes = bytes
        layout = try IndexLayout(bytes)
        volumes = try IndexChecks.volumes(bytes, layout)
        var first = 0
        firstBlocks = volumes.map { volume in
            defer { first += Volume.blockCount(of: volume.length) }
            return first
        }
        frameRanges = try IndexChecks.frames(bytes, layout, volumes)
        try IndexChecks.chunks(bytes, layout, volumes, frameRanges)
        try IndexChecks.objects(bytes, layout)
    }

    package var chunkCount: Int { layout.chunks.count }
    package var objectCount: Int { layout.objects.count }
    /// The name and version of the rule that cut the chunks.
    package var splitter: String { String(decoding: bytes[layout.splitter], as: UTF8.self) }

    /// SHA-256 of block `block` of volume `volume`.
    package func blockDigest(volume: Int, block: Int) -> Digest {
        bytes.digest(at: layout.blocks.offset(of: firstBlocks[volume] + block))
    }

    package func frame(_ index: Int) -> Frame { bytes.frame(at: layout.frames.offset(of: index)) }
    package func part(_ index: Int) -> Part { bytes.part(at: layout.parts.offset(of: index)) }
    package func chunk(_ index: Int) -> Chunk { bytes.chunk(at: layout.chunks.offset(of: index)) }
    package func object(_ index: Int) -> Object { bytes.object(at: layout.objects.offset(of: index)) }
    package func segment(_ index: Int) -> Segment { bytes.segment(at: layout.segments.offset(of: index)) }

    /// How many repositories of `Release.Base` its externals count on.
    package var repositoryCount: Int {
        let places = (0..<layout.externals.count).lazy.map { external($0).place }.filter { $0 != External.file }
        return places.max().map { Int($0) + 1 } ?? 0
    }

    /// Whether it leaves out chunks that a site has already.
    package var isDelta: Bool { layout.externals.count > 0 }

    /// Where the bytes of chunk `number` may be found, in order; empty for one that the bundle holds itself.
    package func externals(of number: Int) -> [External] {
        var range = 0..<layout.externals.count
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            range = external(middle).chunk < number ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return Array((range.lowerBound..<layout.externals.count).lazy.map(external).prefix { $0.chunk == number })
    }

    /// Places of chunks that are left out, all together.
    package var externalCount: Int { layout.externals.count }
    package func external(_ index: Int) -> External { bytes.external(at: layout.externals.offset(of: index)) }

    /// The object of that digest, by binary search; `nil` when the bundle does not deliver it.
    package func object(_ digest: Digest) -> Object? {
        var range = 0..<objectCount
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            let candidate = object(middle)
            if candidate.digest == digest { return candidate }
            range = candidate.digest < digest ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return nil
    }

    /// The segments of an object, in order.
    package func segments(of object: Object) -> [Segment] {
        (object.firstSegment..<object.firstSegment + object.segmentCount).map { segment(Int($0)) }
    }

    /// The parts of a chunk, in order.
    package func parts(of chunk: Chunk) -> [Part] {
        (chunk.firstPart..<chunk.firstPart + chunk.partCount).map { part(Int($0)) }
    }

    /// Decoded bytes of a frame: for a plain volume's frame the volume's length.
    package func rawLength(of frame: Frame) -> UInt64 {
        frame.encoding == .raw ? volumes[Int(frame.volume)].length : UInt64(frame.rawLength)
    }
}

/// Why bytes are no index.
package enum IndexError: Error, Equatable {
    /// The first bytes, the length or a count is not what it must be.
    case malformed(String)
    /// A record breaks a rule.
    case invalid(String, at: Int)
}

extension IndexError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .malformed(let what): "the index is malformed: \(what); copy the file again"
        case .invalid(let what, let record): "the index breaks a rule: \(what) (record \(record))"
        }
    }
}
