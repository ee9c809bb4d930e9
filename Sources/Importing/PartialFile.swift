// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
internal import Files
internal import OCI
internal import Synchronization
internal import SystemPackage

/// A file that is being written and may have bytes of an earlier run: what is the same is left.
final class PartialFile {
    private let file: OpenFile
    private let old = Buffer(capacity: 4 << 20)
    /// Bytes from its start on that may be those of an earlier run.
    private(set) var present: UInt64
    /// Bytes written since the last `sync`.
    private(set) var unsynced: UInt64 = 0

    init(_ file: consuming OpenFile, present: UInt64) {
        self.file = file
        self.present = present
    }

    /// Asks for the room of the whole file.
    func reserve(_ size: UInt64) { file.reserve(from: 0, length: size) }

    /// Writes a piece, at most 4 MiB, where it isn't there.
    func put(_ piece: RawSpan, at offset: UInt64) throws(FileError) {
        let end = offset + UInt64(piece.byteCount)
        if end <= present, piece.byteCount <= old.capacity {
            try file.read(into: old, at: offset, length: piece.byteCount)
            if old.hasSameBytes(as: piece) { return }
        }
        try file.write(piece, at: offset)
        file.startWriteback(from: offset, length: UInt64(piece.byteCount))
        present = max(present, end)
        unsynced += UInt64(piece.byteCount)
    }

    /// What was put is durable then.
    func sync() throws(FileError) {
        try file.syncData()
        unsynced = 0
    }

    /// Cuts off what an earlier run may have left behind the end, and makes all durable.
    func finish(size: UInt64) throws(FileError) {
        try file.truncate(to: size)
        try file.syncData()
    }

    func digest(of size: UInt64, _ progress: Progress) throws -> Digest {
        progress.label = "comparing \(file.path.lastComponent?.string ?? "")"
        progress.done.store(0, ordering: .relaxed)
        return try Digest(of: file, size: size, progress)
    }
}
