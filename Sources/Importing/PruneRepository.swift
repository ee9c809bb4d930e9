// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import FoundationEssentials
internal import OCI

/// What goes of one repository, as the target has it now.
struct PruneRepository: Sendable {
    private(set) var steps: [Undo.Step] = []
    private(set) var kept: [String]
    /// Tags that no receipt names.
    private(set) var unknownTags: [String] = []
    private(set) var reached: Set<Digest> = []
    private(set) var removed: [Digest: Int64] = [:]

    /// Asks; changes nothing. `former`: tags of ours that keep what moved tags named.
    init(
        _ candidates: PruneCandidates, _ content: PruneContent, former: Set<Place>, _ session: any TargetSession
    ) throws {
        kept = candidates.kept
        let there = Set(try session.tags(of: candidates.repository) ?? [])
        let roots = try PruneRepository.roots(candidates, session)
        var going: [Place: Digest] = [:]
        for tag in there.sorted() {
            let place = Place(candidates.repository, tag)
            if let given = candidates.tags[place] {
                try note(place, given, roots, session, &going)
            } else if former.contains(place), let digest = candidates.formerDigest(of: place) {
                if !roots.contains(digest) { going[place] = digest }
            } else if !content.known.tags.contains(place), !PruneRepository.isOwn(tag) {
                unknownTags.append(place.description)
            }
        }
        steps = going.sorted { $0.key.reference < $1.key.reference }.map { .removeTag($0.key, $0.value) }
        try addManifests(candidates, content, roots, Set(going.keys), session)
    }

    private mutating func note(
        _ place: Place, _ given: Set<Digest>, _ roots: Set<Digest>, _ session: any TargetSession,
        _ going: inout [Place: Digest]
    ) throws {
        guard let now = try session.manifestDigest(place) else { return }
        if roots.contains(now) {
            kept.append("\(place) names what is in use")
        } else if given.contains(now) {
            going[place] = now
        } else {
            kept.append("\(place) points to \(now) now, which no load of these releases set")
        }
    }

    private mutating func addManifests(
        _ candidates: PruneCandidates, _ content: PruneContent, _ roots: Set<Digest>, _ going: Set<Place>,
        _ session: any TargetSession
    ) throws {
        var usage = RepositoryUsage(candidates.repository, candidates.manifests, content.needs)
        usage.measures = true
        let foreign = candidates.foreign.filter(\.isDigest).compactMap { try? Digest(parsing: $0.reference) }
        let held = try roots.union(foreign).sorted().map { Place(candidates.repository, $0) }.filter {
            try session.manifestDigest($0) != nil
        }
        try usage.read(session, without: going, restored: held)
        steps = usage.isUnreadable ? [] : steps + usage.steps
        kept += usage.kept
        (reached, removed) = (usage.reached, usage.removed)
    }

    /// The manifests that stay because of what runs: those that are named, and each that leads to one of them, as a runtime may
    /// name a platform's manifest or a configuration.
    private static func roots(_ candidates: PruneCandidates, _ session: any TargetSession) throws -> Set<Digest> {
        guard !candidates.inUse.isEmpty else { return [] }
        var roots = candidates.inUse
        // Children come first: one pass meets every parent after what it names.
        for object in candidates.manifests where !roots.contains(object.digest) {
            guard case .present(let bytes, let type) = try session.manifest(object.place),
                let manifest = try? Manifest(parsing: Data(bytes), mediaType: type)
            else { continue }
            if manifest.references.contains(where: { roots.contains($0.digest) }) { roots.insert(object.digest) }
        }
        let manifests = Set(candidates.manifests.map(\.digest)).union(
            candidates.tags.values.flatMap(\.self))
        return roots.intersection(manifests)
    }

    /// Tags that Dray sets, and the list of referrers that registries without their API keep.
    private static func isOwn(_ tag: String) -> Bool {
        tag.hasPrefix("dray-") || tag.hasPrefix("digest-") || tag.wholeMatch(of: /sha256-[0-9a-f]{64}/) != nil
    }
}

extension PruneCandidates {
    /// The candidate that a tag of ours keeps from collection.
    fileprivate func formerDigest(of place: Place) -> Digest? {
        manifests.first { Former.tag(of: $0.digest) == place.reference }?.digest
    }
}
