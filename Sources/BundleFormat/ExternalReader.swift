// SPDX-License-Identifier: Apache-2.0

internal import Cryptography
internal import Files
internal import OCI

/// Reads the chunks that a bundle leaves out from where a source finds them. One thread, that of its object reader.
///
/// A chunk that fits memory is compared with its SHA-256 before a byte is given out, and looked for in the next place where
/// it differs. Of larger ones see `ExternalStream`.
final class ExternalReader {
    /// The longest chunk that is held whole, bytes.
    static let wholeLimit = UInt64(maximumFrameLength)

    let bundle: VerifiedBundle
    let source: any ExternalSource
    private let hasher = Hasher()
    private var kept: (chunk: Int, buffer: Buffer)?

    init(_ bundle: VerifiedBundle, _ source: any ExternalSource) { (self.bundle, self.source) = (bundle, source) }

    /// The bytes of a run of a chunk of at most `wholeLimit` bytes, compared.
    func bytes(of run: ExternalRun) throws -> (buffer: Buffer, range: Range<Int>) {
        let start = Int(run.offset)
        return (try whole(run.chunk), start..<start + Int(run.length))
    }

    func chunk(_ number: Int) throws(BundleError) -> ExternalChunk {
        guard let chunk = bundle.index.externalChunk(number) else { throw bundle.absent(number) }
        return chunk
    }

    private func whole(_ number: Int) throws -> Buffer {
        if let kept, kept.chunk == number { return kept.buffer }
        let chunk = try chunk(number)
        let buffer = freeBuffer()
        var search = PlaceSearch(chunk)
        for place in try source.places(of: chunk) {
            try Interruption.check()
            do {
                try fill(buffer, with: chunk, from: place)
            } catch let fault as PlaceFault {
                search.note(fault)
                continue
            }
            if UInt64(buffer.count) == chunk.length {
                buffer.withBytes { hasher.update($0) }
                if Digest(hashed: hasher.finish()) == chunk.digest {
                    kept = (number, buffer)
                    return buffer
                }
            }
            search.note(place)
            source.reject(place, for: chunk)
        }
        throw search.failure(of: bundle)
    }

    private func fill(_ buffer: Buffer, with chunk: ExternalChunk, from place: any ExternalPlace) throws {
        let length = Int(chunk.length)
        buffer.count = 0
        while buffer.count < length {
            let done = buffer.count
            let count = try unsafe buffer.withMemory { memory in
                try unsafe place.read(
                    at: UInt64(done), into: UnsafeMutableRawBufferPointer(rebasing: memory[done..<length]))
            }
            guard count > 0 else { return }
            buffer.count = done + count
        }
    }

    /// The memory of the chunk that was given out before, or fresh memory while somebody still reads that.
    private func freeBuffer() -> Buffer {
        guard var old = kept?.buffer else { return Buffer(capacity: maximumFrameLength) }
        kept = nil
        return isKnownUniquelyReferenced(&old) ? old : Buffer(capacity: maximumFrameLength)
    }
}

/// What came of asking the places of one chunk.
struct PlaceSearch {
    private let chunk: ExternalChunk
    private var fault: (any Error)?
    private var others: [String] = []

    init(_ chunk: ExternalChunk) { self.chunk = chunk }

    /// A place could not be read.
    mutating func note(_ fault: PlaceFault) { self.fault = self.fault ?? fault.cause }

    /// A place gave other bytes.
    mutating func note(_ place: any ExternalPlace) { others.append(place.name) }

    /// Why the chunk can't be had: what may pass comes before what won't.
    func failure(of bundle: VerifiedBundle) -> any Error {
        if let fault { return fault }
        guard others.isEmpty else { return BundleError.externalDiffers(chunk.digest, places: others) }
        return bundle.absent(chunk.number)
    }
}
