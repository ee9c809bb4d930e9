// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
package import OCI
internal import Synchronization

/// Takes back what a load did to a registry: tags go to where its receipt says they were, and what it added goes where nothing
/// else uses it. A value that is shown first, and carried out when the user says so.
package struct Undo: Sendable {
    package enum Step: Sendable, Hashable {
        /// A tag that the load made, with what it points to.
        case removeTag(Place, Digest)
        /// A tag that the load moved.
        case restoreTag(Place, from: Digest, to: Digest)
        /// A manifest that the load added; its blobs go with the registry's next collection.
        case removeManifest(Place)
    }

    /// In the order in which they are carried out.
    package private(set) var steps: [Step] = []
    /// What stays as it is because somebody else needs it or has set it, and why.
    package private(set) var kept: [String] = []
    /// Tags that should go back and can't, and why.
    package private(set) var lost: [String] = []
    let target: any LoadTarget
    private let jobs: Int
    private let traits: TargetTraits

    /// Asks the registry how it is now, and decides; changes nothing. `others`: receipts of other releases' loads at this
    /// address, whose content stays; `staging`: staging tags of loads that were stopped.
    package init(
        _ receipt: Receipt, others: [Receipt] = [], staging: [Place] = [], at target: any LoadTarget, jobs: Int,
        progress: Progress
    ) throws {
        (self.target, self.jobs) = (target, jobs)
        progress.label = "asking \(target.address)"
        let session = try target.session()
        try session.ping()
        traits = try session.traits(TraitsQuestion())
        let needs = Needs(others)
        for tag in receipt.counts.tags where tag.action != "equal" { try add(tag, needs, session) }
        for place in staging where !place.isDigest {
            if let digest = try session.manifestDigest(place) { steps.append(.removeTag(place, digest)) }
        }
        try addManifests(receipt, needs)
    }

    private mutating func add(_ tag: LoadTally.TagRecord, _ needs: Needs, _ session: any TargetSession) throws {
        let place = Place(tag.repository, tag.tag)
        guard let now = try session.manifestDigest(place), now.description != tag.before else { return }
        guard now.description == tag.digest else {
            return kept.append("\(place) points to \(now) now, which is not this load's")
        }
        if let other = needs.release(of: place, now) { return kept.append("\(place) is \(other)'s too") }
        guard let before = tag.before else { return steps.append(.removeTag(place, now)) }
        let former = Place(tag.repository, before)
        guard case .present(let bytes, _) = try session.manifest(former), Digest(of: bytes).description == before else {
            return lost.append("\(place) was \(before), which the registry hasn't got any more")
        }
        let digest = Digest(of: bytes)
        steps.append(.restoreTag(place, from: now, to: digest))
        let kept = Place(tag.repository, Former.tag(of: digest))
        if try session.manifestDigest(kept) != nil { steps.append(.removeTag(kept, digest)) }
    }

    /// Manifests that the load added, and that neither a tag nor another release leads to.
    private mutating func addManifests(_ receipt: Receipt, _ needs: Needs) throws {
        let added = receipt.objects.filter { $0.isAdded && $0.manifestType != nil }
        let groups = Dictionary(grouping: added, by: \.repository)
        let (undone, restored) = (Set(steps.compactMap(\.tag)), steps.compactMap(\.restored))
        let found = Mutex<[String: RepositoryUsage]>([:])
        try spread(groups.keys.sorted(), width: jobs, target.session) { session, repository in
            var usage = RepositoryUsage(repository, groups[repository] ?? [], needs)
            try usage.read(session, without: undone, restored: restored.filter { $0.repository == repository })
            found.withLock { [usage] in $0[repository] = usage }
        }
        for (_, usage) in found.withLock({ $0 }).sorted(by: { $0.key < $1.key }) {
            steps += usage.steps
            kept += usage.kept
        }
    }

    /// Carries the steps out, in order; see `RegistrySteps`.
    package func carryOut(_ progress: Progress) -> RegistrySteps.Ending {
        progress.label = "undoing"
        return RegistrySteps(steps, at: target, traits).carryOut(opening: true)
    }
}

extension Undo.Step {
    /// The tag that it changes.
    fileprivate var tag: Place? {
        switch self {
        case .removeTag(let place, _), .restoreTag(let place, _, _): place
        case .removeManifest: nil
        }
    }

    /// The manifest that a tag names before it is changed.
    var manifest: Place? {
        switch self {
        case .removeTag(let place, let digest), .restoreTag(let place, from: let digest, _):
            Place(place.repository, digest)
        case .removeManifest: nil
        }
    }

    /// The manifest that a tag names afterwards.
    fileprivate var restored: Place? {
        guard case .restoreTag(let place, _, let digest) = self else { return nil }
        return Place(place.repository, digest)
    }
}

extension Undo.Step: CustomStringConvertible {
    package var description: String {
        switch self {
        case .removeTag(let place, _): "remove tag  \(place)"
        case .restoreTag(let place, _, let digest): "put back  \(place) to \(digest)"
        case .removeManifest(let place): "remove manifest  \(place)"
        }
    }
}

/// What other releases, by their receipts, have in a registry.
struct Needs: Sendable {
    private var tags: [Place: (digest: String, release: String)] = [:]
    private var objects: [Place: String] = [:]

    init(_ receipts: [Receipt]) {
        for receipt in receipts {
            let name = "\(receipt.product) \(receipt.version)"
            for tag in receipt.counts.tags { tags[Place(tag.repository, tag.tag)] = (tag.digest, name) }
            for object in receipt.objects where object.manifestType != nil { objects[object.place] = name }
        }
    }

    /// The release that has this tag at this digest, if one has.
    func release(of tag: Place, _ digest: Digest) -> String? {
        tags[tag].flatMap { $0.digest == digest.description ? $0.release : nil }
    }

    /// The release that has this manifest, if one has.
    func release(of manifest: Place) -> String? { objects[manifest] }
}
