// SPDX-License-Identifier: Apache-2.0

internal import Cryptography
internal import Files
package import OCI

/// The bytes of one object in order. Its last byte is only given out after size and SHA-256 of all were compared.
///
/// One thread at a time, that of its reader; several streams of one reader may be read in turns.
package final class ObjectStream {
    package let digest: Digest
    /// Bytes.
    package let size: UInt64
    /// Bytes given out so far.
    package private(set) var position: UInt64 = 0

    private let reader: ObjectReader
    private let hasher = Hasher()
    private var runs: RunCursor
    private var run: Run?
    private var piece: (buffer: Buffer, range: Range<Int>)?
    /// Bytes hashed so far, given out or in `piece`.
    private var hashed: UInt64 = 0
    private var isCompared = false

    init(_ object: Object, runs: RunCursor, reader: ObjectReader) {
        (digest, size) = (object.digest, object.size)
        (self.runs, self.reader) = (runs, reader)
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

    /// The piece that is being given out, hashed; or the next one.
    private func current() throws -> (buffer: Buffer, range: Range<Int>)? {
        if let piece { return piece }
        guard let next = run ?? runs.next() else {
            try compare()
            return nil
        }
        let found = try reader.bytes(of: next)
        let length = UInt64(found.range.count)
        found.buffer.withBytes(found.range) { hasher.update($0) }
        hashed += length
        run = next.length > length ? next.dropping(length) : nil
        if hashed >= size { try compare() }
        piece = found
        return found
    }

    private func compare() throws(BundleError) {
        guard !isCompared else { return }
        guard hashed == size, Digest(hashed: hasher.finish()) == digest else { throw .objectDiffers(digest) }
        isCompared = true
    }
}

extension Run {
    fileprivate func dropping(_ count: UInt64) -> Run {
        Run(volume: volume, position: position + count, length: length - count)
    }
}
