// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Files
import FoundationEssentials
import Mirroring
import OCI
import PaletteSources
import RegistryClient
import Support
import SystemPackage
import Testing

/// A registry with content, which the mirror knows as `quay.io`, and a folder to mirror into.
final class SourceSite {
    let place = TemporaryFolder()
    let url: String
    private let connection: RegistryConnection

    init(_ url: String) throws {
        self.url = url
        connection = try Registry(Endpoint(parsing: url), RegistryOptions()).connection()
    }

    var to: FilePath { place.appending("mirror") }
    var lock: FilePath { place.appending("mirror.lock.json") }

    /// Reads a manifest whose `quay.io` is this registry.
    func document(_ text: String, address: String? = nil) throws -> MirrorDocument {
        let head = "format: 1\nregistries:\n  - host: quay.io\n    address: \(address ?? url)\n"
        return try MirrorDocument(parsing: Array((head + text).utf8), file: "mirror.yaml")
    }

    func options(_ text: String, address: String? = nil) throws -> MirrorOptions {
        var options = MirrorOptions(
            try document(text, address: address), base: place.path, to: to, lock: lock)
        options.network.retry.sleep = { _ in }
        options.network.retry.fewestAttempts = 2
        options.network.retry.attempts = 2
        return options
    }

    /// Mirrors what a manifest asks for.
    @discardableResult
    func mirror(
        _ text: String, address: String? = nil, _ change: (inout MirrorOptions) -> Void = { _ in }
    ) throws -> MirrorResult {
        var options = try options(text, address: address)
        change(&options)
        return try Mirroring.mirror(options, progress: Progress())
    }

    // MARK: content

    /// Pushes a blob.
    func push(_ bytes: [UInt8], to repository: String) throws -> Descriptor {
        let digest = try #require(Digest(bytes: Hasher.hash(bytes)))
        let upload = BlobUpload(repository: repository, digest: digest, size: Int64(bytes.count))
        _ = try connection.upload(upload) { offset in Body(bytes: Array(bytes[Int(offset)...])) }
        return Descriptor(mediaType: MediaType.gzipLayer, digest: digest, size: Int64(bytes.count))
    }

    /// Pushes a manifest under a tag, or its digest alone.
    @discardableResult
    func push(_ manifest: String, type: String = MediaType.manifest, to repository: String, _ tag: String?) throws
        -> Descriptor
    {
        let bytes = Array(manifest.utf8)
        let digest = try #require(Digest(bytes: Hasher.hash(bytes)))
        try connection.putManifest(
            repository, tag ?? digest.description, Data(bytes), mediaType: type, digest: digest)
        return Descriptor(mediaType: type, digest: digest, size: Int64(bytes.count))
    }

    /// An image of these layers.
    @discardableResult
    func image(
        _ repository: String, _ tag: String?, layers: [[UInt8]], subject: Descriptor? = nil,
        artifactType: String? = nil,
        note: String = ""
    ) throws -> Descriptor {
        var config = try push(Array(#"{"architecture":"amd64","os":"linux","note":"\#(note)"}"#.utf8), to: repository)
        config.mediaType = MediaType.imageConfig
        let layers = try layers.map { try push($0, to: repository) }
        let more =
            (artifactType.map { #","artifactType":"\#($0)""# } ?? "")
            + (try subject.map { #","subject":\#(try json($0))"# } ?? "")
        return try push(
            #"{"schemaVersion":2,"mediaType":"\#(MediaType.manifest)","config":\#(json(config)),"layers":[\#(layers.map(json).joined(separator: ","))]\#(more)}"#,
            to: repository, tag)
    }

    /// An index of one image for each platform.
    @discardableResult
    func index(_ repository: String, _ tag: String, platforms: [String]) throws -> (
        index: Descriptor, children: [Descriptor]
    ) {
        let children = try platforms.map { platform in
            try image(repository, nil, layers: [noise(3000, seed: UInt64(platform.utf8.count))], note: platform)
        }
        let entries = try zip(platforms, children).map { platform, child in
            let parts = platform.split(separator: "/")
            let text = try json(child).dropLast()
            return #"\#(text),"platform":{"architecture":"\#(parts[1])","os":"\#(parts[0])"}}"#
        }
        let index = try push(
            #"{"schemaVersion":2,"mediaType":"\#(MediaType.index)","manifests":[\#(entries.joined(separator: ","))]}"#,
            type: MediaType.index, to: repository, tag)
        return (index, children)
    }

    private func json(_ descriptor: Descriptor) throws -> String {
        String(decoding: try JSONEncoder().encode(descriptor), as: UTF8.self)
    }

    // MARK: the mirror

    /// The entries of the layout's index: name or "", and digest.
    func entries() throws -> [(name: String, digest: Digest)] {
        struct Document: Decodable { var manifests: [Descriptor] }
        let bytes = Data(try contents(of: to.appending("index.json")))
        return try JSONDecoder().decode(Document.self, from: bytes).manifests.map {
            ($0.referenceName ?? "", $0.digest)
        }
    }

    func names() throws -> [String] { try entries().map(\.name) }

    /// The names of all blobs; each must have the bytes that its name says.
    func blobs() throws -> Set<String> {
        let folder = to.appending("blobs/sha256")
        let names = try folder.entries()
        for name in names {
            #expect(try Hasher.hash(contents(of: folder.appending(name))).lowercaseHex == name)
        }
        return Set(names)
    }

    func has(_ digest: Digest) throws -> Bool { try to.appending("blobs/sha256/\(digest.hex)").exists() }
}

/// A body of bytes.
private struct Body: BlobBody {
    let bytes: [UInt8]
    var position = 0

    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let count = min(buffer.count, bytes.count - position)
        unsafe buffer.copyBytes(from: bytes[position..<position + count])
        position += count
        return count
    }
}

/// Bytes that look random and are the same each time.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 56)
    }
}

/// The SHA-256 of bytes.
func digest(_ bytes: some Sequence<UInt8>) -> Digest {
    guard let digest = Digest(bytes: Hasher.hash(Array(bytes))) else { preconditionFailure("no SHA-256") }
    return digest
}
