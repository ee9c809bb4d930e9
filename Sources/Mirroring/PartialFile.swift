// SPDX-License-Identifier: Apache-2.0

internal import Cryptography
internal import Files
internal import OCI
internal import SystemPackage

/// A download that grows, is hashed while it is written, and goes on after a kill: what is on the disk is hashed again.
final class PartialFile {
    let path: FilePath
    private let file: OpenFile
    private let hasher = Hasher()
    /// Bytes written and hashed.
    private(set) var position: Int64 = 0
    /// Whether some of it was there before.
    private(set) var wasResumed = false
    private var flushed: Int64 = 0
    private var synced: Int64 = 0

    /// Bytes after which writing back begins, so that the next sync has little to do.
    private static let flushLength: Int64 = 16 << 20
    /// Bytes after which all is made durable: as much as a power cut may take.
    private static let syncLength: Int64 = 64 << 20

    /// Opens what an earlier run left, at most `limit` bytes of it, or begins.
    init(_ path: FilePath, limit: Int64) throws {
        self.path = path
        file = try OpenFile.writing(path)
        try path.syncName()
        file.dropCache()  // after a failed fsync the cache has what the medium hasn't got: hash what is there
        let size = Int64(try file.status().size)
        guard size <= limit else {
            try file.truncate(to: 0)
            return
        }
        position = try PartialFile.hash(file, size, into: hasher)
        (flushed, synced) = (position, position)
        wasResumed = size > 0
    }

    private static func hash(_ file: borrowing OpenFile, _ size: Int64, into hasher: Hasher) throws -> Int64 {
        let buffer = Buffer(capacity: 1 << 20)
        var position: Int64 = 0
        while position < size {
            try Interruption.check()
            try file.read(into: buffer, at: UInt64(position), length: Int(min(Int64(buffer.capacity), size - position)))
            guard buffer.count > 0 else { break }
            buffer.withBytes { hasher.update($0) }
            position += Int64(buffer.count)
        }
        return position
    }

    /// The digest of the bytes of a whole file.
    static func digest(of path: FilePath) throws -> Digest {
        let file = try OpenFile.reading(path)
        let hasher = Hasher()
        _ = try hash(file, Int64(file.status().size), into: hasher)
        return Digest(hashed: hasher.finish())
    }

    /// Throws away what is there.
    func restart() throws {
        _ = hasher.finish()
        (position, flushed, synced, wasResumed) = (0, 0, 0, false)
        try file.truncate(to: 0)
    }

    func append(_ bytes: RawSpan) throws {
        try file.write(bytes, at: UInt64(position))
        hasher.update(bytes)
        position += Int64(bytes.byteCount)
        guard position - flushed >= PartialFile.flushLength else { return }
        file.startWriteback(from: UInt64(flushed), length: UInt64(position - flushed))
        flushed = position
        guard position - synced >= PartialFile.syncLength else { return }
        try file.syncData()
        synced = position
    }

    /// The digest of all bytes, once: the next message begins.
    func digest() -> Digest { Digest(hashed: hasher.finish()) }

    /// Gives the file its name. Its bytes are on the medium before anyone can see it.
    func commit(to destination: FilePath) throws {
        try file.syncData()
        try path.rename(to: destination)
    }

    /// Removes the file: its bytes are wrong.
    func discard() throws { try path.removeFile() }
}
