// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

@testable import Packing

struct TarHeaderTests {
    @Test func `tar lists a header as a plain file of root's, from 1970`() throws {
        let folder = TemporaryFolder()
        let content = Array("hello".utf8)
        let member = TarHeader.file("blobs/sha256/abc", size: 5) + content
        let archive = member + [UInt8](repeating: 0, count: TarHeader.padding(after: 5) + TarHeader.trailerLength)
        #expect(UInt64(archive.count) == TarHeader.memberLength(size: 5) + UInt64(TarHeader.trailerLength))
        try write(archive, to: folder.appending("t.tar"))
        let list = try sh("TZ=UTC tar --numeric-owner -tvf \(folder.path)/t.tar").output
        #expect(list == "-rw-r--r-- 0/0               5 1970-01-01 00:00 blobs/sha256/abc\n")
    }

    @Test func `a member of nine gigabytes has a size that tar and python read`() throws {
        let folder = TemporaryFolder()
        let size: UInt64 = 9 << 30
        try write(TarHeader.file("big", size: size), to: folder.appending("t.tar"))
        #expect(TarHeader.memberLength(size: size) == size + 1536)
        let script = "import tarfile; print(tarfile.open('\(folder.path)/t.tar').next().size)"
        #expect(try run(["python3", "-c", script]).output == "\(size)\n")
        let list = try run([
            "bash", "-c", "truncate -s \(size + 4096) \(folder.path)/t.tar; tar -tvf \(folder.path)/t.tar",
        ])
        #expect(list.output.contains(" \(size) "))
    }
}

struct VolumeRoomTests {
    @Test(arguments: [1 << 20, (1 << 20) + 1, 4_194_413, 9_000_001, (4 << 30) - 1] as [UInt64])
    func `the largest member fits, and nearly fills the volume`(limit: UInt64) {
        let room = VolumeRoom(limit: limit)
        for position: UInt64 in [0, 1, 100_000, limit / 2, limit - 3000, limit - 1] {
            let size = room.largestMember(at: position)
            if size > 0 { #expect(room.fits(member: size, at: position)) }
            #expect(!room.fits(member: size + 2048, at: position))
        }
    }

    @Test func `without a limit everything fits`() {
        let room = VolumeRoom(limit: 0)
        #expect(room.fits(member: 1 << 50, at: 1 << 50) && room.fits(frame: 1 << 22, at: 1 << 50))
    }
}
