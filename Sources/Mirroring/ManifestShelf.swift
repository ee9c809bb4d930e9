// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import FoundationEssentials
internal import OCI
internal import PaletteSources
internal import RegistryClient
internal import SystemPackage

/// Manifests, from the folder where they are there, else from their registry; stored byte for byte once their digest is
/// proved.
struct ManifestShelf: Sendable {
    let folder: MirrorFolder
    /// Whether what is fetched is stored.
    let stores: Bool

    /// The manifest that a registry has under a tag or digest. Throws `MirrorError.gone`, `.wrongBytes`, `RegistryError`.
    func fetch(_ question: String, of source: SourceRepository, as name: String, _ worker: Worker) throws -> Manifest {
        let expected = question.hasPrefix("sha256:") ? try Digest(parsing: question) : nil
        let answer = try worker.ask(source) { try $0.manifest($1, question) }
        guard let answer else { throw MirrorError.gone(name) }
        let bytes = [UInt8](answer.bytes)
        let digest = Digest(of: bytes)
        for claim in [expected, answer.claimedDigest].compactMap({ $0 }) where claim != digest {
            throw MirrorError.wrongBytes(name, expected: claim, got: digest)
        }
        let manifest = try ManifestShelf.manifest(bytes, mediaType: answer.mediaType, name)
        if stores { try folder.store(bytes, digest) }
        return manifest
    }

    /// A manifest by digest, the folder's own first. `size` is what its descriptor says, where there is one.
    func manifest(
        _ digest: Digest, mediaType: String?, size: Int64?, of source: SourceRepository, as name: String,
        _ worker: Worker
    ) throws -> Manifest {
        let manifest: Manifest
        if let bytes = try folder.manifest(digest) {
            manifest = try ManifestShelf.manifest(bytes, mediaType: mediaType ?? "", name)
        } else {
            manifest = try fetch(digest.description, of: source, as: name, worker)
        }
        guard size == nil || Int64(manifest.bytes.count) == size else {
            throw MirrorError.badManifest(
                name, why: "it has \(manifest.bytes.count) bytes, and its index says \(size ?? 0)")
        }
        guard mediaType == nil || manifest.mediaType == mediaType else {
            throw MirrorError.badManifest(
                name, why: "it is \(manifest.mediaType), and its index says \(mediaType ?? "")")
        }
        return manifest
    }

    // The document's own type counts, then the registry's word, then what the document looks like.
    private static func manifest(_ bytes: [UInt8], mediaType: String, _ name: String) throws -> Manifest {
        struct Probe: Decodable {
            struct Nothing: Decodable { init(from decoder: any Decoder) throws {} }
            var mediaType: String?
            var manifests: Nothing?
            var config: Nothing?
        }
        let probe: Probe
        do {
            probe = try JSONDecoder().decode(Probe.self, from: Data(bytes))
        } catch {
            throw MirrorError.badManifest(name, why: "what the registry gave is no JSON; check the address")
        }
        let shape = probe.manifests != nil ? MediaType.index : probe.config != nil ? MediaType.manifest : mediaType
        let type = probe.mediaType ?? (MediaType.isManifest(mediaType) ? mediaType : shape)
        guard MediaType.isManifest(type) else {
            throw MirrorError.unsupportedType(name, type: String(type.filter { $0 > " " && $0 < "\u{7F}" }.prefix(100)))
        }
        do {
            return try Manifest(parsing: Data(bytes), mediaType: type)
        } catch {
            throw MirrorError.badManifest(name, why: "\(error)")
        }
    }
}

extension ManifestShelf {
    /// The descriptor of a root manifest.
    static func descriptor(of manifest: Manifest, artifactType: String? = nil) -> Descriptor {
        Descriptor(
            mediaType: manifest.mediaType, digest: Digest(of: [UInt8](manifest.bytes)),
            size: Int64(manifest.bytes.count), artifactType: artifactType)
    }

    /// Everything below a root, the children of platforms that nobody wants left out. Throws `MirrorError.noPlatform` where
    /// none is left, `GraphError`.
    func tree(
        of manifest: Manifest, _ root: Descriptor, platforms: [MirrorPlatform]?, of source: SourceRepository,
        as name: String, _ worker: Worker
    ) throws -> MirroredTree {
        var walk = TreeWalk(shelf: self, source: source, name: name, platforms: platforms)
        try walk.add(manifest, root, depth: 0, worker)
        return walk.tree
    }
}

/// One walk down from a root.
private struct TreeWalk {
    let shelf: ManifestShelf
    let source: SourceRepository
    let name: String
    let platforms: [MirrorPlatform]?
    var tree = MirroredTree()
    private var seen: Set<Digest> = []

    init(shelf: ManifestShelf, source: SourceRepository, name: String, platforms: [MirrorPlatform]?) {
        (self.shelf, self.source, self.name, self.platforms) = (shelf, source, name, platforms)
    }

    mutating func add(_ manifest: Manifest, _ descriptor: Descriptor, depth: Int, _ worker: Worker) throws {
        guard seen.insert(descriptor.digest).inserted else { return }
        guard depth < ManifestGraph.maximumDepth else { throw GraphError.tooDeep(descriptor.digest) }
        guard seen.count <= ManifestGraph.maximumManifests else { throw GraphError.tooMany }
        try Interruption.check()
        tree.manifests.append(descriptor.bare)
        for child in try wanted(of: manifest) {
            guard MediaType.isManifest(child.mediaType) else {
                addBlob(child)
                continue
            }
            let below = try shelf.manifest(
                child.digest, mediaType: child.mediaType, size: child.size, of: source, as: "\(name): \(child.digest)",
                worker)
            try add(below, child, depth: depth + 1, worker)
        }
        for blob in manifest.blobs { addBlob(blob) }
    }

    private mutating func addBlob(_ descriptor: Descriptor) {
        if seen.insert(descriptor.digest).inserted { tree.blobs.append(descriptor.bare) }
    }

    private mutating func wanted(of manifest: Manifest) throws -> [Descriptor] {
        guard let platforms, !manifest.manifests.isEmpty else { return manifest.manifests }
        let choice = try PlatformChoice(manifest.bytes, platforms, name)
        tree.leftOut += choice.leftOut
        let left = Set(choice.leftOut.map(\.digest))
        return manifest.manifests.filter { !left.contains($0.digest) }
    }
}

extension Descriptor {
    /// Without annotations, which belong to the place it was found in.
    var bare: Descriptor { Descriptor(mediaType: mediaType, digest: digest, size: size, artifactType: artifactType) }
}
