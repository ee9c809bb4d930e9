// SPDX-License-Identifier: Apache-2.0

internal import Files
package import OCI
package import Palette
package import SystemPackage

/// A pack folder as the OCI artifact of one layer that ORAS 1.0 would push (reference/palette.md, section 3.2), but made
/// of the folder's names and bytes alone: whoever packs it, whenever, gets the same digests.
///
/// Everything in the folder is taken, hidden files too: what a pack holds is its author's decision.
package struct PackArtifact: Sendable {
    /// Files and folders.
    package static let maximumEntries = 100_000
    /// Folders one inside another.
    package static let maximumDepth = 64
    /// The configuration's bytes, of type `MediaType.unknownConfig`.
    package static let config = Array("{}".utf8)

    private struct Entry: Sendable {
        let path: String
        let header: TarHeader
    }

    package let folder: FilePath
    package let metadata: PackMetadata
    /// Bytes of the layer as `writeLayer` gives it.
    package let layerSize: UInt64
    private let entries: [Entry]

    /// The name of the folder inside the tar: from `pack.json`, whatever the folder is called.
    package var innerName: String { "\(metadata.name)-\(metadata.version)" }
    /// The layer's file name.
    package var title: String { innerName + ".tar.gz" }

    /// Reads `pack.json` and the folder's names and sizes. Throws `PackFolderError` for what a pack can't hold, and
    /// `FileError`.
    package static func plan(_ folder: FilePath) throws -> PackArtifact {
        try PackArtifact(folder, PackFolder.metadata(of: folder))
    }

    /// The images that the folder's `values.yaml` names; `nil` where it has no such file. Throws `FileError`.
    package func images() throws -> PackImages? {
        try PackFolder.content(of: folder).map { PackImages($0) }
    }

    private init(_ folder: FilePath, _ metadata: PackMetadata) throws {
        (self.folder, self.metadata) = (folder, metadata)
        let top = TarHeader(
            path: "\(metadata.name)-\(metadata.version)", isDirectory: true, isExecutable: false, size: 0)
        var entries = [Entry(path: "", header: top)]
        try PackArtifact.add(folder, below: top.path, relative: "", depth: 1, to: &entries)
        self.entries = entries
        layerSize = PackArtifact.layerSize(of: entries.map(\.header))
    }

    /// Depth first, the names of each folder sorted bytewise, as `tar --sort=name` does.
    private static func add(
        _ folder: FilePath, below inner: String, relative: String, depth: Int, to entries: inout [Entry]
    ) throws {
        for name in try folder.entries() {
            let path = folder.appending(name)
            guard !name.unicodeScalars.contains("\u{fffd}") else { throw PackFolderError.badName(path) }
            guard entries.count < maximumEntries, depth <= maximumDepth else { throw PackFolderError.tooMany(path) }
            guard let status = try path.statusIfPresent(followingLinks: false) else {
                throw PackFolderError.changed(path)
            }
            guard status.isRegular || status.isDirectory else {
                throw PackFolderError.notAFile(path, isLink: status.isSymbolicLink)
            }
            let size = status.isRegular ? status.size : 0
            guard size <= TarHeader.maximumSize else { throw PackFolderError.tooLarge(path, size: size) }
            let header = TarHeader(
                path: "\(inner)/\(name)", isDirectory: status.isDirectory,
                isExecutable: try status.isRegular && path.isExecutable(), size: size)
            entries.append(Entry(path: relative + name, header: header))
            guard status.isDirectory else { continue }
            try add(path, below: header.path, relative: "\(relative)\(name)/", depth: depth + 1, to: &entries)
        }
    }

    /// The manifest's bytes, for ever the same for the same digests.
    package func manifest(layerDigest: Digest, configDigest: Digest) -> [UInt8] {
        // Names and versions are checked: nothing in them needs escaping.
        Array(
            (#"{"schemaVersion":2,"mediaType":"\#(MediaType.manifest)","config":{"mediaType":"\#(MediaType.unknownConfig)","#
                + #""digest":"\#(configDigest)","size":\#(PackArtifact.config.count)},"layers":[{"mediaType":"#
                + #""\#(MediaType.layer)","digest":"\#(layerDigest)","size":\#(layerSize),"annotations":"#
                + #"{"org.opencontainers.image.title":"\#(title)"}}]}"#).utf8)
    }
}

// The layer: tar in gzip of stored blocks. A block begins with each file's data and with what lies between two files
// (zeros up to the tar block, the next headers), so a file's bytes are cut alike wherever the file stands, and equal
// files of two packs stay equal runs of bytes. Two zero blocks end the tar.
extension PackArtifact {
    private static func layerSize(of headers: [TarHeader]) -> UInt64 {
        var size = UInt64(StoredGzip.frame)
        var between: UInt64 = 0
        for header in headers {
            between += UInt64(header.bytes.count)
            guard header.size > 0 else { continue }
            size += StoredGzip.storedSize(of: between) + StoredGzip.storedSize(of: header.size)
            between = UInt64(TarHeader.padding(after: header.size))
        }
        return size + StoredGzip.storedSize(of: between + UInt64(2 * TarHeader.block))
    }

    /// Gives the layer's bytes to `sink`, piece by piece, `layerSize` in all; holds one piece in memory. Throws
    /// `PackFolderError.changed` when a file's size is no longer the planned one, `FileError`, and what `sink` throws.
    package func writeLayer(_ sink: (RawSpan) throws -> Void) throws {
        let media = MediaFolder(folder)
        let buffer = Buffer(capacity: StoredGzip.maximumBlock)
        var gzip = StoredGzip()
        var between: [UInt8] = []
        let header = StoredGzip.header
        try sink(unsafe header.span.bytes)
        for entry in entries {
            between += entry.header.bytes
            // Many empty files or folders in a row: what fills a block goes, for memory's sake.
            while between.count > StoredGzip.maximumBlock {
                try PackArtifact.write(Array(between.prefix(StoredGzip.maximumBlock)), to: &gzip, sink)
                between.removeFirst(StoredGzip.maximumBlock)
            }
            guard entry.header.size > 0 else { continue }
            try PackArtifact.write(between, to: &gzip, sink)
            try write(entry, of: media, through: buffer, to: &gzip, sink)
            between = [UInt8](repeating: 0, count: TarHeader.padding(after: entry.header.size))
        }
        between += [UInt8](repeating: 0, count: 2 * TarHeader.block)
        try PackArtifact.write(between, to: &gzip, isLast: true, sink)
        let trailer = gzip.trailer()
        try sink(unsafe trailer.span.bytes)
    }

    private static func write(
        _ bytes: [UInt8], to gzip: inout StoredGzip, isLast: Bool = false, _ sink: (RawSpan) throws -> Void
    ) throws {
        for start in stride(from: 0, to: bytes.count, by: StoredGzip.maximumBlock) {
            let end = min(bytes.count, start + StoredGzip.maximumBlock)
            try gzip.write(
                unsafe bytes.span.bytes.extracting(start..<end), isLast: isLast && end == bytes.count, to: sink)
        }
    }

    private func write(
        _ entry: Entry, of media: MediaFolder, through buffer: Buffer, to gzip: inout StoredGzip,
        _ sink: (RawSpan) throws -> Void
    ) throws {
        let file = try media.open(entry.path)
        guard try file.status().size == entry.header.size else { throw PackFolderError.changed(file.path) }
        var offset: UInt64 = 0
        while offset < entry.header.size {
            let length = Int(min(UInt64(StoredGzip.maximumBlock), entry.header.size - offset))
            try file.read(into: buffer, at: offset, length: length)
            guard buffer.count == length else { throw PackFolderError.changed(file.path) }
            try buffer.withBytes { try gzip.write($0, to: sink) }
            offset += UInt64(length)
        }
    }
}
