// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import SystemPackage
import Testing

@testable import Splitting

@Suite struct ISOImageTests {
    @Test(arguments: [["-R", "-J"], ["-R"], [], ["-J", "-iso-level", "3"]])
    func `finds every file of an image made by xorriso`(_ options: [String]) throws {
        let folder = TemporaryFolder()
        let tree = folder.appending("tree")
        let files = try SampleTree.make(at: tree)
        let bytes = try xorriso(options + ["-V", "DRAY 1"], tree, folder)
        let image = try ISOImage(bytes)
        #expect(image.volumeID == "DRAY 1" && image.volumeSize <= UInt64(bytes.count))
        // Names are kept by Rock Ridge alone; without it contents are compared as a set.
        let found = image.extents.map { Array(bytes[Int($0.offset)..<Int($0.end)]) }
        #expect(Set(found) == Set(files.values))
        #expect(zip(image.extents, image.extents.dropFirst()).allSatisfy { $0.end <= $1.offset })
        guard options.contains("-R") else { return }
        for (extent, content) in zip(image.extents, found) { #expect(files[extent.path] == content) }
    }

    @Test func `merges hard links and a boot image that is a file`() throws {
        let folder = TemporaryFolder()
        let tree = folder.appending("tree")
        try mkdirs(tree)
        try write(pseudoRandomBytes(70_000), tree.appending("a"))
        try write(pseudoRandomBytes(4096, seed: 2), tree.appending("boot.img"))
        #expect(unsafe link(tree.appending("a").string, tree.appending("b").string) == 0)
        let bytes = try xorriso(["-R", "-b", "boot.img", "-no-emul-boot"], tree, folder)
        let paths = try ISOImage(bytes).extents.map(\.path)
        #expect(paths.count { $0 == "/a" || $0 == "/b" } == 1)
        #expect(paths.count { $0 == "/boot.img" } == 1)
    }

    @Test func `reads a folder of many files and a long name`() throws {
        let folder = TemporaryFolder()
        let tree = folder.appending("tree")
        let long = String(repeating: "long-", count: 45)
        try mkdirs(tree)
        for index in 0..<3000 { try write(Array("file \(index)".utf8), tree.appending("f\(index)")) }
        try write(Array("the long one".utf8), tree.appending(long))
        let image = try ISOImage(xorriso(["-R"], tree, folder))
        #expect(image.extents.count == 3001)
        #expect(image.extents.contains { $0.path == "/" + long && $0.length == 12 })
    }

    @Test func `joins the sections of a file over 4 GiB`() throws {
        let folder = TemporaryFolder()
        let tree = folder.appending("tree")
        try mkdirs(tree)
        let big = tree.appending("big")
        let size = (4 << 30) + 5_000_000
        try write([1, 2, 3], big)
        #expect(unsafe truncate(big.string, size) == 0)
        // mkisofs writes level 3 into a pipe that only its start is taken from: directories come first.
        let image = folder.appending("image.iso")
        let command =
            "xorriso -as mkisofs -quiet -iso-level 3 -R -o - \(tree.string) 2>/dev/null | head -c 1000000 > \(image.string)"
        #expect(unsafe system(command) >= 0)
        let start = try read(image)
        let found = try ISOImage(size: UInt64(size + 1_000_000)) { offset, length in
            Array(start[Int(offset)..<Int(offset) + length])
        }
        #expect(found.extents.map(\.length) == [UInt64(size)])
    }

    @Test func `tells an image from other bytes`() throws {
        let image = MadeISO().bytes
        #expect(ISOImage.isISO(Array(image.prefix(ISOImage.headerLength))))
        #expect(!ISOImage.isISO(Array(image.prefix(ISOImage.headerLength - 1))))
        #expect(!ISOImage.isISO([UInt8](repeating: 0, count: ISOImage.headerLength)))
        #expect(throws: ISOError.noDescriptor) { try ISOImage([UInt8](repeating: 0, count: 60_000)) }
    }

    @Test func `keeps the first of two files that overlap`() throws {
        let image = MadeISO {
            $0.file("A", block: 30, length: 5000); $0.file("B", block: 31, length: 100)
        }
        #expect(try ISOImage(image.bytes).extents == [ISOExtent(path: "/A", offset: 61_440, length: 5000)])
    }

    @Test func `leaves out empty and interleaved files`() throws {
        let image = MadeISO {
            $0.file("EMPTY", block: 30, length: 0)
            $0.file("PIECES", block: 30, length: 4000, unit: 1)
            $0.file("WHOLE.TXT;1", block: 30, length: 4000)
        }
        #expect(try ISOImage(image.bytes).extents.map(\.path) == ["/WHOLE.TXT"])
    }

    @Test(arguments: HostileISO.all) func `refuses a hostile image`(_ hostile: HostileISO) throws {
        #expect(throws: hostile.expected) { try ISOImage(hostile.bytes) }
    }

    @Test func `survives any single wrong byte of its structures`() throws {
        let good = MadeISO {
            $0.file("A", block: 30, length: 5000); $0.folder("D", block: 28)
        }.bytes
        let structures = Array(32_768..<32_768 + 200) + Array(20 * 2048..<20 * 2048 + 240)
        for place in structures {
            for value: UInt8 in [0, 1, 2, 0x7f, 0x80, 0xff] {
                var bytes = good
                bytes[place] = value
                // Either it is refused with its own error or what it finds lies inside.
                do throws(any Error) {
                    let found = try ISOImage(bytes)
                    #expect(found.extents.allSatisfy { $0.end <= UInt64(bytes.count) && $0.length > 0 })
                } catch {
                    #expect(error is ISOError)
                }
            }
        }
    }
}

extension ISOImage {
    /// Reads an image that stands in memory, never past its end.
    init(_ bytes: [UInt8]) throws {
        try self.init(size: UInt64(bytes.count)) { offset, length in
            Array(bytes[Int(offset)..<Int(offset) + length])
        }
    }
}

private func xorriso(_ options: [String], _ tree: FilePath, _ folder: TemporaryFolder) throws -> [UInt8] {
    let image = folder.appending("image.iso")
    let words = options.map { "'\($0)'" }.joined(separator: " ")
    let status = unsafe system("xorriso -as mkisofs -quiet \(words) -o \(image.string) \(tree.string) 2>/dev/null")
    try #require(status == 0)
    return try read(image)
}
