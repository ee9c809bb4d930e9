// SPDX-License-Identifier: Apache-2.0

internal import Cryptography
internal import Files
internal import OCI
internal import Synchronization
internal import SystemPackage

/// The folder that a mirror fills: an OCI image layout (image-spec 1.1, image-layout.md), `files/`, and what an
/// interrupted run goes on from in `.mirror/`. One process at a time.
final class MirrorFolder: Sendable {
    /// What `oci-layout` holds.
    private static let layoutVersion = #"{"imageLayoutVersion":"1.0.0"}"#

    let path: FilePath
    private let lock: LockedFile?
    private let made = Atomic<Int>(0)

    private struct LockedFile: ~Copyable, Sendable { let file: OpenFile }

    /// Makes the folder where it isn't there, and takes its lock; for reading alone it does neither. Throws
    /// `MirrorError.inUse`, `.notALayout` for a folder with anything else in it, `FileError`.
    init(_ path: FilePath, forWriting: Bool) throws {
        self.path = path
        guard forWriting else {
            lock = nil
            return
        }
        if try path.exists(), try !path.appending("oci-layout").exists(), try !path.appending(".mirror").exists(),
            try !path.entries().isEmpty
        {
            throw MirrorError.notALayout(path)
        }
        for name in ["blobs/sha256", ".mirror/partial"] { try path.appending(name).createDirectories() }
        let file = try OpenFile.writing(path.appending(".mirror/lock"))
        guard try file.lock() else { throw MirrorError.inUse(path) }
        lock = LockedFile(file: file)
        let marker = path.appending("oci-layout")
        if try !marker.exists() { try marker.replaceContents(with: Array(MirrorFolder.layoutVersion.utf8)) }
        for name in try partials.entries() where name.hasSuffix(".new") {
            try partials.appending(name).removeFile()
        }
    }

    var partials: FilePath { path.appending(".mirror/partial") }
    var blobs: FilePath { path.appending("blobs/sha256") }
    var files: FilePath { path.appending("files") }
    var index: FilePath { path.appending("index.json") }

    func blob(_ digest: Digest) -> FilePath { blobs.appending(digest.hex) }

    /// Whether a blob is there with this size. Its bytes were checked before it got its name.
    func has(_ digest: Digest, size: Int64) throws -> Bool {
        guard let status = try blob(digest).statusIfPresent(followingLinks: false) else { return false }
        return status.isRegular && Int64(status.size) == size
    }

    /// The bytes of a manifest that is there and undamaged.
    func manifest(_ digest: Digest) throws -> [UInt8]? {
        let file = blob(digest)
        guard let status = try file.statusIfPresent(followingLinks: false), status.isRegular,
            status.size <= UInt64(Manifest.maximumSize)
        else { return nil }
        let bytes = try file.contents(limit: Manifest.maximumSize)
        return Digest(of: bytes) == digest ? bytes : nil
    }

    /// Stores bytes whose digest this is; nobody sees half of them.
    func store(_ bytes: [UInt8], _ digest: Digest) throws {
        let staged = partials.appending("\(digest.hex).\(made.wrappingAdd(1, ordering: .relaxed).newValue).new")
        do {
            let file = try OpenFile.creating(staged)
            try file.write(bytes, at: 0)
            try file.syncData()
        }
        try staged.rename(to: blob(digest))
    }

    /// Makes the names of all that was stored durable.
    func sync() throws {
        try blobs.syncDirectory()
        if try files.exists() { try files.syncDirectory() }
    }

    /// The names of all blobs that are there.
    func storedBlobs() throws -> [(digest: Digest, size: UInt64)] {
        guard try blobs.exists() else { return [] }
        return try blobs.entries().compactMap { name in
            guard let digest = Digest(hex: name), let status = try blobs.appending(name).statusIfPresent() else {
                return nil
            }
            return (digest, status.size)
        }
    }
}

extension Digest {
    /// Takes what a SHA-256 `Hasher` gave.
    init(hashed bytes: [UInt8]) {
        guard let digest = Digest(bytes: bytes) else { preconditionFailure("not the 32 bytes of a SHA-256") }
        self = digest
    }

    /// The digest of `bytes`.
    init(of bytes: [UInt8]) { self.init(hashed: Hasher.hash(bytes)) }
}
