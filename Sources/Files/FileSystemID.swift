// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import SystemPackage

/// Which file system a file is on, as far as that can be told from another that is mounted at the same place later.
package struct FileSystemID: Sendable, Hashable, CustomStringConvertible {
    /// Letters, digits, `-` and `:`.
    package let description: String

    package init(description: String) { self.description = description }

    /// That of the file or folder at `path`, links followed: by the UUID or serial number that udev lists, else by what the
    /// file system itself says, which for FAT, exFAT and discs is only the number of their device.
    package init(of path: FilePath) throws(FileError) {
        guard let status = FileStatus(at: path.string, followingLinks: true) else { throw .last("examine", path) }
        if let known = FileSystemID.listed(device: status.fileSystem) {
            description = "uuid:\(known)"
            return
        }
        var system = statvfs()
        guard unsafe statvfs(path.string, &system) == 0 else { throw .last("examine", path) }
        description = "id:" + String(UInt64(system.f_fsid), radix: 16)
    }

    /// The name in `/dev/disk/by-uuid` that is a link to the device.
    private static func listed(device: DeviceNumber) -> String? {
        let folder = FilePath("/dev/disk/by-uuid")
        do throws(FileError) {
            return try folder.entries().first { name in
                let status = FileStatus(at: folder.appending(name).string, followingLinks: true)
                return status?.isBlockDevice == true && status?.device == device
            }
        } catch {
            return nil  // no udev here
        }
    }
}
