// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
package import SystemPackage

/// What names a file system takes.
package enum FileNameRule: Sendable, Equatable {
    /// Any but `/`, up to 255 bytes.
    case unix
    /// As FAT, exFAT and NTFS take them: 255 UTF-16 units, case ignored (Microsoft, "Naming Files, Paths, and Namespaces").
    case windows

    /// Why a file or folder can't have this name there, in words; `nil` where it can.
    package func objection(to name: String) -> String? {
        guard self == .windows else { return name.utf8.count > 255 ? "it has more than 255 bytes" : nil }
        if name.utf16.count > 255 { return "it has more than 255 characters" }
        if let bad = name.unicodeScalars.first(where: { #""*/:<>?\|"#.unicodeScalars.contains($0) || $0.value < 32 }) {
            return "\(bad.value < 32 ? "a control character" : String(bad)) can't stand in a name"
        }
        return name.hasSuffix(".") || name.hasSuffix(" ") ? "it ends with a dot or a space" : nil
    }
}

/// The file system of a place.
package struct FileSystem: Sendable, Equatable {
    package let limits: FileSystemLimits
    /// Which one it is, as long as it is mounted.
    package let device: DeviceNumber
    /// Bytes that an ordinary user may still write.
    package let free: UInt64
    /// Files take whole multiples of this many bytes.
    package let unit: UInt64
}

extension FilePath {
    /// The file system that this file or folder is on.
    package func fileSystem() throws(FileError) -> FileSystem {
        var space = statvfs()
        guard unsafe statvfs(string, &space) == 0, let status = FileStatus(at: string, followingLinks: true)
        else { throw .last("examine", self) }
        return FileSystem(
            limits: try fileSystemLimits(), device: status.fileSystem,
            free: UInt64(space.f_bavail) * UInt64(space.f_frsize), unit: max(512, UInt64(space.f_frsize)))
    }

    /// Whether something is mounted here: the folder above is on another file system.
    package func isMountPoint() throws(FileError) -> Bool {
        guard let here = try statusIfPresent(), here.isDirectory else { return false }
        return try absolute().removingLastComponent().statusIfPresent()?.fileSystem != here.fileSystem
    }
}
