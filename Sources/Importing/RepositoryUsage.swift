// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import FoundationEssentials
internal import OCI
internal import RegistryClient

/// What of the manifests that a load added to a repository is used by what stays there.
struct RepositoryUsage: Sendable {
    private let repository: String
    private let added: [ReceiptObject]
    private let needs: Needs
    private(set) var steps: [Undo.Step] = []
    private(set) var kept: [String] = []
    /// Everything that stays reachable: by a tag, a given root, or as a referrer of what is.
    private(set) var reached: Set<Digest> = []
    /// What the removed manifests are and name, with sizes in bytes; only where `measures`.
    private(set) var removed: [Digest: Int64] = [:]
    /// Whether a tag that stays can't be read, so that nothing goes.
    private(set) var isUnreadable = false
    /// Whether it wants to know what goes, which takes the manifests' bytes.
    var measures = false

    /// `added`: children before parents.
    init(_ repository: String, _ added: [ReceiptObject], _ needs: Needs) {
        (self.repository, self.added, self.needs) = (repository, added, needs)
    }

    /// Reads all tags but those that are undone, and decides. A tag that can't be read keeps everything: nobody knows what it
    /// needs.
    mutating func read(_ session: any TargetSession, without undone: Set<Place>, restored: [Place]) throws {
        let tags = try (session.tags(of: repository) ?? []).map { Place(repository, $0) }.filter {
            !undone.contains($0)
        }
        var (graph, lists) = (ManifestGraph(), [Place]())
        for place in tags + restored {
            // The index that lists a manifest's referrers is no use of them.
            if isReferrersTag(place) {
                lists.append(place)
                continue
            }
            do {
                try add(place, to: &graph, session)
            } catch is Unreadable {
                kept.append("\(repository): everything, as \(place) can't be read")
                reached.formUnion(added.map(\.digest))
                isUnreadable = true
                return
            }
        }
        try decide(&graph, lists, session)
        reached.formUnion(graph.manifests.map(\.descriptor.digest) + graph.blobs.map(\.digest))
    }

    private mutating func decide(
        _ graph: inout ManifestGraph, _ lists: [Place], _ session: any TargetSession
    ) throws {
        var used = Set(added.map(\.digest).filter(graph.contains))
        // What is about something that stays, stays: signatures, SBOMs, attestations; and what is about those.
        var count = -1
        while count != used.count {
            count = used.count
            for object in added where object.subject.map({ used.contains($0) || graph.contains($0) }) == true {
                used.insert(object.digest)
            }
        }
        if measures { try addReferrers(used, to: &graph, session) }
        // Parents before children: Zot refuses to delete what an index lists.
        for object in added.reversed() where try isThere(object, session) {
            if let release = needs.release(of: object.place) {
                kept.append("\(object.place) is \(release)'s too")
            } else if used.contains(object.digest) {
                kept.append("\(object.place) is used by what stays in its repository")
            } else {
                steps.append(.removeManifest(object.place))
            }
        }
        try removeLists(lists, session)
    }

    /// Referrers that stay keep what they name. One that can't be read is refused by no registry when it goes, and stays here.
    private func addReferrers(
        _ used: Set<Digest>, to graph: inout ManifestGraph, _ session: any TargetSession
    ) throws {
        for object in added where used.contains(object.digest) && !graph.contains(object.digest) {
            guard try session.manifestDigest(object.place) != nil else { continue }
            do {
                try add(object.place, to: &graph, session)
            } catch is Unreadable {
                continue
            }
        }
    }

    /// Asks for the manifest; where what goes is measured, for its bytes, and notes what it names.
    private mutating func isThere(_ object: ReceiptObject, _ session: any TargetSession) throws -> Bool {
        guard measures else { return try session.manifestDigest(object.place) != nil }
        guard case .present(let bytes, let type) = try session.manifest(object.place) else { return false }
        removed[object.digest] = Int64(bytes.count)
        guard let manifest = try? Manifest(parsing: Data(bytes), mediaType: type) else { return true }
        for blob in manifest.blobs + manifest.manifests where !MediaType.isManifest(blob.mediaType) {
            removed[blob.digest] = blob.size
        }
        return true
    }

    /// A referrers' index goes with its subject.
    private mutating func removeLists(_ lists: [Place], _ session: any TargetSession) throws {
        let removed = Set(
            steps.compactMap { step -> String? in
                guard case .removeManifest(let place) = step else { return nil }
                return place.reference
            })
        for list in lists where removed.contains("sha256:" + list.reference.dropFirst(7)) {
            guard let digest = try session.manifestDigest(list) else { continue }
            steps.append(.removeTag(list, digest))
            steps.append(.removeManifest(Place(repository, digest)))
        }
    }

    private struct Unreadable: Error {}

    /// Walks a tag's manifest with all below it; a child that isn't there is used by nobody here.
    private func add(_ place: Place, to graph: inout ManifestGraph, _ session: any TargetSession) throws {
        guard case .present(let bytes, let type) = try session.manifest(place) else { throw Unreadable() }
        let root = Descriptor(mediaType: type, digest: Digest(of: bytes), size: Int64(bytes.count))
        do {
            try graph.add(root) { descriptor in
                if descriptor == root { return try Manifest(parsing: Data(bytes), mediaType: type) }
                let child = Place(repository, descriptor.digest)
                guard case .present(let bytes, _) = try session.manifest(child), Digest(of: bytes) == descriptor.digest
                else { throw Unreadable() }
                return try Manifest(parsing: Data(bytes), mediaType: descriptor.mediaType)
            }
        } catch is ManifestError {
            throw Unreadable()
        } catch is GraphError {
            throw Unreadable()
        }
    }

    private func isReferrersTag(_ place: Place) -> Bool {
        place.reference.wholeMatch(of: /sha256-[0-9a-f]{64}/) != nil
    }
}
