// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
package import SystemPackage

/// A kind of file system, as far as its limits are known.
package enum FileSystemKind: String, Sendable, CaseIterable {
    case fat, exfat, ntfs, ext, xfs, btrfs, tmpfs, iso9660, udf
    /// Behind FUSE, and the mount table doesn't say what it is.
    case fuse
    case other

    /// The numbers that statfs(2) gives (linux/magic.h, and the drivers' own).
    private static let magics: [UInt64: FileSystemKind] = [
        0x4d44: .fat, 0x2011_bab0: .exfat, 0x7366_746e: .ntfs, 0x5346_544e: .ntfs, 0xef53: .ext, 0x5846_5342: .xfs,
        0x9123_683e: .btrfs, 0x0102_1994: .tmpfs, 0x9660: .iso9660, 0x1501_3346: .udf, 0x6573_5546: .fuse,
    ]

    /// By statfs's number and, behind FUSE, by the mount table's type, for example `fuse.fusefat` or `fuse.exfat`.
    package init(magic: UInt64, type: String) {
        let kind = FileSystemKind.magics[magic] ?? .other
        guard kind == .fuse else {
            self = kind
            return
        }
        let known: [(String, FileSystemKind)] = [
            ("exfat", .exfat), ("ntfs", .ntfs), ("fat", .fat), ("ext", .ext), ("iso", .iso9660), ("udf", .udf),
        ]
        self = known.first { type.hasPrefix("fuse") && type.dropFirst(4).contains($0.0) }?.1 ?? .fuse
    }

    /// The most bytes of a file; `nil` where that is more than any volume has, or not known.
    package var largestFile: UInt64? {
        switch self {
        case .fat: (4 << 30) - 1
        case .ext: 16 << 40  // with blocks of 4 KiB
        case .exfat, .ntfs, .xfs, .btrfs, .tmpfs, .iso9660, .udf, .fuse, .other: nil
        }
    }

    /// Whether nothing can be written there, whoever asks.
    package var isReadOnly: Bool { self == .iso9660 || self == .udf }

    /// Whether names that differ only in case are one.
    package var ignoresCase: Bool { self == .fat || self == .exfat || self == .ntfs }

    /// Why a file or folder can't have this name there, in words; `nil` where it can.
    package func objection(to name: String) -> String? {
        guard ignoresCase else { return name.utf8.count > 255 ? "it has more than 255 bytes" : nil }
        if name.utf16.count > 255 { return "it has more than 255 characters" }
        if let bad = name.unicodeScalars.first(where: { #""*/:<>?\|"#.unicodeScalars.contains($0) || $0.value < 32 }) {
            return "\(bad.value < 32 ? "a control character" : String(bad)) can't stand in a name"
        }
        return name.hasSuffix(".") || name.hasSuffix(" ") ? "it ends with a dot or a space" : nil
    }

    /// As people write it.
    package var name: String {
        switch self {
        case .fat: "FAT32"
        case .exfat: "exFAT"
        case .ntfs: "NTFS"
        case .ext: "ext4"
        case .xfs: "XFS"
        case .btrfs: "Btrfs"
        case .tmpfs: "tmpfs"
        case .iso9660: "ISO 9660"
        case .udf: "UDF"
        case .fuse: "a file system behind FUSE"
        case .other: "an unknown file system"
        }
    }
}

/// The file system of a place.
package struct FileSystem: Sendable, Equatable {
    package let kind: FileSystemKind
    /// The type that the mount table names; empty where it has none.
    package let type: String
    /// Which one it is, as long as it is mounted.
    package let device: UInt64
    /// Bytes that an ordinary user may still write.
    package let free: UInt64
    /// Files take whole multiples of this many bytes.
    package let unit: UInt64
}

extension FilePath {
    /// The file system that this file or folder is on.
    package func fileSystem() throws(FileError) -> FileSystem {
        var magic: UInt64 = 0
        var type = [CChar](repeating: 0, count: 64)
        var space = statvfs()
        guard unsafe dray_file_system(string, &magic, &type, UInt64(type.count)) == 0,
            unsafe statvfs(string, &space) == 0, let status = FileStatus(at: string, followingLinks: true)
        else { throw .last("examine", self) }
        let name = String(decoding: type.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return FileSystem(
            kind: FileSystemKind(magic: magic, type: name), type: name, device: status.device,
            free: UInt64(space.f_bavail) * UInt64(space.f_frsize), unit: max(512, UInt64(space.f_frsize)))
    }

    /// Whether something is mounted here: the folder above is on another file system.
    package func isMountPoint() throws(FileError) -> Bool {
        guard let here = try statusIfPresent(), here.isDirectory else { return false }
        return try absolute().removingLastComponent().statusIfPresent()?.device != here.device
    }
}
