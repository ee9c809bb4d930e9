// SPDX-License-Identifier: Apache-2.0

internal import Cryptography
internal import Files
package import OCI

/// Who compares an object's bytes with its digest. Each of its blocks was compared with the signed one before, whoever
/// does.
package enum ObjectProof: Sendable {
    /// The stream, before it gives out the last byte.
    case stream
    /// The one who stores the bytes under that digest, and answers with it (docs/decisions/0005-blob-digest-by-receiver.md).
    case receiver
}

/// The bytes of one object in order. Its last byte is only given out after the size of all was compared and, unless that
/// is left to the receiver, the SHA-256. Bytes from outside of the bundle are compared with their chunk's SHA-256 before that.
///
/// One thread at a time, that of its reader; several streams of one reader may be read in turns.
package final class ObjectStream {
    package let digest: Digest
    /// Bytes.
    package let size: UInt64
    /// Bytes given out so far.
    package private(set) var position: UInt64 = 0

    private let reader: ObjectReader
    private let hasher: Hasher?
    private var runs: RunCursor
    private var run: ObjectRun?
    private var external: ExternalStream?
    private var externalBuffer: Buffer?
    /// What only the object's digest can prove: the places of chunks too large to be held, by the chunk's number.
    private var unproven: [Int: ExternalStream] = [:]
    private var piece: (buffer: Buffer, range: Range<Int>)?
    /// Bytes read so far, given out or in `piece`.
    private var readCount: UInt64 = 0
    private var isCompared = false

    init(_ object: Object, runs: RunCursor, reader: ObjectReader, proof: ObjectProof) {
        (digest, size) = (object.digest, object.size)
        (self.runs, self.reader) = (runs, reader)
        hasher = proof == .stream ? Hasher() : nil
    }

    /// Lends the next piece, at most 4 MiB, to `body`; `nil` after the last byte.
    ///
    /// Throws `BundleError` (13 for what is damaged, naming the volume, block and bytes; 3 for a missing volume;
    /// `.externalDiffers` for other bytes from outside, whose place is not asked again: the same object may be tried again),
    /// `FileError`, what the source of outside bytes throws, and what `body` throws. After an error the object is to be given up.
    package func withNext<Value>(_ body: (RawSpan) throws -> Value) throws -> Value? {
        guard let (buffer, range) = try current() else { return nil }
        piece = nil
        position += UInt64(range.count)
        return try buffer.withBytes(range, body)
    }

    /// Copies the next bytes to `target`; how many, 0 after the last. Throws as `withNext`.
    @unsafe package func read(into target: UnsafeMutableRawBufferPointer) throws -> Int {
        guard target.count > 0, let (buffer, range) = try current() else { return 0 }
        let count = min(target.count, range.count)
        buffer.withBytes(range.prefix(count)) { bytes in
            unsafe bytes.withUnsafeBytes { unsafe target.copyMemory(from: $0) }
        }
        piece = count < range.count ? (buffer, range.lowerBound + count..<range.upperBound) : nil
        position += UInt64(count)
        return count
    }

    /// The piece that is being given out, or the next one.
    private func current() throws -> (buffer: Buffer, range: Range<Int>)? {
        if let piece { return piece }
        guard let next = run ?? runs.next() else {
            try compare()
            return nil
        }
        let found = try bytes(of: next)
        let length = UInt64(found.range.count)
        if let hasher { found.buffer.withBytes(found.range) { hasher.update($0) } }
        readCount += length
        run = next.dropping(length)
        if run == nil { external = nil }
        if readCount >= size { try compare() }
        piece = found
        return found
    }

    private func bytes(of run: ObjectRun) throws -> (buffer: Buffer, range: Range<Int>) {
        switch run {
        case .stored(let run): try reader.bytes(of: run)
        case .external(let run): try bytes(of: run)
        }
    }

    private func bytes(of run: ExternalRun) throws -> (buffer: Buffer, range: Range<Int>) {
        let externals = try reader.externals(for: run)
        let length = reader.bundle.index.chunk(run.chunk).length
        guard length > ExternalReader.wholeLimit else { return try externals.bytes(of: run) }
        let stream = try external ?? ExternalStream(run, of: externals, isWholeObject: run.length == size)
        external = stream
        if !stream.isProven { unproven[run.chunk] = stream }
        var buffer = externalBuffer ?? Buffer(capacity: ExternalStream.pieceSize)
        externalBuffer = nil
        if !isKnownUniquelyReferenced(&buffer) { buffer = Buffer(capacity: ExternalStream.pieceSize) }
        externalBuffer = buffer
        return (buffer, try stream.next(run, buffer))
    }

    private func compare() throws(BundleError) {
        guard !isCompared else { return }
        guard readCount == size, hasher.map({ Digest(hashed: $0.finish()) == digest }) ?? true else {
            throw try fault()
        }
        isCompared = true
    }

    /// Bytes from outside are to blame where there are any that nothing else has proven.
    private func fault() throws(BundleError) -> BundleError {
        guard let first = unproven.first else { return .objectDiffers(digest) }
        let run = ExternalRun(chunk: first.key, offset: 0, length: 0)
        let externals = try reader.externals(for: run)
        let faults = unproven.values.map { externals.blaming($0.used, for: $0.chunk, digest) }
        return faults.reduce(.externalDiffers(digest, places: [])) { $0.joined(with: $1) }
    }
}

extension ObjectRun {
    /// What is left after the first `count` bytes; `nil` where that is nothing.
    func dropping(_ count: UInt64) -> ObjectRun? {
        switch self {
        case .stored(let run): run.length > count ? .stored(run.dropping(count)) : nil
        case .external(let run): run.length > count ? .external(run.dropping(count)) : nil
        }
    }
}

extension BundleError {
    /// The places of both, each once.
    fileprivate func joined(with other: BundleError) -> BundleError {
        guard case .externalDiffers(let digest, let mine) = self, case .externalDiffers(_, let others) = other else {
            return self
        }
        return .externalDiffers(digest, places: mine + others.filter { !mine.contains($0) })
    }
}
