// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Compression
import Cryptography
import Files
import OCI
import SystemPackage
import Trust

/// Bytes that don't repeat, the same for a seed everywhere.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    var words = [UInt64](repeating: 0, count: (count + 7) / 8)
    for index in words.indices {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        words[index] = state
    }
    return unsafe words.withUnsafeBytes { unsafe Array($0.prefix(count)) }
}

/// A bundle's tables and volumes, made by hand so that each may be wrong.
struct Draft {
    var tables = IndexTables()
    var contents: [[UInt8]] = []
    var small: [String: [UInt8]] = [
        "README-VERIFY.txt": Array("how to check\n".utf8), "rescue.py": Array("print()\n".utf8),
        "kit/bin/dray-import": Array("a program\n".utf8),
    ]
    var files: [Release.DeliveredFile] = []
    var references: [ReleaseReference] = []
    var version = "1.2.3"
    var product = Publisher.product
    /// What it builds on; made up where it leaves something out and nothing is said.
    var base: Release.Base?

    /// Begins an archive volume.
    mutating func archive(_ name: String) { begin(name, .archive) }

    private mutating func begin(_ name: String, _ kind: Volume.Kind) {
        tables.volumes.append(Volume(name: name, kind: kind, length: 0, digest: Digest(of: [UInt8]())))
        contents.append([])
    }

    /// Adds a frame to the last volume; its number.
    @discardableResult
    mutating func frame(_ content: [UInt8], compressed: Bool = false, statedLength: Int? = nil) throws -> UInt32 {
        var stored: [UInt8] = []
        let append = { (bytes: RawSpan) in unsafe bytes.withUnsafeBytes { unsafe stored.append(contentsOf: $0) } }
        let isSmaller = compressed ? try FrameEncoder().compress(unsafe content.span.bytes, append) : false
        if !isSmaller { RawFrame.write(unsafe content.span.bytes, append) }
        let volume = contents.count - 1
        tables.frames.append(
            Frame(
                volume: UInt32(volume), encoding: .zstd, offset: UInt64(contents[volume].count),
                storedLength: UInt32(stored.count), rawLength: UInt32(statedLength ?? content.count)))
        contents[volume] += stored
        return UInt32(tables.frames.count - 1)
    }

    /// Adds a plain volume; its frame's number.
    @discardableResult
    mutating func plain(_ name: String, _ bytes: [UInt8]) -> UInt32 {
        begin(name, .plain)
        contents[contents.count - 1] = bytes
        tables.frames.append(
            Frame(volume: UInt32(contents.count - 1), encoding: .raw, offset: 0, storedLength: 0, rawLength: 0))
        return UInt32(tables.frames.count - 1)
    }

    /// Adds a chunk that lies in these parts; its number.
    mutating func chunk(_ bytes: [UInt8], _ parts: [(frame: UInt32, offset: Int, length: Int)]) -> UInt32 {
        tables.chunks.append(
            Chunk(
                digest: Digest(of: bytes), length: UInt64(bytes.count), firstPart: UInt32(tables.parts.count),
                partCount: UInt32(parts.count)))
        tables.parts += parts.map { Part(frame: $0.frame, offset: UInt32($0.offset), length: UInt64($0.length)) }
        return UInt32(tables.chunks.count - 1)
    }

    /// Adds an object of these segments; its digest.
    @discardableResult
    mutating func object(
        _ bytes: [UInt8], _ segments: [(chunk: UInt32, offset: Int, length: Int)], digest: Digest? = nil
    ) -> Digest {
        let digest = digest ?? Digest(of: bytes)
        tables.objects.append(
            Object(
                digest: digest, size: UInt64(bytes.count), firstSegment: UInt32(tables.segments.count),
                segmentCount: UInt32(segments.count)))
        tables.segments += segments.map {
            Segment(chunk: $0.chunk, offset: UInt64($0.offset), length: UInt64($0.length))
        }
        return digest
    }

    /// Adds a chunk that the bundle leaves out; its number.
    mutating func external(
        _ bytes: [UInt8], _ places: [(place: UInt32, object: Digest, offset: UInt64)], digest: Digest? = nil
    ) -> UInt32 {
        let number = chunk(bytes, [])
        if let digest { tables.chunks[Int(number)].digest = digest }
        tables.externals += places.map {
            External(chunk: number, place: $0.place, object: $0.object, offset: $0.offset)
        }
        return number
    }

    /// An object that the bundle leaves out, as a blob of repository 0; its digest.
    @discardableResult
    mutating func elsewhere(_ bytes: [UInt8], place: UInt32 = 0) -> Digest {
        let number = external(bytes, [(place, Digest(of: bytes), 0)])
        return object(bytes, [(number, 0, bytes.count)])
    }

    /// A chunk in a raw frame of its own, and the object that it is.
    @discardableResult
    mutating func whole(_ bytes: [UInt8]) throws -> Digest {
        let number = chunk(bytes, [(try frame(bytes), 0, bytes.count)])
        return object(bytes, [(number, 0, bytes.count)])
    }

    /// The index with lengths and digests of the volumes as they are.
    func index() -> [UInt8] {
        var tables = tables
        tables.blocks = []
        for (number, bytes) in contents.enumerated() {
            tables.volumes[number].length = UInt64(bytes.count)
            tables.volumes[number].digest = Digest(of: bytes)
            tables.blocks.append(
                stride(from: 0, to: bytes.count, by: blockSize).map { start in
                    Hasher.hash(Array(bytes[start..<min(start + blockSize, bytes.count)]))
                })
        }
        return tables.encoded(splitter: "none-v1")
    }

    func release(_ index: [UInt8]) -> Release {
        var release = Release(
            product: product, version: version, edition: "palette",
            index: Release.IndexFile(
                length: UInt64(index.count), sha256: Digest(of: index),
                sha512: Hasher.hash(index, .sha512).lowercaseHex),
            volumeSize: 0)
        release.files = files
        release.references = references
        release.base = base ?? (tables.externals.isEmpty ? nil : .made(up: tables.externals))
        return release
    }
}

extension Draft {
    /// Two small objects in one frame of one volume.
    static func tiny(version: String = "1.2.3") throws -> Draft {
        var draft = Draft()
        draft.version = version
        draft.archive("palette-enterprise-\(version).001.tar.zst")
        let (first, second) = (noise(300, seed: 2), Array("hello".utf8))
        let frame = try draft.frame(first + second)
        let one = draft.chunk(first, [(frame, 0, 300)])
        let two = draft.chunk(second, [(frame, 300, 5)])
        draft.object(first, [(one, 0, 300)])
        draft.object(second, [(two, 0, 5)])
        return draft
    }
}

extension Release.Base {
    /// One earlier release, and as many repositories as these count.
    static func made(up externals: [External]) -> Release.Base {
        var base = Release.Base()
        let name = Release.Name(product: Publisher.product, version: "1.2.2")
        base.releases = [Release.BaseRelease(name: name, release: Digest(of: [1]), index: Digest(of: [2]))]
        let last = externals.map(\.place).filter { $0 != External.file }.max()
        base.repositories = last.map { (0...$0).map { "spectro-images/r\($0)" } } ?? []
        return base
    }
}

/// A publisher's keys, and what it puts into a folder.
struct Publisher {
    static let product = "palette-enterprise"
    static let now = UTCTime(secondsSince1970: 1_790_000_000)
    static let shared = Result { try Publisher() }

    let rootKey: PrivateKey
    let releaseKey: PrivateKey
    let root: TrustedRoot

    init(product: String = product) throws {
        rootKey = try .generate(.p256)
        releaseKey = try .generate(.p384)
        let first = try Root(
            firstFor: product, rootKeys: [rootKey.publicKey], releaseKeys: [releaseKey.publicKey],
            issued: Publisher.now, expires: Publisher.now.adding(days: 1000))
        root = try TrustedRoot(pinned: first.signed(by: [rootKey]))
    }

    var pinned: PinnedRoots {
        get throws { try PinnedRoots([PinnedRoots.Chain(roots: [root.files[1] ?? []])]) }
    }

    /// Writes a bundle's folder as `pack` does; `edit` may change the signed files before they are signed.
    @discardableResult
    func write(
        _ draft: Draft, to folder: FilePath, after previous: TrustedMetadata? = nil, delisting: Set<String> = [],
        under root: TrustedRoot? = nil, expires: UTCTime = now.adding(days: 500),
        edit: (inout [String: [UInt8]]) -> Void = { _ in }, editSums: (inout [String: Digest]) -> Void = { _ in }
    ) throws -> TrustedMetadata {
        var signed = draft.small
        signed["index"] = draft.index()
        signed["release.json"] = draft.release(draft.index()).encoded
        edit(&signed)
        var targets = signed.mapValues {
            TargetFile(length: Int64($0.count), sha256: Hasher.hash($0), sha512: Hasher.hash($0, .sha512))
        }
        for (volume, bytes) in zip(draft.tables.volumes, draft.contents) {
            signed["volumes/\(volume.name)"] = bytes
            targets["volumes/\(volume.name)"] = TargetFile(length: Int64(bytes.count), sha256: Hasher.hash(bytes))
        }
        let publication = Publication(
            of: SignedRelease(product: Publisher.product, edition: "palette", version: draft.version), files: targets,
            after: previous, delisting: delisting)
        let metadata = try publication.signed(
            under: root ?? self.root, after: previous, issued: Publisher.now, expires: expires, by: [releaseKey])
        for (name, bytes) in metadata.files { signed["trust/\(name)"] = bytes }
        var sums = signed.mapValues { Digest(of: $0) }
        editSums(&sums)
        let lines = sums.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        let text = Array(lines.map { "\($0.value.hex)  \($0.key)\n" }.joined().utf8)
        signed["SHA256SUMS"] = text
        signed["SHA256SUMS.sig"] = try releaseKey.signDetached(text)
        for (name, bytes) in signed {
            try put(bytes, folder.appending(name))
            let isCopied = ["release.json", "index", "SHA256SUMS", "SHA256SUMS.sig"].contains(name)
            if isCopied || name.hasPrefix("trust/") { try put(bytes, folder.appending("copies/\(name)")) }
        }
        return metadata
    }
}

/// Writes a file and the folders above it.
func put(_ bytes: [UInt8], _ path: FilePath) throws {
    try path.removingLastComponent().createDirectories()
    try path.removeFile()
    try OpenFile.creating(path).write(bytes, at: 0)
}

/// The bytes of a file.
func get(_ path: FilePath) throws -> [UInt8] { try path.contents(limit: 1 << 30) }

/// Changes one bit of a file.
func flip(_ path: FilePath, at offset: Int) throws {
    var bytes = try get(path)
    bytes[offset] ^= 1
    try put(bytes, path)
}
