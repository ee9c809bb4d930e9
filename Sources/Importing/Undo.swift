// SPDX-License-Identifier: Apache-2.0

package import Files
internal import BundleFormat
internal import FoundationEssentials
package import OCI
internal import RegistryClient
internal import Synchronization

/// Takes back what a load did to a registry: tags go to where its receipt says they were, and what it added goes where nothing
/// else uses it. A value that is shown first, and carried out when the user says so.
package struct Undo: Sendable {
    package enum Step: Sendable, Hashable {
        /// A tag that the load made.
        case removeTag(Place)
        /// A tag that the load moved.
        case restoreTag(Place, to: Digest)
        /// A manifest that the load added; its blobs go with the registry's next collection.
        case removeManifest(Place)
    }

    /// In the order in which they are carried out.
    package private(set) var steps: [Step] = []
    /// What stays as it is, and why.
    package private(set) var kept: [String] = []
    private let target: any LoadTarget
    private let jobs: Int

    /// Asks the registry how it is now, and decides; changes nothing.
    package init(_ receipt: Receipt, at target: any LoadTarget, jobs: Int, progress: Progress) throws {
        (self.target, self.jobs) = (target, jobs)
        progress.label = "asking \(target.address)"
        try target.session().ping()
        for tag in receipt.counts.tags where tag.action != "equal" { try addTag(tag) }
        try addManifests(receipt)
    }

    private mutating func addTag(_ tag: LoadTally.TagRecord) throws {
        let place = Place(tag.repository, tag.tag)
        let session = try target.session()
        let now = try session.manifestDigest(place)?.description
        guard let now, now != tag.before else { return }  // undone already
        guard now == tag.digest else { return kept.append("\(place) points to \(now) now, which is not this load's") }
        guard let before = tag.before else { return steps.append(.removeTag(place)) }
        let former = Place(tag.repository, before)
        guard case .present(let bytes, _) = try session.manifest(former), Digest(of: bytes).description == before else {
            return kept.append("\(place) was \(before), which the registry hasn't got any more")
        }
        steps.append(.restoreTag(place, to: Digest(of: bytes)))
    }

    /// Manifests that the load added and that no other tag of their repository leads to.
    private mutating func addManifests(_ receipt: Receipt) throws {
        let added = receipt.objects.filter { $0.isAdded && $0.manifestType != nil }
        let removed = Set(
            steps.compactMap { step -> Place? in
                switch step {
                case .removeTag(let place), .restoreTag(let place, _): place
                case .removeManifest: nil
                }
            })
        let restored = steps.compactMap { step -> Place? in
            guard case .restoreTag(let place, let digest) = step else { return nil }
            return Place(place.repository, digest)
        }
        let usage = Mutex((steps: [Step](), kept: [String]()))
        let groups = Dictionary(grouping: added, by: \.repository)
        try spread(groups.keys.sorted(), width: jobs, target.session) { session, repository in
            let tags = try session.tags(of: repository).map { Place(repository, $0) }.filter { !removed.contains($0) }
            var used: Set<Digest> = []
            for place in tags + restored.filter({ $0.repository == repository }) {
                try Undo.collect(place, session, into: &used)
            }
            // Parents before children: Zot refuses to delete what an index lists.
            for object in (groups[repository] ?? []).reversed() {
                guard try session.manifestDigest(object.place) != nil else { continue }
                usage.withLock { [used] found in
                    if used.contains(object.digest) {
                        found.kept.append("\(object.place) is used by another tag of its repository")
                    } else {
                        found.steps.append(.removeManifest(object.place))
                    }
                }
            }
        }
        usage.withLock { found in
            steps += found.steps
            kept += found.kept.sorted()
        }
    }

    /// All manifests below a tag.
    private static func collect(_ place: Place, _ session: any TargetSession, into used: inout Set<Digest>) throws {
        guard case .present(let bytes, let type) = try session.manifest(place) else { return }
        let digest = Digest(of: bytes)
        guard used.insert(digest).inserted, MediaType.isIndex(type) else { return }
        for child in try Manifest(parsing: Data(bytes), mediaType: type).manifests
        where MediaType.isManifest(child.mediaType) {
            try collect(Place(place.repository, child.digest), session, into: &used)
        }
    }

    /// Carries the steps out, in order; those that a registry refuses are returned with its reason, and the others done.
    ///
    /// Throws what stops all of them: login, network, interruption. The same again goes on.
    package func carryOut(_ progress: Progress) throws -> [String] {
        progress.label = "undoing"
        let session = try target.session()
        var refused: [String] = []
        for step in steps {
            try Interruption.check()
            do {
                try carryOut(step, session)
            } catch let error as RegistryError where error.kind == .refusal {
                // Docker's registry deletes no tags: its manifest takes them along.
                guard case .removeTag(let tag) = step, takesAlong(tag, steps) else {
                    refused.append("\(step): \(error)")
                    continue
                }
            }
        }
        return refused
    }

    private func takesAlong(_ tag: Place, _ steps: [Step]) -> Bool {
        steps.contains { step in
            guard case .removeManifest(let place) = step else { return false }
            return place.repository == tag.repository
        }
    }

    private func carryOut(_ step: Step, _ session: any TargetSession) throws {
        switch step {
        case .removeTag(let place), .removeManifest(let place): try session.remove(place)
        case .restoreTag(let place, let digest):
            let former = Place(place.repository, digest)
            guard case .present(let bytes, let type) = try session.manifest(former), Digest(of: bytes) == digest else {
                throw LoadError.notThere([former.description])
            }
            let manifest = try Manifest(parsing: Data(bytes), mediaType: type)
            let descriptor = Descriptor(mediaType: type, digest: digest, size: Int64(bytes.count))
            let assignment = TagAssignment(
                repository: place.repository, tag: place.reference, manifest: manifest, descriptor: descriptor)
            try target.setTags([assignment], width: 1)
        }
    }
}

extension Undo.Step: CustomStringConvertible {
    package var description: String {
        switch self {
        case .removeTag(let place): "remove tag  \(place)"
        case .restoreTag(let place, let digest): "put back  \(place) to \(digest)"
        case .removeManifest(let place): "remove manifest  \(place)"
        }
    }
}
