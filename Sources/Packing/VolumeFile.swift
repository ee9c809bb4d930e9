// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
internal import Files
internal import OCI
internal import Synchronization
internal import SystemPackage

/// What is known of a volume file once it is whole.
struct FinishedVolume: Sendable, Equatable {
    let length: UInt64
    let digest: Digest
    let blocks: [[UInt8]]
}

/// One volume file being written, front to back. Each filled buffer goes at once to three lanes: to the disk, to the
/// block hashes, to the hash of the whole file. It returns to the pool when all three have let it go.
final class VolumeFile {
    /// Bytes of a buffer: a multiple of the block size.
    static let bufferSize = 4 << 20
    /// Reserved ahead of the data, so that the file lies in few pieces.
    private static let reserveStep: UInt64 = 64 << 20

    private let path: FilePath
    private let pool: BufferPool
    private let lanes: VolumeLanes
    private let output: VolumeOutput
    private let hashes = VolumeHashes()
    private var buffer: Buffer
    private var reserved: UInt64 = 0
    /// Bytes handed to the lanes.
    private(set) var flushed: UInt64 = 0

    /// Opens `path` and goes on after its first `length` bytes, which are read again to restore the hashes.
    init(at path: FilePath, resumingAt length: UInt64 = 0, pool: BufferPool, lanes: VolumeLanes) throws {
        self.path = path
        self.pool = pool
        self.lanes = lanes
        output = try VolumeOutput(path)
        // The name must last as long as what the journal will say of the file.
        try path.removingLastComponent().syncDirectory()
        buffer = pool.take()
        try restore(length)
    }

    deinit { pool.put(buffer) }

    /// Bytes written so far, those still in the buffer included.
    var length: UInt64 { flushed + UInt64(buffer.count) }

    private func restore(_ length: UInt64) throws {
        guard length > 0 else { return }
        let whole = length / UInt64(VolumeFile.bufferSize) * UInt64(VolumeFile.bufferSize)
        while flushed < whole {
            try output.read(into: buffer, at: flushed, length: VolumeFile.bufferSize)
            guard buffer.count == VolumeFile.bufferSize else { throw PackError.partialShorterThanJournal(path) }
            try ship(writing: false)
        }
        try output.read(into: buffer, at: flushed, length: Int(length - whole))
        guard buffer.count == Int(length - whole) else {
            throw PackError.partialShorterThanJournal(path)
        }
    }

    /// Appends bytes; waits for a free buffer where the disk or the hashes are behind.
    func append(_ bytes: RawSpan) throws {
        var start = 0
        while start < bytes.byteCount {
            let end = min(bytes.byteCount, start + VolumeFile.bufferSize - buffer.count)
            buffer.append(bytes.extracting(start..<end))
            start = end
            if buffer.count == VolumeFile.bufferSize { try ship(writing: true) }
        }
    }

    /// Hands the buffer to the lanes and takes a fresh one.
    private func ship(writing: Bool) throws {
        let offset = flushed
        let full = buffer
        flushed += UInt64(full.count)
        let pool = pool
        let uses = Countdown(writing ? 3 : 2) { pool.put(full) }
        if writing {
            if flushed > reserved {
                output.reserve(from: reserved, length: VolumeFile.reserveStep)
                reserved += VolumeFile.reserveStep
            }
            lanes.disk.add { [output] in try output.write(full, at: offset) }
            lanes.disk.addAlways { uses.end() }
        }
        lanes.blocks.add { [hashes] in hashes.addBlocks(full) }
        lanes.blocks.addAlways { uses.end() }
        lanes.whole.add { [hashes] in hashes.addWhole(full) }
        lanes.whole.addAlways { uses.end() }
        buffer = pool.take()
        try lanes.check()
    }

    /// Makes what was flushed durable, then runs `then` on the disk lane.
    func sync(then: @escaping @Sendable () throws -> Void) {
        lanes.disk.add { [output] in
            try output.sync()
            try then()
        }
    }

    /// Writes what is left, waits for all lanes, makes the file durable.
    func finish() throws -> FinishedVolume {
        let length = length
        if buffer.count > 0 { try ship(writing: true) }
        lanes.disk.add { [output] in try output.finish(length: length) }
        try lanes.wait()
        return FinishedVolume(length: length, digest: hashes.whole(), blocks: hashes.blocks())
    }
}

/// The lanes that all volumes of one run share.
final class VolumeLanes: Sendable {
    let disk = Lane("disk")
    let blocks = Lane("block-hashes")
    let whole = Lane("volume-hash")

    /// Throws the first error of any lane, without waiting.
    func check() throws {
        for lane in [disk, blocks, whole] { try lane.check() }
    }

    /// Waits for all work, whatever became of it.
    func drain() {
        for lane in [disk, blocks, whole] { lane.drain() }
    }

    func wait() throws {
        for lane in [disk, blocks, whole] { try lane.wait() }
    }
}

/// The running hashes of one volume; each is touched by its own lane alone, and read after the lanes were waited for.
private final class VolumeHashes: Sendable {
    private let wholeHasher = Hasher()
    private let blockHasher = Hasher()
    private let digests = Mutex<[[UInt8]]>([])

    func addWhole(_ buffer: Buffer) { buffer.withBytes { wholeHasher.update($0) } }

    func addBlocks(_ buffer: Buffer) {
        var start = 0
        while start < buffer.count {
            let end = min(start + blockSize, buffer.count)
            buffer.withBytes(start..<end) { blockHasher.update($0) }
            let digest = blockHasher.finish()
            digests.withLock { $0.append(digest) }
            start = end
        }
    }

    func whole() -> Digest { Digest(hashed: wholeHasher.finish()) }
    func blocks() -> [[UInt8]] { digests.withLock { $0 } }
}
