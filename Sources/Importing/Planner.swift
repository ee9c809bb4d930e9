// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import OCI

/// Hands each blob to the first repository that needs it; the others mount it from there.
struct Planner {
    let content: RegistryContent
    let answers: TargetAnswers
    /// The first repository that has or will have a blob.
    private var homes: [Digest: String] = [:]
    /// Blobs that manifests of the same repository name which are there.
    private var implied: Set<Place> = []
    private var done: Set<Place> = []
    private(set) var present: Set<Place> = []

    init(content: RegistryContent, answers: TargetAnswers) { (self.content, self.answers) = (content, answers) }

    /// A manifest that is there implies its blobs; they are asked for all the same before another manifest that names
    /// them is sent.
    mutating func noteBlobsOfPresentManifests(_ item: RegistryContent.Item) {
        let repository = item.reference.repository
        for descriptor in item.manifests where answers.manifests.contains(Place(repository, descriptor.digest)) {
            for blob in content.blobs(of: descriptor.digest) {
                implied.insert(Place(repository, blob.digest))
                if homes[blob.digest] == nil { homes[blob.digest] = repository }
            }
        }
    }

    /// `nil` where nothing need be sent for the item, its tag aside.
    mutating func group(_ item: RegistryContent.Item) -> LoadPlan.Group? {
        let repository = item.reference.repository
        var manifests: [LoadPlan.ManifestStep] = []
        var blobs: [LoadPlan.BlobStep] = []
        var withTag: Descriptor?
        for descriptor in item.manifests where done.insert(Place(repository, descriptor.digest)).inserted {
            guard !answers.manifests.contains(Place(repository, descriptor.digest)) else {
                present.insert(Place(repository, descriptor.digest))
                continue
            }
            blobs += content.blobs(of: descriptor.digest).compactMap { blob(of: $0, in: repository) }
            if item.waitsForItsTag && descriptor == item.reference.descriptor {
                withTag = descriptor
            } else {
                manifests.append(step(descriptor, item))
            }
        }
        guard !manifests.isEmpty || withTag != nil else { return nil }
        return LoadPlan.Group(
            name: item.reference.name, kind: item.reference.kind, blobs: blobs, manifests: manifests, withTag: withTag)
    }

    /// The item's own manifest is held by a tag where the target may collect it before its final tag is there.
    private func step(_ descriptor: Descriptor, _ item: RegistryContent.Item) -> LoadPlan.ManifestStep {
        let isOwn = descriptor == item.reference.descriptor
        let isStaged = answers.traits.collectsAfter != nil && isOwn && item.finalTag(content) != nil
        return LoadPlan.ManifestStep(
            repository: item.reference.repository, descriptor: descriptor,
            stagingTag: isStaged ? Staging.tag(of: descriptor.digest) : nil, isHeld: isOwn)
    }

    private mutating func blob(of descriptor: Descriptor, in repository: String) -> LoadPlan.BlobStep? {
        let place = Place(repository, descriptor.digest)
        guard done.insert(place).inserted else { return nil }
        let isImplied = implied.contains(place)
        let home = homes[descriptor.digest]
        if home == nil { homes[descriptor.digest] = repository }
        let isNew = answers.newRepositories.contains(repository)
        // What a delta leaves out is there, or is to be had from there.
        let known = (content.elsewhere[descriptor.digest] ?? []).filter { !answers.newRepositories.contains($0) }
        if home == nil, !isImplied, let first = known.first {
            let isHere = known.contains(repository)
            return LoadPlan.BlobStep(
                repository: repository, digest: descriptor.digest, size: descriptor.size,
                mountFrom: isHere ? nil : first, presence: isHere ? .implied : isNew ? .unlikely : .unknown)
        }
        return LoadPlan.BlobStep(
            repository: repository, digest: descriptor.digest, size: descriptor.size,
            mountFrom: home == repository ? nil : home,
            presence: isImplied ? .implied : isNew ? .unlikely : .unknown)
    }
}

extension RegistryContent.Item {
    /// Whether its own manifest may not be there before its tag is: Palette lists what stands in its folder of packs.
    var waitsForItsTag: Bool { reference.tag != nil && reference.kind == "pack" }

    /// The tag that keeps it from collection: its own, or one made of its digest. A referrer needs none: it lives as long
    /// as its subject.
    func finalTag(_ content: RegistryContent) -> String? {
        if let tag = reference.tag { return tag }
        guard content.manifests[reference.descriptor.digest]?.subject == nil else { return nil }
        return "digest-\(reference.descriptor.digest.hex)"
    }
}
