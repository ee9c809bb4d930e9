// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
internal import Files
internal import OCI
internal import RegistryClient
internal import Synchronization
internal import SystemPackage

/// Blob files whose bytes are known. No registry watches over a folder, so each file is hashed, once a run: hard links of one
/// file together.
final class LayoutBlobs: Sendable {
    private struct Proof: Hashable {
        let file: FileIdentity
        let digest: Digest
    }

    private let proven = Mutex<Set<Proof>>([])

    /// Whether the file is there with the bytes of this digest.
    func holds(_ path: FilePath, _ digest: Digest, size: Int64) throws -> Bool {
        guard let status = try path.statusIfPresent(), status.isRegular, status.size == UInt64(size),
            let identity = path.identityIfSeen()
        else { return false }
        let proof = Proof(file: identity, digest: digest)
        if proven.withLock({ $0.contains(proof) }) { return true }
        let file = try OpenFile.reading(path)
        guard try Digest(of: file, size: status.size) == digest else { return false }
        proven.withLock { _ = $0.insert(proof) }
        return true
    }

    /// Writes a body into a file that is not in its place yet, and syncs it. Throws `LoadError.otherBytes` where it is another
    /// digest's, and removes the file then.
    func write(_ digest: Digest, size: UInt64, _ body: inout any BlobBody, to staged: FilePath, _ buffer: Buffer) throws
    {
        do {
            let file = try OpenFile.writing(staged)
            try file.truncate(to: 0)
            file.reserve(from: 0, length: size)
            let hasher = Hasher()
            var offset: UInt64 = 0
            while case let count = try unsafe buffer.withMemory({ try unsafe body.read(into: $0) }), count > 0 {
                try Interruption.check()
                buffer.count = count
                try buffer.withBytes { bytes in
                    hasher.update(bytes)
                    try file.write(bytes, at: offset)
                }
                offset += UInt64(count)
            }
            guard offset == size, Digest(hashed: hasher.finish()) == digest else {
                throw LoadError.otherBytes(staged.string, expected: digest)
            }
            try file.syncData()
        } catch {
            try staged.removeFile()
            throw error
        }
        guard let identity = staged.identityIfSeen() else { return }
        proven.withLock { _ = $0.insert(Proof(file: identity, digest: digest)) }
    }
}
