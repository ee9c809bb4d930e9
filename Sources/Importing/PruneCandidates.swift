// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import OCI

/// What releases that go have brought into one repository, by their receipts.
struct PruneCandidates: Sendable {
    let repository: String
    /// Tags that their loads made or moved, with what they set them to; no release that stays has them.
    var tags: [Place: Set<Digest>] = [:]
    /// Manifests that their loads brought, children before parents, each once.
    var manifests: [ReceiptObject] = []
    /// Manifests and tags that were there before any load; they stay.
    var foreign: Set<Place> = []
    /// Digests that stay, because something that runs may be them, with all below.
    var inUse: Set<Digest> = []
    /// Why tags stay, by their name.
    var kept: [String] = []
}

/// The same of all repositories: a pure function of receipts and of what clusters run.
struct PruneContent: Sendable {
    private(set) var repositories: [String: PruneCandidates] = [:]
    /// What the releases that stay have.
    let needs: Needs
    /// Digests of all that they have, wherever it is.
    let keptDigests: Set<Digest>
    /// Every tag and repository that any receipt names.
    let known: (tags: Set<Place>, repositories: Set<String>)

    init(_ retention: Retention, _ inUse: InUse?) {
        let kept = retention.kept.flatMap(\.release.receipts)
        let gone = retention.gone.flatMap(\.receipts).sorted { $0.finished < $1.finished }
        needs = Needs(kept)
        keptDigests = Set(kept.flatMap(\.objects).map(\.digest))
        let all = kept + gone
        known = (
            Set(all.flatMap(\.counts.tags).map(\.place)),
            Set(all.flatMap(\.objects).map(\.repository) + all.flatMap(\.counts.tags).map(\.repository))
        )
        let pinned = PinnedImages(gone, inUse)
        let keptTags = Set(kept.flatMap(\.counts.tags).map(\.place))
        let made = Set(all.flatMap(\.counts.tags).filter { $0.action != "equal" }.map(\.place))
        for receipt in gone { addTags(of: receipt, keptTags, made, pinned) }
        addManifests(gone, Set(kept.flatMap(\.objects).filter { $0.manifestType != nil }.map(\.place)))
        for (repository, digests) in pinned.digests { repositories[repository]?.inUse.formUnion(digests) }
    }

    private mutating func addTags(
        of receipt: Receipt, _ kept: Set<Place>, _ made: Set<Place>, _ pinned: PinnedImages
    ) {
        for tag in receipt.counts.tags {
            guard let digest = try? Digest(parsing: tag.digest) else { continue }
            var found = repositories[tag.repository] ?? PruneCandidates(repository: tag.repository)
            let words = "\(tag.place) is in use, or belongs to a pack with an image in use"
            if !made.contains(tag.place) {
                found.foreign.insert(tag.place)
            } else if pinned.tags.contains(tag.place) {
                if !found.kept.contains(words) { found.kept.append(words) }
            } else if !kept.contains(tag.place) {
                found.tags[tag.place, default: []].insert(digest)
            }
            repositories[tag.repository] = found
        }
    }

    /// A manifest is a load's own where the load says so, or where it made a tag in the same repository: what a killed load
    /// sent, the next one finds there.
    private mutating func addManifests(_ gone: [Receipt], _ kept: Set<Place>) {
        var own: Set<Place> = []
        for receipt in gone {
            let made = Set(receipt.counts.tags.filter { $0.action != "equal" }.map(\.repository))
            own.formUnion(receipt.objects.filter { $0.isAdded || made.contains($0.repository) }.map(\.place))
        }
        var seen = kept
        for object in gone.flatMap(\.objects) where object.manifestType != nil && seen.insert(object.place).inserted {
            var found = repositories[object.repository] ?? PruneCandidates(repository: object.repository)
            if own.contains(object.place) { found.manifests.append(object) } else { found.foreign.insert(object.place) }
            repositories[object.repository] = found
        }
    }
}

/// What of releases that go may be running.
private struct PinnedImages {
    private(set) var tags: Set<Place> = []
    private(set) var digests: [String: Set<Digest>] = [:]

    init(_ receipts: [Receipt], _ inUse: InUse?) {
        guard let inUse else { return }
        for tag in receipts.flatMap(\.counts.tags) where inUse.mayBe(tag.place) { pin(tag) }
        for object in receipts.flatMap(\.objects) where inUse.digests.contains(object.digest) {
            digests[object.repository, default: []].insert(object.digest)
        }
        for tag in receipts.flatMap(\.counts.tags) {
            guard let digest = try? Digest(parsing: tag.digest), inUse.digests.contains(digest) else { continue }
            pin(tag)
        }
        pinPacks(receipts)
    }

    /// A node may run what a tag named before it moved: all that it ever was here stays.
    private mutating func pin(_ tag: LoadTally.TagRecord) {
        tags.insert(tag.place)
        guard let digest = try? Digest(parsing: tag.digest) else { return }
        digests[tag.repository, default: []].insert(digest)
    }

    /// A pack of which one image runs is in a profile: it stays with all of its images.
    private mutating func pinPacks(_ receipts: [Receipt]) {
        let byPlace = Dictionary(grouping: receipts.flatMap(\.counts.tags), by: \.place)
        for (pack, images) in receipts.flatMap(\.packs) {
            let places = images.compactMap(Place.init(parsing:))
            guard places.contains(where: isPinned) else { continue }
            for place in places + [Place(parsing: pack)].compactMap(\.self) {
                for tag in byPlace[place] ?? [] { pin(tag) }
                if place.isDigest, let digest = try? Digest(parsing: place.reference) {
                    digests[place.repository, default: []].insert(digest)
                }
            }
        }
    }

    private func isPinned(_ place: Place) -> Bool {
        guard place.isDigest else { return tags.contains(place) }
        return (try? Digest(parsing: place.reference)).map { digests[place.repository]?.contains($0) == true } ?? false
    }
}

extension LoadTally.TagRecord {
    var place: Place { Place(repository, tag) }
}
