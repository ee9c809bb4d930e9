// SPDX-License-Identifier: Apache-2.0

package import Files
package import OCI

/// The bytes of one object of which only some volumes may be at hand: those that are, in order. Each block was compared with its
/// signed SHA-256, each chunk from outside of the bundle that fits memory with its own; the object's digest is the caller's to compare.
///
/// One thread, that of its reader.
package final class ObjectPieces {
    /// Bytes.
    package let size: UInt64
    /// Bytes that no volume at hand has and that are not yet there, by the volume's number; complete after the last piece.
    package private(set) var missing: [Int: UInt64] = [:]

    private let reader: ObjectReader
    private let present: ByteRanges
    private var runs: RunCursor
    private var run: ObjectRun?
    private var position: UInt64 = 0
    private var external: ExternalStream?
    private let externalBuffer = Buffer(capacity: ExternalStream.pieceSize)

    init(_ object: Object, runs: RunCursor, present: ByteRanges, reader: ObjectReader) {
        (size, self.runs, self.present, self.reader) = (object.size, runs, present, reader)
    }

    /// Lends the next piece, at most 4 MiB, with its place in the object; `nil` after the last.
    ///
    /// Throws as `ObjectStream.withNext`, and what `body` throws.
    package func withNext<Value>(_ body: (UInt64, RawSpan) throws -> Value) throws -> Value? {
        while let next = run ?? runs.next() {
            let length = next.length
            guard let gap = present.gap(in: position..<position + length) else {
                drop(length, of: next)
                continue
            }
            if gap.lowerBound > position {
                drop(gap.lowerBound - position, of: next)
                continue
            }
            let wanted = gap.upperBound - gap.lowerBound
            if case .stored(let stored) = next, !reader.hasBlocks(of: stored) {
                missing[stored.volume, default: 0] += wanted
                drop(wanted, of: next)
                continue
            }
            let found = try bytes(of: next)
            let count = min(UInt64(found.range.count), wanted)
            let start = position
            let value = try found.buffer.withBytes(found.range.prefix(Int(count))) { try body(start, $0) }
            drop(count, of: next)
            return value
        }
        return nil
    }

    private func drop(_ count: UInt64, of next: ObjectRun) {
        position += count
        run = next.dropping(count)
        if run == nil { external = nil }
    }

    private func bytes(of run: ObjectRun) throws -> (buffer: Buffer, range: Range<Int>) {
        switch run {
        case .stored(let run): return try reader.bytes(of: run)
        case .external(let run):
            let externals = try reader.externals(for: run)
            let length = reader.bundle.index.chunk(run.chunk).length
            guard length > ExternalReader.wholeLimit else { return try externals.bytes(of: run) }
            // proven by the object's digest alone, as parts of it may be left out
            let stream = try external ?? ExternalStream(run, of: externals, isWholeObject: true)
            external = stream
            return (externalBuffer, try stream.next(run, externalBuffer))
        }
    }
}

extension ObjectReader {
    /// Begins reading what is at hand of an object, but for what is `present` elsewhere.
    ///
    /// Throws `BundleError.objectUnknown` (13), and `.externalMissing` (3) where the bundle leaves bytes of it out and this reader
    /// has no source for them.
    package func pieces(_ digest: Digest, except present: ByteRanges) throws(BundleError) -> ObjectPieces {
        guard let object = bundle.index.object(digest) else { throw .objectUnknown(digest) }
        if let first = try bundle.externalNumbers(for: [digest]).first, !hasExternals { throw absent(first) }
        let runs = RunCursor(object, bundle.index, bundle.frames)
        return ObjectPieces(object, runs: runs, present: present, reader: self)
    }

    fileprivate func hasBlocks(of run: Run) -> Bool {
        bundle.has(blocks: bundle.blocks(of: run), of: run.volume)
    }
}

extension ObjectRun {
    fileprivate var length: UInt64 {
        switch self {
        case .stored(let run): run.length
        case .external(let run): run.length
        }
    }
}
