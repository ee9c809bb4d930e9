// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import FoundationEssentials
internal import OCI
internal import Palette
internal import PaletteSources

/// Collects what the release delivers while its inputs are read, and refuses what contradicts itself.
struct ReleaseComposer {
    private(set) var contents: [Release.Content] = []
    private(set) var files: [Release.DeliveredFile] = []
    private(set) var references: [ReleaseReference] = []
    /// Notes for the user: what an input holds and no target gets.
    private(set) var warnings: [String] = []
    private var tags: [String: Digest] = [:]
    private var manifestTypes: Set<String> = []
    private var registryBlobs: [Digest: UInt64] = [:]
    private var packImages = PackImageLists()
    /// What packs name and the release lacks; known once `settlePacks` was called.
    private(set) var missingImages: [MissingImage] = []
    /// Lines of the OCI layout's `index.json`.
    private(set) var layoutEntries: [Descriptor] = []

    /// Notes an input.
    mutating func add(_ content: Release.Content) { contents.append(content) }

    /// Notes a file that `extract` can write.
    mutating func add(file: Release.DeliveredFile) { files.append(file) }

    mutating func warn(_ text: String) { warnings.append(text) }

    /// Delivers the entries of a layout with all below them. `lists` holds what the packs among them name, by layer.
    mutating func add(
        _ entries: [Descriptor], _ graph: ManifestGraph, lists: [Digest: PackImages], place: String
    ) throws {
        for (descriptor, manifest) in graph.manifests {
            manifestTypes.insert(descriptor.mediaType)
            registryBlobs[descriptor.digest] = UInt64(manifest.bytes.count)
        }
        for blob in graph.blobs { registryBlobs[blob.digest] = UInt64(blob.size) }
        let children = Set(graph.manifests.flatMap { $0.manifest.manifests.map(\.digest) })
        let manifests = Dictionary(graph.manifests.map { ($0.descriptor.digest, $0.manifest) }) { first, _ in first }
        for entry in entries {
            guard let name = entry.referenceName else { continue }
            let target = try add(entry, name: name, place: place)
            notePlaces(of: entry.digest, in: target.repository, manifests)
            if target.kind == .pack, let manifest = manifests[entry.digest] {
                packImages.add(manifest.blobs.lazy.compactMap { lists[$0.digest] }.first, of: target.description)
            }
        }
        // After the named ones: a signature may stand before the image that it is about.
        for entry in entries where entry.referenceName == nil && !children.contains(entry.digest) {
            try addUnnamed(entry, graph, place: place)
        }
    }

    private mutating func notePlaces(of digest: Digest, in repository: String, _ manifests: [Digest: Manifest]) {
        guard let manifest = manifests[digest] else { return }
        packImages.add(digest, in: repository)
        for child in manifest.manifests { notePlaces(of: child.digest, in: repository, manifests) }
    }

    private mutating func add(_ entry: Descriptor, name: String, place: String) throws -> DeliveredReference {
        let target: DeliveredReference
        do {
            let source = try Reference(parsing: name)
            target = try DeliveredReference(source: source, type: entry.annotations?[DeliveredReference.typeAnnotation])
        } catch let error as any ClassifiedError {
            throw PackError.badName(in: place, why: error.description)
        }
        try add(
            ReleaseReference(
                repository: target.repository, tag: target.tag, descriptor: entry.bare, kind: target.kind.rawValue,
                source: name, mayMove: target.mayMoveFreely))
        return target
    }

    /// A manifest without a name goes where the manifest is that it is about.
    private mutating func addUnnamed(_ entry: Descriptor, _ graph: ManifestGraph, place: String) throws {
        let subject = graph.manifests.first { $0.descriptor.digest == entry.digest }?.manifest.subject?.digest
        let homes = references.filter { $0.descriptor.digest == subject }.map(\.repository)
        guard !homes.isEmpty else {
            return warn("\(place): \(entry.digest) has no reference name and no known subject; it is not delivered")
        }
        for repository in Set(homes).sorted() {
            try add(
                ReleaseReference(
                    repository: repository, tag: nil, descriptor: entry.bare, kind: ContentKind.artifact.rawValue,
                    source: entry.digest.description))
        }
    }

    /// Delivers a manifest under a repository and tag; the same twice is one.
    mutating func add(_ reference: ReleaseReference) throws {
        if let known = tags[reference.name] {
            if known == reference.descriptor.digest { return }
            guard reference.mayMove else {
                throw PackError.referenceTwice(reference.name, known, reference.descriptor.digest)
            }
            try untag(reference.name)
        }
        tags[reference.name] = reference.descriptor.digest
        references.append(reference)
        var entry = reference.descriptor
        if reference.tag != nil { entry.annotations = [Descriptor.referenceName: reference.source] }
        layoutEntries.append(entry)
    }

    /// The vendor's tool uses one tag for every pack's definition, and the last one has it; the others are sent without.
    private mutating func untag(_ name: String) throws {
        guard let index = references.firstIndex(where: { $0.name == name }) else { return }
        var older = references.remove(at: index)
        layoutEntries.removeAll { $0.digest == older.descriptor.digest && $0.referenceName == older.source }
        older.tag = nil
        tags[older.name] = older.descriptor.digest
        references.append(older)
        warn("\(name) stands in more than one input; the last one has the tag")
    }

    /// Notes what a pack made of a folder names; `pack` is its delivered name.
    mutating func add(_ list: PackImages?, of pack: String) { packImages.add(list, of: pack) }

    /// Gives the packs their images, and warns of those that the release lacks. Call it when all inputs were added.
    mutating func settlePacks() {
        let findings = packImages.settle(&references)
        warnings += findings.warnings
        missingImages = findings.missing
    }

    /// Counts a blob that the registry gets.
    mutating func count(blob digest: Digest, size: UInt64) { registryBlobs[digest] = size }

    /// Counts the type of a manifest that the registry gets.
    mutating func count(manifestType type: String) { manifestTypes.insert(type) }

    /// Digests that the registry or a file needs.
    var neededObjects: Set<Digest> {
        Set(registryBlobs.keys).union(files.map(\.digest)).union(files.compactMap { $0.signature?.digest })
    }

    var requirements: Release.Requirements {
        var requirements = Release.Requirements()
        requirements.mediaTypes = manifestTypes.sorted()
        requirements.largestBlob = registryBlobs.values.max() ?? 0
        requirements.registryBytes = registryBlobs.values.reduce(0, &+)
        return requirements
    }

    /// The references in the order in which they are tagged, then by name.
    var sortedReferences: [ReleaseReference] {
        references.sorted {
            let left = ContentKind(rawValue: $0.kind) ?? .image
            let right = ContentKind(rawValue: $1.kind) ?? .image
            return left == right ? $0.name < $1.name : left < right
        }
    }
}

extension Descriptor {
    /// Without annotations, which belong to the place it was found in.
    fileprivate var bare: Descriptor {
        Descriptor(mediaType: mediaType, digest: digest, size: size, artifactType: artifactType)
    }
}
