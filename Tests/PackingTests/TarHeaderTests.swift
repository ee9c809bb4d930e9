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
