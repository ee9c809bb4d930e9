// SPDX-License-Identifier: Apache-2.0

internal import Cryptography
internal import Files
internal import OCI

/// Reads a run of a chunk that is too large to be held, piece by piece, from one place after another.
///
/// Where the run is the whole chunk, its SHA-256 is compared before the last piece is given out. A run that is only a part of
/// it, or that is the whole object, is proven by the object's own digest: its stream then blames `used`.
final class ExternalStream {
    /// Bytes that are asked for at a time.
    static let pieceSize = 1 << 20

    let chunk: ExternalChunk
    /// The places that bytes came from.
    private(set) var used: [any ExternalPlace] = []
    /// Whether its own comparison stands for the bytes.
    var isProven: Bool { hasher != nil }

    private let reader: ExternalReader
    private let hasher: Hasher?
    private var places: ArraySlice<any ExternalPlace>
    private var search: PlaceSearch

    /// `isWholeObject`: whether the object that is read is this chunk.
    init(_ run: ExternalRun, of reader: ExternalReader, isWholeObject: Bool) throws {
        chunk = try reader.chunk(run.chunk)
        self.reader = reader
        hasher = run.offset == 0 && run.length == chunk.length && !isWholeObject ? Hasher() : nil
        places = try reader.source.places(of: chunk)[...]
        search = PlaceSearch(chunk)
    }

    /// The next bytes of the run, at most a piece, in `buffer`: at least 1.
    func next(_ run: ExternalRun, _ buffer: Buffer) throws -> Range<Int> {
        let length = Int(min(run.length, UInt64(ExternalStream.pieceSize)))
        let count = try fill(buffer, from: run.offset, length: length)
        if let hasher {
            buffer.withBytes(0..<count) { hasher.update($0) }
            let isLast = run.offset + UInt64(count) == chunk.length
            guard !isLast || Digest(hashed: hasher.finish()) == chunk.digest else {
                throw reader.blaming(used, for: chunk, chunk.digest)
            }
        }
        return 0..<count
    }

    private func fill(_ buffer: Buffer, from offset: UInt64, length: Int) throws -> Int {
        while let place = places.first {
            try Interruption.check()
            do {
                let count = try unsafe buffer.withMemory { memory in
                    try unsafe place.read(at: offset, into: UnsafeMutableRawBufferPointer(rebasing: memory[..<length]))
                }
                if count > 0 {
                    if used.last !== place { used.append(place) }
                    buffer.count = count
                    return count
                }
                // it ends within the chunk, so it is something else
                search.note(place)
                reader.source.reject(place, for: chunk)
            } catch let fault as PlaceFault {
                search.note(fault)
            }
            places = places.dropFirst()
        }
        throw search.failure(of: reader.bundle)
    }
}

extension ExternalReader {
    /// Rejects places that gave something else than `digest`, and gives the error that says so.
    func blaming(_ places: [any ExternalPlace], for chunk: ExternalChunk, _ digest: Digest) -> BundleError {
        for place in places { source.reject(place, for: chunk) }
        return .externalDiffers(digest, places: places.map(\.name))
    }
}
