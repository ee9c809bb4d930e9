// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import SystemPackage

/// Which file a name leads to: hard links of one file have the same.
package struct FileIdentity: Hashable, Sendable {
    package let device: UInt64
    package let number: UInt64

    package init(device: UInt64, number: UInt64) { (self.device, self.number) = (device, number) }
}

/// Whose a file or folder is, and who may do what with it.
package struct Ownership: Sendable, Equatable {
    package var user: UInt32
    package var group: UInt32
    /// Permission bits, with set-user-ID, set-group-ID and sticky: 0 to 0o7777.
    package var mode: UInt32

    package init(user: UInt32, group: UInt32, mode: UInt32) {
        (self.user, self.group, self.mode) = (user, group, mode)
    }
}

extension FilePath {
    /// Which file this is, links followed; `nil` when there is none, or where the caller may not look.
    package func identityIfSeen() -> FileIdentity? {
        guard let status = status(of: string) else { return nil }
        return FileIdentity(device: UInt64(status.st_dev), number: UInt64(status.st_ino))
    }

    /// Whose it is, links followed.
    package func ownership() throws(FileError) -> Ownership {
        guard let status = status(of: string) else { throw .last("examine", self) }
        return Ownership(user: status.st_uid, group: status.st_gid, mode: status.st_mode & 0o7777)
    }

    /// Makes it so. Only what differs is changed: an ordinary user may keep what is his.
    package func set(_ wanted: Ownership) throws(FileError) {
        let now = try ownership()
        if now.user != wanted.user || now.group != wanted.group {
            guard unsafe lchown(string, wanted.user, wanted.group) == 0 else { throw .last("give away", self) }
        }
        // After a change of owner the kernel may have dropped bits.
        guard try ownership().mode != wanted.mode else { return }
        guard unsafe Glibc.chmod(string, wanted.mode) == 0 else { throw .last("set the permissions of", self) }
    }

    /// Gives the file a second name, which must be free; `false` where the file system can't, or has given as many as it may.
    package func addName(_ name: FilePath) throws(FileError) -> Bool {
        if unsafe Glibc.link(string, name.string) == 0 { return true }
        guard [EXDEV, EPERM, EMLINK, EOPNOTSUPP].contains(errno) else { throw .last("link", self) }
        return false
    }

    /// Makes a folder; one that is there is fine. Returns whether it was made.
    package func createFolder() throws(FileError) -> Bool {
        if unsafe mkdir(string, 0o700) == 0 { return true }
        guard errno == EEXIST else { throw .last("create the folder", self) }
        return false
    }

    /// Removes the folder if it is empty; `false` where it isn't, or is not there.
    package func removeIfEmpty() -> Bool { unsafe rmdir(string) == 0 }

    /// The path without links, from the root of the file system.
    package func resolved() throws(FileError) -> FilePath {
        guard let name = unsafe realpath(string, nil) else { throw .last("find", self) }
        defer { unsafe free(name) }
        return FilePath(unsafe String(cString: name))
    }

    /// What a symbolic link says; `nil` where there is none that the caller may read.
    package func linkTarget() -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = unsafe readlink(string, &buffer, buffer.count)
        return count < 0 ? nil : String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

// Outside the extension: `FilePath` has members of its own named after the call and its structure.
private func status(of path: String) -> stat? {
    var status = stat()
    return unsafe stat(path, &status) == 0 ? status : nil
}
