// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
package import SystemPackage

/// A folder that came from elsewhere: files below it are opened without following any link out of it or inside it.
package struct MediaFolder: Sendable, Hashable {
    package let path: FilePath
    /// Where each file is, by the name it is asked for; `nil`: under that name.
    package let files: [String: String]?

    package init(_ path: FilePath) { (self.path, files) = (path, nil) }

    /// A folder whose files have other names: `files` says which, relative to the folder; what isn't in it is absent.
    package init(_ path: FilePath, files: [String: String]) { (self.path, self.files) = (path, files) }

    /// Whether its files stand under the names they are asked for, so that its listing means something.
    package var hasOwnNames: Bool { files == nil }

    /// Where a file is or would be, for messages.
    package func path(of name: String) -> FilePath { path.appending(files?[name] ?? name) }

    /// What is there under a name, not following a final link; `nil` when nothing is. Throws as `open`.
    package func status(of name: String) throws(FileError) -> FileStatus? {
        if let files, files[name] == nil { return nil }
        return try path(of: name).statusIfPresent(followingLinks: false)
    }

    /// Opens a regular file below the folder. `name` is relative, its parts separated by `/`.
    ///
    /// Throws `FileError`: `ENOENT` when it is absent, `ELOOP` for a link, `EINVAL` for anything but a regular file.
    package func open(_ name: String) throws(FileError) -> OpenFile {
        try open(name, .reading)
    }

    /// Opens a regular file for reading and writing, or, with `creating`, makes it where there is none; folders are not made.
    ///
    /// Throws as `open`; `EROFS`, `EACCES` and their kind where this medium can't be written.
    package func openForWriting(_ name: String, creating: Bool = false) throws(FileError) -> OpenFile {
        try open(name, creating ? .creating : .writing)
    }

    /// The names of what stands directly below the folder `name`, with that and `/` before them, sorted bytewise; none where it is
    /// no folder. Throws `FileError`.
    package func names(below name: String) throws(FileError) -> [String] {
        if let files {
            return files.keys.filter { $0.hasPrefix(name + "/") && !$0.dropFirst(name.count + 1).contains("/") }
                .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        }
        let folder = path.appending(name)
        guard try folder.statusIfPresent(followingLinks: false)?.isDirectory == true else { return [] }
        return try folder.entries().map { "\(name)/\($0)" }
    }

    private enum Access { case reading, writing, creating }

    private func open(_ name: String, _ access: Access) throws(FileError) -> OpenFile {
        let full = path(of: name)
        guard let name = files.map({ $0[name] }) ?? name else { throw FileError("open", full, .noSuchFileOrDirectory) }
        let folder = unsafe Glibc.open(path.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw .last("open the folder", path) }
        defer { _ = Glibc.close(folder) }
        let raw =
            access == .reading
            ? unsafe dray_open_beneath(folder, name)
            : unsafe dray_open_beneath_for_writing(folder, name, access == .creating ? 1 : 0)
        guard raw >= 0 else { throw .last("open", full) }
        let file = OpenFile.owning(raw, path: full)
        guard try file.status().isRegular else { throw FileError("open as a regular file", full, .invalidArgument) }
        return file
    }

    /// The whole of a small file below the folder, or `nil` when it is absent. Throws `EFBIG` above `limit` bytes.
    package func contents(of name: String, limit: Int) throws(FileError) -> [UInt8]? {
        do throws(FileError) {
            let file = try open(name)
            let size = try file.status().size
            guard size <= UInt64(limit) else { throw FileError("read", file.path, .fileTooLarge) }
            return try file.bytes(at: 0, length: Int(size))
        } catch {
            guard error.isMissing else { throw error }
            return nil
        }
    }
}
