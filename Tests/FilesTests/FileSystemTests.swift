// SPDX-License-Identifier: Apache-2.0

import Files
import Support
import SystemPackage
import Testing

struct FileSystemTests {
    let folder = TemporaryFolder()

    @Test(
        arguments: [
            (0x4d44, "vfat", "FAT", 4_294_967_295), (0x2011_bab0, "exfat", "exFAT", UInt64(Int64.max)),
            (0xef53, "ext4", "ext4", 17_592_186_040_320), (0xef53, "ext3", "ext3", 2_199_023_255_552),
            (0x6573_5546, "vfat", "FUSE (vfat)", 4_294_967_295), (0x9660, "iso9660", "ISO 9660", 0),
        ] as [(UInt64, String, String, UInt64)])
    func `a file system's type says which files it takes`(type: UInt64, kind: String, name: String, largest: UInt64) {
        let limits = FileSystemLimits.known(type: type, blockSize: 4096, kind: kind)
        #expect(limits.name == name && limits.largestFile == largest)
        #expect(limits.refuses(largest + 1) && !limits.refuses(largest))
    }

    @Test func `what isn't known is not refused`() {
        let limits = FileSystemLimits.known(type: 0x1234_5678, blockSize: 4096)
        #expect(limits.largestFile == nil && !limits.refuses(.max) && !limits.syncsFolders)
        #expect(limits.name == "type 0x12345678")
    }

    @Test func `the file system of a folder is found, and of a mount the table's name`() throws {
        let limits = try folder.path.fileSystemLimits()
        #expect(!limits.isReadOnly && !limits.refuses(1 << 30))
        #expect(try FilePath("/proc").fileSystemLimits().largestFile == nil)
        #expect(try MountTable.current().mounts.contains { $0.type == "proc" && $0.point == "/proc" })
    }

    @Test func `a mount table is read with spaces in its names`() {
        let table = MountTable(
            """
            36 35 8:17 / /mnt/my\\040stick rw,noatime shared:1 - vfat /dev/sdb1 rw
            no line of such a table
            37 35 0:52 /@ / rw - btrfs /dev/nvme0n1p2 rw,ssd
            """)
        #expect(table.mounts.map(\.point) == ["/mnt/my stick", "/"])
        #expect(table.mounts.map(\.device.description) == ["8:17", "0:52"])
        #expect(table.mounts.map(\.source) == ["/dev/sdb1", "/dev/nvme0n1p2"])
        #expect(table.mounts[1].device.isAnonymous && table.mounts[0].type == "vfat")
    }

    @Test func `room is asked of a file system for all that goes onto it`() throws {
        let free = try folder.path.freeSpace()
        var writes = PlannedWrites()
        writes.add(folder.appending("one/two"), bytes: free / 4 * 3)
        try writes.check()
        writes.add(folder.appending("other"), bytes: free / 4 * 3)
        let error = #expect(throws: FileError.self) { try writes.check() }
        #expect(error?.failure == .noSpace)
        #expect((error?.missingBytes ?? 0) > free / 8)
        #expect(try folder.path.entries().isEmpty)
    }

    @Test func `a file in the place of a folder is refused before anything is made`() throws {
        try folder.appending("file").replaceContents(with: [1])
        var below = PlannedWrites()
        below.add(folder.appending("file/x"), bytes: 1)
        #expect(throws: FileError("write below", folder.appending("file"), .notDirectory)) { try below.check() }
    }

    @Test func `a file that the file system can't take is refused with its limit`() {
        let error = FileTooLong("/mnt/stick", size: 17_300_000_000, limit: 4_294_967_295, of: "FAT there")
        #expect(error.failure == .refused)
        #expect(
            "\(error)"
                == "a file of 17300000000 bytes is too long for /mnt/stick: FAT there takes 4294967295 at most; choose a "
                + "folder on another file system: exFAT, ext4 or XFS take it")
    }
}
