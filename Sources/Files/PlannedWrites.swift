// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import SystemPackage

/// What a command is about to write, checked before its first byte: permission, the largest file, and the room of each
/// file system for all that goes onto it.
package struct PlannedWrites: Sendable {
    private struct Entry {
        let folder: FilePath
        let bytes: UInt64
        let largestFile: UInt64
        let advice: String?
    }

    private var entries: [Entry] = []

    package init() {}

    /// `bytes` more will be below `folder`, which may have to be made; no file of them longer than `largestFile`. 0 where that
    /// isn't known: permission is checked all the same. `advice`: what to do where the file system takes no such file.
    package mutating func add(_ folder: FilePath, bytes: UInt64, largestFile: UInt64 = 0, advice: String? = nil) {
        entries.append(
            Entry(
                folder: folder.isEmpty ? "." : folder, bytes: bytes, largestFile: largestFile, advice: advice))
    }

    /// Throws `FileError` for a folder that can't be written to (1) and where space is short (16, with the bytes that are
    /// missing on that file system for all together), and `FileTooLong` (14).
    package func check() throws {
        var totals: [(place: FileSystemPlace, bytes: UInt64)] = []
        for entry in entries {
            let place = try FileSystemPlace(below: entry.folder)
            try place.check(largestFile: entry.largestFile, advice: entry.advice)
            if let known = totals.firstIndex(where: { $0.place.device == place.device }) {
                totals[known].bytes += entry.bytes
            } else {
                totals.append((place, entry.bytes))
            }
        }
        for (place, bytes) in totals where bytes > 0 {
            let free = try place.folder.freeSpace()
            guard free >= bytes else {
                throw FileError("write to", place.folder, .noSpace, missingBytes: bytes - free)
            }
        }
    }
}

/// A folder that is there, for one that may have to be made below it.
private struct FileSystemPlace {
    let folder: FilePath
    let device: DeviceNumber

    init(below path: FilePath) throws(FileError) {
        var folder = path
        while true {
            if let status = try folder.statusIfPresent() {
                guard status.isDirectory else { throw FileError("write below", folder, .notDirectory) }
                (self.folder, device) = (folder, status.fileSystem)
                return
            }
            let above = folder.removingLastComponent()
            guard above != folder else { throw FileError("examine", path, .noSuchFileOrDirectory) }
            folder = above.isEmpty ? "." : above
        }
    }

    func check(largestFile: UInt64, advice: String?) throws {
        // asks as the effective user; says EROFS for a read-only file system, which stops root too
        guard unsafe faccessat(AT_FDCWD, folder.string, W_OK | X_OK, AT_EACCESS) == 0 else {
            throw FileError.last("write to", folder)
        }
        guard largestFile > 0 else { return }
        let limits = try folder.fileSystemLimits()
        if let most = limits.largestFile, largestFile > most {
            throw FileTooLong(folder, size: largestFile, limit: most, of: "\(limits.name) there", advice: advice)
        }
        if let most = FileTooLong.processLimit, largestFile > most {
            throw FileTooLong(
                folder, size: largestFile, limit: most, of: "this process (ulimit -f)", advice: "raise the limit")
        }
    }
}

/// A file would be longer than anything can be where it is to go.
package struct FileTooLong: Error, Equatable {
    package let folder: FilePath
    /// Bytes.
    package let size: UInt64
    /// Bytes of the longest file there.
    package let limit: UInt64
    private let owner: String
    private let advice: String

    package init(_ folder: FilePath, size: UInt64, limit: UInt64, of owner: String, advice: String? = nil) {
        (self.folder, self.size, self.limit, self.owner) = (folder, size, limit, owner)
        self.advice = advice ?? "choose a folder on another file system: exFAT, ext4 or XFS take it"
    }

    /// What `ulimit -f` allows, bytes; `nil` without a limit.
    static var processLimit: UInt64? {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0, limit.rlim_cur != rlim_t.max
        else { return nil }
        return UInt64(limit.rlim_cur)
    }
}

extension FileTooLong: ClassifiedError {
    package var failure: Failure { .refused }

    package var description: String {
        "a file of \(size) bytes is too long for \(folder): \(owner) takes \(limit) at most; \(advice)"
    }
}
