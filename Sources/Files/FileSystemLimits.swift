// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
package import SystemPackage

/// What the file system of a folder can take, by the type that `statfs(2)` gives: no call asks for the largest file.
package struct FileSystemLimits: Sendable, Equatable {
    /// For people: `FAT`, `ext4`, `FUSE (exfat)`, or `type 0x...` for one that isn't known here.
    package var name: String
    /// The longest file that it takes, bytes; `nil` where that isn't known.
    package var largestFile: UInt64?
    /// Whether `fsync(2)` of a folder makes its names durable. Where it doesn't, or isn't known to, only the file's own is.
    package var syncsFolders = true
    /// Whether `fallocate(2)` sets space aside without writing it.
    package var reserves = false
    /// Whether what it holds is gone with the power: memory, not a medium.
    package var isInMemory = false
    /// Whether it is mounted read-only, or can't be otherwise.
    package var isReadOnly = false
    /// What names it takes.
    package var names = FileNameRule.unix

    private init(_ name: String, _ largestFile: UInt64?) { (self.name, self.largestFile) = (name, largestFile) }

    /// The largest file of FAT: its lengths have 32 bits (Microsoft's fatgen103, "DIR_FileSize").
    package static let largestFATFile: UInt64 = (4 << 30) - 1

    /// By type (linux/magic.h and the file systems' own headers) and block size in bytes; `kind`: the name that the mount table
    /// or udev has for it, of use where one type stands for many.
    package static func known(type: UInt64, blockSize: UInt64, kind: String? = nil) -> FileSystemLimits {
        let most = UInt64(Int64.max)  // off_t
        switch type {
        case 0x4d44: return FileSystemLimits("FAT", largestFATFile).withWindowsNames
        case 0x2011_bab0: return FileSystemLimits("exFAT", most).withWindowsNames
        case 0xef53: return ext(kind, blockSize)
        case 0x5846_5342: return FileSystemLimits("XFS", most).reserving
        case 0x9123_683e: return FileSystemLimits("Btrfs", most).reserving
        case 0x2fc1_2fc1: return FileSystemLimits("ZFS", most)
        case 0xf2f5_2010: return FileSystemLimits("F2FS", 4_329_690_886_144).reserving  // f2fs.rst: 4 KiB blocks
        case 0x7366_746e, 0x5346_544e: return FileSystemLimits("NTFS", (16 << 40) - (64 << 10)).withWindowsNames
        case 0x482b: return FileSystemLimits("HFS+", most)
        case 0x0102_1994: return FileSystemLimits("tmpfs", most).reserving.inMemory
        case 0x8584_58f6: return FileSystemLimits("ramfs", most).inMemory
        case 0x9660: return FileSystemLimits("ISO 9660", 0).readOnly
        case 0x7371_7368: return FileSystemLimits("SquashFS", 0).readOnly
        case 0x1501_3346: return FileSystemLimits("UDF", most)
        case 0x6573_5546: return FUSE(kind)
        case 0x794c_7630: return FileSystemLimits("overlay", nil)
        case 0x6969: return FileSystemLimits("NFS", nil)
        case 0xff53_4d42, 0xfe53_4d42, 0x517b: return FileSystemLimits("SMB", nil).withoutFolderSync.withWindowsNames
        case 0x0102_1997: return FileSystemLimits("9P", nil).withoutFolderSync
        default: return FileSystemLimits("type 0x\(String(type, radix: 16))", nil).withoutFolderSync
        }
    }

    /// ext4 counts a file's blocks with 32 bits (ext4.rst); the older two share its type and end at 2 TiB.
    private static func ext(_ kind: String?, _ blockSize: UInt64) -> FileSystemLimits {
        if kind == "ext2" || kind == "ext3" {
            // three levels of indirect blocks of 4-byte numbers
            let numbers = min(blockSize, 64 << 10) / 4
            return FileSystemLimits(kind ?? "", min(2 << 40, numbers * numbers * numbers * blockSize))
        }
        return FileSystemLimits("ext4", (blockSize << 32) - blockSize).reserving
    }

    /// What a program outside of the kernel serves: limits are those of the file system that it speaks.
    private static func FUSE(_ kind: String?) -> FileSystemLimits {
        let limit: UInt64? =
            switch kind {
            case "vfat", "msdos", "fat", "fusefat", "fuse.fusefat": largestFATFile
            case "exfat", "fuse.exfat", "ntfs", "fuse.ntfs-3g": UInt64(Int64.max)
            default: nil
            }
        let limits = FileSystemLimits(kind.map { "FUSE (\($0))" } ?? "FUSE", limit).withoutFolderSync
        return limit == nil ? limits : limits.withWindowsNames
    }

    private func with(_ change: (inout FileSystemLimits) -> Void) -> FileSystemLimits {
        var copy = self
        change(&copy)
        return copy
    }

    private var reserving: FileSystemLimits { with { $0.reserves = true } }
    private var inMemory: FileSystemLimits { with { $0.isInMemory = true } }
    private var readOnly: FileSystemLimits { with { $0.isReadOnly = true } }
    private var withWindowsNames: FileSystemLimits { with { $0.names = .windows } }
    private var withoutFolderSync: FileSystemLimits { with { $0.syncsFolders = false } }

    /// Whether it is known that a file of this many bytes can't be there.
    package func refuses(_ size: UInt64) -> Bool { largestFile.map { size > $0 } ?? false }
}

extension FilePath {
    /// What the file system of this file or folder, which must exist, can take.
    package func fileSystemLimits() throws(FileError) -> FileSystemLimits {
        var (type, blockSize, isReadOnly): (UInt64, UInt64, Int32) = (0, 0, 0)
        guard unsafe dray_file_system(string, &type, &blockSize, &isReadOnly) == 0 else {
            throw .last("examine the file system of", self)
        }
        var limits = FileSystemLimits.known(type: type, blockSize: blockSize, kind: try fileSystemKind())
        if isReadOnly != 0 { limits.isReadOnly = true }
        return limits
    }

    /// As the mount table names it; for what a FUSE driver serves from a block device, as udev recognised the device.
    private func fileSystemKind() throws(FileError) -> String? {
        guard let status = try statusIfPresent(),
            let mount = try MountTable.current().mounts.last(where: { $0.device == status.fileSystem })
        else { return nil }
        guard mount.type.hasPrefix("fuse"), let found = UdevFacts(status.fileSystem)["ID_FS_TYPE"] else {
            return mount.type
        }
        return found
    }
}
