// SPDX-License-Identifier: Apache-2.0

internal import Cryptography
internal import Files
internal import OCI
internal import Synchronization
internal import SystemPackage

/// What was read of loose files, kept as long as they don't change: looking again costs only what is new.
package final class LooseContents: Sendable {
    /// The digests of a file's pieces, as far as somebody asked.
    private struct Known {
        var digests: [Piece: Digest] = [:]
        var start: [UInt8]?
    }

    private enum Piece {
        case whole, first, last
    }

    /// The most bytes of `start`.
    static let startLength = 76

    private let known = Mutex<[LooseFile: Known]>([:])
    private let indexes = Mutex<[Digest: BundleIndex]>([:])

    package init() {}

    /// Forgets all other files.
    func keep(only files: [LooseFile]) {
        let kept = Set(files)
        known.withLock { $0 = $0.filter { kept.contains($0.key) } }
    }

    /// The SHA-256 of a file. Throws `FileError`, `EIO` where it ends before its length.
    func digest(of file: LooseFile) throws(FileError) -> Digest {
        try digest(of: file, 0..<file.size, Piece.whole)
    }

    /// The SHA-256 of its first block, or of all of it where it is shorter. Throws as `digest`.
    func firstBlock(of file: LooseFile) throws(FileError) -> Digest {
        try digest(of: file, 0..<min(file.size, UInt64(blockSize)), Piece.first)
    }

    /// The SHA-256 of the block that its last byte is in. Throws as `digest`.
    func lastBlock(of file: LooseFile) throws(FileError) -> Digest {
        let size = UInt64(blockSize)
        return try digest(of: file, (max(file.size, 1) - 1) / size * size..<file.size, Piece.last)
    }

    /// The first bytes of a file, at most `startLength`. Throws `FileError`.
    func start(of file: LooseFile) throws(FileError) -> [UInt8] {
        if let start = known.withLock({ $0[file]?.start }) { return start }
        let start = try file.open().bytes(at: 0, length: Int(min(file.size, UInt64(LooseContents.startLength))))
        known.withLock { $0[file, default: Known()].start = start }
        return start
    }

    private func digest(
        of file: LooseFile, _ range: Range<UInt64>, _ piece: Piece
    ) throws(FileError) -> Digest {
        if let digest = known.withLock({ $0[file]?.digests[piece] }) { return digest }
        let buffer = Buffer(capacity: VerifiedBlocks.pieceSize)
        guard let digest = try file.open().sha256(of: range, buffer, Hasher()) else {
            throw FileError("read past the end of", file.path, .ioError)
        }
        known.withLock { $0[file, default: Known()].digests[piece] = digest }
        return digest
    }

    /// An index that has this digest, read by `bytes` unless it was before; `nil` where it can't be read. A few are kept.
    func index<Fault>(
        _ digest: Digest, _ bytes: () throws(Fault) -> [UInt8]?
    ) throws(Fault) -> BundleIndex? {
        if let index = indexes.withLock({ $0[digest] }) { return index }
        guard let bytes = try bytes(), Digest(of: bytes) == digest else { return nil }
        do throws(IndexError) {
            let index = try BundleIndex(parsing: bytes)
            indexes.withLock { known in
                if known.count >= 2 { known = [:] }
                known[digest] = index
            }
            return index
        } catch {
            return nil  // verification says what is wrong with it
        }
    }
}
