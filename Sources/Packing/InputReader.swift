// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
internal import Files
internal import OCI
internal import Splitting
internal import Synchronization

/// The buffers and hash lanes through which every input passes. Memory is the pool: `buffers` times about 4 MiB.
final class InputReader: Sendable {
    /// Bytes read at once.
    static let pieceLength = 4 << 20
    private static let buffers = 6

    let pool = BufferPool(count: buffers, capacity: pieceLength + FastCDC.standard.maximum)
    /// Hashes whole inputs and blobs, in the order they are read.
    let identity = Lane("identity")
    /// Hashes extents of images.
    let extents = Lane("extent-hash")
    /// Hash the chunks that were cut.
    let chunks = [Lane("chunk-hash-0"), Lane("chunk-hash-1")]
    let progress: Progress

    init(progress: Progress) { self.progress = progress }

    /// Throws when a blob read so far is not what its name says.
    func confirm() throws { try identity.wait() }

    /// Reads `range` of a file piece by piece. `body` gets each buffer and must end its countdown use itself, once.
    func pieces(
        of file: InputFile, _ range: Range<UInt64>, name: String, users: Int,
        _ body: (Buffer, Countdown) throws -> Void
    ) throws {
        var offset = range.lowerBound
        while offset < range.upperBound {
            try Interruption.check()
            let buffer = pool.take()
            let uses = Countdown(users) { [pool] in pool.put(buffer) }
            let length = Int(min(UInt64(InputReader.pieceLength), range.upperBound - offset))
            do {
                try file.read(into: buffer, at: offset, length: length)
                guard buffer.count == length else { throw PackError.inputChanged(name) }
            } catch {
                for _ in 0..<users { uses.end() }
                throw error
            }
            progress.add(length)
            try body(buffer, uses)
            offset += UInt64(length)
        }
    }
}

/// A digest that a lane computes and its owner reads after waiting for that lane.
final class LaneHash: Sendable {
    private let hasher = Hasher()

    /// Queues the filled bytes of `buffer`, or a range of them, then ends one use of it.
    func add(_ buffer: Buffer, _ range: Range<Int>? = nil, on lane: Lane, ending uses: Countdown) {
        lane.add { [hasher] in buffer.withBytes(range) { hasher.update($0) } }
        lane.addAlways { uses.end() }
    }

    /// The digest; the lane must have been waited for, or be the caller.
    func finish() -> Digest { Digest(hashed: hasher.finish()) }
}

/// A digest that a lane will set.
final class LaneDigest: Sendable {
    private let stored = Mutex<Digest?>(nil)

    var value: Digest? { stored.withLock(\.self) }
    func set(_ digest: Digest) { stored.withLock { $0 = digest } }
}

/// A digest computed on the caller's thread.
struct PackHash {
    private let hasher = Hasher()

    func update(_ bytes: RawSpan) { hasher.update(bytes) }
    func finish() -> Digest { Digest(hashed: hasher.finish()) }
}
