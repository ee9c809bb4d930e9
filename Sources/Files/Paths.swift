// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import SystemPackage

extension FilePath {
    /// What is there, not following a final symbolic link; `nil` when nothing is.
    package func statusIfPresent(followingLinks: Bool = true) throws(FileError) -> FileStatus? {
        if let status = FileStatus(at: string, followingLinks: followingLinks) { return status }
        guard errno == ENOENT || errno == ENOTDIR else { throw .last("examine", self) }
        return nil
    }

    /// Whether something is there.
    package func exists() throws(FileError) -> Bool { try statusIfPresent() != nil }

    /// Makes this folder and those above it, their names durable; one that is there is fine.
    package func createDirectories() throws(FileError) {
        let above = removingLastComponent()
        var made = unsafe mkdir(string, 0o755)
        if made != 0, errno == ENOENT, !above.isEmpty, above != self {
            try above.createDirectories()
            made = unsafe mkdir(string, 0o755)
        }
        if made == 0 { return try syncName() }
        guard errno == EEXIST else { throw .last("create the folder", self) }
    }

    /// Makes the name durable that this file or folder has in the folder above it.
    package func syncName() throws(FileError) {
        let folder = removingLastComponent()
        do throws(FileError) {
            try (folder.isEmpty ? FilePath(".") : folder).syncDirectory()
        } catch  where error.errno == .permissionDenied {
            // a folder that may be written to and not read can't be opened, and so not synced
        }
    }

    /// The names in this folder without `.` and `..`, sorted bytewise.
    package func entries() throws(FileError) -> [String] {
        guard let stream = unsafe opendir(string) else { throw .last("list", self) }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = unsafe readdir(stream) else {
                guard errno == 0 else { throw .last("list", self) }
                break
            }
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// Removes a file; one that is not there is fine.
    package func removeFile() throws(FileError) {
        guard unsafe unlink(string) == 0 || errno == ENOENT else { throw .last("remove", self) }
    }

    /// Removes a file, so that it stays away after a power cut too; one that is not there is fine.
    package func removeDurably() throws(FileError) {
        if unsafe unlink(string) != 0 {
            guard errno == ENOENT || errno == ENOTDIR else { throw .last("remove", self) }
            return
        }
        let folder = removingLastComponent()
        try (folder.isEmpty ? FilePath(".") : folder).syncDirectory()
    }

    /// Renames, replacing a file that stands there; the caller syncs the folder.
    package func rename(to destination: FilePath) throws(FileError) {
        guard unsafe Glibc.rename(string, destination.string) == 0 else { throw .last("rename", self) }
    }

    /// Makes names that were created, renamed or removed in this folder durable.
    package func syncDirectory() throws(FileError) {
        let raw = unsafe Glibc.open(string, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard raw >= 0 else { throw .last("open the folder", self) }
        let result = fsync(raw)
        let why = errno
        _ = Glibc.close(raw)
        // Some file systems (FAT over FUSE, some network mounts) can't sync a folder and say EINVAL.
        guard result == 0 || why == EINVAL else { throw FileError("sync the folder", self, Errno(rawValue: why)) }
    }

    /// Bytes that an ordinary user may still write on the file system of this folder.
    package func freeSpace() throws(FileError) -> UInt64 {
        var status = statvfs()
        guard unsafe statvfs(string, &status) == 0 else { throw .last("examine", self) }
        return UInt64(status.f_bavail) * UInt64(status.f_frsize)
    }

    /// The whole of a small file of the user's own. Throws `FileError` (`EFBIG`) when it has more than `limit` bytes.
    package func contents(limit: Int) throws(FileError) -> [UInt8] {
        let file = try OpenFile.reading(self)
        let size = try file.status().size
        guard size <= UInt64(limit) else { throw FileError("read", self, .fileTooLarge) }
        return try file.bytes(at: 0, length: Int(size))
    }

    /// Replaces the file: a reader sees the old bytes or the new, never a mixture, also after a power cut.
    package func replaceContents(with bytes: [UInt8], mode: UInt32 = 0o644) throws(FileError) {
        let folder = removingLastComponent()
        let staged = folder.appending(".\(lastComponent?.string ?? "file").new")
        try staged.removeFile()
        do throws(FileError) {
            let file = try OpenFile.creating(staged, mode: mode)
            try file.write(bytes, at: 0)
            try file.syncData()
            try staged.rename(to: self)
        } catch {
            _ = unsafe unlink(staged.string)  // the error of the write is what counts
            throw error
        }
        try (folder.isEmpty ? FilePath(".") : folder).syncDirectory()
    }
}

extension FilePath {
    /// This path from the root of the file system; a relative one begins at the current folder.
    package func absolute() throws(FileError) -> FilePath {
        if isAbsolute { return lexicallyNormalized() }
        guard let here = unsafe getcwd(nil, 0) else { throw .last("find the current folder", self) }
        defer { unsafe free(here) }
        return FilePath(unsafe String(cString: here)).pushing(self).lexicallyNormalized()
    }

    /// Bytes of all regular files below this folder.
    package func totalSize() throws(FileError) -> UInt64 {
        var total: UInt64 = 0
        for name in try entries() {
            guard let status = try appending(name).statusIfPresent(followingLinks: false) else { continue }
            total += status.isDirectory ? try appending(name).totalSize() : status.isRegular ? status.size : 0
        }
        return total
    }
}

extension FilePath {
    /// Removes everything in this folder but the names given; links are removed, not followed.
    package func removeTree(keeping kept: Set<String> = []) throws(FileError) {
        for name in try entries() where !kept.contains(name) {
            let path = appending(name)
            if try path.statusIfPresent(followingLinks: false)?.isDirectory == true {
                try path.removeTree()
                guard unsafe rmdir(path.string) == 0 else { throw .last("remove the folder", path) }
            } else {
                try path.removeFile()
            }
        }
    }
}
