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
/// is left to the receiver, the SHA-256.
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
    private var run: Run?
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
    /// Throws `BundleError` (13 for what is damaged, naming the volume, block and bytes; 3 for a missing volume),
    /// `FileError`, and what `body` throws. After an error the object is to be given up.
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
        let found = try reader.bytes(of: next)
        let length = UInt64(found.range.count)
        if let hasher { found.buffer.withBytes(found.range) { hasher.update($0) } }
        readCount += length
        run = next.length > length ? next.dropping(length) : nil
        if readCount >= size { try compare() }
        piece = found
        return found
    }

    private func compare() throws(BundleError) {
        guard !isCompared else { return }
        guard readCount == size, hasher.map({ Digest(hashed: $0.finish()) == digest }) ?? true else {
            throw .objectDiffers(digest)
        }
        isCompared = true
    }
}

extension Run {
    fileprivate func dropping(_ count: UInt64) -> Run {
        Run(volume: volume, position: position + count, length: length - count)
    }
}
