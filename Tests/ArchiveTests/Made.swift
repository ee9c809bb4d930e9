// SPDX-License-Identifier: Apache-2.0

import Files
import Glibc
import Support
import SystemPackage
import Testing

@testable import Archive

/// Files that a shell command made in a fresh folder.
struct Made {
    private let folder = TemporaryFolder()

    init(_ command: String) throws {
        try #require(unsafe system("cd \(folder.path.string) && { \(command); }") == 0)
    }

    func bytes(_ name: String) throws -> [UInt8] { try folder.appending(name).contents(limit: 1 << 26) }
    func read(_ name: String) throws -> Contents { try read(bytes(name)) }

    func read(_ bytes: [UInt8]) throws -> Contents {
        let pieces = Pieces(bytes)
        return try Contents(ArchiveReader(pieces.next), pieces)
    }
}

/// Hands bytes out in pieces of 64 KiB and remembers them.
final class Pieces {
    private let bytes: [UInt8]
    private(set) var given: [UInt8] = []

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func next() throws -> Buffer? {
        guard given.count < bytes.count else { return nil }
        let piece = Array(bytes[given.count..<min(bytes.count, given.count + 65536)])
        let buffer = Buffer(capacity: 65536)
        buffer.append(piece)
        given += piece
        return buffer
    }
}

/// All that an archive holds.
struct Contents {
    private(set) var kinds: [String: ArchiveEntry.Kind] = [:]
    private(set) var contents: [String: [UInt8]] = [:]
    private(set) var raw: [UInt8] = []

    init(_ reader: ArchiveReader, _ pieces: Pieces? = nil) throws {
        let buffer = Buffer(capacity: 100_000)
        while let entry = try reader.next() {
            kinds[entry.name] = entry.kind
            var data: [UInt8] = []
            while try reader.read(into: buffer) > 0 {
                buffer.withBytes { span in unsafe span.withUnsafeBytes { unsafe data.append(contentsOf: $0) } }
            }
            if entry.kind == .file { contents[entry.name] = data }
        }
        try reader.finish()
        raw = pieces?.given ?? []
    }
}
