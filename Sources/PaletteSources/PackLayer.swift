// SPDX-License-Identifier: Apache-2.0

internal import Archive
package import Files
internal import Palette

/// The layer of a pack that somebody else made: a tar of the pack's folder, plain or in gzip.
package enum PackLayer {
    /// Bytes of a layer that is looked into; real ones have 9 KB to 5 MB (reference/palette.md, section 3.1).
    package static let maximumSize: UInt64 = 16 << 20
    /// Bytes of its files, and their number.
    private static let maximumContent: UInt64 = 64 << 20
    private static let maximumEntries = 10_000
    /// What begins the names in a layer of a system's image, which is no pack: such layers are let go of at once.
    private static let systemFolders: Set<Substring> = [
        "bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root", "run",
        "sbin", "srv", "sys", "tmp", "usr", "var",
    ]

    /// Whether bytes begin as a gzip or a tar.
    package static func mayBegin(with bytes: RawSpan) -> Bool {
        isGzip(bytes) || has(Array("ustar".utf8), at: 257, in: bytes)
    }

    /// The images that the layer's `values.yaml` names, at its top or in its one folder, with the `layer` that a `pack.json`
    /// beside it says; `nil` where the bytes that `pull` gives are no such layer: no tar, no such file, or more than a pack
    /// has. Throws what `pull` throws.
    package static func images(_ pull: @escaping () throws -> Buffer?) throws -> PackImages? {
        var source = Pulled(pull: pull)
        guard let first = try source.first() else { return nil }
        let filter: ArchiveFilter = first.withBytes { isGzip($0) } ? .gzip : .zstd
        var found = Found()
        do {
            try find(in: ArchiveReader({ try source.next() }, filter: filter), &found)
        } catch is ArchiveError {
            return found.images
        }
        return found.images
    }

    private struct Found {
        var images: PackImages?
        var metadata: PackMetadata?
        var isDone: Bool { images?.packLayer != nil }

        mutating func settle() { images?.packLayer = metadata?.layer }
    }

    private static func find(in archive: ArchiveReader, _ found: inout Found) throws {
        var (content, entries): (UInt64, Int) = (0, 0)
        while !found.isDone, let entry = try archive.next() {
            entries += 1
            content += min(entry.size, maximumContent + 1)
            let parts = entry.name.split(separator: "/").filter { $0 != "." }
            // The next entry's header is found by unpacking this one's bytes, all of them.
            guard entries <= maximumEntries, content <= maximumContent, parts.first.map(isNoSystemFolder) ?? true else {
                return
            }
            guard entry.kind == .file, parts.count <= 2 else { continue }
            switch parts.last {
            case "values.yaml" where found.images == nil:
                found.images =
                    entry.size > UInt64(PackImages.maximumSize)
                    ? PackImages(tooLarge: entry.size) : PackImages(values: try contents(of: archive))
            case "pack.json" where found.metadata == nil && entry.size <= UInt64(PackMetadata.maximumSize):
                let bytes = try contents(of: archive)
                // One that breaks the rules tells nothing; the pack itself is taken as it is.
                found.metadata = try? PackMetadata(parsing: bytes)
            default: continue
            }
            found.settle()
        }
    }

    private static func isNoSystemFolder(_ name: Substring) -> Bool { !systemFolders.contains(name) }

    private static func contents(of archive: ArchiveReader) throws -> [UInt8] {
        let buffer = Buffer(capacity: 1 << 18)
        var bytes: [UInt8] = []
        while try archive.read(into: buffer) > 0 {
            buffer.withBytes { piece in unsafe piece.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) } }
        }
        return bytes
    }

    private static func isGzip(_ bytes: RawSpan) -> Bool { has([0x1f, 0x8b], at: 0, in: bytes) }

    private static func has(_ mark: [UInt8], at offset: Int, in bytes: RawSpan) -> Bool {
        guard bytes.byteCount >= offset + mark.count else { return false }
        return unsafe bytes.extracting(offset..<offset + mark.count).withUnsafeBytes { unsafe $0.elementsEqual(mark) }
    }
}

/// A source whose first piece was looked at before it is read.
private struct Pulled {
    let pull: () throws -> Buffer?
    private var kept: Buffer?

    init(pull: @escaping () throws -> Buffer?) { self.pull = pull }

    mutating func first() throws -> Buffer? {
        kept = try pull()
        return kept
    }

    mutating func next() throws -> Buffer? {
        if let first = kept {
            kept = nil
            return first
        }
        return try pull()
    }
}
