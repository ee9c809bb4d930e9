// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import Splitting

/// Takes the blobs of an archive that stands on the medium as a plain file: what lies in that file unchanged is not stored
/// again, the rest is cut by content.
final class MappedBlobs: BlobSink {
    let builder: BundleBuilder
    let map: ArchiveMap
    /// Where the blob that is being taken begins in the decoded archive; set before each.
    var position: UInt64 = 0

    /// A stretch of a blob: a range of the plain file, or a chunk.
    private enum Piece {
        case file(offset: UInt64, length: UInt64)
        case chunk(UInt32, length: UInt64)
    }

    private var pieces: [Piece] = []
    private var taken: UInt64 = 0
    private var blobs: [(digest: Digest, size: UInt64, pieces: [Piece])] = []
    private var digests: Set<Digest> = []

    init(builder: BundleBuilder, map: ArchiveMap) { (self.builder, self.map) = (builder, map) }

    /// Whether a blob has been taken, though no object yet.
    func has(_ digest: Digest) -> Bool { digests.contains(digest) }

    func begin(_ digest: Digest, size: UInt64) { (pieces, taken) = ([], 0) }

    func append(_ piece: Buffer) throws {
        try piece.withBytes { bytes in
            var done = 0
            for run in map.runs(at: position + taken, bytes) {
                let start = Int(run.position - position - taken)
                try store(bytes.extracting(done..<start))
                add(fileRange: run.stored, UInt64(run.length))
                done = start + run.length
            }
            try store(bytes.extracting(done..<bytes.byteCount))
        }
        taken += UInt64(piece.count)
    }

    func end(_ digest: Digest, size: UInt64) {
        blobs.append((digest, size, pieces))
        digests.insert(digest)
        pieces = []
    }

    private func store(_ bytes: RawSpan) throws {
        for (chunk, length) in try builder.cut(bytes, isEnd: true).chunks {
            pieces.append(.chunk(chunk, length: length))
        }
    }

    private func add(fileRange offset: UInt64, _ length: UInt64) {
        if case .file(let start, let before)? = pieces.last, start + before == offset {
            pieces[pieces.count - 1] = .file(offset: start, length: before + length)
        } else {
            pieces.append(.file(offset: offset, length: length))
        }
    }

    /// Makes the blobs objects, once the file they lie in is a chunk.
    func register(in file: UInt32) {
        for (digest, size, pieces) in blobs {
            let segments = pieces.map { piece in
                switch piece {
                case .file(let offset, let length): Segment(chunk: file, offset: offset, length: length)
                case .chunk(let number, let length): Segment(chunk: number, offset: 0, length: length)
                }
            }
            builder.register(object: digest, size: size, segments)
        }
    }
}

extension BundleBuilder {
    /// Cuts bytes by content and stores the chunks that are new; without `isEnd` the last bytes may be left over.
    func cut(_ bytes: RawSpan, isEnd: Bool) throws -> (chunks: [(number: UInt32, length: UInt64)], taken: Int) {
        var chunks: [(number: UInt32, length: UInt64)] = []
        var start = 0
        while start < bytes.byteCount {
            let rest = bytes.extracting(start..<bytes.byteCount)
            guard let length = FastCDC.standard.cut(rest, isEnd: isEnd) else { break }
            let piece = rest.extracting(0..<length)
            chunks.append((try store(Digest(of: piece), as: .chunks, piece), UInt64(length)))
            start += length
        }
        return (chunks, start)
    }
}
