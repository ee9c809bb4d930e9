// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import OCI

/// What `load` will do, decided before anything is changed: a pure function of release and answers. `plan` prints it.
package struct LoadPlan: Sendable, Equatable {
    /// A blob that a repository needs. Whether it is there already is asked only right before it is sent: on Zot the
    /// question itself links the blob.
    package struct BlobStep: Sendable, Hashable {
        package let repository: String
        package let digest: Digest
        /// Bytes.
        package let size: Int64
        /// A repository that has the blob by then, so that no byte need be sent.
        package let mountFrom: String?
        package var presence = Presence.unknown
    }

    /// What is known about a blob in its repository before it is asked for.
    package enum Presence: Sendable, Hashable {
        case unknown
        /// The repository is new.
        case unlikely
        /// A manifest that is there names it.
        case implied
        /// It is there and damaged: only sending it again helps.
        case damaged
    }

    package struct ManifestStep: Sendable, Hashable {
        package let repository: String
        package let descriptor: Descriptor
        /// The tag it is sent under; `nil`: its digest.
        package let stagingTag: String?
        /// Whether nothing collects it, and what it names, once it is there: children wait for their index.
        package let isHeld: Bool
    }

    /// The transfers that one reference needs.
    package struct Group: Sendable, Equatable {
        package let name: String
        package let kind: String
        package let blobs: [BlobStep]
        /// Children before parents. A pack's own manifest is not among them: it is sent with its tag.
        package let manifests: [ManifestStep]
        /// The manifest that is sent with its tag.
        package let withTag: Descriptor?
    }

    package let traits: TargetTraits
    let builds: [Place: PackBuild]
    /// The tags that the site admin allows to move.
    let replaced: [TagPattern]
    /// In order; those that need nothing are left out.
    package private(set) var groups: [Group] = []
    package private(set) var tags: [TagStep] = []
    /// References of the release.
    package let referenceCount: Int
    /// The release's manifests that are there already, seen with their bytes.
    package let presentManifests: Set<Place>
    /// Repositories of the release that will be created.
    package let newRepositories: [String]
    /// Media types of the release that the target will refuse, sorted.
    package let refusedTypes: [String]
    /// Where a delta's left-out bytes are; `nil` for a full bundle.
    package var needs: ExternalNeeds?

    /// `replaceTags`: the tags that the site admin allows to move.
    package init(_ content: RegistryContent, _ answers: TargetAnswers, replaceTags: [TagPattern] = []) {
        (traits, builds, replaced) = (answers.traits, answers.builds, replaceTags)
        var planner = Planner(content: content, answers: answers)
        for item in content.items { planner.noteBlobsOfPresentManifests(item) }
        for item in content.items {
            if let group = planner.group(item) { groups.append(group) }
            if let tag = TagStep(item, content, answers, replaceTags) { tags.append(tag) }
        }
        referenceCount = content.items.count
        presentManifests = planner.present
        newRepositories = answers.newRepositories.intersection(content.items.map(\.reference.repository)).sorted()
        let types = Set(groups.flatMap { $0.allManifests.map(\.mediaType) })
        refusedTypes = answers.traits.refusesDockerManifests ? types.filter(MediaType.isDocker).sorted() : []
    }

    /// What the plan has seen with its bytes and leaves as it is: manifests, and tags by their name.
    var seen: Set<Place> {
        presentManifests.union(tags.filter { $0.action == .equal }.map { Place($0.repository, $0.tag) })
    }

    /// Whether carrying it out needs `--replace-tags`.
    var movesByOption: Bool { tags.contains { $0.action == .move && $0.leave == .admin } }

    /// Tags that nothing allows to move.
    package var refusals: [LoadError.TagMove] { tags.filter { !$0.isOtherBuild }.compactMap(\.refusal) }

    /// Packs whose tag holds the vendor's other build.
    package var otherBuilds: [LoadError.TagMove] { tags.filter(\.isOtherBuild).compactMap(\.refusal) }

    /// Bytes that go over the network when the target has none of the blobs; mounted ones, and those that a manifest
    /// that is there names, not counted.
    package var bytesToSend: UInt64 {
        groups.reduce(0) { sum, group in
            sum + group.blobs.reduce(0) { $0 + ($1.mayBeSent ? UInt64($1.size) : 0) }
                + group.allManifests.reduce(0) { $0 + UInt64($1.size) }
        }
    }

    /// The same with manifests that go once more, to get their final tags.
    var bytesOfRequests: UInt64 {
        let withTag = Set(groups.compactMap(\.withTag?.digest))
        let again = tags.filter { $0.action != .equal && !withTag.contains($0.descriptor.digest) }
        return again.reduce(bytesToSend) { $0 + UInt64($1.descriptor.size) }
    }

    /// Requests that carrying it out takes when the target has none of the blobs and nothing goes wrong, its read-back
    /// included; those for chunks of large blobs and for logging in are not.
    package func requests(_ content: RegistryContent) -> Int64 {
        let placed = content.placedManifests
        let tagged = Set(tags.map { Place($0.repository, $0.descriptor.digest) }).union(presentManifests)
        let referrers = placed.count { content.manifests[$0.descriptor.digest]?.subject != nil }
        let manifests = groups.reduce(0) { $0 + $1.manifests.count }
        let changes = tags.count { $0.action != .equal }
        let readBack = placed.count { !tagged.contains($0.place) } + content.placedBlobs.count { $0.size > 0 } + changes
        return groups.flatMap(\.blobs).reduce(0) { $0 + $1.requests(traits) }
            + Int64(manifests + 2 * changes + tags.count(where: \.retypes) + stagingTags.count + readBack + referrers)
    }

    /// Everything that may be sent, each once, with its bytes.
    var sizes: [Digest: UInt64] {
        var sizes: [Digest: UInt64] = [:]
        for group in groups {
            for blob in group.blobs { sizes[blob.digest] = UInt64(blob.size) }
            for manifest in group.allManifests { sizes[manifest.digest] = UInt64(manifest.size) }
        }
        return sizes
    }

    /// What must be readable from the media.
    package var neededDigests: Set<Digest> {
        Set(groups.flatMap { $0.blobs.map(\.digest) + $0.allManifests.map(\.digest) })
    }

    /// The same, each with a reference that needs it.
    var neededObjects: [Digest: String] {
        var names: [Digest: String] = [:]
        for group in groups {
            for digest in group.blobs.map(\.digest) + group.allManifests.map(\.digest) where names[digest] == nil {
                names[digest] = group.name
            }
        }
        return names
    }

    /// Staging tags that carrying it out will set and remove.
    var stagingTags: [Place] {
        groups.flatMap { group in
            group.manifests.compactMap { step in step.stagingTag.map { Place(step.repository, $0) } }
        }
    }

    /// Whether the target has everything already, as far as its manifests and tags tell.
    package var isEmpty: Bool { groups.isEmpty && tags.allSatisfy { $0.action == .equal } }
}

extension LoadPlan.BlobStep {
    /// Whether its bytes may have to go over the network.
    var mayBeSent: Bool { mountFrom == nil && presence != .implied }

    /// Requests that it takes to have it there, if it isn't.
    fileprivate func requests(_ traits: TargetTraits) -> Int64 {
        guard mayBeSent else { return 1 }
        let isSingle = traits.takesSinglePost && size <= 1 << 20
        let isAsked = presence == .unknown && !(isSingle && size <= 64 << 10)
        return (isAsked ? 1 : 0) + (isSingle ? 1 : 2)
    }
}

extension LoadPlan.Group {
    var allManifests: [Descriptor] { manifests.map(\.descriptor) + [withTag].compactMap(\.self) }
}

extension RegistryContent {
    /// What a manifest names that is sent as a blob.
    package func blobs(of digest: Digest) -> [Descriptor] {
        guard let manifest = manifests[digest] else { return [] }
        return manifest.blobs + manifest.manifests.filter { !MediaType.isManifest($0.mediaType) }
    }

    /// What a manifest names that is sent as a manifest.
    package func children(of digest: Digest) -> [Descriptor] {
        manifests[digest]?.manifests.filter { MediaType.isManifest($0.mediaType) } ?? []
    }
}
