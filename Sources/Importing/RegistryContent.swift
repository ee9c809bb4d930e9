// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
package import BundleFormat
package import OCI

/// What a release puts into a registry, with all that is below its references; a value that plans are made of.
package struct RegistryContent: Sendable {
    /// A manifest that a tag or nothing but its digest names.
    package struct Item: Sendable {
        package fileprivate(set) var reference: ReleaseReference
        /// The repository as the release names it; the reference has it as the target does.
        package let source: String
        /// With all below it, children before parents, the item's own last.
        package let manifests: [Descriptor]
        /// Of all its manifests, each once.
        package let blobs: [Descriptor]
        /// From where the release, signed, lets its tag move.
        package var movesFrom: Set<Digest> = []
    }

    /// In the order in which their tags are written.
    package private(set) var items: [Item] = []
    /// Every manifest's bytes and references.
    package private(set) var manifests: [Digest: Manifest] = [:]

    /// Repositories in which a delta says that the target has a blob, whole.
    package private(set) var elsewhere: [Digest: [String]] = [:]

    package init() {}

    /// Adds a reference. `fetch` gives a manifest of the release.
    package mutating func add(_ reference: ReleaseReference, fetch: (Descriptor) throws -> Manifest) throws {
        var graph = ManifestGraph()
        try graph.add(reference.descriptor) { [manifests] descriptor in
            try manifests[descriptor.digest] ?? fetch(descriptor)
        }
        for (descriptor, manifest) in graph.manifests { manifests[descriptor.digest] = manifest }
        items.append(
            Item(
                reference: reference, source: reference.repository, manifests: graph.manifests.map(\.descriptor),
                blobs: graph.blobs))
    }

    /// The same content in other repositories; `image` gives the new name of a reference that a pack needs.
    /// `place`: of repositories that an earlier release may have filled.
    func renamed(
        _ repository: (String) -> String, image: (String) -> String, place rename: (String) -> String
    ) -> RegistryContent {
        var content = self
        for place in items.indices {
            let reference = items[place].reference
            content.items[place].reference.repository = repository(reference.repository)
            content.items[place].reference.images = reference.images.map { $0.map(image).sorted() }
        }
        // As of an inventory the names may be the target's already.
        content.elsewhere = elsewhere.mapValues { names in
            names.flatMap { rename($0) == $0 ? [$0] : [rename($0), $0] }
        }
        return content
    }

    /// Notes from where the release lets a tag move.
    package mutating func add(_ move: Release.TagMove) {
        for place in items.indices
        where items[place].reference.repository == move.repository && items[place].reference.tag == move.tag
            && items[place].reference.descriptor.digest == move.to
        { items[place].movesFrom.insert(move.from) }
    }

    /// Notes which blobs a delta leaves out as they are: the target should have them.
    private mutating func noteElsewhere(_ bundle: VerifiedBundle) {
        let repositories = bundle.release.base?.repositories ?? []
        guard bundle.index.isDelta else { return }
        for digest in Set(items.flatMap { $0.blobs.map(\.digest) }) {
            guard let object = bundle.index.object(digest), object.segmentCount == 1,
                case let number = Int(bundle.index.segment(Int(object.firstSegment)).chunk),
                let chunk = bundle.index.externalChunk(number), chunk.digest == digest
            else { continue }
            let places = chunk.externals.filter { $0.object == digest && $0.offset == 0 }.map { Int($0.place) }
            let found = places.filter(repositories.indices.contains).map { repositories[$0] }
            if !found.isEmpty { elsewhere[digest] = found }
        }
    }

    /// Every blob and manifest, for the question whether the media hold them.
    package var digests: Set<Digest> {
        Set(items.flatMap { $0.blobs.map(\.digest) }).union(manifests.keys)
    }
}

extension RegistryContent {
    /// Reads all manifests of a verified bundle and checks that the bundle has what they name.
    ///
    /// `externals`: where what a delta leaves out is found. Throws `LoadError.absentContent` where it hasn't, and what reading the media can throw.
    package init(_ bundle: VerifiedBundle, externals: (any ExternalSource)? = nil) throws {
        self.init()
        let reader = bundle.reader(externals: externals)
        for reference in bundle.release.references.sorted(by: ReleaseReference.tagOrder) {
            try add(reference) { descriptor in
                let bytes = try reader.bytes(of: descriptor.digest, limit: Manifest.maximumSize)
                return try Manifest(parsing: .init(bytes), mediaType: descriptor.mediaType)
            }
        }
        for move in bundle.release.movesTags { add(move) }
        noteElsewhere(bundle)
        for item in items {
            for descriptor in item.manifests + item.blobs {
                guard bundle.index.object(descriptor.digest)?.size == UInt64(descriptor.size) else {
                    throw LoadError.absentContent(reference: item.reference.name, digest: descriptor.digest)
                }
            }
        }
    }
}

extension ReleaseReference {
    /// Images before artifacts, packs and bundle definitions, then as the release lists them: a pack whose images are
    /// missing must never be seen.
    static func tagOrder(_ left: ReleaseReference, _ right: ReleaseReference) -> Bool { left.rank < right.rank }

    /// The phase in which its tag is written.
    var rank: Int { ReleaseReference.rank(of: kind) }

    static func rank(of kind: String) -> Int {
        ["image", "artifact", "pack", "bundleDefinition"].firstIndex(of: kind) ?? 1
    }
}
