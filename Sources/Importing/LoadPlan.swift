// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import OCI

/// What a target says it has, before anything is sent.
package struct TargetAnswers: Sendable, Equatable {
    /// Where the tags point now, by repository and tag; absent ones are left out.
    package var tags: [Place: Digest] = [:]
    /// The release's manifests that are there by digest.
    package var manifests: Set<Place> = []

    package init() {}
}

/// A name inside a target: repository and tag or digest.
package struct Place: Hashable, Sendable, CustomStringConvertible {
    package let repository: String
    package let reference: String

    package init(_ repository: String, _ reference: String) {
        (self.repository, self.reference) = (repository, reference)
    }

    package init(_ repository: String, _ digest: Digest) { self.init(repository, digest.description) }

    /// Whether it names content by digest, not by tag: a tag holds no colon.
    package var isDigest: Bool { reference.hasPrefix("sha256:") }

    package var description: String { repository + (isDigest ? "@" : ":") + reference }
}

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
    }

    package struct ManifestStep: Sendable, Hashable {
        package let repository: String
        package let descriptor: Descriptor
    }

    package enum TagAction: String, Sendable {
        /// The tag does not exist.
        case new
        /// It points where it should.
        case equal
        /// It points elsewhere and may move.
        case move
        /// It points elsewhere and may not.
        case refuse
    }

    package struct TagStep: Sendable, Equatable {
        package let repository: String
        package let tag: String
        package let descriptor: Descriptor
        package let kind: String
        package let action: TagAction
        /// Where it points now.
        package let before: Digest?
        /// Whether the release or the user allows it to move.
        package let mayMove: Bool

        package var name: String { "\(repository):\(tag)" }

        /// Set when it may not get what the release has for it.
        package var refusal: LoadError.TagMove? {
            guard action == .refuse, let before else { return nil }
            return LoadError.TagMove(name: name, before: before, digest: descriptor.digest)
        }

        /// The same step decided anew, now that the tag points to `before`.
        func pointing(to before: Digest?) -> TagStep {
            let action = LoadPlan.action(
                before: before, wanted: descriptor.digest, mayMove: mayMove, replaceTags: false)
            return TagStep(
                repository: repository, tag: tag, descriptor: descriptor, kind: kind, action: action, before: before,
                mayMove: mayMove)
        }
    }

    /// The transfers that one reference needs.
    package struct Group: Sendable, Equatable {
        package let name: String
        package let kind: String
        package let blobs: [BlobStep]
        /// Children before parents.
        package let manifests: [ManifestStep]
    }

    /// In order; those that need nothing are left out.
    package private(set) var groups: [Group] = []
    package private(set) var tags: [TagStep] = []
    /// Whether the user has allowed tags to move.
    package private(set) var replacesTags = false
    /// References of the release.
    package private(set) var referenceCount = 0
    /// Manifests that are there already.
    package private(set) var presentManifests = 0

    /// Decides what to do about a tag; `before` is where it points now.
    package static func action(before: Digest?, wanted: Digest, mayMove: Bool, replaceTags: Bool) -> TagAction {
        guard let before else { return .new }
        guard before != wanted else { return .equal }
        return mayMove || replaceTags ? .move : .refuse
    }

    package init(_ content: RegistryContent, _ answers: TargetAnswers, replaceTags: Bool) {
        var planner = Planner(content: content, answers: answers)
        for item in content.items { planner.noteBlobsOfPresentManifests(item) }
        for item in content.items {
            if let group = planner.group(item) { groups.append(group) }
            guard let tag = item.reference.tag else { continue }
            let (repository, wanted) = (item.reference.repository, item.reference.descriptor)
            let before = answers.tags[Place(repository, tag)]
            let action = LoadPlan.action(
                before: before, wanted: wanted.digest, mayMove: item.reference.mayMove, replaceTags: replaceTags)
            tags.append(
                TagStep(
                    repository: repository, tag: tag, descriptor: wanted, kind: item.reference.kind, action: action,
                    before: before, mayMove: item.reference.mayMove || replaceTags))
        }
        replacesTags = replaceTags
        referenceCount = content.items.count
        presentManifests = planner.present
    }

    /// Whether carrying it out needs `--replace-tags`.
    var movesByOption: Bool { replacesTags && tags.contains { $0.action == .move } }

    /// Tags that nothing allows to move.
    package var refusals: [LoadError.TagMove] { tags.compactMap(\.refusal) }

    /// Bytes that go over the network when the target has none of the blobs; mounted ones not counted.
    package var bytesToSend: UInt64 {
        groups.reduce(0) { sum, group in
            sum + group.blobs.reduce(0) { $0 + ($1.mountFrom == nil ? UInt64($1.size) : 0) }
                + group.manifests.reduce(0) { $0 + UInt64($1.descriptor.size) }
        }
    }

    /// What must be readable from the media.
    package var neededDigests: Set<Digest> {
        Set(groups.flatMap { $0.blobs.map(\.digest) + $0.manifests.map(\.descriptor.digest) })
    }

    /// Whether the target has everything already, as far as its manifests and tags tell.
    package var isEmpty: Bool { groups.isEmpty && tags.allSatisfy { $0.action == .equal } }
}

/// Hands each blob to the first repository that needs it; the others mount it from there.
private struct Planner {
    let content: RegistryContent
    let answers: TargetAnswers
    /// The first repository that has or will have a blob.
    var homes: [Digest: String] = [:]
    var done: Set<Place> = []
    var present = 0

    /// A manifest that is there implies its blobs; the read-back at the end asks for them all the same.
    mutating func noteBlobsOfPresentManifests(_ item: RegistryContent.Item) {
        let repository = item.reference.repository
        for descriptor in item.manifests where answers.manifests.contains(Place(repository, descriptor.digest)) {
            for blob in content.blobs(of: descriptor.digest) {
                done.insert(Place(repository, blob.digest))
                if homes[blob.digest] == nil { homes[blob.digest] = repository }
            }
        }
    }

    mutating func group(_ item: RegistryContent.Item) -> LoadPlan.Group? {
        let repository = item.reference.repository
        var manifests: [LoadPlan.ManifestStep] = []
        var blobs: [LoadPlan.BlobStep] = []
        for descriptor in item.manifests where done.insert(Place(repository, descriptor.digest)).inserted {
            guard !answers.manifests.contains(Place(repository, descriptor.digest)) else {
                present += 1
                continue
            }
            manifests.append(LoadPlan.ManifestStep(repository: repository, descriptor: descriptor))
            for blob in content.blobs(of: descriptor.digest)
            where done.insert(Place(repository, blob.digest)).inserted {
                blobs.append(
                    LoadPlan.BlobStep(
                        repository: repository, digest: blob.digest, size: blob.size, mountFrom: homes[blob.digest]))
                if homes[blob.digest] == nil { homes[blob.digest] = repository }
            }
        }
        guard !manifests.isEmpty else { return nil }
        return LoadPlan.Group(name: item.reference.name, kind: item.reference.kind, blobs: blobs, manifests: manifests)
    }
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
