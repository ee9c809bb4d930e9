// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
internal import Files
internal import OCI
internal import SystemPackage

/// Brings the common files onto a medium: each is hashed as it is read, written aside, synced, read back, renamed.
struct SmallCopy {
    let layout: MediumLayout
    private let buffer = Buffer(capacity: blockSize)
    private let hasher = Hasher()

    init(_ layout: MediumLayout) { self.layout = layout }

    /// Returns the bytes that were written. Throws `CopyError`, `FileError`, `Interrupted`.
    func run(_ files: [CommonFile]) throws -> UInt64 {
        var written: UInt64 = 0
        var folders: Set<FilePath> = []
        for file in files {
            try Interruption.check()
            let path = layout.path(of: file.name)
            try path.removingLastComponent().createDirectories()
            if try isGood(path, file) { continue }
            try write(file)
            written += file.length
            folders.formUnion(self.folders(above: path))
        }
        for folder in folders.sorted(by: { $0.string > $1.string }) { try folder.syncDirectory() }
        return written
    }

    /// The folders whose names may be new, up to the mount point.
    private func folders(above path: FilePath) -> [FilePath] {
        var folders: [FilePath] = []
        var folder = path.removingLastComponent()
        while folder.string.count >= layout.mount.string.count, folder.starts(with: layout.mount) {
            folders.append(folder)
            guard folder != layout.mount else { break }
            folder = folder.removingLastComponent()
        }
        return folders
    }

    private func isGood(_ path: FilePath, _ file: CommonFile) throws -> Bool {
        guard let status = try path.statusIfPresent(followingLinks: false), status.size == file.length,
            try !file.isExecutable || path.isExecutable()
        else { return false }
        return try digest(of: path) == file.digest
    }

    /// What the medium says, past the page cache.
    private func digest(of path: FilePath) throws -> Digest? {
        let medium = try MediumFile(path)
        medium.forgetCache()
        let size = try medium.size()
        for start in stride(from: 0, to: size, by: blockSize) {
            guard try medium.read(start..<min(size, start + UInt64(blockSize)), into: buffer) else {
                _ = hasher.finish()
                return nil
            }
            buffer.withBytes { hasher.update($0) }
        }
        return Digest(hashed: hasher.finish())
    }

    private func write(_ file: CommonFile) throws {
        let (path, staged) = (layout.path(of: file.name), layout.staged(file.name))
        for _ in 0..<2 {
            try staged.removeFile()
            guard try file.places.contains(where: { try copy($0, of: file, to: staged) }) else {
                throw CopyError.sourceDamaged(file.name)
            }
            guard try digest(of: staged) == file.digest else { continue }
            return try staged.rename(to: path)
        }
        throw CopyError.mediumUnreliable(path, block: 0)
    }

    /// `false` where the bytes of this place are not those that were signed.
    private func copy(_ place: CommonFile.Place, of file: CommonFile, to staged: FilePath) throws -> Bool {
        let source: OpenFile
        do throws(FileError) { source = try place.folder.open(place.name) } catch { return false }
        let target = try OpenFile.writing(staged, mode: file.isExecutable ? 0o755 : 0o644)
        var offset: UInt64 = 0
        repeat {
            do throws(FileError) {
                try source.read(into: buffer, at: offset, length: blockSize)
            } catch {
                guard error.errno == .ioError else { throw error }
                _ = hasher.finish()
                return false
            }
            buffer.withBytes { hasher.update($0) }
            try buffer.withBytes { try target.write($0, at: offset) }
            offset += UInt64(buffer.count)
        } while buffer.count == blockSize && offset <= file.length
        // `staged` is new: its length is what was written, and some file systems (FUSE) can't set one
        try target.syncData()
        return Digest(hashed: hasher.finish()) == file.digest
    }
}
