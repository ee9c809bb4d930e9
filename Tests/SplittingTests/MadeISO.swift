// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing

@testable import Splitting

/// A small image written field by field: descriptor in sector 16, terminator in 17, root folder in 20, 40 sectors.
struct MadeISO {
    private(set) var bytes = [UInt8](repeating: 0, count: 40 * 2048)
    private var end = 20 * 2048

    init(_ build: (inout MadeISO) -> Void = { _ in }) {
        put([1] + Array("CD001".utf8) + [1], at: 16 * 2048)
        put([UInt8](repeating: 32, count: 32), at: 16 * 2048 + 40)
        put(Array("MADE".utf8), at: 16 * 2048 + 40)
        put([40, 0, 0, 0, 0, 0, 0, 40], at: 16 * 2048 + 80)
        put([0, 8, 8, 0], at: 16 * 2048 + 128)
        put(record([0], block: 20, length: 2048, flags: 2), at: 16 * 2048 + 156)
        put([255] + Array("CD001".utf8) + [1], at: 17 * 2048)
        add(record([0], block: 20, length: 2048, flags: 2))
        add(record([1], block: 20, length: 2048, flags: 2))
        build(&self)
    }

    mutating func put(_ new: [UInt8], at offset: Int) { bytes.replaceSubrange(offset..<offset + new.count, with: new) }

    mutating func file(_ name: String, block: UInt32, length: UInt32, unit: UInt8 = 0) {
        add(record(Array(name.utf8), block: block, length: length, flags: 0, unit: unit))
    }

    mutating func folder(_ name: String, block: UInt32, length: UInt32 = 2048) {
        add(record(Array(name.utf8), block: block, length: length, flags: 2))
    }

    private mutating func add(_ record: [UInt8]) {
        put(record, at: end)
        end += record.count
    }

    private func record(
        _ name: [UInt8], block: UInt32, length: UInt32, flags: UInt8, unit: UInt8 = 0
    ) -> [UInt8] {
        func both(_ value: UInt32) -> [UInt8] {
            let little = (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
            return little + little.reversed()
        }
        let padding = [UInt8](repeating: 0, count: 1 - name.count & 1)
        let size = UInt8(33 + name.count + padding.count)
        return [size, 0] + both(block) + both(length) + [0, 0, 0, 0, 0, 0, 0]
            + [flags, unit, 0, 1, 0, 0, 1, UInt8(name.count)] + name + padding
    }
}

/// One way to make an image that must be refused, and with what.
struct HostileISO: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let expected: ISOError
    let bytes: [UInt8]

    static let all: [HostileISO] = [
        HostileISO(
            testDescription: "a folder that contains the root",
            expected: .loop("/D", offset: 40_960), bytes: MadeISO { $0.folder("D", block: 20) }.bytes),
        HostileISO(
            testDescription: "two folders at one place",
            expected: .loop("/E", offset: 57_344),
            bytes: MadeISO {
                $0.folder("D", block: 28); $0.folder("E", block: 28)
            }.bytes),
        HostileISO(
            testDescription: "a file past the end",
            expected: .outside("/A", offset: 79_872, length: 2049, imageSize: 81_920),
            bytes: MadeISO { $0.file("A", block: 39, length: 2049) }.bytes),
        HostileISO(
            testDescription: "a file at the last possible block",
            expected: .outside("/A", offset: 8_796_093_020_160, length: 4_294_967_295, imageSize: 81_920),
            bytes: MadeISO { $0.file("A", block: .max, length: .max) }.bytes),
        HostileISO(
            testDescription: "a folder past the end",
            expected: .outside("the folder /D", offset: 79_872, length: 4096, imageSize: 81_920),
            bytes: MadeISO { $0.folder("D", block: 39, length: 4096) }.bytes),
        HostileISO(
            testDescription: "a folder larger than any",
            expected: .tooMany("bytes in one folder", at: "/D"),
            bytes: MadeISO { $0.folder("D", block: 28, length: 65 << 20) }.bytes),
        HostileISO(
            testDescription: "a record that leaves its folder",
            expected: .malformed("directory record", offset: 40_960 + 68),
            bytes: MadeISO {
                $0.put([255], at: 40_960 + 68); $0.put([250], at: 40_960 + 68 + 32)
            }.bytes),
        HostileISO(
            testDescription: "a descriptor cut short", expected: .noDescriptor,
            bytes: Array(MadeISO().bytes.prefix(16 * 2048 + 2047))),
        HostileISO(
            testDescription: "a block size of 0",
            expected: .malformed("block size of 0", offset: 32_768 + 128),
            bytes: MadeISO { $0.put([0, 0], at: 32_768 + 128) }.bytes),
        HostileISO(
            testDescription: "a root that is a file",
            expected: .malformed("root folder", offset: 32_768 + 156),
            bytes: MadeISO { $0.put([0], at: 32_768 + 156 + 25) }.bytes),
        HostileISO(
            testDescription: "an image that ends after its descriptors",
            expected: .outside("the root folder", offset: 40_960, length: 2048, imageSize: 36_864),
            bytes: Array(MadeISO().bytes.prefix(18 * 2048))),
        HostileISO(
            testDescription: "65 folders inside each other",
            expected: .tooMany("folders inside each other", at: String(repeating: "/D", count: 65)),
            bytes: deep(folders: 65)),
    ]

    /// A chain of folders, each in its own sector after the made image's.
    private static func deep(folders: Int) -> [UInt8] {
        var bytes = MadeISO { $0.folder("D", block: 40) }.bytes
        for index in 0..<UInt32(folders) {
            let made = MadeISO { $0.folder("D", block: 41 + index) }.bytes
            bytes += made[20 * 2048..<21 * 2048]
        }
        return bytes
    }
}

/// Nested folders, an empty file, sizes around a sector.
enum SampleTree {
    /// The non-empty files by their path in the image.
    static func make(at root: FilePath) throws -> [String: [UInt8]] {
        let sizes = [
            "one": 1, "sector": 2048, "over": 2049, "deep/a/b/c/d/large": 300_001, "deep/a/Mixed-Case.File.txt": 77,
            "many words.bin": 5000,
        ]
        var files: [String: [UInt8]] = [:]
        for (name, size) in sizes {
            let content = pseudoRandomBytes(size, seed: UInt64(size))
            try mkdirs(root.appending(name).removingLastComponent())
            try write(content, root.appending(name))
            files["/" + name] = content
        }
        try write([], root.appending("empty"))
        return files
    }
}

func mkdirs(_ path: FilePath) throws { try #require(unsafe system("mkdir -p '\(path.string)'") == 0) }

func write(_ bytes: [UInt8], _ path: FilePath) throws {
    let file = try FileDescriptor.open(path, .writeOnly, options: [.create], permissions: [.ownerReadWrite])
    try file.closeAfter { _ = try file.writeAll(bytes) }
}

func read(_ path: FilePath) throws -> [UInt8] {
    let file = try FileDescriptor.open(path, .readOnly)
    return try file.closeAfter {
        let size = try Int(file.seek(offset: 0, from: .end))
        return try unsafe [UInt8](unsafeUninitializedCapacity: size) { memory, count in
            while count < size {
                let part = try unsafe file.read(
                    fromAbsoluteOffset: Int64(count),
                    into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(memory)[count...]))
                if part == 0 { break }
                count += part
            }
        }
    }
}
